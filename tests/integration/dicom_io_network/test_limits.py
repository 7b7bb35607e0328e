"""What one peer may take up: associations, bytes, time; and what is answered when the disk is nearly full."""

import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dicom_io.door import Door, KnownPeer, Limits
from dicom_io.errors import StoreError, TooLargeError
from dicom_io.received import AssociationSummary, ReceivedInstance
from dicom_io.scp import ScpSettings, StorageScp
from dicom_io.spool import Spool

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
REJECTED, ABORT, HUNG_UP = 0x03, 0x07, 0
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)
MEGABYTE = 1 << 20


@dataclass
class Judge:
    """A sink that answers by what became of the file, and keeps how much of refused ones is on the disk."""

    sizes: list[int] = field(default_factory=list)

    def received(self, instance: ReceivedInstance) -> int:
        try:
            instance.spool.check()
        except StoreError as error:
            file = instance.spool.path
            self.sizes.append(file.stat().st_size if file.exists() else 0)
            return 0xA701 if isinstance(error, TooLargeError) else 0xA700
        return 0x0000

    def association_ended(self, summary: AssociationSummary) -> None:
        assert summary.how in ("released", "aborted")


def rejection(peer: Any, **titles: Any) -> tuple[int, ...]:
    peer.socket.sendall(peer.association_request([(1, CT, [EXPLICIT])], **titles))
    kind, body = peer.read_pdu()
    assert kind == REJECTED
    return tuple(body[1:4])


def test_each_peer_has_its_own_number_of_associations(start_scp: Any, raw_peer: Any) -> None:
    """Strangers of one address count together: they have as many AE titles as they like."""
    listed = [KnownPeer(ae_title="BUSY", limits=Limits(associations=2)), KnownPeer(ae_title="OTHER")]
    scp = start_scp(door=Door(listed, limits=Limits(associations=1)))
    for title in ("BUSY", "BUSY", "STRANGER"):
        raw_peer(scp).associate(calling=title)
    assert rejection(raw_peer(scp), calling="BUSY") == LOCAL_LIMIT_EXCEEDED
    assert rejection(raw_peer(scp), calling="STRANGER") == LOCAL_LIMIT_EXCEEDED
    assert rejection(raw_peer(scp), calling="STRANGER TOO") == LOCAL_LIMIT_EXCEEDED
    raw_peer(scp).associate(calling="OTHER")


def test_processes_with_one_file_of_slots_count_together(start_scp: Any, raw_peer: Any, tmp_path: Path) -> None:
    one, other = (start_scp(maximum_associations=2, slots_file=tmp_path / "slots") for _ in range(2))
    first = raw_peer(one)
    first.associate()
    raw_peer(other).associate()
    assert rejection(raw_peer(one)) == LOCAL_LIMIT_EXCEEDED
    assert rejection(raw_peer(other)) == LOCAL_LIMIT_EXCEEDED


@pytest.fixture
def slow(sink: Any) -> Iterator[threading.Event]:
    """Let the sink answer nothing before this is set."""
    answering = threading.Event()

    def answer(_: ReceivedInstance) -> int:
        assert answering.wait(60)
        return 0x0000

    sink.answer = answer
    yield answering
    answering.set()


def test_a_peer_that_waits_for_no_answer_is_read_no_faster_than_it_is_answered(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, tmp_path: Path, status: Any, eventually: Any
) -> None:
    """Nobody negotiated asynchronous operations (PS3.7 D.3.3.3): each request would hold a file open."""
    number, files, sent = 200, [0], threading.Event()

    def answer(_: ReceivedInstance) -> int:
        assert sent.wait(60)
        files.append(len(list(tmp_path.iterdir())))
        return 0x0000

    sink.answer = answer
    peer = raw_peer(start_scp())
    peer.associate()
    for _ in range(number):
        peer.socket.sendall(peer.pdv(1, 0x03, peer.store_command()) + peer.pdv(1, 0x02, sample().dataset))
    eventually(lambda: len(list(tmp_path.iterdir())) >= 8)
    sent.set()
    assert [status(peer.read_response()) for _ in range(number)] == [0x0000] * number
    peer.release()
    assert sink.only_summary().stored == number
    assert max(files) == 8
    assert list(tmp_path.iterdir()) == []


