"""Small pictures of images, for lists."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; of images that came before, a picture is made when it is first asked for."""
    op.create_table(
        "thumbnail",
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name=op.f("fk_thumbnail_instance_id_instance")),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_thumbnail")),
    )
