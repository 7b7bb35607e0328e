"""Every sentence for people that a report holds. None says or suggests that a study is normal, clear or ruled out."""

from datetime import datetime
from typing import Final

from agent.reports.document import FLAGGED, NOT_FLAGGED, ImageOutcome, ModelIdentity, StudyResult

HEADLINE: Final = "AI TRIAGE - NOT FOR DIAGNOSIS"
AID: Final = "AI triage aid for prioritisation only, not a diagnosis."
SCOPE: Final = "Only pneumonia was looked for."
NO_RULE_OUT: Final = "This does not exclude pneumonia or any other disease."
NO_OTHER_RULE_OUT: Final = "This does not exclude any other disease."
NOT_ASSESSED: Final = "The images were not assessed by AI; nothing is said about the presence or absence of disease."
NOT_STATED: Final = "Nothing is said about the presence or absence of disease."
AS_USUAL: Final = "Read the whole image as usual."
NO_HEAT_MAP: Final = "No heat map could be made."
HEAT_MAP: Final = "Shaded: what the score rests on most, not an outline of disease."
MAP: Final = "AI saliency: not an outline of disease"
MAP_VALUE: Final = "Loss of the score, 1: the place that matters most"
MAP_METHOD: Final = (
    "Occlusion: by how much the logit of the network falls when a place of the image is hidden, above the median place,"
    " as a share of the place that matters most. 25 places, of which the whole network judges the 7 that matter most to"
    " a part of it; interpolated."
)
READER_DISAGREES: Final = "A reader has disagreed with this AI result."
READER_SEES: Final = {
    "present": f"{READER_DISAGREES} The reader sees pneumonia.",
    "absent": f"{READER_DISAGREES} The reader does not see pneumonia.",
    "other": f"{READER_DISAGREES} The reader does not see pneumonia, but another finding.",
}
WITHDRAWN_SERIES: Final = "AI: earlier results withdrawn"

_MAX_LONG_STRING: Final = 64
_NOTHING_GIVEN: Final = "no reason recorded"
_ALMOST_ONE: Final = 0.995
_ALMOST_ZERO: Final = 0.005
_DIGITS: Final = 4
_STEP: Final = 0.0001


def plain(text: str) -> str:
    """Return text that stands in any character set: printable ASCII on one line, without DICOM's value delimiter."""
    line = " ".join(text.replace("\\", "/").split())
    return "".join(letter if " " <= letter <= "~" else "?" for letter in line)


def series_description(result: StudyResult) -> str:
    """Return what many reading lists show as the only line: at most 64 characters (VR LO)."""
    match result.outcome:
        case "flagged":
            text = "AI: FLAGGED - prioritisation only"
        case "not_flagged":
            text = "AI: processed - does not exclude disease"
        case "not_analysed":
            text = f"AI: not analysed - {reason(result.reason)}"
        case _:
            text = "AI: analysis failed"
    return text if len(text) <= _MAX_LONG_STRING else f"{text[: _MAX_LONG_STRING - 3].rstrip()}..."


def summary(result: StudyResult) -> tuple[str, ...]:
    """Return the sentences of a study's result, the outcome first, then what it does not mean."""
    analysed = sum(image.outcome in (FLAGGED, NOT_FLAGGED) for image in result.images)
    match result.outcome:
        case "flagged":
            flagged = sum(image.outcome == FLAGGED for image in result.images)
            first = f"FLAGGED for prioritisation: suspected pneumonia on {flagged} of {_images(analysed)} analysed."
        case "not_flagged":
            first = f"PROCESSED, NOT FLAGGED: {_images(analysed)} analysed."
        case "not_analysed":
            first = f"NOT ANALYSED: {reason(result.reason)}."
        case _:
            first = f"ANALYSIS FAILED: {reason(result.reason)}."
    reader = (READER_SEES.get(result.reader_finding, READER_DISAGREES),) if result.reader_finding else ()
    earlier = (*((taken_back(result),) if result.withdrawal_reason else ()), *reader)
    if analysed == 0:
        return first, *earlier, AID, NOT_STATED if earlier else NOT_ASSESSED
    return first, *earlier, AID, f"{SCOPE} {NO_OTHER_RULE_OUT if result.outcome == FLAGGED else NO_RULE_OUT}"


