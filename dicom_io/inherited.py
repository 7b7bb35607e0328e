"""Listening sockets that whoever started us holds open, as systemd does (sd_listen_fds(3)).

They outlive every process that accepts from them: who calls while none does waits, and is not refused.
"""

import os
import socket
from typing import Final

FIRST: Final = 3
"""The first descriptor that is passed (SD_LISTEN_FDS_START)."""


def inherited_socket(port: int) -> socket.socket | None:
    """Return the socket of a port that was passed to this process or to the one that has forked it, if there is one.

    Several processes may accept from it, so it does not block: one that was awoken and comes too late goes on.
    """
    if os.environ.get("LISTEN_PID") not in {str(os.getpid()), str(os.getppid())}:
        return None
    for descriptor in range(FIRST, FIRST + int(os.environ.get("LISTEN_FDS", "0"))):
        passed = socket.socket(fileno=os.dup(descriptor))
        if passed.family in {socket.AF_INET, socket.AF_INET6} and passed.getsockname()[1] == port:
            passed.settimeout(0)
            return passed
        passed.close()
    return None
