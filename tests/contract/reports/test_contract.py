"""What every report must hold, whatever its type: a new module in agent/reports is tested by being there."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import reports
from agent.reports import Report
from agent.reports.document import OUTCOMES, ReportSettings, StudyResult

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]


@pytest.fixture(params=OUTCOMES)
def outcome(request: pytest.FixtureRequest) -> str:
    """Return each outcome."""
    return str(request.param)


@pytest.fixture
def result(study: Study, source: Path, any_report: Report, outcome: str) -> StudyResult:
    """Return a study of each outcome, or of a flagged one where there is no such report of it."""
    made = study(outcome, source)
    return made if any_report.applies(made.outcome) else study("flagged", source)


def test_a_report_is_a_module_with_settings_and_a_media_type(any_report: Report) -> None:
    assert issubclass(any_report.Settings, ReportSettings)
    assert any_report.MEDIA_TYPE
    assert bool(any_report.SOP_CLASS_UIDS) == (any_report.MEDIA_TYPE == "application/dicom")


def test_every_setting_has_a_default_and_a_sentence(any_report: Report) -> None:
    assert any_report.Settings() == any_report.Settings()
    for name, field in any_report.Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", ".)")), name


def test_a_flagged_study_has_every_report(any_report: Report) -> None:
    assert any_report.applies("flagged")


def test_the_same_result_gives_the_same_bytes(result: StudyResult, any_report: Report) -> None:
    settings = any_report.Settings()
    assert any_report.render(result, settings).data == any_report.render(result, settings).data


def test_another_process_gives_the_same_bytes(study: Study, radiograph: Radiograph, tmp_path: Path) -> None:
    """Nothing of the process is in a report of any type: not its hash seed, not the clock, not its time zone."""
    result = study("flagged", radiograph(PatientName="A^B"))
    loaded = {name: reports.load(name) for name in reports.names()}
    here = {name: report.render(result, report.Settings()).sha256 for name, report in loaded.items()}
    script = (
        "import json, pickle, sys\nfrom pathlib import Path\nfrom agent import reports\n"
        "result = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "loaded = {name: reports.load(name) for name in reports.names()}\n"
        "print(json.dumps({name: one.render(result, one.Settings()).sha256 for name, one in loaded.items()}))\n"
    )
    pickled = tmp_path / "result"
    pickled.write_bytes(pickle.dumps(result))
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", script, str(pickled)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "PYTHONPATH": ":".join(sys.path)},
    )
    assert json.loads(done.stdout) == here
