"""The attributes that queries may match and return, by level (PS3.4 C.6.2.1 and PS3.18 10.6.3.3)."""

import enum
from dataclasses import dataclass
from typing import Final


class Level(enum.StrEnum):
    """Query/Retrieve Level (0008,0052) of the Study Root."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute: its tag, its VR (PS3.6), and the level of what it describes."""

    tag: int
    vr: str
    level: Level


_STUDY: Final = {
    "study_instance_uid": (0x0020000D, "UI"),
    "study_date": (0x00080020, "DA"),
    "study_time": (0x00080030, "TM"),
    "accession_number": (0x00080050, "SH"),
    "study_id": (0x00200010, "SH"),
    "study_description": (0x00081030, "LO"),
    "referring_physician_name": (0x00080090, "PN"),
    "patient_name": (0x00100010, "PN"),
    "patient_id": (0x00100020, "LO"),
    "issuer_of_patient_id": (0x00100021, "LO"),
    "patient_birth_date": (0x00100030, "DA"),
    "patient_sex": (0x00100040, "CS"),
    "patient_age": (0x00101010, "AS"),
    "modalities_in_study": (0x00080061, "CS"),
    "sop_classes_in_study": (0x00080062, "UI"),
    "number_of_study_related_series": (0x00201206, "IS"),
    "number_of_study_related_instances": (0x00201208, "IS"),
}
_SERIES: Final = {
    "series_instance_uid": (0x0020000E, "UI"),
    "modality": (0x00080060, "CS"),
    "series_number": (0x00200011, "IS"),
    "series_description": (0x0008103E, "LO"),
    "series_date": (0x00080021, "DA"),
    "series_time": (0x00080031, "TM"),
    "performed_procedure_step_start_date": (0x00400244, "DA"),
    "performed_procedure_step_start_time": (0x00400245, "TM"),
    "body_part_examined": (0x00180015, "CS"),
    "laterality": (0x00200060, "CS"),
    "protocol_name": (0x00181030, "LO"),
    "station_name": (0x00081010, "SH"),
    "number_of_series_related_instances": (0x00201209, "IS"),
}
_IMAGE: Final = {
    "sop_instance_uid": (0x00080018, "UI"),
    "sop_class_uid": (0x00080016, "UI"),
    "available_transfer_syntax_uid": (0x00083002, "UI"),
    "instance_number": (0x00200013, "IS"),
    "content_date": (0x00080023, "DA"),
    "content_time": (0x00080033, "TM"),
    "image_type": (0x00080008, "CS"),
    "rows": (0x00280010, "US"),
    "columns": (0x00280011, "US"),
    "bits_allocated": (0x00280100, "US"),
    "number_of_frames": (0x00280008, "IS"),
}

KEYS: Final = {
    name: Key(tag, vr, level)
    for level, table in ((Level.STUDY, _STUDY), (Level.SERIES, _SERIES), (Level.IMAGE, _IMAGE))
    for name, (tag, vr) in table.items()
}
"""Every attribute that is matched and returned, by PS3.6 keyword in snake_case."""

UNIQUE_KEYS: Final = {
    Level.STUDY: "study_instance_uid",
    Level.SERIES: "series_instance_uid",
    Level.IMAGE: "sop_instance_uid",
}

ABOVE: Final = {Level.STUDY: (), Level.SERIES: (Level.STUDY,), Level.IMAGE: (Level.STUDY, Level.SERIES)}
"""The levels above each, whose unique keys a hierarchical query has to give (PS3.4 C.4.1.2.1)."""
