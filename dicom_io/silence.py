"""Running pydicom's decoders without their warnings and log lines, which quote values of the dataset."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()  # warning filters belong to the whole process (until Python 3.14)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom inside the block, which one thread at a time may enter."""
    logger = logging.getLogger("pydicom")
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(level)
