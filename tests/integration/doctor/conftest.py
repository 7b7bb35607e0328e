"""An installation to break: a configuration with a migrated database and a store, and what mends it, as it is typed."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arriving import incoming
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from agent.cli.commands import tibabu
from agent.config.file import load
from agent.doctor.finding import Finding, Look, Patient
from agent.process.parts import allowances, open_rows, timing, utc_now
from db.database import Database
from db.intake import record_instance
from db.queue import open_queue
from dicom_io.folder_store import FolderStore


@dataclass
class Installation:
    """A folder with config.toml, var/store and a database."""

    folder: Path
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: str = ""

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def store(self) -> Path:
        return self.folder / "var/store"

    def set(self, section: str, **values: Any) -> None:
        self.sections[section] = self.sections.get(section, {}) | values
        self.write()

    def write(self) -> None:
        lines = [
            f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in t.items())
            for name, t in self.sections.items()
        ]
        self.config.write_text("".join(lines) + self.more, encoding="utf-8")

    @contextmanager
    def patient(self, clock: Callable[[], datetime] = utc_now) -> Iterator[Patient]:
        config = load(self.config)
        database = open_rows(config)
        try:
            yield Patient(config=config, path=self.config, named=True, clock=clock, database=database)
        finally:
            database.dispose()

    def found(self, look: Look, clock: Callable[[], datetime] = utc_now) -> dict[str, Finding]:
        """Look, and return what is wrong by its code."""
        with self.patient(clock) as patient:
            return {one.remedy.code: one for one in look(patient) if one.remedy is not None}

    def examined(self) -> dict[str, dict[str, Any]]:
        """Return what `tibabu check` finds wrong, by its code."""
        done = CliRunner().invoke(tibabu, ["check", "--json", "--problems", "--config", str(self.config)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        found = {one["code"]: one for one in json.loads(done.stdout)}
        assert done.exit_code == any(one["severity"] == "error" for one in found.values())
        return found

    def run(self, command: str, **instead: str) -> str:
        """Run a command that a finding told, by this program or the system's shell; return what it said."""
        for word, by in instead.items():
            command = command.replace(word, by)
        words = shlex.split(command)
        if words[0] == "tibabu":
            done = CliRunner().invoke(tibabu, words[1:])
            assert done.exit_code == 0, done.output
            return done.stdout
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout  # noqa: S602

    def receive(
        self, study: str = "1.2.3", *, at: datetime | None = None, patient: str = "P1", instance: str = "1"
    ) -> None:
        """Store an image and record it, as the receiver does."""
        config = load(self.config)
        stored = FolderStore(self.store).put(f"{study} {instance} {patient}".encode())
        arriving = incoming(
            study,
            1,
            sop_instance_uid=f"{study}.1.{instance}",
            sha256=stored.sha256,
            path=stored.path,
            size=stored.size,
            received_at=at or utc_now(),
            patient_id=patient,
            patient_name="Doe^John",
        )
        database = open_rows(config)
        record_instance(database, open_queue(database), arriving, timing=timing(config), allowances=allowances(config))
        database.dispose()


@pytest.fixture
def installation(sqlite_template: Path, tmp_path: Path) -> Installation:
    """Give one that is fit, on SQLite."""
    FolderStore(tmp_path / "var/store")
    (tmp_path / "var/tibabu.db").write_bytes(sqlite_template.read_bytes())
    (tmp_path / "var/tibabu.db").chmod(0o600)
    (tmp_path / "var/store").chmod(0o700)
    made = Installation(tmp_path)
    made.sections = {
        "store": {"minimum_free_megabytes": 1, "low_megabytes": 1},
        "receive": {"port": 0},
        "web": {"port": 0},
    }
    made.write()
    return made


@pytest.fixture
def on_postgresql(postgresql_database: Database, tmp_path: Path) -> Installation:
    """Give one that is fit but for its server, which the tests keep from syncing."""
    (folder := tmp_path / "postgresql").mkdir()
    made = Installation(folder)
    made.set("database", url=postgresql_database.url.render_as_string(hide_password=False))
    return made


@pytest.fixture
def certify(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Return `certify(name, days=90, began=-1, host=..., passphrase=b"")`: a new certificate and key; their files."""

    def make(
        name: str, *, days: float = 90, began: float = -1, host: str = "tibabu.example", passphrase: bytes = b""
    ) -> tuple[str, str]:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days=began)).not_valid_after(now + timedelta(days=days))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        files = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        files[0].write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        files[1].chmod(0o600)
        return str(files[0]), str(files[1])

    return make
