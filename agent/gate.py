"""The header gate: which images may be scored at all. Pure; the reasons are words for people.

Only frontal chest radiographs, for presentation, of children within the model's validated age range pass. What is not
known is declined, since an image that the model was not made for gets a meaningless score: a false alarm or, worse, a
false "not flagged". A header that contradicts itself counts as not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.gate_terms import (
    ANIMAL_WORDS,
    CHEST_CODES,
    HUMAN,
    HUMAN_CODES,
    NO_BODY_PART,
    QUADRUPED_DIRECTIONS,
    VIEW_CODES,
    View,
    names_chest,
    names_other_body_part,
    views_in,
    words,
)
from dicom_io.header import DX_FOR_PROCESSING, RADIOGRAPHY_CLASSES, SECONDARY_CAPTURE, Header

_CLASS_MODALITIES: Final = frozenset({"", "CR", "DX", "RG"})  # of CR and DX images; "" is poor, but the class tells
_CAPTURE_MODALITIES: Final = frozenset({"CR", "DX"})
_MONTHS_PER_YEAR: Final = 12
_SHOWN_IN_MONTHS: Final = 2.0
_AGES_DIFFER: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """What a site allows.

    `age_range_years` is half-open: (1.0, 6.0) are the children of 1 to 5 years. Images sent by one of the
    `paediatric_ae_titles` are accepted where the age is unknown. With `accept_unknown_view` an image is accepted where
    nothing tells its view: for sites whose devices do not write it, and send no laterals.
    """

    age_range_years: tuple[float, float] = (1.0, 6.0)
    paediatric_ae_titles: tuple[str, ...] = ()
    accept_unknown_view: bool = False


@dataclass(frozen=True, slots=True)
class Decline:
    """Why an image is not scored; `lateral` if it is certainly another view, which does not count for the study."""

    reason: str
    lateral: bool = False


def decide(header: Header, settings: GateSettings, *, calling_ae_title: str) -> Decline | None:
    """Return why the image must not be scored, the most fundamental reason first, or None: it may."""
    return (
        _decline_object(header)
        or _decline_species(header)
        or _decline_body_part(header)
        or _decline_view(header, settings)
        or _decline_age(header, settings, calling_ae_title)
    )


def _decline_object(header: Header) -> Decline | None:
    """Decline what is no radiograph made for reading."""
    is_class = header.sop_class_uid in RADIOGRAPHY_CLASSES
    if header.modality not in (_CLASS_MODALITIES if is_class else _CAPTURE_MODALITIES):
        return Decline(f"modality {_shown(header.modality) or 'unknown'}, expected CR or DX")
    if not is_class and header.sop_class_uid != SECONDARY_CAPTURE:
        return Decline("not a radiograph by its SOP Class")
    if header.sop_class_uid == DX_FOR_PROCESSING or header.presentation_intent_type == "FOR PROCESSING":
        return Decline("image for processing, not for presentation")
    if header.quality_control_image in {"YES", "BOTH"}:
        return Decline("quality control image")
    return None


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
        is_chest = names_chest(stated) and not names_other_body_part(stated)
        return None if is_chest else Decline(f"body part: {_shown(stated)}, expected CHEST")
    if code:
        return None if code in CHEST_CODES else Decline(f"body part: code {_shown(code)}, expected CHEST")
    for text in _body_texts(header):
        if names_other_body_part(text):
            return Decline("body part: by its description not, or not only, CHEST")
        if names_chest(text):
            return None
    return Decline("body part unknown, expected CHEST")


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
    views = frozenset(_views(header))
    if not views:
        return None if settings.accept_unknown_view else Decline("view unknown, expected AP or PA")
    if views == {View.FRONTAL}:
        return None
    if View.FRONTAL in views:
        others = " and ".join(sorted(view.value for view in views if view is not View.FRONTAL))
        return Decline(f"view contradictory: frontal and {others}")
    if View.DECUBITUS in views:
        return Decline("not a frontal view: decubitus")
    shown = View.LATERAL if View.LATERAL in views else View.OBLIQUE
    return Decline(f"not a frontal view: {shown.value}", lateral=True)


def _views(header: Header) -> Iterator[View]:
    """Yield what each part of the header says about the view; a part that names several says nothing.

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
