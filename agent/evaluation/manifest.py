"""The table of labelled images: CSV with the columns file and label, perhaps patient, and any others for subgroups."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.evaluation.entries import LABELS, Entries, Entry, LabelError, check_classes

_LABELS: Final = {"normal": 0, "0": 0, "pneumonia": 1, "1": 1}
_REQUIRED: Final = ("file", "label")
_OWN: Final = frozenset({*_REQUIRED, "patient"})
_IDENTITIES: Final = frozenset(
    {
        *("name", "patient_name", "patientname", "patient_id", "patientid", "mrn", "birth_date", "birthdate", "dob"),
        *("accession", "accession_number", "study_instance_uid", "series_instance_uid", "sop_instance_uid", "address"),
    }
)
"""Columns that tell who somebody is: no subgroup is made of them."""
_MAX_GROUPS: Final = 20
_MOST_SHOWN: Final = 20


def entries_of_manifest(manifest: Path, folder: Path) -> Entries:
    """Read the table: UTF-8, a comma, semicolon or tab between the columns; files are relative to `folder`.

    Labels are NORMAL or 0 and PNEUMONIA or 1, in any case. LabelError lists every problem by its row, the header being
    row 1: a column missing or twice, a row too long or short, a label unknown, a file missing or named twice.
    """
    header, rows = _read(manifest)
    entries: list[Entry] = []
    problems: list[str] = []
    first_row: dict[Path, int] = {}
    for number, cells in rows:
        row = dict(zip(header, cells, strict=False))
        if (problem := _problem(header, cells, row, folder, first_row)) is not None:
            problems.append(f"row {number}: {problem}")
            continue
        path = folder / row["file"]
        first_row[path.resolve()] = number
        columns = {name: value for name, value in row.items() if name not in _OWN}
        label = _LABELS[row["label"].lower()]
        entries.append(Entry(path=path, name=row["file"], label=label, patient=row.get("patient", ""), columns=columns))
    if problems:
        shown = problems[:_MOST_SHOWN]
        more = [f"and {len(problems) - len(shown)} more"] if len(problems) > len(shown) else []
        message = f"{manifest.name} has {len(problems)} problem(s):\n" + "\n".join(f"  {line}" for line in shown + more)
        raise LabelError(message)
    check_classes(entries, f"in {manifest.name}")
    why_not = {name: _why_not(name, entries) for name in header if name not in _OWN}
    usable = [name for name, reason in why_not.items() if not reason]
    return Entries(
        entries=tuple(replace(entry, columns={name: entry.columns[name] for name in usable}) for entry in entries),
        notes=tuple(f"No subgroups by the column {name}: {reason}." for name, reason in why_not.items() if reason),
    )


def _read(manifest: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and each row that is not empty with its number in the file."""
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"expected a readable table in UTF-8. Received: {manifest} ({type(error).__name__})"
        raise LabelError(message) from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        message = f"expected a table in CSV. Received: {manifest.name}, line {reader.line_num}: {error}"
        raise LabelError(message) from None
    header = [name.lower() for name in rows[0][1]] if rows else []
    missing = [name for name in _REQUIRED if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if missing or twice or "" in header:
        message = f"expected the columns file and label in {manifest.name}, each column named once. Received: {header}"
        raise LabelError(message)
    return header, rows[1:]


def _problem(
    header: list[str], cells: list[str], row: dict[str, str], folder: Path, first_row: dict[Path, int]
) -> str | None:
    """Say what is wrong with a row, or None."""
    if len(cells) != len(header):
        return f"expected {len(header)} columns. Received: {len(cells)}"
    if row["label"].lower() not in _LABELS:
        return f"expected a label of {', '.join(LABELS)}, 0 or 1. Received: {row['label'][:40]!r}"
    if not row["file"]:
        return "expected a file. Received: ''"
    path = folder / row["file"]
    if not path.is_file():
        return f"expected a file below {folder}. Received: {row['file'][:200]!r}, which is not there"
    if (earlier := first_row.get(path.resolve())) is not None:
        return f"expected each file once. Received: {row['file'][:200]!r}, also in row {earlier}"
    return None


def _why_not(name: str, entries: list[Entry]) -> str:
    """Say why no subgroups are made of a column; nothing where they are."""
    if name in _IDENTITIES:
        return "it tells who a patient is"
    values = len({entry.columns[name] for entry in entries})
    if values > _MAX_GROUPS and name not in {"age", "age_years"}:
        return f"it has {values} different values, more than {_MAX_GROUPS}"
    return ""
