"""The SCU sends bytes as they are, to any number of presentation contexts, and knows what became of each object."""

import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dul import DULServiceProvider
from pynetdicom.presentation import build_context

from dicom_io import session
from dicom_io.door import Door, KnownPeer
from dicom_io.errors import HeaderError
from dicom_io.file_meta import encode_file_meta, read_file_meta
from dicom_io.scu import HeldAssociation, Peer, StoreStatus, echo, send

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
PRIVATE_SYNTAX = "1.3.6.1.4.1.99999.2"


def peer_of(scp: Any) -> Any:
    return Peer("TIBABU", "127.0.0.1", scp.port)


def test_echo_returns_when_the_peer_answers(start_scp: Any, sink: Any) -> None:
    echo(peer_of(start_scp(door=Door([KnownPeer(ae_title="ME")], anyone_may=()))), calling_ae_title="ME")
    assert (sink.only_summary().how, sink.summaries[0].calling_ae_title) == ("released", "ME")


def test_files_and_bytes_arrive_as_they_are_with_a_status_each_in_their_order(
    start_scp: Any, sink: Any, sample: Any, tmp_path: Path
) -> None:
    one = sample("1.2.1", pixels=b"\1\2" * 300_000)
    other = sample("1.2.2", sop_class_uid=MR, transfer_syntax_uid=JPEG)
    path = tmp_path / "one.dcm"
    path.write_bytes(one.file)
    told = []
    statuses = send(peer_of(start_scp()), [path, other.file], calling_ae_title="ME", on_status=told.append)
    assert statuses == told
    assert statuses == [
        StoreStatus(
            index=index,
            sop_class_uid=sent.sop_class_uid,
            sop_instance_uid=sent.sop_instance_uid,
            transfer_syntax_uid=sent.transfer_syntax_uid,
            status=0x0000,
        )
        for index, sent in enumerate((one, other))
    ]
    assert all(status.stored for status in statuses)
    assert [instance.data for instance in sink.instances] == [one.file, other.file]
    assert len(sink.wait(summaries=1).summaries) == 1


def test_private_transfer_syntaxes_go_out_and_come_in_undecoded(start_scp: Any, sink: Any) -> None:
    """The dataset is no dataset at all to anybody without the key."""
    data = encode_file_meta(CT, "1.2.3.4", PRIVATE_SYNTAX) + b"\xff\xfe\xfd" * 1001
    (status,) = send(peer_of(start_scp()), [data])
    assert (status.status, status.transfer_syntax_uid) == (0x0000, PRIVATE_SYNTAX)
    assert sink.instances[0].data == data


def test_the_datasets_uids_count_where_the_file_meta_says_otherwise(start_scp: Any, sink: Any, sample: Any) -> None:
    """Anonymisers leave old UIDs in the file meta; a receiver compares the command with the dataset."""
    data = encode_file_meta(MR, "1.2.999", EXPLICIT) + sample("1.2.3.4").dataset
    (status,) = send(peer_of(start_scp()), [data])
    assert (status.sop_instance_uid, status.sop_class_uid) == ("1.2.3.4", CT)
    assert (sink.instances[0].affected_sop_instance_uid, sink.instances[0].affected_sop_class_uid) == ("1.2.3.4", CT)


@pytest.mark.parametrize(
    ("answer", "stored"),
    [(0x0000, True), (0xB000, True), (0xB006, True), (0xB007, True)]
    + [(code, False) for code in (0xA700, 0xA900, 0xC000, 0x0111, 0x0117, 0x0122, 0x0124, 0x0210, 0xB001, 0x0001)],
)
def test_success_and_the_three_warnings_mean_stored_and_everything_else_does_not(
    start_scp: Any, sink: Any, sample: Any, answer: int, *, stored: bool
) -> None:
    sink.answer = lambda _: answer
    (status,) = send(peer_of(start_scp()), [sample().file])
    assert (status.status, status.stored) == (answer, stored)
    assert status.text.startswith(f"{answer:04X}")


def test_one_refused_object_does_not_stop_the_next(start_scp: Any, sink: Any, sample: Any) -> None:
    sink.answer = lambda instance: 0xA700 if instance.affected_sop_instance_uid == "1.2.2" else 0x0000
    statuses = send(peer_of(start_scp()), [sample(f"1.2.{number}").file for number in range(1, 4)])
    assert [status.stored for status in statuses] == [True, False, True]
    assert sink.only_summary().refused == 1


