"""The OBX segments of a result (HL7 v2.5.1 chapter 7, 7.4.2): what was found, what it does not mean, on which images.

A study that was not analysed, or whose analysis failed, has no value and no number. Its finding is X, "results cannot
be obtained" (table 0085); one that was withdrawn is W, "post original as wrong": the receiver keeps what was sent and
shows that it does not hold. D would delete from the record what people may have acted on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.hl7.message import Field, Written
from agent.reports import wording
from agent.reports.document import FLAGGED, NOT_FLAGGED, ModelIdentity, StudyResult
from agent.reports.identity import PRODUCT, device_uid

_STUDY: Final = ("113014", "DICOM Study", "DCM")
_PNEUMONIA: Final = ("233604007", "Pneumonia", "SCT")
_PROBABILITY: Final = ("122157", "Probability", "DCM")
_SUMMARY: Final = ("121111", "Summary", "DCM")
_COMMENT: Final = ("121106", "Comment", "DCM")
_PRESENCES: Final = {
    FLAGGED: ("52101004", "Present", "SCT"),
    NOT_FLAGGED: ("373068000", "Undetermined", "SCT"),
}
"""As in the SR (PS3.16 CID 240). Never absent: a triage aid does not state absence."""
_NO_UNITS: Final = ("1", "no units", "UCUM")
_ORDER_DETAIL: Final = "O"  # IHE RAD: the study's UID is no result
_NOT_OBTAINED: Final = "X"
_WRONG: Final = "W"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the observations of one message have in common. Times are written already."""

    status: str
    abnormal_flag: str
    probability_when_not_flagged: bool
    studied_at: str
    analysed_at: str


def observations(result: StudyResult, marks: Marks) -> Iterator[Written]:
    """Yield the OBX segments, numbered."""
    fields = [_study(result), _finding(result, marks), *_probability(result, marks), *_texts(result, marks)]
    for number, one in enumerate(fields, start=1):
        yield "OBX", {1: str(number)} | one


def _study(result: StudyResult) -> dict[int, Field]:
    return {2: "ST", 3: _STUDY, 5: result.study_instance_uid, 11: _ORDER_DETAIL}


def _finding(result: StudyResult, marks: Marks) -> dict[int, Field]:
    presence = _PRESENCES.get(result.outcome)
    common = _how(result, marks) | {3: _PNEUMONIA}
    if presence is None:
        return common | {11: _WRONG if _takes_back(result) else _NOT_OBTAINED}
    flag = marks.abnormal_flag if result.outcome == FLAGGED else ""
    return common | {2: "CWE", 5: presence, 8: flag, 11: marks.status}


def _probability(result: StudyResult, marks: Marks) -> Iterator[dict[int, Field]]:
    """Yield the highest of the images' probabilities where it may be said; W where an earlier one may have been."""
    known = [image.probability for image in result.images if image.probability is not None]
    may_be_said = result.outcome == FLAGGED or (result.outcome == NOT_FLAGGED and marks.probability_when_not_flagged)
    if known and may_be_said:
        value = f"{wording.measured(max(known)):.4f}"
        yield _how(result, marks) | {2: "NM", 3: _PROBABILITY, 5: value, 6: _NO_UNITS, 11: marks.status}
    elif _takes_back(result):
        yield {3: _PROBABILITY, 11: _WRONG}


def _texts(result: StudyResult, marks: Marks) -> Iterator[dict[int, Field]]:
    """Yield the outcome in words, what it does not mean, and what came of each image."""
    outcome, *caveats = wording.summary(result)
    yield _text(_SUMMARY, "1", outcome, marks)
    images = [
        f"Image {number} ({wording.plain(image.sop_instance_uid)}): {wording.image_sentence(image)}"
        for number, image in enumerate(result.images, start=1)
    ]
    for number, text in enumerate((*caveats, _algorithm(result.model), *images), start=1):
        yield _text(_COMMENT, str(number), text, marks)


def _algorithm(model: ModelIdentity) -> str:
    made = f"{wording.plain(model.name)} {wording.plain(model.version)}"
    return f"Algorithm: {made}, {'; '.join(wording.algorithm_parameters(model))}."


def _text(what: Field, number: str, text: str, marks: Marks) -> dict[int, Field]:
    return {2: "TX", 3: what, 4: number, 5: text, 11: marks.status}


def _how(result: StudyResult, marks: Marks) -> dict[int, Field]:
    """Return when it was observed, by which method and device, and when that was: OBX-14, 17, 18 and 19."""
    device, model = device_uid(result.installation, result.model), result.model
    method = f"{wording.plain(model.name)} {wording.plain(model.version)}, {wording.operating_point(model)}"
    return {14: marks.studied_at, 17: ("", method), 18: (device, PRODUCT), 19: marks.analysed_at}


def _takes_back(result: StudyResult) -> bool:
    """Tell whether what an earlier version said no longer holds."""
    return result.version > 1 and (result.withdrawn or bool(result.withdrawal))
