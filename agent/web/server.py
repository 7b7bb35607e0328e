"""The web server of one process: uvicorn on a loopback address, stopped by an event."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import uvicorn

from agent.errors import ConfigError, InstallationError
from agent.web.site import make_site
from db.database import Database

_ADDRESSES = {"127.0.0.1": "127.0.0.1", "::1": "::1", "localhost": "127.0.0.1"}
_DRAIN_SECONDS = 5


def serve(database: Database, *, host: str, port: int, stop: threading.Event, ready: Callable[[int], None]) -> None:
    """Serve the worklist of `database` until `stop` is set, then finish what is under way and return.

    `host` is 127.0.0.1, ::1 or localhost; port 0 picks a free port. `ready` is called once, with the port, when
    connections are accepted. Raises ConfigError for an address that other machines can reach (there are no accounts
    yet) and InstallationError when the port is taken.
    """
    with _listener(_loopback(host), port) as listener:
        config = uvicorn.Config(
            make_site(database, _utc_now),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        server = _Server(config, stop, lambda: ready(listener.getsockname()[1]))
        asyncio.run(server.serve(sockets=[listener]))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _loopback(host: str) -> str:
    """Return the address to bind. Any other name is refused, also one that means this machine today."""
    if host not in _ADDRESSES:
        message = f"web.host: expected one of {', '.join(_ADDRESSES)}. Received: host={host}"
        raise ConfigError(message)
    return _ADDRESSES[host]


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        message = f"web.port: expected a port to listen on at {address}. Received: port={port} ({error.strerror})"
        raise InstallationError(message) from None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, says when it serves and looks at `stop` ten times a second."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
