"""Certificates made by openssl, an SCP that speaks TLS, and DCMTK's tools."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dicom_io.file_meta import encode_file_meta
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool
from dicom_io.tls import TlsServerSettings

SECONDS = 120.0
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def _authority(folder: Path, name: str) -> None:
    _openssl(folder, "req", "-x509", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")


@pytest.fixture(scope="session")
def issue(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Issue certificates: `issue("xray", "ca", days=-1)` makes xray.pem and xray.key, and returns their folder."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "elsewhere"):
        _authority(folder, name)

    def make(name: str, authority: str = "ca", *, days: int = 1, address: str = "127.0.0.1") -> Path:
        (folder / "san.cnf").write_text(f"subjectAltName=IP:{address}\n", encoding="ascii")
        _openssl(folder, "req", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed_by = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", str(days))
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed_by, "-extfile", "san.cnf", "-out", f"{name}.pem")
        return folder

    return make


@pytest.fixture(scope="session")
def certificates(issue: Callable[..., Path]) -> Path:
    """Return a folder with a server's, a peer's, a stranger's and an expired certificate, each PEM with its key."""
    for name, authority, days in (("server", "ca", 1), ("xray", "ca", 1), ("stranger", "elsewhere", 1)):
        issue(name, authority, days=days)
    return issue("expired", "ca", days=-1)


@dataclass
class Sink:
    """Counts what comes."""

    instances: int = 0
    summaries: list[AssociationSummary] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def received(self, _: ReceivedInstance) -> int:
        with self.changed:
            self.instances += 1
        return 0x0000

    def association_ended(self, summary: AssociationSummary) -> None:
        with self.changed:
            self.summaries.append(summary)
            self.changed.notify_all()

    def wait(self, summaries: int) -> list[AssociationSummary]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.summaries) >= summaries, SECONDS), self.summaries
        return self.summaries


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def start_scp(sink: Sink, certificates: Path, tmp_path: Path) -> Iterator[Callable[..., StorageScp]]:
    """Start SCPs that speak TLS, with the server's certificate; they are stopped after the test."""
    started: list[StorageScp] = []

    def start(*, tls: TlsServerSettings | None = None, **settings: Any) -> StorageScp:
        folder = certificates
        default = TlsServerSettings(certificate=folder / "server.pem", key=folder / "server.key")
        merged = {"host": "127.0.0.1", "port": None, "tls_port": 0, "tls": tls or default, **settings}
        scp = StorageScp(ScpSettings(**merged), sink, partial(Spool, tmp_path))
        scp.start()
        started.append(scp)
        return scp

    yield start
    for scp in started:
        scp.stop(0.5)


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Return a small DICOM file."""
    sop_class, uid, syntax = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.840.10008.1.2.1"

    def element(tag: bytes, value: str) -> bytes:
        raw = value.encode() + b"\0" * (len(value) % 2)
        return tag + b"UI" + len(raw).to_bytes(2, "little") + raw

    dataset = element(b"\x08\0\x16\0", sop_class) + element(b"\x08\0\x18\0", uid) + element(b"\x20\0\x0d\0", "1.2.3")
    path = tmp_path / "instance.dcm"
    path.write_bytes(encode_file_meta(sop_class, uid, syntax) + dataset)
    return path


def _tool(name: str) -> str:
    """Return where the tool is; the virtual environment has pynetdicom's applications of the same names."""
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != beside_python)
    found = shutil.which(name, path=path)
    assert found is not None, f"expected {name} on PATH"
    return found


@pytest.fixture
def tool() -> Callable[[str], str]:
    return _tool


@pytest.fixture
def run() -> Callable[..., tuple[int, str]]:
    """Run one of DCMTK's tools; return its exit status and what it said."""

    def go(name: str, *arguments: object) -> tuple[int, str]:
        command = [_tool(name), *(str(argument) for argument in arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        return done.returncode, done.stdout + done.stderr

    return go
