"""Every event and field that the program logs is listed: all of its sources are read for it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agent.log_fields import FIELDS

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("agent", "db", "dicom_io", "model")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EDGES = {"edge": 0, "unforeseen": 1, "_ended_by_abort": 1}
"""Edges that log whatever goes wrong in their block under a name, and which of their arguments that is."""


@dataclass(frozen=True)
class Logged:
    """A call that may log, the method that it calls, and the file that it stands in."""

    call: ast.Call
    method: ast.Attribute
    tree: ast.Module
    path: Path

    @property
    def by_a_logger(self) -> bool:
        owner = self.method.value
        return self.method.attr in LEVELS and isinstance(owner, ast.Name) and owner.id in {"log", "logger", "_log"}


@cache
def logged() -> tuple[Logged, ...]:
    """Return every call of the program that logs, or reports what is logged."""
    found = []
    for path in (path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                one = Logged(node, node.func, tree, path)
                if one.by_a_logger or node.func.attr == "_report":
                    found.append(one)
    return tuple(found)


def events() -> set[str]:
    """Return the name of every event that the program logs; at the edges for whatever goes wrong it is handed on."""
    firsts = (one.call.args[0] for one in logged() if one.call.args)
    edges = (
        node.args[EDGES[node.func.id]]
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EDGES
        if len(node.args) > EDGES[node.func.id]
    )
    return {str(first.value) for first in (*firsts, *edges) if isinstance(first, ast.Constant)}


def test_the_table_of_log_events_is_complete_and_names_no_other() -> None:
    said = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
    table = said.partition("| event | level |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == events()


def test_every_event_has_a_static_name() -> None:
    assert all(re.fullmatch(r"[a-z][a-z_0-9]*", name) for name in events())


def fields_of(call: ast.Call, tree: ast.Module) -> Iterator[str]:
    """Yield the fields that a call hands to the log, by name or in a dict that this file makes."""
    made = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict)
    }
    for keyword in call.keywords:
        if keyword.arg not in {None, "extra"}:
            yield str(keyword.arg)
            continue
        value = made.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
        for key in value.keys if isinstance(value, ast.Dict) else ():
            if isinstance(key, ast.Constant):
                yield str(key.value)


def test_every_field_that_is_logged_is_listed_else_it_would_be_left_out() -> None:
    for one in logged():
        if one.by_a_logger:
            unknown = set(fields_of(one.call, one.tree)) - FIELDS.keys() - {"exc_info"}
            assert not unknown, f"{one.path}:{one.call.lineno}: list in agent/log_fields.py: {unknown}"
