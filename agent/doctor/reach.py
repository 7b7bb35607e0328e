"""Why there is no connection: libraries only say that there is none."""

import socket
from typing import Final

_SECONDS: Final = 5.0


def reached(host: str, port: int) -> str:
    """Return what becomes of a connection to a port, in the system's words; empty where something listens there."""
    try:
        with socket.create_connection((host, port), _SECONDS):
            return ""
    except socket.gaierror:
        return "the name is not known"
    except TimeoutError:
        return "nothing answers at that address"
    except OSError as error:
        return error.strerror or type(error).__name__
