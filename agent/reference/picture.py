"""The picture of the architecture, drawn from the code: the lines with the jobs that join them, and the packages.

The packages, their layers and the libraries' homes are those of the import contracts in pyproject.toml, which CI
enforces; of the lines a test holds that each stands where the picture says.
"""

import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from db import kinds

_REPOSITORY: Final = Path(__file__).parents[2]
_LEAVES: Final = ("dicom_io", "model", "db")
_WIDTH: Final = 1080


@dataclass(frozen=True, slots=True)
class Line:
    """One of the five lines: its module, the process that runs it, what enqueues the next one's job, and that job."""

    name: str
    module: str
    process: str
    commits: str
    in_module: str
    job: str


LINES: Final = (
    Line("receive", "agent/line/receive.py", "receive", "Instance, study", "db/intake.py", kinds.SCORE),
    Line("score", "agent/line/score.py", "work", "image result, priority", "db/analysis.py", ""),
    Line("complete", "agent/line/complete.py", "clock", "study COMPLETE", "db/completion.py", kinds.CONCLUDE),
    Line("conclude", "agent/line/conclude.py", "work", "result, reports", "db/conclusion.py", kinds.deliver("")),
    Line("deliver", "agent/line/deliver.py", "deliver", "acknowledgement", "db/delivery_attempt.py", ""),
)


def picture() -> str:
    """Return the picture as SVG."""
    contracts = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    below = 300
    parts = [*_lines(), *_packages(contracts["contracts"], below)]
    height = below + 432
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
        ' role="img" aria-label="Five lines joined by committed rows, and the packages that they are made of">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n{"".join(parts)}</svg>\n'
    )


def homes(contracts: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return which libraries live where: in the packages that no contract forbids them to."""
    found: dict[str, list[str]] = {name: [] for name in ("agent", *_LEAVES)}
    for contract in contracts:
        if contract["type"] == "forbidden":
            allowed = set(found) - set(contract["source_modules"])
            narrow = {one.partition(" ->")[0].removesuffix(".**") for one in contract.get("ignore_imports", ())}
            for library in contract["forbidden_modules"]:
                for home in allowed:
                    found[home].append(library)
                for module in narrow:
                    found[module.partition(".")[0]].append(f"{library} ({module})")
    alone = {text.partition(" (")[0] for text in found["agent"] if " (" in text}
    found["agent"] = [text for text in found["agent"] if text not in alone]
    return found


def _lines() -> Iterator[str]:
    yield _text(
        20, 30, "A line never calls the next one: it commits rows, and with them the job that the next one claims", 15
    )
    for number, line in enumerate(LINES):
        x = 20 + number * 212
        yield _box(x, 60, 190, 74, "#e0f2f1")
        yield _text(x + 10, 82, line.name, 16)
        yield _text(x + 10, 102, line.module)
        yield _text(x + 10, 122, f"process {line.process}")
        yield f'<path d="M{x + 20} 134 v46" stroke="#00695c" stroke-width="2"/>\n'
        yield _text(x + 28, 152, line.commits)
        if line.job:
            after = next(to for to, one in enumerate(LINES) if one.name == line.job.rstrip(":"))
            to = 20 + after * 212 + 178
            yield f'<path d="M{to} 180 V136" stroke="#00695c" stroke-width="2" stroke-dasharray="5 4"/>\n'
            yield _text(to - 84, 172, f"job {line.job.rstrip(':')}")
    yield _box(20, 180, _WIDTH - 40, 60, "#eceff1")
    yield _text(30, 204, "the database: SQLite or PostgreSQL", 15)
    for number, line in enumerate(LINES):
        yield _text(30 + number * 212, 226, line.in_module)
    yield _text(20, 268, "Drawn: written. Dashed: claimed. Whatever dies between the two has lost nothing.")


def _packages(contracts: list[dict[str, Any]], top: int) -> Iterator[str]:
    where = homes(contracts)
    layers = next(one for one in contracts if one.get("containers") == ["agent"])["layers"]
    yield _text(20, top + 12, "agent imports the three below it; they know neither it nor one another", 15)
    yield _box(20, top + 26, _WIDTH - 40, 282, "#fff3e0")
    yield _text(30, top + 50, "agent: when things happen, and how they are wired", 16)
    yield from _wrapped(30, top + 72, " > ".join(layers), 150)
    yield from _wrapped(30, top + 248, f"home of {', '.join(where['agent'])}", 150)
    for number, leaf in enumerate(_LEAVES):
        x = 20 + number * 350
        yield _box(x, top + 324, 340, 96, "#e8eaf6")
        yield _text(x + 10, top + 348, leaf, 16)
        yield from _wrapped(x + 10, top + 370, f"home of {', '.join(where[leaf])}", 46)


def _wrapped(x: int, y: int, text: str, width: int) -> Iterator[str]:
    for number, line in enumerate(textwrap.wrap(text, width)):
        yield _text(x, y + number * 18, line)


def _box(x: int, y: int, width: int, height: int, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="#455a64"/>\n'


def _text(x: int, y: int, text: str, size: int = 13) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}">{escape(text)}</text>\n'
