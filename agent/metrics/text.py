"""The table of docs/metrics.md, written from the code: `python -m agent.metrics.text docs/metrics.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.metrics import exposition, standing
from agent.metrics.definitions import ALL

HEAD: Final = ("| metric | labels | what it is |", "|---|---|---|")


def rows() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield name, type, labels and sentence of each metric."""
    for one in ALL:
        yield one.name, "histogram" if one.buckets else "counter", one.labels, one.says
    for name, (says, labels) in (standing.SAYS | exposition.SAYS).items():
        yield name, "gauge", labels, says


def table() -> str:
    """Return the table."""
    lines = [
        f"| `{name}` ({kind}) | {', '.join(f'`{label}`' for label in labels)} | {says} |"
        for name, kind, labels, says in rows()
    ]
    return "\n".join([*HEAD, *lines]) + "\n"


def renewed(text: str) -> str:
    """Return the page, whose last part is the table, with the table as the code has it."""
    return text.partition(HEAD[0])[0] + table()


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
