"""The study's Instances as they lie in the store: what a report refers to, and the identity it takes over.

Values are kept as the bytes that came in. A report takes over the patient's and the study's attributes together with
the character set they are written in, byte for byte, so that a name in any script, and even one whose character set is
declared wrongly, is shown exactly as it is shown with the images.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.reports.document import ReportError, StudyResult
from dicom_io.errors import HeaderError
from dicom_io.scan import Syntax, open_stream, read_elements, read_items

SPECIFIC_CHARACTER_SET: Final = 0x00080005
MODALITY: Final = 0x00080060
PATIENT_ORIENTATION: Final = 0x00200020
IMAGER_PIXEL_SPACING: Final = 0x00181164
PIXEL_SPACING: Final = 0x00280030
PIXEL_ASPECT_RATIO: Final = 0x00280034
LOSSY: Final = (0x00282110, 0x00282112, 0x00282114)
"""Lossy Image Compression, its Ratio and its Method."""
TIMEZONE_OFFSET: Final = 0x00080201
PROCEDURE_CODES: Final = 0x00081032
CODE: Final = {0x00080100: "SH", 0x00080102: "SH", 0x00080103: "SH", 0x00080104: "LO"}
"""Code Value, Coding Scheme Designator and Version, Code Meaning, with their VRs."""
CODE_PARTS: Final = (0x00080100, 0x00080102, 0x00080104)
"""Those of them without which there is no code (PS3.3 section 8.8): value, scheme, meaning."""

_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_TRANSFER_SYNTAX = 0x00020010
_BODY_PART_EXAMINED, _LATERALITY = 0x00180015, 0x00200060
_UNPAIRED = frozenset({"CHEST"})
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_PIXEL_DATA_GROUP = 0x7FE00000
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_MAX_UID = 64
_US = 2
_ENTITY = {0x00400031: "UT", 0x00400032: "UT", 0x00400033: "CS"}


@dataclass(frozen=True, slots=True)
class Taken:
    """An attribute that is taken over: its VR, whether it must be there even if empty (type 2), and what is valid.

    A value that breaks a `pattern` is left out: an invalid date helps nobody, and it would make the report invalid.
    Free text has none: it identifies the patient as it came. A sequence names the attributes of its `items`.
    """

    vr: str
    type_2: bool = False
    pattern: re.Pattern[bytes] | None = None
    items: Mapping[int, str] | None = None


_DATE = re.compile(rb"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(rb"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_TERM = re.compile(rb"[A-Z0-9 _]{1,16}")

TAKEN: Final[Mapping[int, Taken]] = {
    SPECIFIC_CHARACTER_SET: Taken("CS"),
    0x00080020: Taken("DA", type_2=True, pattern=_DATE),  # Study Date
    0x00080030: Taken("TM", type_2=True, pattern=_TIME),  # Study Time
    0x00080050: Taken("SH", type_2=True),  # Accession Number
    0x00080051: Taken("SQ", items=_ENTITY),  # Issuer of Accession Number Sequence
    0x00080080: Taken("LO"),  # Institution Name
    0x00080090: Taken("PN", type_2=True),  # Referring Physician's Name
    0x00081030: Taken("LO"),  # Study Description
    PROCEDURE_CODES: Taken("SQ", items=CODE),
    0x00100010: Taken("PN", type_2=True),  # Patient's Name
    0x00100020: Taken("LO", type_2=True),  # Patient ID
    0x00100021: Taken("LO"),  # Issuer of Patient ID
    0x00100024: Taken("SQ", items=_ENTITY),  # Issuer of Patient ID Qualifiers Sequence
    0x00100030: Taken("DA", type_2=True, pattern=_DATE),  # Patient's Birth Date
    0x00100040: Taken("CS", type_2=True, pattern=re.compile(rb"[MFO]")),  # Patient's Sex
    0x00101010: Taken("AS", pattern=re.compile(rb"\d{3}[DWMY]")),  # Patient's Age
    0x00120062: Taken("CS", pattern=re.compile(rb"YES|NO")),  # Patient Identity Removed
    0x00120063: Taken("LO"),  # De-identification Method
    0x00120064: Taken("SQ", items=CODE),  # De-identification Method Code Sequence
    0x00200010: Taken("SH", type_2=True),  # Study ID
}
"""By tag: the attributes of Patient and Study that a report takes over: what it takes to file it, and no more."""

TAKEN_BY_IMAGES: Final[Mapping[int, Taken]] = {
    **TAKEN,
    _BODY_PART_EXAMINED: Taken("CS", pattern=_TERM),
    _LATERALITY: Taken("CS", type_2=True, pattern=re.compile(rb"[LR]")),
    PATIENT_ORIENTATION: Taken("CS", type_2=True, pattern=re.compile(rb"[APRLHF]{1,3}\\[APRLHF]{1,3}")),
}
"""By tag: what a report takes over that is itself an image."""

_WANTED = frozenset(
    {*TAKEN_BY_IMAGES, _SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES, _ROWS, _COLUMNS}
    | {MODALITY, IMAGER_PIXEL_SPACING, PIXEL_SPACING, PIXEL_ASPECT_RATIO, *LOSSY, TIMEZONE_OFFSET}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An Instance: its UIDs, and the raw values of the attributes that reports use."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    syntax: Syntax
    values: Mapping[int, bytes]

    def text(self, tag: int) -> str:
        """Return a value that is plain ASCII by its VR (CS, DA, DS, UI); "" where it is absent or is not."""
        value = self.values.get(tag, b"")
        return value.decode("ascii").strip("\0 ") if value.isascii() else ""

    def items(self, tag: int, wanted: Iterable[int]) -> tuple[dict[int, bytes], ...]:
        """Return the raw `wanted` values of each item of a sequence."""
        items = read_items(self.values.get(tag, b""), self.syntax, frozenset(wanted))
        return tuple(elements.values for elements, _ in items)

    @property
    def rows(self) -> int:
        """Height in pixels; 0 where there is none."""
        return self._short(_ROWS)

    @property
    def columns(self) -> int:
        """Width in pixels; 0 where there is none."""
        return self._short(_COLUMNS)

    @property
    def is_image(self) -> bool:
        """Whether it says how large its image is."""
        return self.rows > 0 and self.columns > 0

    def _short(self, tag: int) -> int:
        value = self.values.get(tag, b"")
        order: Final = "little" if self.syntax.little_endian else "big"
        return int.from_bytes(value, order) if len(value) == _US else 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a report rests on."""

    source: Instance
    """Identity is taken over from this one."""
    candidates: Mapping[str, Instance]
    """The candidate images that can be referred to, by SOP Instance UID."""
    references: tuple[Instance, ...]
    """Every Instance that the report refers to, candidates first."""


