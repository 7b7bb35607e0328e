"""The web server of one process: on a loopback address, stopped by an event."""

import threading
from collections.abc import Callable

from agent.errors import ConfigError
from agent.http_server import listen, serve_application
from agent.web.services import Services
from agent.web.site import make_site

_ADDRESSES = {"127.0.0.1": "127.0.0.1", "::1": "::1", "localhost": "127.0.0.1"}


def serve(
    services: Services,
    *,
    host: str,
    port: int,
    stop: threading.Event,
    ready: Callable[[int], None],
    share_port: bool = False,
) -> None:
    """Serve the pages until `stop` is set, then finish what is under way and return.

    `host` is 127.0.0.1, ::1 or localhost; port 0 picks a free port. `ready` is called once, with the port, when
    connections are accepted. With `share_port` other processes may listen there, too. Raises ConfigError for an
    address that other machines can reach (there are no accounts yet) and InstallationError when the port is taken.
    """
    with listen(_loopback(host), port, setting="web.port", share_port=share_port) as listener:
        site = make_site(services, stop)
        try:
            serve_application(site, listener, stop=stop, ready=lambda: ready(listener.getsockname()[1]))
        finally:
            site.state.live.close()


def _loopback(host: str) -> str:
    """Return the address to bind. Any other name is refused, also one that means this machine today."""
    if host not in _ADDRESSES:
        message = f"web.host: expected one of {', '.join(_ADDRESSES)}. Received: host={host}"
        raise ConfigError(message)
    return _ADDRESSES[host]
