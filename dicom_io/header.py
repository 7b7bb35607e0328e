"""The header of an Instance: the attributes that the agent decides by, read without the pixel data.

`read_header` never fails on an odd value: what cannot be understood counts as absent. It refuses only what is not
DICOM, or does not say which Instance of which Study it is.
"""

import dataclasses
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from dicom_io.ages import years_between, years_from_age_string
from dicom_io.charset import ascii_text, codec_names, decode_text, is_as_declared, without_controls
from dicom_io.errors import HeaderError, UidError
from dicom_io.scan import Syntax, open_stream, read_elements, read_items

CR_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PRESENTATION: Final = "1.2.840.10008.5.1.4.1.1.1.1"
DX_FOR_PROCESSING: Final = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
RADIOGRAPHY_CLASSES: Final = frozenset({CR_IMAGE_STORAGE, DX_FOR_PRESENTATION, DX_FOR_PROCESSING})
RADIOGRAPHY_MODALITIES: Final = frozenset({"CR", "DX"})

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_MAX_UID_LENGTH = 64
_MOST_DIGITS, _LARGEST = 12, (1 << 31) - 1  # of an Integer String (PS3.5 table 6.2-1)
_US_LENGTH = 2
_SPECIFIC_CHARACTER_SET = 0x00080005
_TRANSFER_SYNTAX_UID = 0x00020010
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)  # Code Value, Long Code Value, URN Code Value
_REFERENCED_SOP_INSTANCE_UID = 0x00081155
_DEVICE_UID = 0x00181002
_CONTRIBUTING_EQUIPMENT_SEQUENCE = 0x0018A001


@dataclass(frozen=True, slots=True)
class _Encoding:
    """What it takes to understand a raw value."""

    syntax: Syntax
    codecs: tuple[str, ...]


def _uid(value: bytes, _: _Encoding) -> str:
    return ascii_text(value)


def _text(value: bytes, encoding: _Encoding) -> str:
    return decode_text(value, encoding.codecs)


def _terms(value: bytes, _: _Encoding) -> tuple[str, ...]:
    return tuple(without_controls(ascii_text(part)) for part in value.split(b"\\")) if value.strip(b"\0 ") else ()


def _short(value: bytes, encoding: _Encoding) -> int:
    order: Final = "little" if encoding.syntax.little_endian else "big"
    return int.from_bytes(value[:_US_LENGTH], order) if len(value) >= _US_LENGTH else 0


def _frames(value: bytes, _: _Encoding) -> int:
    text = ascii_text(value)
    number = int(text) if text.isdigit() and len(text) <= _MOST_DIGITS else 0
    return number if 1 <= number <= _LARGEST else 1


def _code(value: bytes, encoding: _Encoding) -> str:
    for item, _ in read_items(value, encoding.syntax, _CODE_VALUES):
        return next((ascii_text(item.values[tag]) for tag in _CODE_VALUES if tag in item.values), "")
    return ""


def _reference(value: bytes, encoding: _Encoding) -> str:
    for item, _ in read_items(value, encoding.syntax, (_REFERENCED_SOP_INSTANCE_UID,)):
        uid = ascii_text(item.values.get(_REFERENCED_SOP_INSTANCE_UID, b""))
        return uid if len(uid) <= _MAX_UID_LENGTH and _UID.fullmatch(uid) else ""
    return ""


