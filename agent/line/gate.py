"""The header gate: which images may be scored at all. Pure; the reasons are words for people.

Only frontal chest radiographs, for presentation, of children within the model's validated age range pass. What is not
known is declined, since an image that the model was not made for gets a meaningless score: a false alarm or, worse, a
false "not flagged". A header that contradicts itself counts as not known.

Headers are often wrong. What a person or a device wrote as text about body part, view or modality may be overruled by
the pixel gate where the site allows it; what the SOP Class, codes, age, species and intent say may not (docs/gate.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, Literal

from agent.line.gate_terms import (
    ANIMAL_WORDS,
    CHEST_CODES,
    HUMAN,
    HUMAN_CODES,
    NO_BODY_PART,
    QUADRUPED_DIRECTIONS,
    TEST_OBJECT_NAMES,
    TEST_OBJECT_PARTS,
    TEST_OBJECT_WORDS,
    VIEW_CODES,
    View,
    names_chest,
    names_more_than_chest,
    names_other_body_part,
    views_in,
    words,
)
from dicom_io.header import DX_FOR_PROCESSING, RADIOGRAPHY_CLASSES, RADIOGRAPHY_MODALITIES, SECONDARY_CAPTURE, Header

_CLASS_MODALITIES: Final = frozenset({"", "CR", "DX", "RG"})  # of CR and DX images; "" is poor, but the class tells
_MONTHS_PER_YEAR: Final = 12
_SHOWN_IN_MONTHS: Final = 2.0
_AGES_DIFFER: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """What a site allows.

    `age_range_years` is half-open: (1.0, 6.0) are the children of 1 to 5 years. Images sent by one of the
    `paediatric_ae_titles` are accepted where the age is unknown. With `accept_unknown_view` an image is accepted where
    nothing tells its view: for sites whose devices do not write it, and send no laterals. `readmit_by_pixels` is what
    the pixel gate may overrule: nothing, what the header leaves unknown, or that and what its texts say.
    """

    age_range_years: tuple[float, float] = (1.0, 6.0)
    paediatric_ae_titles: tuple[str, ...] = ()
    accept_unknown_view: bool = False
    readmit_by_pixels: Literal["never", "unknown", "text"] = "never"


class Ground(IntEnum):
    """What a decline rests on, from what is easiest to overrule to what nothing overrules."""

    UNKNOWN = 1
    TEXT = 2
    FIRM = 3


_OVERRULED: Final = {"never": 0, "unknown": Ground.UNKNOWN, "text": Ground.TEXT}


@dataclass(frozen=True, slots=True)
class Decline:
    """Why an image is not scored; `lateral` if it is certainly another view, which does not count for the study.

    `readmissible`: nothing but what pixels may overrule, by the site's settings, speaks against the image.
    """

    reason: str
    lateral: bool = False
    ground: Ground = field(default=Ground.FIRM, compare=False)
    readmissible: bool = False


def decide(header: Header, settings: GateSettings, *, calling_ae_title: str) -> Decline | None:
    """Return why the image must not be scored, the most fundamental reason first, or None: it may."""
    found = [
        decline
        for decline in (
            _decline_object(header),
            _decline_test_object(header),
            _decline_modality(header),
            _decline_species(header),
            _decline_body_part(header),
            _decline_view(header, settings),
            _decline_age(header, settings, calling_ae_title),
        )
        if decline is not None
    ]
    if not found:
        return None
    firmest = max(decline.ground for decline in found)
    return replace(found[0], readmissible=firmest <= _OVERRULED[settings.readmit_by_pixels])


def _decline_object(header: Header) -> Decline | None:
    """Decline what is no radiograph made for reading."""
    is_class = header.sop_class_uid in RADIOGRAPHY_CLASSES
    if not is_class and header.modality not in RADIOGRAPHY_MODALITIES:
        return Decline(_modality_reason(header))
    if not is_class and header.sop_class_uid != SECONDARY_CAPTURE:
        return Decline("not a radiograph by its SOP Class")
    if not is_class and header.burned_in_annotation == "YES":
        return Decline("secondary capture with burned-in annotation")
    if header.sop_class_uid == DX_FOR_PROCESSING or header.presentation_intent_type == "FOR PROCESSING":
        return Decline("image for processing, not for presentation")
    if header.quality_control_image in {"YES", "BOTH"}:
        return Decline("quality control image")
    return None


def _decline_test_object(header: Header) -> Decline | None:
    """Decline images of phantoms and test patterns by words; a device's check is often stored as a patient."""
    texts = (*_body_texts(header), header.body_part_examined)
    found = (
        any(not TEST_OBJECT_WORDS.isdisjoint(words(text)) for text in texts)
        or any(part in text.upper() for text in texts for part in TEST_OBJECT_PARTS)
        or any(not TEST_OBJECT_NAMES.isdisjoint(words(text)) for text in (header.patient_name, header.patient_id))
    )
    return Decline("phantom or test image") if found else None


def _decline_modality(header: Header) -> Decline | None:
    """Decline a radiograph by its SOP Class whose modality is that of something else."""
    if header.sop_class_uid in RADIOGRAPHY_CLASSES and header.modality not in _CLASS_MODALITIES:
        return Decline(_modality_reason(header), ground=Ground.TEXT)
    return None


def _modality_reason(header: Header) -> str:
    return f"modality {_shown(header.modality) or 'unknown'}, expected CR or DX"


