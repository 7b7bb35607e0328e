"""Logs: identifiers only, whoever writes and at whatever level; a library is heard of, not quoted."""

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from agent import logs
from agent.config.file import LogSection
from agent.job_log import about, told
from db.queue import Done, Job, Park, RetryAt

JANE = "Doe^Jane"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEVELS = ("debug", "info", "warning", "error", "critical")


@pytest.fixture
def written() -> Iterator[Callable[..., Callable[[], str]]]:
    """Return `written(**options)`, which sets logging up and returns how to read what was written since."""
    root = logging.getLogger()
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in (None, "py.warnings", "apscheduler")}
    handlers = root.handlers[:]

    def configure(**options: Any) -> Callable[[], str]:
        stream = io.StringIO()
        logs.configure(**({"level": "DEBUG", "form": "json"} | options), stream=stream)
        return stream.getvalue

    yield configure
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.fixture
def read(written: Callable[..., Callable[[], str]]) -> Callable[[], list[dict[str, Any]]]:
    """Set logging up as JSON and return how to read the events."""
    text = written()
    return lambda: [json.loads(line) for line in text().splitlines()]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", ["json", "people"])
def test_patient_data_are_dropped_at_every_level_and_in_every_form(
    written: Callable[..., Callable[[], str]], level: str, form: str
) -> None:
    text = written(form=form)
    secrets = dict.fromkeys(("patient_id", "patient_name", "name", "ds", "whatever", "PatientBirthDate"), JANE)
    getattr(structlog.get_logger("agent.x"), level)("received", sop_instance_uid="1.2.3", **secrets)
    extra = {key: JANE for key in secrets if key != "name"}  # which a record itself has
    getattr(logging.getLogger("dicom_io.x"), level)("stored", extra={"sop_instance_uid": "4.5.6", **extra})
    assert JANE not in text()
    assert all(word in text() for word in ("received", "1.2.3", "stored", "4.5.6"))


def test_a_part_has_a_level_of_its_own_until_another_configuration_counts(
    written: Callable[..., Callable[[], str]],
) -> None:
    text = written(level="WARNING", levels={"agent.x": "DEBUG", "dicom_io": "ERROR"})
    structlog.get_logger("agent.x.y").debug("heard")
    logging.getLogger("db.x").info("unheard")
    logging.getLogger("dicom_io.x").warning("unheard")
    assert [json.loads(line)["event"] for line in text().splitlines()] == ["heard"]
    text = written(level="WARNING")
    structlog.get_logger("agent.x.y").info("unheard")
    logging.getLogger("dicom_io.x").warning("heard again")
    assert [json.loads(line)["event"] for line in text().splitlines()] == ["heard again"]


def test_only_parts_of_this_program_may_have_levels() -> None:
    assert LogSection(levels={"agent.line.deliver": "DEBUG", "db": "ERROR"}).levels["db"] == "ERROR"
    for library in ("pynetdicom", "sqlalchemy.engine", "agentic", ""):
        with pytest.raises(ValidationError):
            LogSection(levels={library: "DEBUG"})


def test_a_line_tells_which_process_wrote_it(written: Callable[..., Callable[[], str]]) -> None:
    text = written(role="work")
    structlog.get_logger("agent.x").info("ready", role="other")
    event = json.loads(text())
    assert (event["by"], event["role"]) == (f"work-{os.getpid()}", "other")


@pytest.mark.parametrize("form", ["json", "people"])
def test_what_a_peer_says_makes_no_line_of_its_own(written: Callable[..., Callable[[], str]], form: str) -> None:
    text = written(form=form)
    structlog.get_logger("agent.x").info("association", calling_ae_title="X\nY\x1b[2J\u2028Z\x85")
    assert len(text().splitlines()) == 1
    assert "\x1b" not in text()


@pytest.mark.parametrize(
    ("handler", "how", "reason"),
    [
        (lambda _: Done(), "done", ""),
        (lambda _: RetryAt(NOW, "the store is away"), "later", "the store is away"),
        (lambda _: Park("hopeless"), "parked", "hopeless"),
    ],
)
def test_each_run_of_a_job_has_one_line_and_its_name_in_all_others(
    read: Callable[[], list[dict[str, Any]]], handler: Any, how: str, reason: str
) -> None:
    def run(job: Job) -> Any:
        about("1.2.3")
        structlog.get_logger("agent.x").info("image_scored")
        logging.getLogger("dicom_io.x").info("read")
        return handler(job)

    told({"score": run})["score"](Job(kind="score", key="17", attempt=2, due_at=NOW))
    structlog.get_logger("agent.x").info("afterwards")
    first, second, line, after = read()
    assert {one["job"] for one in (first, second, line)} == {"score 17"}
    assert {one["study_instance_uid"] for one in (first, second, line)} == {"1.2.3"}
    assert line.pop("seconds") >= 0
    assert line.pop("timestamp")
    same = {"event": "job", "level": "info", "job": "score 17", "study_instance_uid": "1.2.3"}
    assert line == same | {"kind": "score", "key": "17", "attempt": 2, "how": how, "reason": reason}
    assert "job" not in after


