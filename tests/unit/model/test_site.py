"""A site's prevalence and operating point: what they change, what they leave, and what is refused."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibration import Calibration
from model.card import ModelCard
from model.errors import SitePointError
from model.evaluation import measure
from model.site import SiteData, SitePoint, at_operating_point, at_prevalence, choose_point, read_point

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOGITS = np.linspace(-8, 8, 4001)


def site(patients: int = 300, images_each: int = 2) -> SiteData:
    """Half of the patients ill, their probabilities mostly the higher ones."""
    rng = np.random.default_rng(1)
    ill = np.repeat(np.arange(patients) % 2, images_each)
    p = 1 / (1 + np.exp(-(4.0 * (ill - 0.5) + rng.normal(0, 1.0, len(ill)))))
    names = tuple(f"p{i // images_each}" for i in range(len(ill)))
    return SiteData(labels=ill.astype(np.int64), probabilities=p, patients=names, sha256="ab" * 32)


@pytest.fixture(scope="module")
def point(card: ModelCard) -> SitePoint:
    return choose_point(card, site(), 0.97, name="ours", made_at=NOON, made_with="Tibabu 1")


class TestPrevalence:
    @pytest.mark.parametrize("prevalence", [0.02, 0.05, 0.5, 0.74, 0.95])
    def test_probabilities_are_those_of_the_paper(self, card: ModelCard, prevalence: float) -> None:
        """Saerens, Latinne and Decaestecker 2002, equation 2.4, written out for two classes."""
        before = card.calibration.probability(LOGITS)
        ill, well = before * prevalence / card.prevalence, (1 - before) * (1 - prevalence) / (1 - card.prevalence)
        after = at_prevalence(card, prevalence)
        assert after.calibration.probability(LOGITS) == pytest.approx(ill / (ill + well))
        assert after.prevalence == prevalence

    @given(
        prevalence=st.floats(0.001, 0.999),
        threshold=st.floats(0.001, 0.999),
        slope=st.floats(0.2, 5),
        intercept=st.floats(-4, 4),
    )
    def test_the_same_images_are_flagged_at_any_prevalence(
        self, prevalence: float, threshold: float, slope: float, intercept: float
    ) -> None:
        card = made_up(threshold, slope, intercept)
        after = at_prevalence(card, prevalence)
        before = card.calibration.probability(LOGITS)
        flagged = before >= threshold
        now = after.calibration.probability(LOGITS) >= after.operating_point.threshold
        edge = math.log(threshold / (1 - threshold))
        clear = np.abs(slope * LOGITS + intercept - edge) > 1e-9  # at the very edge rounding may decide
        assert (flagged[clear] == now[clear]).all()

    def test_both_prevalences_stay_visible_and_measured_facts_stay(self, card: ModelCard) -> None:
        after = at_prevalence(card, 0.05)
        assert after.operating_point.name == "sensitivity 97.5%, at prevalence 0.05 (calibrated at 0.74)"
        assert after.out_of_fold == card.out_of_fold
        assert after.operating_point.sensitivity == card.operating_point.sensitivity
        assert after.operating_points[0].threshold == pytest.approx(after.operating_point.threshold)

    def test_the_models_own_prevalence_changes_nothing(self, card: ModelCard) -> None:
        assert at_prevalence(card, card.prevalence) is card

    def test_there_and_back_is_where_it_was(self, card: ModelCard) -> None:
        back = at_prevalence(at_prevalence(card, 0.03), card.prevalence)
        assert back.operating_point.threshold == pytest.approx(card.operating_point.threshold)
        assert back.calibration.intercept == pytest.approx(card.calibration.intercept)

    @pytest.mark.parametrize("threshold", [0.0, 1.0])
    def test_a_threshold_that_flags_all_or_nothing_still_does(self, card: ModelCard, threshold: float) -> None:
        changed = replace(card, operating_point=replace(card.operating_point, threshold=threshold))
        assert at_prevalence(changed, 0.1).operating_point.threshold == threshold

    @pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 2.0, math.nan])
    def test_no_share_is_refused(self, card: ModelCard, prevalence: float) -> None:
        with pytest.raises(SitePointError, match="between 0 and 1"):
            at_prevalence(card, prevalence)


_CARD: list[ModelCard] = []


@pytest.fixture(autouse=True)
def _keep(card: ModelCard) -> None:
    """Hypothesis runs one test many times: it takes the card from here."""
    _CARD[:] = [card]


def made_up(threshold: float, slope: float, intercept: float) -> ModelCard:
    (card,) = _CARD
    point = replace(card.operating_point, threshold=threshold)
    return replace(card, calibration=Calibration(slope, intercept), operating_point=point)


class TestChoosing:
    def test_the_threshold_gives_the_wanted_sensitivity_between_two_images(
        self, card: ModelCard, point: SitePoint
    ) -> None:
        data, threshold = site(), point.operating_point.threshold
        ill = data.probabilities[data.labels == 1]
        assert np.mean(ill >= threshold) >= 0.97
        above = data.probabilities[data.probabilities >= threshold].min()
        below = data.probabilities[data.probabilities < threshold].max()
        assert below < threshold < above
        assert np.mean(ill > above) < 0.97
        assert at_operating_point(card, point).operating_point == point.operating_point

    def test_its_rates_are_those_of_patients_it_was_not_chosen_on(
        self, card: ModelCard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each fifth of the patients stands at the threshold of the other four, and no patient is in two fifths."""
        used: list[np.ndarray] = []

        def watched(labels: Any, p: Any, patients: Any, thresholds: Any) -> Any:
            used.append(thresholds)
            return measure(labels, p, patients, thresholds, replicates=20)

        monkeypatch.setattr("model.site.measure", watched)
        data = site()
        choose_point(card, data, 0.97, name="x", made_at=NOON, made_with="x")
        (thresholds,) = used
        assert (thresholds[::2] == thresholds[1::2]).all()
        fifths = [value for value in np.unique(thresholds) if np.sum(thresholds == value) == len(thresholds) // 5]
        assert len(fifths) >= 2
        for value in fifths:
            others = thresholds != value
            ill = np.sort(data.probabilities[others & (data.labels == 1)])
            allowed = int(len(ill) * 0.03 + 1e-9)
            assert np.sum(ill < value) == allowed

    @pytest.mark.parametrize(
        ("patients", "sensitivity", "said"),
        [
            (120, 0.97, "at least 100 patients with pneumonia and 50 without"),
            (300, 0.99, "at least 300 patients with pneumonia"),
            (80, 0.5, "at least 50 patients with pneumonia"),
        ],
    )
    def test_too_few_patients_are_refused_however_many_images(
        self, card: ModelCard, patients: int, sensitivity: float, said: str
    ) -> None:
        with pytest.raises(SitePointError, match=said):
            choose_point(card, site(patients, 10), sensitivity, name="x", made_at=NOON, made_with="x")

    def test_the_same_data_give_the_same_file(self, card: ModelCard, point: SitePoint) -> None:
        again = choose_point(card, site(), 0.97, name="ours", made_at=NOON, made_with="Tibabu 1")
        assert again.as_text() == point.as_text()


class TestFile:
    def test_it_reads_back_as_it_was_written(self, point: SitePoint) -> None:
        assert read_point(point.as_text()) == point

    @pytest.mark.parametrize(
        "field", ["model_sha256", "operating_point", "calibration", "wanted_sensitivity", "format"]
    )
    def test_every_field_must_be_there(self, point: SitePoint, field: str) -> None:
        content = json.loads(point.as_text())
        del content[field]
        with pytest.raises(SitePointError, match=field):
            read_point(json.dumps(content))

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", "null", '"x"', "[" * 5000, "{" + " " * 200_000 + "}"], ids=lambda text: text[:5]
    )
    def test_what_is_no_operating_point_is_refused(self, text: str) -> None:
        with pytest.raises(SitePointError):
            read_point(text)

    @pytest.mark.parametrize(
        ("where", "value"),
        [("threshold", 1.5), ("threshold", "0.4"), ("threshold", None), ("sensitivity", -1)],
    )
    def test_an_impossible_point_is_refused(self, point: SitePoint, where: str, value: object) -> None:
        content = json.loads(point.as_text())
        content["operating_point"][where] = value
        with pytest.raises(SitePointError):
            read_point(json.dumps(content))

    @pytest.mark.parametrize(
        ("where", "value"), [("format", "tibabu 2"), ("made_at", "today"), ("made_at", "2026-01-01")]
    )
    def test_another_format_and_a_time_without_zone_are_refused(self, point: SitePoint, where: str, value: str) -> None:
        with pytest.raises(SitePointError, match=where):
            read_point(json.dumps(json.loads(point.as_text()) | {where: value}))


class TestBinding:
    @pytest.mark.parametrize("change", [{"sha256": "ff" * 32}, {"version": "2.0.0"}, {"name": "another"}])
    def test_another_model_is_refused(self, card: ModelCard, point: SitePoint, change: dict[str, str]) -> None:
        with pytest.raises(SitePointError, match="expected an operating point of"):
            at_operating_point(replace(card, **change), point)

    def test_the_same_weights_calibrated_anew_are_refused(self, card: ModelCard, point: SitePoint) -> None:
        """The threshold is a probability: at another calibration it means something else."""
        with pytest.raises(SitePointError, match="calibration"):
            at_operating_point(replace(card, calibration=Calibration(2.0, 1.1)), point)

    def test_it_goes_before_the_prevalence_not_after(self, card: ModelCard, point: SitePoint) -> None:
        both = at_prevalence(at_operating_point(card, point), 0.05)
        assert both.operating_point.name.startswith("ours, at prevalence 0.05")
        with pytest.raises(SitePointError):
            at_operating_point(at_prevalence(card, 0.05), point)
