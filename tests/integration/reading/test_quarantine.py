"""A study in conflict of identity waits for a person; whatever they decide, nothing is lost, nothing sent before."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.errors import RefusedError
from db.identity import OF_PATIENT
from db.outcome import Outcome
from db.priority import Allowances, Priority
from db.quarantine import (
    Decision,
    Identified,
    Verdict,
    in_conflict,
    quarantined,
    resolve,
    settle_doubt,
)
from db.reading_acts import Kind
from db.roles import Role
from db.schema.domain import instance, study
from db.triage import switch_off
from db.worklist import study_record

ALLOWANCES = Allowances()
THEIRS = dict.fromkeys(OF_PATIENT, "") | {"patient_id": "P2", "patient_name": "Roe^Rita", "patient_sex": "F"}


@pytest.fixture
def contested(desk: Any) -> Any:
    """Let an image of another patient come into the desk's study, and let it be concluded so."""
    desk.other = desk.ledger.receive(desk.uid, at=desk.now, patient_id="P2", patient_name="Roe^Rita")
    desk.ledger.conclude(desk.other.study_id, at=desk.now + timedelta(minutes=5))
    desk.now += timedelta(minutes=6)
    assert (desk.row().outcome, desk.row().reason) == (Outcome.NOT_ANALYSED, "conflicting identity")
    return desk


def identified(instance_id: int, **said: str) -> Identified:
    return Identified(instance_id=instance_id, is_candidate=True, patient=THEIRS | said)


def decide(desk: Any, decision: Decision, **said: Any) -> int:
    found = [identified(one.id) for one in in_conflict(desk.database, desk.uid)]
    verdict = Verdict(**({"decision": decision, "identified": found, "reason": "I asked the ward"} | said))
    return resolve(desk.database, desk.queue, desk.seen(), desk.acting(), verdict, allowances=ALLOWANCES)


def roles(desk: Any) -> list[tuple[str, bool]]:
    with desk.database.read() as connection:
        rows = connection.execute(select(instance.c.role, instance.c.withdrawn).order_by(instance.c.id)).all()
    return [(row.role, row.withdrawn is None) for row in rows]


def go_on(desk: Any, *scores: Outcome) -> None:
    for outcome in scores:
        desk.ledger.score(desk.other, outcome, at=desk.now, probability=0.2)
    desk.now += timedelta(minutes=1)
    desk.ledger.conclude(desk.other.study_id, at=desk.now)


def test_what_waits_is_listed_and_says_what_contradicts_it(contested: Any) -> None:
    (row,) = quarantined(contested.database)
    assert (row.study_instance_uid, row.patient_id, row.conflict, row.instances) == (
        contested.uid,
        "P1",
        "conflicting identity",
        1,
    )
    (one,) = in_conflict(contested.database, contested.uid)
    assert (one.id, one.has_twin) == (contested.other.instance_id, False)


def test_objects_that_are_of_the_study_after_all_are_analysed_with_the_rest(contested: Any) -> None:
    decide(contested, Decision.ACCEPT)
    assert roles(contested) == [(Role.CANDIDATE, True), (Role.CANDIDATE, True)]
    assert quarantined(contested.database) == ()
    go_on(contested, Outcome.NOT_FLAGGED)
    row = contested.row()
    assert (row.patient_id, row.outcome, row.updating) == ("P1", Outcome.FLAGGED, False)
    assert row.deliveries == {"QUEUED": 1}
    with contested.database.read() as connection:
        corrected = connection.scalars(select(study.c.corrected)).one().split()
    assert {"patient_id", "patient_name", "patient_sex"} <= set(corrected), "reports of the accepted say P1, too"


def test_objects_kept_apart_stay_and_count_for_nothing(contested: Any) -> None:
    decide(contested, Decision.KEEP_APART)
    assert roles(contested) == [(Role.CANDIDATE, True), (Role.CONFLICT, False)]
    go_on(contested)
    assert (contested.row().patient_id, contested.row().outcome) == ("P1", Outcome.FLAGGED)
    contested.ledger.receive(contested.uid, at=contested.now, patient_id="P3")
    (row,) = quarantined(contested.database)
    assert row.instances == 1, "the next conflict is another question"