def _at(  # the type checker reads the field's own type
    tag: int, understand: Callable[[bytes, _Encoding], Any], absent: str | int | tuple[str, ...]
) -> Any:  # noqa: ANN401  # dataclasses.field is declared so too: its value stands for every field's type
    """Declare an attribute: where it stands, how its raw value is understood, and what counts if it is not there."""
    return dataclasses.field(default=absent, metadata={"tag": tag, "understand": understand})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Attributes of one Instance, named by their PS3.6 keyword in snake_case.

    Texts are decoded by Specific Character Set and "" when absent or empty; lists are empty tuples; numbers are 0,
    but `number_of_frames` is 1. What ends in `_code` is the Code Value of the first item of the sequence;
    `performed_step_uid` is the first of the Referenced Performed Procedure Step Sequence.
    `transfer_syntax_uid` is of the file meta information, "" without one. `device_uids` are those of the equipment
    and of all that contributed (Contributing Equipment Sequence). `misread_text`: some of these texts is not valid in
    the declared character set, and may be misspelt here.
    """

    sop_class_uid: str = _at(0x00080016, _uid, "")
    sop_instance_uid: str = _at(0x00080018, _uid, "")
    study_instance_uid: str = _at(0x0020000D, _uid, "")
    series_instance_uid: str = _at(0x0020000E, _uid, "")
    transfer_syntax_uid: str = ""
    specific_character_set: tuple[str, ...] = _at(_SPECIFIC_CHARACTER_SET, _terms, ())
    patient_id: str = _at(0x00100020, _text, "")
    issuer_of_patient_id: str = _at(0x00100021, _text, "")
    patient_name: str = _at(0x00100010, _text, "")
    patient_birth_date: str = _at(0x00100030, _text, "")
    patient_sex: str = _at(0x00100040, _text, "")
    patient_age: str = _at(0x00101010, _text, "")
    patient_species_description: str = _at(0x00102201, _text, "")
    patient_species_code: str = _at(0x00102202, _code, "")
    accession_number: str = _at(0x00080050, _text, "")
    referring_physician_name: str = _at(0x00080090, _text, "")
    study_id: str = _at(0x00200010, _text, "")
    study_date: str = _at(0x00080020, _text, "")
    study_time: str = _at(0x00080030, _text, "")
    series_date: str = _at(0x00080021, _text, "")
    series_time: str = _at(0x00080031, _text, "")
    acquisition_date: str = _at(0x00080022, _text, "")
    content_date: str = _at(0x00080023, _text, "")
    content_time: str = _at(0x00080033, _text, "")
    performed_procedure_step_start_date: str = _at(0x00400244, _text, "")
    performed_procedure_step_start_time: str = _at(0x00400245, _text, "")
    series_number: str = _at(0x00200011, _text, "")
    instance_number: str = _at(0x00200013, _text, "")
    study_description: str = _at(0x00081030, _text, "")
    series_description: str = _at(0x0008103E, _text, "")
    protocol_name: str = _at(0x00181030, _text, "")
    requested_procedure_description: str = _at(0x00321060, _text, "")
    performed_procedure_step_description: str = _at(0x00400254, _text, "")
    acquisition_device_processing_description: str = _at(0x00181400, _text, "")
    modality: str = _at(0x00080060, _text, "")
    body_part_examined: str = _at(0x00180015, _text, "")
    laterality: str = _at(0x00200060, _text, "")
    station_name: str = _at(0x00081010, _text, "")
    view_position: str = _at(0x00185101, _text, "")
    patient_position: str = _at(0x00185100, _text, "")
    patient_orientation: tuple[str, ...] = _at(0x00200020, _terms, ())
    image_type: tuple[str, ...] = _at(0x00080008, _terms, ())
    view_code: str = _at(0x00540220, _code, "")
    anatomic_region_code: str = _at(0x00082218, _code, "")
    presentation_intent_type: str = _at(0x00080068, _text, "")
    burned_in_annotation: str = _at(0x00280301, _text, "")
    quality_control_image: str = _at(0x00280300, _text, "")
    manufacturer: str = _at(0x00080070, _text, "")
    manufacturer_model_name: str = _at(0x00081090, _text, "")
    performed_step_uid: str = _at(0x00081111, _reference, "")
    requested_procedure_priority: str = _at(0x00401003, _text, "")
    photometric_interpretation: str = _at(0x00280004, _text, "")
    rows: int = _at(0x00280010, _short, 0)
    columns: int = _at(0x00280011, _short, 0)
    number_of_frames: int = _at(0x00280008, _frames, 1)
    bits_allocated: int = _at(0x00280100, _short, 0)
    bits_stored: int = _at(0x00280101, _short, 0)
    device_uids: tuple[str, ...] = ()
    misread_text: bool = False

    @property
    def age_years(self) -> float | None:
        """The patient's age in years when the study was made, or None if the header does not say it plausibly.

        Patient's Age (0010,1010) if it can be read, else the time from the birth date to the date of the study,
        acquisition or content.
        """
        stated = years_from_age_string(self.patient_age)
        return self.age_years_by_birth_date if stated is None else stated

    @property
    def age_years_by_birth_date(self) -> float | None:
        """The time from the birth date to the date of the study, acquisition or content, in years; None if unknown."""
        day = self.study_date or self.acquisition_date or self.content_date
        return years_between(self.patient_birth_date, day)

    @property
    def is_image(self) -> bool:
        """Whether the Instance says that it has pixels."""
        return self.rows > 0 and self.columns > 0


_FIELDS: Final = tuple(
    (field.name, field.metadata["tag"], field.metadata["understand"])
    for field in dataclasses.fields(Header)
    if field.metadata
)
_TEXTS: Final = tuple(tag for _, tag, understand in _FIELDS if understand is _text)
_WANTED: Final = frozenset({tag for _, tag, _ in _FIELDS} | {_DEVICE_UID, _CONTRIBUTING_EQUIPMENT_SEQUENCE})
_STOP: Final = max(_WANTED) + 1


def read_header(source: Path | bytes | BinaryIO) -> Header:
    """Read the header of a file, open or not, or of `bytes` that are a whole file; the pixel data are not touched.

    Files without preamble or without file meta information are read too. Raises HeaderError if it is no DICOM, or has
    no SOP Instance or Study Instance UID, and UidError if one of its UIDs is not one (PS3.5 section 9).
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source))
    try:
        if not isinstance(source, Path):
            return _read(source)
        with source.open("rb") as file:
            return _read(file)
    except OSError as error:
        message = f"expected a readable file. Received: error={type(error).__name__}"
        raise HeaderError(message) from error


