"""A destination rests after failures of its own in a row, for every process; one of those who come asks it."""

from datetime import timedelta
from typing import Any

from db.breaker import PROBE_LEASE, BreakerState, Pass, Wait, look, note_answer, note_fault, rest_of, rests

MINUTE = timedelta(minutes=1)


def fault(ledger: Any, *, limit: int = 3, destination: str = "pacs") -> bool:
    return note_fault(
        ledger.database, destination, reason="expected. Received: none", limit=limit, probe_in=MINUTE, at=ledger.now
    )


def seen(ledger: Any, destination: str = "pacs") -> Pass | Wait:
    return look(ledger.database, destination, now=ledger.now)


def test_it_rests_with_the_third_failure_in_a_row_and_no_other_destination_does(ledger: Any) -> None:
    assert [fault(ledger) for _ in range(4)] == [False, False, True, False]
    assert seen(ledger) == Wait(ledger.now + MINUTE)
    assert seen(ledger, "ris") is Pass.SEND
    (rest,) = rests(ledger.database, only_open=True)
    assert (rest.destination, rest.failures, rest.opened_at) == ("pacs", 4, ledger.now)


def test_an_answer_in_between_begins_the_count_anew(ledger: Any) -> None:
    fault(ledger)
    fault(ledger)
    assert not note_answer(ledger.database, ledger.queue, "pacs", at=ledger.now), "it had not rested"
    assert [fault(ledger), fault(ledger)] == [False, False]
    assert seen(ledger) is Pass.SEND


def test_of_those_who_come_when_it_is_to_be_asked_one_asks(ledger: Any) -> None:
    fault(ledger, limit=1)
    ledger.now += MINUTE
    assert seen(ledger) is Pass.PROBE
    assert isinstance(seen(ledger), Wait)
    ledger.now += PROBE_LEASE
    assert seen(ledger) is Pass.PROBE, "who asked has died"


def test_while_it_does_not_answer_it_goes_on_resting_and_says_since_when(ledger: Any) -> None:
    fault(ledger, limit=1)
    since = ledger.now
    ledger.now += MINUTE
    assert seen(ledger) is Pass.PROBE
    assert not fault(ledger), "it is said once that it rests"
    rest = rest_of(ledger.database, "pacs")
    assert rest is not None
    assert (rest.state, rest.probes, rest.opened_at) == (BreakerState.OPEN, 1, since)
    assert seen(ledger) == Wait(ledger.now + MINUTE)


def test_once_it_answers_it_is_sent_to_again(ledger: Any) -> None:
    fault(ledger, limit=1)
    assert note_answer(ledger.database, ledger.queue, "pacs", at=ledger.now)
    assert seen(ledger) is Pass.SEND
    assert rests(ledger.database, only_open=True) == ()
