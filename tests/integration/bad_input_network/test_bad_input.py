"""Bad input over the network, to the role `receive` as it runs.

A status that says what is wrong, one log line, nothing lost, and the next Instance of the same association served.
"""

import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pynetdicom.dimse_primitives import C_STORE
from structlog.testing import capture_logs

from agent.config.file import Config
from agent.line.marks import Mark, marks_of
from agent.process.app import run_role
from agent.process.parts import open_rows
from db.migrate import upgrade
from db.worklist import worklist_row
from dicom_io.file_meta import encode_file_meta, read_file_meta
from dicom_io.requestor import Requestor
from dicom_io.scu import Peer, StoreStatus, Timeouts, send

CR, CT = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.2"
PRIVATE = "1.3.12.2.1107.5.9.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
SUCCESS, A900, C000 = 0x0000, 0xA900, 0xC000
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (b"\xfe\xff" + struct.pack("<H", element) for element in (0xE000, 0xE00D, 0xE0DD))


@dataclass
class Receiving:
    """The role as it runs, and what it logged of Instances that it refused."""

    peer: Peer
    config: Config
    logs: list[Any]

    def store(self, *files: bytes | Path) -> list[StoreStatus]:
        return send(self.peer, list(files), calling_ae_title="SCANNER")

    def refusals(self) -> list[Any]:
        return [entry for entry in self.logs if entry["event"] == "instance_refused"]

    def marks(self, study_instance_uid: str) -> set[Mark]:
        """Return what the agent says is poor about a study; it is on record."""
        database = open_rows(self.config)
        try:
            row = worklist_row(database, study_instance_uid)
        finally:
            database.dispose()
        assert row is not None
        return set(marks_of(row))

    def holds(self, study_instance_uid: str) -> bool:
        database = open_rows(self.config)
        try:
            return worklist_row(database, study_instance_uid) is not None
        finally:
            database.dispose()


@pytest.fixture(scope="module")
def receiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    folder = tmp_path_factory.mktemp("agent")
    config = Config.model_validate(
        {
            "store": {"folder": folder / "store", "minimum_free_megabytes": 1},
            "database": {"url": SecretStr(f"sqlite:///{folder}/rows.db")},
            "receive": {"host": "127.0.0.1", "port": 0, "accept_unknown_sop_classes": True},
        }
    )
    database = open_rows(config)
    upgrade(database)
    database.dispose()
    stop, is_ready, facts = threading.Event(), threading.Event(), dict[str, Any]()

    def ready(_: str, **told: object) -> None:
        facts.update(told)
        is_ready.set()

    with capture_logs() as logs:
        role = threading.Thread(target=run_role, args=("receive", config, stop, ready))
        role.start()
        assert is_ready.wait(60)
        yield Receiving(Peer("TIBABU", "127.0.0.1", facts["port"]), config, logs)
        stop.set()
        role.join(60)


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = len(padded) if length is None else length
    if vr in ("SQ", "OB", "OW", "UN", "UT"):
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, size) + padded
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), size) + padded


def dataset(number: int, *, between: bytes = b"", end: bytes = b"", **replaced: bytes) -> bytes:
    """Return an Instance of a study of its own; `replaced` gives elements by tag, b"" for none."""
    elements = {
        0x00080005: element(0x00080005, "CS", b"ISO_IR 100"),
        0x00080016: element(0x00080016, "UI", CR.encode()),
        0x00080018: element(0x00080018, "UI", f"1.2.3.{number}".encode()),
        0x00080020: element(0x00080020, "DA", b"20260101"),
        0x00080060: element(0x00080060, "CS", b"CR"),
        0x00100010: element(0x00100010, "PN", b"SECRET^PATIENT"),
        0x00100020: element(0x00100020, "LO", b"SECRET-ID"),
        0x00101010: element(0x00101010, "AS", b"004Y"),
        0x0020000D: element(0x0020000D, "UI", f"1.2.4.{number}".encode()),
        0x0020000E: element(0x0020000E, "UI", f"1.2.5.{number}".encode()),
    }
    elements |= {int(name[1:], 16): value for name, value in replaced.items()}
    return b"".join(value for _, value in sorted(elements.items())) + between + end


