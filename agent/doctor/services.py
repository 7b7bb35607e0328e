"""What is served over HTTP, HL7 and TLS: certificates, and whether anybody may use it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.config.file import Config
from agent.config.tls import TlsTrust
from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.errors import AgentError
from agent.net.http_server import Certificate, make_tls
from db.accounts import accounts
from db.tokens import tokens
from dicom_io.errors import DicomIoError
from dicom_io.tls import TlsServer, client_context

CERTIFICATE_UNUSABLE: Final = Remedy(
    code="certificate-unusable",
    severity=Severity.ERROR,
    why="Certificate and key cannot be read or do not belong together: the role ends at its start.",
    commands=("openssl x509 -in {certificate} -noout -subject -pubkey", "openssl pkey -in {key} -pubout"),
    keys=("{section}.{certificate_key}", "{section}.{key_key}"),
    words="Both public keys have to be the same; the key must have no passphrase.",
)
CERTIFICATE_EXPIRED: Final = Remedy(
    code="certificate-expired",
    severity=Severity.ERROR,
    why="Peers and browsers refuse the connection: no images come, no reports go, no page opens.",
    commands=("openssl x509 -in {certificate} -noout -subject -issuer -dates",),
    keys=("{section}.{certificate_key}",),
    words="Put the new files in the place of the old ones; they are taken up without a restart.",
)
CERTIFICATE_ENDS: Final = Remedy(
    code="certificate-ends",
    severity=Severity.WARNING,
    why="From that moment on connections are refused, in the middle of the night as well.",
    commands=("openssl x509 -in {certificate} -noout -subject -issuer -dates",),
    keys=("{section}.{certificate_key}",),
    words="Ask for a new one now; new files are taken up without a restart.",
)
CERTIFICATE_OF_ANOTHER: Final = Remedy(
    code="certificate-of-another",
    severity=Severity.WARNING,
    why="Browsers warn of it and teach people to go on all the same.",
    commands=("openssl x509 -in {certificate} -noout -ext subjectAltName",),
    keys=("{section}.names", "{section}.{certificate_key}"),
)
NO_ADMIN: Final = Remedy(
    code="no-admin",
    severity=Severity.WARNING,
    why="Nobody can make accounts: nobody can sign in.",
    commands=("tibabu account create NAME --role admin{config}",),
)
NO_TOKEN: Final = Remedy(
    code="no-token",
    severity=Severity.WARNING,
    why="DICOMweb is served, and no program may use it.",
    commands=("tibabu token create NAME --scope dicomweb:read{config}",),
)

_ENDS: Final = timedelta(days=30)


class _Shown(NamedTuple):
    """A certificate of the configuration: for whom, where, and what the program itself does with it."""

    check: str
    section: str
    chain: Path
    key: Path
    settings: tuple[str, str]
    use: Callable[[], object]
    names: tuple[str, ...] = ()


def look(patient: Patient) -> Iterator[Finding]:
    """Look at every certificate that is shown, and at who may use what is served."""
    unfit: set[str] = set()
    for shown in _shown(patient.config):
        found = list(_certificate(patient, shown))
        unfit |= {one.check for one in found}
        yield from found
        if not found:
            yield patient.fit(
                f"certificate {shown.section}", f"{shown.chain}, valid until {_end(shown.chain):%Y-%m-%d}"
            )
    yield from (one for one in _used(patient) if one.check not in unfit)


def _shown(config: Config) -> Iterator[_Shown]:
    yield from _of_pages(config)
    both = ("tls_certificate", "tls_key")
    if config.hl7.enabled and (tls := config.hl7.listener.tls) is not None:
        yield _Shown("hl7", "hl7", tls.certificate, tls.key, both, partial(TlsServer, tls))
    if config.receive.tls is not None:
        tls, keys = config.receive.tls.settings, ("certificate", "key")
        yield _Shown("receive.tls", "receive.tls", tls.certificate, tls.key, keys, partial(TlsServer, tls))
    called: list[tuple[str, str, TlsTrust]] = [("audit", "syslog", config.audit)]
    called += [("peers", one.ae_title, one) for one in config.peers]
    called += [("destinations", one.name, one) for one in config.destinations if isinstance(one, TlsTrust)]
    for section, name, one in called:
        if one.tls_certificate is not None and one.tls_key is not None:
            use = partial(client_context, one.trust)
            yield _Shown(f"certificate {name}", section, one.tls_certificate, one.tls_key, both, use)


def _of_pages(config: Config) -> Iterator[_Shown]:
    """Yield those of the web application, of DICOMweb, and of figures."""
    web, dicomweb = config.web, config.dicomweb
    sections = [("web", web.tls_certificate, web.tls_key, web.names)]
    sections += [("dicomweb", dicomweb.tls_certificate, dicomweb.tls_key, ())] if dicomweb.enabled else []
    metrics = config.metrics
    sections += [("metrics", metrics.tls_certificate, metrics.tls_key, ())] if metrics.port is not None else []
    for name, chain, key, names in sections:
        if chain is not None and key is not None:
            use = partial(make_tls, Certificate(chain, key))
            yield _Shown(name, name, chain, key, ("tls_certificate", "tls_key"), use, names)


def _certificate(patient: Patient, shown: _Shown) -> Iterator[Finding]:
    names = dict(zip(("certificate_key", "key_key"), shown.settings, strict=True))
    facts = {"section": shown.section, "certificate": shown.chain, "key": shown.key, **names}
    try:
        _require_no_passphrase(shown.key)
        shown.use()
        chain = x509.load_pem_x509_certificates(shown.chain.read_bytes())
    except (AgentError, DicomIoError, OSError, ValueError) as error:
        yield patient.ill(shown.check, CERTIFICATE_UNUSABLE, str(error), **facts)
        return
    end = min(one.not_valid_after_utc for one in chain)
    if patient.now > end or patient.now < chain[0].not_valid_before_utc:
        span = f"{chain[0].not_valid_before_utc:%Y-%m-%d} to {end:%Y-%m-%d}"
        detail = f"expected a certificate that is valid now. Received: {shown.chain}, valid from {span}"
        yield patient.ill(shown.check, CERTIFICATE_EXPIRED, detail, **facts)
    elif end - patient.now < _ENDS:
        seen = f"{shown.chain}, {(end - patient.now).days} days left, until {end:%Y-%m-%d %H:%M} UTC"
        detail = f"expected a certificate that is valid for {_ENDS.days} days. Received: {seen}"
        yield patient.ill(shown.check, CERTIFICATE_ENDS, detail, **facts)
    if missing := [name for name in shown.names if not _is_for(chain[0], name)]:
        detail = f"expected a certificate for {', '.join(missing)}. Received: {shown.chain} without that name"
        yield patient.ill(shown.check, CERTIFICATE_OF_ANOTHER, detail, **facts)


def _require_no_passphrase(key: Path) -> None:
    """Raise ValueError for a key that a process would have to ask somebody to open, at each start."""
    if not key.is_file():
        return  # whoever uses it says so
    try:
        load_pem_private_key(key.read_bytes(), password=None)
    except TypeError:
        message = f"expected a key without a passphrase. Received: {key}"
        raise ValueError(message) from None


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    hosts = [one.lower() for one in found.get_values_for_type(x509.DNSName)]
    hosts += [str(one) for one in found.get_values_for_type(x509.IPAddress)]
    return name.strip("[]") in hosts or f"*.{name.partition('.')[2]}" in hosts


def _end(chain: Path) -> datetime:
    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(chain.read_bytes()))


def _used(patient: Patient) -> Iterator[Finding]:
    yield _web(patient)
    if patient.config.dicomweb.enabled:
        yield _dicomweb(patient)
    if patient.config.hl7.enabled:
        section = patient.config.hl7
        who = f"{len(section.senders)} addresses may connect" if section.senders else "this machine only"
        tls = "no TLS" if section.listener.tls is None else "TLS"
        yield patient.fit("hl7", f"{section.host}:{section.port}, {tls}, {who}")


def _web(patient: Patient) -> Finding:
    section = patient.config.web
    tls = "TLS" if section.tls_certificate else "behind a proxy" if section.behind_proxy else "no TLS"
    place = f"{section.host}:{section.port}, {tls}"
    if not section.accounts:
        return patient.fit("web", f"{place}, no accounts: whoever reaches this machine")
    known = () if patient.database is None else accounts(patient.database)
    admins = sum("admin" in record.roles and record.disabled_at is None for record in known)
    if admins or section.oidc is not None:
        return patient.fit("web", f"{place}, {admins} admins")
    return patient.ill("web", NO_ADMIN, f"expected an account of the role admin at {place}. Received: none")


def _dicomweb(patient: Patient) -> Finding:
    section = patient.config.dicomweb
    place = f"{section.host}:{section.port}, {'TLS' if section.tls_certificate else 'no TLS'}"
    known = () if patient.database is None else tokens(patient.database)
    active = sum(record.revoked_at is None for record in known)
    if active:
        return patient.fit("dicomweb", f"{place}, {active} active tokens")
    return patient.ill("dicomweb", NO_TOKEN, f"expected a token for {place}. Received: 0 active tokens")
