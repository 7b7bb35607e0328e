"""Decoding in processes of their own, so that native code that crashes, hangs or eats memory costs one image.

    with Decoder(DecoderSettings(processes=2)) as decoder:
        frames = decoder.read_frames(path)

`Decoder` may be used by many threads at once; each call takes one process and waits until one is free. A process that
dies, takes too long or wants too much memory is replaced, and its image gets a PixelError with the reason.
"""

import dataclasses
import queue
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dicom_io import reasons
from dicom_io.decoding_process import Answer, DecodingProcess, ProcessDiedError, TooSlowError
from dicom_io.errors import PixelError
from dicom_io.image import PixelLimits
from dicom_io.values import FrameValues
from dicom_io.viewing import VIEW_LIMITS
from dicom_io.voi import Window

_DEFAULT_LIMITS: Final = PixelLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSettings:
    """How many processes decode, and what one file may take at most: seconds, and bytes of its process's memory."""

    processes: int = 1
    seconds: float = 60.0
    memory_bytes: int = 4 << 30


_DEFAULT_SETTINGS: Final = DecoderSettings()


class Decoder:
    """Processes that decode. Close it, or use it in a `with` statement."""

    def __init__(self, settings: DecoderSettings = _DEFAULT_SETTINGS, *, starts_now: bool = True) -> None:
        """Start the processes, without waiting until they are ready; or each when there is something for it to do."""
        self._settings = settings
        self._idle: queue.LifoQueue[DecodingProcess] = queue.LifoQueue()
        for _ in range(settings.processes):
            self._idle.put(DecodingProcess(settings.memory_bytes, starts_now=starts_now))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def wait_until_ready(self) -> None:
        """Wait until the first image need not wait for its process. DecoderError where one cannot be started."""
        processes = [self._idle.get() for _ in range(self._settings.processes)]
        for process in processes:
            process.wait_until_ready()
            self._idle.put(process)

    def close(self) -> None:
        """End all processes, each when the call that it serves has ended. No call may follow."""
        for _ in range(self._settings.processes):
            self._idle.get().end()

    def read_frames(self, path: Path, *, limits: PixelLimits = _DEFAULT_LIMITS) -> tuple[NDArray[np.uint8], ...]:
        """Return what `dicom_io.frames.read_frames` returns.

        Raises:
            PixelError: as that does; also where decoding crashes, or takes too much time or memory.
            DecoderError: no process can be started, which says nothing about the file.

        """
        request = {"call": "read_frames", "paths": [str(path)], "limits": dataclasses.asdict(limits)}
        return self._ask(request, max_bytes=limits.max_bytes).frames

    def read_view(self, path: Path, index: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return what `dicom_io.viewing.read_view` returns. Raises as `read_frames` does."""
        plain = None if window is None else dataclasses.astuple(window)
        request = {"call": "read_view", "paths": [str(path)], "index": index, "window": plain}
        (view,) = self._ask(request, max_bytes=VIEW_LIMITS.max_bytes).frames
        return view

    def read_values(self, path: Path, index: int) -> FrameValues:
        """Return what `dicom_io.values.read_values` returns; the pixels as bytes, uint8 [rows, bytes of a row].

        Raises as `read_frames` does.
        """
        request = {"call": "read_values", "paths": [str(path)], "index": index}
        answer = self._ask(request, max_bytes=VIEW_LIMITS.max_bytes)
        pixels, levels = answer.frames
        return FrameValues(pixels, levels.reshape(-1), dict(answer.says["values"]))

    def same_content(self, first: Path, second: Path, corrected: Collection[str] = ()) -> bool:
        """Return what `dicom_io.content.same_content` returns: what cannot be decoded is not the same.

        DecoderError where no process can be started.
        """
        request = {"call": "same_content", "paths": [str(first), str(second)], "corrected": sorted(corrected)}
        try:
            return self._ask(request, max_bytes=0).says.get("same") is True
        except PixelError:
            return False

    def _ask(self, question: dict[str, Any], *, max_bytes: int) -> Answer:
        """Put a question to a process that is free, and return its answer.

        A process that was killed (by a machine that is short of memory, most of all) says little about the image, which
        is given a second chance. One that crashed is not asked again.
        """
        try:
            return self._ask_once(question, max_bytes)
        except ProcessDiedError as error:
            if error.exit_status != -signal.SIGKILL:
                raise PixelError(reasons.CRASHED) from None
        try:
            return self._ask_once(question, max_bytes)
        except ProcessDiedError:
            raise PixelError(reasons.CRASHED) from None

    def _ask_once(self, question: dict[str, Any], max_bytes: int) -> Answer:
        with self._process() as process:
            try:
                answer = process.ask(question, seconds=self._settings.seconds, max_bytes=max_bytes)
            except TooSlowError:
                raise PixelError(reasons.TOO_SLOW) from None
        if reason := answer.says.get("reason"):
            known = str(reason)
            raise PixelError(known if known in reasons.ALL else reasons.UNFORESEEN)
        return answer

    @contextmanager
    def _process(self) -> Iterator[DecodingProcess]:
        process = self._idle.get()
        try:
            yield process
        finally:
            self._idle.put(process)
