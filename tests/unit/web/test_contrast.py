"""Every text can be read on every surface that it stands on (WCAG 2.2, 1.4.3), in the dark and in the light."""

import re
from pathlib import Path

import pytest

import agent.web

STYLES = (Path(agent.web.__file__).parent / "static" / "tibabu.css").read_text(encoding="utf-8")
SCHEMES = re.findall(r":root(?:\[data-theme=\"light\"\])? \{([^}]*)\}", STYLES)
ON_ALL = ("text", "quiet", "link", "flagged", "alarm")
SURFACES = ("page", "surface", "raised")
PAIRS = [(text, surface) for text in ON_ALL for surface in SURFACES]
PAIRS += [("flagged", "flagged-surface"), ("alarm", "alarm-surface")]


def palette(scheme: int) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", SCHEMES[scheme]))


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_is_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
@pytest.mark.parametrize(("text", "surface"), PAIRS)
def test_text_has_a_contrast_of_at_least_four_and_a_half(text: str, surface: str, scheme: int) -> None:
    colours = palette(scheme)
    assert contrast(colours[text], colours[surface]) >= 4.5


def test_no_colour_is_used_that_is_not_in_the_palette() -> None:
    rules = re.sub(r":root[^ ]* \{[^}]*\}", "", STYLES)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", rules)
