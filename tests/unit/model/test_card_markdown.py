"""docs/model-card.md says what the cards say."""

from pathlib import Path

import pytest

from model import zoo
from model.card import ModelCard, read_card
from model.card_markdown import page, predictive_values, render


def test_the_page_in_docs_is_in_step_with_the_cards() -> None:
    committed = Path(__file__).parents[3] / "docs" / "model-card.md"
    assert committed.read_text(encoding="utf-8") == page()


def test_predictive_values_by_hand() -> None:
    # of 10,000: 500 ill, 485 flagged; 9,500 well, 760 flagged
    positive, negative = predictive_values(0.97, 0.92, 0.05)
    assert positive == pytest.approx(485 / (485 + 760))
    assert negative == pytest.approx(8740 / (8740 + 15))
    assert round(predictive_values(0.97, 0.92, 0.02)[0], 2) == 0.20


def test_the_section_names_digest_threshold_limits_and_caveats(card: ModelCard) -> None:
    text = render(card)
    for said in (card.sha256, "0.4000", "97.50%", "up to, but not including, 6", "swapped", "not a diagnosis", "74.0%"):
        assert said in text


def test_the_section_tabulates_predictive_values_with_the_ends_of_the_intervals(card: ModelCard) -> None:
    text = render(card)
    for prevalence in (0.02, 0.05, 0.10, 0.30):
        middle, low, high = (
            predictive_values(*rates, prevalence)[0] for rates in ((0.975, 0.9), (0.96, 0.88), (0.99, 0.92))
        )
        assert f"| {prevalence:.0%} | {middle:.1%} ({low:.1%} to {high:.1%}) |" in text


def test_the_section_holds_every_kind_of_evidence(card: ModelCard) -> None:
    text = render(card)
    headings = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert headings == [
        "Use",
        "Operating point: sensitivity 97.5%",
        "Measured out of fold",
        "Reliability",
        "Subgroups",
        "Confounds: what was found, what was done, what is left",
        "Averaging",
        "Heat maps",
        "Reference for a watch on drift",
        "Training",
        "Limits",
    ]
    for said in (
        "abacus",
        "beads weigh nothing",
        "tensorflow 2.0",
        "all will be well",
        "38.5 + 78 i",
        "It is not served",
    ):
        assert said in text


@pytest.mark.parametrize("name", zoo.loadable())
def test_no_card_promises_a_diagnosis_or_a_clearance(name: str) -> None:
    card = read_card(zoo.architecture(name).card_path)
    assert "triage aid" in card.intended_use
    assert any("diagnosis" in use for use in card.not_intended)
    assert any("clearance" in use and "none" in use for use in card.not_intended)
    said = " ".join(card.caveats)
    for limit in ("adults", "infants under one", "Lateral", "Tubes", "Only pneumonia"):
        assert limit in said
