"""The tables of docs/conformance.md that follow from the code: `python -m agent.conformance_text` writes them anew.

Each stands between `<!-- table: NAME -->` and `<!-- end -->`; a test compares them. So the statement cannot name a SOP
Class, a transfer syntax or a character set that the program does not take, nor leave one out.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from agent import destinations
from agent.config.file import Config
from dicom_io.charset import TERMS
from dicom_io.negotiation import known_storage_classes, known_transfer_syntaxes
from dicom_io.statuses import MEANINGS

_NAMELESS: Final = "retired, without a name"
_TABLE: Final = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def storage_sop_classes() -> str:
    """Every Storage SOP Class of PS3.6 that the Storage SCP takes, by name."""
    return _table(("SOP Class", "UID"), [(name or _NAMELESS, uid) for name, uid in known_storage_classes()])


def transfer_syntaxes() -> str:
    """Every transfer syntax of PS3.6, in the order in which one is chosen of those that a peer offers."""
    ranked = [(str(rank + 1), name, uid) for rank, name, uid in known_transfer_syntaxes()]
    return _table(("choice", "transfer syntax", "UID"), ranked)


def character_sets() -> str:
    """Every defined term of Specific Character Set (PS3.3 C.12.1.1.2) whose text is read."""
    single = [term for term in TERMS if not term.startswith("ISO 2022")]
    extended = [term for term in TERMS if term.startswith("ISO 2022")]
    rows = [("without code extensions", ", ".join(single)), ("with code extensions", ", ".join(extended))]
    return _table(("", "defined terms"), rows)


def status_codes() -> str:
    """Every DIMSE status that is answered or told apart."""
    return _table(("status", "meaning"), [(f"{code:04X}", meaning) for code, meaning in sorted(MEANINGS.items())])


def time_outs() -> str:
    """Every time-out on the network that a site may set, with its default."""
    return _table(("setting", "seconds", "what is waited for"), list(_seconds()))


def _seconds() -> Iterator[tuple[str, ...]]:
    sections: dict[str, Any] = {name: field.annotation for name, field in Config.model_fields.items()}
    tables = {**sections, "destinations": destinations.load("dicom").Settings}
    for name in ("receive", "complete", "dicomweb", "orders", "destinations"):
        for key, field in tables[name].model_fields.items():
            if key.endswith("_seconds"):
                yield f"`{name}.{key}`", f"{field.default:g}", field.description or ""


TABLES: Final[dict[str, Callable[[], str]]] = {
    "storage-sop-classes": storage_sop_classes,
    "transfer-syntaxes": transfer_syntaxes,
    "character-sets": character_sets,
    "status-codes": status_codes,
    "time-outs": time_outs,
}


def renewed(text: str) -> str:
    """Return the statement with each of its tables as the code has it."""
    return _TABLE.sub(lambda found: f"{found[1]}{TABLES[found['name']]()}{found[3]}", text)


def named(text: str) -> list[str]:
    """Return the names of the tables that the statement holds."""
    return [found["name"] for found in _TABLE.finditer(text)]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "".join(f"{line}\n" for line in _lines(head, rows))


def _lines(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    statement = Path(sys.argv[1])
    statement.write_text(renewed(statement.read_text(encoding="utf-8")), encoding="utf-8")
