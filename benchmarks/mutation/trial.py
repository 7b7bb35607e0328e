"""Trying mutants: the tests are collected once, and each mutant has a fork of that process, to the first failure."""

import ast
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import psycopg
import pytest
from mutants import Mutant
from psycopg.sql import SQL, Identifier

NEVER = "never ends"
SURVIVES = "survives"
_PATIENCE = 8.0  # seconds that a test may take longer than three times as long as it took without a mutant


class Trial:
    """A plugin of pytest that runs the collected tests once as they are and once for each mutant."""

    def __init__(self, tree: Path, mutants: list[Mutant], told: Callable[[Mutant, str], None]) -> None:
        """Write mutants into `tree`, too, for processes that the tests start."""
        self._tree, self._mutants, self._told = tree, mutants, told
        self._took: dict[str, float] = {}
        self._failed: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test took, and the first failure."""
        self._took[report.nodeid] = self._took.get(report.nodeid, 0) + report.duration
        if report.failed:
            self._failed = self._failed or report.nodeid

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Leave the fixtures of the session standing after a first run: the mutants' tests share them."""
        items = session.items
        for item, following in zip(items, (*items[1:], items[0]), strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if self._failed:
            pytest.exit(f"without any mutant there fails: {self._failed}", 1)
        items.sort(key=lambda item: self._took[item.nodeid])
        for mutant in self._mutants:
            path = self._tree / mutant.path
            original = path.read_text(encoding="utf-8")
            path.write_text(mutant.text, encoding="utf-8")
            outcome = self._try(items, mutant)
            path.write_text(original, encoding="utf-8")
            _clean(session)
            if killer := next((item for item in items if item.nodeid == outcome), None):
                items.remove(killer)
                items.insert(0, killer)  # it may kill the next one, too
            self._told(mutant, outcome)
        return True

    def _try(self, items: list[pytest.Item], mutant: Mutant) -> str:
        """Return which test noticed it, or else what became of it."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            self._be(items, mutant, writing)
        os.close(writing)
        said = b""
        end = time.monotonic() + sum(3 * self._took[item.nodeid] + _PATIENCE for item in items)
        while time.monotonic() < end and (more := os.read(reading, 4096)):
            said += more
        os.close(reading)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        begun = said.decode().splitlines()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            return NEVER
        return SURVIVES if begun[-1:] == [SURVIVES] else begun[-1]

    def _be(self, items: list[pytest.Item], mutant: Mutant, writing: int) -> None:
        """Be the mutant: in a process of its own, which does not return."""
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            os.write(writing, b"import\n")
            transplant(mutant)
            for item, following in zip(items, (*items[1:], items[0]), strict=True):
                os.write(writing, f"{item.nodeid}\n".encode())
                signal.setitimer(signal.ITIMER_REAL, 3 * self._took[item.nodeid] + _PATIENCE)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failed:
                    os._exit(1)
            os.write(writing, SURVIVES.encode())
        finally:
            os._exit(0)


def transplant(mutant: Mutant) -> None:
    """Put the statement that is wrong into its module, which others have imported from long ago."""
    module = importlib.import_module(mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    wrong, *later = ast.parse(mutant.text).body[mutant.statement :]
    scratch = dict(vars(module))
    affected = [wrong, *_made_of(wrong, later)]
    exec(compile(ast.Module(affected, []), str(module.__file__), "exec"), scratch)  # noqa: S102 - our own text
    for name, new in scratch.items():
        old = vars(module).get(name)
        if old is not new and name != "__builtins__":
            _replace(module, name, old, new)


def _made_of(wrong: ast.stmt, later: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the later constants of a module that are made of what a statement defines."""
    known = _names(wrong, ast.Store)
    for one in later:
        if isinstance(one, ast.Assign | ast.AnnAssign) and known & _names(one, ast.Load):
            known |= _names(one, ast.Store)
            yield one


def _names(statement: ast.stmt, way: type[ast.expr_context]) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    return {one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, way)}


def _replace(module: ModuleType, name: str, old: Any, new: Any) -> None:  # noqa: ANN401 - whatever a module has
    if isinstance(new, FunctionType):
        _become(old, new)
    elif isinstance(new, type):
        for attribute in vars(new):
            was, will = _function(old, attribute), _function(new, attribute)
            if was and will:
                _become(was, will)
    elif type(new).__name__ == "TextClause":
        old.__dict__.clear()
        old.__dict__.update(new.__dict__)
    else:
        for one in [module, *sys.modules.values()]:
            if getattr(one, "__dict__", {}).get(name) is old:
                setattr(one, name, new)


def _function(owner: type, name: str) -> FunctionType | None:
    found = vars(owner).get(name)
    return found if isinstance(found, FunctionType) else None


def _become(was: FunctionType, will: FunctionType) -> None:
    was.__code__, was.__defaults__, was.__kwdefaults__ = will.__code__, will.__defaults__, will.__kwdefaults__


def _made(session: pytest.Session, name: str) -> Any:  # noqa: ANN401 - whatever a fixture gives
    """Return what a fixture of the session gave; None where no test has asked for it."""
    for places in session._fixturemanager._arg2node2fixturedefs.get(name, {}).values():
        for fixture in places:
            if fixture.cached_result is not None:
                return fixture.cached_result[0]
    return None


def _clean(session: pytest.Session) -> None:
    """Let go of the databases that a mutant has used."""
    server, migrated = _made(session, "postgresql_server"), _made(session, "migrated_databases")
    if migrated is None:
        return
    with psycopg.connect(server, autocommit=True) as connection:
        made = [
            name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^tibabu_[0-9]'")
        ]
        if set(migrated._empty) - set(made):
            migrated._empty.clear()  # the mutant's process has dropped it
        for name in made:
            if name not in migrated._empty:
                connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
    with migrated.one():
        pass  # it is emptied as it is given back
