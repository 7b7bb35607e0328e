"""A study fetched from a peer, through the same line as what is sent to us."""

from dataclasses import dataclass

from agent.config.file import Config
from agent.errors import AgentError
from agent.process.parts import Parts, utc_now
from agent.process.receiving import make_receiver
from dicom_io.header import check_uid
from dicom_io.peer import Peer
from dicom_io.query_keys import Level
from dicom_io.query_scu import Retrieved, find, get, move
from dicom_io.statuses import SUCCESS


@dataclass(frozen=True, slots=True)
class Pull:
    """What is to be fetched, and how: by C-MOVE to our own AE title, else by C-GET.

    As a prior it is kept for comparison only; what comes by C-MOVE comes as from any sender, so priors come by C-GET.
    """

    peer: Peer
    study_instance_uid: str
    by_move: bool = False
    as_prior: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a prior by C-MOVE, UidError for what is no UID: a pattern might match all there is."""
        check_uid(self.study_instance_uid)
        if self.by_move and self.as_prior:
            message = "expected a prior to be fetched by C-GET. Received: C-MOVE"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What came of it: as many Instances were `expected` as the peer found before, and so many it says it sent."""

    status: int
    expected: int
    completed: int
    failed: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.status == SUCCESS and self.completed >= self.expected


def peer_named(config: Config, name: str) -> Peer:
    """Return the peer `AET@HOST:PORT`, or that of a table in [[peers]] with host and port. Raises ValueError."""
    if "@" in name:
        return Peer.parse(name)
    for peer in config.peers:
        if peer.ae_title == name.strip() and peer.listens is not None:
            return peer.listens
    message = f"expected AET@HOST:PORT, or the AE title of a peer with host and port. Received: {name!r}"
    raise ValueError(message)


def pull_study(config: Config, parts: Parts, pull: Pull) -> Pulled:
    """Fetch a study. Raises NetworkError, and AgentError where the peer has no such study."""
    classes = _sop_classes(pull, config.receive.ae_title)
    if not classes:
        message = f"expected a study that {pull.peer} has. Received: {pull.study_instance_uid}"
        raise AgentError(message)
    done = _retrieve(config, parts, pull, tuple(dict.fromkeys(classes)))
    return Pulled(
        status=done.status,
        expected=len(classes),
        completed=done.completed + done.warning,
        failed=done.failed,
    )


def _retrieve(config: Config, parts: Parts, pull: Pull, sop_class_uids: tuple[str, ...]) -> Retrieved:
    ours = config.receive.ae_title
    if pull.by_move:
        return move(pull.peer, pull.study_instance_uid, ours, calling_ae_title=ours)
    return get(
        pull.peer,
        pull.study_instance_uid,
        sop_class_uids,
        make_receiver(config, parts, as_priors=pull.as_prior),
        parts.store.spool,
        clock=utc_now,
        calling_ae_title=ours,
    )


def _sop_classes(pull: Pull, ours: str) -> list[str]:
    """Return the SOP Class of each Instance that the peer says it has of the study."""
    study = {"study_instance_uid": pull.study_instance_uid}
    found: list[str] = []
    for series in list(find(pull.peer, Level.SERIES, study, calling_ae_title=ours)):
        keys = {**study, "series_instance_uid": series.get("series_instance_uid", ""), "sop_class_uid": ""}
        found += [one.get("sop_class_uid", "") for one in find(pull.peer, Level.IMAGE, keys, calling_ae_title=ours)]
    return found
