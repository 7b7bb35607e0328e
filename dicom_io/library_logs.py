"""Keep patient data out of the logs of the libraries below: they quote values of datasets.

pynetdicom's debug records print whole messages, its errors quote what a peer sent, and pydicom warns and logs with the
value that it finds odd. What matters of it is logged by this package and by its callers, with identifiers only.
"""

import logging
import warnings
from typing import Final

_LIBRARIES: Final = ("pynetdicom", "pydicom")
_ABOVE_ALL_LEVELS: Final = logging.CRITICAL + 1


def quiet_libraries() -> None:
    """Let no record and no warning of pydicom and pynetdicom reach a handler or stderr.

    Global by nature: logging and warnings are. The SCP and the SCU call it themselves; a process that only reads or
    writes files calls it once, after it has configured its logging. Calling it again does no harm.
    """
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.setLevel(_ABOVE_ALL_LEVELS)  # their modules' loggers inherit it, and build no message for nothing
        logger.propagate = False
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
