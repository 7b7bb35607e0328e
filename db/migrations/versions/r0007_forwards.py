"""A delivery is of a report or of a received Instance."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen the ledger; every delivery that is there stays one of its report."""
    with op.batch_alter_table("delivery") as table:
        table.alter_column("report_id", existing_type=sa.Integer(), nullable=True)
        table.add_column(sa.Column("instance_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("rule", sa.Text(), nullable=True))
        table.add_column(sa.Column("on_outcomes", sa.Text(), nullable=True))
        table.add_column(sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
        table.create_foreign_key(op.f("fk_delivery_instance_id_instance"), "instance", ["instance_id"], ["id"])
        table.create_unique_constraint(op.f("uq_delivery_instance_id_destination"), ["instance_id", "destination"])
        table.create_check_constraint(
            op.f("ck_delivery_of_one_thing"), "(report_id IS NULL) = (instance_id IS NOT NULL)"
        )
