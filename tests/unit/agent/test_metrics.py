"""What happens is counted where it is told, by processes that come and go, in labels that are few."""

import fcntl
import os
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import Counter
from prometheus_client.multiprocess import MultiProcessCollector

from agent.metrics import joining
from agent.metrics.counted import Counts
from agent.metrics.definitions import ALL
from agent.metrics.text import renewed, rows, table

REPOSITORY = Path(__file__).parents[3]
Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Count in this test's folder; XRAY1 is listed."""
    monkeypatch.setenv(joining.VARIABLE, str(tmp_path))
    return Counts(tmp_path, "work", peers=["XRAY1"])


@pytest.fixture
def counted(tmp_path: Path) -> Callable[[], Samples]:
    """Return `counted()`: what all processes counted, by name and labels, without zeros."""

    def read() -> Samples:
        found = MultiProcessCollector.merge([str(file) for file in tmp_path.glob("*.db")])
        samples = [sample for metric in found for sample in metric.samples if not sample.name.endswith("_bucket")]
        return {(one.name, tuple(one.labels.values())): one.value for one in samples if one.value}

    return read


ASSOCIATION = {"event": "association", "level": "info", "how": "released", "stored": 3, "refused": 1, "bytes": 900}
SCORED = {"event": "image_scored", "level": "info", "reason": "", "seconds": 0.5, "probability": None}
CONCLUDED = {"event": "study_concluded", "level": "info", "outcome": "flagged"}
DELIVERY = {"event": "delivery", "level": "info", "destination": "pacs", "seconds": 7.0}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            ASSOCIATION | {"calling_ae_title": " XRAY1 "},
            {
                ("tibabu_associations_total", ("XRAY1", "released")): 1,
                ("tibabu_instances_total", ("XRAY1", "stored")): 3,
                ("tibabu_instances_total", ("XRAY1", "refused")): 1,
                ("tibabu_received_bytes_total", ("XRAY1",)): 900,
            },
        ),
        (
            ASSOCIATION | {"calling_ae_title": "WHOEVER", "how": "aborted", "stored": 0, "refused": 0, "bytes": 0},
            {("tibabu_associations_total", ("other", "aborted")): 1},
        ),
        (
            SCORED | {"outcome": "flagged", "probability": 0.9, "waited": 2.5},
            {
                ("tibabu_images_total", ("flagged",)): 1,
                ("tibabu_stage_seconds_sum", ("score",)): 0.5,
                ("tibabu_stage_seconds_count", ("score",)): 1,
                ("tibabu_stage_seconds_sum", ("wait",)): 2.5,
                ("tibabu_stage_seconds_count", ("wait",)): 1,
                ("tibabu_image_probability_sum", ()): 0.9,
                ("tibabu_image_probability_count", ()): 1,
            },
        ),
        (
            SCORED | {"outcome": "not_analysed", "reason": "age 71 years is outside 1 to 5"},
            {
                ("tibabu_images_total", ("not_analysed",)): 1,
                ("tibabu_images_declined_total", ("age outside the validated range",)): 1,
                ("tibabu_stage_seconds_sum", ("score",)): 0.5,
                ("tibabu_stage_seconds_count", ("score",)): 1,
            },
        ),
        (
            CONCLUDED | {"receive_seconds": 4, "complete_seconds": 2, "conclude_seconds": 1, "seconds": 7},
            {
                ("tibabu_studies_total", ("concluded", "flagged")): 1,
                **{("tibabu_stage_seconds_count", (stage,)): 1 for stage in ("receive", "complete", "conclude")},
                ("tibabu_stage_seconds_sum", ("receive",)): 4,
                ("tibabu_stage_seconds_sum", ("complete",)): 2,
                ("tibabu_stage_seconds_sum", ("conclude",)): 1,
                ("tibabu_result_seconds_sum", ()): 7,
                ("tibabu_result_seconds_count", ()): 1,
            },
        ),
        (CONCLUDED | {"event": "study_amended"}, {("tibabu_studies_total", ("amended", "flagged")): 1}),
        (
            DELIVERY | {"how": "acknowledged"},
            {
                ("tibabu_delivery_attempts_total", ("pacs", "acknowledged")): 1,
                ("tibabu_stage_seconds_sum", ("deliver",)): 7,
                ("tibabu_stage_seconds_count", ("deliver",)): 1,
            },
        ),
        (DELIVERY | {"how": "failed"}, {("tibabu_delivery_attempts_total", ("pacs", "failed")): 1}),
        (
            {"event": "forwarded", "destination": "pacs", "acknowledged": 5, "failed": 0, "parked": 1},
            {
                ("tibabu_instances_forwarded_total", ("pacs", "acknowledged")): 5,
                ("tibabu_instances_forwarded_total", ("pacs", "parked")): 1,
            },
        ),
        ({"event": "connections_in_vain", "count": 12}, {("tibabu_connections_in_vain_total", ()): 12}),
        ({"event": "hl7_message", "answer": "AA"}, {("tibabu_hl7_messages_total", ("AA",)): 1}),
        (
            {"event": "process_died", "level": "error", "role": "work"},
            {
                ("tibabu_process_ends_total", ("died", "work")): 1,
                ("tibabu_log_events_total", ("process_died", "error")): 1,
            },
        ),
        (
            {"event": "image_scored", "level": "info"},
            {("tibabu_log_events_total", ("event_not_counted", "error")): 1},
        ),
        ({"event": "pynetdicom logged: Doe^Jane", "level": "warning"}, {}),
    ],
)
def test_a_line_of_the_log_is_counted_and_goes_on_as_it_was(
    counts: Counts, counted: Callable[[], Samples], event: dict[str, Any], expected: Samples
) -> None:
    assert counts.note(None, "", dict(event)) == event
    assert counted() == expected


