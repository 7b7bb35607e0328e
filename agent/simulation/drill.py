"""One run from the first association to the account: at an agent that is running, or at one that is started for it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from agent.config.file import Config, load
from agent.process.parts import opened
from agent.simulation.account import Account, Received, Sent, account, received, sent
from agent.simulation.hospital import DESTINATION, hospital, wait_until_settled
from agent.simulation.ledger import Sending, SendingLedger, read_receipts, read_sendings
from agent.simulation.moods import Mood, Spell, follow
from agent.simulation.pacs import LEDGER, MoodyPacs
from agent.simulation.plan import Plan
from agent.simulation.sender import Sender, Source
from dicom_io.peer import Peer

SENT: Final = "sent.jsonl"


class Pacs(Protocol):
    """What of a PACS a drill needs."""

    def be(self, mood: Mood) -> None:
        """Change its mood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a drill takes place.

    `config` is the agent's configuration, None where its database is not for us to see; `pacs` is a PACS of ours, and
    `receipts` its ledger, if there is one; `destination` is its name in that configuration. `url` is its page's, if it
    is ours.
    """

    agent: Peer
    config: Config | None = None
    pacs: Pacs | None = None
    receipts: Path | None = None
    destination: str = DESTINATION
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a plan is carried out; see `Sender.run` for `speed` and `tries`. `spells` are the PACS's moods."""

    speed: float | None
    tries: int | None
    source: Source
    spells: tuple[Spell, ...] = ()
    settle_seconds: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """How it went; `account` is None where no database could be asked, `received` where no PACS of ours listened."""

    sent: Sent
    troubles: Mapping[str, int]
    received: Received | None
    settled: bool | None
    account: Account | None


@contextmanager
def embedded(folder: Path) -> Iterator[Site]:
    """Start an agent on embedded defaults and a PACS for a block."""
    with hospital(folder) as site:
        yield Site(agent=site.agent, config=load(site.config), pacs=site, receipts=site.pacs / LEDGER, url=site.url)


@contextmanager
def visited(
    agent: Peer, *, folder: Path, config: Config | None, listen: Peer | None, destination: str
) -> Iterator[Site]:
    """Use an agent that is running; `listen`: be its PACS, under that AE title and address."""
    if listen is None:
        yield Site(agent=agent, config=config)
        return
    with MoodyPacs(folder / "pacs", ae_title=listen.ae_title, host=listen.host, port=listen.port, keep=False) as pacs:
        receipts = folder / "pacs" / LEDGER
        yield Site(agent=agent, config=config, pacs=pacs, receipts=receipts, destination=destination)


def drill(
    plan: Plan,
    site: Site,
    manner: Manner,
    *,
    folder: Path,
    stop: threading.Event,
    on_sent: Callable[[Sending], None],
    on_settled: Callable[[int], None],
) -> Drilled:
    """Send the plan, wait until nothing more happens by itself, and draw up the account; `stop` ends sending early."""
    with SendingLedger(folder / SENT) as ledger, _moody(site.pacs, manner):
        sender = Sender(site.agent, ledger, source=manner.source, on_sent=on_sent, stop=stop)
        sender.run(plan, speed=manner.speed, tries=manner.tries)
    lines = list(read_sendings(folder / SENT))
    studies = list(dict.fromkeys(line.study_instance_uid for line in lines if line.acknowledged))
    settled, final = None, None
    if site.config is not None:
        with opened(site.config) as database:
            settled = wait_until_settled(
                database, studies, seconds=manner.settle_seconds, progress=on_settled, stop=stop
            )
            receipts = None if site.receipts is None else list(read_receipts(site.receipts))
            final = account(lines, database, receipts, destination=site.destination if receipts is not None else None)
    return Drilled(
        sent=sent(lines),
        troubles={f"{what.value}: {answer}": count for (what, answer), count in sorted(sender.troubles.items())},
        received=None if site.receipts is None else received(read_receipts(site.receipts)),
        settled=settled,
        account=final,
    )


@contextmanager
def _moody(pacs: Pacs | None, manner: Manner) -> Iterator[None]:
    """Let the PACS follow its moods for a block, and be well afterwards."""
    if pacs is None or not manner.spells:
        yield
        return
    over = threading.Event()
    plan = partial(follow, pacs.be, manner.spells, speed=manner.speed or 1.0, stop=over)
    moods = threading.Thread(target=plan, name="moods")
    moods.start()
    try:
        yield
    finally:
        over.set()
        moods.join()
        pacs.be(Mood.ACCEPTS)
