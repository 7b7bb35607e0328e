"""The result as an HL7 v2.5.1 message, ORU^R01 (chapter 7, 7.3.1), for a RIS or an interface engine.

Preliminary, never final. docs/hl7.md has every field; the observations are in `agent.reports.observations`.
"""

from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from hashlib import sha256
from typing import Final, Literal

from pydantic import Field

from agent.hl7 import charsets
from agent.hl7.message import Repetition, Written, write
from agent.hl7.values import authority, moment, person, person_name, time_stamp
from agent.reports.document import Document, ReportError, ReportSettings, StudyResult, zone
from agent.reports.evidence import CODE, CODE_PARTS, PROCEDURE_CODES, SPECIFIC_CHARACTER_SET, Instance, gather
from agent.reports.identity import report_uid
from agent.reports.image_library import RADIOGRAPHY
from agent.reports.modules import local_zone
from agent.reports.observations import Marks, observations
from dicom_io.charset import codec_names, decode_text

MEDIA_TYPE: Final = "application/hl7-v2"
SOP_CLASS_UIDS: Final = ()

_CONTROL_ID: Final = 20
"""MSH-10 has no more characters in v2.5.1."""
_SEXES: Final = frozenset({"M", "F", "O"})  # the same letters in DICOM and in table 0001
_RAISED: Final = {"HIGH": ("S", "Stat", "HL70485"), "MEDIUM": ("A", "As soon as possible", "HL70485")}
_RADIOGRAPHY: Final = ("43468-8", "XR Unspecified body region", "LN")
_IMAGING: Final = ("363679005", "Imaging procedure", "SCT")


