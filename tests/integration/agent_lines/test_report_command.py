"""`tibabu report`: a look at a report changes nothing, and what was sent is shown as it was sent."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset, dcmread

from agent.cli.commands import tibabu

Make = Callable[..., Dataset]
Run = Callable[..., Result]


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """One database is enough: what is read was recorded by lines that are tested on both."""
    return sqlite_database


@pytest.fixture
def hospital(start: Any, radiograph: Make, eventually: Callable[..., None]) -> SimpleNamespace:
    """Give a running agent that has concluded and delivered a flagged study and one that is not."""
    running = start()
    bright, dark = radiograph(230), radiograph(20)
    running.send(bright)
    running.send(dark)
    eventually(lambda: running.is_in(bright, "DELIVERED") and running.is_in(dark, "DELIVERED"))
    return SimpleNamespace(agent=running, bright=bright, flagged=bright.StudyInstanceUID, dark=dark.StudyInstanceUID)


@pytest.fixture
def run(hospital: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(study, *options)`: the command with the configuration of the running agent."""
    config = hospital.agent.config
    file = tmp_path / "site.toml"
    file.write_text(
        f"[database]\nurl = {json.dumps(config.database.url.get_secret_value())}\n"
        f"[store]\nfolder = {json.dumps(str(config.store.folder))}\nminimum_free_megabytes = 1\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(tibabu, ["report", *map(str, arguments), "--config", str(file)])


def test_what_was_sent_is_given_byte_for_byte_and_what_was_not_is_made_and_recorded_nowhere(
    hospital: SimpleNamespace, run: Run, pacs: Any, tmp_path: Path
) -> None:
    before = hospital.agent.record(hospital.bright)
    done = run(hospital.flagged, "--format", "sr", "--out", "sr.dcm")
    assert done.exit_code == 0, done.output
    objects = [(dcmread(io.BytesIO(one.data)), one.data) for one in pacs.received_instances]
    (sent,) = (data for one, data in objects if (one.Modality, one.StudyInstanceUID) == ("SR", hospital.flagged))
    assert (tmp_path / "sr.dcm").read_bytes() == sent
    assert (tmp_path / "sr.dcm").stat().st_mode & 0o077 == 0  # it names a patient
    assert done.stderr.startswith("sr, revision 1, version 1: as stored (SHA-256 ")
    assert done.stderr.rstrip().endswith("Deliveries: pacs: acknowledged.")

    made = run(hospital.flagged, "--format", "pdf", "--out", "page.pdf")
    assert made.stderr == "pdf, revision 1: made for this look alone, recorded nowhere. No destination gets it.\n"
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
    run(hospital.flagged, "--format", "pdf", "--out", "page.dcm")
    around = dcmread(tmp_path / "page.dcm")
    assert (tmp_path / "page.pdf").read_bytes() == around.EncapsulatedDocument[: around.EncapsulatedDocumentLength]
    assert hospital.agent.record(hospital.bright) == before

    assert run(hospital.flagged, "--format", "sc", "--out", "sc.dcm").exit_code == 0
    assert dcmread(tmp_path / "sc.dcm").Modality == "OT"
    printed = run(hospital.dark, "--format", "hl7")
    assert printed.stdout.startswith("MSH|")
    assert "\nOBR|" in printed.stdout
    assert "resourceType" in run(hospital.dark, "--format", "fhir").stdout


def test_what_cannot_be_shown_is_told_and_nothing_is_overwritten(
    hospital: SimpleNamespace, run: Run, tmp_path: Path
) -> None:
    def told(*arguments: object) -> tuple[int, str]:
        result = run(*arguments)
        assert result.stdout == ""
        return result.exit_code, result.stderr

    assert told("1.2.3", "--format", "sr", "--out", "x.dcm") == (
        1,
        "tibabu: expected the Study Instance UID of a study on record. Received: 1.2.3\n",
    )
    assert told(hospital.dark, "--format", "sc", "--out", "x.dcm") == (
        1,
        "tibabu: expected a study of which there is a report picture. Received: a study that is not flagged\n",
    )
    status, message = told(hospital.dark, "--format", "fax")
    assert status == 2
    assert "expected a report: sc, hl7, " in message
    status, message = told(hospital.dark, "--format", "sr")
    assert status == 2
    assert "expected --out FILE: sr is an object of DICOM and no text" in message
    there = tmp_path / "there.dcm"
    there.write_bytes(b"mine")
    status, message = told(hospital.dark, "--format", "sr", "--out", there)
    assert status == 2
    assert "expected a file that does not exist, or --force." in message
    assert there.read_bytes() == b"mine"
    assert told(hospital.dark, "--format", "sr", "--out", there, "--force")[0] == 0
    assert dcmread(there).Modality == "SR"
    status, message = told(hospital.dark, "--format", "sr", "--out", tmp_path / "no" / "folder.dcm")
    assert (status, "(No such file or directory)" in message) == (1, True)


def explained_by(report: Dataset) -> set[str]:
    """Return what an SR points to as visual explanation."""
    shown = set()
    for group in (item for one in report.ContentSequence for item in one.get("ContentSequence", [])):
        for item in group.get("ContentSequence", []):
            if item.ConceptNameCodeSequence[0].CodeValue == "130401":
                shown.add(str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))
    return shown


@pytest.mark.parametrize("second", [["parametric_map", "sr"], ["sr"]])
def test_an_sr_points_to_the_map_of_its_result_only_where_every_receiver_of_the_one_gets_the_other(
    start: Any, radiograph: Make, eventually: Callable[..., None], pacs: Any, pacs_port: int, second: list[str]
) -> None:
    pacs_like = {"type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
    first = {"name": "first", "reports": ["sr", "parametric_map"], **pacs_like}
    running = start(destinations=[first, {"name": "second", "reports": second, **pacs_like}])
    bright = radiograph(230)
    running.send(bright)
    eventually(lambda: running.is_in(bright, "DELIVERED"))
    maps = {str(one.SOPInstanceUID) for one in pacs.reports("OT")}
    assert len(maps) == 1
    expected = maps if "parametric_map" in second else set()
    assert [explained_by(one) for one in pacs.reports("SR")] == [expected, expected]
