"""A process that is killed takes no count with it."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from agent.metrics import joining
from agent.metrics.counted import Counts


def test_counts_outlive_their_process_and_the_next_one_goes_on_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(joining.VARIABLE, str(tmp_path))
    program = f"""import os, pathlib
from agent.metrics.counted import Counts
Counts(pathlib.Path({str(tmp_path)!r}), "work").note(None, "", {{"event": "hl7_message", "answer": "AA"}})
os.kill(os.getpid(), 9)"""
    subprocess.run([sys.executable, "-c", program], check=False)  # noqa: S603 - this very Python
    assert joining.living(tmp_path) == {"work": 0}
    counts = Counts(tmp_path, "work")
    assert joining.living(tmp_path) == {"work": 1}
    counts.note(None, "", {"event": "hl7_message", "answer": "AA"})
    found = MultiProcessCollector.merge([str(file) for file in tmp_path.glob("*.db")])
    samples = [(one.name, one.labels, one.value) for metric in found for one in metric.samples if one.value]
    assert samples == [("tibabu_hl7_messages_total", {"answer": "AA"}, 2)]
    assert len(list(tmp_path.glob("counter_*.db"))) == 1
