"""config.toml: every setting with its name, default and sentence; checked whole, at once, before anything starts."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from agent.config.alerts import AlertsSection, check_alerts
from agent.config.audit import AuditSection
from agent.config.dicomweb import DicomwebSection
from agent.config.dimse import CalledOverDimse
from agent.config.doors import Door, check_doors, check_elsewhere
from agent.config.drift import DriftSection
from agent.config.forward import ForwardSettings, check_rules
from agent.config.gate import GateSection
from agent.config.hl7 import Hl7Section
from agent.config.keeping import BackupSection, RetentionSection, ScrubSection, check_copies_lie_apart
from agent.config.keys import meant
from agent.config.metrics import MetricsSection
from agent.config.model import ModelSection
from agent.config.orders import OrdersSection
from agent.config.peers import PeerSection, check_peers
from agent.config.pixels import DecodeSection
from agent.config.receive import ReceiveSection
from agent.config.roles import DeliverSection, WorkSection
from agent.config.section import Section
from agent.config.store import StoreSection
from agent.config.study import CompleteSection, PrioritySection
from agent.config.tables import check_reports, destination_settings, report_settings
from agent.config.web import WebSection
from agent.destinations import DestinationSettings
from agent.errors import ConfigError
from agent.reports.document import ReportSettings


class DatabaseSection(Section):
    """Where the rows lie."""

    url: SecretStr = Field(
        default=SecretStr("sqlite:///var/tibabu.db"),
        description="sqlite:///PATH (a relative one starts at config.toml) or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    url_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/database_url"],
        description="A file that holds the URL instead, for secrets.",
    )


Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
PartName = Annotated[str, Field(pattern=r"^(agent|db|dicom_io|model)(\.[a-z0-9_]+)*$")]


class LogSection(Section):
    """What is written to standard error."""

    level: Level = Field(default="INFO", description="Least level written.")
    format: Literal["people", "json"] = Field(default="people", description="One line for people, or JSON.")
    levels: dict[PartName, Level] = Field(
        default={},
        description="Levels of parts of the program, by their modules' names, as agent.line.deliver or dicom_io "
        "(docs/logs.md). Libraries have none: their messages may quote patient data, and are never written.",
    )


class Config(Section):
    """The whole of config.toml."""

    store: StoreSection = StoreSection()
    database: DatabaseSection = DatabaseSection()
    receive: ReceiveSection = ReceiveSection()
    complete: CompleteSection = CompleteSection()
    gate: GateSection = GateSection()
    work: WorkSection = WorkSection()
    model: ModelSection = ModelSection()
    decode: DecodeSection = DecodeSection()
    priority: PrioritySection = PrioritySection()
    drift: DriftSection = DriftSection()
    orders: OrdersSection = OrdersSection()
    hl7: Hl7Section = Hl7Section()
    deliver: DeliverSection = DeliverSection()
    web: WebSection = WebSection()
    dicomweb: DicomwebSection = DicomwebSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    retention: RetentionSection = RetentionSection()
    scrub: ScrubSection = ScrubSection()
    backup: BackupSection = BackupSection()
    audit: AuditSection = AuditSection()
    peers: Annotated[tuple[PeerSection, ...], AfterValidator(check_peers)] = ()
    reports: Annotated[dict[str, ReportSettings], BeforeValidator(report_settings)] = Field(default={})
    destinations: tuple[Annotated[DestinationSettings, BeforeValidator(destination_settings)], ...] = ()
    forward: tuple[ForwardSettings, ...] = ()
    alerts: AlertsSection = AlertsSection()

    @model_validator(mode="after")
    def _jobs_outlast_decoding(self) -> Self:
        if self.work.job_seconds < (least := 5 * self.decode.seconds):
            given = f"work.job_seconds={self.work.job_seconds:g}"
            message = f"expected work.job_seconds of at least five times decode.seconds, {least:g}. Received: {given}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _listens_at_different_places(self) -> Self:
        check_doors(self.doors)
        for one in self.destinations:
            # Our receiver refuses what calls it by another AE title: who has that one is another program, on its host.
            is_another = isinstance(one, CalledOverDimse) and one.ae_title != self.receive.ae_title
            if not is_another and isinstance(host := getattr(one, "host", None), str):
                check_elsewhere(self.doors, one.name, host, getattr(one, "port", 0))
        return self

    @field_validator("forward")
    @classmethod
    def _rules_lead_somewhere(
        cls, value: tuple[ForwardSettings, ...], info: ValidationInfo
    ) -> tuple[ForwardSettings, ...]:
        if "destinations" in info.data:  # else their own problems are told first
            check_rules(value, info.data["destinations"])
        return value

    @field_validator("alerts")
    @classmethod
    def _somebody_carries_alerts(cls, value: AlertsSection, info: ValidationInfo) -> AlertsSection:
        if "destinations" in info.data:  # as above
            check_alerts(value, info.data["destinations"])
        return value

    @field_validator("destinations")
    @classmethod
    def _names_are_unique(cls, value: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
        names = [destination.name for destination in value]
        if twice := {name for name in names if names.count(name) > 1}:
            message = f"expected destinations with different names. Received twice: {', '.join(sorted(twice))}"
            raise ValueError(message)
        return value

    @field_validator("destinations")
    @classmethod
    def _their_reports_exist(
        cls, value: tuple[DestinationSettings, ...], info: ValidationInfo
    ) -> tuple[DestinationSettings, ...]:
        if "reports" in info.data:  # else their own problems are told first
            for destination in value:
                check_reports(destination, info.data["reports"])
        return value

    @property
    def doors(self) -> Iterator[Door]:
        """Where this host listens, if all roles run on it."""
        receive, web, dicomweb, hl7, metrics = self.receive, self.web, self.dicomweb, self.hl7, self.metrics
        if receive.plain:
            yield Door("receive", receive.host, receive.port, receive.processes)
        if receive.tls is not None:
            yield Door("receive.tls", receive.host, receive.tls.port, receive.processes)
        yield Door("web", web.host, web.port, web.processes)
        if dicomweb.enabled:
            yield Door("dicomweb", dicomweb.host, dicomweb.port, dicomweb.processes)
        if hl7.enabled:
            yield Door("hl7", hl7.host, hl7.port, hl7.processes)
        if metrics.port is not None:
            yield Door("metrics", metrics.host, metrics.port)


def load(path: Path | None) -> Config:
    """Read a config file, or the defaults when `path` is None; relative paths in it start at its folder.

    Raises ConfigError that lists every problem by its TOML key.
    """
    return parse(read(path), path)


def read(path: Path | None) -> str:
    """Return the text of a config file, none where there is no file. Raises ConfigError."""
    try:
        return "" if path is None else path.read_text(encoding="utf-8-sig")  # Notepad marks what it writes
    except OSError as error:
        message = f"expected a readable config file. Received: {path} ({error.strerror})"
    except UnicodeDecodeError as error:
        message = f"expected a config file in UTF-8. Received: {path} ({error.reason} at byte {error.start})"
    raise ConfigError(message)


def parse(text: str, path: Path | None) -> Config:
    """Return what a config file says, as `load` does. `path` is where it lies."""
    folder = Path.cwd() if path is None else path.resolve().parent
    try:
        tables = tomllib.loads(text)
        if not (with_nul := list(_with_nul(tables))):
            return resolve(Config.model_validate(tables), folder)
        problems = "\n".join(f"  {key}: expected text without NUL" for key in with_nul)
        message = f"{path} has {len(with_nul)} problem(s):\n{problems}"
    except tomllib.TOMLDecodeError as error:
        message = f"expected TOML in {path}. Received: {error}"
    except ValidationError as error:
        problems = "\n".join(f"  {_told(problem)}" for problem in error.errors())
        message = f"{path} has {error.error_count()} problem(s):\n{problems}"
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, endless brackets
        message = f"expected a config file that can be read in {path}. Received: {type(error).__name__}"
    raise ConfigError(message)


def _told(problem: ErrorDetails) -> str:
    """Return a problem with its key; one of the whole file names its keys itself."""
    return ": ".join(filter(None, (_key(problem["loc"]), _said(problem))))


def _said(problem: ErrorDetails) -> str:
    if problem["type"] != "extra_forbidden":
        return problem["msg"].removeprefix("Value error, ")
    near = meant(Config, problem["loc"])
    return f"not permitted, no such key; did you mean {near}?" if near else "not permitted, no such key"


def _with_nul(value: object, location: tuple[int | str, ...] = ()) -> Iterator[str]:
    """Yield the keys of texts that no path, host or name can be: what takes one breaks, some of it only at work."""
    if isinstance(value, str) and "\0" in value:
        yield _key(location)
    elif isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _with_nul(each, (*location, name))


def _key(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def resolve(config: Config, folder: Path) -> Config:
    """Return the config with its relative paths starting at `folder` and the database URL read from its file."""
    url = config.database.url.get_secret_value()
    if config.database.url_file is not None:
        file = folder / config.database.url_file
        try:
            url = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            message = f"database.url_file: expected a readable file. Received: {file} ({error.strerror})"
            raise ConfigError(message) from None
    prefix = "sqlite:///"
    if url.startswith(prefix):
        url = f"{prefix}{folder / url.removeprefix(prefix)}"
    found = config.at(folder)
    check_copies_lie_apart(found.store.folder, found.retention, found.backup)
    return found.model_copy(
        update={"database": config.database.model_copy(update={"url": SecretStr(url), "url_file": None})}
    )
