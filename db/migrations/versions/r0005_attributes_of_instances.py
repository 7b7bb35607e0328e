"""What queries ask for: attributes of Series and Instances, and the agent's own reports among the Instances."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXTS = (
    "modality",
    "series_number",
    "series_description",
    "series_date",
    "series_time",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
    "body_part_examined",
    "laterality",
    "protocol_name",
    "station_name",
    "instance_number",
    "content_date",
    "content_time",
    "image_type",
)
_NUMBERS = ("rows", "columns", "bits_allocated", "number_of_frames")


def upgrade() -> None:
    """Add columns that are empty for what is there already, and a row for each report that has been rendered."""
    for name in ("study_id", "referring_physician_name"):
        op.add_column("study", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in _TEXTS:
        op.add_column("instance", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in _NUMBERS:
        op.add_column("instance", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    for name in ("patient_id", "accession_number", "study_date"):
        op.create_index(f"ix_study_{name}", "study", [name], unique=False)
    # The agent writes all its reports in Explicit VR Little Endian.
    op.execute(
        """
        INSERT INTO instance (study_id, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
            sha256, path, size, role, is_image, calling_ae_title, received_at)
        SELECT result.study_id, report.series_instance_uid, report.sop_instance_uid, report.sop_class_uid,
            '1.2.840.10008.1.2.1', report.sha256, report.path, report.size, 'own', report.kind = 'picture', '',
            report.rendered_at
        FROM report JOIN result ON result.id = report.result_id
        WHERE report.media_type = 'application/dicom' AND report.sha256 IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM instance known WHERE known.sha256 = report.sha256)
        """
    )
