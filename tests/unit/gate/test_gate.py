"""The header gate: what passes, what is declined, and with which reason."""

import dataclasses
from pathlib import Path

import pytest
from pydicom.sr._snomed_dict import mapping
from pydicom.sr.codedict import codes

from agent.line.gate import Decline, GateSettings, decide
from agent.line.gate_terms import CHEST_CODES, HUMAN_CODES, VIEW_CODES, View, views_in, words
from dicom_io.header import Header, read_header

CR, DX, DX_RAW = (f"1.2.840.10008.5.1.4.1.1.1{end}" for end in ("", ".1", ".1.1"))
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CHILD = Header(sop_class_uid=CR, modality="CR", body_part_examined="CHEST", view_position="PA", patient_age="004Y")


def decline(
    header: Header = CHILD, settings: GateSettings | None = None, ae_title: str = "CR1", **changes: object
) -> Decline | None:
    """Return the decision on a good header with some `changes`."""
    return decide(dataclasses.replace(header, **changes), settings or GateSettings(), calling_ae_title=ae_title)


def reason(**changes: object) -> str:
    """Return why a good header with some `changes` is declined, "" if it is not."""
    found = decline(**changes)
    return found.reason if found else ""


def test_a_frontal_chest_radiograph_of_a_child_passes() -> None:
    assert decline() is None


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [(CR, "CR"), (CR, ""), (CR, "RG"), (DX, "DX"), (DX, "CR"), (CAPTURE, "CR"), (CAPTURE, "DX")],
)
def test_radiographs_pass_by_class_and_modality(sop_class: str, modality: str) -> None:
    assert decline(sop_class_uid=sop_class, modality=modality) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"modality": "CT"}, "modality CT, expected CR or DX"),
        ({"modality": "MG"}, "modality MG, expected CR or DX"),
        ({"sop_class_uid": CAPTURE, "modality": ""}, "modality unknown, expected CR or DX"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2", "modality": "CR"}, "not a radiograph by its SOP Class"),
        ({"sop_class_uid": DX_RAW, "modality": "DX"}, "image for processing, not for presentation"),
        ({"presentation_intent_type": "FOR PROCESSING"}, "image for processing, not for presentation"),
        ({"quality_control_image": "YES"}, "quality control image"),
        ({"quality_control_image": "BOTH"}, "quality control image"),
    ],
)
def test_what_is_no_radiograph_made_for_reading_is_declined(changes: dict[str, str], expected: str) -> None:
    assert reason(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"patient_species_description": "Feline"},
        {"patient_species_code": "L-80A00"},
        {"acquisition_device_processing_description": "CANINE LATERAL THORAX 0-15cm"},
        {"series_description": "Hund Thorax"},
        {"patient_orientation": ("LE", "V")},
        {"patient_orientation": ("CD", "D")},
    ],
)
def test_animals_are_declined(changes: dict[str, object]) -> None:
    assert reason(**changes) == "patient is an animal"


@pytest.mark.parametrize("species", ["Homo sapiens", "HUMAN", "human being"])
def test_humans_are_not_animals(species: str) -> None:
    assert decline(patient_species_description=species, patient_species_code=next(iter(HUMAN_CODES))) is None


@pytest.mark.parametrize(
    "part",
    [
        "CHEST",
        "THORAX",
        "Thorax",
        "LUNG",
        "CHEST_PED",
        "PORT CHEST",
        "CHEST PA",
        "TORAX",
        "TÓRAX",
        "胸部",
        "Грудная клетка",
    ],
)
def test_the_chest_passes_under_its_names(part: str) -> None:
    assert decline(body_part_examined=part) is None


@pytest.mark.parametrize(
    "part", ["HAND", "EXTREMITY", "ABDOMEN", "CHEST ABDOMEN", "CHESTABDOMEN", "TSPINE", "RIB", "SKULL", "WHOLEBODY"]
)
def test_other_parts_of_the_body_and_more_than_the_chest_are_declined(part: str) -> None:
    assert reason(body_part_examined=part) == f"body part: {part}, expected CHEST"


