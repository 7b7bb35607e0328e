"""What Instances say of themselves beyond their identity."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAttributes:
    """What queries about a Series or an Instance ask for, named as in PS3.6: the columns of the same names."""

    modality: str = ""
    series_number: str = ""
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    performed_procedure_step_start_date: str = ""
    performed_procedure_step_start_time: str = ""
    body_part_examined: str = ""
    laterality: str = ""
    protocol_name: str = ""
    station_name: str = ""
    instance_number: str = ""
    content_date: str = ""
    content_time: str = ""
    image_type: str = ""  # its values with backslashes between them
    rows: int = 0
    columns: int = 0
    bits_allocated: int = 0
    number_of_frames: int = 1