def taken_back(result: StudyResult) -> str:
    """Return that what was reported before does not hold, and why: whoever was told FLAGGED has to read it."""
    return f"Earlier AI triage results of this study are {reason(result.withdrawal_reason)}."


def image_sentence(image: ImageOutcome) -> str:
    """Return what came of one image."""
    match image.outcome:
        case "flagged":
            return "Flagged: at or above the operating point."
        case "not_flagged":
            return f"Not flagged: below the operating point. {NO_RULE_OUT}"
        case "not_analysed":
            return f"Image not analysed: {reason(image.reason)}."
        case _:
            return f"Analysis of the image failed: {reason(image.reason)}."


def image_lines(result: StudyResult) -> tuple[str, ...]:
    """Return the table of the candidate images: a line for each, with its outcome and reason."""
    total = len(result.images)
    return tuple(f"Image {number} of {total}. {image_sentence(one)}" for number, one in enumerate(result.images, 1))


def withdrawal(result: StudyResult) -> str:
    """Return why earlier reports are taken back."""
    return f"{taken_back(result)} Do not use the objects named here. {NOT_STATED}"


def reason(text: str) -> str:
    """Return a reason as part of a sentence; one that was not recorded says so."""
    return plain(text).rstrip(". ") or _NOTHING_GIVEN


def caption(result: StudyResult, image: ImageOutcome, concluded: datetime) -> tuple[str, ...]:
    """Return the lines under a flagged image; `concluded` is in the zone that they show."""
    lines = []
    if image.probability is not None:
        chance = probability(image.probability)
        lines.append(f"Suspected pneumonia: probability {chance}. Operating point: {operating_point(result.model)}")
    if (flagged := sum(one.outcome == FLAGGED for one in result.images)) > 1:
        lines.append(f"{_images(flagged)} of this study are flagged: this is the one with the highest probability.")
    lines += [f"{SCOPE} {AS_USUAL}", HEAT_MAP if image.heat_map is not None else NO_HEAT_MAP]
    made = f"{plain(result.model.name)} {plain(result.model.version)}"
    lines.append(f"{made}, {concluded:%Y-%m-%d %H:%M} UTC{concluded:%z}. Tibabu {plain(result.software_version)}")
    return tuple(lines)


def derivation(*, with_heat_map: bool) -> str:
    """Return how the picture was made (VR ST)."""
    overlay = "heat map of an AI model shaded over it, " if with_heat_map else ""
    return f"Radiograph as displayed, 8 bit RGB, in its place; {overlay}a caption in rows added under it. {AID}"


def map_derivation(rows: int, columns: int, map_rows: int, map_columns: int) -> str:
    """Return how a heat map lies over its image (VR ST)."""
    covers = f"{rows / map_rows:.4g} rows by {columns / map_columns:.4g} columns"
    return (
        f"Saliency of an AI model by occlusion, {map_rows} rows by {map_columns} columns over the whole image of {rows}"
        f" by {columns}: a pixel of the map covers {covers} of the image. {AID}"
    )


def measured(value: float) -> float:
    """Return a probability as the number in a report, with four digits; certainty is never claimed."""
    return min(max(round(value, _DIGITS), _STEP), 1 - _STEP)


def probability(value: float) -> str:
    """Return a probability for people; certainty is never claimed."""
    if value >= _ALMOST_ONE:
        return "> 0.99"
    return "< 0.01" if value < _ALMOST_ZERO else f"{value:.2f}"


def operating_point(model: ModelIdentity) -> str:
    """Return the operating point by name and threshold."""
    return f"{plain(model.operating_point_name)} (flagged from {model.threshold:.4g})"


def algorithm_parameters(model: ModelIdentity) -> tuple[str, ...]:
    """Return what it takes to tell this algorithm from another one of the same name (PS3.16 TID 4019, 111002)."""
    parameters = [f"operating point: {operating_point(model)}", f"weights sha256: {plain(model.sha256)}"]
    if model.preprocessing:
        parameters.append(f"preprocessing: {plain(model.preprocessing)}")
    return tuple(parameters)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