def file(number: int, data: bytes, *, syntax: str = EXPLICIT, sop_class: str = CR) -> bytes:
    return encode_file_meta(sop_class, f"1.2.3.{number}", syntax) + data


def nested(depth: int) -> bytes:
    opened = element(0x00400275, "SQ", ITEM + struct.pack("<L", UNDEFINED), UNDEFINED)
    return opened * depth + (ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)) * depth


def many_items(count: int) -> bytes:
    inner = element(0x00080100, "SH", b"T")
    return element(0x00400275, "SQ", (ITEM + struct.pack("<L", len(inner)) + inner) * count)


POOR: dict[str, Callable[[int], bytes]] = {
    "no Patient ID and no name": lambda n: dataset(n, _00100010=b"", _00100020=b""),
    "no age": lambda n: dataset(n, _00101010=b""),
    "no dates": lambda n: dataset(n, _00080020=b""),
    "dates that are none": lambda n: dataset(n, _00080020=element(0x00080020, "DA", b"YESTERDAY")),
    "no modality": lambda n: dataset(n, _00080060=b""),
    "a character set that does not exist": lambda n: dataset(n, _00080005=element(0x00080005, "CS", b"ISO_IR 999")),
    "text in another character set than declared": lambda n: dataset(
        n,
        _00080005=element(0x00080005, "CS", b"ISO_IR 192"),
        _00100010=element(0x00100010, "PN", b"M\xfcller^\xff\xfe"),
    ),
    "unknown private elements": lambda n: dataset(n, between=element(0x00291010, "UN", b"anything")),
    "a VR that does not exist": lambda n: dataset(n, between=b"\x29\0\x10\x10ZZ\x02\0ab"),
    "60 levels of sequences": lambda n: dataset(n, between=nested(60)),
    "10,000 items": lambda n: dataset(n, between=many_items(10_000)),
    "values longer than their VR allows": lambda n: dataset(n, _00100020=element(0x00100020, "LO", b"9" * 3000)),
}
"""What is merely poor."""

MARKS = {
    "no Patient ID and no name": {Mark.NO_PATIENT_ID, Mark.NO_NAME},
    "no age": {Mark.NO_AGE},
    "no dates": {Mark.NO_STUDY_DATE},
    "dates that are none": {Mark.NO_STUDY_DATE},
    "text in another character set than declared": {Mark.MISREAD_TEXT},
}
"""What a person is told of it; of the others nothing: they hide nothing that identifies or describes the study."""

HOPELESS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "no dataset at all": (lambda _: b"\x08\0", C000),
    "text": (lambda _: b"GET / HTTP/1.1\r\nHost: hospital\r\n\r\n", C000),
    "bytes of 255": (lambda _: b"\xff" * 500, C000),
    "no SOP Instance UID": (lambda n: dataset(n, _00080018=b""), C000),
    "no Study Instance UID": (lambda n: dataset(n, _0020000d=b""), C000),
    "a Study Instance UID of 70 characters": (
        lambda n: dataset(n, _0020000d=element(0x0020000D, "UI", b"1." + b"2" * 68)),
        C000,
    ),
    "a path for a UID": (lambda n: dataset(n, _0020000d=element(0x0020000D, "UI", b"../../etc/passwd")), C000),
    "a length beyond the end": (lambda n: dataset(n)[:-40] + element(0x0020000D, "UI", b"1.2", 65000), C000),
}
"""What cannot be stored, with the status that says so."""


@pytest.mark.parametrize(("number", "what"), [*enumerate(POOR, 100)])
def test_what_is_merely_poor_is_stored(receiving: Receiving, number: int, what: str) -> None:
    refused = len(receiving.refusals())
    (status,) = receiving.store(file(number, POOR[what](number)))
    assert status.status == SUCCESS, status.text
    assert len(receiving.refusals()) == refused
    assert receiving.marks(f"1.2.4.{number}") == MARKS.get(what, set())


def test_what_is_good_has_no_mark(receiving: Receiving) -> None:
    (status,) = receiving.store(file(90, dataset(90)))
    assert status.status == SUCCESS
    assert receiving.marks("1.2.4.90") == set()


