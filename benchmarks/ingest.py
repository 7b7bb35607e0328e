"""Instances per second into a Storage SCP: this agent beside DCMTK's storescp and Orthanc, fed by DCMTK's storescu.

The three answer 0x0000 at different points: storescp after writing without a sync, Orthanc after its index, this agent
after file, folder and row are synced. Each peer is the product as it is run, started anew for each measurement; rounds
go through all of them, and what is printed are medians over the rounds, since the machine's disk is not the same from
one minute to the next. Run it on an otherwise idle machine; every server listens on loopback and ends with it.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import numpy as np

from dicom_io.errors import NetworkError
from dicom_io.image_files import CrIdentity, write_cr
from dicom_io.scu import Peer, echo

AE_TITLE = "BENCH"
SIZES = {"1.4 MB": ((1334, 1050), 1.0), "8.2 MB": ((2860, 2860), 0.4)}
"""Shape of the image, 8 bit, and the share of the Instances that are sent of this size."""
ASSOCIATIONS = (1, 4)
SYSTEM = "/usr/bin:/usr/sbin:/usr/local/bin"
"""Where DCMTK's tools are: pynetdicom installs scripts of the same names into the environment."""
START_SECONDS = 60.0
WARM_UP = 12
"""Instances sent before the clock starts: what a server does once, it does not do for each Instance."""
UNDELAYED = os.environ | {"TCP_NODELAY": "1"}
"""Without it Nagle and delayed ACK cost DCMTK's tools, and Orthanc, 40 ms an Instance, as client and as server."""

Serve = Callable[[Path], contextlib.AbstractContextManager[int]]


@dataclass(frozen=True)
class Case:
    """What is sent: files, over how many associations at once, and others before these."""

    size: str
    associations: int
    files: list[Path]
    warm_up: list[Path]


@click.command()
@click.option("--instances", type=click.IntRange(4), default=120, show_default=True, help="Of 1.4 MB, in each round.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--processes", default="", help="Receiving processes of tibabu, such as 1,2: each is a peer of its own.")
@click.option("--only", default="", help="Peers to measure, such as orthanc,tibabu.")
def main(instances: int, rounds: int, processes: str, only: str) -> None:
    """Print the median of Instances per second of each peer, and its ratio to storescp."""
    missing = [tool for tool in ("storescu", "storescp", "Orthanc") if shutil.which(tool, path=SYSTEM) is None]
    if missing:
        message = f"install Debian's dcmtk and orthanc first; missing: {', '.join(missing)}"
        raise click.ClickException(message)
    peers = _peers(processes, only)
    with tempfile.TemporaryDirectory(prefix="tibabu-ingest-", dir=".") as name:
        folder = Path(name).resolve()
        cases = _cases(folder, instances)
        rates: dict[tuple[int, str], list[float]] = {}
        for _ in range(rounds):
            for number, case in enumerate(cases):
                for label, serve in peers.items():
                    rates.setdefault((number, label), []).append(_rate(serve, folder, case))
    _print(cases, list(peers), rates)


def _peers(processes: str, only: str) -> dict[str, Serve]:
    peers: dict[str, Serve] = {"storescp": storescp, "orthanc": orthanc}
    if processes:
        peers |= {f"tibabu x {count}": partial(tibabu, processes=int(count)) for count in processes.split(",")}
    else:
        peers["tibabu"] = tibabu
    return {label: serve for label, serve in peers.items() if not only or label.partition(" ")[0] in only.split(",")}


def _cases(folder: Path, instances: int) -> list[Case]:
    cases = []
    for size, (shape, share) in SIZES.items():
        files = make_instances(folder / size.replace(" ", ""), shape, max(4, round(instances * share)) + WARM_UP)
        cases += [Case(size, count, files[WARM_UP:], files[:WARM_UP]) for count in ASSOCIATIONS]
    return cases


