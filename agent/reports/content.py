"""The content tree of the SR: TID 1500 "Measurement Report" (PS3.16), made of highdicom's templates and content items.

The root and the Image Library are put together here: highdicom's need at least one Measurement Group and attributes
that real images lack, and a study without any analysed image must be reported too.
"""

from collections.abc import Iterator
from typing import Final, cast

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
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
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from agent.reports import wording
from agent.reports.document import FAILED, FLAGGED, NOT_FLAGGED, ModelIdentity, StudyResult
from agent.reports.evidence import (
    CODE,
    MODALITY,
    PROCEDURE_CODES,
    Evidence,
    Instance,
)
from agent.reports.identity import MANUFACTURER, PRODUCT, device_uid, tracking_uid
from agent.reports.image_library import RADIOGRAPHY, SOURCE, container, image_library
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
) -> ContainerContentItem:
    """Return the root of the content tree.

    Analysed images have a Measurement Group each. What was not analysed has no finding and no number: only its reason.
    """
    root = container(codes.DCM.ImagingMeasurementReport, template="1500")
    content: list[ContentItem] = [
        *LanguageOfContentItemAndDescendants(ENGLISH),
        *observer(result),
        CodeContentItem(
            codes.DCM.ProcedureReported, _procedure(evidence.source), RelationshipTypeValues.HAS_CONCEPT_MOD
        ),
    ]
    if evidence.candidates:
        content.append(image_library(evidence.candidates.values()))
    if groups := list(_measurement_groups(result, evidence, probability_when_not_flagged=probability_when_not_flagged)):
        content.append(container(codes.DCM.ImagingMeasurements, groups))
    content.append(container(QUALITATIVE_EVALUATIONS, list(_evaluations(result, evidence))))
    root.ContentSequence = ContentSequence(content)
    return root


def observer(result: StudyResult) -> ObserverContext:
    """Return who says it: this installation with its model (TID 1002, TID 1004)."""
    return ObserverContext(
        codes.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=device_uid(result.installation, result.model),
            name=PRODUCT,
            manufacturer_name=MANUFACTURER,
            model_name=wording.plain(result.model.name) if result.model else PRODUCT,
            serial_number=wording.plain(result.installation),
        ),
    )


def _procedure(source: Instance) -> CodedConcept:
    """Return the imaging procedure, not the algorithm: the images' own code, else the general one (CID 100)."""
    for item in source.items(PROCEDURE_CODES, CODE):
        value, scheme, meaning = (_printable(item.get(tag, b"")) for tag in (0x00080100, 0x00080102, 0x00080104))
        if value and scheme and meaning:
            return CodedConcept(value, scheme, meaning)
    if source.text(MODALITY) in RADIOGRAPHY:
        return CodedConcept.from_code(codes.LN.XRUnspecifiedBodyRegion)
    return CodedConcept.from_code(codes.SCT.ImagingProcedure)


def _printable(value: bytes) -> str:
    """Return text that may stand in the content tree, which is ASCII throughout; "" for any other."""
    text = value.strip(b"\0 ")
    return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() and len(text) <= _LO else ""


def _measurement_groups(
    result: StudyResult, evidence: Evidence, *, probability_when_not_flagged: bool
) -> Iterator[ContainerContentItem]:
    """Yield the Measurement Group (TID 1501) of each analysed image."""
    for number, image in enumerate(result.images, start=1):
        if result.model is None or image.outcome not in (FLAGGED, NOT_FLAGGED):
            continue
        tracking = TrackingIdentifier(
            uid=tracking_uid(result.installation, image.sop_instance_uid, PNEUMONIA.value),
            identifier=f"pneumonia, image {number}",
        )
        shown = image.outcome == FLAGGED or probability_when_not_flagged
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            finding_type=PNEUMONIA,
            finding_sites=[FindingSite(LUNG)],
            algorithm_id=_algorithm(result.model),
            measurements=_probability(image.probability) if shown else None,
            qualitative_evaluations=[QualitativeEvaluation(PRESENCE, _PRESENCES[image.outcome])],
            source_images=[
                SourceImageForMeasurementGroup(candidate.sop_class_uid, candidate.sop_instance_uid)
                for uid, candidate in evidence.candidates.items()
                if uid == image.sop_instance_uid
            ],
        )[0]
        group.ContinuityOfContent = "SEPARATE"
        group.ContentSequence.append(_comment(wording.image_sentence(image)))
        if (explanation := _explanation(result, image.sop_instance_uid)) is not None:
            group.ContentSequence.append(explanation)
        yield cast("ContainerContentItem", group)


def _explanation(result: StudyResult, sop_instance_uid: str) -> ImageContentItem | None:
    """Return the frame of the Parametric Map that shows where an image speaks for its flag."""
    frame = frame_numbers(result).get(sop_instance_uid) if result.explanation is not None else None
    if result.explanation is None or frame is None:
        return None
    return ImageContentItem(
        codes.DCM.VisualExplanation,
        result.explanation.sop_class_uid,
        result.explanation.sop_instance_uid,
        referenced_frame_numbers=[frame],
        relationship_type=RelationshipTypeValues.CONTAINS,
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


def _probability(value: float | None) -> list[Measurement] | None:
    return None if value is None else [Measurement(PROBABILITY, wording.measured(value), codes.UCUM.NoUnits)]


def _evaluations(result: StudyResult, evidence: Evidence) -> Iterator[ContentItem]:
    """Yield the outcome, what it does not mean and how the analysis went, then what came of each candidate image."""
    outcome, *caveats = wording.summary(result)
    yield TextContentItem(codes.DCM.Summary, outcome, RelationshipTypeValues.CONTAINS)
    for caveat in caveats:
        yield _comment(caveat)
    if (status := _run_status(result)) is not None:
        contains = RelationshipTypeValues.CONTAINS
        yield CodeContentItem(codes.DCM.CADProcessingAndFindingsSummary, status, contains)
    for line, image in zip(wording.image_lines(result), result.images, strict=True):
        yield _comment(line, evidence.candidates.get(image.sop_instance_uid))


def _run_status(result: StudyResult) -> CodedConcept | None:
    """Return how the analysis of a flagged study went (CID 6047); None of any other.

    The codes for these say "without findings" of what nobody looked at, or what is below the operating point.
    """
    outcomes = {image.outcome for image in result.images}
    if FLAGGED not in outcomes:
        return None
    return _SOME_SUCCEEDED if FAILED in outcomes else _ALL_SUCCEEDED


def _comment(text: str, image: Instance | None = None) -> TextContentItem:
    item = TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)
    if image is not None:
        source = ImageContentItem(
            SOURCE,
            image.sop_class_uid,
            image.sop_instance_uid,
            relationship_type=RelationshipTypeValues.INFERRED_FROM,
        )
        item.ContentSequence = ContentSequence([source])
    return item
