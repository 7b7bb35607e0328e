"""Tokens of accounts: a program's token ends with the account of the program."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a token say whose it is; those that are there are nobody's."""
    with op.batch_alter_table("api_token") as table:
        table.add_column(sa.Column("account_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f("fk_api_token_account_id_account"), "account", ["account_id"], ["id"])
