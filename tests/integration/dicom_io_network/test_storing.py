"""Bytes arrive as they were sent, and each request is answered with what the sink says."""

import hashlib
import io
import logging
import threading
from typing import Any

import pydicom
import pytest
from pynetdicom import AE

NAME = "SECRET^PATIENT"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, JPEG, PRIVATE_SYNTAX = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.3.6.1.4.1.99999.2"


def test_the_file_is_preamble_and_meta_and_the_very_bytes_of_the_dataset(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate([(1, CT, [EXPLICIT])], calling="SCANNER")
    dataset = sample(pixels=bytes(range(256)) * 300).dataset
    peer.store(dataset)
    peer.release()
    (instance,) = sink.instances
    assert instance.data[:132] == bytes(128) + b"DICM"
    assert instance.data.endswith(dataset)
    read = pydicom.dcmread(io.BytesIO(instance.data))
    meta = read.file_meta
    assert meta.FileMetaInformationGroupLength == len(instance.data) - len(dataset) - 128 - 4 - 12
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, "1.2.3.4")
    assert meta.TransferSyntaxUID == EXPLICIT
    assert "SourceApplicationEntityTitle" not in meta
    assert read.PatientName == "SECRET^PATIENT"
    assert (instance.calling_ae_title, instance.called_ae_title) == ("SCANNER", "TIBABU")
    assert instance.peer_address == "127.0.0.1"
    summary = sink.only_summary()
    assert summary.association_id == instance.association_id
    assert (summary.stored, summary.refused, summary.bytes) == (1, 0, len(instance.data))
    assert summary.opened_at.tzinfo is not None
    assert summary.opened_at <= summary.closed_at


def test_two_peers_that_send_the_same_dataset_make_the_same_file(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any
) -> None:
    scp = start_scp()
    for title in ("ONE", "OTHER"):
        peer = raw_peer(scp)
        peer.associate(calling=title)
        peer.store(sample().dataset)
        peer.release()
    one, other = sink.instances
    assert one.data == other.data
    assert one.association_id != other.association_id


def test_an_undecodable_dataset_in_a_private_transfer_syntax_is_stored_as_it_is(
    start_scp: Any, sink: Any, raw_peer: Any, status: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate([(1, CT, [PRIVATE_SYNTAX])])
    secret = hashlib.shake_256(b"encrypted").digest(100_001)
    assert status(peer.store(secret)) == 0x0000
    peer.release()
    assert sink.instances[0].data.endswith(secret)
    assert PRIVATE_SYNTAX.encode() in sink.instances[0].data[: -len(secret)]


def test_images_of_8_megabytes_in_fragments_of_any_size_arrive_whole(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    dataset = sample(pixels=hashlib.shake_256(b"pixels").digest(8_000_000)).dataset
    for size in (131_060, 16_372):
        peer.send_pdv(1, 0x03, peer.store_command())
        parts = [dataset[start : start + size] for start in range(0, len(dataset), size)]
        for part in parts[:-1]:
            peer.send_pdv(1, 0x00, part)
        peer.send_pdv(1, 0x02, parts[-1])
        assert status(peer.read_response()) == 0x0000
    peer.release()
    assert all(instance.data.endswith(dataset) for instance in sink.instances)


@pytest.mark.parametrize("answer", [0x0000, 0xB000, 0xB006, 0xB007, 0xA700, 0xA900, 0xC000, 0xC123, 0x0117])
def test_the_sinks_status_is_the_answer_and_is_counted(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, answer: int
) -> None:
    sink.answer = lambda _: answer
    peer = raw_peer(start_scp())
    peer.associate()
    assert status(peer.store(sample().dataset)) == answer
    peer.release()
    summary = sink.only_summary()
    stored = answer in (0x0000, 0xB000, 0xB006, 0xB007)
    assert (summary.stored, summary.refused) == (int(stored), int(not stored))


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, OSError, KeyError])
def test_a_sink_that_raises_is_a_failure_status_and_one_log_line_without_the_message(
    start_scp: Any,
    sink: Any,
    raw_peer: Any,
    sample: Any,
    status: Any,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    def fail(_: Any) -> None:
        raise error(NAME)

    sink.answer = fail
    peer = raw_peer(start_scp())
    peer.associate()
    assert 0xC000 < status(peer.store(sample().dataset)) <= 0xC0FF
    sink.answer = lambda _: 0x0000
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()
    summary = sink.only_summary()
    assert (summary.how, summary.stored, summary.refused) == ("released", 1, 1)
    (record,) = caplog.records
    assert (record.getMessage(), record.error, record.levelno) == ("store_failed", error.__name__, logging.ERROR)
    assert record.association_id == summary.association_id
    assert record.where.split(":")[0] == __file__
    assert "SECRET" not in caplog.text


def test_a_sink_that_raises_at_the_end_of_an_association_disturbs_no_other(
    start_scp: Any,
    sink: Any,
    raw_peer: Any,
    sample: Any,
    status: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()

    def fail(_: Any) -> None:
        ended.set()
        raise RuntimeError(NAME)

    scp = start_scp()
    with monkeypatch.context() as patch:
        patch.setattr(sink, "association_ended", fail)
        neighbour, peer = raw_peer(scp), raw_peer(scp)
        neighbour.associate()
        peer.associate()
        peer.release()
        assert ended.wait(60)
        assert status(neighbour.store(sample().dataset)) == 0x0000
        neighbour.release()
        scp.stop(10)
    assert [record.getMessage() for record in caplog.records] == ["association_end_failed"] * 2
    assert "SECRET" not in caplog.text


def test_pynetdicoms_own_client_is_served(start_scp: Any, sink: Any, sample: Any) -> None:
    """The straightforward use: a Dataset, encoded by the peer in what was negotiated."""
    client = AE("CLIENT")
    client.add_requested_context(CT, [JPEG, EXPLICIT])
    client.add_requested_context("1.2.840.10008.1.1")
    association = client.associate("127.0.0.1", start_scp().port, ae_title="TIBABU")
    assert association.is_established
    assert association.acceptor.maximum_length == 131072
    assert association.accepted_contexts[0].transfer_syntax == [EXPLICIT]
    assert association.send_c_echo().Status == 0x0000
    dataset = pydicom.dcmread(io.BytesIO(sample().file))
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    association.join()
    assert sink.instances[0].data.endswith(sample().dataset)
    assert sink.only_summary().how == "released"


def test_associations_at_the_same_time_are_served_at_the_same_time(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """Each waits in the sink until all are there: one after the other they would wait for ever."""
    number = 8
    together = threading.Barrier(number, timeout=60)
    sink.answer = lambda _: together.wait() * 0
    scp = start_scp()
    peers = [raw_peer(scp) for _ in range(number)]
    for place, peer in enumerate(peers):
        peer.associate()
        uid = f"1.2.{place}"
        peer.send_pdv(1, 0x03, peer.store_command(uid.encode()))
        peer.send_pdv(1, 0x02, sample(uid).dataset)
    assert [status(peer.read_response()) for peer in peers] == [0x0000] * number
    for peer in peers:
        peer.release()
    summaries = sink.wait(summaries=number).summaries
    assert {summary.association_id for summary in summaries} == {one.association_id for one in sink.instances}
    assert all(summary.stored == 1 for summary in summaries)
