"""What is read at once is small: the budgets of docs/architecture.md for files and functions."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
FILES = [
    path
    for package in ("agent", "db", "dicom_io", "model", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
    if path.parent.name != "versions"  # migrations: each is one step that nobody changes any more
]


def lengths() -> Iterator[tuple[int, str]]:
    """Give the lines of each function, without its docstring."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
                said = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
                yield (node.end_lineno or 0) - node.lineno + 1 - said, f"{path.relative_to(ROOT)}:{node.name}"


def test_no_file_has_more_than_three_hundred_lines_and_half_of_them_at_most_a_hundred_and_twenty() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [str(path.relative_to(ROOT)) for path, count in lines.items() if count > 300] == []
    assert statistics.median(lines.values()) <= 120


def test_no_function_has_more_than_sixty_lines_and_half_of_them_at_most_nine() -> None:
    found = list(lengths())
    assert [name for length, name in found if length > 60] == []
    assert statistics.median(length for length, _ in found) <= 9
