"""A card says who speaks and within which limits, or it is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.card import ModelCard, read_card, write_card
from model.errors import CardError


def test_a_card_reads_back_as_it_was_written(card: ModelCard, tmp_path: Path) -> None:
    write_card(card, tmp_path / "made_up.json")
    found = read_card(tmp_path / "made_up.json")
    # a NaN is unlike itself: compare the one that the card holds by its text
    assert repr(found) == repr(card)
    assert found.operating_point == card.operating_point


def _without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def remove(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return remove


def _with(value: Any, *keys: str) -> Callable[[dict[str, Any]], None]:
    def put(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return put


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without("operating_point"), r"missing=\['operating_point'\]"),
        (_with(None, "operating_point"), "expected OperatingPoint at made_up.operating_point. Received: NoneType"),
        (_without("operating_point", "threshold"), r"made_up.operating_point. Received: missing=\['threshold'\]"),
        (_with(None, "operating_point", "threshold"), r"expected threshold, .* Received: \(nan"),
        (_with(1.5, "operating_point", "threshold"), "expected threshold, sensitivity and specificity in 0..1"),
        (_with("0.4", "operating_point", "threshold"), "expected float at made_up.operating_point.threshold"),
        (_with(bool(1), "operating_point", "threshold"), "Received: bool"),
        (_with(-1.0, "calibration", "slope"), "expected a positive slope"),
        (_with("abc", "sha256"), "expected sha256 as 64"),
        (_with("X" * 64, "sha256"), "expected sha256 as 64"),
        (_with([224, 224, 3], "input_shape"), "expected input_shape="),
        (_with([6.0, 1.0], "age_range_years"), "expected a rising age range"),
        (_with([1.0], "age_range_years"), "made_up.age_range_years"),
        (_with(0.0, "prevalence"), "expected a prevalence"),
        (_with("cardiomegaly", "label"), "made_up.label"),
        (_with(1, "extra"), r"unknown=\['extra'\]"),
        (_with([1], "caveats"), r"expected str at made_up.caveats\[0\]"),
        (_with("two", "members"), "expected int at made_up.members"),
    ],
)
def test_a_card_that_lacks_or_garbles_something_says_where(
    card: ModelCard, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = tmp_path / "made_up.json"
    write_card(card, path)
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CardError, match=said):
        read_card(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"card"'])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "made_up.json").write_text(text)
    with pytest.raises(CardError):
        read_card(tmp_path / "made_up.json")


def test_an_absent_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="FileNotFoundError"):
        read_card(tmp_path / "absent.json")


def test_a_card_cannot_be_changed(card: ModelCard) -> None:
    with pytest.raises(AttributeError):
        card.version = "2"  # type: ignore[misc]
    assert replace(card, version="2").version == "2"