def test_a_long_body_part_is_not_repeated_at_length() -> None:
    assert reason(body_part_examined="X" * 500) == f"body part: {'X' * 16}, expected CHEST"


@pytest.mark.parametrize("code", sorted(CHEST_CODES))
def test_without_a_body_part_the_code_of_the_region_decides(code: str) -> None:
    assert decline(body_part_examined="", anatomic_region_code=code) is None
    assert reason(body_part_examined="", anatomic_region_code="85562004") == "body part: code 85562004, expected CHEST"


@pytest.mark.parametrize(
    "text",
    [
        *("XR CHEST 2 VIEWS", "CXR portable", "Thorax p.a.", "THORAX AP IM LIEGEN", "Thorax de face", "TORAX AP"),
        *("Radiographie thoracique", "RX TÓRAX", "Akciğer grafisi", "ОГК прямая", "Θώρακας", "胸部 正面", "흉부"),
    ],
)
def test_without_part_and_code_the_descriptions_decide(text: str) -> None:
    for field in ("study_description", "series_description", "protocol_name", "requested_procedure_description"):
        assert decline(body_part_examined="", **{field: text}) is None


@pytest.mark.parametrize("text", ["CHEST AND ABDOMEN", "Abdomen", "BABYGRAM", "Hand links", "Chest ribs left"])
def test_a_description_of_another_part_declines(text: str) -> None:
    found = reason(body_part_examined="OTHER", series_description=text, study_description="CHEST")
    assert found == "body part: by its description not, or not only, CHEST"


def test_an_unknown_body_part_is_declined() -> None:
    assert reason(body_part_examined="", study_description="No Finding") == "body part unknown, expected CHEST"


@pytest.mark.parametrize(
    "view", ["PA", "AP", "pa", "AP SUPINE", "A.P.", "P-A", "AP ERECT", "FRONTAL", "ANTERO POSTERIOR AP"]
)
def test_frontal_views_pass(view: str) -> None:
    assert decline(view_position=view) is None


@pytest.mark.parametrize("view", ["LL", "RL", "LAT", "LATERAL", "LEFT LATERAL", "XTABLE LAT"])
def test_laterals_are_declined_as_laterals(view: str) -> None:
    assert decline(view_position=view) == Decline("not a frontal view: lateral", lateral=True)


@pytest.mark.parametrize("view", ["RAO", "LPO", "OBLIQUE", "LORDOTIC"])
def test_obliques_are_declined_and_do_not_count_either(view: str) -> None:
    assert decline(view_position=view) == Decline("not a frontal view: oblique", lateral=True)


@pytest.mark.parametrize("view", ["LLD", "LEFT LATERAL DECUBITUS", "DECUBITUS"])
def test_a_decubitus_is_declined_but_counts_since_its_beam_is_frontal(view: str) -> None:
    assert decline(view_position=view) == Decline("not a frontal view: decubitus", lateral=False)


@pytest.mark.parametrize(
    ("changes", "lateral"),
    [
        ({"patient_orientation": ("L", "F")}, None),
        ({"patient_orientation": ("F", "R")}, None),
        ({"patient_orientation": ("R", "H")}, None),
        ({"patient_orientation": ("P", "F")}, True),
        ({"patient_orientation": ("A", "F")}, True),
        ({"view_code": "399348003"}, None),
        ({"view_code": "R-10236"}, True),
        ({"patient_position": "PA"}, None),
        ({"series_description": "Thorax p.a."}, None),
        ({"series_description": "Thorax seitl."}, True),
        ({"acquisition_device_processing_description": "CHEST LAT"}, True),
        ({"protocol_name": "Thorax de face"}, None),
        ({"series_description": "胸部 側面"}, True),
    ],
)
def test_without_a_view_position_the_rest_of_the_header_tells(
    changes: dict[str, object], *, lateral: bool | None
) -> None:
    found = decline(view_position="", **changes)
    assert (found.lateral if found else None) is lateral


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"patient_orientation": ("LA", "F")},
        {"patient_orientation": ("L",)},
        {"patient_orientation": ("L", "P")},
        {"series_description": "CHEST PA AND LAT"},
        {"study_description": "CHEST LATERAL"},
        {"patient_position": "HFS"},
        {"view_code": "1234"},
    ],
)
def test_where_nothing_tells_the_view_it_is_declined_unless_the_site_says_otherwise(changes: dict[str, object]) -> None:
    assert decline(view_position="", **changes) == Decline("view unknown, expected AP or PA")
    assert decline(view_position="", settings=GateSettings(accept_unknown_view=True), **changes) is None


