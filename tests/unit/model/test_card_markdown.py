"""docs/model-card.md says what the cards say."""

from pathlib import Path

import pytest

from model.card import ModelCard
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
