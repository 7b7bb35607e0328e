"""The DICOM conformance statement names what the program takes, and nothing else."""

import re
from pathlib import Path

from agent.conformance_text import TABLES, named, renewed
from dicom_io.statuses import MEANINGS

STATEMENT = Path(__file__).parents[3] / "docs" / "conformance.md"


def test_every_table_of_the_statement_is_what_the_code_says() -> None:
    """`python -m agent.conformance_text docs/conformance.md` writes them anew."""
    text = STATEMENT.read_text(encoding="utf-8")
    assert sorted(named(text)) == sorted(TABLES)
    assert renewed(text) == text


def test_every_status_that_the_statement_gives_a_meaning_is_one_that_the_program_has() -> None:
    """In its tables the first cells are statuses; ranges (A900 to A9FF) name their first."""
    text = STATEMENT.read_text(encoding="utf-8")
    cells = re.findall(r"(?m)^\| (?:[^|]*\| )?([0-9A-F]{4}\b[^|]*)\|", text)
    named = {int(code, 16) for cell in cells for code in re.findall(r"\b[0-9A-F]{4}\b(?! to)", cell)}
    ranges = {0xA7FF, 0xA9FF, 0xCFFF}
    assert named
    assert named - ranges <= set(MEANINGS)


def test_every_status_has_one_name_and_stands_in_one_place() -> None:
    """No other file of the program writes a status as a number of its own."""
    packages = (STATEMENT.parents[1] / name for name in ("agent", "db", "dicom_io"))
    written = re.compile(
        r"^_?[A-Z_]+(?:: Final)? = 0x(?:01[012]\d|02\d\d|[AB]\d\d\d|C0[0F][0F]|F[EF]0[01])\b", re.MULTILINE
    )
    found = {
        path.name
        for package in packages
        for path in package.rglob("*.py")
        if path.name != "statuses.py" and written.search(path.read_text(encoding="utf-8"))
    }
    assert found <= {"store_messages.py", "reception.py"}, "these two name elements of the command set (PS3.7 annex E)"
