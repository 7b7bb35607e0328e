"""The audit of dependencies fails for a known vulnerability, and says so where nobody could be asked."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FINE = {"name": "a", "version": "1", "vulns": []}
WRONG = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]}
UNASKED = {"name": "c", "skip_reason": "Dependency not found"}


def test_a_known_vulnerability_fails(audit: Any) -> None:
    assert audit.judged({"dependencies": [FINE, WRONG]}) == (
        1,
        ["VULNERABLE: b 2: PYSEC-1, CVE-2", "audited: 2 dependencies"],
    )
    assert audit.judged({"dependencies": [UNASKED, WRONG]})[0] == 1


def test_what_could_not_be_asked_is_no_clean_result(audit: Any) -> None:
    said = "NOT AUDITED: 1 of 2 dependencies: the advisory service said nothing"
    assert audit.judged({"dependencies": [FINE, UNASKED]}) == (0, [said])
    assert audit.judged({"dependencies": []})[1][0].startswith("NOT AUDITED")
    assert audit.judged({"dependencies": [FINE]}) == (0, ["audited: 1 dependencies"])


@pytest.mark.parametrize("output", ["", "{", "exit 1"])
def test_a_tool_that_says_nothing_is_said(tmp_path: Path, output: str) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\necho '{output}'\n")
    tool.chmod(0o755)
    ran = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{tmp_path}:/bin"},
        check=False,
    )
    assert (ran.returncode, ran.stdout[:11]) == (0, "NOT AUDITED")
