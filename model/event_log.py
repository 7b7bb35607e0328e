"""What happens in a training, epoch by epoch, as event files that TensorBoard reads. Needs it (extra `train`)."""

import logging
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from model.fitting import Epoch
from model.runtime import tensorflow

_LOG = logging.getLogger(__name__)


class EventLog:
    """Writes one fold's epochs; a context manager, so that the file is complete when the fold ends."""

    def __init__(self, folder: Path) -> None:
        """Start a file in the folder, beside those of earlier attempts; none, and a warning, without TensorBoard."""
        self._tf = tensorflow()
        self._writer = None
        if find_spec("tensorboard") is None:
            _LOG.warning("training_events_left_out", extra={"reason": "tensorboard is not installed"})
        else:
            self._writer = self._tf.summary.create_file_writer(str(folder))

    def __enter__(self) -> Self:
        """Hand back the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def write(self, epoch: Epoch) -> None:
        """Add one epoch's numbers."""
        if self._writer is None:
            return
        values = {
            "loss/training": epoch.loss,
            "loss/held out": epoch.held_out_loss,
            "AUC/held out": epoch.held_out_auc,
            "seconds": epoch.seconds,
        }
        with self._writer.as_default(step=epoch.number):
            for name, value in values.items():
                if value is not None:
                    self._tf.summary.scalar(name, value)
        self._writer.flush()
