"""The downtime drill says what was not seen as it has to be: what goes wrong does not pass for what went well."""

import pytest

from agent.simulation.account import Account
from agent.simulation.downtime import faults, longest_wait, surprises
from agent.simulation.exercises import EXERCISES
from agent.simulation.ledger import Sending

CUT = next(one for one in EXERCISES if one.name == "network cut")
PACS = next(one for one in EXERCISES if one.name == "PACS down")


def sending(second: int, status: int | None, *, seconds: float = 0.0, instance: str = "1") -> Sending:
    return Sending(
        at=f"2026-01-01T12:00:{second:02}+00:00",
        study_instance_uid="1",
        sop_instance_uid=instance,
        sha256=instance,
        kind="dx",
        why="first",
        scanner="X",
        status=status,
        seconds=seconds,
    )


def test_what_is_as_it_has_to_be_is_no_surprise() -> None:
    assert list(surprises(CUT, {"0000": 3, "AssociationAbortedError": 5}, (), taken=True)) == []
    assert list(surprises(PACS, {"0000": 3}, ("destination-away", "parked"), taken=True)) == []
    assert list(faults(Account(fates={}), settled=True)) == []


@pytest.mark.parametrize(
    ("answers", "findings", "taken", "said"),
    [
        ({"0000": 3, "A700": 1}, ("destination-away",), True, "answered A700"),
        ({"0000": 3}, (), True, "did not say destination-away"),
        ({"0000": 2}, ("destination-away",), False, "not every image"),
    ],
)
def test_what_is_not_is_one(answers: dict[str, int], findings: tuple[str, ...], taken: bool, said: str) -> None:  # noqa: FBT001
    (surprise,) = surprises(PACS, answers, findings, taken=taken)
    assert said in surprise


def test_an_outage_that_no_scanner_noticed_was_none() -> None:
    assert list(surprises(CUT, {"0000": 3}, (), taken=True)) == [
        "scanners were not answered AssociationAbortedError or PeerTimeoutError or PeerUnreachableError"
    ]


@pytest.mark.parametrize("fault", ["lost", "doubled", "not_at_pacs", "changed_at_pacs"])
def test_an_account_that_does_not_hold_is_a_fault(fault: str) -> None:
    assert list(faults(Account(fates={}, **{fault: ("1",)}), settled=True))  # type: ignore[arg-type]
    assert list(faults(Account(fates={}), settled=False)) == ["not all was reported in time"]


def test_the_longest_wait_is_from_the_first_attempts_begin_to_the_acknowledgement() -> None:
    first = [sending(5, None, seconds=2), sending(10, 0xA700, seconds=1), sending(20, 0, seconds=1)]
    assert longest_wait([*first, sending(21, 0, seconds=0.5, instance="2")]) == 17
    assert longest_wait([]) == 0


def test_every_exercise_is_told_and_has_an_end() -> None:
    assert len({one.name for one in EXERCISES}) == len(EXERCISES) == 9
    assert all(one.expected for one in EXERCISES)
