"""What executes networks, and the one door to TensorFlow: imported on first use, quiet, with a number of threads."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.errors import RuntimeUnavailableError

TensorFlow = Any
"""The module `tensorflow`, which ships no types."""
Network = Any
"""A Keras model; Keras ships no types."""
Tensor = Any
"""A TensorFlow tensor, symbolic or not; TensorFlow ships no types."""
Floats = npt.NDArray[np.float32]
Execute = Callable[[Floats], tuple[Floats, Floats]]
"""A compiled ensemble: images [n, 156, 156, 3] to (logits [n], activations [n, rows, columns]), n one of its sizes."""

_STDERR = 2
_CHATTER = re.compile(rb"WARNING: All log messages before absl|[IWE]\d{4} \d\d:\d\d:|[IWE]0000 ")

Runtime = Literal["auto", "tensorflow", "openvino"]
"""What executes a network that serves. "auto" is the fastest that is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How many threads a runtime may use; 0 leaves the choice to it (one a core).

    `intra_op` work inside one operation (a convolution), `inter_op` independent operations side by side.
    """

    intra_op: int = 0
    inter_op: int = 0


def cores() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def chosen(runtime: Runtime) -> Literal["tensorflow", "openvino"]:
    """Return the runtime to use.

    Raises:
        RuntimeUnavailableError: OpenVINO is asked for by name and not installed.

    """
    installed = find_spec("openvino") is not None
    if runtime == "openvino" and not installed:
        msg = "expected OpenVINO, which `pip install tibabu[openvino]` brings. Received: runtime=openvino without it"
        raise RuntimeUnavailableError(msg)
    return "openvino" if runtime != "tensorflow" and installed else "tensorflow"


def tensorflow(threads: Threads | None = None) -> TensorFlow:
    """Import TensorFlow without its start-up chatter and hand it back.

    Thread counts count only in the call that imports it: TensorFlow fixes its pools with its first operation.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _quiet():
        import tensorflow as tf  # noqa: PLC0415 (seconds and hundreds of MiB: only for those who score or train)

        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads.intra_op)
            tf.config.threading.set_inter_op_parallelism_threads(threads.inter_op)
        tf.config.list_logical_devices()  # looks for devices, aloud, now instead of at the first operation
    return tf


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what is written to the process's standard error meanwhile, and leave out the native log lines.

    TensorFlow's C++ libraries log before their log level applies; no setting reaches those lines. If the block fails,
    nothing is left out.
    """
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        dull: re.Pattern[bytes] | None = _CHATTER
        try:
            yield
        except BaseException:
            dull = None
            raise
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            held.seek(0)
            os.write(_STDERR, b"".join(line for line in held if dull is None or not dull.match(line)))
