"""The model card's Markdown in pieces that a template shows: headings, paragraphs, lists, tables. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: `kind` is heading, text, list or table; `rows` holds its items, a table's head first."""

    kind: str
    rows: tuple[tuple[str, ...], ...]
    level: int = 0


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of a card. What it does not know is text."""
    for kind, lines in groupby(text.splitlines(), key=_kind):
        found = list(lines)
        match kind:
            case "heading":
                for line in found:
                    yield Piece(kind, ((_plain(line.lstrip("# ")),),), len(line) - len(line.lstrip("#")))
            case "list":
                yield Piece(kind, tuple((_plain(line[2:]),) for line in found))
            case "table":
                rows = tuple(tuple(_plain(cell) for cell in line.strip("| ").split("|")) for line in found)
                yield Piece(kind, (rows[0], *rows[2:]))
            case "text":
                yield Piece(kind, ((_plain(" ".join(found)),),))


def _kind(line: str) -> str:
    for start, kind in (("#", "heading"), ("- ", "list"), ("|", "table")):
        if line.startswith(start):
            return kind
    return "text" if line.strip() else ""


def _plain(text: str) -> str:
    return re.sub(r"\*\*|`", "", text).strip()
