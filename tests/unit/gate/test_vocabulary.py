"""The gate's words, against lists written anew by language: a word that is lost declines a whole site's images."""

import dataclasses
from collections.abc import Iterator

import pytest

from agent.line.gate import GateSettings, decide
from agent.line.gate_terms import View, names_chest, names_more_than_chest, names_other_body_part, views_in
from dicom_io.header import Header

CHILD = Header(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
    modality="CR",
    body_part_examined="CHEST",
    view_position="PA",
    patient_age="004Y",
)

CHEST = """
    Chest CXR Lung Lungs Thorax thoracic
    Lunge Lungen Brustkorb
    thoracique poitrine poumon poumons
    torácica pecho pulmón pulmones tórax
    pulmão pulmões
    torace polmone polmoni
    keuhkot lungor lunger
    płuca płuc pluca pluc klatka piersiowa plíce hrudník
    mellkas
    toraks göğüs akciğer
    paru dada ngực
    грудная грудной грудна грудь груди лёгкие лёгких легені ОГК торакс
    grudnaya grudnoy grudi legkie OGK
    θώρακας θώρακος θώρακα πνεύμονες
    חזה 胸 肺 흉부 صدر ทรวงอก
"""
OTHER_PARTS = """
    Abdomen abdominal Abd KUB babygram pelvis hip hips spine CSpine TSpine LSpine skull head brain neck sinus sinuses
    shoulder clavicle scapula sternum rib ribs humerus elbow forearm wrist hand finger thumb femur knee leg tibia
    fibula ankle foot toe calcaneus extremity breast jaw mandible teeth wholebody
    Bauch Becken Hüfte Wirbelsäule Schädel Kopf Hals Schulter Handgelenk Knie Fuss
    bacin pied genou épaule rachis
    cadera columna cráneo mano rodilla hombro
    abdome pelve
    addome bacino cranio ginocchio spalla
"""
VIEWS = {
    View.FRONTAL: """
        AP PA frontal frontale face anteroposterior posteroanterior antpost postant dorsoventral ventrodorsal
        прямая передняя 正位 正面 정면 前后位
    """,
    View.LATERAL: """
        Lat lateral latérale laterales lateralis LLat RLat LL RL seitlich seitl profil profilo perfil latero
        laterolateral xtable bokovaya боковая боковой бок πλάγια 侧位 側面 側位 측면 جانبي
    """,
    View.OBLIQUE: """
        Oblique obliques obl oblicua obliqua obliquo schräg RAO LAO RPO LPO RLO LLO lordotic apical axial косая 斜位
    """,
    View.DECUBITUS: "decubitus decub decúbito LLD RLD HFDL HFDR FFDL FFDR",
}
TEST_OBJECTS = """
    phantom phantoms phantome fantom fantoma fantomas fantôme Prüfkörper Konstanzprüfung QC QA qualitycontrol
    testpattern testimage Testbild calibration Kalibrierung calibración étalonnage calibrazione flatfield TG18 SMPTE
    AAPM фантом 模体
"""
TEST_OBJECT_TEXTS = ("test pattern", "test image", "flat field", "quality control", "quality assurance")
TEST_OBJECTS_AS_PATIENTS = "phantom phantoms phantome fantom fantoma QC qualitycontrol testpattern фантом"
ANIMALS = "canine feline equine bovine avian rabbit ferret reptile veterinary vet dog Hund Katze Pferd"


def each(text: str) -> Iterator[str]:
    """Give each word as it stands, and in upper case."""
    for word in text.split():
        yield from {word, word.upper()}


def reason(**changes: object) -> str:
    found = decide(dataclasses.replace(CHILD, **changes), GateSettings(), calling_ae_title="CR1")
    return found.reason if found else ""


def test_the_chest_is_named_in_every_language() -> None:
    assert [word for word in each(CHEST) if not names_chest(f"XR {word} 1") or names_other_body_part(word)] == []


def test_every_other_part_of_the_body_is_named() -> None:
    assert [word for word in each(OTHER_PARTS) if not names_other_body_part(f"XR {word} 1")] == []


def test_the_whole_body_is_more_than_the_chest_and_nothing_else_is() -> None:
    assert {word for word in OTHER_PARTS.split() if names_more_than_chest(word)} == {"babygram", "wholebody"}


@pytest.mark.parametrize("view", View)
def test_every_view_is_named_and_no_other(view: View) -> None:
    assert [word for word in each(VIEWS[view]) if views_in(f"x {word} 1") != {view}] == []


def test_test_objects_are_named_in_every_description() -> None:
    texts = [*each(TEST_OBJECTS), *TEST_OBJECT_TEXTS]
    assert [text for text in texts if reason(series_description=f"1 {text}") != "phantom or test image"] == []
    names = list(each(TEST_OBJECTS_AS_PATIENTS))
    assert [name for name in names if reason(patient_name=f"{name}^1") != "phantom or test image"] == []


def test_animals_are_named() -> None:
    assert [word for word in each(ANIMALS) if reason(series_description=f"{word} 1") != "patient is an animal"] == []
    directions = ("LE", "RT", "D", "V", "CR", "CD", "RO", "DI")
    assert [one for one in directions if reason(patient_orientation=(one, "F")) != "patient is an animal"] == []
    for human in ("Homo", "sapiens", "human", "humans", "person"):
        assert reason(patient_species_description=human) == ""
    assert [reason(patient_species_code=code) for code in ("337915000", "L-85003", "L-85B00")] == ["", "", ""]


def test_a_body_part_that_says_nothing_leaves_it_to_the_description() -> None:
    for nothing in ("", "OTHER", "UNKNOWN", "UNDEFINED", "NONE", "NULL", "UNSPECIFIED"):
        assert reason(body_part_examined=nothing, series_description="Thorax") == ""