def _decline_species(header: Header) -> Decline | None:
    description = words(header.patient_species_description)
    texts = (header.acquisition_device_processing_description, header.protocol_name, header.series_description)
    animal = (
        (description and description.isdisjoint(HUMAN))
        or (header.patient_species_code and header.patient_species_code not in HUMAN_CODES)
        or any(not ANIMAL_WORDS.isdisjoint(words(text)) for text in texts)
        or any(direction in QUADRUPED_DIRECTIONS for direction in header.patient_orientation)
    )
    return Decline("patient is an animal") if animal else None


def _decline_body_part(header: Header) -> Decline | None:
    """Decline by Body Part Examined, else by the anatomic region's code, else by the first text that names a part."""
    stated, code = header.body_part_examined.upper(), header.anatomic_region_code
    if stated not in NO_BODY_PART:
        if names_chest(stated) and not names_other_body_part(stated):
            return None
        is_firm = names_more_than_chest(stated) or (code and code not in CHEST_CODES)
        ground = Ground.FIRM if is_firm else Ground.TEXT
        return Decline(f"body part: {_shown(stated)}, expected CHEST", ground=ground)
    if code:
        return None if code in CHEST_CODES else Decline(f"body part: code {_shown(code)}, expected CHEST")
    for text in _body_texts(header):
        if names_other_body_part(text):
            ground = Ground.FIRM if names_more_than_chest(text) else Ground.TEXT
            return Decline("body part: by its description not, or not only, CHEST", ground=ground)
        if names_chest(text):
            return None
    return Decline("body part unknown, expected CHEST", ground=Ground.UNKNOWN)


def _body_texts(header: Header) -> tuple[str, ...]:
    """Return the texts that may name the body part, what is closest to the image first."""
    return (
        header.acquisition_device_processing_description,
        header.series_description,
        header.protocol_name,
        header.performed_procedure_step_description,
        header.requested_procedure_description,
        header.study_description,
    )


def _decline_view(header: Header, settings: GateSettings) -> Decline | None:
    by_text, by_code = frozenset(_views_by_text(header)), frozenset(_views_by_code(header))
    views = by_text | by_code
    if not views:
        unknown = Decline("view unknown, expected AP or PA", ground=Ground.UNKNOWN)
        return None if settings.accept_unknown_view else unknown
    if views == {View.FRONTAL}:
        return None
    is_text = by_code <= {View.FRONTAL} and views <= {View.FRONTAL, View.LATERAL}
    ground = Ground.TEXT if is_text else Ground.FIRM  # no pixels tell an oblique or a decubitus view well enough
    if View.FRONTAL in views:
        others = " and ".join(sorted(view.value for view in views if view is not View.FRONTAL))
        return Decline(f"view contradictory: frontal and {others}", ground=ground)
    if View.DECUBITUS in views:
        return Decline("not a frontal view: decubitus")
    shown = View.LATERAL if View.LATERAL in views else View.OBLIQUE
    return Decline(f"not a frontal view: {shown.value}", lateral=True, ground=ground)


def _views_by_text(header: Header) -> Iterator[View]:
    """Yield what each text says about the view; a text that names several says nothing.

    Descriptions of the whole study ("PA and lateral") are not asked.
    """
    for text in (
        header.view_position,
        header.patient_position,  # where some converters write AP and PA
        header.series_description,
        header.protocol_name,
        header.acquisition_device_processing_description,
    ):
        named = views_in(text)
        if View.DECUBITUS in named:
            yield View.DECUBITUS  # "left lateral decubitus" is the patient's position
        elif len(named) == 1:
            yield from named


def _views_by_code(header: Header) -> Iterator[View]:
    """Yield what the view's code and the patient's orientation say about the view."""
    if header.view_code in VIEW_CODES:
        yield VIEW_CODES[header.view_code]
    if (by_orientation := _view_by_orientation(header.patient_orientation)) is not None:
        yield by_orientation


def _view_by_orientation(directions: tuple[str, ...]) -> View | None:
    """Tell the view by where rows and columns run (PS3.3 C.7.6.1.1.1), if they run along the body's axes."""
    axes = {"".join(sorted({_AXES.get(letter, "?") for letter in direction})) for direction in directions}
    match sorted(axes):
        case ["HF", "LR"]:
            return View.FRONTAL
        case ["AP", "HF"]:
            return View.LATERAL
        case _:
            return None


_AXES: Final = {"L": "LR", "R": "LR", "H": "HF", "F": "HF", "A": "AP", "P": "AP"}


def _decline_age(header: Header, settings: GateSettings, calling_ae_title: str) -> Decline | None:
    low, high = settings.age_range_years
    age, by_birth_date = header.age_years, header.age_years_by_birth_date
    if age is None:
        trusted = calling_ae_title.strip() in settings.paediatric_ae_titles
        return None if trusted else Decline("age unknown")
    if not low <= age < high:
        return Decline(f"age {_age_text(age)} is outside the validated range {_range_text(low, high)}")
    if by_birth_date is not None and not low <= by_birth_date < high and abs(by_birth_date - age) >= _AGES_DIFFER:
        return Decline(f"age contradictory: {_age_text(age)} stated, {_age_text(by_birth_date)} by birth date")
    return None


def _age_text(years: float) -> str:
    if years < _SHOWN_IN_MONTHS:
        months = int(years * _MONTHS_PER_YEAR + 1e-9)
        return f"{months} {'month' if months == 1 else 'months'}"
    return f"{int(years)} years"


def _range_text(low: float, high: float) -> str:
    if low.is_integer() and high.is_integer():
        return f"{low:.0f} to {high - 1:.0f} years"
    return f"{low:g} to under {high:g} years"


def _shown(value: str) -> str:
    """Return a coded value for people: short, as PS3.5 has it, whatever a header holds."""
    return value[:16]
