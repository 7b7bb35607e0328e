"""The table of the candidate images in the SR's content tree."""

import re
from collections.abc import Iterable
from typing import Final

from highdicom.sr import CodedConcept, RelationshipTypeValues
from pydicom.sr.codedict import codes

from agent.reports import content_items as items
from agent.reports.evidence import IMAGER_PIXEL_SPACING, MODALITY, PATIENT_ORIENTATION, Instance

RADIOGRAPHY: Final = {"CR": codes.DCM.ComputedRadiography, "DX": codes.DCM.DigitalRadiography}
"""Modalities of the candidates for analysis, coded (CID 29)."""
_PIXELS: Final = CodedConcept("{pixels}", "UCUM", "Pixels")
_ORIENTATION: Final = re.compile(r"([APRLHF]{1,3})\\([APRLHF]{1,3})")
SPACING: Final = re.compile(r"(\d{1,4}(?:\.\d{1,10})?)\\(\d{1,4}(?:\.\d{1,10})?)")
"""A pair of distances between rows and columns, in millimetres."""


_CONTEXT: Final = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(candidates: Iterable[Instance]) -> bytes:
    """Return the table of the candidate images (TID 1600, 1602, 1603), with as much as their headers say."""
    group = items.container(codes.DCM.ImageLibraryGroup, map(_library_entry, candidates))
    return items.container(codes.DCM.ImageLibrary, [group])


def _library_entry(candidate: Instance) -> bytes:
    descriptors: list[bytes] = []
    if code := RADIOGRAPHY.get(candidate.text(MODALITY)):
        descriptors.append(items.code(codes.DCM.Modality, code, _CONTEXT))
    if candidate.is_image:
        descriptors.append(items.count(codes.DCM.PixelDataRows, candidate.rows, _PIXELS, _CONTEXT))
        descriptors.append(items.count(codes.DCM.PixelDataColumns, candidate.columns, _PIXELS, _CONTEXT))
    if match := _ORIENTATION.fullmatch(candidate.text(PATIENT_ORIENTATION)):
        names = (codes.DCM.PatientOrientationRow, codes.DCM.PatientOrientationColumn)
        descriptors += [items.text(name, value, _CONTEXT) for name, value in zip(names, match.groups(), strict=True)]
    if match := SPACING.fullmatch(candidate.text(IMAGER_PIXEL_SPACING)):
        names = (codes.DCM.VerticalPixelSpacing, codes.DCM.HorizontalPixelSpacing)
        descriptors += [
            items.measure(name, float(value), codes.UCUM.Millimeter, _CONTEXT)
            for name, value in zip(names, match.groups(), strict=True)
        ]
    return items.image(candidate.sop_class_uid, candidate.sop_instance_uid) + items.below(descriptors)
