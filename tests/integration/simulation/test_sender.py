"""Simulated scanners send to a PACS with moods, over real associations, and both count the same."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.commands import tibabu
from agent.simulation.bad_peers import BadPeer, misbehave
from agent.simulation.ledger import SendingLedger, acknowledged, read_receipts, read_sendings
from agent.simulation.moods import Mood
from agent.simulation.pacs import AE_TITLE, MoodyPacs
from agent.simulation.plan import Plan, Wishes, day
from agent.simulation.sender import Sender, synthesised
from dicom_io.errors import AssociationRejectedError, NetworkError, PeerUnreachableError
from dicom_io.scu import HeldAssociation, Peer, echo


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[MoodyPacs]:
    with MoodyPacs(tmp_path / "pacs", slow_seconds=0.05) as pacs:
        yield pacs


@pytest.fixture
def peer(pacs: MoodyPacs) -> Peer:
    return Peer(AE_TITLE, "127.0.0.1", pacs.port)


@pytest.fixture
def plan() -> Plan:
    wishes = Wishes(studies=20, exact=True, late=0.3, repeated=0.3, recoded=0.3)
    return day(seed=5, begins_at=datetime(2026, 3, 2, tzinfo=UTC), wishes=wishes)


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    return tmp_path / "sent.jsonl"


def test_what_the_sender_counts_as_taken_is_what_the_pacs_took(
    pacs: MoodyPacs, peer: Peer, plan: Plan, sent: Path, tmp_path: Path
) -> None:
    turns = iter([Mood.REFUSES, Mood.SLOW, Mood.WARNS, Mood.DOWN, Mood.REJECTS, Mood.ACCEPTS])
    lock = threading.Lock()
    with SendingLedger(sent) as ledger, ThreadPoolExecutor(1) as moods:  # one thread: the moods keep their order

        def change(_: object) -> None:
            with lock:
                if (mood := next(turns, None)) is not None:
                    moods.submit(pacs.be, mood)

        Sender(peer, ledger, on_sent=change).run(plan, speed=None, tries=None, pause=0.05)
    taken = acknowledged(read_sendings(sent))
    assert set(taken) == {one.simulated.sop_instance_uid for one in plan.objects}
    received = acknowledged(read_receipts(tmp_path / "pacs" / "received.jsonl"))
    assert {uid: digests <= received[uid] for uid, digests in taken.items()} == dict.fromkeys(taken, True)
    assert {path.stem for path in (tmp_path / "pacs").glob("*.dcm")} == set(received)


def test_a_scanner_gives_up_after_its_tries_and_says_what_was_not_taken(
    pacs: MoodyPacs, peer: Peer, plan: Plan, sent: Path
) -> None:
    pacs.be(Mood.REFUSES)
    with SendingLedger(sent) as ledger:
        Sender(peer, ledger).run(plan, speed=None, tries=2, pause=0.01)
    lines = list(read_sendings(sent))
    assert {line.status for line in lines} == {0xA700}
    assert not acknowledged(lines)
    assert set(Counter(line.sop_instance_uid for line in lines if line.why == "late").values()) == {2}


def test_a_pacs_that_rejects_or_is_down_comes_back_on_its_port(pacs: MoodyPacs, peer: Peer) -> None:
    pacs.be(Mood.REJECTS)
    with pytest.raises(AssociationRejectedError):
        echo(peer)
    pacs.be(Mood.DOWN)
    with pytest.raises(PeerUnreachableError):
        echo(peer)
    pacs.be(Mood.ACCEPTS)
    echo(peer)


def test_a_held_association_is_opened_again_when_the_peer_has_ended_it(pacs: MoodyPacs, peer: Peer, plan: Plan) -> None:
    first, second = [synthesised(one) for one in plan.objects][:2]
    with HeldAssociation(peer, "SIMCR1") as held:
        assert held.store(first).stored
        pacs.be(Mood.DOWN)
        with pytest.raises(NetworkError):
            held.store(second)
        pacs.be(Mood.ACCEPTS)
        assert held.store(second).stored


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        (BadPeer.ABORTS, "accepted"),
        (BadPeer.SILENT, "accepted"),
        (BadPeer.WRONG_CALLED, "rejected"),
        (BadPeer.UNKNOWN_CLASS, "accepted"),
        (BadPeer.GARBAGE, "aborted"),
        (BadPeer.PORT_SCAN, "connected"),
    ],
)
def test_a_bad_peer_leaves_nothing_behind(
    peer: Peer, tmp_path: Path, what: BadPeer, answer: str, eventually: Callable[..., None]
) -> None:
    stop = threading.Event()
    stop.set()
    assert misbehave(what, peer, seed=1, stop=stop, seconds=5) == answer
    echo(peer)
    eventually(lambda: not list((tmp_path / "pacs").glob("*.tmp")))
    assert not list(read_receipts(tmp_path / "pacs" / "received.jsonl"))


def test_a_ledger_cut_off_in_the_middle_of_a_line_is_read_and_goes_on(peer: Peer, plan: Plan, sent: Path) -> None:
    with SendingLedger(sent) as ledger:
        Sender(peer, ledger).run(plan, speed=None)
    whole = list(read_sendings(sent))
    sent.write_bytes(sent.read_bytes()[:-10])
    assert list(read_sendings(sent)) == whole[:-1]
    with SendingLedger(sent) as ledger:
        ledger.add(whole[-1])
    assert list(read_sendings(sent)) == whole


def test_the_command_sends_its_day_tells_what_was_accepted_and_fails_where_nothing_was(
    pacs: MoodyPacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.simulate.stop_on_signals", lambda _: None)  # they are those of this process
    day = ["--studies", "2", "--speed", "0", "--troubles", "0", "--height", "64", "--tries", "1"]
    command = ["simulate", "--agent", f"{AE_TITLE}@127.0.0.1:{pacs.port}", *day, "--date", "2026-03-02"]
    done = CliRunner().invoke(tibabu, [*command, "--dir", str(tmp_path / "first")])
    assert done.exit_code == 0, done.output
    taken = acknowledged(read_sendings(tmp_path / "first" / "sent.jsonl"))
    assert sum(map(len, taken.values())) >= 1
    assert f"{sum(map(len, taken.values()))} Instances of " in done.stdout
    assert "No account: without --config the agent's database is not read." in done.stdout
    assert "Simulated patients" in done.stdout
    pacs.be(Mood.REFUSES)
    refused = CliRunner().invoke(tibabu, [*command, "--dir", str(tmp_path / "second"), "--json"])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["sent"]["accepted"] == 0
