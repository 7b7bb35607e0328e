"""tests/fixtures/forked.py: tests that run in copies of the process end as pytest would have told them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run the files of tests in two forked processes, whatever this machine has."""
    (folder / "conftest.py").write_text("import forked\nforked._CORES = 1\n", encoding="utf-8")
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "forked", "-p", "no:cacheprovider", "-c", os.devnull, *options]
    environment = {**os.environ, "PYTHONPATH": str(FIXTURES), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(  # noqa: S603 - our own command
        [*command, str(folder)], cwd=folder, env=environment, text=True, capture_output=True, check=False
    )


@pytest.fixture
def mixed() -> str:
    return (
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 1 == 2\ndef test_left_out(): pytest.skip('why')\n"
    )


def test_what_passes_fails_and_is_left_out_is_counted_and_a_failure_is_shown(tmp_path: Path, mixed: str) -> None:
    ended = run(tmp_path, mixed=mixed, good="def test_good(): pass\n")
    assert "1 failed, 2 passed, 1 skipped" in ended.stdout
    assert "assert 1 == 2" in ended.stdout
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("end", "status"), [("os._exit(3)", 3), ("os.abort()", -6), ("raise KeyboardInterrupt", 130)])
def test_a_process_that_ends_in_a_test_is_a_failure_that_says_where_and_how(
    tmp_path: Path, end: str, status: int
) -> None:
    ended = run(tmp_path, good="def test_good(): pass\n", worse=f"import os\ndef test_ends(): {end}\n")
    expected = f"expected an end of every test. Received: some without one in test_worse.py; exit codes: {status}"
    assert expected in ended.stdout
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED


def test_with_x_nothing_of_the_file_runs_after_its_first_failure(tmp_path: Path) -> None:
    after = "def test_bad(): assert 0\ndef test_after(tmp_path): open('ran', 'w')\n"
    ended = run(tmp_path, "-x", after=after)
    assert "stopping after 1 failures" in ended.stdout
    assert not (tmp_path / "ran").exists()
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
