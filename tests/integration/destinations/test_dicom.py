"""The C-STORE destination with a large file: it is read while it is sent, and arrives whole."""

import tracemalloc
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from agent.destinations import Outgoing, dicom
from agent.errors import DeliveryError, DestinationDownError
from dicom_io.commitment_scu import Has, Question, Way
from dicom_io.file_meta import encode_file_meta
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.scu import HeldAssociation, Peer
from dicom_io.spool import Spool

CT = "1.2.840.10008.5.1.4.1.1.2"
SIZE = 48 << 20


class Listener:
    """A sink that keeps digests, and `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.said: list[tuple[str, int]] = []

    def received(self, instance: ReceivedInstance) -> int:
        with instance.spool.open_file() as file:
            digest = sha256()
            while chunk := file.read(1 << 16):
                digest.update(chunk)
        self.digests.append(digest.hexdigest())
        return 0x0000

    def association_ended(self, summary: AssociationSummary) -> None:
        pass

    def begins(self, index: int) -> None:
        self.said.append(("begins", index))

    def stored(self, index: int, _: str) -> None:
        self.said.append(("stored", index))

    def failed(self, index: int, error: DeliveryError) -> None:
        self.said.append((str(error), index))


def element(tag: bytes, value: str) -> bytes:
    padded = value.encode() + b"\0" * (len(value) % 2)
    return tag + b"UI" + len(padded).to_bytes(2, "little") + padded


def test_a_large_file_is_sent_without_being_held_in_memory(tmp_path: Path) -> None:
    head = encode_file_meta(CT, "1.2.3", "1.2.840.10008.1.2.1")
    head += element(b"\x08\0\x16\0", CT) + element(b"\x08\0\x18\0", "1.2.3")
    head += b"\xe0\x7f\x10\0OW\0\0" + SIZE.to_bytes(4, "little")
    (file := tmp_path / "large.dcm").write_bytes(head)
    with file.open("ab") as grown:
        grown.truncate(len(head) + SIZE)
    listener = Listener()
    scp = StorageScp(ScpSettings(ae_title="PACS", host="127.0.0.1", port=0), listener, partial(Spool, tmp_path))
    scp.start()
    settings = dicom.Settings(name="pacs", type="dicom", ae_title="PACS", host="127.0.0.1", port=scp.port)
    tracemalloc.start()
    try:
        dicom.Destination(settings, "TIBABU").forward([file], listener)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        scp.stop(1)
    assert listener.said == [("begins", 0), ("stored", 0)]
    assert listener.digests == [sha256(file.read_bytes()).hexdigest()]
    assert peak < SIZE // 3, f"{peak / 1e6:.1f} MB at once, of {SIZE / 1e6:.0f} MB"


def test_a_peer_that_takes_one_association_at_a_time_is_asked_without_the_one_kept_for_reports(
    tmp_path: Path, eventually: Callable[..., None]
) -> None:
    alone = ScpSettings(ae_title="PACS", host="127.0.0.1", port=0, maximum_associations=1)
    scp = StorageScp(alone, Listener(), partial(Spool, tmp_path))
    scp.start()
    settings = dicom.Settings(name="pacs", type="dicom", ae_title="PACS", host="127.0.0.1", port=scp.port)
    destination = dicom.Destination(settings, "TIBABU")
    kept = HeldAssociation(Peer("PACS", "127.0.0.1", scp.port))
    destination._line = dicom.Line(kept, idle=5)  # longer than what is waited for below
    data = encode_file_meta(CT, "1.2.3", "1.2.840.10008.1.2.1")
    data += element(b"\x08\0\x16\0", CT) + element(b"\x08\0\x18\0", "1.2.3")
    report = Outgoing(media_type="application/dicom", data=data, identifier="1.2.3", study_instance_uid="1.2")
    question = Question(
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        series_instance_uid="1.2.2",
        study_instance_uid="1.2",
        transaction_uid="1.2.9",
    )

    def is_asked() -> bool:
        try:
            return destination.confirm(question, (Way.QUERY,)).has is Has.CANNOT
        except DestinationDownError:  # it has not noticed yet that the other one was released
            return False

    try:
        assert destination.send(report) == "0000"
        assert kept.is_open
        eventually(is_asked)
        assert not kept.is_open
    finally:
        scp.stop(1)
