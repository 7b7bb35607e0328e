"""`python benchmarks/scale/rolling.py`: whether a study is refused while a site is restarted.

roles: one host, two receiving processes on one port; the file is reloaded, then each role's processes are ended one
after the other, as by a crash or a limit of memory. hosts: two hosts behind the shipped HAProxy configuration are
restarted one after the other, the first with a migration where `--from-version` names an older revision. alone: one
host with one receiving process is restarted, and its port is held open meanwhile as systemd does it. Everything is on
loopback, on one machine; PostgreSQL is real, the model sleeps (sleeping_agent.py).
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
from cluster import DICOM, FRONT, Cluster, answered, balancer, pacs, running
from hosts import LOCAL, Host
from scanners import Ledger, sending
from server import Server, postgresql
from whole_host import ROLES, SECONDS, Site

HERE = Path(__file__).resolve().parent
_PATIENCE = 240.0


@dataclass
class Trial:
    """What is done to a site, step by step, while studies come."""

    server: Server
    ledger: Ledger = field(default_factory=Ledger)
    steps: list[tuple[str, float, int, int, int]] = field(default_factory=list)

    def step(self, what: str, do: Callable[[], object]) -> None:
        """Do something to the site, and note how long it took and what scanners had meanwhile."""
        begun, before = time.perf_counter(), self._counts()
        do()
        time.sleep(3)  # what it breaks may show a little later
        counts = (now - then for now, then in zip(self._counts(), before, strict=True))
        sent, refused, interrupted = counts
        self.steps.append((what, time.perf_counter() - begun - 3, sent, refused, interrupted))
        click.echo(f"{what}: {self.steps[-1][1:]}", err=True)

    def _counts(self) -> tuple[int, int, int]:
        return self.ledger.studies, len(self.ledger.refused), len(self.ledger.interrupted)

    def settle(self) -> tuple[int, int]:
        """Wait until all is delivered; return how many acknowledged Instances are lost, and how many studies wait."""
        until = time.monotonic() + _PATIENCE
        while (waiting := self.server.row("SELECT count(*) FROM study WHERE state <> 'DELIVERED'")[0]) > 0:
            if time.monotonic() > until:
                break
            time.sleep(1)
        rows = self.server.connection.execute("SELECT sop_instance_uid FROM instance").fetchall()
        return len(self.ledger.stored - {row[0] for row in rows}), waiting


@click.command()
@click.option("--only", type=click.Choice(["roles", "hosts", "alone"]), help="One of the trials.")
@click.option("--from-version", default="", help="Git revision that both hosts run at first; empty: this one.")
@click.option("--scanners", type=click.IntRange(1), default=3, show_default=True)
@click.option("--pause", type=float, default=0.3, show_default=True, help="Seconds between two studies of a scanner.")
@click.option("--tell/--do-not-tell", default=True, show_default=True, help="Whether HAProxy is told of a restart.")
def main(*, only: str, from_version: str, scanners: int, pause: float, tell: bool) -> None:
    """Print a table in Markdown for each trial."""
    with ExitStack() as stack:
        old = stack.enter_context(_source(from_version))
        for name, trial in {"roles": _roles, "hosts": _hosts, "alone": _alone}.items():
            if only not in {None, name}:
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tibabu-rolling-", dir="/tmp")))
            folder.chmod(0o755)
            trial(folder, old, scanners, pause, tell=tell)


@contextmanager
def _source(revision: str) -> Iterator[Path]:
    """Check a revision out for a block."""
    root = HERE.parents[1]
    if not revision:
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="tibabu-old-") as name:
        git = ("git", "-C", str(root), "worktree")
        subprocess.run([*git, "add", "--detach", f"{name}/old", revision], check=True)  # noqa: S603 - ours
        try:
            yield Path(name) / "old"
        finally:
            subprocess.run([*git, "remove", "--force", f"{name}/old"], check=True)  # noqa: S603 - ours


def _configured(cluster: Cluster, host: Host, front: Host | None, receive: str) -> Path:
    cluster.configure(host, LOCAL, front)
    config = cluster.config(host)
    text = config.read_text(encoding="utf-8").replace("[receive]\n", f"[receive]\n{receive}\n")
    config.write_text(f"{text}[web]\nport = 0\n", encoding="utf-8")
    return config


def _roles(folder: Path, source: Path, scanners: int, pause: float, *, tell: bool) -> None:  # noqa: ARG001 - nobody stands in front
    with postgresql(folder, LOCAL.address) as server, running(pacs(LOCAL), folder / "pacs.log"):
        config = _configured(Cluster(folder, server.url, SECONDS), LOCAL, None, "processes = 2")
        site, trial = Site(LOCAL, config, source), Trial(server)
        site.start()
        site.wait("receive", 2)
        answered(LOCAL, LOCAL.address, DICOM)
        with sending(trial.ledger, DICOM, LOCAL.address, scanners=scanners, pause=pause):
            trial.step("nothing", lambda: time.sleep(10))
            trial.step("reload: a peer and a destination more", lambda: _reload(site))
            for role in ROLES:
                for number, pid in enumerate(site.pids(role), 1):
                    trial.step(f"restart {role} {number}", lambda role=role, pid=pid: _restart(site, role, pid))
        _print("Each role of one host", trial)
        site.stop()


def _alone(folder: Path, source: Path, scanners: int, pause: float, *, tell: bool) -> None:  # noqa: ARG001 - as above
    with ExitStack() as stack:
        server = stack.enter_context(postgresql(folder, LOCAL.address))
        stack.enter_context(running(pacs(LOCAL), folder / "pacs.log"))
        config = _configured(Cluster(folder, server.url, SECONDS), LOCAL, None, "")
        held = stack.enter_context(socket.create_server((LOCAL.address, DICOM), backlog=128))
        site, trial = Site(LOCAL, config, source, held), Trial(server)
        site.start()
        stack.callback(site.stop)
        with sending(trial.ledger, DICOM, LOCAL.address, scanners=scanners, pause=pause):
            trial.step("nothing", lambda: time.sleep(10))
            for _ in range(2):
                trial.step("stop and start", partial(_again, site))
        _print("One host, its port held open", trial)


def _again(site: Site) -> None:
    site.stop()
    site.start()


def _reload(site: Site) -> None:
    before = {role: site.times(role) for role in ("work", "deliver", "clock")}
    with site.config.open("a", encoding="utf-8") as file:
        file.write('[[peers]]\nae_title = "NEW"\n[[destinations]]\nname = "new"\ntype = "folder"\nfolder = "new"\n')
    if site.process is not None:
        site.process.send_signal(signal.SIGHUP)
    for role, times in before.items():
        site.wait(role, times + 1)


def _restart(site: Site, role: str, pid: int) -> None:
    times = site.times(role)
    os.kill(pid, signal.SIGTERM)
    site.wait(role, times + 1)


def _hosts(folder: Path, source: Path, scanners: int, pause: float, *, tell: bool) -> None:
    hosts = [Host("host1", "127.0.0.11"), Host("host2", "127.0.0.12")]
    new = HERE.parents[1]
    with ExitStack() as stack:
        server = stack.enter_context(postgresql(folder, LOCAL.address))
        stack.enter_context(running(pacs(LOCAL), folder / "pacs.log"))
        cluster, trial = Cluster(folder, server.url, SECONDS), Trial(server)
        sites = [Site(host, _configured(cluster, host, LOCAL, ""), source) for host in hosts]
        for site in sites:
            site.start()
            stack.callback(site.stop)
        stack.enter_context(running(balancer(LOCAL, hosts, folder), folder / "haproxy.log"))
        answered(LOCAL, LOCAL.address, FRONT)
        with sending(trial.ledger, FRONT, LOCAL.address, scanners=scanners, pause=pause):
            trial.step(f"nothing, schema {_revision(server)}", lambda: time.sleep(10))
            for site in sites:
                name, control = f"receivers/{site.host.name}", folder if tell else None
                trial.step(f"stop {site.host.name}", partial(_stop, site, control, name))
                trial.step(f"start {site.host.name}", partial(_start, site, new, control, name))
                trial.step(f"nothing, schema {_revision(server)}", lambda: time.sleep(10))
        _print(f"Two hosts behind HAProxy{', which is told' if tell else ', which finds out by itself'}", trial)


def _revision(server: Server) -> str:
    return str(server.row("SELECT version_num FROM alembic_version")[0])


def _stop(site: Site, control: Path | None, name: str) -> None:
    """Let a host drain; HAProxy is told before, if it can be."""
    if control is not None:
        _tell(control, f"set server {name} state drain; disable health {name}")
    site.stop()


def _start(site: Site, source: Path, control: Path | None, name: str) -> None:
    """Start a host with a version, which migrates the database; HAProxy is told when it serves."""
    site.source = source
    site.start()
    if control is not None:
        _tell(control, f"enable health {name}; set server {name} state ready")


def _tell(folder: Path, words: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "haproxy.sock"))
        connection.sendall(f"{words}\n".encode())
        said = connection.recv(4096).decode().strip()
    if said:
        click.echo(f"HAProxy: {said}", err=True)


def _print(title: str, trial: Trial) -> None:
    lost, waiting = trial.settle()
    ledger = trial.ledger
    click.echo(
        f"\n{title}: {ledger.studies} studies, {len(ledger.refused)} refused, "
        f"{len(ledger.interrupted)} interrupted, {len(ledger.stored)} Instances answered with success, {lost} of "
        f"them lost, {waiting} studies not delivered; longest study of one image {ledger.longest:.1f} s\n"
    )
    click.echo("| step | seconds | studies meanwhile | refused | interrupted |\n|---|---|---|---|---|")
    for what, seconds, sent, refused, interrupted in trial.steps:
        click.echo(f"| {what} | {seconds:.1f} | {sent} | {refused} | {interrupted} |")
    for trouble in (*ledger.refused, *ledger.interrupted):
        click.echo(f"- {trouble}")


if __name__ == "__main__":
    main()
