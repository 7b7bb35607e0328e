"""What commands print for people of what they found: nothing that went wrong is left out, nor passes for well."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.cli import analyse, drift, drill, evaluation, feedback, ticks, verify
from agent.cli.simulation_text import print_drilled
from agent.keeping.reconcile import Fault, Misfit, Reconciliation
from agent.simulation.account import Account, Received, Sent
from agent.simulation.downtime import Seen
from agent.simulation.drill import Drilled
from agent.simulation.plan import Wishes, day
from agent.watch.drift import DriftReport, Quantity, Share
from agent.watch.feedback import Rate
from db.disks import Disk
from db.ticks import TickRow
from model.drift import Distance
from model.evaluation import RATES

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAN = day(seed=1, begins_at=NOON, wishes=Wishes(studies=1, exact=True))
DRILLED = Drilled(
    sent=Sent(7, {"0000": 5, "A700": 2}, {"first": 4, "late": 1}, 5, 3),
    troubles={"cut off: aborted": 1},
    received=Received({"0000": 6}, 6),
    settled=False,
    account=Account(
        fates={"delivered": 3, "waiting": 1},
        lost=("10st",),
        doubled=("2wice",),
        not_at_pacs=("1.2.3",),
        changed_at_pacs=("1.2.4",),
        outcomes={"flagged": 2},
    ),
)
Printed = Callable[..., str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Return `printed(what, *given, **named)`: what is printed by what."""

    def call(what: Callable[..., None], *given: Any, **named: Any) -> str:
        what(*given, **named)
        return capsys.readouterr().out

    return call


def test_a_simulated_day_whose_account_does_not_hold_names_each_instance_and_what_is_wrong_with_it(
    printed: Printed,
) -> None:
    said = printed(print_drilled, DRILLED, PLAN, Path(), as_json=False)
    for line in (
        "Sent: 7 attempts, 5 Instances of 3 studies accepted",
        "        2 answered A700",
        "        1 cut off: aborted",
        "The PACS has 6 objects",
        "        2 flagged",
        "Of 5 Instances accepted: 3 delivered, 1 waiting, 1 lost, 1 doubled",
        "  lost (SHA-256): 10st",
        "  doubled: 2wice",
        "  acknowledged by the PACS and not there: 1.2.3",
        "  at the PACS in two forms: 1.2.4",
        "Not all has come to its end; what waits is on record.",
    ):
        assert f"{line}\n" in said
    assert "it holds" not in said


def test_a_simulated_day_whose_account_holds_says_so_and_without_a_database_there_is_no_account(
    printed: Printed,
) -> None:
    well = replace(DRILLED, settled=True, account=Account(fates={}), troubles={}, received=None)
    said = printed(print_drilled, well, PLAN, Path(), as_json=False)
    assert "accepted = delivered + accounted for: it holds." in said
    assert not any(word in said for word in ("PACS", "misbehaved", "come to its end"))
    blind = printed(print_drilled, replace(well, account=None), PLAN, Path(), as_json=False)
    assert "No account: without --config" in blind
    assert "holds" not in blind
    assert '"account": null' in printed(print_drilled, replace(well, account=None), PLAN, Path(), as_json=True)


def test_an_exercise_in_which_something_else_was_seen_is_called_that_and_says_what(printed: Printed) -> None:
    counts = dict.fromkeys(("objects", "accepted", "delivered", "accounted_for", "lost"), 3)
    times = dict.fromkeys(("longest_wait", "outage", "caught_up"), 1.0)
    well = Seen(name="disk full", answers={"A700": 2}, findings=(), surprises=(), **counts, **times)  # type: ignore[arg-type]
    said = printed(drill._print, [well, replace(well, name="network cut", surprises=("1 image lost",))], Path())
    rows = {line.split("  ")[0]: line for line in said.splitlines() if line}
    assert rows["disk full"].endswith(" as expected")
    assert rows["network cut"].endswith("NOT as expected")
    assert rows["network cut: 1 image lost"]
    assert "6 images were sent, 6 accepted, 6 are delivered, 3 lost." in said


def _share(count: int, of: int) -> Share:
    return Share(count=count, of=of, low=0.1, high=0.9)


def test_a_report_on_drift_tells_shares_and_distances_and_where_there_are_too_few() -> None:
    report = DriftReport(
        since=NOON,
        until=NOON,
        model="m",
        model_version="1",
        prevalence=0.3,
        images=4,
        other_models=0,
        flagged=_share(1, 2),
        expected_flag_rate=0.3,
        declined=_share(0, 0),
        failed=_share(0, 0),
        reasons=(),
        quantities=(
            Quantity(name="logit", low=0.0, high=1.0, counts=(), expected=(), distance=None),
            Quantity(
                name="age",
                low=0.0,
                high=1.0,
                counts=(),
                expected=(),
                distance=Distance(images=4, psi=0.5, psi_by_chance=0.1, ks=0.25, p=0.01),
            ),
        ),
        groups={},
        days=(),
    )
    assert drift._text("week", report).splitlines() == [
        "The last week: 4 images",
        "  flagged 1 of 2 (50.0%; 10.0% to 90.0%); by the card 30.0%",
        "  declined none of none, failed none of none",
        "  logit: too few images to judge",
        "  age: PSI 0.500 (by chance up to 0.100), KS 0.250, p 0.01",
    ]
    assert feedback._share(Rate(0, 0)) == "none of none"