def test_a_pdu_full_of_requests_ends_its_association_and_leaves_no_file(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, tmp_path: Path, slow: threading.Event
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    request = peer.pdv(1, 0x03, peer.store_command())[6:] + peer.pdv(1, 0x02, sample().dataset)[6:]
    peer.socket.sendall(struct.pack(">BBL", 0x04, 0, 100 * len(request)) + 100 * request)
    kind, _ = peer.read_pdu()
    assert kind in (ABORT, HUNG_UP)
    slow.set()
    assert sink.only_summary().how == "aborted"
    assert list(tmp_path.iterdir()) == []


def test_a_peer_is_told_the_pdu_size_of_its_own(start_scp: Any, raw_peer: Any) -> None:
    small = KnownPeer(ae_title="SMALL", limits=Limits(pdu_bytes=4096))
    scp = start_scp(door=Door([small]))
    for title, size in (("SMALL", 4096), ("OTHER", 131072)):
        peer = raw_peer(scp)
        peer.socket.sendall(peer.association_request([(1, CT, [EXPLICIT])], calling=title))
        _, body = peer.read_pdu()
        assert struct.pack(">BBHL", 0x51, 0, 4, size) in body


def test_nothing_is_kept_of_an_instance_that_is_too_large_and_the_association_goes_on(
    start_scp: Any, raw_peer: Any, sample: Any, status: Any, tmp_path: Path
) -> None:
    sink = Judge()
    peer = raw_peer(start_scp(sink, door=Door(limits=Limits(instance_bytes=MEGABYTE))))
    peer.associate()
    peer.send_pdv(1, 0x03, peer.store_command())
    for _ in range(40):
        peer.send_pdv(1, 0x00, bytes(100_000))
    peer.send_pdv(1, 0x02, b"")
    assert status(peer.read_response()) == 0xA701
    assert sink.sizes == [0]
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()
    assert [path for path in tmp_path.rglob("*.tmp") if path.stat().st_size] == []


def test_a_message_that_never_ends_is_given_up_although_each_pdu_comes_in_time(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    peer = raw_peer(start_scp(message_timeout=0.5))
    peer.associate()
    peer.send_pdv(1, 0x03, peer.store_command())
    peer.socket.settimeout(0.1)
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        try:
            peer.send_pdv(1, 0x00, bytes(10))
            if not peer.socket.recv(60):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    summary = sink.only_summary()
    assert (summary.how, summary.trouble) == ("aborted", "a message took too long")


def test_an_association_that_is_idle_between_messages_is_not_slow(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    peer = raw_peer(start_scp(message_timeout=2))
    peer.associate()
    assert status(peer.store(sample().dataset)) == 0x0000
    with sink.changed:
        assert not sink.changed.wait_for(lambda: sink.summaries, 3), "expected patience with an idle peer"
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()


def test_a_query_without_end_is_not_gathered_in_memory(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    peer = raw_peer(start_scp())
    peer.associate([(1, "1.2.840.10008.1.1", [EXPLICIT])])
    elements = {0x00000002: b"1.2.840.10008.1.1\0", 0x00000100: b"\x30\0", 0x00000110: b"\1\0", 0x00000800: b"\1\0"}
    peer.send_pdv(1, 0x03, peer.command(elements))
    with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012
        for _ in range(300):
            peer.send_pdv(1, 0x00, bytes(100_000))
    assert sink.only_summary().how == "aborted"


def test_connections_without_a_request_beyond_what_one_address_may_have_are_hung_up_on(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    scp = start_scp()
    peers = [raw_peer(scp) for _ in range(140)]
    troubles = [summary.trouble for summary in sink.wait(summaries=12).summaries]
    assert troubles == ["too many connections without a request"] * 12
    for peer in peers:
        peer.close()
    sink.wait(summaries=140)
    other = raw_peer(scp)
    other.associate()
    other.release()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 8 MB, which only root can make: tests that use it are marked `chaos`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)  # noqa: S603, S607
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


@pytest.mark.chaos
def test_before_the_disk_is_full_instances_are_refused_and_with_room_again_they_are_taken(
    small_disk: Path, raw_peer: Any, status: Any
) -> None:
    """Also one that is refused while it arrives leaves no byte behind, and the disk never gets below its reserve."""
    sink = Judge()
    scp = StorageScp(ScpSettings(host="127.0.0.1", port=0), sink, partial(Spool, small_disk, reserve=4 * MEGABYTE))
    scp.start()
    try:
        peer = raw_peer(scp)
        peer.associate()
        assert status(peer.store(bytes(100_000))) == 0x0000
        assert _large(peer, status) == 0xA700, "expected the reserve to be kept while an Instance arrives"
        assert sink.sizes == [0], "expected the room to be given back"
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(5 * MEGABYTE))
        assert status(peer.store(bytes(1000))) == 0xA700, "expected the reserve to be kept"
        ballast.unlink()
        assert status(peer.store(bytes(1000))) == 0x0000
        peer.release()
    finally:
        scp.stop(1)


def _large(peer: Any, status: Any) -> int:
    """Send an Instance of 20 MB and return its status."""
    peer.send_pdv(1, 0x03, peer.store_command())
    for _ in range(200):
        peer.send_pdv(1, 0x00, bytes(100_000))
    peer.send_pdv(1, 0x02, b"\0\0")
    code: int = status(peer.read_response())
    return code
