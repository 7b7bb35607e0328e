"""The watch on drift over real rows: every image once, what the model said also while triage is off, and its alarms."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from agent.config.drift import DriftSection
from agent.watch.drift import REPORT, DriftReport, DriftWatch
from db.analysis import ImageResult, record_image_result, score_task
from db.audit import Who
from db.drift import drift_alarms, drift_reports
from db.drift_sample import DriftSample, ImageTraits, add_sample, forget_samples, samples
from db.outcome import Outcome
from db.requeue import requeue_study
from db.triage import switch_off, switch_on, triage_off
from db.trouble import Trouble, standing
from model.card import ModelCard, read_card
from model.zoo import architecture, loadable

Ledger = Any  # tests/integration/db_lines/conftest.py
TRAITS = ImageTraits(view="PA", manufacturer="ACME", age_band="3 to 5 years", sex="female", mean_gray=120.0)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return read_card(architecture(loadable()[0]).card_path)


@pytest.fixture
def watch(ledger: Ledger, card: ModelCard) -> Callable[..., DriftWatch]:
    """Return `watch(**limits)`: the tick with these limits."""
    return lambda **limits: DriftWatch(
        ledger.database, lambda: card, DriftSection(minimum_images=30, **limits), lambda: ledger.now
    )


def score(ledger: Ledger, card: ModelCard, instance_id: int, outcome: Outcome, value: float | None) -> None:
    task = score_task(ledger.database, instance_id)
    assert task is not None
    found = ImageResult(
        outcome=outcome,
        reason="" if value is not None else "view unknown, expected AP or PA",
        decline_group="" if value is not None else "view unknown",
        score=value,
        probability=None if value is None else 0.9,
        traits=TRAITS,
        model_sha256=card.sha256,
        started_at=ledger.now,
        finished_at=ledger.now,
    )
    assert record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances)


def came(ledger: Ledger, card: ModelCard, scores: np.ndarray, threshold: float = 0.0) -> None:
    """Add samples with these scores, an hour ago."""
    at = ledger.now - timedelta(hours=1)
    with ledger.database.begin() as connection:
        for value in scores:
            add_sample(
                connection,
                DriftSample(
                    at=at,
                    model_sha256=card.sha256,
                    outcome=Outcome.FLAGGED if value >= threshold else Outcome.NOT_FLAGGED,
                    decline_group="",
                    score=float(value),
                    traits=TRAITS,
                ),
            )


def expected_scores(card: ModelCard, number: int) -> np.ndarray:
    """Return scores as the card expects them."""
    histogram = next(one for one in card.reference if (one.quantity, one.group) == ("logit", "all"))
    middles = np.linspace(histogram.low, histogram.high, 2 * len(histogram.counts) + 1)[1::2]
    shares = np.array(histogram.counts) / sum(histogram.counts)
    return np.random.default_rng(3).choice(middles, number, p=shares)


def report(ledger: Ledger, span: str) -> DriftReport:
    return REPORT.validate_json(drift_reports(ledger.database)[span][1])


def test_an_image_counts_once_as_the_model_saw_it_also_analysed_again_and_while_triage_is_off(
    ledger: Ledger, card: ModelCard
) -> None:
    switch_off(ledger.database, reason="test", who=Who("olga"), now=ledger.now)
    received = ledger.receive()
    score(ledger, card, received.instance_id, Outcome.FLAGGED, 1.5)
    found = list(samples(ledger.database, since=ledger.now, until=ledger.now + timedelta(seconds=1)))
    assert found == [
        DriftSample(
            at=ledger.now,
            model_sha256=card.sha256,
            outcome=Outcome.FLAGGED,
            decline_group="",
            score=1.5,
            traits=TRAITS,
        )
    ]
    assert list(samples(ledger.database, since=ledger.now - timedelta(days=1), until=ledger.now)) == []


def test_an_image_that_is_analysed_again_is_no_other_image(ledger: Ledger, card: ModelCard) -> None:
    received = ledger.receive()
    score(ledger, card, received.instance_id, Outcome.NOT_ANALYSED, None)
    with ledger.database.begin() as connection:
        from db.schema.domain import study  # noqa: PLC0415

        connection.execute(study.update().values(state="CONCLUDED"))
    requeue_study(ledger.database, ledger.queue, "1.2.3", actor="test", now=ledger.now)
    score(ledger, card, received.instance_id, Outcome.NOT_FLAGGED, 0.1)
    found = list(samples(ledger.database, since=ledger.now, until=ledger.now + timedelta(seconds=1)))
    assert [one.decline_group for one in found] == ["view unknown"]


def test_scores_as_the_card_expects_them_are_no_alarm(
    ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch]
) -> None:
    came(ledger, card, expected_scores(card, 400))
    watch(kolmogorov_smirnov=0.15).look()
    assert [one.name for one in drift_alarms(ledger.database) if "logit" in one.name] == []
    found = report(ledger, "day")
    assert (found.images, found.flagged.of) == (400, 400)
    assert found.groups["Manufacturer"][0].name == "ACME"


def test_scores_that_have_moved_are_an_alarm_that_stands_since_then_and_ends_with_them(
    ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch]
) -> None:
    came(ledger, card, expected_scores(card, 400) - 4.0)
    began = ledger.now
    watch(kolmogorov_smirnov=0.15).look()
    names = {one.name for one in drift_alarms(ledger.database) if "logit" in one.name}
    assert names == {"day psi logit", "week psi logit", "day ks logit", "week ks logit"}
    ledger.now += timedelta(hours=2)
    watch(kolmogorov_smirnov=0.15).look()
    with ledger.database.read() as connection:
        stands = [one for one in standing(connection, {}, now=ledger.now) if one.trouble is Trouble.DRIFT]
    assert {one.since for one in stands} == {began}
    assert "PSI of logit" in next(one.reason for one in stands if one.destination == "day psi logit")
    ledger.now += timedelta(days=8)
    watch().look()
    assert drift_alarms(ledger.database) == ()


def test_few_images_are_no_alarm_however_far_off(
    ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch]
) -> None:
    came(ledger, card, np.full(29, 7.9))
    watch(kolmogorov_smirnov=0.01, flag_rate_above=0.01).look()
    assert drift_alarms(ledger.database) == ()
    assert all(one.distance is None for one in report(ledger, "week").quantities)


@pytest.mark.parametrize(
    ("limits", "name"), [({"flag_rate_above": 0.4}, "flag rate high"), ({"flag_rate_below": 0.9}, "flag rate low")]
)
def test_a_flag_rate_is_an_alarm_only_when_its_whole_interval_is_beyond_the_limit(
    ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch], limits: dict[str, float], name: str
) -> None:
    came(ledger, card, np.repeat([1.0, -1.0], 60))  # half of 120: 41 % to 59 %
    watch(psi=0, **limits).look()
    assert [one.name for one in drift_alarms(ledger.database)] == [f"day {name}", f"week {name}"]
    near = dict.fromkeys(limits, 0.5)
    watch(psi=0, **near).look()
    assert drift_alarms(ledger.database) == ()


def test_other_weights_are_left_out(ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch]) -> None:
    came(ledger, card, np.full(10, 1.0))
    with ledger.database.begin() as connection:
        other = DriftSample(
            at=ledger.now - timedelta(hours=1),
            model_sha256="00" * 32,
            outcome=Outcome.FLAGGED,
            decline_group="",
            score=1.0,
            traits=TRAITS,
        )
        add_sample(connection, other)
    watch().look()
    assert (report(ledger, "week").images, report(ledger, "week").other_models) == (10, 1)


def test_a_new_alarm_switches_triage_off_once_where_the_site_wants_that(
    ledger: Ledger, card: ModelCard, watch: Callable[..., DriftWatch]
) -> None:
    came(ledger, card, expected_scores(card, 400) - 4.0)
    watch().look()
    assert triage_off(ledger.database) is None
    ledger.now += timedelta(days=9)
    watch().look()
    came(ledger, card, expected_scores(card, 400) - 4.0)
    watch(switch_off=True).look()
    off = triage_off(ledger.database)
    assert off is not None
    assert off.off_by == "agent"
    assert "PSI of logit" in off.off_reason
    switch_on(ledger.database, reason="a person looked", who=Who("olga"), now=ledger.now)
    watch(switch_off=True).look()
    assert triage_off(ledger.database) is None  # the alarm is not new: the person has decided


def test_old_samples_go(ledger: Ledger, card: ModelCard) -> None:
    came(ledger, card, np.zeros(3))
    assert forget_samples(ledger.database, before=ledger.now - timedelta(hours=2)) == 0
    assert forget_samples(ledger.database, before=ledger.now) == 3
