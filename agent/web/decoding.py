"""The decoding processes of the web: started when the first image is looked at, and no more than so many at work."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Final, Self

from dicom_io.decoding import Decoder, DecoderSettings

AT_ONCE: Final = 2
"""Images that are made ready at once; the largest takes half a gigabyte meanwhile."""


class Decoding:
    """Gives a decoder for as long as a picture is made. Use it in a `with` statement."""

    def __init__(self, settings: DecoderSettings) -> None:
        """Start nothing."""
        self._settings = settings
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._stack = ExitStack()
        self._decoder: Decoder | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes that were started."""
        self._stack.close()

    @contextmanager
    def decoder(self) -> Iterator[Decoder]:
        """Wait for room, and give the decoder."""
        with self._room:
            yield self._started()

    def _started(self) -> Decoder:
        with self._lock:
            if self._decoder is None:
                self._decoder = self._stack.enter_context(Decoder(self._settings))
            return self._decoder
