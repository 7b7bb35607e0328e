"""The content tree of the SR: TID 1500 "Measurement Report" (PS3.16), made of highdicom's templates and content items.

The root and the Image Library are put together here: highdicom's need at least one Measurement Group and attributes
that real images lack, and a study without any analysed image must be reported too.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from agent.reports import content_items as items
from agent.reports import wording
from agent.reports.document import FAILED, FLAGGED, NOT_FLAGGED, ModelIdentity, StudyResult
from agent.reports.elements import encoded
from agent.reports.evidence import (
    CODE,
    CODE_PARTS,
    MODALITY,
    PROCEDURE_CODES,
    Evidence,
    Instance,
)
from agent.reports.identity import MANUFACTURER, PRODUCT, device_uid, tracking_uid
from agent.reports.image_library import RADIOGRAPHY, image_library
from agent.reports.parametric_map import frame_numbers

PNEUMONIA: Final = CodedConcept("233604007", "SCT", "Pneumonia")
LUNG: Final = codes.SCT.Lung
PROBABILITY: Final = codes.DCM.Probability
PRESENCE: Final = codes.DCM.PresenceOfProperty
QUALITATIVE_EVALUATIONS: Final = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
ENGLISH: Final = CodedConcept("en", "RFC5646", "English")
_PRESENCES: Final = {FLAGGED: codes.cid240.Present, NOT_FLAGGED: codes.cid240.Undetermined}
"""CID 240. Never absent: a triage aid does not state absence."""
_ALL_SUCCEEDED: Final = CodedConcept.from_code(codes.cid6047.AllAlgorithmsSucceededWithFindings)
_SOME_SUCCEEDED: Final = CodedConcept.from_code(codes.cid6047.NotAllAlgorithmsSucceededWithFindings)
_LO: Final = 64


def measurement_report(
    result: StudyResult, evidence: Evidence, *, probability_when_not_flagged: bool
) -> tuple[bytes, ...]:
    """Return the items below the root of the content tree.

    Analysed images have a Measurement Group each. What was not analysed has no finding and no number: only its reason.
    """
    content = [*observer(result), _procedure(evidence.source)]
    if evidence.candidates:
        content.append(image_library(evidence.candidates.values()))
    if groups := list(_measurement_groups(result, evidence, probability_when_not_flagged=probability_when_not_flagged)):
        content.append(items.container(codes.DCM.ImagingMeasurements, groups))
    content.append(items.container(QUALITATIVE_EVALUATIONS, _evaluations(result, evidence)))
    return tuple(content)


def observer(result: StudyResult) -> tuple[bytes, ...]:
    """Return the language, and who says it: this installation with its model (TID 1204, TID 1002, TID 1004)."""
    return _observer(
        device_uid(result.installation, result.model),
        wording.plain(result.model.name),
        wording.plain(result.installation),
    )


@lru_cache
def _observer(uid: str, model_name: str, serial_number: str) -> tuple[bytes, ...]:
    device = DeviceObserverIdentifyingAttributes(
        uid=uid, name=PRODUCT, manufacturer_name=MANUFACTURER, model_name=model_name, serial_number=serial_number
    )
    return items.written(
        (*LanguageOfContentItemAndDescendants(ENGLISH), *ObserverContext(codes.DCM.Device, device)),
    )


def _procedure(source: Instance) -> bytes:
    """Return the imaging procedure, not the algorithm: the images' own code, else the general one (CID 100)."""
    for item in source.items(PROCEDURE_CODES, CODE):
        value, scheme, meaning = (_printable(item.get(tag, b"")) for tag in CODE_PARTS)
        if value and scheme and meaning:
            return _procedure_reported(value, scheme, meaning)
    general = codes.LN.XRUnspecifiedBodyRegion if source.text(MODALITY) in RADIOGRAPHY else codes.SCT.ImagingProcedure
    return _procedure_reported(general.value, general.scheme_designator, general.meaning)


@lru_cache
def _procedure_reported(value: str, scheme: str, meaning: str) -> bytes:
    procedure = CodedConcept(value, scheme, meaning)
    return encoded(CodeContentItem(codes.DCM.ProcedureReported, procedure, RelationshipTypeValues.HAS_CONCEPT_MOD))


def _printable(value: bytes) -> str:
    """Return text that may stand in the content tree, which is ASCII throughout; "" for any other."""
    text = value.strip(b"\0 ")
    return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() and len(text) <= _LO else ""


