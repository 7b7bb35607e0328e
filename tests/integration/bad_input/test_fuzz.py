"""The fuzzer of benchmarks/fuzz.py in short, always with the same inputs: nothing but a result or a stated reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz.py"


@pytest.mark.parametrize(("target", "count"), [("header", 5000), ("pixels", 600)])
def test_damaged_files_end_in_a_result_or_a_stated_reason(target: str, count: int) -> None:
    command = [sys.executable, SCRIPT, target, "--count", str(count), "--seed", "2026", "--slow", "60"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"], document["inputs"]) == (0, 0, count), document
    assert document["outcomes"]["header" if target == "header" else "frames"] > count / 10
    assert max(document["peak_megabytes"].values()) < 400
