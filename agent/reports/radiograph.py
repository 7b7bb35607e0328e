"""The pixels of a flagged radiograph, decoded in a process of its own that is kept for the next one.

Such a process takes longer to start than most images take to be decoded. Who asks while it is busy gets another one, so
that an image on which a decoder hangs holds up no other destination's report.
"""

import atexit
import threading
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_io.decoding import Decoder

IDLE_SECONDS: Final = 60.0
"""How long a process that nobody asks is kept."""


class KeptDecoder:
    """Decodes for any number of threads, and keeps one process from one image to the next."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """Start nothing."""
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._kept: Decoder | None = None
        self._timer: threading.Timer | None = None

    @property
    def keeps(self) -> bool:
        """Whether a process waits for the next image."""
        return self._kept is not None

    def first_frame(self, path: Path) -> NDArray[np.uint8]:
        """Return the first frame of a file. Raises as `Decoder.read_frames` does."""
        decoder = self._take() or Decoder()
        try:
            return decoder.read_frames(path)[0]
        finally:
            self._keep(decoder)

    def close(self) -> None:
        """End the process that is kept, if one is."""
        if (decoder := self._take()) is not None:
            decoder.close()

    def _take(self) -> Decoder | None:
        with self._lock:
            decoder, self._kept = self._kept, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        return decoder

    def _keep(self, decoder: Decoder) -> None:
        with self._lock:
            surplus, self._kept = self._kept, decoder
            if self._timer is None:
                self._timer = threading.Timer(self._idle_seconds, self.close)
                self._timer.daemon = True
                self._timer.start()
        if surplus is not None:
            surplus.close()


_DECODER: Final = KeptDecoder()
atexit.register(_DECODER.close)


def radiograph(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of a radiograph, uint8 [rows, columns] or [rows, columns, 3].

    Raises dicom_io.errors.PixelError, and DecoderError where no process can be started.
    """
    return _DECODER.first_frame(path)
