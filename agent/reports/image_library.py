"""Content items that the SR's tree is put together from: containers, and the table of the candidate images."""

import re
from collections.abc import Iterable
from typing import Final

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.codedict import codes

from agent.reports.evidence import IMAGER_PIXEL_SPACING, MODALITY, PATIENT_ORIENTATION, Instance

SOURCE: Final = CodedConcept("260753009", "SCT", "Source")
RADIOGRAPHY: Final = {"CR": codes.DCM.ComputedRadiography, "DX": codes.DCM.DigitalRadiography}
"""Modalities of the candidates for analysis, coded (CID 29)."""
_PIXELS: Final = CodedConcept("{pixels}", "UCUM", "Pixels")
_ORIENTATION: Final = re.compile(r"([APRLHF]{1,3})\\([APRLHF]{1,3})")
SPACING: Final = re.compile(r"(\d{1,4}(?:\.\d{1,10})?)\\(\d{1,4}(?:\.\d{1,10})?)")
"""A pair of distances between rows and columns, in millimetres."""


def container(
    name: CodedConcept, content: Iterable[ContentItem] = (), *, template: str | None = None
) -> ContainerContentItem:
    """Return a container of separate items; one with a root template (TID 1500, TID 2010) is the root."""
    relationship = RelationshipTypeValues.CONTAINS if template is None else None
    item = ContainerContentItem(name, is_content_continuous=False, template_id=template, relationship_type=relationship)
    if items := list(content):
        item.ContentSequence = ContentSequence(items)
    return item


def image_library(candidates: Iterable[Instance]) -> ContainerContentItem:
    """Return the table of the candidate images (TID 1600, 1602, 1603), with as much as their headers say."""
    group = container(codes.DCM.ImageLibraryGroup, [_library_entry(candidate) for candidate in candidates])
    return container(codes.DCM.ImageLibrary, [group])


def _library_entry(candidate: Instance) -> ImageContentItem:
    item = ImageContentItem(
        SOURCE, candidate.sop_class_uid, candidate.sop_instance_uid, relationship_type=RelationshipTypeValues.CONTAINS
    )
    context = RelationshipTypeValues.HAS_ACQ_CONTEXT
    descriptors: list[ContentItem] = []
    if code := RADIOGRAPHY.get(candidate.text(MODALITY)):
        descriptors.append(CodeContentItem(codes.DCM.Modality, code, context))
    if candidate.is_image:
        descriptors.append(_pixels(codes.DCM.PixelDataRows, candidate.rows))
        descriptors.append(_pixels(codes.DCM.PixelDataColumns, candidate.columns))
    if match := _ORIENTATION.fullmatch(candidate.text(PATIENT_ORIENTATION)):
        names = (codes.DCM.PatientOrientationRow, codes.DCM.PatientOrientationColumn)
        descriptors += [
            TextContentItem(name, value, context) for name, value in zip(names, match.groups(), strict=True)
        ]
    if match := SPACING.fullmatch(candidate.text(IMAGER_PIXEL_SPACING)):
        names = (codes.DCM.VerticalPixelSpacing, codes.DCM.HorizontalPixelSpacing)
        descriptors += [
            NumContentItem(name, float(value), codes.UCUM.Millimeter, relationship_type=context)
            for name, value in zip(names, match.groups(), strict=True)
        ]
    if descriptors:
        item.ContentSequence = ContentSequence(descriptors)
    return item


def _pixels(name: CodedConcept, count: int) -> NumContentItem:
    item = NumContentItem(name, count, _PIXELS, relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT)
    item.MeasuredValueSequence[0].NumericValue = str(count)  # highdicom writes a count as "1955.0"
    return item