def test_a_line_goes_on_whatever_keeps_it_from_being_counted(counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"event": "process_died", "level": "error", "role": "work"}
    for broken in (OSError(28, "No space left on device"), RuntimeError("torn")):
        monkeypatch.setattr(Counter, "labels", Mock(side_effect=broken))
        assert counts.note(None, "", dict(event)) == event


def test_there_are_only_so_many_labels_whatever_comes(counts: Counts, counted: Callable[[], Samples]) -> None:
    for number in range(300):
        counts.note(None, "", {"event": "dicomweb_request", "route": f"/{number}", "status": 200})
    found = counted()
    assert len(found) == 201
    assert found["tibabu_dicomweb_requests_total", ("other", "other")] == 100


def test_two_processes_of_a_role_count_apart_and_are_added_up(
    counts: Counts, tmp_path: Path, counted: Callable[[], Samples]
) -> None:
    for one in (counts, Counts(tmp_path, "work")):
        one.note(None, "", {"event": "hl7_message", "answer": "AE"})
    assert joining.living(tmp_path) == {"work": 2}
    assert counted() == {("tibabu_hl7_messages_total", ("AE",)): 2}


def test_the_room_for_counts_is_taken_before_anything_is_counted(counts: Counts, tmp_path: Path) -> None:
    assert counts is not None
    for file in tmp_path.glob("*.db"):
        assert file.stat().st_blocks * 512 >= joining.ROOM  # none is missing when the disk is full


@pytest.mark.parametrize(
    "left", [struct.pack("i4xi", 48, 4) + b"\xff" * 40, struct.pack("i4x", 5000), b"half", struct.pack("i4x", -5)]
)
def test_counts_that_a_power_failure_has_torn_are_begun_anew_and_stop_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Callable[[], Samples], left: bytes
) -> None:
    monkeypatch.setenv(joining.VARIABLE, str(tmp_path))
    (tmp_path / "counter_work-0.db").write_bytes(left.ljust(joining.ROOM, b"\0"))
    Counts(tmp_path, "work").note(None, "", {"event": "hl7_message", "answer": "AE"})
    assert counted() == {("tibabu_hl7_messages_total", ("AE",)): 1}


def test_without_a_folder_that_can_be_made_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with joining.joined(tmp_path / "file" / "folder") as folder:
        assert folder is None


def test_a_run_has_a_folder_of_its_own_and_removes_what_runs_that_were_killed_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(joining.VARIABLE, raising=False)
    left, used, new = (tmp_path / f"tibabu-metrics-{name}" for name in ("left", "used", "new"))
    for folder in (left, used, new):
        folder.mkdir()
        (folder / "work-0.lock").touch()
        if folder != new:
            os.utime(folder, (0, 0))
    with (used / "work-0.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with joining.joined(None) as own:
            assert own is not None
            assert set(tmp_path.iterdir()) == {own, used, new}
            with joining.joined(None) as inherited:  # as by a process that this one starts
                assert inherited == own
            assert own.is_dir()
    assert set(tmp_path.iterdir()) == {used, new}
    assert joining.VARIABLE not in os.environ


def test_metrics_are_named_as_prometheus_wants_it() -> None:
    names = [name for name, *_ in rows()]
    assert len(names) == len(set(names)) > 30
    for name, kind, _, says in rows():
        assert re.fullmatch(r"tibabu_[a-z0-9_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert says.endswith(".")
    assert all(list(one.buckets) == sorted(set(one.buckets)) for one in ALL)


def test_the_table_of_the_metrics_is_the_code() -> None:
    page = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert renewed(page) == page
    assert page.endswith(table())
