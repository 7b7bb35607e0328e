"""Logs: static event names, identifiers only. What is not listed as a field is dropped, whoever logged it."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog

from agent.log_fields import FIELDS

Event = MutableMapping[str, Any]

OWN_LOGGERS = frozenset({"agent", "db", "dicom_io", "model"})
"""Whose records are written as they are. Libraries' messages can quote datasets, rows or arguments of jobs."""

_set_apart: list[str] = []
"""The parts that have levels of their own."""

_PLAIN_RECORD = frozenset(logging.makeLogRecord({}).__dict__)


_ALWAYS = frozenset({"event", "level", "timestamp", "exc_info", "_record", "_from_structlog"})
"""What every line has, and what the processors themselves hand on."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def keep_known_fields(_logger: object, _method: str, event: Event) -> Event:
    """Remove every field that is not listed: what could identify a patient is not (structlog processor)."""
    for key in event.keys() - FIELDS.keys() - _ALWAYS:
        del event[key]
    return event


def _on_one_line(_logger: object, _method: str, event: Event) -> Event:
    """Show control characters as such: a peer's words make no lines of their own."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = value.translate(_CONTROLS)
    return event


class _ForeignFilter(logging.Filter):
    """Let a library's record through only as the fact that there was one, and only from a warning on."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] in OWN_LOGGERS:
            return True
        if record.levelno < logging.WARNING:
            return False
        record.msg = f"{record.name} logged: {record.levelname.lower()}"
        record.args = ()
        record.exc_info = None
        record.exc_text = None
        record.stack_info = None
        for key in record.__dict__.keys() - _PLAIN_RECORD:  # what came as `extra`
            del record.__dict__[key]
        return True


def configure(
    *,
    level: str = "INFO",
    levels: Mapping[str, str] | None = None,
    form: Literal["people", "json"] = "people",
    role: str = "",
    stream: TextIO | None = None,
    watchers: Sequence[structlog.typing.Processor] = (),
) -> None:
    """Set logging up for this process; everything goes to standard error, rotation is left to the platform.

    `levels` are those of parts of this program, by their modules' names. `role`: what this process is. `watchers` see
    every event, also those below its level, without what could identify a patient.
    """

    def written_by(_logger: object, _method: str, event: Event) -> Event:
        if role:
            event["by"] = f"{role}-{os.getpid()}"
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        written_by,
        keep_known_fields,
        _on_one_line,
        *watchers,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_traceback, last],
        )
    )
    handler.addFilter(_ForeignFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _set_apart:
        logging.getLogger(name).setLevel(logging.NOTSET)
    _set_apart[:] = levels or {}
    for name, own in (levels or {}).items():
        logging.getLogger(name).setLevel(own)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)  # libraries quote values of datasets in their warnings
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of a tick that is due while the last one runs


def _without_traceback(_logger: object, _method: str, event: Event) -> Event:
    """Keep of an exception its class and where it was raised; its message and frames can quote values of a dataset."""
    found = event.pop("exc_info", None)
    if not found:
        return event
    error = found if isinstance(found, BaseException) else (found[1] if isinstance(found, tuple) else sys.exc_info()[1])
    if error is not None:
        event["error"] = type(error).__name__
        if place := raised_at(error):
            event["raised_at"] = place
    return event


def raised_at(error: BaseException) -> str:
    """Return the module and line where an exception was raised, which quote nothing; empty if it never was."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
