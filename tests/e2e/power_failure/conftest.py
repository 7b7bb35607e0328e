"""What the kernel was asked to do, and in which order: traces of `strace` and what a success must follow."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

SYNCS = ("fsync", "fdatasync")
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
RENAMES = ("rename", "renameat", "renameat2")
SENDS = ("sendto", "sendmsg", "write", "writev")
TRACED = ",".join(sorted({*SYNCS, *WRITES, *RENAMES, *SENDS}))
FRAME_HEADER = 24
LONGEST = 16384  # bytes of each buffer that strace writes down: more than a page of SQLite and than a response

_BEGUN = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<text>.*)")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>(?P<text>.*)")
_UNFINISHED = "<unfinished ...>"
_RESULT = re.compile(r".* = (?P<result>\S+).*")
_PATH = re.compile(r"\d+<(?P<path>[^>]*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')

_STORE_RESPONSE = bytes.fromhex("0000 0001 02000000 0180")  # (0000,0100) Command Field 8001H, little endian
_SUCCESS = bytes.fromhex("0000 0009 02000000 0000")  # (0000,0900) Status 0000H


@dataclass(frozen=True)
class Call:
    """A system call that succeeded: by whom, on which file, with which strings, and when (lines of the trace)."""

    thread: str
    name: str
    path: str
    strings: tuple[bytes, ...]
    begun: int
    ended: int

    def holds(self, *parts: bytes) -> bool:
        return all(any(part in text for text in self.strings) for part in parts)


Trace = Sequence[Call]


@pytest.fixture(scope="session")
def strace() -> Callable[[Path], list[str]]:
    """Return `strace(file)`: the words before a command that make the trace of it; the command stays our child (-D)."""
    how = ["-D", "-f", "--seccomp-bpf", "-y", "-s", str(LONGEST), "-e", f"trace={TRACED}"]  # stops at no other calls
    return lambda file: ["strace", *how, "-o", str(file)]


@pytest.fixture(scope="session")
def read_trace() -> Callable[[Path], Trace]:
    """Return `read_trace(file)`: the calls that succeeded, in the order in which they began."""
    return lambda file: sorted(_calls(file), key=lambda call: call.begun)


def _calls(file: Path) -> Iterator[Call]:
    unfinished: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(file.read_text(encoding="latin-1").splitlines()):
        if begun := _BEGUN.fullmatch(line):
            if begun["text"].endswith(_UNFINISHED):
                unfinished[begun["thread"]] = number, begun["name"], begun["text"].removesuffix(_UNFINISHED)
                continue
            found = number, begun["name"], begun["text"]
        elif resumed := _RESUMED.fullmatch(line):
            start, name, text = unfinished.pop(resumed["thread"])
            found = start, name, text + resumed["text"]
        else:
            continue
        thread = line.partition(" ")[0]
        result = _RESULT.fullmatch(found[2])
        if result is not None and result["result"] not in {"-1", "?"}:
            yield _call(thread, *found, ended=number)


def _call(thread: str, begun: int, name: str, text: str, *, ended: int) -> Call:
    path = _PATH.match(text)
    strings = tuple(
        found.encode("latin-1").decode("unicode_escape").encode("latin-1") for found in _STRING.findall(text)
    )
    return Call(thread, name, "" if path is None else path["path"], strings, begun, ended)


@dataclass(frozen=True)
class Steps:
    """The calls that a success rests on."""

    file: Call
    rename: Call
    folder: Call
    commit: Call
    response: Call


@pytest.fixture(scope="session")
def durable_steps() -> Callable[[Trace, str, Path], Steps]:
    """Return `durable_steps(trace, sop_instance_uid, folder)`, which raises AssertionError unless the order is right.

    fsync of the file, after its last byte -> rename -> fsync of the folder -> commit with this Instance in it, synced
    -> response 0000H. Each begins after the one before it has ended, in whatever threads they are.
    """
    return _durable_steps


def _durable_steps(trace: Trace, sop_instance_uid: str, folder: Path) -> Steps:
    uid, wal = sop_instance_uid.encode(), f"{folder}/var/tibabu.db-wal"
    responses = [one for one in trace if one.name in SENDS and one.holds(uid, _STORE_RESPONSE, _SUCCESS)]
    response = _first(responses, 0, "success")
    before = [call for call in trace if call.ended < response.begun]

    def on_temporary(call: Call) -> bool:
        return call.name in WRITES and call.path.startswith(f"{folder}/var/store/") and call.holds(uid)

    written = _first([call for call in before if on_temporary(call)], 0, "file with the Instance")
    last = [call for call in before if call.name in WRITES and call.path == written.path][-1]
    file = _first([call for call in before if _syncs(call, written.path)], last.ended, "fsync of the file")
    renames = [call for call in before if call.name in RENAMES and call.strings[0] == written.path.encode()]
    rename = _first(renames, file.ended, "rename after the fsync")
    final = Path(rename.strings[1].decode())
    folders = [call for call in before if _syncs(call, str(final.parent))]
    synced = _first(folders, rename.ended, "fsync of the folder")
    log = [call for call in before if call.path == wal and call.name in WRITES and call.begun > synced.ended]
    rows = [call for call in log if call.holds(uid)]
    row = _first(rows, 0, "row in the write-ahead log")
    end = _commit_frame([call for call in log if call.thread == row.thread], row)
    commit = _first([call for call in before if _syncs(call, wal)], end.ended, "sync of the commit")
    return Steps(file, rename, synced, commit, response)


def _commit_frame(log: Sequence[Call], row: Call) -> Call:
    """Return the write of the page that ends the transaction of `row`.

    Each frame is a header and a page, in two writes by the thread that commits; the header of a transaction's last
    frame, and no other, gives the size of the database (https://sqlite.org/fileformat2.html#walformat).
    """
    for header, page in pairwise(log):
        is_commit = len(header.strings[0]) == FRAME_HEADER and header.strings[0][4:8] != bytes(4)
        if is_commit and page.begun >= row.begun:
            return page
    message = "expected a commit of the row. Received: none in time"
    raise AssertionError(message)


def _syncs(call: Call, path: str) -> bool:
    return call.name in SYNCS and call.path == path


def _first(calls: Sequence[Call], after: int, what: str) -> Call:
    found = [call for call in calls if call.begun >= after]
    assert found, f"expected a {what}. Received: none in time"
    return found[0]
