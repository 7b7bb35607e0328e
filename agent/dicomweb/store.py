"""STOW-RS (PS3.18 10.5): each part of the body becomes an Instance as one that came by C-STORE does.

The body is taken part by part, as it arrives. One request is to the studies what one association is: they may end soon
after it. What was stored stays stored, whatever becomes of the rest of the request.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.media import accepts
from agent.dicomweb.parts import DICOM, PartBegins, PartData, PartEnds, Parts
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, base_url, uid_of
from agent.dicomweb.store_answer import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    DICOM_JSON,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    Outcome,
    answer,
)
from dicom_io.arriving import HEAD, our_beginning
from dicom_io.errors import HeaderError
from dicom_io.file_meta import FileMeta
from dicom_io.header import read_header
from dicom_io.negotiation import is_storage
from dicom_io.received import AssociationSummary, ReceivedInstance

log = structlog.get_logger(__name__)

_FAILURES: Final = frozenset({0xA700, DATA_SET_DOES_NOT_MATCH, CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED})

TOO_LARGE: Final = "expected a body of at most {} bytes. Received: a larger one"
INSTANCE_TOO_LARGE: Final = "expected Instances of at most {} bytes. Received: a larger one"
TOO_SLOW: Final = "expected some of the body within {:g} seconds. Received: none"
NO_PART: Final = "expected at least one Instance. Received: none"


async def store(request: Request) -> Response:
    """Store the Instances of a request, into any study or into the one that its address names."""
    services: Services = request.app.state.services
    accepts(request, DICOM_JSON)
    study = uid_of(request, "study") if "study" in request.path_params else ""
    parts = Parts(request.headers.get("content-type", ""))
    storing = _Storing(services, request, study)
    how: Literal["released", "aborted"] = "aborted"
    try:
        async for chunk in _body(request, services):
            for found in parts.feed(chunk):
                await storing.take(found)
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


@dataclass(slots=True)
class _Arrival:
    """A part on its way: its first bytes until they say which Instance it is, then all of it, as our file."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    meta: FileMeta | None = None
    failure: int = 0

    def write(self, data: bytes) -> None:
        """Take some more. Of what has failed nothing more is kept."""
        self.size += len(data)
        if not self.failure:
            self.data += data
            if self.meta is None and len(self.data) >= HEAD:
                self.understand()

    def understand(self) -> None:
        """Read from the first bytes which Instance this is, and begin our file with them."""
        try:
            self.meta, self.data[:] = our_beginning(bytes(self.data))
        except HeaderError:
            self.failure = CANNOT_UNDERSTAND
            self.data.clear()


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
        self._arrival = _Arrival()

    async def take(self, found: PartBegins | PartData | PartEnds) -> None:
        """Take the next that the body holds."""
        if isinstance(found, PartBegins):
            self._arrival = _Arrival(failure=0 if found.media_type == DICOM else CANNOT_UNDERSTAND)
        elif isinstance(found, PartData):
            self._arrival.write(found.data)
            if self._arrival.size > self._services.limits.instance:
                limit = self._services.limits.instance
                raise ProblemError(413, INSTANCE_TOO_LARGE.format(limit), Connection="close")
        else:
            self.outcomes.append(await run_in_threadpool(self._store, self._arrival))
            self._arrival = _Arrival()

    def end(self, how: Literal["released", "aborted"]) -> None:
        """Let the studies know that no more comes by this request."""
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

    def _store(self, arrival: _Arrival) -> Outcome:
        """Store a part that has come to its end, whatever it is; return what became of it."""
        if arrival.meta is None and not arrival.failure:
            arrival.understand()
        if arrival.meta is None:
            return Outcome(failure=arrival.failure)
        self._bytes += len(arrival.data)
        meta, study, series = arrival.meta, "", ""
        try:
            header = read_header(bytes(arrival.data))
            study, series = header.study_instance_uid, header.series_instance_uid
            failure = self._failure(arrival, meta, study)
        except HeaderError:
            failure = CANNOT_UNDERSTAND
        except Exception:  # a named edge, as the SCP's: each Instance has its answer
            log.exception("dicomweb_store_failed", association_id=self._id)
            failure = PROCESSING_FAILURE
        return Outcome(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            failure=failure,
        )

    def _failure(self, arrival: _Arrival, meta: FileMeta, study: str) -> int:
        """Store an Instance that could be read; return 0, or the Failure Reason."""
        if self._study and self._study != study:
            return DATA_SET_DOES_NOT_MATCH
        if not is_storage(meta.sop_class_uid, accept_unknown=self._services.accept_unknown_sop_classes):
            return SOP_CLASS_NOT_SUPPORTED
        with self._services.store.spool() as spool:
            spool.write(arrival.data)
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
