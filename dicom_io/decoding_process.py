"""One decoding process, seen from outside: how it is started, asked, given up and ended.

It is asked by a line of JSON on its standard input. On its standard output it answers with JSON, four bytes that say
how long that is before it, and the frames behind it. The end of its standard input is its order to end.
"""

import contextlib
import fcntl
import json
import math
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from dicom_io.errors import DecoderError

ANSWER_LENGTH: Final = struct.Struct("<L")
_MAX_ANSWER: Final = 1 << 20
_DIMENSIONS: Final = (2, 3)  # of a frame: rows and columns, and samples of colour
_START_SECONDS: Final = 120.0  # a loaded machine starts Python slowly
_END_SECONDS: Final = 10.0
_PIPE_BYTES: Final = 1 << 20  # Linux grants it to everybody; with its usual 64 KiB a frame takes many more steps


class ProcessDiedError(Exception):
    """The process ended, or answered nonsense, while it was asked; `exit_status` is negative for a signal."""

    def __init__(self, exit_status: int) -> None:
        """Keep the exit status as `subprocess` gives it, 0 for nonsense."""
        super().__init__(exit_status)
        self.exit_status = exit_status


class TooSlowError(Exception):
    """The process did not answer in time, and was killed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process said, and the frames that came with it."""

    says: dict[str, Any]
    frames: tuple[NDArray[np.uint8], ...]


class DecodingProcess:
    """A process that decodes for one thread at a time; started at once, and again with a question after its death."""

    def __init__(self, memory_bytes: int, *, starts_now: bool = True) -> None:
        """Start it without waiting until it is ready, or with its first question.

        `memory_bytes` is what its address space may grow to.
        """
        self._command = [sys.executable, "-P", "-m", "dicom_io.decoding_child", str(memory_bytes)]
        self._ready = False
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = _start(self._command) if starts_now else None

    def ask(self, question: dict[str, Any], *, seconds: float, max_bytes: int) -> Answer:
        """Put a question and return the whole answer, for whose frames no more than `max_bytes` is allocated.

        Whatever comes of it, the next question finds a process that waits for it.

        Raises:
            ProcessDiedError: the process died.
            TooSlowError: it took longer than `seconds`, and was killed.
            DecoderError: it cannot be started.

        """
        process = self.wait_until_ready()
        channel = _Channel(process.stdout, seconds)
        try:
            self._number += 1
            line = json.dumps({**question, "seconds": seconds, "number": self._number})
            os.write(_open(process.stdin).fileno(), line.encode() + b"\n")
            says = channel.message()
            if says.get("number") != self._number:
                raise ValueError  # noqa: TRY301 - an answer to another question
            return Answer(says, tuple(channel.frames(says.get("shapes", ()), max_bytes)))
        except (EOFError, BrokenPipeError):
            raise ProcessDiedError(self._reap()) from None
        except (TypeError, ValueError, RecursionError):  # nonsense, however deep
            self._kill()
            raise ProcessDiedError(0) from None
        except BaseException:  # whatever it is: what is left in the pipe must never be taken for the next image
            self._kill()
            raise

    def end(self) -> None:
        """End the process at once: it waits for a question, or still starts, and has nothing to lose."""
        self._kill()

    def wait_until_ready(self) -> subprocess.Popen[bytes]:
        """Return the process when it waits for a question; another one if it has died meanwhile."""
        if self._process is not None and self._process.poll() is not None:
            self._reap()
        if self._process is None:
            self._ready, self._process = False, _start(self._command)
        if not self._ready:
            try:
                _Channel(self._process.stdout, _START_SECONDS).message()
            except (EOFError, TooSlowError, TypeError, ValueError) as error:
                message = f"expected a decoding process. Received: {type(error).__name__}, exit status={self._kill()}"
                raise DecoderError(message) from None
            self._ready = True
        return self._process

    def _kill(self) -> int:
        if self._process is not None:
            self._process.kill()
        return self._reap()

    def _reap(self) -> int:
        """Part from a process that has ended, or ends now that nobody asks it any more; return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            _open(pipe).close()
        try:
            return process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native code complains there, and might quote what it reads
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    except OSError as error:
        message = f"expected a decoding process. Received: {type(error).__name__}"
        raise DecoderError(message) from error
    with contextlib.suppress(OSError):  # a smaller pipe is slower, not wrong
        fcntl.fcntl(_open(process.stdout).fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError
    return pipe


class _Channel:
    """What a process puts out, for so many seconds from now."""

    def __init__(self, pipe: IO[bytes] | None, seconds: float) -> None:
        self._descriptor = _open(pipe).fileno()
        self._deadline = time.monotonic() + seconds
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def message(self) -> dict[str, Any]:
        """Receive a JSON object. ValueError if it is none, or longer than any answer."""
        (length,) = ANSWER_LENGTH.unpack(self._exactly(ANSWER_LENGTH.size))
        if length > _MAX_ANSWER:
            raise ValueError
        found = json.loads(self._exactly(length))
        if not isinstance(found, dict):
            raise TypeError
        return found

    def frames(self, shapes: Sequence[Sequence[int]], max_bytes: int) -> list[NDArray[np.uint8]]:
        """Receive a frame of each shape. ValueError if one is none, or together they are larger than they may be."""
        if not all(
            len(shape) in _DIMENSIONS and all(type(size) is int and size > 0 for size in shape) for shape in shapes
        ):
            raise ValueError
        if sum(math.prod(shape) for shape in shapes) > max_bytes:
            raise ValueError
        found = [np.empty(shape, np.uint8) for shape in shapes]
        for frame in found:
            self._fill(frame.reshape(-1).data)
        return found

    def _exactly(self, length: int) -> bytearray:
        room = bytearray(length)
        self._fill(room)
        return room

    def _fill(self, room: bytearray | memoryview) -> None:
        """Fill `room`. EOFError where the process ends before, TooSlowError where the time does."""
        filled, view = 0, memoryview(room)
        while filled < len(view):
            left = self._deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(math.ceil(left * 1000)):
                raise TooSlowError
            received = os.readv(self._descriptor, [view[filled:]])
            if received == 0:
                raise EOFError
            filled += received
