"""Who is admitted, how associations end, and that nothing is left of them."""

import itertools
import socket
import struct
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dicom_io.door import Door, Verb
from dicom_io.errors import NetworkError
from dicom_io.scp import ScpSettings, StorageScp
from dicom_io.services import Services
from dicom_io.spool import Spool

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
REJECTED, ABORTED = 0x03, 0x07
PERMANENT, TRANSIENT = 1, 2
_FLOOD = 5000
USER, PRESENTATION = 1, 3


def rejection(peer: Any, **titles: Any) -> Any:
    """Ask for an association and return result, source and reason of the rejection (PS3.8 9.3.4)."""
    peer.socket.sendall(peer.association_request([(1, CT, [EXPLICIT])], **titles))
    kind, body = peer.read_pdu()
    assert kind == REJECTED
    return tuple(body[1:4])


def test_a_wrong_called_ae_title_is_rejected(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    assert rejection(raw_peer(start_scp()), called="OTHER") == (PERMANENT, USER, 7)
    summary = sink.only_summary()
    assert (summary.how, summary.called_ae_title, summary.calling_ae_title) == ("rejected", "OTHER", "RAW")


def test_any_called_ae_title_will_do_if_configured(start_scp: Any, raw_peer: Any) -> None:
    peer = raw_peer(start_scp(require_called_ae_title=False))
    assert peer.associate(called="OTHER") == {1: EXPLICIT}
    peer.release()


def test_one_association_too_many_is_told_that_the_local_limit_is_exceeded_and_may_come_later(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    scp = start_scp(maximum_associations=2)
    first, second = raw_peer(scp), raw_peer(scp)
    first.associate()
    second.associate()
    assert rejection(raw_peer(scp)) == (TRANSIENT, PRESENTATION, 2)
    assert status(first.store(sample().dataset)) == 0x0000
    first.release()
    sink.wait(summaries=2)
    third = raw_peer(scp)
    assert third.associate() == {1: EXPLICIT}
    for peer in (second, third):
        peer.release()


def test_64_associations_are_open_at_once_by_default(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    scp = start_scp()
    peers = [raw_peer(scp) for _ in range(64)]
    for peer in peers:
        peer.associate()
    assert rejection(raw_peer(scp)) == (TRANSIENT, PRESENTATION, 2)
    assert [status(peer.store(sample().dataset)) for peer in (peers[0], peers[-1])] == [0x0000] * 2
    for peer in peers:
        peer.close()
    assert sum(summary.stored for summary in sink.wait(summaries=65).summaries) == 2


def test_connections_without_a_request_do_not_count_as_associations(start_scp: Any, raw_peer: Any) -> None:
    scp = start_scp(maximum_associations=1)
    for _ in range(5):
        raw_peer(scp)
    peer = raw_peer(scp)
    assert peer.associate() == {1: EXPLICIT}
    peer.release()


def test_load_balancers_probes_end_at_once_with_one_summary_each(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    scp = start_scp(acse_timeout=3600)  # which no probe waits for
    for _ in range(50):
        raw_peer(scp).close()
    summaries = sink.wait(summaries=50).summaries
    assert {(summary.how, summary.calling_ae_title, summary.stored) for summary in summaries} == {("aborted", "", 0)}
    assert len({summary.association_id for summary in summaries}) == 50


def test_a_probe_that_resets_its_connection_ends_too(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    peer = raw_peer(start_scp())
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert sink.only_summary().how == "aborted"


@pytest.mark.parametrize("said", [b"", b"\1\0\0", b"\1\0\0\0\1\0half of a request"])
def test_a_connection_that_never_completes_its_request_is_closed_after_the_acse_timeout(
    start_scp: Any, sink: Any, raw_peer: Any, said: bytes
) -> None:
    peer = raw_peer(start_scp(acse_timeout=0.5))
    peer.socket.sendall(said)
    assert peer.read_pdu()[0] in (0x00, ABORTED)
    assert sink.only_summary().how == "aborted"


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\1\2\0\1\0\1\xfc\3\3", b"\4\0\0\0\0\0"]
)
def test_other_protocols_are_hung_up_on(start_scp: Any, sink: Any, raw_peer: Any, said: bytes) -> None:
    """HTTP, a TLS client hello, and data before any association; at the latest after the ACSE time-out."""
    peer = raw_peer(start_scp(acse_timeout=0.5))
    peer.socket.sendall(said)
    assert peer.read_pdu()[0] in (0x00, ABORTED)
    assert sink.only_summary().how == "aborted"


def ends_by_abort(peer: Any) -> None:
    peer.abort()


def ends_by_disconnecting(peer: Any) -> None:
    peer.close()


def ends_by_reset(peer: Any) -> None:
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def ends_by_half_a_pdu(peer: Any) -> None:
    peer.socket.sendall(b"\4\0\0\0\1\0" + bytes(50))
    peer.close()


def ends_by_half_a_dataset(peer: Any) -> None:
    peer.send_pdv(1, 0x03, peer.store_command(b"1.2.5"))
    peer.send_pdv(1, 0x00, bytes(5000))
    peer.close()


def ends_by_an_unknown_pdu(peer: Any) -> None:
    peer.socket.sendall(b"\x99\0\0\0\0\4abcd")


def ends_by_a_command_set_that_is_none(peer: Any) -> None:
    peer.send_pdv(1, 0x03, b"\xff" * 40)


def ends_by_a_message_under_an_unknown_context(peer: Any) -> None:
    peer.send_pdv(99, 0x03, peer.store_command())
    peer.send_pdv(99, 0x02, b"\0\0")


def ends_by_a_second_request(peer: Any) -> None:
    peer.socket.sendall(peer.association_request([(1, CT, [EXPLICIT])]))


ENDS = [
    ends_by_abort,
    ends_by_disconnecting,
    ends_by_reset,
    ends_by_half_a_pdu,
    ends_by_half_a_dataset,
    ends_by_an_unknown_pdu,
    ends_by_a_command_set_that_is_none,
    ends_by_a_message_under_an_unknown_context,
    ends_by_a_second_request,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_what_was_stored_before_an_association_breaks_stays_stored_and_its_neighbour_notices_nothing(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, end: Any
) -> None:
    scp = start_scp(acse_timeout=60)
    neighbour, peer = raw_peer(scp), raw_peer(scp)
    neighbour.associate(calling="NEIGHBOUR")
    peer.associate()
    assert status(peer.store(sample().dataset)) == 0x0000
    end(peer)
    (summary,) = sink.wait(summaries=1).summaries
    assert (summary.how, summary.calling_ae_title, summary.stored) == ("aborted", "RAW", 1)
    assert status(neighbour.store(sample().dataset)) == 0x0000
    neighbour.release()
    assert len(sink.wait(summaries=2).summaries) == 2
    assert len(sink.instances) == 2


def test_a_peer_that_falls_silent_in_the_middle_of_a_pdu_is_given_up_after_the_dimse_timeout(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    peer = raw_peer(start_scp(dimse_timeout=0.5))
    peer.associate()
    peer.socket.sendall(b"\4\0\0\0\1\0" + bytes(50))
    assert sink.only_summary().how == "aborted"


def test_a_peer_that_says_nothing_more_is_aborted_after_the_network_timeout(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    peer = raw_peer(start_scp(network_timeout=0.5))
    peer.associate()
    assert peer.read_pdu()[0] == ABORTED
    assert sink.only_summary().how == "aborted"


def test_a_peer_that_is_gone_when_the_answer_is_due_costs_nothing_but_the_answer(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any
) -> None:
    stored, gone = threading.Event(), threading.Event()

    def wait(_: Any) -> Any:
        stored.set()
        assert gone.wait(60)
        return 0x0000

    sink.answer = wait
    peer = raw_peer(start_scp())
    peer.associate()
    peer.send_pdv(1, 0x03, peer.store_command())
    peer.send_pdv(1, 0x02, sample().dataset)
    assert stored.wait(60)
    peer.close()
    gone.set()
    summary = sink.only_summary()
    assert (summary.how, summary.stored) == ("aborted", 1)


def test_stop_refuses_new_connections_and_lets_open_associations_finish(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    scp = start_scp()
    peer = raw_peer(scp)
    peer.associate()
    stopping = threading.Thread(target=scp.stop, args=(30,))
    stopping.start()
    _wait_until_refused(scp.port)
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()
    stopping.join(60)
    assert not stopping.is_alive()
    (finished,) = (summary for summary in sink.summaries if summary.how == "released")  # the others only knocked
    assert finished.stored == 1


def test_who_is_connected_when_stop_comes_may_still_ask_for_its_association(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """A scanner's connection that a balancer or the system has made already is not hung up on: it is served."""
    scp = start_scp()
    peer, waiting = raw_peer(scp), raw_peer(scp)
    peer.associate()
    stopping = threading.Thread(target=scp.stop, args=(30,))
    stopping.start()
    waiting.associate()
    assert status(waiting.store(sample().dataset)) == 0x0000
    for one in (waiting, peer):
        one.release()
    stopping.join(60)
    assert not stopping.is_alive()
    assert sorted((summary.how, summary.stored) for summary in sink.summaries) == [("released", 0), ("released", 1)]


def test_stop_ends_although_others_connect_as_fast_as_they_are_accepted(
    start_scp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scp = start_scp()
    monkeypatch.setattr("dicom_io.acceptor._ACCEPT_SECONDS", 0.05)
    accepted, real = itertools.count(1), socket.socket.accept

    def and_another(listening: socket.socket) -> tuple[socket.socket, Any]:
        if listening.getsockname()[1] == scp.port and next(accepted) < _FLOOD:
            socket.create_connection(("127.0.0.1", scp.port)).close()
        return real(listening)

    monkeypatch.setattr(socket.socket, "accept", and_another)
    socket.create_connection(("127.0.0.1", scp.port)).close()
    scp.stop(0)
    assert next(accepted) < _FLOOD


def test_who_connects_after_new_terms_is_served_by_them_and_who_was_there_by_its_own(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    scp = start_scp()
    before = raw_peer(scp)
    before.associate()
    scp.renew(type(sink)(answer=lambda _: 0xA700), Door(anyone_may={Verb.STORE}), Services())
    after = raw_peer(scp)
    after.associate()
    assert status(after.store(sample().dataset)) == 0xA700
    assert status(before.store(sample().dataset)) == 0x0000
    assert len(sink.instances) == 1


def _wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except TimeoutError:  # nobody accepts any more, and it has not been closed yet
            continue
        except ConnectionError:
            return
    pytest.fail("expected the listening socket to be closed")


def test_stop_aborts_what_is_still_open_after_the_timeout_and_hangs_up_on_who_never_asked(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    scp = start_scp(acse_timeout=60)
    silent, idle, stuck = raw_peer(scp), raw_peer(scp), raw_peer(scp)
    idle.associate()
    stuck.associate()
    stuck.socket.sendall(b"\4\0\0\0\1\0half a PDU")
    scp.stop(0.2)
    assert [summary.how for summary in sink.summaries] == ["aborted"] * 3, "expected all summaries when stop returns"
    assert silent.read_pdu()[0] == 0x00
    assert idle.read_pdu()[0] == ABORTED


def test_stop_returns_although_the_sink_does_not(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, caplog: pytest.LogCaptureFixture
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang(_: Any) -> Any:
        entered.set()
        return 0x0000 if leave.wait(600) else 0xC000

    sink.answer = hang
    scp = start_scp()
    peer = raw_peer(scp)
    peer.associate()
    peer.send_pdv(1, 0x03, peer.store_command())
    peer.send_pdv(1, 0x02, sample().dataset)
    assert entered.wait(60)
    begun = time.monotonic()
    scp.stop(0)
    assert time.monotonic() - begun < 300, "expected it not to wait for the sink"
    assert [record.getMessage() for record in caplog.records] == ["scp_stopped_with_open_associations"]
    leave.set()
    assert (sink.only_summary().how, sink.summaries[0].stored) == ("aborted", 1)


def test_stop_may_come_twice_or_before_start(start_scp: Any, sink: Any, tmp_path: Path) -> None:
    StorageScp(ScpSettings(), sink, partial(Spool, tmp_path)).stop(0)
    scp = start_scp()
    scp.stop(0)
    scp.stop(0)


def test_a_port_in_use_is_a_network_error_for_people(start_scp: Any, sink: Any, tmp_path: Path) -> None:
    port = start_scp().port
    with pytest.raises(NetworkError, match=f"expected a free address .* port={port}"):
        StorageScp(ScpSettings(host="127.0.0.1", port=port), sink, partial(Spool, tmp_path)).start()


def test_accepted_sockets_send_without_delay(start_scp: Any, raw_peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = []
    original = socket.socket.accept

    def accept(self: socket.socket) -> Any:
        connection, address = original(self)
        accepted.append(connection)
        return connection, address

    monkeypatch.setattr(socket.socket, "accept", accept)
    peer = raw_peer(start_scp())
    peer.associate()
    assert accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    peer.release()
