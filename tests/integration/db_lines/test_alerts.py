"""What stands wrong is told once by one process, again after a while, and once more when it is over."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import select, update

from db.alerts import LEASE, Claim, Rules, claim_alerts, settle_alert
from db.breaker import note_answer, note_fault
from db.conclusion import ReportOrder
from db.confirmation import record_stored, record_unconfirmed
from db.delivery_attempt import Begun, begin_attempt, record_failed_attempt
from db.delivery_state import DeliveryState
from db.forwarding import QUARANTINED
from db.requeue import requeue_deliveries
from db.schema.domain import delivery
from db.trouble import Trouble

MINUTE = timedelta(minutes=1)
PATIENCE = {"pacs": timedelta(hours=1), "ris": None, "ops": None}


class Watch:
    """A study with two reports for the PACS, a clock, and who is told what."""

    def __init__(self, ledger: Any) -> None:
        self.ledger, self.database = ledger, ledger.database
        study_id = ledger.receive(candidate=False).study_id
        orders = (ReportOrder(kind=kind, media_type="application/dicom", destinations=("pacs",)) for kind in ("a", "b"))
        ledger.conclude(study_id, *orders)
        with self.database.read() as connection:
            self.ids = list(connection.scalars(select(delivery.c.id).order_by(delivery.c.id)))

    def wait(self, **span: float) -> None:
        self.ledger.now += timedelta(**span)

    def attempt(self, delivery_id: int) -> dict[str, Any]:
        begun = begin_attempt(self.database, delivery_id, sha256="a" * 64, at=self.ledger.now)
        assert isinstance(begun, Begun)
        return {"at": self.ledger.now, "attempt_id": begun.attempt_id}

    def park(self, delivery_id: int) -> None:
        reason = "expected the PACS to take it. Received: status=A900 of P1"
        facts = self.attempt(delivery_id)
        record_failed_attempt(self.database, delivery_id, reason=reason, parked=True, status="A900", **facts)

    def requeue(self) -> int:
        return requeue_deliveries(self.database, self.ledger.queue, now=self.ledger.now)

    def store(self, delivery_id: int) -> None:
        record_stored(self.database, delivery_id, detail="0000", **self.attempt(delivery_id))

    def lose(self, delivery_id: int, *, parked: bool) -> None:
        record_unconfirmed(self.database, delivery_id, reason="not there", parked=parked, at=self.ledger.now)

    def claims(
        self, *channels: str, patience: Mapping[str, timedelta | None] = MappingProxyType(PATIENCE)
    ) -> tuple[Claim, ...]:
        rules = Rules(channels=channels or ("ops",), patience=patience, after=5 * MINUTE, repeat=timedelta(hours=24))
        return claim_alerts(self.database, rules, now=self.ledger.now)

    def settle(self, claim: Claim, *, told: bool = True, maybe: bool = False) -> None:
        settle_alert(self.database, claim, told=told, maybe=maybe, at=self.ledger.now)

    def told(self) -> list[tuple[str, str, bool]]:
        """Tell what is to be told; return what: trouble, destination, and whether it stands."""
        claims = self.claims()
        for claim in claims:
            self.settle(claim)
        return [(claim.trouble, claim.destination, claim.stands is not None) for claim in claims]


@pytest.fixture
def watch(ledger: Any) -> Watch:
    return Watch(ledger)


def test_parked_deliveries_are_counted_with_the_first_reason_and_no_values(watch: Watch) -> None:
    watch.park(watch.ids[0])
    since = watch.ledger.now
    watch.wait(minutes=2)
    watch.park(watch.ids[1])
    assert watch.claims() == (), "not yet: it may mend itself"
    watch.wait(minutes=3)
    (claim,) = watch.claims()
    found = claim.stands
    assert found is not None
    assert (found.trouble, found.destination, found.reports, found.instances) == (Trouble.PARKED, "pacs", 2, 0)
    assert (found.since, found.status, found.reason) == (since, "A900", "expected the PACS to take it")


def test_it_is_told_once_again_after_a_day_and_when_it_is_over(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    assert watch.told() == [("parked", "pacs", True)]
    watch.park(watch.ids[1])
    watch.wait(hours=23)
    assert watch.told() == [], "nor another one of the same"
    watch.wait(hours=1)
    assert watch.told() == [("parked", "pacs", True)]
    assert watch.requeue() == 2
    assert watch.told() == [("parked", "pacs", False)]
    watch.wait(days=9)
    assert watch.told() == []


def test_what_was_over_before_anybody_was_told_is_never_told(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=4)
    assert watch.claims() == ()
    watch.requeue()
    watch.wait(minutes=4)
    assert watch.claims() == ()


def test_while_one_process_tells_it_no_other_does_and_if_it_dies_another_does(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    (first,) = watch.claims()
    assert watch.claims() == ()
    watch.ledger.now += LEASE
    (second,) = watch.claims()
    assert second.identifier == first.identifier, "the receiver knows it again"
    watch.settle(first, told=False)  # it had not died after all: the claim is no longer its own
    assert watch.claims() == ()
    watch.settle(second)
    watch.wait(hours=25)
    (again,) = watch.claims()
    assert again.identifier != first.identifier


def test_what_was_not_sent_is_told_by_the_next_tick_unless_it_is_over_by_then(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    for _ in range(2):
        (claim,) = watch.claims()
        watch.settle(claim, told=False)
    watch.requeue()
    assert watch.claims() == ()


def test_what_may_have_arrived_is_also_told_to_be_over(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    (claim,) = watch.claims()
    watch.settle(claim, told=False, maybe=True)
    watch.requeue()
    (over,) = watch.claims()
    assert over.stands is None
    watch.settle(over, told=False)
    assert watch.told() == [("parked", "pacs", False)], "that is tried again, too"


def test_what_stands_again_after_it_may_have_been_told_to_be_over_is_told_at_once(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    assert watch.told() == [("parked", "pacs", True)]
    watch.requeue()
    (over,) = watch.claims()
    watch.settle(over, told=False, maybe=True)
    watch.park(watch.ids[0])
    assert watch.told() == [("parked", "pacs", True)]
    watch.requeue()
    (over_again,) = watch.claims()
    assert over_again.identifier != over.identifier, "or who remembers identifiers would drop it"


def test_a_destination_that_rests_is_told_since_when_and_that_it_is_back(watch: Watch) -> None:
    since = watch.ledger.now
    facts: dict[str, Any] = {"reason": "expected RIS to answer. Received: 10.0.0.7", "limit": 1, "probe_in": MINUTE}
    note_fault(watch.database, "ris", at=since, **facts)
    watch.wait(minutes=5)
    note_fault(watch.database, "ris", at=watch.ledger.now, **facts)
    (claim,) = watch.claims()
    assert claim.stands is not None
    assert (claim.trouble, claim.stands.since, claim.stands.reason) == (Trouble.RESTS, since, "expected RIS to answer")
    watch.settle(claim)
    note_answer(watch.database, watch.ledger.queue, "ris", at=watch.ledger.now)
    assert watch.told() == [("rests", "ris", False)]


def test_a_destination_that_is_configured_no_more_is_not_told_to_rest(watch: Watch) -> None:
    note_fault(watch.database, "gone", reason="", limit=1, probe_in=MINUTE, at=watch.ledger.now)
    watch.wait(hours=1)
    assert watch.claims() == ()


def test_what_waits_for_a_destination_that_was_taken_out_is_told_until_it_is_there_again(watch: Watch) -> None:
    since = watch.ledger.now
    watch.store(watch.ids[0])
    watch.wait(minutes=5)
    assert watch.claims() == ()
    (claim,) = watch.claims(patience={"ris": None, "ops": None})
    found = claim.stands
    assert found is not None
    assert (found.trouble, found.destination, found.reports, found.since) == (Trouble.TO_NOBODY, "pacs", 2, since)
    watch.settle(claim)
    assert watch.told() == [("to_nobody", "pacs", False)]


def test_a_report_is_not_confirmed_once_its_destination_has_had_its_time_also_while_it_goes_again(
    watch: Watch,
) -> None:
    stored = watch.ids[0]
    watch.store(stored)
    since = watch.ledger.now + timedelta(hours=1)
    watch.wait(minutes=64)
    assert watch.claims() == ()
    watch.wait(minutes=1)
    (claim,) = watch.claims()
    assert claim.stands is not None
    assert (claim.trouble, claim.stands.reports, claim.stands.since) == (Trouble.UNCONFIRMED, 1, since)
    watch.settle(claim)
    watch.lose(stored, parked=False)
    assert watch.told() == []
    watch.store(stored)
    assert watch.told() == [], "it is not over by being said once more"
    watch.lose(stored, parked=True)
    assert watch.told() == [("unconfirmed", "pacs", False)]
    watch.wait(minutes=5)
    assert watch.told() == [("parked", "pacs", True)]


def test_each_channel_is_told_on_its_own(watch: Watch) -> None:
    watch.park(watch.ids[0])
    watch.wait(minutes=5)
    ops, mail = watch.claims("ops", "mail")
    watch.settle(ops)
    watch.settle(mail, told=False)
    (again,) = watch.claims("ops", "mail")
    assert again.channel == "mail"


def test_what_is_held_back_because_its_study_is_quarantined_is_no_trouble_of_its_destination(watch: Watch) -> None:
    with watch.database.begin() as connection:
        connection.execute(
            update(delivery)
            .where(delivery.c.id == watch.ids[0])
            .values(state=DeliveryState.PARKED, reason=QUARANTINED, updated_at=watch.ledger.now)
        )
    watch.wait(days=1)
    assert watch.claims() == ()
