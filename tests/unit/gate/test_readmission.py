"""What the pixels may overrule in a header, what they never may, and what is no patient at all."""

import dataclasses

import pytest

from agent.line.gate import Decline, GateSettings, decide
from dicom_io.header import Header

CR, DX_RAW, CAPTURE = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"
CHILD = Header(sop_class_uid=CR, modality="CR", body_part_examined="CHEST", view_position="PA", patient_age="004Y")


def declined(readmit: str, **changes: object) -> Decline:
    settings = GateSettings(readmit_by_pixels=readmit)  # type: ignore[arg-type]
    found = decide(dataclasses.replace(CHILD, **changes), settings, calling_ae_title="CR1")
    assert found is not None
    return found


UNKNOWN = [
    {"body_part_examined": ""},
    {"body_part_examined": "UNKNOWN"},
    {"view_position": ""},
    {"body_part_examined": "", "view_position": ""},
]
TEXT = [
    {"body_part_examined": "ABDOMEN"},
    {"body_part_examined": "HAND"},
    {"body_part_examined": "", "series_description": "Knee ap"},
    {"view_position": "LL"},
    {"view_position": "", "series_description": "LATERAL"},
    {"view_position": "PA", "series_description": "lat"},
    {"view_position": "LL", "view_code": "399348003"},
    {"modality": "CT"},
    {"modality": "OT"},
    {"body_part_examined": "SKULL", "view_position": ""},
]
FIRM = [
    {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"},
    {"sop_class_uid": DX_RAW},
    {"sop_class_uid": CAPTURE, "modality": "OT"},
    {"presentation_intent_type": "FOR PROCESSING"},
    {"patient_age": ""},
    {"patient_age": "044Y"},
    {"patient_age": "003M"},
    {"patient_species_description": "Canine"},
    {"quality_control_image": "YES"},
    {"series_description": "CHEST PHANTOM"},
    {"view_code": "399067008", "view_position": ""},
    {"view_code": "399067008", "view_position": "PA"},
    {"patient_orientation": ("A", "F"), "view_position": ""},
    {"view_position": "RAO"},
    {"view_position": "LLD"},
    {"body_part_examined": "", "anatomic_region_code": "818983003"},
    {"body_part_examined": "ABDOMEN", "anatomic_region_code": "818983003"},
    {"body_part_examined": "CHEST ABDOMEN"},
    {"body_part_examined": "", "series_description": "Babygram"},
]


@pytest.mark.parametrize("changes", UNKNOWN)
def test_what_is_unknown_may_be_readmitted_where_the_site_allows_at_least_that(changes: dict[str, str]) -> None:
    assert [declined(readmit, **changes).readmissible for readmit in ("never", "unknown", "text")] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("changes", TEXT)
def test_what_a_text_says_may_be_overruled_only_where_the_site_allows_that(changes: dict[str, str]) -> None:
    assert [declined(readmit, **changes).readmissible for readmit in ("never", "unknown", "text")] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("changes", FIRM)
def test_class_code_age_species_and_intent_are_never_overruled(changes: dict[str, object]) -> None:
    assert not declined("text", **changes).readmissible


@pytest.mark.parametrize("weak", [*UNKNOWN, *TEXT])
def test_an_image_that_is_also_declined_for_something_firm_is_not_readmitted(weak: dict[str, str]) -> None:
    assert not declined("text", **weak, patient_age="044Y").readmissible
    assert not declined("text", **weak, quality_control_image="YES").readmissible


def test_nothing_is_readmitted_by_default() -> None:
    assert GateSettings().readmit_by_pixels == "never"


@pytest.mark.parametrize(
    "changes",
    [
        {"series_description": "QC weekly"},
        {"study_description": "Konstanzprüfung"},
        {"protocol_name": "flat field"},
        {"body_part_examined": "PHANTOM"},
        {"series_description": "TG18-QC"},
        {"patient_name": "PHANTOM^CHEST"},
        {"patient_id": "QC"},
        {"performed_procedure_step_description": "Test pattern"},
    ],
)
def test_phantoms_and_test_patterns_are_declined_by_words(changes: dict[str, str]) -> None:
    assert declined("text", **changes).reason == "phantom or test image"


@pytest.mark.parametrize("name", ["SMPTE^ANNA", "QA^LI", "PHANTOMHIVE^CIEL", "QCHI^ADAM"])
def test_people_are_not_taken_for_phantoms_by_names_that_merely_resemble_one(name: str) -> None:
    header = dataclasses.replace(CHILD, patient_name=name)
    assert decide(header, GateSettings(), calling_ae_title="CR1") is None


def test_a_capture_with_burned_in_annotation_is_declined_but_a_radiograph_is_not() -> None:
    found = declined("text", sop_class_uid=CAPTURE, burned_in_annotation="YES")
    assert (found.reason, found.readmissible) == ("secondary capture with burned-in annotation", False)
    radiograph = dataclasses.replace(CHILD, burned_in_annotation="YES")
    assert decide(radiograph, GateSettings(), calling_ae_title="CR1") is None
