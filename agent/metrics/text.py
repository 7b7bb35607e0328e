"""The table of docs/metrics.md, from the code: `python -m agent.metrics.text`."""

import sys
from collections.abc import Iterator
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


if __name__ == "__main__":
    sys.stdout.write(table())
