"""Places counted across processes, which the kernel gives back when a process dies."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_io.errors import StoreError
from dicom_io.slots import EVERYBODY, Slots

HOLDER = """
import sys
from pathlib import Path
from dicom_io.slots import Slots
slots = Slots(Path(sys.argv[1]))
taken = [slots.take("", 3) for _ in range(2)] + [slots.take("XRAY", 1)]
print(taken.count(None), flush=True)
sys.stdin.read()
"""


def test_there_are_as_many_places_as_allowed_and_one_given_back_is_free_again() -> None:
    slots = Slots()
    taken = [slots.take(EVERYBODY, 2) for _ in range(3)]
    assert taken == [0, 1, None]
    slots.release(0)
    assert slots.take(EVERYBODY, 2) == 0
    slots.close()
    slots.close()
    assert slots.take(EVERYBODY, 2) is None, "what was closed has no place to give"


def test_groups_have_places_of_their_own() -> None:
    slots = Slots()
    assert slots.take("A", 1) is not None
    assert slots.take("A", 1) is None
    assert slots.take("B", 1) is not None
    slots.close()


def test_two_openings_of_one_file_share_the_places(tmp_path: Path) -> None:
    one, other = Slots(tmp_path / "slots"), Slots(tmp_path / "slots")
    assert one.take(EVERYBODY, 1) == 0
    assert other.take(EVERYBODY, 1) is None
    one.close()
    assert other.take(EVERYBODY, 1) == 0
    other.close()


def test_the_places_of_a_killed_process_are_free_again(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    program = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: S603
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"0\n"
        slots = Slots(path)
        assert [slots.take(EVERYBODY, 3), slots.take(EVERYBODY, 3), slots.take("XRAY", 1)] == [2, None, None]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert [slots.take(EVERYBODY, 3), slots.take(EVERYBODY, 3)] == [0, 1]
    assert slots.take("XRAY", 1) is not None
    assert path.stat().st_size == 0
    slots.close()


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected a file to count associations in"):
        Slots(tmp_path / "absent" / "slots")
