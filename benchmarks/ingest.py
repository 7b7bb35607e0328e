"""Instances per second into a Storage SCP: this agent beside DCMTK's storescp and Orthanc, fed by DCMTK's storescu.

The three answer 0x0000 at different points: storescp after writing without a sync, Orthanc after its index, this agent
after file, folder and row are synced. Run it on an otherwise idle machine; every server listens on loopback and ends
with it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from dicom_io.errors import NetworkError
from dicom_io.image_files import CrIdentity, write_cr
from dicom_io.scu import Peer, echo

AE_TITLE = "BENCH"
SIZES = {"1.4 MB": (1334, 1050), "8.2 MB": (2860, 2860)}
ASSOCIATIONS = (1, 4)
SYSTEM = "/usr/bin:/usr/sbin:/usr/local/bin"
"""Where DCMTK's tools are: pynetdicom installs scripts of the same names into the environment."""
START_SECONDS = 60.0


@click.command()
@click.option("--instances", type=click.IntRange(4), default=120, show_default=True, help="Of each size.")
def main(instances: int) -> None:
    """Print a table of Instances per second, and each server's ratio to storescp."""
    missing = [tool for tool in ("storescu", "storescp", "Orthanc") if shutil.which(tool, path=SYSTEM) is None]
    if missing:
        message = f"install Debian's dcmtk and orthanc first; missing: {', '.join(missing)}"
        raise click.ClickException(message)
    with tempfile.TemporaryDirectory(prefix="tibabu-ingest-") as name:
        folder = Path(name)
        for size, shape in SIZES.items():
            files = _instances(folder / size.replace(" ", ""), shape, instances)
            for associations in ASSOCIATIONS:
                rates = {label: _rate(serve, folder, files, associations) for label, serve in SERVERS.items()}
                peer = rates["storescp"]
                shown = "  ".join(f"{label} {rate:6.1f}/s ({rate / peer:.2f})" for label, rate in rates.items())
                click.echo(f"{size}, {associations} association(s): {shown}")


def _instances(folder: Path, shape: tuple[int, int], count: int) -> list[Path]:
    folder.mkdir()
    noise = np.random.default_rng(0)
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
        for number in range(count)
    ]


Serve = Callable[[Path], contextlib.AbstractContextManager[int]]


def _rate(serve: Serve, folder: Path, files: list[Path], n: int) -> float:
    """Return Instances per second over `n` associations into a fresh server."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, serve(Path(fresh)) as port:
        share = -(-len(files) // n)
        command = [_tool("storescu"), "-aec", AE_TITLE, "127.0.0.1", str(port)]
        # Without it Nagle and delayed ACK cost 40 ms an Instance, whoever serves.
        environment = os.environ | {"TCP_NODELAY": "1"}
        started = time.monotonic()
        senders = [
            subprocess.Popen([*command, *map(str, files[k * share : (k + 1) * share])], env=environment)  # noqa: S603
            for k in range(n)
        ]
        if any(sender.wait() for sender in senders):
            message = "expected storescu to store every Instance. Received: a failure"
            raise click.ClickException(message)
        return len(files) / (time.monotonic() - started)


@contextlib.contextmanager
def _process(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - commands of this file
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
def tibabu(folder: Path) -> Iterator[int]:
    """Tibabu's receiver: file, folder and row are synced before the answer."""
    port = _free_port()
    (folder / "config.toml").write_text(
        f'[receive]\nae_title = "{AE_TITLE}"\nhost = "127.0.0.1"\nport = {port}\n', encoding="utf-8"
    )
    command = [sys.executable, "-P", "-m", "agent", "run", "--config", "config.toml", "--only", "receive"]
    with _process(command, folder):
        yield _await(port)


SERVERS = {"storescp": storescp, "orthanc": orthanc, "tibabu": tibabu}

if __name__ == "__main__":
    main()
