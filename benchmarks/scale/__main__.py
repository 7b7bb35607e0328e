"""`python benchmarks/scale`: studies per second against workers, on one PostgreSQL, and what a study costs each part.

Every study is one radiograph; the model sleeps instead of computing (sleeping_agent.py), since the question is what is
around it. All studies are received first; then the workers start, and what they conclude and what is delivered is
counted from a tenth to nine tenths of them. With --hosts the processes are spread over network namespaces with
addresses of their own, behind the shipped HAProxy configuration; that needs root.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from cluster import DICOM, FRONT, Cluster, answered, balancer, pacs, processor_seconds_of, running, send, tool
from hosts import LOCAL, Host, namespaces
from server import Server, postgresql

from dicom_io.simulated import Kind, Simulated, made

ASSOCIATIONS = 4
FIRST, LAST = 0.1, 0.9
"""The share of the studies between which the clock runs: beginnings and ends are not what is asked."""
CONCLUDED = "SELECT count(*) FROM result"
DELIVERED = "SELECT count(*) FROM study WHERE state = 'DELIVERED'"
_LOOK = 0.1
_PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything runs. The database is reached at `server`."""

    server: Host
    modality: Host
    balancer: Host | None
    agents: tuple[Host, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, in studies per second and in what each study cost."""

    hosts: int
    workers: int
    studies: int
    received: float
    concluded: float
    delivered: float
    commits: float
    syncs: float
    wal_kilobytes: float
    row_kilobytes: float
    connections: int
    processor_milliseconds: dict[str, float]


@click.command()
@click.option("--workers", default="1,2,4", show_default=True, help="Working processes, one run for each number.")
@click.option("--hosts", type=click.IntRange(0, 8), default=0, help="Network namespaces; 0: this machine as it is.")
@click.option("--studies", type=click.IntRange(10), default=60, show_default=True, help="For each worker.")
@click.option("--seconds", type=float, default=0.2, show_default=True, help="The model's, for each image.")
@click.option("--height", type=int, default=1334, show_default=True, help="Of each image, in pixels: 1334 is 1.4 MB.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures there, as JSON.")
def main(*, workers: str, hosts: int, studies: int, seconds: float, height: int, out: Path | None) -> None:
    """Print a table in Markdown."""
    for name in ("storescu", "storescp", "haproxy"):
        tool(name)
    found = []
    with place(hosts) as where:
        for count in map(int, workers.split(",")):
            with tempfile.TemporaryDirectory(prefix="tibabu-scale-", dir="/tmp") as name:
                found.append(_measure(Path(name), where, count, studies * count, (seconds, height)))
            click.echo(json.dumps(asdict(found[-1])), err=True)
    click.echo(_table(found))
    if out is not None:
        out.write_text(json.dumps([asdict(one) for one in found], indent=1), encoding="utf-8")


@contextmanager
def place(hosts: int) -> Iterator[Place]:
    """Make the hosts for a block."""
    if not hosts:
        yield Place(LOCAL, LOCAL, None, (LOCAL,))
        return
    agents = [f"agent{number}" for number in range(1, hosts + 1)]
    with namespaces("modality", "balancer", *agents) as made_hosts:
        yield Place(
            made_hosts["server"],
            made_hosts["modality"],
            made_hosts["balancer"],
            tuple(made_hosts[name] for name in agents),
        )


def _measure(folder: Path, where: Place, workers: int, studies: int, load: tuple[float, int]) -> Measured:
    folder.chmod(0o755)
    seconds, height = load
    files = list(_files(folder / "sent", studies, height))
    with ExitStack() as stack:
        server = stack.enter_context(postgresql(folder, where.server.address))
        cluster = Cluster(folder, server.url, seconds)
        stack.enter_context(running(pacs(where.modality), folder / "pacs.log"))
        for host in where.agents:
            cluster.configure(host, where.modality, where.balancer)
        stack.callback(cluster.stop)
        for role in ("receive", "deliver", "clock"):
            cluster.start(role, *where.agents)
        to = where.agents[0].address, DICOM
        if where.balancer is not None:
            to = where.balancer.address, FRONT
            stack.enter_context(running(balancer(where.balancer, where.agents, folder), folder / "haproxy.log"))
        answered(where.modality, *to)
        before, used = server.done(), cluster.processor_seconds() | {"database": processor_seconds_of(folder)}
        received = len(files) / send(where.modality, *to, files, ASSOCIATIONS)
        cluster.start("work", *(where.agents[number % len(where.agents)] for number in range(workers)))
        loaded = cluster.processor_seconds()["work"]
        rates = _rates(server, studies)
        after, done = server.done(), cluster.processor_seconds() | {"database": processor_seconds_of(folder)}
    used["work"] = loaded
    return Measured(
        hosts=len(where.agents),
        workers=workers,
        studies=studies,
        received=received,
        concluded=rates[CONCLUDED],
        delivered=rates[DELIVERED],
        commits=(after.commits - before.commits) / studies,
        syncs=(after.syncs - before.syncs) / studies,
        wal_kilobytes=(after.wal_bytes - before.wal_bytes) / studies / 1000,
        row_kilobytes=(after.size - before.size) / studies / 1000,
        connections=after.connections,
        processor_milliseconds={role: 1000 * (done[role] - used[role]) / studies for role in done},
    )


def _files(folder: Path, number: int, height: int) -> Iterator[Path]:
    folder.mkdir()
    now = datetime.now(UTC)
    for study in range(number):
        one = Simulated(run=folder.parent.name, study=study, image=1, kind=Kind.DX, made_at=now, height=height)
        (file := folder / f"{study}.dcm").write_bytes(made(one))
        yield file


def _rates(server: Server, studies: int) -> dict[str, float]:
    """Watch the counts until all is delivered; return the rates. Raises TimeoutError."""
    marks: dict[tuple[str, float], tuple[float, int]] = {}
    begun = time.monotonic()
    while True:
        for query in (CONCLUDED, DELIVERED):
            (count,) = server.row(query)
            for share in (FIRST, LAST):
                if count >= share * studies:
                    marks.setdefault((query, share), (time.monotonic(), count))
        if count == studies:
            break
        if time.monotonic() - begun > _PATIENCE:
            message = f"expected {studies} delivered studies. Received: {count}"
            raise TimeoutError(message)
        time.sleep(_LOOK)
    rate: Callable[[str], float] = lambda query: (  # noqa: E731
        (marks[query, LAST][1] - marks[query, FIRST][1]) / (marks[query, LAST][0] - marks[query, FIRST][0])
    )
    return {query: rate(query) for query in (CONCLUDED, DELIVERED)}


def _table(found: list[Measured]) -> str:
    roles = list(found[0].processor_milliseconds)
    lines = [
        "| hosts, workers | received/s | concluded/s | delivered/s | transactions | syncs | WAL | rows | connections | "
        + " | ".join(f"ms of {role}" for role in roles)
        + " |",
        "|---" * (9 + len(roles)) + "|",
    ]
    for one in found:
        spent = " | ".join(f"{one.processor_milliseconds[role]:.0f}" for role in roles)
        rates = f"{one.received:.1f} | {one.concluded:.1f} | {one.delivered:.1f}"
        server = f"{one.commits:.1f} | {one.syncs:.1f} | {one.wal_kilobytes:.0f} kB | {one.row_kilobytes:.0f} kB"
        lines.append(f"| {one.hosts}, {one.workers} | {rates} | {server} | {one.connections} | {spent} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