def _print(cases: list[Case], labels: list[str], rates: dict[tuple[int, str], list[float]]) -> None:
    """Print a table in Markdown: medians, in brackets the ratio of medians to the first peer, and the extremes."""
    click.echo("| Instance, associations | " + " | ".join(labels) + " |")
    click.echo("|---" * (len(labels) + 1) + "|")
    for number, case in enumerate(cases):
        first = statistics.median(rates[number, labels[0]])
        cells = []
        for label in labels:
            found = rates[number, label]
            middle = statistics.median(found)
            cells.append(f"{middle:.0f}/s ({middle / first:.2f}), {min(found):.0f} to {max(found):.0f}")
        click.echo(f"| {case.size}, {case.associations} | " + " | ".join(cells) + " |")


def make_instances(folder: Path, shape: tuple[int, int], count: int, *, first: int = 0) -> list[Path]:
    """Write images of noise, each of a patient of its own: neither pixels nor identities repeat."""
    folder.mkdir()
    noise = np.random.default_rng(first)
    return [
        write_cr(
            noise.integers(0, 256, shape, dtype=np.uint8),
            folder / f"{number:04d}.dcm",
            CrIdentity(
                patient_id=f"B{number}",
                patient_name=f"Bench^{number}",
                made_at=datetime.now(UTC),
                patient_age="004Y",
            ),
        )
        for number in range(first, first + count)
    ]


def _rate(serve: Serve, folder: Path, case: Case) -> float:
    """Return Instances per second into a fresh server that has taken a few."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, serve(Path(fresh)) as port:
        send(port, case.warm_up, case.associations)
        started = time.monotonic()
        send(port, case.files, case.associations)
        return len(case.files) / (time.monotonic() - started)


def send(port: int, files: list[Path], associations: int) -> None:
    """Send the files over so many associations at once."""
    command = [_tool("storescu"), "-aec", AE_TITLE, "127.0.0.1", str(port)]
    shares = [files[number::associations] for number in range(associations)]
    senders = [
        subprocess.Popen([*command, *map(str, share)], env=UNDELAYED)  # noqa: S603 - commands of this file
        for share in shares
    ]
    statuses = [sender.wait() for sender in senders]
    if any(statuses):
        message = "expected storescu to store every Instance. Received: a failure"
        raise click.ClickException(message)


@contextlib.contextmanager
def _process(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=UNDELAYED)  # noqa: S603 - as above
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _tool(name: str) -> str:
    return shutil.which(name, path=SYSTEM) or name


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await(port: int) -> int:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            echo(Peer(AE_TITLE, "127.0.0.1", port))
        except NetworkError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return port


@contextlib.contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """DCMTK's storescp: a process an association, no sync, no index."""
    port = _free_port()
    with _process([_tool("storescp"), "--fork", "-aet", AE_TITLE, "-od", str(folder), str(port)], folder):
        yield _await(port)


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[int]:
    """Orthanc with its SQLite index, its defaults otherwise."""
    port = _free_port()
    settings = {
        "Name": "bench",
        "StorageDirectory": "storage",
        "IndexDirectory": "storage",
        "DicomAet": AE_TITLE,
        "DicomPort": port,
        "HttpServerEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with _process([_tool("Orthanc"), "orthanc.json"], folder):
        yield _await(port)


@contextlib.contextmanager
def tibabu(folder: Path, processes: int | None = None, database: str | None = None) -> Iterator[int]:
    """Tibabu's receiver as it is run: file, folder and row are synced before the answer."""
    port = _free_port()
    table = f'[receive]\nae_title = "{AE_TITLE}"\nhost = "127.0.0.1"\nport = {port}\n'
    if processes is not None:
        table += f"processes = {processes}\n"
    if database is not None:
        table += f'[database]\nurl = "{database}"\n'
    (folder / "config.toml").write_text(table, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "agent", "run", "--config", "config.toml", "--only", "receive"]
    with _process(command, folder):
        yield _await(port)


if __name__ == "__main__":
    main()
