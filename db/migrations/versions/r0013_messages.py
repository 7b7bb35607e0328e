"""What hospital systems say over HL7: messages answered, orders that wait, merged patients, corrected studies."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables and add a column; nothing that is there changes."""
    _create_messages()
    _create_ordered()
    op.create_table(
        "patient_alias",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prior_patient_id", sa.Text(), nullable=False),
        sa.Column("prior_issuer", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_birth_date", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_alias")),
        sa.UniqueConstraint(
            "prior_patient_id", "prior_issuer", name=op.f("uq_patient_alias_prior_patient_id_prior_issuer")
        ),
    )
    op.add_column("study", sa.Column("doubt", sa.Text(), server_default=sa.text("''"), nullable=False))


def _create_messages() -> None:
    op.create_table(
        "hl7_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("answer", sa.String(length=2), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hl7_message")),
        sa.UniqueConstraint("sender", "control_id", "sha256", name=op.f("uq_hl7_message_sender_control_id_sha256")),
    )
    op.create_index("ix_hl7_message_received_at", "hl7_message", ["received_at"], unique=False)


def _create_ordered() -> None:
    op.create_table(
        "ordered",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ordered")),
        sa.UniqueConstraint("key", name=op.f("uq_ordered_key")),
    )
    for name in ("study_instance_uid", "accession_number", "expires_at"):
        op.create_index(f"ix_ordered_{name}", "ordered", [name], unique=False)
