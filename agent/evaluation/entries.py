"""Which images are evaluated, and what they are: from folders NORMAL and PNEUMONIA, or from a table in CSV."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.errors import AgentError

LABELS: Final = ("NORMAL", "PNEUMONIA")
_LITTER: Final = frozenset({"thumbs.db", "desktop.ini", "dicomdir", "__macosx"})
"""What operating systems, archives and PACS exports leave beside images, in lower case."""


class LabelError(AgentError):
    """The folder or the table does not say which images there are and what they show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file to evaluate: where it lies, its label (1 is pneumonia), its patient if the table says, other columns.

    `name` is how it is called in lists: relative to the folder where it can be.
    """

    path: Path
    name: str
    label: int
    patient: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What is to be evaluated, in a stable order, and what people should know about it."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def entries_of_folder(folder: Path) -> Entries:
    """List the files below folders called NORMAL and PNEUMONIA (in any case), however deep these lie in `folder`.

    Hidden files and what systems leave behind are no images; a file that is below neither has no label: both are left
    out, the latter with a note. LabelError if a class has no file, or a file lies below folders of both names.
    """
    entries, unlabelled = [], 0
    for path in _files(folder):
        relative = path.relative_to(folder)
        named = {part.upper() for part in relative.parts[:-1]} & set(LABELS)
        if len(named) > 1:
            message = f"expected each file below either NORMAL or PNEUMONIA. Received: {relative}"
            raise LabelError(message)
        if named:
            entries.append(Entry(path=path, name=relative.as_posix(), label=LABELS.index(named.pop())))
        else:
            unlabelled += 1
    notes = [f"{unlabelled} files lie in neither NORMAL nor PNEUMONIA and were left out."] if unlabelled else []
    entries.sort(key=lambda entry: (entry.label, entry.name))
    check_classes(entries, f"in folders called NORMAL and PNEUMONIA below {folder}")
    return Entries(entries=tuple(entries), notes=tuple(notes))


def _files(folder: Path) -> Iterator[Path]:
    """Yield every file below `folder`, links followed, none twice by a link that leads back."""
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real := Path(root).resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        yield from (Path(root, name) for name in sorted(files) if not _is_litter(name))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def check_classes(entries: list[Entry], where: str) -> None:
    """Raise LabelError if a class has no file."""
    counts = Counter(entry.label for entry in entries)
    if not all(counts[label] for label in range(len(LABELS))):
        found = ", ".join(f"{counts[label]} {name}" for label, name in enumerate(LABELS))
        message = f"expected images of both classes {where}. Received: {found}"
        raise LabelError(message)
