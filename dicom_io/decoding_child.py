"""The decoding process itself: `python -P -m dicom_io.decoding_child MEMORY_BYTES`. See `dicom_io.decoding_process`.

It ends when its standard input does, and by no signal that asks for a drain: whoever started it drains first. Should
that one be gone while native code hangs here, an alarm ends it.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dicom_io import reasons, without_requests  # noqa: F401 - before pydicom
from dicom_io.content import same_content
from dicom_io.decoding_process import ANSWER_LENGTH
from dicom_io.errors import PixelError
from dicom_io.frames import PixelLimits, read_frames
from dicom_io.values import read_values
from dicom_io.viewing import read_view
from dicom_io.voi import Window

Said: TypeAlias = tuple[dict[str, Any], Sequence[NDArray[np.uint8]]]
"""What is answered: an object of JSON, and the frames behind it."""

_FIRST_TO_GO: Final = "1000"
_GUARD_SECONDS: Final = 10.0  # how much longer than it may take a decoder hangs before the alarm


def main() -> None:
    """Answer questions until there are no more."""
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # native code may print: the answers have a pipe of their own
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(
        OSError
    ):  # proc(5): when the machine runs out of memory, this process is what can be spared
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the image, and the patient's name
    _send(out, {"ready": True}, ())
    for line in sys.stdin.buffer:
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, question["seconds"] + _GUARD_SECONDS)
        says, frames = _answer(question)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(out, {**says, "number": question["number"]}, frames)


def _answer(question: dict[str, Any]) -> Said:
    """Answer a question, whatever the files hold."""
    paths = [Path(path) for path in question["paths"]]
    try:
        return _CALLS[question["call"]](paths, question)
    except PixelError as error:
        return {"reason": error.reason}, ()
    except MemoryError:
        return {"reason": reasons.OUT_OF_MEMORY}, ()
    except Exception:  # noqa: BLE001 - hostile bytes are read here; this process has no log, and no words of theirs leave it
        return {"reason": reasons.UNFORESEEN}, ()


def _frames(paths: Sequence[Path], question: dict[str, Any]) -> Said:
    frames = read_frames(paths[0], limits=PixelLimits(**question["limits"]))
    return {"shapes": [frame.shape for frame in frames]}, frames


def _same_content(paths: Sequence[Path], question: dict[str, Any]) -> Said:
    return {"same": same_content(paths[0], paths[1], question["corrected"])}, ()


def _view(paths: Sequence[Path], question: dict[str, Any]) -> Said:
    window = None if question["window"] is None else Window(*question["window"])
    view = read_view(paths[0], question["index"], window)
    return {"shapes": [view.shape]}, (view,)


def _values(paths: Sequence[Path], question: dict[str, Any]) -> Said:
    """Return a frame's values as bytes [rows, bytes of a row], then its levels [1, n]."""
    found = read_values(paths[0], question["index"])
    rows = found.pixels.shape[0]
    frames = (found.pixels.reshape(rows, -1).view(np.uint8), found.levels.reshape(1, -1))
    return {"shapes": [frame.shape for frame in frames], "values": found.says}, frames


_CALLS: Final[dict[str, Callable[[Sequence[Path], dict[str, Any]], Said]]] = {
    "read_frames": _frames,
    "read_view": _view,
    "read_values": _values,
    "same_content": _same_content,
}


def _send(out: int, says: dict[str, Any], frames: Sequence[NDArray[np.uint8]]) -> None:
    text = json.dumps(says).encode()
    _write(out, memoryview(ANSWER_LENGTH.pack(len(text)) + text))
    for frame in frames:
        _write(out, np.ascontiguousarray(frame).reshape(-1).data)


def _write(out: int, data: memoryview) -> None:
    while data:
        data = data[os.write(out, data) :]


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing is left to be done: taking apart what was loaded would take a fifth of what loading it took
