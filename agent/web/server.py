"""The web server of one process, stopped by an event; on a loopback address unless people sign in."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from agent.config.web import WebSection
from agent.errors import ConfigError
from agent.net.http_server import Certificate, listen, serve_application
from agent.web.access import Role
from agent.web.accounts import Accounts, Settings
from agent.web.callers import LOOPBACK_NAMES, Reach
from agent.web.oidc import Provider
from agent.web.services import Services
from agent.web.site import make_site
from db.database import Database
from db.sessions import Limits

_ADDRESSES = {"127.0.0.1": "127.0.0.1", "::1": "::1", "localhost": "127.0.0.1"}


def accounts_of(section: WebSection, database: Database, clock: Callable[[], datetime]) -> Accounts | None:
    """Return the accounts as they are configured, None where there are none."""
    if not section.accounts:
        return None
    limits = Limits(idle=timedelta(minutes=section.idle_minutes), absolute=timedelta(hours=section.longest_hours))
    codes_of = frozenset(map(Role, section.codes_of))
    settings = Settings(limits=limits, secure=section.is_encrypted, codes_of=codes_of)
    return Accounts(database, clock, settings, None if section.oidc is None else Provider(section.oidc, clock))


def reach_of(section: WebSection) -> Reach:
    """Return how the site is reached."""
    hosts = LOOPBACK_NAMES | frozenset(section.names)
    return Reach(hosts=hosts, encrypted=section.is_encrypted, proxies=section.networks)


def serve(  # noqa: PLR0913 - where, by what, and whom to tell
    services: Services,
    *,
    host: str,
    port: int,
    stop: threading.Event,
    ready: Callable[[int], None],
    follow: Callable[[Callable[[Services], None]], None] = lambda _: None,
    share_port: bool = False,
    certificate: Certificate | None = None,
) -> None:
    """Serve the pages until `stop` is set, then finish what is under way and return.

    Port 0 picks a free port. `ready` is called once, with the port, when connections are accepted; `follow` with what
    is to be called when requests are to be served with other services from then on. With `share_port` other processes
    may listen there, too. Raises ConfigError for an address that other machines can reach, unless people sign in and
    browsers come over TLS, and InstallationError when the port is taken or the certificate cannot be read.
    """
    others = services.accounts is not None and services.reach.encrypted
    with listen(_address(host, others=others), port, setting="web.port", share_port=share_port) as listener:
        site = make_site(services, stop)
        follow(partial(setattr, site.state, "services"))
        try:
            serve_application(
                site,
                listener,
                stop=stop,
                ready=lambda: ready(listener.getsockname()[1]),
                certificate=certificate,
            )
        finally:
            site.state.live.close()


def _address(host: str, *, others: bool) -> str:
    """Return the address to bind. Unless others may come any other name is refused, also one that is this machine's."""
    if others:
        return _ADDRESSES.get(host, host)
    if host not in _ADDRESSES:
        message = f"web.host: expected one of {', '.join(_ADDRESSES)}. Received: host={host}"
        raise ConfigError(message)
    return _ADDRESSES[host]
