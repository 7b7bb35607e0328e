"""When reports are made, over real associations: one image in each, or one held open all day, spams nobody."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE

from db.priority import Priority

Make = Callable[..., Dataset]


def storescu() -> str:
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != beside_python)
    found = shutil.which("storescu", path=path)
    assert found is not None, "DCMTK's"
    return found


@pytest.mark.tools
def test_a_modality_that_sends_one_image_in_each_association_gets_two_reports_not_six(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, tmp_path: Path
) -> None:
    agent = start(complete={"after_release_seconds": 0.2, "quiet_seconds": 3})
    images = [radiograph(20)]
    images += [radiograph(20, StudyInstanceUID=images[0].StudyInstanceUID) for _ in range(5)]
    for number, image in enumerate(images):
        file = tmp_path / f"{number}.dcm"
        image.save_as(file, enforce_file_format=True)
        command = [storescu(), "-aec", "TIBABU", "-aet", "SCANNER", "127.0.0.1", str(agent.peer.port), str(file)]
        subprocess.run(command, check=True, timeout=60)  # noqa: S603 - a tool of our choice
        if number == 0:
            eventually(lambda: agent.is_in(images[0], "DELIVERED"))
    eventually(lambda: agent.row(images[0]).revision == 2 and agent.is_in(images[0], "DELIVERED"))
    assert len(pacs.reports()) == 2
    assert len(agent.record(images[0]).instances) == 6 + 2, "all images, and the two reports"


def test_an_association_that_is_held_open_closes_its_studies_when_they_are_quiet(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    agent = start(complete={"after_release_seconds": 0.2, "quiet_seconds": 0.5})
    entity = AE("SCANNER")
    entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    morning, noon = radiograph(20), radiograph(20)
    for image in (morning, noon):
        assert association.send_c_store(image).Status == 0x0000
        eventually(lambda image=image: agent.is_in(image, "DELIVERED"))
    assert association.is_established
    association.release()
    assert [agent.row(image).revision for image in (morning, noon)] == [1, 1]
    assert len(pacs.reports()) == 2


def test_an_association_that_breaks_off_does_not_let_its_study_close_before_it_is_quiet(
    start: Callable[..., Any], radiograph: Make, eventually: Any
) -> None:
    """Its peer comes again with the rest: a report of the first half would say "not flagged" of half a study."""
    agent = start(complete={"after_release_seconds": 0.1, "quiet_seconds": 60})
    entity = AE("SCANNER")
    entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    first = radiograph(20)
    second = radiograph(20, StudyInstanceUID=first.StudyInstanceUID)
    association = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    assert association.send_c_store(first).Status == 0x0000
    association.abort()
    again = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    other = radiograph(20)
    assert again.send_c_store(other).Status == 0x0000
    again.release()
    eventually(lambda: agent.is_in(other, "DELIVERED"))
    assert agent.is_in(first, "RECEIVING")
    again = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    assert again.send_c_store(second).Status == 0x0000
    again.release()
    eventually(lambda: agent.is_in(first, "DELIVERED"))
    assert agent.row(first).revision == 1


def test_a_flagged_image_is_at_the_top_while_its_study_is_still_arriving(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    agent = start(complete={"quiet_seconds": 60})
    entity = AE("SCANNER")
    entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    image = radiograph(250)
    assert association.send_c_store(image).Status == 0x0000
    eventually(lambda: agent.row(image).priority is Priority.MEDIUM)
    assert agent.is_in(image, "RECEIVING")
    assert not pacs.reports(), "the report waits for the study's end"
    association.release()
