"""The downtime drill: a hospital on this machine in which one thing after another fails, while scanners send.

The agent runs with the defaults; associations, files and killed processes are real. Of each exercise it is said
beforehand what has to be seen, and then compared.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.config.file import load
from agent.doctor.examination import examine
from agent.doctor.finding import Severity
from agent.process.parts import opened, utc_now
from agent.simulation.account import Account, account, sent
from agent.simulation.arrival import FLAT, Profile
from agent.simulation.exercises import Exercise, Ward
from agent.simulation.hospital import AE_TITLE, DESTINATION, wait_until_settled
from agent.simulation.host import Host
from agent.simulation.ledger import Sending, SendingLedger, read_receipts, read_sendings
from agent.simulation.pacs import LEDGER, MoodyPacs
from agent.simulation.plan import Wishes, day
from agent.simulation.ris import Ris
from agent.simulation.sender import Sender
from agent.simulation.wire import wire
from dicom_io.peer import Peer, Timeouts

_HOUR: Final = 3600.0
_SETTLE_SECONDS: Final = 900.0
_TIMEOUTS: Final = Timeouts(connection=5, acse=10, dimse=60, network=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of an exercise, in figures. Waits and times in seconds."""

    name: str
    objects: int
    answers: dict[str, int]
    accepted: int
    delivered: int
    accounted_for: int
    lost: int
    longest_wait: float
    outage: float
    caught_up: float
    findings: tuple[str, ...]
    surprises: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether all was seen that had to be, and nothing else."""
        return not self.surprises


@contextmanager
def ward(folder: Path) -> Iterator[Ward]:
    """Build the hospital below `folder` for a block; the agent is not started."""
    folder.mkdir(parents=True, exist_ok=True)
    ris, port = Ris(), _free_port()
    host = Host(folder / "config.toml", folder / "agent.log")
    with MoodyPacs(folder / "pacs", keep=False) as pacs, wire(port) as cable:
        made = Ward(folder=folder, host=host, pacs=pacs, ris=ris, cable=cable, port=port)
        host.config.write_text(made.config(), encoding="utf-8")
        try:
            yield made
        finally:
            host.stop()
            ris.go()


def rehearse(
    here: Ward,
    exercises: Sequence[Exercise],
    *,
    studies: int,
    seconds: float,
    seed: int = 1,
    tell: Callable[[Exercise], None],
) -> Iterator[Seen]:
    """Carry the exercises out, one after another; yield what was seen of each."""
    here.host.start()
    for number, exercise in enumerate(exercises):
        tell(exercise)
        yield _carried_out(here, exercise, studies, seconds, seed + number)


def _carried_out(here: Ward, exercise: Exercise, studies: int, seconds: float, seed: int) -> Seen:
    """Let scanners send over the time of the outage, mend it, and wait until nothing more happens by itself."""
    profile = Profile(FLAT, hours=1)
    wishes = Wishes(studies=studies, exact=True, profile=profile, late=0, repeated=0, recoded=0, adults=0)
    plan = day(seed=seed, begins_at=datetime.now(UTC).replace(microsecond=0), wishes=wishes)
    file = here.folder / f"sent-{seed}.jsonl"
    agent = Peer(AE_TITLE, "127.0.0.1", here.cable.port)
    with SendingLedger(file) as ledger:
        scanners = threading.Thread(
            target=Sender(agent, ledger, timeouts=_TIMEOUTS).run,
            args=(plan,),
            kwargs={"speed": _HOUR / seconds, "tries": None},
        )
        exercise.fail(here)
        failed = time.monotonic()
        scanners.start()
        _wait_until(failed + max(seconds, exercise.least_seconds))
        findings = _findings(here.host.config)
        exercise.mend(here)
        mended = time.monotonic()
        scanners.join()
    lines = list(read_sendings(file))
    with opened(load(here.host.config)) as database:
        settled = wait_until_settled(database, plan.studies, seconds=_SETTLE_SECONDS, progress=lambda _: None)
        caught_up = time.monotonic() - mended
        receipts = list(read_receipts(here.folder / "pacs" / LEDGER))
        all_sent = [line for one in sorted(here.folder.glob("sent-*.jsonl")) for line in read_sendings(one)]
        final = account(lines, database, receipts, destination=DESTINATION)
        whole = account(all_sent, database, receipts, destination=DESTINATION)
    objects = {one.simulated.sop_instance_uid for one in plan.objects}
    answers = {name.split()[0]: count for name, count in sent(lines).by_status.items()}
    return Seen(
        name=exercise.name,
        objects=len(objects),
        answers=answers,
        accepted=sent(lines).accepted,
        delivered=final.fates.get("delivered", 0),
        accounted_for=sum(count for fate, count in final.fates.items() if fate != "delivered"),
        lost=len(whole.lost),
        longest_wait=longest_wait(lines),
        outage=mended - failed,
        caught_up=caught_up,
        findings=findings,
        surprises=(
            *surprises(exercise, answers, findings, taken=sent(lines).accepted == len(objects)),
            *faults(whole, settled=settled),
        ),
    )


def surprises(exercise: Exercise, answers: dict[str, int], findings: tuple[str, ...], *, taken: bool) -> Iterator[str]:
    """Yield what was not seen and should have been, or the other way round."""
    others = answers.keys() - {"0000"}
    if not taken:
        yield "not every image was accepted in the end"
    if unexpected := others - exercise.refused - exercise.also:
        yield f"scanners were answered {', '.join(sorted(unexpected))}"
    if exercise.refused and not others & exercise.refused:
        yield f"scanners were not answered {' or '.join(sorted(exercise.refused))}"
    if missing := exercise.findings - set(findings):
        yield f"tibabu check did not say {', '.join(sorted(missing))}"


def faults(whole: Account, *, settled: bool) -> Iterator[str]:
    """Yield what is wrong with the account."""
    if not settled:
        yield "not all was reported in time"
    if not whole.holds:
        yield "accepted = delivered + accounted for does not hold over all exercises so far"


def longest_wait(lines: Sequence[Sending]) -> float:
    """Return for how long an image was not taken, at worst: from its first attempt's begin to its acknowledgement."""
    began: dict[str, float] = {}
    worst = 0.0
    for line in lines:
        at = datetime.fromisoformat(line.at).timestamp()
        began.setdefault(line.sop_instance_uid, at - line.seconds)
        if line.acknowledged:
            worst = max(worst, at - began[line.sop_instance_uid])
    return worst


def _findings(config: Path) -> tuple[str, ...]:
    found = examine(config, named=True, clock=utc_now)
    return tuple(dict.fromkeys(one.remedy.code for one in found if one.remedy and one.severity is Severity.ERROR))


def _wait_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def _free_port() -> int:
    """Return a port that is free now; the agent has to come back at the same one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