def taken_by_image(source: Instance) -> Mapping[int, Taken]:
    """Return what an image made from `source` takes over; Laterality is for a body part that has two sides, or may."""
    if source.text(_BODY_PART_EXAMINED) in _UNPAIRED:
        return {tag: rule for tag, rule in TAKEN_BY_IMAGES.items() if tag != _LATERALITY}
    return TAKEN_BY_IMAGES


def gather(result: StudyResult) -> Evidence:
    """Read the headers of the study's Instances; those that cannot be read are not referred to.

    Raises ReportError where none can: a report without identity would be filed nowhere.
    """
    candidates = {instance.sop_instance_uid: instance for instance in _read(image.path for image in result.images)}
    seen = {image.path for image in result.images}
    others = {one.sop_instance_uid: one for one in _read(path for path in result.evidence if path not in seen)}
    every = [
        instance
        for instance in (candidates | others).values()
        if instance.study_instance_uid == result.study_instance_uid
    ]
    if not every:
        files = len(result.images) + len(result.evidence)
        message = f"expected a readable Instance of the study to take the identity from. Received: files={files}"
        raise ReportError(message)
    images = tuple(instance for instance in every if instance.is_image or instance.sop_instance_uid in candidates)
    references = images or tuple(every)
    referable = {instance.sop_instance_uid for instance in references}
    return Evidence(
        source=references[0],
        candidates={uid: instance for uid, instance in candidates.items() if uid in referable},
        references=references,
    )


def read(path: Path | None) -> Instance | None:
    """Return the Instance in a file, or None where there is none, or it does not say which Instance it is."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            stream = open_stream(file)
            values = read_elements(stream.source, stream.syntax, _WANTED, stop=_PIXEL_DATA_GROUP).values
    except HeaderError:
        return None
    uids = [_uid(values.get(tag, b"")) for tag in (_SOP_CLASS, _SOP_INSTANCE, _SERIES, _STUDY)]
    if not all(_UID.fullmatch(uid) and len(uid) <= _MAX_UID for uid in uids):
        return None
    return Instance(
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        series_instance_uid=uids[2],
        study_instance_uid=uids[3],
        transfer_syntax_uid=_uid(stream.meta.get(_TRANSFER_SYNTAX, b"")),
        syntax=stream.syntax,
        values=values,
    )


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")


def _read(paths: Iterable[Path | None]) -> list[Instance]:
    return [instance for path in dict.fromkeys(paths) if (instance := read(path)) is not None]