def test_an_evaluation_names_what_was_declined_what_failed_and_what_is_not_defined(printed: Printed) -> None:
    figures = {"n": 3, "positives": 1, "patients": 2, "ci": dict.fromkeys(RATES, (0.1, 0.9))}
    defined = figures | dict.fromkeys(RATES, 0.5)
    found = {
        "model": {"name": "m", "version": "1"},
        "operating_point": 0.25,
        "accepted": figures | dict.fromkeys(RATES),
        "all": defined,
        "declined": {"n": 1, "of": 4, "share": 0.25, "reasons": [{"n": 1, "reason": "blank", "by": "pixels"}]},
        "failed": {"files": [{"file": "x.png", "reason": "damaged"}]},
        "notes": ["few images"],
        "images_per_second": 12.0,
    }
    said = printed(evaluation._say, found).splitlines()
    assert said[0] == "m 1, flagged from 0.250 on"
    assert [line.split()[1:] for line in said if line.startswith(RATES[0])] == [
        ["not", "defined", "0.5000", "(0.1000", "to", "0.9000)"]
    ]
    assert said[-5:] == [
        "declined by the gate: 1 of 4 (25.0%)",
        "       1  blank (pixels)",
        "failed: x.png: damaged",
        "Note: few images",
        "12 images per second",
    ]
    found["declined"] = {"n": 0, "of": 0, "share": None, "reasons": []}
    assert "declined by the gate: 0 of 0\n" in printed(evaluation._say, found)


def test_what_the_model_says_of_a_file_is_printed_with_the_reason_and_the_caveat(printed: Printed) -> None:
    facts = {"path": "a.png", "probability": 0.5, "reason": "", "caveat": ""}
    failed = {"path": "b", "outcome": "failed", "probability": None, "reason": "damaged", "caveat": "no header"}
    assert printed(analyse._print, [facts | {"outcome": "not_flagged"}, failed]).splitlines() == [
        "not flagged   0.500  a.png",
        "failed               b  (damaged)  [no header]",
    ]


def test_of_a_folder_every_file_is_looked_at_but_hidden_ones_and_a_file_that_is_named_always(tmp_path: Path) -> None:
    for name in ("b/c.dcm", "a.png", ".git/x", "b/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list(analyse._files([tmp_path, tmp_path / ".git/x"]))
    assert found == [tmp_path / "a.png", tmp_path / "b/c.dcm", tmp_path / ".git/x"]


def test_a_file_that_does_not_fit_is_named_with_its_studies_and_the_rest_is_counted(printed: Printed) -> None:
    seen = Reconciliation(files=3, faults={Fault.LOST: 2})
    shown = [
        Misfit(fault=Fault.LOST, path="aa/b.dcm", studies=("1.2.3",)),
        Misfit(fault=Fault.ORPHAN, path="aa/c.dcm", collected="away/c.dcm"),
    ]
    said = printed(verify._print, seen, shown, 7).splitlines()
    assert said[:3] == [
        f"{Fault.LOST}: aa/b.dcm, of 1.2.3",
        f"{Fault.ORPHAN}: aa/c.dcm, now away/c.dcm",
        "... and 7 more.",
    ]
    assert said[-1] == f"Does not fit: 2 {Fault.LOST}."


def test_a_tick_that_runs_or_fails_and_a_disk_that_is_low_say_so() -> None:
    tick = TickRow(
        name="retention",
        period_seconds=60.0,
        longest_seconds=600.0,
        process="clock-1",
        next_at=NOON,
        started_at=NOON,
        runs=4,
    )
    failing = replace(
        tick, ended_at=NOON, seconds=1.0, failures=2, failures_in_a_row=1, failed_at=NOON, error="no room"
    )
    disk = Disk(
        place="store",
        free_megabytes=10,
        low_megabytes=100,
        refused_megabytes=50,
        low_since=NOON,
        looked_at=NOON,
    )
    lines = ticks._lines((tick, failing), (disk, replace(disk, refused_megabytes=0, low_since=None)), NOON)
    assert "running since 2026-01-01 12:00:00" in lines[0]
    assert "2 failures, 1 in a row, the last 2026-01-01 12:00:00: no room" in lines[1]
    assert lines[2] == "disk of the store: low since 2026-01-01 12:00:00, 10 MB free, Instances are refused below 50"
    assert lines[3] == "disk of the store: ok, 10 MB free"
