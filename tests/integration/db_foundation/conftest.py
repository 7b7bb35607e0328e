"""What the tests of the database's foundation share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import db


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Return `run_python(code, *arguments)`: runs the code in a process of its own; returns what it prints."""

    def run(code: str, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(Path(db.__file__).parents[1])}
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