def test_a_job_that_raises_has_its_line_too(read: Callable[[], list[dict[str, Any]]]) -> None:
    def run(_: Job) -> Any:
        raise LookupError(JANE)

    with pytest.raises(LookupError):
        told({"score": run})["score"](Job(kind="score", key="17", attempt=1, due_at=NOW))
    (line,) = read()
    assert (line["how"], line["reason"]) == ("raised", "LookupError")


def test_bound_values_are_dropped_too(read: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("agent.x").bind(patient_id=JANE).info("received", study_instance_uid="1.2")
    (event,) = read()
    assert event.keys() == {"event", "level", "timestamp", "study_instance_uid"}


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_a_librarys_message_becomes_the_fact_that_there_was_one(
    read: Callable[[], list[dict[str, Any]]], level: str
) -> None:
    extra = {"job": JANE, "params": {"patient": JANE}}
    getattr(logging.getLogger("somebodys.parser"), level)("value %s", JANE, extra=extra, stack_info=True)
    (event,) = read()
    assert event.pop("timestamp")
    assert event == {"event": f"somebodys.parser logged: {level}", "level": level}


@pytest.mark.parametrize("level", ["debug", "info"])
def test_libraries_are_not_heard_below_a_warning(read: Callable[[], list[dict[str, Any]]], level: str) -> None:
    getattr(logging.getLogger("somebodys.driver"), level)(f"INSERT {JANE}")
    assert read() == []


def test_a_librarys_name_that_begins_like_ours_is_a_librarys(read: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("agentic").info(JANE)
    logging.getLogger("db_driver.x").info(JANE)
    assert read() == []


def test_a_clock_that_folds_ticks_into_one_is_no_news(read: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("apscheduler.scheduler").warning("maximum number of running instances reached")
    assert read() == []
    logging.getLogger("apscheduler.scheduler").error("broken")
    assert [event["event"] for event in read()] == ["apscheduler.scheduler logged: error"]


def test_warnings_are_not_written_since_they_quote_values(written: Callable[..., Callable[[], str]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        text = written()
        warnings.warn(f"Invalid value for VR PN: {JANE}", stacklevel=1)
        logging.captureWarnings(capture=False)
    assert text() == ""


def raise_with_a_name() -> None:
    message = f"cannot decode {JANE}"
    raise LookupError(message)


@pytest.mark.parametrize("form", ["json", "people"])
@pytest.mark.parametrize("make", [structlog.get_logger, logging.getLogger])
def test_an_exception_is_reduced_to_its_class_and_place(
    written: Callable[..., Callable[[], str]], form: str, make: Callable[[str], Any]
) -> None:
    text = written(form=form)
    log = make("agent.x")
    try:
        try:
            raise_with_a_name()
        except LookupError as error:
            raise ValueError(JANE) from error
    except ValueError:
        log.exception("broke")
    assert JANE not in text()
    assert "Traceback" not in text()
    assert "ValueError" in text()
    assert f"{__name__}:" in text()
    assert len(text().splitlines()) == 1


def test_an_exception_that_is_handed_over_is_reduced_too(read: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("agent.x").error("well", exc_info=True)  # and nothing is being handled
    structlog.get_logger("agent.x").error("broke", exc_info=ValueError(JANE))
    well, event = read()
    assert "error" not in well
    assert event["error"] == "ValueError"
    assert JANE not in str(event)


def test_nothing_below_the_configured_level_is_written(written: Callable[..., Callable[[], str]]) -> None:
    text = written(level="WARNING")
    structlog.get_logger("agent.x").info("quiet")
    logging.getLogger("db.x").info("quiet")
    structlog.get_logger("agent.x").warning("loud")
    assert "quiet" not in text()
    assert "loud" in text()


def test_times_are_utc_and_the_form_for_people_is_one_line(written: Callable[..., Callable[[], str]]) -> None:
    text = written(form="people")
    structlog.get_logger("agent.x").info("association", stored=3, how="released")
    (line,) = text().splitlines()
    assert line.split()[0].endswith("Z")
    assert "association" in line
    assert "stored=3" in line
    assert "\x1b" not in line


def test_configuring_again_does_not_write_twice(written: Callable[..., Callable[[], str]]) -> None:
    first = written()
    second = written()
    structlog.get_logger("agent.x").info("once")
    assert first() == ""
    assert len(second().splitlines()) == 1
