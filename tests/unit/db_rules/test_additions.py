"""Migrations that hosts of the version before go on working with: they only add."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import db.migrations
from db.revision import WORKS_FROM

VERSIONS = Path(db.migrations.__file__).parent / "versions"
ADDING = {"f", "get_bind", "create_table", "create_index", "add_column"}


def taking(source: str) -> Iterator[str]:
    """Yield what a migration does that the program of the version before may not bear."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = {_name_of(call) for call in calls if _operation(call) == "create_table"}
    for call in calls:
        operation, given = _operation(call), {word.arg: word.value for word in call.keywords}
        if operation and operation not in ADDING:
            yield operation
        if operation == "create_index" and "unique" in given and ast.unparse(call.args[1]) not in made:
            yield "create_index, unique"
        if operation == "add_column":
            words = {word.arg: ast.unparse(word.value) for one in call.args for word in getattr(one, "keywords", ())}
            if words.get("nullable") != "True" and "server_default" not in words:
                yield "add_column, must be given"


def _operation(call: ast.Call) -> str:
    target = call.func
    is_of_alembic = isinstance(target, ast.Attribute) and ast.unparse(target.value) == "op"
    return target.attr if is_of_alembic and isinstance(target, ast.Attribute) else ""


def _name_of(call: ast.Call) -> str:
    return ast.unparse(call.args[0])


def test_every_migration_since_the_oldest_version_that_works_beside_this_one_only_adds() -> None:
    later = [path for path in VERSIONS.glob("r*.py") if path.name[1:5] > WORKS_FROM]
    assert {path.name: list(taking(path.read_text(encoding="utf-8"))) for path in later} == {
        path.name: [] for path in later
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("op.drop_column('study', 'x')", "drop_column"),
        ("op.rename_table('study', 'studies')", "rename_table"),
        ("op.execute('UPDATE study SET x = 1')", "execute"),
        ("with op.batch_alter_table('study') as t: t.drop_column('x')", "batch_alter_table"),
        ("op.create_index('i', 'study', ['x'], unique=True)", "create_index, unique"),
        ("op.add_column('study', sa.Column('x', sa.Text(), nullable=False))", "add_column, must be given"),
    ],
)
def test_what_takes_something_away_or_forbids_something_is_noticed(line: str, found: str) -> None:
    assert list(taking(line)) == [found]


@pytest.mark.parametrize(
    "line",
    [
        "op.add_column('study', sa.Column('x', sa.Text(), nullable=True))",
        "op.add_column('study', sa.Column('x', sa.Text(), server_default=sa.text('0'), nullable=False))",
        "op.create_table('t', sa.Column('x', sa.Text()))\nop.create_index('i', 't', ['x'], unique=True)",
        "op.create_index('i', 'study', ['x'])",
    ],
)
def test_what_only_adds_is_let_pass(line: str) -> None:
    assert list(taking(line)) == []
