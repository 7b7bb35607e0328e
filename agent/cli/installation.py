"""`tibabu check` and `tibabu migrate`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from agent.cli.options import config_option, config_path, json_option, print_json
from agent.config import Config, load
from agent.config_store import S3Section
from agent.destinations import Destination
from agent.destinations.folder import Trial
from agent.disk import free_bytes
from agent.errors import AgentError, ConfigError, InstallationError
from agent.outgoing import make_destinations
from agent.parts import clock_is_off, open_rows, opened, utc_now
from agent.site import adapted
from db.accounts import accounts
from db.errors import DatabaseError
from db.migrate import upgrade
from db.operating_point import OperatingPointRecord, active_operating_points
from db.revision import current
from db.tokens import tokens
from dicom_io.errors import DicomIoError
from dicom_io.scu import Peer, echo
from model.errors import ModelError


class Finding(NamedTuple):
    """One thing looked at: what, whether it is fit, and what was seen."""

    check: str
    ok: bool
    detail: str


@click.command(short_help="Say whether this installation is fit to run.")
@click.option("--config", "given", type=click.Path(dir_okay=False, path_type=Path), help="Configuration file.")
@json_option
def check(given: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Say whether this installation is fit to run: config, database, disk, model, destinations and peers (C-ECHO).

    Exit status 1 if anything is not. Nothing is changed, but for a small object `check` in an object store.
    """
    findings = list(_findings(given))
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.check}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@click.command(short_help="Bring the database to this version's schema.")
@config_option
@json_option
def migrate(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Bring the database to this version's schema; does nothing where it is there already."""
    database = open_rows(config)
    upgrade(database)
    revision = current(database)
    database.dispose()
    if as_json:
        print_json({"revision": revision})
    else:
        click.echo(f"The database is at revision {revision}.")


def _findings(given: Path | None) -> Iterator[Finding]:
    path = config_path(given)
    try:
        config = load(path)
    except ConfigError as error:
        yield Finding("config", ok=False, detail=str(error))
        return
    yield Finding("config", ok=True, detail=f"{path or 'defaults'}")
    yield _tried("database", _database, config)
    yield _tried("disk", _disk, config)
    if config.store.s3 is not None:
        yield _tried("object store", partial(_objects, config.store.s3), config)
    yield _tried("model", partial(_model, config.model.name), config)
    if config.model.shadow:
        yield _tried("shadow model", partial(_model, config.model.shadow), config)
    yield _tried("web", _web, config)
    if config.dicomweb.enabled:
        yield _tried("dicomweb", _dicomweb, config)
    if config.hl7.enabled:
        yield _tried("hl7", _hl7, config)
    for name, destination in make_destinations(config).items():
        yield _tried(f"destination {name}", partial(_answers, destination), config)
    for section in config.peers:
        if (peer := section.listens) is not None:
            yield _tried(f"peer {peer.ae_title}", partial(_echoes, peer), config)


def _tried(check: str, look: Callable[[Config], str], config: Config) -> Finding:
    try:
        return Finding(check, ok=True, detail=look(config))
    except (AgentError, DatabaseError, ModelError, DicomIoError, OSError) as error:
        return Finding(check, ok=False, detail=str(error))


def _database(config: Config) -> str:
    url = config.database.url.get_secret_value()
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not file.exists():
        return f"none yet; `tibabu run` or `tibabu migrate` makes {file}"
    with opened(config) as database:
        if (seconds := clock_is_off(database, utc_now)) is not None:
            message = f"expected this host's clock to be the database server's. Received: {seconds:.1f} s ahead"
            raise InstallationError(message)
        return f"{database.dialect}, revision {current(database)}"


def _disk(config: Config) -> str:
    folder = config.store.local_folder
    free = free_bytes(folder) // 1_000_000
    if free < config.store.minimum_free_megabytes:
        message = (
            f"expected {config.store.minimum_free_megabytes} MB free at {folder}. Received: {free} MB; "
            "new Instances are refused until there is room"
        )
        raise InstallationError(message)
    return f"{free} MB free at {folder}"


def _objects(section: S3Section, config: Config) -> str:  # noqa: ARG001 - as the other checks
    from dicom_io.object_store import probe  # noqa: PLC0415 - the other checks do not need it

    probe(section.settings)
    return f"takes and proves objects at {section.url}"


def _model(name: str, config: Config) -> str:
    from model.classifier import verify  # noqa: PLC0415 - the other checks do not need it

    card = adapted(verify(name), prevalence=config.model.prevalence, active=_active_points(name, config))
    point = card.operating_point
    weights = f"{card.name} {card.version}, sha256 {card.sha256[:12]}..."
    return f"{weights}, {point.name}: flagged from {point.threshold:.3f} on"


def _active_points(name: str, config: Config) -> tuple[OperatingPointRecord, ...]:
    """Return the site's active operating points; none where there is no database yet, or it has its own finding."""
    try:
        with opened(config) as database:
            return active_operating_points(database, name)
    except (AgentError, DatabaseError):
        return ()


def _web(config: Config) -> str:
    from agent.http_server import certificate_of, make_tls  # noqa: PLC0415 - other commands do without

    section = config.web
    certificate = certificate_of(section.tls_certificate, section.tls_key)
    if certificate is not None:
        make_tls(certificate)
    tls = "TLS" if certificate else "behind a proxy" if section.behind_proxy else "no TLS"
    who = f"{_admins(config)} admins" if section.accounts else "no accounts: whoever reaches this machine"
    return f"{section.host}:{section.port}, {tls}, {who}"


def _admins(config: Config) -> int:
    """Return how many may change accounts; none where there is no database yet, or it has its own finding."""
    try:
        with opened(config) as database:
            return sum("admin" in record.roles and record.disabled_at is None for record in accounts(database))
    except (AgentError, DatabaseError):
        return 0


def _dicomweb(config: Config) -> str:
    from agent.http_server import certificate_of, make_tls  # noqa: PLC0415 - only where it is enabled

    certificate = certificate_of(config.dicomweb.tls_certificate, config.dicomweb.tls_key)
    if certificate is not None:
        make_tls(certificate)
    tls = "TLS" if certificate else "no TLS"
    return f"{config.dicomweb.host}:{config.dicomweb.port}, {tls}, {_active_tokens(config)} active tokens"


def _active_tokens(config: Config) -> int:
    """Return how many tokens there are; none where there is no database yet, or it has its own finding."""
    try:
        with opened(config) as database:
            return sum(record.revoked_at is None for record in tokens(database))
    except (AgentError, DatabaseError):
        return 0


def _hl7(config: Config) -> str:
    from dicom_io.tls import TlsServer  # noqa: PLC0415 - only where it is enabled

    section = config.hl7
    settings = section.listener.tls
    if settings is not None:
        TlsServer(settings)
    who = f"{len(section.senders)} addresses may connect" if section.senders else "this machine only"
    return f"{section.host}:{section.port}, {'no TLS' if settings is None else 'TLS'}, {who}"


def _echoes(peer: Peer, config: Config) -> str:
    echo(peer, calling_ae_title=config.receive.ae_title)
    return "answers"


def _answers(destination: Destination, _config: Config) -> str:
    destination.ping()
    if isinstance(destination, Trial):
        return "on trial: nothing is sent there; its test folder can be written"
    return "answers"
