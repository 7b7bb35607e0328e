"""What a power failure would leave: the page cache survives a kill, so the kernel's own record has to prove the order.

For each 0000H: fsync of the file -> rename -> fsync of the folder -> synced commit -> response.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tools

CARELESS = Path(__file__).with_name("careless_agent.py")


@pytest.fixture(scope="module")
def traced(
    configure: Any, running: Any, radiograph: Any, strace: Any, read_trace: Any, eventually: Any
) -> Callable[..., AbstractContextManager[Any]]:
    """Return `traced(folder, carelessness)`: runs, feeds and drains a receiver under strace."""

    @contextmanager
    def run(folder: Path, *carelessness: str) -> Iterator[Any]:
        file = folder / "trace"
        agent = configure(folder)
        python = agent.command[:2]
        agent.quick = None
        agent.command = [*strace(file), *([*python, CARELESS, *carelessness] if carelessness else agent.command)]
        studies = [[radiograph(value) for value in range(start, start + 4)] for start in (10, 20)]
        with running(agent, ["receive"]):
            scanners = [threading.Thread(target=agent.send, args=study) for study in studies]
            for scanner in scanners:
                scanner.start()
            for scanner in scanners:
                scanner.join()
        words = [str(agent.process.pid), "+++", "exited", "with", "0", "+++"]
        eventually(lambda: file.read_text(encoding="latin-1").splitlines()[-1].split() == words)
        yield read_trace(file), [str(dataset.SOPInstanceUID) for study in studies for dataset in study]

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traced")


@pytest.fixture(scope="module")
def sound(traced: Any, folder: Path) -> Iterator[Any]:
    with traced(folder) as found:
        yield found


def test_every_success_comes_after_file_and_row_are_on_disk(sound: Any, durable_steps: Any, folder: Path) -> None:
    trace, sent = sound
    steps = [durable_steps(trace, uid, folder) for uid in sent]
    assert len(steps) == 8
    assert len({step.response.begun for step in steps}) == 8


@pytest.mark.parametrize("when", ["never", "too late"])
@pytest.mark.parametrize("step", ["file", "rename", "folder", "commit"])
def test_the_proof_fails_when_any_one_step_is_missing_from_the_trace_or_comes_after_the_response(
    sound: Any, durable_steps: Any, folder: Path, step: str, when: str
) -> None:
    trace, sent = sound
    for uid in sent:
        steps = durable_steps(trace, uid, folder)
        call, after = getattr(steps, step), steps.response.ended + 1
        rest = [
            other for other in trace if (other.name, other.path, other.strings) != (call.name, call.path, call.strings)
        ]
        late = [] if when == "never" else [replace(call, begun=after, ended=after)]
        with pytest.raises(AssertionError, match="none in time"):
            durable_steps(rest + late, uid, folder)


@pytest.mark.parametrize("carelessness", ["file", "folder", "commit", "commit-in-wal"])
def test_the_proof_fails_on_an_agent_that_leaves_any_one_sync_out(
    traced: Any, durable_steps: Any, tmp_path: Path, carelessness: str
) -> None:
    with traced(tmp_path, carelessness) as (trace, sent):
        for uid in sent:
            with pytest.raises(AssertionError, match=f"{carelessness.partition('-')[0]}.*none in time"):
                durable_steps(trace, uid, tmp_path)
