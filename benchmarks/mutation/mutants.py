"""Wrong versions of a module: mutmut's of its Python, and our own of its SQL, which mutmut leaves alone."""

import ast
import difflib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

_SQL = {
    r"(?<!'-2 seconds' )\bAND\b": ("OR",),
    r"\bOR\b": ("AND",),
    r"<=": ("<",),
    r">=": (">",),
    r" < ": (" <= ",),
    r" > ": (" >= ", " < "),
    r" = ": (" <> ",),
    r"<>": ("=",),
    r" DESC\b": ("",),
    r"\bgreatest\b": ("least",),
    r"\bleast\b": ("greatest",),
    r"\bmin\(": ("max(",),
    r"\bNOT EXISTS\b": ("EXISTS",),
    r"'todo'": ("'doing'", "'failed'"),
    r"'doing'": ("'todo'", "'failed'"),
    r"'failed'": ("'todo'", "'doing'"),
    r" \+ ": (" - ",),
    r" - ": (" + ",),
    r"\+ 1\b": ("+ 0", "+ 2"),
    r"'2 seconds'": ("'1 hour'", "'0 seconds'"),
    r"'-2 seconds'": ("'-1 hour'", "'0 seconds'"),
    r"\bLEFT JOIN\b": ("JOIN",),
    r"queue_name = ANY\(:kinds\) AND": ("",),
    r"clock_timestamp\(\)": ("CAST(:now AS timestamptz)",),
    r"coalesce\(nullif\((.*?), ''\), (.*?)\)": (r"coalesce(\1, \2)", r"\2", r"\1"),
    r", id DESC": ("",),
    r"'job_inserted'": ("'job_aborted'",),
    r"WHERE merged": ("WHERE NOT merged", "WHERE true", "WHERE false"),
    r"args = excluded.args, ": ("",),
    r"priority = excluded.priority, ": ("",),
    r", attempts = excluded.attempts": ("",),
    r'COLLATE "C"': ("",),
}
"""What is written in a statement, and what it could be instead."""


@dataclass(frozen=True)
class Mutant:
    """A module's text with one thing wrong, and the place of that in it: which of its outermost statements."""

    path: str
    number: int
    text: str
    statement: int
    said: str
    """What was written, and what is."""


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Return all of a module, in the order of its lines."""
    text = (root / path).read_text(encoding="utf-8")
    found = [*_of_python(path, text), *_of_sql(text)]
    return [
        Mutant(path, number, mutated, statement, _difference(text, mutated))
        for number, (statement, mutated) in enumerate(sorted(dict.fromkeys(found)), 1)
    ]


def _of_python(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Give those of functions without decorators, and those of constants."""
    mutmut = importlib.import_module("mutmut.mutation.file_mutation")
    module, mutations, *_ = mutmut.create_mutations(path, text)
    before = ast.parse(text).body
    dumps = [ast.dump(one) for one in before]
    for mutation in mutations:
        around = type(mutation.contained_by_top_level_function).__name__
        if around not in {"FunctionDef", "NoneType"}:
            continue  # a name or a type in a class
        changed = mutmut.deep_replace(module, mutation.original_node, mutation.mutated_node).code
        after = map(ast.dump, ast.parse(changed).body)
        outermost = next((n for n, (one, other) in enumerate(zip(dumps, after, strict=True)) if one != other), None)
        if outermost is None or (around == "NoneType" and not _is_constant(before[outermost])):
            continue  # written differently, or words for the reader
        yield outermost, changed


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign) and not any(_is_text(one) for one in ast.walk(node))


def _of_sql(text: str) -> Iterator[tuple[int, str]]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for number, outermost in enumerate(ast.parse(text).body):
        for call in filter(_is_text, ast.walk(outermost)):
            begin, end = _place(call, starts)
            for pattern, others in _SQL.items():
                for hit in re.finditer(pattern, text[begin:end]):
                    for other in others:
                        yield number, text[: begin + hit.start()] + hit.expand(other) + text[begin + hit.end() :]


def _is_text(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text"


def _place(node: ast.Call, starts: list[int]) -> tuple[int, int]:
    begin = starts[node.lineno - 1] + node.col_offset
    return begin, starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)


def _difference(text: str, mutated: str) -> str:
    lines = difflib.unified_diff(text.splitlines(), mutated.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))
