"""One study is one trace, over all processes, and says nothing of whose it is."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from agent.tracing import Traces

STUDY, IMAGE = "2.25.4711", "2.25.4711.1"
SCORED = {
    "event": "image_scored",
    "study_instance_uid": STUDY,
    "sop_instance_uid": IMAGE,
    "revision": 1,
    "outcome": "flagged",
    "reason": "",
    "seconds": 0.5,
    "waited": 1.5,
}
CONCLUDED = {
    "event": "study_concluded",
    "study_instance_uid": STUDY,
    "revision": 1,
    "outcome": "flagged",
    "reason": "Doe^Jane",
    "images": 2,
    "reports": 1,
    "receive_seconds": 3.0,
    "complete_seconds": 2.0,
    "conclude_seconds": 1.0,
    "seconds": 6.0,
}
DELIVERY = {
    "event": "delivery",
    "study_instance_uid": STUDY,
    "revision": 1,
    "delivery": 7,
    "destination": "pacs",
    "report": "sr",
    "attempt": 1,
    "how": "acknowledged",
    "detail": "0000",
    "seconds": 4.0,
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Let the exporter's own logger say nothing here: a collector that is away is meant to be."""
    logger = logging.getLogger("opentelemetry")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def sent(collector: Any, role: str, *events: dict[str, Any], installation: str = "ours") -> list[dict[str, Any]]:
    """Let a process of a role log these events, and send what comes of it."""
    traces = Traces(collector.endpoint, installation, role)
    noted = [dict(traces.note(None, "", dict(event))) for event in events]
    traces.close()
    return noted


def test_a_line_of_which_no_span_can_be_made_goes_on(collector: Any) -> None:
    (noted,) = sent(collector, "work", SCORED | {"seconds": "soon"})
    assert noted.items() > (SCORED | {"seconds": "soon"}).items()
    assert collector.spans == []


def test_the_spans_of_a_study_join_though_different_processes_send_them(collector: Any) -> None:
    noted = sent(collector, "work", SCORED, CONCLUDED) + sent(collector, "deliver", DELIVERY)
    spans = {span.name: span for span in collector.spans}
    assert {name: span.role for name, span in spans.items()} == {
        **dict.fromkeys(("study", "receive", "complete", "conclude", "score", "wait"), "work"),
        "deliver": "deliver",
    }
    assert {span.trace for span in spans.values()} == {event["trace_id"] for event in noted}
    assert len({span.trace for span in spans.values()}) == 1
    whole = spans.pop("study")
    assert whole.parent == ""
    assert {span.parent for span in spans.values()} == {whole.number}
    assert len({span.number for span in spans.values()}) == len(spans)
    seconds = {name: round(span.seconds, 3) for name, span in spans.items()}
    assert seconds == {"receive": 3, "complete": 2, "conclude": 1, "score": 0.5, "wait": 1.5, "deliver": 4}
    assert round(whole.seconds, 3) == 6
    assert spans["deliver"].facts["tibabu.destination"] == "pacs"
    assert not any(span.failed for span in collector.spans)


def test_neither_uid_nor_text_of_a_study_leaves(collector: Any) -> None:
    sent(collector, "work", SCORED, CONCLUDED, DELIVERY)
    assert len(collector.spans) == 7
    assert not [word for word in (b"4711", b"Doe", b"0000") if word in collector.raw]


def test_another_installation_has_other_numbers_and_another_revision_the_same_trace(collector: Any) -> None:
    sent(collector, "work", CONCLUDED)
    sent(collector, "work", CONCLUDED, installation="theirs")
    sent(collector, "work", CONCLUDED | {"revision": 2})
    first, theirs, second = (span for span in collector.spans if span.name == "study")
    assert first.trace == second.trace != theirs.trace
    assert len({first.number, theirs.number, second.number}) == 3


def test_what_went_wrong_is_a_span_in_error_and_what_is_tried_again_none(collector: Any) -> None:
    failed = {"outcome": "failed"}
    again = [DELIVERY | {"how": how} for how in ("failed", "falls back", "tested")]
    requeued = {name: value for name, value in (CONCLUDED | failed).items() if not name.endswith("seconds")}
    sent(collector, "work", SCORED | failed | {"waited": None}, requeued, DELIVERY | {"how": "parked"}, *again)
    assert [(span.name, span.failed) for span in collector.spans] == [
        ("score", True),
        ("study", True),
        ("deliver", True),
    ]


def test_other_lines_get_their_trace_and_make_no_span(collector: Any) -> None:
    order, start = {"event": "order_found", "study_instance_uid": STUDY}, {"event": "process_started", "role": "web"}
    found = sent(collector, "deliver", order, start)
    assert "trace_id" in found[0]
    assert found[1] == start
    assert collector.spans == []


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    traces = Traces("http://127.0.0.1:9/v1/traces", "ours", "work")
    assert traces.note(None, "", dict(SCORED))["event"] == "image_scored"
    traces.close()