def test_a_study_that_is_the_newcomer_s_gets_its_patient_and_says_which_values_changed(contested: Any) -> None:
    decide(contested, Decision.ASSIGN)
    go_on(contested, Outcome.NOT_FLAGGED)
    row = contested.row()
    assert (row.patient_id, row.patient_name, row.outcome) == ("P2", "Roe^Rita", Outcome.FLAGGED)
    record = study_record(contested.database, contested.uid)
    assert record is not None
    told = [(one["event"], one["actor"]) for one in record.events if one["event"] == "IDENTITY_CORRECTED"]
    assert told == [("IDENTITY_CORRECTED", "ada")]
    contested.ledger.receive(contested.uid, at=contested.now, patient_id="P2", patient_name="Roe^Rita")
    assert quarantined(contested.database) == (), "who comes under this name is welcome now"


def test_a_study_that_was_flagged_in_quarantine_is_raised_when_it_leaves(desk: Any) -> None:
    at = desk.now
    desk.uid = "2.25.2"
    image = desk.ledger.receive(desk.uid, at=at, patient_id="P1")
    desk.other = desk.ledger.receive(desk.uid, at=at, patient_id="P2")
    desk.ledger.score(image, Outcome.FLAGGED, at=at, probability=0.9)
    assert desk.row().priority is Priority.ROUTINE
    decide(desk, Decision.KEEP_APART)
    assert desk.row().priority is Priority.MEDIUM


def test_an_object_whose_uid_is_another_one_s_is_kept_apart_whatever_is_accepted(contested: Any) -> None:
    with contested.database.begin() as connection:
        uid = connection.execute(select(instance.c.sop_instance_uid).order_by(instance.c.id).limit(1)).scalar_one()
        connection.execute(
            instance.update().where(instance.c.id == contested.other.instance_id).values(sop_instance_uid=uid)
        )
    (one,) = in_conflict(contested.database, contested.uid)
    assert one.has_twin
    decide(contested, Decision.ACCEPT)
    assert roles(contested) == [(Role.CANDIDATE, True), (Role.CONFLICT, False)]


def test_a_decision_is_about_what_was_seen_has_a_reason_and_is_made_once(contested: Any) -> None:
    with pytest.raises(RefusedError, match="reason"):
        decide(contested, Decision.ACCEPT, reason=" ")
    with pytest.raises(RefusedError, match="More has come"):
        decide(contested, Decision.ACCEPT, identified=[])
    two = [identified(contested.other.instance_id), identified(-1, patient_id="P9")]
    with pytest.raises(RefusedError):
        decide(contested, Decision.ASSIGN, identified=two)
    decide(contested, Decision.KEEP_APART)
    with pytest.raises(RefusedError, match="not in quarantine"):
        decide(contested, Decision.ACCEPT)
    acts = contested.record().acts
    assert [(act.kind, act.words, act.can_be_undone) for act in acts] == [(Kind.RESOLVED, "I asked the ward", False)]


def test_objects_without_a_patient_id_that_name_two_people_cannot_say_whose_the_study_is(contested: Any) -> None:
    contested.ledger.receive(contested.uid, at=contested.now, patient_id="", patient_name="Poe^Paul")
    found = in_conflict(contested.database, contested.uid)
    names = ("Roe^Rita", "Poe^Paul")
    two = [identified(one.id, patient_id="", patient_name=name) for one, name in zip(found, names, strict=True)]
    with pytest.raises(RefusedError, match="several patients"):
        decide(contested, Decision.ASSIGN, identified=two)
    assert contested.row().patient_id == "P1"


def test_while_triage_is_off_nobody_is_raised_who_leaves_quarantine(desk: Any) -> None:
    desk.uid = "2.25.2"
    image = desk.ledger.receive(desk.uid, at=desk.now, patient_id="P1")
    desk.ledger.receive(desk.uid, at=desk.now, patient_id="P2")
    desk.ledger.score(image, Outcome.FLAGGED, at=desk.now, probability=0.9)
    switch_off(desk.database, reason="it flags everything", who=desk.acting().who, now=desk.now)
    decide(desk, Decision.KEEP_APART)
    assert desk.row().priority is Priority.ROUTINE


def test_a_doubt_is_settled_by_a_person(desk: Any) -> None:
    with desk.database.begin() as connection:
        connection.execute(study.update().values(doubt="two patients have this ID"))
    assert [row.doubt for row in quarantined(desk.database)] == ["two patients have this ID"]
    settle_doubt(desk.database, desk.seen(), desk.acting(), reason="it is she")
    assert quarantined(desk.database) == ()
    assert desk.row().doubt == ""
