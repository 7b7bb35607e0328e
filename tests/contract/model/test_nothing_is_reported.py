"""OpenVINO reports its use to its maker where it can; nothing of a hospital leaves the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OURS = "from model.openvino_runtime import _openvino; _openvino()"
ITSELF = "import openvino"


def reports(program: str, home: Path) -> bool:
    """Tell whether a process that runs `program` leaves what the reporter keeps in its user's home folder."""
    nowhere = {"HOME": str(home), "https_proxy": "http://127.0.0.1:9"}  # not even from here
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | nowhere
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=300)  # noqa: S603 - our own
    return any(home.iterdir())


@pytest.mark.parametrize(("program", "expected"), [(OURS, False), (ITSELF, True)])
def test_the_runtime_is_imported_without_its_reporter(program: str, expected: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """The second case shows that the first can fail."""
    assert reports(program, tmp_path) is expected
