"""Connections that come to nothing: one line for each peer and minute, and none uncounted."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from agent.watch.probes import Probes, is_probe
from dicom_io.received import AssociationSummary

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def summary(
    address: str = "10.0.0.1",
    title: str = "",
    how: Literal["released", "aborted", "rejected"] = "aborted",
    **more: Any,
) -> AssociationSummary:
    facts = {"association_id": "1", "called_ae_title": "", "opened_at": NOON, "closed_at": NOON, "stored": 0}
    return AssociationSummary(
        peer_address=address, calling_ae_title=title, how=how, refused=0, bytes=0, **{**facts, **more}
    )


def test_who_never_asked_or_was_rejected_came_in_vain() -> None:
    assert is_probe(summary())
    assert is_probe(summary(title="XRAY", how="rejected"))
    assert not is_probe(summary(title="XRAY", how="aborted"))


def test_the_first_of_a_peer_is_told_at_once_and_the_rest_of_the_minute_in_one_line() -> None:
    probes = Probes()
    lines = [line for second in range(60) for line in probes.note(summary(), NOON + timedelta(seconds=second))]
    assert [line.count for line in lines] == [1]
    (line,) = probes.note(summary(trouble="HTTP to the DICOM port"), NOON + timedelta(seconds=60))
    assert (line.peer_address, line.count, line.trouble) == ("10.0.0.1", 60, "HTTP to the DICOM port")


def test_what_others_do_brings_out_what_has_been_counted() -> None:
    probes = Probes()
    for _ in range(5):
        probes.note(summary(), NOON)
    assert probes.due(NOON + timedelta(seconds=59)) == []
    assert [line.count for line in probes.due(NOON + timedelta(minutes=1))] == [4]
    assert probes.due(NOON + timedelta(minutes=9)) == []


def test_peers_and_ways_are_counted_apart() -> None:
    probes = Probes()
    comers = [summary(), summary("10.0.0.2"), summary(title="XRAY", how="rejected"), summary()]
    assert [len(probes.note(comer, NOON)) for comer in comers] == [1, 1, 1, 0]


def test_any_number_of_addresses_make_no_more_than_a_thousand_lines_and_one() -> None:
    probes = Probes()
    lines = [line for number in range(2_000) for line in probes.note(summary(str(number)), NOON)]
    assert len(lines) == 1001
    assert sum(line.count for line in probes.due(NOON + timedelta(minutes=1))) == 2_000 - 1001
