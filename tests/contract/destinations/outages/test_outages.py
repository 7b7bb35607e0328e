"""Whatever a destination of any type does: nothing lost, nothing doubled, the others undisturbed, all on record."""

from datetime import timedelta
from typing import Any

import pytest

from db.breaker import rests
from db.lifecycle import State

HOUR = timedelta(hours=1)
AWAY = {"down": HOUR / 3, "busy": HOUR / 4, "slow": HOUR / 20, "lying": HOUR / 4}  # a slow answer costs a time-out each
LIMIT = 3  # failures of a destination in a row, before it rests


def test_a_report_arrives_as_it_is_and_the_ledger_says_so(site: Any, exactly: Any) -> None:
    reports = site.concluded()
    site.run()
    for name, receiver in site.receivers.items():
        assert receiver.kept() == exactly(reports[name])
        assert site.story(name) == ["acknowledged"]
        assert site.statuses(name) != [""]
    assert site.record().study.state is State.DELIVERED
    assert {row["sha256"] for row in site.record().attempts} == {digest for _, digest in reports.values()}


@pytest.mark.behaviours("down", "slow", "lying", "busy")
def test_up_again_after_a_time_it_has_every_report_once_and_the_others_had_theirs_at_once(
    site: Any, behaviour: str, exactly: Any
) -> None:
    site.receivers["first"].be(behaviour)
    studies = ["1.2.3", "1.2.4"]
    reports = [site.concluded(study) for study in studies]
    site.run()
    assert site.receivers["other"].kept() == exactly(*(sent["other"] for sent in reports))
    assert {site.record(study).study.state for study in studies} == {State.CONCLUDED}, "it is not delivered"
    site.wait(AWAY[behaviour])
    assert {*site.states("first"), *site.states("first", "1.2.4")} == {"QUEUED"}
    if behaviour == "down":
        assert [rest.destination for rest in rests(site.database, only_open=True)] == ["first"]
        assert sum(len(site.story("first", study)) for study in studies) == LIMIT, "what waits is not burnt on attempts"
    site.receivers["first"].be("up")
    site.wait(HOUR)
    assert site.receivers["first"].kept() == exactly(*(sent["first"] for sent in reports))
    assert site.receivers["other"].kept() == exactly(*(sent["other"] for sent in reports))
    assert {site.record(study).study.state for study in studies} == {State.DELIVERED}
    for study in studies:
        assert site.story("first", study)[-1] == "acknowledged"
        assert site.story("other", study) == ["acknowledged"]
    assert rests(site.database, only_open=True) == ()
    told = {"down": "failed", "slow": "broke", "lying": "broke", "busy": "refused"}[behaviour]
    assert set(site.story("first")[:-1]) == {told}


@pytest.mark.behaviours("refusing")
def test_what_is_not_wanted_is_parked_at_once_with_its_status_until_a_person_requeues_it(
    site: Any, behaviour: str, exactly: Any
) -> None:
    site.receivers["first"].be(behaviour)
    reports = site.concluded()
    site.run()
    site.wait(HOUR)
    assert (site.states("first"), site.states("other")) == (["PARKED"], ["ACKNOWLEDGED"])
    assert site.story("first") == ["refused"]
    assert site.statuses("first") != [""]
    assert site.record().study.deliveries == {"PARKED": 1, "ACKNOWLEDGED": 1}
    site.receivers["first"].be("up")
    assert site.requeue() == 1
    site.run()
    assert site.receivers["first"].kept() == exactly(reports["first"])
    assert site.story("first") == ["refused", "acknowledged"]
    assert site.record().study.state is State.DELIVERED


def test_killed_between_send_and_commit_the_same_bytes_go_again(site: Any, exactly: Any) -> None:
    reports = site.concluded()
    site.die_while_sending("first")
    assert site.states("first") == ["QUEUED"], "nobody knows that it has arrived"
    site.run()
    assert site.receivers["first"].kept() == exactly(reports["first"])
    assert site.story("first") == ["interrupted", "acknowledged"]
    assert len({row["sha256"] for row in site.record().attempts}) == len(reports)
    assert site.record().study.state is State.DELIVERED


@pytest.mark.behaviours("down")
def test_of_a_study_reported_anew_while_it_was_away_only_the_newest_version_is_sent(
    site: Any, behaviour: str, exactly: Any
) -> None:
    site.receivers["first"].be(behaviour)
    site.concluded()
    site.run()
    newest = site.concluded()
    site.run()
    site.receivers["first"].be("up")
    site.wait(HOUR)
    assert site.receivers["first"].kept() == exactly(newest["first"])
    assert site.states("first") == ["SUPERSEDED", "ACKNOWLEDGED"]


def test_a_later_version_waits_for_an_earlier_one_that_a_dead_process_left_on_its_way(site: Any, exactly: Any) -> None:
    """The earlier one did arrive: it is not sent again once a later one has taken its place."""
    first = site.concluded()
    site.die_while_sending("first")
    second = site.concluded()
    site.wait(timedelta(minutes=1))
    assert site.receivers["first"].kept() == exactly(first["first"], second["first"])
    assert site.states("first") == ["SUPERSEDED", "ACKNOWLEDGED"]
    assert site.story("first") == ["interrupted", "acknowledged"]