def check_uid(value: str) -> str:
    """Return `value` if it is a UID: digits in components, at most 64 characters (PS3.5 section 9). Else UidError."""
    if len(value) > _MAX_UID_LENGTH:
        message = f"expected a UID of at most {_MAX_UID_LENGTH} characters. Received: length={len(value)}"
        raise UidError(message)
    if _UID.fullmatch(value) is None:
        message = f"expected a UID of digits and dots. Received: length={len(value)}"
        raise UidError(message)
    return value


def read_uid(value: bytes | None) -> str:
    """Return the UID of a raw value. Raises UidError for any other, or none."""
    return check_uid(ascii_text(value or b""))


def is_candidate(header: Header) -> bool:
    """Tell whether the Instance is a radiograph to be analysed or declined, by SOP Class.

    CR and DX images are, also DX for processing (declined later, with the reason), and secondary captures that call
    themselves CR or DX. All else (reports, presentation states, other modalities) is evidence only.
    """
    if header.sop_class_uid in RADIOGRAPHY_CLASSES:
        return True
    return header.sop_class_uid == SECONDARY_CAPTURE and header.modality in RADIOGRAPHY_MODALITIES


def _read(source: BinaryIO) -> Header:
    stream = open_stream(source)
    values = read_elements(stream.source, stream.syntax, _WANTED, stop=_STOP).values
    terms = values.get(_SPECIFIC_CHARACTER_SET, b"").split(b"\\")
    encoding = _Encoding(stream.syntax, codec_names([ascii_text(term) for term in terms]))
    attributes = {name: understand(values[tag], encoding) for name, tag, understand in _FIELDS if tag in values}
    for name in ("sop_instance_uid", "study_instance_uid"):
        if not attributes.get(name):
            message = f"expected a dataset with its UIDs. Received: {name}=''"
            raise HeaderError(message)
    header = Header(
        **attributes,
        transfer_syntax_uid=ascii_text(stream.meta.get(_TRANSFER_SYNTAX_UID, b"")),
        device_uids=tuple(_device_uids(values, stream.syntax)),
        misread_text=not all(is_as_declared(values[tag], encoding.codecs) for tag in _TEXTS if tag in values),
    )
    for uid in (header.sop_class_uid, header.sop_instance_uid, header.study_instance_uid, header.series_instance_uid):
        if uid:
            check_uid(uid)
    return header


def _device_uids(values: dict[int, bytes], syntax: Syntax) -> Iterator[str]:
    """Yield the Device UIDs of the equipment and of all that contributed, in the order in which they stand."""
    items = read_items(values.get(_CONTRIBUTING_EQUIPMENT_SEQUENCE, b""), syntax, (_DEVICE_UID,))
    for elements in (values, *(item.values for item, _ in items)):
        yield from filter(_UID.fullmatch, (ascii_text(part) for part in elements.get(_DEVICE_UID, b"").split(b"\\")))
