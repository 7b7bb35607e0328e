"""Logs: static event names, identifiers only. What could identify a patient is dropped, whoever logged it."""

import logging
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog

Event = MutableMapping[str, Any]

PATIENT_KEYS = frozenset(
    {
        "accession_number",
        "birth_date",
        "data",
        "dataset",
        "ds",
        "name",
        "patient_age",
        "patient_birth_date",
        "patient_id",
        "patient_name",
        "patient_sex",
        "study_description",
    }
)
"""Keys of log events that are never written."""

OWN_LOGGERS = frozenset({"agent", "db", "dicom_io", "model"})
"""Whose records are written as they are. Libraries' messages can quote datasets, rows or arguments of jobs."""

_PLAIN_RECORD = frozenset(logging.makeLogRecord({}).__dict__)


def drop_patient_data(_logger: object, _method: str, event: Event) -> Event:
    """Remove every key that could identify a patient (structlog processor)."""
    for key in PATIENT_KEYS & event.keys():
        del event[key]
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
    form: Literal["people", "json"] = "people",
    stream: TextIO | None = None,
    watchers: Sequence[structlog.typing.Processor] = (),
) -> None:
    """Set logging up for this process; everything goes to standard error, rotation is left to the platform.

    `watchers` see every event, also those below `level`, without what could identify a patient.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_patient_data,
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
