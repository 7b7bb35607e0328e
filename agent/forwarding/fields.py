"""What a rule may ask about: the fields, what each means, and their values for one Instance."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from db.outcome import Outcome
from dicom_io.header import Header, is_candidate

LONGEST_VALUE: Final = 1024
"""Characters of a value that count; a longer one is cut, so that no Instance can make a rule slow."""
OUTCOME: Final = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: its name (the PS3.6 keyword in snake_case for an attribute), what it is, and how texts compare.

    `ignores_case` where people type freely (VR LO, SH); codes, AE titles and UIDs (VR CS, AE, UI) compare exactly.
    `values` are all that it can be, if that is known: anything else in a rule is a mistake.
    """

    name: str
    meaning: str
    ignores_case: bool = False
    values: tuple[str, ...] = ()

    def comparable(self, text: str) -> str:
        """Return what two texts must have in common to be equal: spaces around them do not count (PS3.5 6.2)."""
        text = text[:LONGEST_VALUE].strip(" \0")
        return text.casefold() if self.ignores_case else text


_ALL: Final = (
    Field(name="calling_ae_title", meaning="AE title of who sent the Instance; by STOW-RS the name of its token"),
    Field(name="called_ae_title", meaning="AE title that the sender called"),
    Field(name="peer_address", meaning="IP address of who sent the Instance"),
    Field(name="modality", meaning="Modality (0008,0060)"),
    Field(name="body_part_examined", meaning="Body Part Examined (0018,0015)"),
    Field(name="view_position", meaning="View Position (0018,5101)"),
    Field(name="image_type", meaning="Image Type (0008,0008), its values joined by a backslash"),
    Field(name="sop_class_uid", meaning="SOP Class UID (0008,0016)"),
    Field(name="transfer_syntax_uid", meaning="Transfer Syntax UID (0002,0010)"),
    Field(name="study_description", meaning="Study Description (0008,1030)", ignores_case=True),
    Field(name="series_description", meaning="Series Description (0008,103E)", ignores_case=True),
    Field(name="protocol_name", meaning="Protocol Name (0018,1030)", ignores_case=True),
    Field(
        name="requested_procedure_description",
        meaning="Requested Procedure Description (0032,1060)",
        ignores_case=True,
    ),
    Field(name="requested_procedure_priority", meaning="Requested Procedure Priority (0040,1003)"),
    Field(name="accession_number", meaning="Accession Number (0008,0050)", ignores_case=True),
    Field(name="patient_id", meaning="Patient ID (0010,0020)", ignores_case=True),
    Field(name="patient_sex", meaning="Patient's Sex (0010,0040)"),
    Field(name="manufacturer", meaning="Manufacturer (0008,0070)", ignores_case=True),
    Field(name="manufacturer_model_name", meaning="Manufacturer's Model Name (0008,1090)", ignores_case=True),
    Field(
        name="role",
        meaning="what the Instance is here: an image to be analysed (candidate) or anything else (evidence)",
        values=("candidate", "evidence"),
    ),
    Field(
        name=OUTCOME,
        meaning="what its study came to; a rule that asks for it waits for the study's conclusion",
        values=tuple(Outcome),
    ),
)
FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _ALL}
"""Every field by its name."""

_ATTRIBUTES: Final = frozenset(field.name for field in fields(Header)) & FIELDS.keys()


def facts_of(
    header: Header, *, transfer_syntax_uid: str, calling_ae_title: str, called_ae_title: str, peer_address: str
) -> dict[str, str]:
    """Return the values of every field but `outcome`; what the Instance does not say is empty."""
    facts = {name: _text(getattr(header, name)) for name in _ATTRIBUTES}
    return facts | {
        "transfer_syntax_uid": transfer_syntax_uid or header.transfer_syntax_uid,
        "calling_ae_title": calling_ae_title,
        "called_ae_title": called_ae_title,
        "peer_address": peer_address,
        "role": "candidate" if is_candidate(header) else "evidence",
    }


def _text(value: object) -> str:
    return "\\".join(map(str, value)) if isinstance(value, tuple) else str(value)
