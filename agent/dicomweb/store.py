"""STOW-RS (PS3.18 10.5): each part of the body becomes an Instance as one that came by C-STORE does.

The body is taken part by part, as it arrives. One request is to the studies what one association is: they may end soon
after it. What was stored stays stored, whatever becomes of the rest of the request.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from datetime import datetime
from typing import Final, Literal

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.arrival import Arrival
from agent.dicomweb.media import accepts
from agent.dicomweb.parts import DICOM, Found, PartBegins, PartData, Parts
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, base_url, uid_of
from agent.dicomweb.store_answer import DICOM_JSON, Outcome, answer
from agent.unforeseen import unforeseen
from dicom_io.errors import HeaderError, StoreError
from dicom_io.file_meta import FileMeta
from dicom_io.header import read_header
from dicom_io.negotiation import is_storage
from dicom_io.received import AssociationSummary, ReceivedInstance
from dicom_io.spool import Spool
from dicom_io.statuses import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
)

log = structlog.get_logger(__name__)

_FAILURES: Final = frozenset({OUT_OF_RESOURCES, DATA_SET_DOES_NOT_MATCH, CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED})

MOST_PARTS: Final = 20_000
"""More in one request are refused: of each a line of the answer is kept until its end."""

ENCODED: Final = "expected a body without Content-Encoding. Received: an encoded one"
TOO_LARGE: Final = "expected a body of at most {} bytes. Received: a larger one"
INSTANCE_TOO_LARGE: Final = "expected Instances of at most {} bytes. Received: a larger one"
TOO_MANY: Final = f"expected at most {MOST_PARTS} parts in a body. Received: more"
TOO_SLOW: Final = "expected some of the body within {:g} seconds. Received: none"
NO_PART: Final = "expected at least one Instance. Received: none"


async def store(request: Request) -> Response:
    """Store the Instances of a request, into any study or into the one that its address names."""
    services: Services = request.app.state.services
    accepts(request, DICOM_JSON)
    study = uid_of(request, "study") if "study" in request.path_params else ""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError(415, ENCODED)
    parts = Parts(request.headers.get("content-type", ""))
    storing = _Storing(services, request, study)
    how: Literal["released", "aborted"] = "aborted"
    try:
        async for chunk in _body(request, services):
            await run_in_threadpool(storing.take, parts.feed(chunk))
        parts.finish()
        how = "released"
    finally:
        await run_in_threadpool(storing.end, how)
    if not storing.outcomes:
        raise ProblemError(400, NO_PART)
    return answer(storing.outcomes, base_url(services, request))


async def _body(request: Request, services: Services) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, as long as it is not too large and does not stand still for too long."""
    limits, size = services.limits, 0
    too_large = ProblemError(413, TOO_LARGE.format(limits.body), Connection="close")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limits.body:
        raise too_large
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(limits.pause):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ProblemError(408, TOO_SLOW.format(limits.pause), Connection="close") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > limits.body:
            raise too_large
        yield chunk


class _Storing:
    """One request: the Instances that it brings, in the place of an association."""

    def __init__(self, services: Services, request: Request, study: str) -> None:
        self.outcomes: list[Outcome] = []
        self._services = services
        self._study = study
        self._token = request.state.token.name
        self._peer_address = request.client.host if request.client else ""
        self._id = uuid.uuid4().hex
        self._opened_at: datetime = services.clock()
        self._bytes = 0
        self._arrival = Arrival(services.store.spool)

    def take(self, found: Iterable[Found]) -> None:
        """Take what the body holds next. ProblemError, 413, for an Instance that is too large, or one too many."""
        for one in found:
            if isinstance(one, PartBegins):
                if len(self.outcomes) == MOST_PARTS:
                    raise ProblemError(413, TOO_MANY, Connection="close")
                failure = 0 if one.media_type == DICOM else CANNOT_UNDERSTAND
                self._arrival = Arrival(self._services.store.spool, failure=failure)
            elif isinstance(one, PartData):
                self._arrival.write(one.data)
                if self._arrival.size > self._services.limits.instance:
                    limit = self._services.limits.instance
                    raise ProblemError(413, INSTANCE_TOO_LARGE.format(limit), Connection="close")
            else:
                with closing(self._arrival):
                    self.outcomes.append(self._store(self._arrival))

    def end(self, how: Literal["released", "aborted"]) -> None:
        """Let the studies know that no more comes by this request."""
        self._arrival.close()
        stored = sum(not outcome.failure for outcome in self.outcomes)
        self._services.receiver.association_ended(
            AssociationSummary(
                association_id=self._id,
                calling_ae_title=self._token,
                called_ae_title="",
                peer_address=self._peer_address,
                opened_at=self._opened_at,
                closed_at=self._services.clock(),
                how=how,
                stored=stored,
                refused=len(self.outcomes) - stored,
                bytes=self._bytes,
            )
        )

    def _store(self, arrival: Arrival) -> Outcome:
        """Store a part that has come to its end, whatever it is; return what became of it."""
        arrival.understand()
        if arrival.meta is None or arrival.spool is None:
            return Outcome(failure=arrival.failure)
        self._bytes += arrival.spool.size
        study = series = ""
        failure = PROCESSING_FAILURE
        with unforeseen(log, "dicomweb_store_failed", association_id=self._id):  # as the SCP: each has its answer
            try:
                with arrival.spool.open_file() as file:
                    header = read_header(file)
                study, series = header.study_instance_uid, header.series_instance_uid
                failure = self._failure(arrival.spool, arrival.meta, study)
            except HeaderError:
                failure = CANNOT_UNDERSTAND
            except StoreError as error:
                facts = {"reason": str(error), "association_id": self._id}
                log.error("instance_refused", status="A700", **facts)  # noqa: TRY400 - the reason says it
                failure = OUT_OF_RESOURCES
        return Outcome(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_class_uid=arrival.meta.sop_class_uid,
            sop_instance_uid=arrival.meta.sop_instance_uid,
            failure=failure,
        )

    def _failure(self, spool: Spool, meta: FileMeta, study: str) -> int:
        """Store an Instance that could be read; return 0, or the Failure Reason."""
        if self._study and self._study != study:
            return DATA_SET_DOES_NOT_MATCH
        if not is_storage(meta.sop_class_uid, accept_unknown=self._services.accept_unknown_sop_classes):
            return SOP_CLASS_NOT_SUPPORTED
        status = self._services.receiver.received(
            ReceivedInstance(
                spool=spool,
                affected_sop_class_uid=meta.sop_class_uid,
                affected_sop_instance_uid=meta.sop_instance_uid,
                transfer_syntax_uid=meta.transfer_syntax_uid,
                calling_ae_title=self._token,
                called_ae_title="",
                peer_address=self._peer_address,
                association_id=self._id,
            )
        )
        return status if status in {0, *_FAILURES} else PROCESSING_FAILURE
