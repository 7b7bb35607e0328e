"""What a simulated hospital sends is decided by the seed alone, and never looks like a real patient."""

import itertools
import random
from collections import Counter
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from agent.line.gate import GateSettings, decide
from agent.simulation.arrival import HOUR, Profile
from agent.simulation.moods import Mood, moods
from agent.simulation.plan import JPEG_2000, OTHER_SYNTAXES, Plan, Why, Wishes, day
from agent.simulation.sender import synthesised
from dicom_io.file_meta import encode_file_meta, read_file_meta
from dicom_io.header import read_header
from dicom_io.simulated import Kind, Simulated, made

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
BUSY = Wishes(studies=60, late=0.3, repeated=0.3, recoded=0.3, troubles=30)


def planned(seed: int = 7, begins_at: datetime = MONDAY) -> Plan:
    return day(seed=seed, begins_at=begins_at, wishes=BUSY)


def simulated(kind: Kind) -> Simulated:
    return Simulated(run="test", study=1, image=1, kind=kind, made_at=MONDAY)


def read(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def test_the_same_seed_gives_the_same_plan_and_the_same_bytes() -> None:
    assert planned() == planned()
    assert planned() != planned(seed=8)
    some = [synthesised(one) for one in list(planned().objects)[:20]]
    assert some == [synthesised(one) for one in list(planned().objects)[:20]]


def test_other_seeds_and_other_days_are_other_studies() -> None:
    first, other, tomorrow = planned(), planned(seed=8), planned(begins_at=MONDAY.replace(day=3))
    assert not set(first.studies) & (set(other.studies) | set(tomorrow.studies))


def test_what_comes_again_is_the_same_bytes_and_what_is_recoded_the_same_pixels() -> None:
    objects = list(planned().objects)
    first = {one.simulated.sop_instance_uid: one for one in objects if one.why is Why.FIRST}
    repeated = next(one for one in objects if one.why is Why.REPEATED)
    assert synthesised(repeated) == synthesised(first[repeated.simulated.sop_instance_uid])
    for syntax in OTHER_SYNTAXES:
        other = made(simulated(Kind.DX), transfer_syntax_uid=syntax)
        assert read_file_meta(other).transfer_syntax_uid == syntax
        before, after = read(made(simulated(Kind.DX))), read(other)
        np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
        assert [element for element in after if element.keyword != "PixelData"] == [
            element for element in before if element.keyword != "PixelData"
        ]


def test_a_busy_plan_holds_some_of_everything_in_the_order_of_time() -> None:
    plan = planned()
    assert [event.at for event in plan.events] == sorted(event.at for event in plan.events)
    assert Counter(one.why for one in plan.objects).keys() == set(Why)
    assert Counter(one.simulated.kind for one in plan.objects).keys() == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_simulated_instance_says_so_and_is_what_the_store_would_make_of_it(kind: Kind) -> None:
    data = made(simulated(kind))
    dataset, meta = read(data), read_file_meta(data)
    assert str(dataset.PatientName).startswith("Simulated^")
    assert dataset.PatientID.startswith("SIM-")
    assert dataset.IssuerOfPatientID == dataset.InstitutionName == "SIMULATED"
    assert "Not a person" in dataset.PatientComments
    head = encode_file_meta(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid)
    assert data[: meta.dataset_offset] == head
    assert meta.sop_class_uid == simulated(kind).sop_class_uid
    assert meta.sop_instance_uid == simulated(kind).sop_instance_uid


def test_only_frontal_radiographs_pass_the_gate() -> None:
    def passes(kind: Kind) -> bool:
        header = read_header(BytesIO(made(simulated(kind))))
        return decide(header, GateSettings(), calling_ae_title="SIMDX1") is None

    assert [kind for kind in Kind if passes(kind)] == [Kind.DX, Kind.CR]


def test_of_a_template_nothing_is_taken_over_but_the_image(tmp_path: Path) -> None:
    template = dcmread(str(get_testdata_file("RG1_J2KR.dcm", download=False)))
    template.PatientName, template.OtherPatientIDs, template.PatientComments = "Real^Person", "4711", "secret"
    template.RequestAttributesSequence, template.ImageComments = [Dataset()], "Real Person"
    template.add_new(0x00091001, "LO", "Real^Person")
    template.save_as(tmp_path / "template.dcm")
    data = made(simulated(Kind.DX), tmp_path / "template.dcm")
    dataset = read(data)
    for secret in (b"Real", b"4711", b"secret"):
        assert secret not in data
    assert read_file_meta(data).transfer_syntax_uid == JPEG_2000
    assert dataset.PixelData == template.PixelData
    assert str(dataset.PatientName).startswith("Simulated^")


def test_arrivals_follow_the_profile() -> None:
    shares = [0.0] * 24
    shares[8], shares[9] = 3.0, 1.0
    times = list(Profile(shares).arrivals(4000, random.Random(1)))  # noqa: S311
    early = sum(8 * HOUR <= at < 9 * HOUR for at in times)
    assert all(8 * HOUR <= at <= 10 * HOUR for at in times)
    assert 0.72 < early / len(times) < 0.78
    assert 3700 < len(times) < 4300
    assert times == sorted(times)
    assert len(Profile(shares).exactly(17, random.Random(1))) == 17  # noqa: S311


def test_moods_are_seeded_and_end_well() -> None:
    spells = moods(seed=3, seconds=3600)
    assert spells == moods(seed=3, seconds=3600) != moods(seed=4, seconds=3600)
    assert {spell.mood for spell in spells} == set(Mood)
    assert spells[0].mood is spells[-1].mood is Mood.ACCEPTS
    assert all(one.mood is not other.mood for one, other in itertools.pairwise(spells[:-1]))