def test_a_header_that_names_two_views_is_declined_and_counts() -> None:
    expected = Decline("view contradictory: frontal and lateral", lateral=False)
    assert decline(view_position="AP", series_description="Thorax LAT") == expected
    assert decline(view_position="LL", patient_orientation=("L", "F")) == expected
    assert (
        decline(view_position="AP", view_code="399173006", settings=GateSettings(accept_unknown_view=True)) == expected
    )


def test_a_header_that_names_three_views_tells_them_all() -> None:
    found = reason(view_position="AP", series_description="Thorax LAT", protocol_name="RAO")
    assert found == "view contradictory: frontal and lateral and oblique"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("001Y", ""),
        ("012M", ""),
        ("005Y", ""),
        ("071M", ""),
        ("011M", "age 11 months is outside the validated range 1 to 5 years"),
        ("001M", "age 1 month is outside the validated range 1 to 5 years"),
        ("003D", "age 0 months is outside the validated range 1 to 5 years"),
        ("006Y", "age 6 years is outside the validated range 1 to 5 years"),
        ("022Y", "age 22 years is outside the validated range 1 to 5 years"),
        ("", "age unknown"),
        ("4", "age unknown"),
        ("999Y", "age unknown"),
    ],
)
def test_only_the_validated_ages_pass(age: str, expected: str) -> None:
    assert reason(patient_age=age) == expected


def test_a_site_may_widen_the_ages() -> None:
    assert decline(settings=GateSettings(age_range_years=(0.5, 12.5)), patient_age="012Y") is None
    found = decline(settings=GateSettings(age_range_years=(0.5, 12.5)), patient_age="013Y")
    assert found == Decline("age 13 years is outside the validated range 0.5 to under 12.5 years")


def test_an_age_from_two_years_on_is_told_in_years_and_a_range_that_begins_or_ends_within_a_year_as_it_is() -> None:
    found = decline(settings=GateSettings(age_range_years=(2.5, 6)), patient_age="002Y")
    assert found == Decline("age 2 years is outside the validated range 2.5 to under 6 years")
    found = decline(settings=GateSettings(age_range_years=(2.5, 6)), patient_age="018M")
    assert found == Decline("age 18 months is outside the validated range 2.5 to under 6 years")


def test_an_unknown_age_passes_only_from_a_paediatric_ae_title() -> None:
    settings = GateSettings(paediatric_ae_titles=("KIDS",))
    assert decline(settings=settings, ae_title="KIDS ", patient_age="") is None
    assert decline(settings=settings, ae_title="kids", patient_age="") == Decline("age unknown")
    assert decline(settings=settings, ae_title="", patient_age="") == Decline("age unknown")


def test_a_known_adult_is_declined_from_a_paediatric_ae_title_too() -> None:
    assert (
        decline(settings=GateSettings(paediatric_ae_titles=("KIDS",)), ae_title="KIDS", patient_age="022Y") is not None
    )


@pytest.mark.parametrize(
    ("birth", "declined"), [("19400101", True), ("20190601", False), ("", False), ("20180601", False)]
)
def test_an_age_that_the_birth_date_contradicts_by_years_is_declined(birth: str, *, declined: bool) -> None:
    found = reason(patient_age="005Y", patient_birth_date=birth, study_date="20250101")
    assert found == ("age contradictory: 5 years stated, 85 years by birth date" if declined else "")


