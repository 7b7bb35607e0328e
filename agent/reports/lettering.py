"""Text of any script on a page: what the fonts can draw, shaped and in the order in which it is seen.

The font that comes with it (DejaVu Sans) has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic letters; a
site adds fonts for others. Hebrew and Arabic, which run from right to left, need the extra `bidi`. What cannot be drawn
is said in words, never shown as empty boxes.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

BUILT_IN: Final = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
NOT_DRAWN: Final = "(in letters that this page cannot show)"
_ALSO: Final = "(and in letters that this page cannot show)"
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_JOINED: Final = ((0x0700, 0x08A0), (0x0900, 0x0E00), (0x0F00, 0x10A0), (0x1780, 0x1800))
"""Scripts whose letters change or move beside others, as nothing here does for them: Syriac, those of India, Tibetan,
Burmese, Khmer."""


@dataclass(frozen=True, slots=True)
class Run:
    """Letters, in the order in which they are seen, that one font has."""

    font: str
    text: str


@dataclass(frozen=True, slots=True)
class Lettering:
    """Fonts, in the order in which they are asked for a letter."""

    fonts: tuple[Path, ...]

    @property
    def first(self) -> str:
        """The name of the first font."""
        return _registered(self.fonts[0])

    def can_draw(self, text: str) -> bool:
        """Tell whether every letter can be drawn as it should be."""
        if _runs_right_to_left(text) and not _can_reverse():
            return False
        return all(
            self._font_of(letter) is not None and not any(first <= ord(letter) < end for first, end in _JOINED)
            for letter in _seen(text)
        )

    def runs(self, text: str) -> tuple[Run, ...]:
        """Return what to draw, from left to right; of text that cannot be drawn, that it cannot be."""
        if not self.can_draw(text):
            text = NOT_DRAWN
        runs: list[Run] = []
        for letter in _seen(text):
            font = self._font_of(letter) or ""
            if runs and runs[-1].font == font:
                runs[-1] = Run(font, runs[-1].text + letter)
            else:
                runs.append(Run(font, letter))
        return tuple(runs)

    def width(self, text: str, size: float) -> float:
        """Return how wide the text is."""
        return float(sum(pdfmetrics.stringWidth(run.text, run.font, size) for run in self.runs(text)))

    def wrapped(self, text: str, size: float, width: float) -> Iterator[str]:
        """Yield lines that are at most `width` wide, broken between words, or within one that is wider alone."""
        line = ""
        for word in _words(text if self.can_draw(text) else NOT_DRAWN):
            longer = f"{line} {word}".strip()
            if self.width(longer, size) <= width:
                line = longer
                continue
            if line:
                yield line
            line = word
            while self.width(line, size) > width and len(line) > 1:
                fits = next(
                    end for end in range(len(line) - 1, 0, -1) if end == 1 or self.width(line[:end], size) <= width
                )
                yield line[:fits]
                line = line[fits:]
        if line:
            yield line

    def _font_of(self, letter: str) -> str | None:
        """Return the first font that has the letter."""
        return next((name for name in map(_registered, self.fonts) if ord(letter) in _letters(name)), None)


def lettering(further: Sequence[Path] = ()) -> Lettering:
    """Return the built-in font, followed by a site's own."""
    return Lettering((BUILT_IN, *further))


def is_font(path: Path) -> bool:
    """Tell whether a file is a font that can be embedded: TrueType outlines."""
    try:
        _registered(path)
    except (TTFError, OSError):
        return False
    return True


def person(name: str, fonts: Lettering) -> str:
    """Return a person's name for people, of its component groups (PS3.5 section 6.2) those that can be drawn.

    What cannot be drawn is mentioned, so that nobody takes a part for the whole.
    """
    groups = [group for group in map(_readable, name.split("=")) if group]
    drawn = [group for group in groups if fonts.can_draw(group)]
    if not drawn:
        return NOT_DRAWN if groups else ""
    return " = ".join(drawn) + ("" if len(drawn) == len(groups) else f" {_ALSO}")


def _readable(group: str) -> str:
    """Return one component group: the family name, then the rest."""
    family, _, rest = group.partition("^")
    rest = " ".join(part for part in rest.split("^") if part.strip())
    return ", ".join(part for part in (family.strip(), rest.strip()) if part)


def _seen(text: str) -> str:
    """Return the letters as they are seen from left to right, those of Arabic in the forms that they take together."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if _runs_right_to_left(line):
        from arabic_reshaper import reshape  # noqa: PLC0415 - with the extra
        from bidi.algorithm import get_display  # noqa: PLC0415

        seen: str = get_display(reshape(line))
        return seen
    return line


def _runs_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)


def _can_reverse() -> bool:
    """Tell whether the extra `bidi` is installed: letters in the wrong order would be another name."""
    return find_spec("bidi") is not None and find_spec("arabic_reshaper") is not None


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).split()


@lru_cache(maxsize=64)
def _registered(path: Path) -> str:
    """Return the name under which reportlab knows the font in a file."""
    name = "tibabu" if path == BUILT_IN else f"tibabu {path}"
    pdfmetrics.registerFont(TTFont(name, str(path)))
    return name


@lru_cache(maxsize=64)
def _letters(name: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(name).face.charToGlyph)
