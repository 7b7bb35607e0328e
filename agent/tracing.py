"""One trace for each study, made of the lines of the log as they pass: processes need tell one another nothing.

The numbers of a trace and of its spans are digests of the study, its revision and this installation. So whoever writes
a line knows where its span belongs, and no UID leaves.
"""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from agent import VERSION
from agent.logs import Event

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NANOSECONDS: Final = 1_000_000_000
_PATIENCE: Final = 2.0  # seconds for the collector to take what it is sent, tries and all: so long a drain may wait
_SOON: Final = 1000.0  # milliseconds that spans wait for others to be sent with


class Traces:
    """Makes spans of what this process logs, and sends them in the background; what cannot be sent is dropped."""

    def __init__(self, endpoint: str, installation: str, role: str) -> None:
        """Send to `endpoint`; `installation` makes the numbers its own."""
        self._salt = installation
        facts = {"service.name": "tibabu", "service.version": VERSION, "tibabu.role": role}
        self._resource = Resource({**facts, "service.instance.id": f"{socket.gethostname()}/{role}"})
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_PATIENCE)
        self._sender = BatchSpanProcessor(exporter, schedule_delay_millis=_SOON)

    def note(self, _logger: object, _method: str, event: Event) -> Event:
        """Make the spans of an event of the log (structlog processor); the event gets the number of its trace."""
        uid = event.get("study_instance_uid")
        if not isinstance(uid, str):
            return event
        event["trace_id"] = f"{self._number(uid, 'trace', 16):032x}"
        make, revision = _SPANS.get(str(event.get("event"))), event.get("revision")
        if make is not None and isinstance(revision, int):
            with suppress(Exception):  # a trace is worth nobody's work
                make(_Revision(self, uid, revision), event, time.time())
        return event

    def close(self) -> None:
        """Send what is left."""
        self._sender.shutdown()  # type: ignore[no-untyped-call]

    def send(self, span: "_Span", of: "_Revision") -> None:
        """Send one span."""
        trace = self._number(of.uid, "trace", 16)
        own, above = (self._number(of.uid, f"{of.revision} {key}", 8) for key in (span.key, _WHOLE))
        self._sender.on_end(
            ReadableSpan(
                span.name,
                context=SpanContext(trace, own, is_remote=False, trace_flags=_SAMPLED),
                parent=None if own == above else SpanContext(trace, above, is_remote=True, trace_flags=_SAMPLED),
                resource=self._resource,
                attributes={f"tibabu.{name}": value for name, value in span.facts.items() if value is not None},
                status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
                start_time=int(span.begin * _NANOSECONDS),
                end_time=int(span.end * _NANOSECONDS),
            )
        )

    def _number(self, uid: str, what: str, size: int) -> int:
        return int.from_bytes(sha256(f"{self._salt}\0{uid}\0{what}".encode()).digest()[:size])


_WHOLE: Final = "study"
"""The key of the span that all others of a revision lie under."""


@dataclass(frozen=True, slots=True)
class _Revision:
    """A revision of a study, whose spans these are."""

    traces: Traces
    uid: str
    revision: int

    def send(self, span: "_Span") -> None:
        self.traces.send(span, self)


@dataclass(frozen=True, slots=True)
class _Span:
    """From when to when something took place, in seconds since 1970. Its key tells it from others of its revision."""

    name: str
    key: str
    begin: float
    end: float
    facts: Mapping[str, Any]
    failed: bool = False


def _image(study: _Revision, event: Event, now: float) -> None:
    begin, facts = now - event["seconds"], {"outcome": event["outcome"]}
    key = event["sop_instance_uid"]
    study.send(_Span("score", f"score {key}", begin, now, facts, event["outcome"] == "failed"))
    if (waited := event.get("waited")) is not None:
        study.send(_Span("wait", f"wait {key}", begin - waited, begin, {}))


def _result(study: _Revision, event: Event, now: float) -> None:
    """Send the span of the whole revision and, where its Instances arrived for it, those of its stages."""
    facts = {name: event.get(name) for name in ("outcome", "images", "reports")} | {"revision": study.revision}
    begin = now - event.get("seconds", 0.0)
    study.send(_Span(_WHOLE, _WHOLE, begin, now, facts | {"how": event["event"]}, event.get("outcome") == "failed"))
    if "seconds" in event:
        for stage in ("receive", "complete", "conclude"):
            end = begin + event[f"{stage}_seconds"]
            study.send(_Span(stage, stage, begin, end, {}))
            begin = end


def _delivery(study: _Revision, event: Event, now: float) -> None:
    if event["how"] in {"acknowledged", "stored", "parked"}:
        facts = {name: event[name] for name in ("destination", "report", "attempt", "how")}
        key, failed = f"deliver {event['delivery']}", event["how"] == "parked"
        study.send(_Span("deliver", key, now - event["seconds"], now, facts, failed))


_SPANS: Final[Mapping[str, Callable[[_Revision, Event, float], None]]] = {
    "image_scored": _image,
    "study_concluded": _result,
    "study_withdrawn": _result,
    "study_amended": _result,
    "delivery": _delivery,
}
"""The lines of the log that are spans."""