class Settings(ReportSettings):
    """How the message is made. Applications and facilities may have components: NAME^1.2.3^ISO."""

    sending_application: str = Field(default="TIBABU", description="Who sends: MSH-3.")
    sending_facility: str = Field(default="", examples=["RADIOLOGY"], description="Where from: MSH-4.")
    receiving_application: str = Field(default="", examples=["RIS"], description="For whom: MSH-5.")
    receiving_facility: str = Field(default="", examples=["HOSPITAL"], description="Where to: MSH-6.")
    processing_id: Literal["P", "T", "D"] = Field(
        default="P", description="MSH-11: P (production), T (training) or D (debugging)."
    )
    acknowledgement: Literal["original", "enhanced"] = Field(
        default="original", description="Enhanced asks for a commit acknowledgement (CA) and no other: MSH-15 and 16."
    )
    character_set: str = Field(
        default=charsets.UTF_8,
        pattern=f"^({'|'.join(charsets.WRITTEN)})$",
        description=f"MSH-18: {', '.join(charsets.WRITTEN)}. Letters that it lacks lose their marks or become ?.",
    )
    result_status: Literal["P", "R"] = Field(
        default="P", description="OBR-25 and OBX-11: P (preliminary) or R (not yet verified). There is no final."
    )
    corrected_status: Literal["", "C"] = Field(
        default="",
        description="C (correction) instead, from the second version of a study's report on; empty: as the first.",
    )
    abnormal_flag: Literal["A", "AA"] = Field(
        default="A", description="OBX-8 of a flagged finding: A (abnormal) or AA. Of any other it is empty."
    )
    probability_when_not_flagged: bool = Field(
        default=False, description="Also give the probability of analysed studies that are not flagged."
    )
    priority: bool = Field(
        default=True, description="Say a priority that is raised above routine: TQ1-9, OBR-27 and ORC-7."
    )
    assigning_authority: str = Field(
        default="", examples=["HOSPITAL"], description="Of patient IDs whose images name no issuer: PID-3.4."
    )
    cut_names: bool = Field(
        default=False, description="Cut names at the lengths of v2.5.1, for a receiver that refuses longer ones."
    )
    procedure: str = Field(
        default="",
        examples=["AI-CXR^AI triage of a chest radiograph^L"],
        description="OBR-4 of every message, CODE^TEXT^SYSTEM; empty: the images' procedure code, else a general one.",
    )


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study has a message: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the message. It needs no file of the study: what the images would add is then left out."""
    message = _Message(result, settings, _source(result))
    return Document(
        media_type=MEDIA_TYPE,
        data=write(message.segments(), settings.character_set),
        identifier=message.control_id,
    )


def _source(result: StudyResult) -> Instance | None:
    try:
        return gather(result).source
    except ReportError:
        return None


@dataclass(frozen=True, slots=True)
class _Message:
    result: StudyResult
    settings: Settings
    source: Instance | None

    @property
    def zone(self) -> tzinfo:
        """The images' zone, else the site's."""
        return zone(self.settings.timezone) if self.source is None else local_zone(self.source, self.settings)

    @property
    def control_id(self) -> str:
        """MSH-10: derived from which version of which report it is, so that a retry is known by it."""
        result = self.result
        which = report_uid(
            result.installation, result.study_instance_uid, result.revision, result.version, MEDIA_TYPE, result.variant
        )
        return b32encode(sha256(which.encode()).digest()).decode()[:_CONTROL_ID]

    @property
    def status(self) -> str:
        corrected = self.settings.corrected_status if self.result.version > 1 else ""
        return corrected or self.settings.result_status

    def segments(self) -> Iterator[Written]:
        """Yield MSH, PID, PV1, ORC, OBR, TQ1 and the OBX of the result."""
        yield self._header()
        yield self._patient()
        if referring := person(self.result.study.referring_physician_name, cut=self.settings.cut_names):
            yield "PV1", {1: "1", 2: "U", 8: referring}
        priority = self._priority()
        timing: Repetition = ("", "", "", "", "", priority[0]) if priority else ""
        yield "ORC", {1: "RE", 3: self._filler(), 7: timing}
        yield "OBR", self._request() | {27: timing}
        if priority:
            yield "TQ1", {1: "1", 9: priority}
        marks = Marks(
            status=self.status,
            abnormal_flag=self.settings.abnormal_flag,
            probability_when_not_flagged=self.settings.probability_when_not_flagged,
            studied_at=self._study_time(),
            analysed_at=moment(self.result.analysed_at, self.zone),
        )
        yield from observations(self.result, marks)

    def _header(self) -> Written:
        settings = self.settings
        enhanced = settings.acknowledgement == "enhanced"
        return "MSH", {
            3: _named(settings.sending_application),
            4: _named(settings.sending_facility),
            5: _named(settings.receiving_application),
            6: _named(settings.receiving_facility),
            7: moment(self.result.concluded_at, self.zone),
            9: ("ORU", "R01", "ORU_R01"),
            10: self.control_id,
            11: settings.processing_id,
            12: "2.5.1",
            15: "AL" if enhanced else "",
            16: "NE" if enhanced else "",
            18: settings.character_set,
        }

    def _patient(self) -> Written:
        study = self.result.study
        issuer = study.issuer_of_patient_id or self.settings.assigning_authority
        return "PID", {
            1: "1",
            3: (study.patient_id, "", "", authority(issuer)) if study.patient_id else "",
            5: person_name(study.patient_name, cut=self.settings.cut_names),
            7: time_stamp(study.patient_birth_date, "", self.zone),
            8: study.patient_sex if study.patient_sex in _SEXES else "",
        }

    def _request(self) -> dict[int, Repetition | list[Repetition]]:
        """Return OBR but for the priority."""
        return {
            1: "1",
            3: self._filler(),
            4: self._procedure(),
            7: self._study_time(),
            18: self.result.study.accession_number,
            22: moment(self.result.concluded_at, self.zone),
            24: "RAD",
            25: self.status,
        }

    def _filler(self) -> Repetition:
        """Return the accession number, or the Study Instance UID where there is none: ORC-3 is required (chapter 4)."""
        return self.result.study.accession_number or self.result.study_instance_uid

    def _study_time(self) -> str:
        return time_stamp(self.result.study.study_date, self.result.study.study_time, self.zone)

    def _priority(self) -> tuple[str, str, str] | None:
        """Return the priority that counts if it is above routine: an order's own is then not lowered by routine."""
        study = self.result.study
        terms = {study.priority, study.order_priority} if self.settings.priority else set()
        return next((code for term, code in _RAISED.items() if term in terms), None)

    def _procedure(self) -> Repetition:
        """Return the imaging procedure, not the algorithm, with the study's description as its other text."""
        if self.settings.procedure:
            value, meaning, scheme = (*self.settings.procedure.split("^"), "", "")[:3]
        elif code := _procedure_code(self.source):
            value, meaning, scheme = code
        else:
            value, meaning, scheme = _RADIOGRAPHY if self.result.study.modality in RADIOGRAPHY else _IMAGING
        return value, meaning, scheme, "", self.result.study.study_description


def _procedure_code(source: Instance | None) -> tuple[str, str, str] | None:
    """Return the images' own Procedure Code (0008,1032) if it is whole."""
    if source is None:
        return None
    codecs = codec_names(source.text(SPECIFIC_CHARACTER_SET).split("\\"))
    for item in source.items(PROCEDURE_CODES, CODE):
        value, scheme, meaning = (decode_text(item.get(tag, b""), codecs) for tag in CODE_PARTS)
        if value and scheme and meaning:
            return value, meaning, scheme
    return None


def _named(setting: str) -> Repetition:
    return tuple(setting.split("^"))