def test_exactly_the_pairs_that_are_sent_are_proposed(
    start_scp: Any, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed = []
    original = session.supported_contexts

    def supported(contexts: Any, **settings: Any) -> Any:
        proposed.extend(
            (str(context.abstract_syntax), [str(uid) for uid in context.transfer_syntax]) for context in contexts
        )
        return original(contexts, **settings)

    monkeypatch.setattr(session, "supported_contexts", supported)
    files = [
        sample("1.2.1"),
        sample("1.2.2", transfer_syntax_uid=JPEG),
        sample("1.2.3"),
        sample("1.2.4", sop_class_uid=MR),
    ]
    send(peer_of(start_scp()), [one.file for one in files])
    assert proposed == [(CT, [EXPLICIT]), (CT, [JPEG]), (MR, [EXPLICIT])]


def test_more_than_128_pairs_take_several_associations(start_scp: Any, sink: Any, sample: Any) -> None:
    samples = [
        sample(f"1.2.{number}", transfer_syntax_uid=f"1.3.6.1.4.1.99999.{number % 130}") for number in range(140)
    ]
    statuses = send(peer_of(start_scp()), [one.file for one in samples])
    assert [status.sop_instance_uid for status in statuses] == [one.sop_instance_uid for one in samples]
    assert all(status.stored for status in statuses)
    assert sorted(summary.stored for summary in sink.wait(summaries=2).summaries) == [2, 138]


def test_what_the_peer_does_not_accept_is_a_status_with_the_reason_and_the_rest_is_sent(
    start_scp: Any, sample: Any
) -> None:
    private = sample("1.2.1", sop_class_uid="1.3.6.1.4.1.99999.1")
    statuses = send(peer_of(start_scp()), [private.file, sample("1.2.2").file])
    assert [(status.status, status.stored) for status in statuses] == [(0x0122, False), (0x0000, True)]
    assert statuses[0].text == "0122 not sent: the peer does not accept its SOP Class in this transfer syntax"
    (alone,) = send(peer_of(start_scp()), [private.file])
    assert (alone.status, alone.stored) == (0x0122, False)


def test_what_is_no_dicom_file_is_a_status_with_the_reason_and_the_rest_is_sent(
    start_scp: Any, sample: Any, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("no DICOM here")
    files = [tmp_path / "text.txt", tmp_path / "missing.dcm", b"", sample().file, sample().file[:200]]
    statuses = send(peer_of(start_scp()), files)
    assert [status.stored for status in statuses] == [False, False, False, True, False]
    assert {status.status for status in statuses if not status.stored} == {0xC000}
    assert all(status.reason.startswith("not sent") for status in statuses if not status.stored)


def test_nothing_to_send_takes_no_association() -> None:
    nobody = Peer("NOBODY", "127.0.0.1", 1)
    assert send(nobody, []) == []
    assert [status.stored for status in send(nobody, [b"no DICOM"])] == [False]


def test_a_file_without_preamble_or_without_meta_goes_out_in_the_encoding_that_it_has(
    start_scp: Any, sink: Any, sample: Any
) -> None:
    bare = sample().dataset
    implicit = b"".join(
        struct.pack("<HHL", 0x0008, number, len(value)) + value
        for number, value in ((0x16, b"1.2.840.10008.5.1.4.1.1.2\0"), (0x18, b"1.2.3\0"))
    )
    no_preamble = encode_file_meta(CT, "1.2.3.4", JPEG)[132:] + bare
    statuses = send(peer_of(start_scp()), [bare, implicit, no_preamble])
    assert [status.transfer_syntax_uid for status in statuses] == [EXPLICIT, "1.2.840.10008.1.2", JPEG]
    assert all(
        instance.data.endswith(sent) for instance, sent in zip(sink.instances, [bare, implicit, bare], strict=True)
    )


@pytest.mark.shared
def test_every_file_of_every_transfer_syntax_arrives_byte_by_byte(start_scp: Any, sink: Any, shared: Path) -> None:
    files = sorted(
        path
        for path in (shared / "data" / "dicom" / "transfer-syntaxes").rglob("*")
        if path.suffix != ".csv" and path.is_file()
    )
    expected = {}
    for path in files:
        try:
            meta = read_file_meta(path)
        except HeaderError:
            continue
        if meta.sop_class_uid != "1.2.840.10008.1.3.10":  # a DICOMDIR never travels
            expected[path] = meta
    assert len(expected) > 240
    statuses = send(peer_of(start_scp(accept_unknown_sop_classes=True)), list(expected))
    assert [
        (path.name, status.text) for path, status in zip(expected, statuses, strict=True) if not status.stored
    ] == []
    assert len(sink.instances) == len(expected)
    by_dataset = {one.data[read_file_meta(one.data).dataset_offset :] for one in sink.instances}
    assert {path.read_bytes()[meta.dataset_offset :] for path, meta in expected.items()} == by_dataset
    syntaxes = {one.transfer_syntax_uid for one in sink.instances}
    assert syntaxes == {meta.transfer_syntax_uid for meta in expected.values()}
    assert len(syntaxes) >= 18


def test_a_kept_association_asks_again_for_what_was_refused(sample: Any) -> None:
    """A PACS that was taught a SOP Class gets it, though other objects keep the association alive."""
    taken = [build_context(MR, EXPLICIT)]
    pacs = ApplicationEntity("PACS")
    server = pacs.start_server(("127.0.0.1", 0), block=False, contexts=taken, evt_handlers=[(evt.EVT_C_STORE, _accept)])
    try:
        with HeldAssociation(Peer("PACS", "127.0.0.1", server.server_address[1])) as held:
            ct, mr = sample("1.2.1").file, sample("1.2.2", sop_class_uid=MR).file
            assert held.store(ct).reason.startswith("not sent: the peer does not accept its SOP Class")
            assert held.store(mr).stored
            server.contexts = [*taken, build_context(CT, EXPLICIT)]
            assert held.store(ct).stored
            assert held.store(mr).stored
    finally:
        server.shutdown()


def _accept(_: evt.Event) -> int:
    return 0x0000


def test_an_association_that_is_kept_open_waits_for_what_happens_and_does_not_look_all_the_time(
    start_scp: Any, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    with HeldAssociation(peer_of(start_scp())) as held:
        held.store(sample("1.2.1").file)
        for loop, method in ((DULServiceProvider, "_process_recv_primitive"), (ACSE, "is_release_requested")):
            looked = getattr(loop, method)
            monkeypatch.setattr(loop, method, lambda it, looked=looked: (looks.append(type(it)), looked(it))[1])
        assert not threading.Event().wait(0.3), "nobody sets it"
        idle = len(looks)
        held.store(sample("1.2.2").file)
    assert idle <= 8, "two ends with two loops each, which look once a second if nothing rings"
    assert len(looks) > idle
