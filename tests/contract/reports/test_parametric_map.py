"""The numeric heat maps: what highdicom and pydicom read back, and what is said of the images' geometry."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from agent.reports import parametric_map, sr
from agent.reports.document import ReportError, StudyResult
from model import explanation

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]


def rendered(result: StudyResult) -> Dataset:
    return dcmread(io.BytesIO(parametric_map.render(result, parametric_map.Settings()).data))


def test_only_a_flagged_study_has_a_map(study: Study, source: Path) -> None:
    assert [parametric_map.applies(one) for one in ("flagged", "not_flagged", "not_analysed", "failed")] == [
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(ReportError, match=r"expected a flagged image with a heat map\. Received: outcome=failed"):
        rendered(study("failed", source))


def test_the_numbers_come_back_in_an_independent_reader(study: Study, source: Path) -> None:
    """Highdicom applies the Real World Value Mapping: 1 is the place that matters most."""
    result = study("flagged", source)
    document = parametric_map.render(result, parametric_map.Settings())
    read = highdicom.imread(io.BytesIO(document.data))
    frames = read.get_frames(apply_real_world_transform=True)
    heat_map = result.images[0].heat_map
    assert heat_map is not None
    assert frames.shape == (1, *heat_map.shape)
    assert frames[0] == pytest.approx(heat_map / 255.0, abs=1e-9)
    assert [uids[2] for uids in read.get_source_image_uids()] == [result.images[0].sop_instance_uid]


def test_each_flagged_image_has_a_frame_and_no_other_image_has_one(study: Study, radiograph: Radiograph) -> None:
    paths = [radiograph(), radiograph(), radiograph()]
    first, last = study("flagged", *paths).images[::2]
    assert last.heat_map is not None
    last = replace(last, heat_map=np.asarray(255 - last.heat_map, np.uint8))
    unflagged = study("not_flagged", paths[1]).images[0]
    dataset = rendered(replace(study("flagged", *paths), images=(first, unflagged, last)))
    assert dataset.NumberOfFrames == 2
    assert (dataset.pixel_array[0] == first.heat_map).all()
    assert (dataset.pixel_array[1] == last.heat_map).all()
    groups = dataset.PerFrameFunctionalGroupsSequence
    assert [group.FrameContentSequence[0].FrameLabel for group in groups] == ["image 1", "image 3"]
    shown = [group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID for group in groups]
    assert shown == [first.sop_instance_uid, last.sop_instance_uid]
    (series,) = dataset.ReferencedSeriesSequence
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence] == shown


def test_the_quantity_is_the_standards_code_that_is_true_of_how_the_map_is_made(study: Study, source: Path) -> None:
    """It hides places and asks again: neither gradients nor activations, so of CID 217 only saliency is true of it."""
    (mapping,) = rendered(study("flagged", source)).SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    quantity, method = mapping.QuantityDefinitionSequence
    code = quantity.ConceptCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("130404", "DCM", "Saliency")
    assert method.TextValue.startswith("Occlusion: ")
    assert f"{explanation.CELLS**2} places" in method.TextValue


def test_a_spacing_is_given_only_where_the_image_has_one(study: Study, radiograph: Radiograph) -> None:
    """Imager Pixel Spacing is at the detector, and a viewer would measure with it as if it were in the patient."""

    def measures(**attributes: object) -> Dataset:
        groups = rendered(study("flagged", radiograph(**attributes))).PerFrameFunctionalGroupsSequence
        return groups[0].PixelMeasuresSequence[0]

    assert list(measures(PixelSpacing=["0.15", "0.2"]).PixelSpacing) == [
        pytest.approx(0.15 * 96 / 156, rel=1e-5),
        pytest.approx(0.2 * 80 / 156, rel=1e-5),
    ]
    for without in ({}, {"ImagerPixelSpacing": ["0.15", "0.2"]}, {"PixelSpacing": ["0", "0"]}):
        assert "PixelSpacing" not in measures(**without)


def test_it_claims_no_place_in_the_patient_and_says_how_it_lies_over_the_image(study: Study, source: Path) -> None:
    dataset = rendered(study("flagged", source))
    assert not {"ImagePositionPatient", "ImageOrientationPatient"} & {element.keyword for element in dataset.iterall()}
    assert "FrameOfReferenceUID" not in dcmread(source)
    (derivation,) = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    assert "156 rows by 156 columns over the whole image of 96 by 80" in derivation.DerivationDescription
    assert "covers 0.6154 rows by 0.5128 columns of the image" in derivation.DerivationDescription
    assert derivation.SourceImageSequence[0].SpatialLocationsPreserved == "NO"


def test_what_is_known_of_lossy_compression_is_carried_over(study: Study, radiograph: Radiograph) -> None:
    assert rendered(study("flagged", radiograph())).LossyImageCompression == "00"
    lossy = radiograph(LossyImageCompression="01", LossyImageCompressionRatio="12.5")
    dataset = rendered(study("flagged", radiograph(), lossy))
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12.5)


def test_an_image_that_can_no_longer_be_read_has_no_frame(study: Study, radiograph: Radiograph) -> None:
    gone, there = radiograph(), radiograph()
    result = study("flagged", gone, there)
    gone.write_bytes(b"")
    groups = rendered(result).PerFrameFunctionalGroupsSequence
    assert [group.FrameContentSequence[0].FrameLabel for group in groups] == ["image 2"]


def test_the_sr_points_to_the_frame_of_each_flagged_image_under_the_uids_that_the_map_will_have(
    study: Study, radiograph: Radiograph
) -> None:
    """The map need not be rendered for it: its UIDs follow from the result."""
    paths = [radiograph(), radiograph(), radiograph()]
    flagged = study("flagged", *paths)
    images = (flagged.images[0], study("not_flagged", paths[1]).images[0], flagged.images[2])
    result = replace(flagged, images=images, version=3)
    document = parametric_map.render(result, parametric_map.Settings())
    pointing = replace(result, version=5, explanation=parametric_map.named(result))
    report = highdicom.sr.srread(io.BytesIO(sr.render(pointing, sr.Settings()).data))
    groups = report.content.get_image_measurement_groups()
    shown = [
        [
            (item.referenced_sop_class_uid, item.referenced_sop_instance_uid, list(item.referenced_frame_numbers))
            for item in group[0].ContentSequence
            if item.ValueType == "IMAGE" and item.name.value == "130401"
        ]
        for group in groups
    ]
    uids = (parametric_map.SOP_CLASS_UIDS[0], document.identifier)
    assert shown == [[(*uids, [1])], [], [(*uids, [2])]]
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert document.series_instance_uid in [series.SeriesInstanceUID for series in evidence]
    assert document.identifier in [one.ReferencedSOPInstanceUID for s in evidence for one in s.ReferencedSOPSequence]


def test_the_sr_points_to_no_map_that_is_not_sent(study: Study, source: Path) -> None:
    assert b"130401" not in sr.render(study("flagged", source), sr.Settings()).data