def _measurement_groups(
    result: StudyResult, evidence: Evidence, *, probability_when_not_flagged: bool
) -> Iterator[bytes]:
    """Yield the Measurement Group (TID 1501) of each analysed image."""
    for number, image in enumerate(result.images, start=1):
        if image.outcome not in (FLAGGED, NOT_FLAGGED):
            continue
        tracking = TrackingIdentifier(
            uid=tracking_uid(result.installation, image.sop_instance_uid, PNEUMONIA.value),
            identifier=f"pneumonia, image {number}",
        )
        sources = [
            SourceImageForMeasurementGroup(candidate.sop_class_uid, candidate.sop_instance_uid)
            for uid, candidate in evidence.candidates.items()
            if uid == image.sop_instance_uid
        ]
        shown = image.outcome == FLAGGED or probability_when_not_flagged
        probability = wording.measured(image.probability) if shown and image.probability is not None else None
        group, finding = _finding(result.model, image.outcome, probability)
        yield group + items.below(
            [
                *items.written(tracking),
                *finding,
                *items.written(sources),
                items.text(codes.DCM.Comment, wording.image_sentence(image)),
                *_explanation(result, image.sop_instance_uid),
            ]
        )


@lru_cache
def _finding(model: ModelIdentity, outcome: str, probability: float | None) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a Measurement Group without what is below it; and of that what is neither tracking nor source."""
    tracking = TrackingIdentifier(uid=tracking_uid("", "", ""), identifier="left out")
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        finding_type=PNEUMONIA,
        finding_sites=[FindingSite(LUNG)],
        algorithm_id=_algorithm(model),
        measurements=None if probability is None else [Measurement(PROBABILITY, probability, codes.UCUM.NoUnits)],
        qualitative_evaluations=[QualitativeEvaluation(PRESENCE, _PRESENCES[outcome])],
    )[0]
    group.ContinuityOfContent = "SEPARATE"
    finding = items.written(group.ContentSequence[len(tracking) :])
    del group.ContentSequence
    return encoded(group), finding


def _explanation(result: StudyResult, sop_instance_uid: str) -> Iterator[bytes]:
    """Yield the frame of the Parametric Map that shows where an image speaks for its flag, if there is one."""
    frame = frame_numbers(result).get(sop_instance_uid) if result.explanation is not None else None
    if result.explanation is not None and frame is not None:
        yield encoded(
            ImageContentItem(
                codes.DCM.VisualExplanation,
                result.explanation.sop_class_uid,
                result.explanation.sop_instance_uid,
                referenced_frame_numbers=[frame],
                relationship_type=RelationshipTypeValues.CONTAINS,
            )
        )


def _algorithm(model: ModelIdentity) -> AlgorithmIdentification:
    """Return which algorithm spoke, and everything that makes it another one (TID 4019)."""
    return AlgorithmIdentification(
        name=wording.plain(model.name),
        version=wording.plain(model.version),
        manufacturer=wording.plain(model.manufacturer),
        parameters=wording.algorithm_parameters(model),
        family=codes.DCM.ArtificialIntelligence,
    )


def _evaluations(result: StudyResult, evidence: Evidence) -> Iterator[bytes]:
    """Yield the outcome, what it does not mean and how the analysis went, then what came of each candidate image."""
    outcome, *caveats = wording.summary(result)
    yield items.text(codes.DCM.Summary, outcome)
    for caveat in caveats:
        yield items.text(codes.DCM.Comment, caveat)
    if (status := _run_status(result)) is not None:
        yield items.code(codes.DCM.CADProcessingAndFindingsSummary, status)
    for line, image in zip(wording.image_lines(result), result.images, strict=True):
        said = items.text(codes.DCM.Comment, line)
        if (source := evidence.candidates.get(image.sop_instance_uid)) is not None:
            inferred = RelationshipTypeValues.INFERRED_FROM
            said += items.below([items.image(source.sop_class_uid, source.sop_instance_uid, inferred)])
        yield said


def _run_status(result: StudyResult) -> CodedConcept | None:
    """Return how the analysis of a flagged study went (CID 6047); None of any other.

    The codes for these say "without findings" of what nobody looked at, or what is below the operating point.
    """
    outcomes = {image.outcome for image in result.images}
    if FLAGGED not in outcomes:
        return None
    return _SOME_SUCCEEDED if FAILED in outcomes else _ALL_SUCCEEDED
