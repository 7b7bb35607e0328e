"""`python benchmarks/readers`: many readers with the worklist open while studies come in, and the first page by size.

Of the page itself: from the commit of what came to the row of it in each reader's hands. The web process is the real
one; studies come as rows, by the functions that the lines use, so that no radiograph is analysed meanwhile.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from open_pages import Reader, read

from db.database import open_database
from db.disks import Disk, record_disks
from db.migrate import upgrade
from db.queue import utc_now

TICKS = os.sysconf("SC_CLK_TCK")
TAIL = 5.0
WARM = 5.0
"""Seconds before what is measured."""


@dataclass(frozen=True, slots=True)
class Web:
    """The web process: where it is reached, and its number."""

    url: str
    process: int

    def seconds(self) -> float:
        """Return its processor time."""
        user, system = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS


@contextlib.contextmanager
def serving(url: str, folder: Path) -> Iterator[Web]:
    """Run the web process on a database for a block."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    config.write_text(f"[database]\nurl = {json.dumps(url)}\n[web]\nport = 0\n")
    command = [sys.executable, "-P", "-m", "agent", "run", "--only", "web", "--config", str(config)]
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder)  # noqa: S603 - our own
    try:
        assert agent.stdout is not None  # noqa: S101 - a pipe
        said = json.loads(agent.stdout.readline())
        yield Web(said["url"].rstrip("/"), agent.pid)
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(60)


@click.group()
def main() -> None:
    """Measure the worklist's page."""


@main.command()
@click.option("--database", default="", help="URL of an empty database. Default: a SQLite file that goes again.")
@click.option("--readers", default=50, show_default=True)
@click.option("--rate", default=5.0, show_default=True, help="Studies a second.")
@click.option("--seconds", default=60.0, show_default=True)
def live(database: str, readers: int, rate: float, seconds: float) -> None:
    """Let studies come in while readers look on."""
    folder = Path(tempfile.mkdtemp(prefix="tibabu-readers-"))
    url = database or f"sqlite:///{folder / 'tibabu.db'}"
    made = open_database(url)
    upgrade(made)
    made.dispose()
    try:
        with serving(url, folder) as web:
            asyncio.run(_look_on(web, url, readers, rate, seconds))
    finally:
        shutil.rmtree(folder)


async def _look_on(web: Web, url: str, count: int, rate: float, seconds: float) -> None:
    people, stop = [Reader() for _ in range(count)], asyncio.Event()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=web.url, limits=limits, trust_env=False) as client:
        pages = [asyncio.create_task(read(client, reader, stop)) for reader in people]
        script = str(Path(__file__).with_name("arrivals.py"))
        command = (sys.executable, script, url, str(rate), str(WARM + seconds))
        coming = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        await asyncio.sleep(WARM)
        begun, used = time.time(), web.seconds()
        said, _ = await coming.communicate()
        lasted, used = time.time() - begun, web.seconds() - used
        await asyncio.sleep(TAIL)  # for what was committed last
        stop.set()
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    if coming.returncode:
        message = f"expected the arrivals to end well. Received: {coming.returncode}"
        raise SystemExit(message)
    committed = [one for one in map(json.loads, said.decode().splitlines()) if one["at"] > begun]
    _tell(committed, people, used, lasted)


def _tell(committed: Sequence[dict[str, object]], people: Sequence[Reader], used: float, lasted: float) -> None:
    click.echo("| what | readers | median | 95 % | 99 % | longest | never seen |\n|---|---|---|---|---|---|---|")
    for what in ("arrived", "concluded"):
        seen = [(getattr(one, what).get(str(said["study"])), said) for said in committed for one in people]
        late = [at - float(str(said["at"])) for at, said in seen if said["what"] == what and at is not None]
        missed = sum(at is None for at, said in seen if said["what"] == what)
        click.echo(f"| {what} | {len(people)} | {_row(late)} | {missed} |")
    parts, received = sum(one.parts for one in people), sum(one.received for one in people)
    arrived = sum(one["what"] == "arrived" for one in committed)
    click.echo(f"web process: {100 * used / lasted:.0f} % of a core; {arrived / lasted:.1f} studies/s")
    click.echo(f"parts: {parts / lasted:.0f}/s, {received / lasted / 1024:.0f} KB/s")


def _row(values: Sequence[float]) -> str:
    ordered = sorted(values)
    points = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.95, 0.99)]
    return " | ".join(f"{1000 * value:.0f} ms" for value in (statistics.median(ordered), *points, ordered[-1]))


@main.command()
@click.argument("small")
@click.argument("big")
@click.option("--times", default=40, show_default=True)
def first(small: str, big: str, times: int) -> None:
    """Ask for the first page of two databases in turns, each time anew: something was committed in between."""
    root = Path(tempfile.mkdtemp(prefix="tibabu-readers-"))
    try:
        with serving(small, root / "small") as one, serving(big, root / "big") as other:
            taken: tuple[list[float], list[float]] = ([], [])
            for turn in range(times + 1):
                for (web, url), found in zip(((one, small), (other, big)), taken, strict=True):
                    lasted = _asked(web, url, turn)
                    if turn:
                        found.append(lasted)
        for name, found in zip((small, big), taken, strict=True):
            click.echo(f"{name.rpartition('/')[2]}: {_row(found)}")
        click.echo(f"x{statistics.median(taken[1]) / statistics.median(taken[0]):.2f}")
    finally:
        shutil.rmtree(root)


def _asked(web: Web, url: str, turn: int) -> float:
    """Return how long the page takes that nobody has asked for since something was committed."""
    database = open_database(url)
    disk = Disk(
        place="store",
        free_megabytes=100_000 + turn,
        low_megabytes=1,
        refused_megabytes=0,
        low_since=None,
        looked_at=utc_now(),
    )
    record_disks(database, (disk,))
    database.dispose()
    with httpx.Client(base_url=web.url, trust_env=False, timeout=60) as client:
        client.get("/healthz").raise_for_status()  # the connection is made
        began = time.perf_counter()
        client.get("/").raise_for_status()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
