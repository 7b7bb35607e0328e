"""Would the tests notice? `python benchmarks/mutation lifecycle` tries all wrong versions of a part that mutmut makes.

It needs `pip install "mutmut>=3"`. Each survivor is shown with what is wrong in it.
"""

import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from mutants import Mutant, mutants_of
from trial import NEVER, SURVIVES, Trial

ROOT = Path(__file__).parents[2]
QUEUE = "tests/contract/queue"
LANES = "tests/unit/agent/test_lanes.py"


@dataclass(frozen=True)
class Part:
    """Modules, and the tests that say what they must do."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    only: str = ""


CONTRACT = ("rows", "moving", "server", "workers", "enqueueing", "running", "ending", "dying", "hanging")
PARTS = {
    "lifecycle": Part(("db/lifecycle.py",), ("tests/unit/db_rules/test_lifecycle.py",)),
    "gate": Part(("agent/line/gate.py", "agent/line/gate_terms.py"), ("tests/unit/gate",)),
    "embedded": Part(
        tuple(f"db/queue/{name}.py" for name in ("__init__", "embedded", "job_rows", "changes", "ledger", "policy")),
        (f"{QUEUE}/test_embedded.py",),
    ),
    "runner": Part(
        ("db/queue/runner.py", "db/queue/room.py", "agent/process/lanes.py"),
        (*(f"tests/unit/db_foundation/test_{name}.py" for name in ("heartbeat", "runner", "room")), LANES),
    ),
    "postgresql": Part(
        (
            *(f"db/queue/procrastinate_{name}.py" for name in ("rows", "engine")),
            *(f"db/queue/{name}.py" for name in ("moving", "announcements", "channel")),
        ),
        (
            *(f"{QUEUE}/test_{name}.py" for name in CONTRACT),
            "tests/integration/db_foundation/test_postgresql_worker.py",
        ),
        only="not sqlite",
    ),
}


@click.command()
@click.argument("part", type=click.Choice(list(PARTS)))
@click.option("--modules", default="", help="Only modules whose path has this in it.")
@click.option("--tests", default="", help="As pytest's -k: only these tests.")
@click.option("--first", type=int, default=1, show_default=True, help="Begin with this mutant of each module.")
@click.option("--numbers", default="", help="Only these mutants, by number: 3,17")
def main(part: str, modules: str, tests: str, first: int, numbers: str) -> None:
    """Try the mutants of a part of Tibabu."""
    asked = PARTS[part]
    chosen = {int(number) for number in numbers.split(",") if number}
    with tempfile.TemporaryDirectory(prefix="tibabu-mutants-") as name:
        tree = Path(name)
        for folder in ("agent", "benchmarks", "db", "dicom_io", "model", "tests"):
            shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        sys.path.insert(0, name)
        mutants = [one for path in asked.modules if modules in path for one in mutants_of(tree, path)]
        mutants = [one for one in mutants if one.number >= first and (not chosen or one.number in chosen)]
        outcomes: Counter[str] = Counter()

        def told(mutant: Mutant, outcome: str) -> None:
            found = outcome if outcome in {NEVER, SURVIVES} else "killed"
            outcomes[f"{mutant.path}: {found}"] += 1
            click.echo(f"\n{mutant.path} {mutant.number}: {outcome}", err=found == "killed")
            if found != "killed":
                click.echo(mutant.said)

        selected = " and ".join(f"({one})" for one in (asked.only, tests) if one)
        arguments = ["-q", "-n0", "--tb=short", "-p", "no:cacheprovider", "--rootdir", name, "-k", selected]
        arguments += [f"{tree / test}" for test in asked.tests]
        status = pytest.main(arguments, plugins=[Trial(tree, mutants, told)])
    for line, count in sorted(outcomes.items()):
        click.echo(f"{line} {count}")
    sys.exit(status)


if __name__ == "__main__":
    main()
