"""Who may do what: every request bears a token (RFC 6750), and writing and reading are scopes of their own."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.audit.lately import Memory
from agent.dicomweb.problems import problem
from agent.dicomweb.services import BASE
from agent.tokens import DICOMWEB_READ, DICOMWEB_STORE, UPS_READ, UPS_WRITE, digest
from db.audit import AuditEvent, Who
from db.audit import record as record_event
from db.audit_terms import EventAction, EventId
from db.database import Database
from db.errors import DatabaseError
from db.tokens import TokenRecord, active_token, note_use

log = structlog.get_logger(__name__)

_NEEDED: Final = {"GET": DICOMWEB_READ, "HEAD": DICOMWEB_READ, "POST": DICOMWEB_STORE}
_NEEDED_OF_TASKS: Final = {"GET": UPS_READ, "HEAD": UPS_READ, "POST": UPS_WRITE, "PUT": UPS_WRITE}
_TASKS: Final = f"{BASE}/workitems"
_WATCHING: Final = re.compile(rf"{BASE}(/workitems/[^/]+)?/subscribers/.*")
_NEEDED_TO_WATCH: Final = dict.fromkeys(("GET", "HEAD", "POST", "DELETE"), UPS_READ)

NOBODY: Final = "expected the header Authorization: Bearer TOKEN. Received: none"
_STUDIES: Final = re.compile(rf"{BASE}/(studies(/(?P<uid>[0-9.]{{1,64}}))?|series|instances)(?![^/])")
UNKNOWN: Final = "expected a token that is on record and has not been revoked. Received: another"
NOT_ALLOWED: Final = "expected a method that this address answers. Received: another"


class Access:
    """ASGI middleware that lets a request through to the application if its token's scopes allow its method.

    The token's name is left in the request's state for whoever logs.
    """

    def __init__(self, app: ASGIApp, *, database: Database, clock: Callable[[], datetime]) -> None:
        """Look tokens up in `database`, at each request: a revoked one lets in no more at once."""
        self._app = app
        self._database = database
        self._clock = clock
        self._noted = Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through or refuse."""
        refusal = await run_in_threadpool(self._refusal, scope)
        try:
            await (refusal or self._app)(scope, receive, send)
        finally:  # also of an answer that was cut off: what came before was seen
            if refusal is None:  # not before: a database that is busy writing holds no reader back
                await run_in_threadpool(self._note, scope, scope["state"]["token"])

    def _note(self, scope: Scope, record: TokenRecord) -> None:
        """Put on record that the token is used, and for what: a viewer's many requests for a study are one view."""
        now, client = self._clock(), scope.get("client")
        view = _view(scope, Who(record.name, "service", client[0] if client else ""), now)
        try:
            note_use(self._database, record, now=now)
            if view is not None and self._noted.is_new(replace(view, at=record.created_at), now):
                record_event(self._database, view)
        except DatabaseError as error:
            log.warning("dicomweb_use_not_recorded", token=record.name, reason=str(error))

    def _refusal(self, scope: Scope) -> Response | None:
        bearer, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
        if bearer.lower() != "bearer":
            return problem(401, NOBODY, {"WWW-Authenticate": 'Bearer realm="dicom-web"'})
        record = self._record(secret.strip())
        if record is None:
            challenge = 'Bearer realm="dicom-web", error="invalid_token"'
            return problem(401, UNKNOWN, {"WWW-Authenticate": challenge})
        scope["state"]["token"] = record
        methods = _methods(scope["path"])
        needed = methods.get(scope.get("method", "GET"))  # a WebSocket is opened by GET (RFC 6455)
        if needed is None:
            return problem(405, NOT_ALLOWED, {"Allow": ", ".join(methods)})
        if needed not in record.scopes:
            challenge = f'Bearer realm="dicom-web", error="insufficient_scope", scope="{needed}"'
            detail = f"expected a token with the scope {needed}. Received: one without"
            return problem(403, detail, {"WWW-Authenticate": challenge})
        return None

    def _record(self, secret: str) -> TokenRecord | None:
        sha256 = digest(secret)
        return None if sha256 is None else active_token(self._database, sha256)


def _methods(path: str) -> dict[str, str]:
    """Return the methods that an address may answer, and the scope that each needs."""
    if _WATCHING.fullmatch(path):
        return _NEEDED_TO_WATCH
    return _NEEDED_OF_TASKS if path == _TASKS or path.startswith(f"{_TASKS}/") else _NEEDED


def _view(scope: Scope, who: Who, now: datetime) -> AuditEvent | None:
    """Return what of patients a request shows; None for nothing: what is stored notes itself, and tasks as well."""
    found = _STUDIES.match(scope["path"])
    if found is None or scope.get("method") != "GET":
        return None
    uid = found["uid"] or ""
    event, action = (EventId.INSTANCES_ACCESSED, EventAction.READ) if uid else (EventId.QUERY, EventAction.EXECUTE)
    return AuditEvent(event=event, action=action, who=who, at=now, study_instance_uid=uid, detail="DICOMweb")
