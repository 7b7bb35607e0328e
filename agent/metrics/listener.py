"""The server of a host without pages: /metrics, /healthz and /readyz, and nothing else."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.config.metrics import MetricsSection
from agent.metrics.exposition import CONTENT_TYPE, Exposition
from agent.net.http_server import certificate_of, listen, serve_application, url
from agent.tokens import SYSTEM_READ, digest
from agent.watch.readiness import ReadinessCheck
from db.database import Database
from db.errors import DatabaseError
from db.queue import utc_now
from db.tokens import active_token, note_use


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What it answers. With `database`, whoever asks for metrics has to hold a token that may read them."""

    exposition: Exposition
    check: ReadinessCheck
    database: Database | None

    def metrics(self, request: Request) -> Response:
        """Answer a scrape."""
        if self.database is not None and (status := _refused(self.database, request)):
            return Response(status_code=status, headers={"WWW-Authenticate": 'Bearer realm="tibabu"'})
        return Response(self.exposition.scrape(), media_type=CONTENT_TYPE)

    def ready(self, _request: Request) -> Response:
        """Say whether the agent can do its work."""
        found = self.check.look()
        return JSONResponse(found.document(), found.status)

    @staticmethod
    async def alive(_request: Request) -> Response:
        """Say that this process serves, also while all its threads are busy."""
        return JSONResponse({"status": "alive"})


def _refused(database: Database, request: Request) -> int:
    """Return the status of whoever may not (RFC 6750 3.1); a token that cannot be looked up lets nobody in."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    sha256 = digest(secret.strip()) if scheme.lower() == "bearer" else None
    if sha256 is None:
        return 401
    try:
        found = active_token(database, sha256)
        if found is None:
            return 401
        if SYSTEM_READ not in found.scopes:
            return 403
        note_use(database, found, now=utc_now())
    except DatabaseError:
        return 503
    return 0


def serve(answers: Answers, section: MetricsSection, *, stop: threading.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set. InstallationError when the port is taken or the certificate cannot be read.

    `ready` is called once, with the address, when connections are accepted.
    """
    site = Starlette(
        routes=[
            Route("/metrics", answers.metrics),
            Route("/healthz", answers.alive),
            Route("/readyz", answers.ready),
        ]
    )
    certificate = certificate_of(section.tls_certificate, section.tls_key)
    with listen(section.host, section.port or 0, setting="metrics.port") as listener:
        serve_application(
            site,
            listener,
            stop=stop,
            ready=lambda: ready(url(section.host, listener.getsockname()[1], "/metrics", certificate)),
            certificate=certificate,
        )