def test_a_study_with_an_object_of_a_private_class_is_marked_and_one_good_object_takes_no_mark_away(
    receiving: Receiving,
) -> None:
    private = dataset(91, _00080016=element(0x00080016, "UI", PRIVATE.encode()))
    study = element(0x0020000D, "UI", b"1.2.4.91")
    statuses = receiving.store(file(91, private, sop_class=PRIVATE), file(92, dataset(92, _0020000d=study)))
    assert [status.status for status in statuses] == [SUCCESS, SUCCESS]
    assert receiving.marks("1.2.4.91") == {Mark.UNKNOWN_OBJECTS}


def test_a_later_object_that_says_more_takes_the_mark_away(receiving: Receiving) -> None:
    study = element(0x0020000D, "UI", b"1.2.4.93")
    receiving.store(file(93, dataset(93, _00080020=b"", _00101010=b"")))
    assert receiving.marks("1.2.4.93") == {Mark.NO_AGE, Mark.NO_STUDY_DATE}
    receiving.store(file(94, dataset(94, _0020000d=study)))
    assert receiving.marks("1.2.4.93") == set()


@pytest.mark.parametrize(("number", "what"), [*enumerate(HOPELESS, 1000)])
def test_what_is_hopeless_gets_a_status_with_its_meaning_and_one_log_line_and_the_next_is_served(
    receiving: Receiving, number: int, what: str
) -> None:
    make, expected = HOPELESS[what]
    refused = len(receiving.refusals())
    after = number + 10_000
    bad, good = receiving.store(file(number, make(number)), file(after, dataset(after)))
    assert bad.status == expected, bad.text
    assert 0 < len(bad.comment) <= 64
    assert good.status == SUCCESS
    (line,) = receiving.refusals()[refused:]
    assert line["status"] == f"{expected:04X}"
    assert "SECRET" not in f"{line} {bad.comment}"
    assert receiving.holds(f"1.2.4.{after}")


@pytest.mark.parametrize(
    "data", [dataset(1), dataset(2, _00080016=element(0x00080016, "UI", CT.encode()))], ids=["Instance", "Class"]
)
def test_a_request_that_names_another_instance_than_its_dataset_is_told_so_by_element(
    receiving: Receiving, data: bytes
) -> None:
    refused = len(receiving.refusals())
    with Requestor(receiving.peer, [(CR, EXPLICIT)], "SCANNER", Timeouts()) as requestor:
        request = C_STORE()
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID, request.Priority = CR, "1.2.3.2", 0
        request.DataSet = BytesIO(data)
        response = requestor.exchange(request, requestor.accepted[CR, EXPLICIT])
    assert response.Status == A900
    assert response.ErrorComment == "The request names another Instance than its data set"
    assert list(response.OffendingElement) == [0x00080018, 0x00080016]
    (line,) = receiving.refusals()[refused:]
    assert line["status"] == "A900"


def test_a_dataset_that_is_cut_off_anywhere_gets_a_status(receiving: Receiving) -> None:
    whole = dataset(2000, end=element(0x7FE00010, "OW", bytes(64)))
    statuses = receiving.store(*(file(2000, whole[:size]) for size in range(2, len(whole), 7)))
    assert {status.status for status in statuses} <= {SUCCESS, A900, C000}
    assert C000 in {status.status for status in statuses}


@pytest.mark.shared
def test_every_malformed_file_gets_a_status_and_the_association_goes_on(receiving: Receiving, shared: Path) -> None:
    """Files without file meta information are sent as datasets, which is what their names claim."""
    files = sorted((shared / "data" / "dicom" / "malformed").glob("*.dcm"))
    assert len(files) > 10
    sent = [_sendable(path, number) for number, path in enumerate(files)]
    statuses = receiving.store(*sent, file(3000, dataset(3000)))
    assert [status.reason for status in statuses] == [""] * (len(files) + 1), "expected all to be sent"
    assert {status.status for status in statuses} <= {SUCCESS, A900, C000}
    assert statuses[-1].status == SUCCESS


def _sendable(path: Path, number: int) -> bytes:
    """Return the file if it can be sent as it is, else its bytes as a dataset."""
    data = path.read_bytes()
    try:
        meta = read_file_meta(data)
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return file(number, data or b"\0\0")
    return data if len(data) > meta.dataset_offset else file(number, data or b"\0\0")
