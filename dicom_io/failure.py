"""The SCP's edge: whatever serving a request raises ends here, so that the peer gets a status and others are served."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


@contextmanager
def edge(event: str, association_id: str) -> Iterator[None]:
    """Log what the block raises, and end the block with it; the caller then answers with a failure.

    Of an error that a peer's bytes have caused only its type and place are logged: its words might quote them.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # the named edge
        where = traceback.extract_tb(error.__traceback__)[-1]
        facts = {"error": type(error).__name__, "where": f"{where.filename}:{where.lineno}"}
        _log.error(event, extra={"association_id": association_id, **facts})