def test_a_birth_date_contradicts_from_the_end_of_the_validated_ages_on_and_by_two_years_or_more() -> None:
    """On the first birthday one is in the range, on the sixth out of it; the range ends before that."""
    on = {"study_date": "20250101"}
    assert reason(patient_age="004Y", patient_birth_date="20240101", **on) == ""
    six = {"patient_birth_date": "20190101", **on}
    assert reason(patient_age="004Y", **six) == "age contradictory: 4 years stated, 6 years by birth date"
    assert reason(patient_age="049M", **six) == ""


def test_the_most_fundamental_reason_comes_first() -> None:
    wrong: dict[str, object] = {"patient_age": "022Y"}
    assert reason(**wrong).startswith("age")
    wrong["view_position"] = "LL"
    assert reason(**wrong).startswith("not a frontal view")
    wrong["body_part_examined"] = "HAND"
    assert reason(**wrong).startswith("body part")
    wrong["patient_species_description"] = "Feline"
    assert reason(**wrong) == "patient is an animal"
    wrong["modality"] = "CT"
    assert reason(**wrong).startswith("modality")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.p.", {"AP"}),
        ("P/A", {"PA"}),
        ("A.A.", {"A"}),
        ("aa", {"AA"}),
        ("AP/LAT", {"AP", "LAT"}),
        ("Thorax-PA", {"THORAX", "PA"}),
    ],
)
def test_words_are_upper_case_without_accents_and_with_joined_view_letters(text: str, found: set[str]) -> None:
    assert words(text) == found


def view_of(meaning: str) -> View | None:
    if "oblique" in meaning or meaning in {"axial", "tangential"}:
        return View.OBLIQUE
    if meaning in {"antero-posterior", "postero-anterior", "frontal"}:
        return View.FRONTAL
    is_lateral = meaning in {"lateral", "left lateral", "right lateral", "lateral-medial", "medial-lateral"}
    return View.LATERAL if is_lateral or meaning == "sagittal" else None


def test_every_view_of_cid_4010_in_which_a_chest_is_made_is_known_by_its_code_and_by_its_retired_one() -> None:
    named = {getattr(codes.cid4010, name) for name in codes.cid4010.dir()}
    expected = {code.value: view for code in named if (view := view_of(code.meaning.lower()))}
    retired = {old: expected[new] for old, new in mapping["SRT"].items() if new in expected}
    assert expected | retired | {"R-10214": View.FRONTAL} == VIEW_CODES  # postero-anterior had two


def test_a_text_without_a_view_names_none() -> None:
    assert views_in("nothing of it") == frozenset()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("chest/rsna_00aecb01-a116-45a2-956c-08d2fa55433f.dcm", "age unknown"),
        ("chest/barre_CR-MONO1-10-chest.dcm", "age unknown"),
        ("chest/pylibjpeg_966_fixed_dx_pa.dcm", "age unknown"),
        ("chest/lidc_0005_lateral.dcm", "not a frontal view: lateral"),
        ("chest/nih_udacity_test5.dcm", "modality CT, expected CR or DX"),
        ("not-chest/cat_thorax_lat_dx.dcm", "patient is an animal"),
        ("not-chest/dog_thorax_dx_169x211_mono1.dcm", "patient is an animal"),
        ("not-chest/ct_head_ybr422_jpeg.dcm", "modality CT, expected CR or DX"),
        ("not-chest/cookie_photo_ybr422.dcm", "modality unknown, expected CR or DX"),
    ],
)
def test_real_images_are_declined_for_what_they_are(shared: Path, file: str, expected: str) -> None:
    found = decide(read_header(shared / "data" / "dicom" / file), GateSettings(), calling_ae_title="X")
    assert found is not None
    assert found.reason == expected


@pytest.mark.shared
def test_the_real_frontal_chest_radiographs_pass_where_ages_are_not_asked(shared: Path) -> None:
    settings = GateSettings(age_range_years=(0.0, 131.0), paediatric_ae_titles=("X",))
    folder = shared / "data" / "dicom" / "chest"
    declined = {path.name for path in folder.glob("*.dcm") if decide(read_header(path), settings, calling_ae_title="X")}
    assert declined == {"lidc_0005_lateral.dcm", "nih_udacity_test5.dcm"}
