"""Reports that are not DICOM have an identifier too; amendments that wait; studies that were read."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; a report's identifier was its SOP Instance UID so far."""
    with op.batch_alter_table("report") as batch:
        batch.add_column(sa.Column("identifier", sa.Text(), nullable=True))
        batch.create_unique_constraint("uq_report_identifier", ["identifier"])
    op.execute("UPDATE report SET identifier = sop_instance_uid")
    op.add_column("study", sa.Column("amending", sa.Text(), nullable=True))
    op.add_column("study", sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("study", sa.Column("read_how", sa.Text(), nullable=True))
