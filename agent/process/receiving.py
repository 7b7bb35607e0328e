"""The role `receive` put together: the SCP, what it may do for whom, and what is behind it."""

import ipaddress

from agent.archive import HeldArchive
from agent.config.file import Config
from agent.config.forward import make_router
from agent.config.peers import make_door, standings
from agent.line.announce import Announcer
from agent.line.commitment import Committer
from agent.line.confirm import CommitmentTaker
from agent.line.orders import OrderAsker
from agent.line.receive import Receiver, ReceiveSettings
from agent.line.steps import StepTaker
from agent.line.workitems import Workitems
from agent.process.parts import Parts, allowances, timing, utc_now
from db.priority import Standing
from db.steps import StepLedger
from db.workitem_changes import WorkitemLedger
from dicom_io.scp import ScpSettings, StorageScp
from dicom_io.services import Services


def make_scp(config: Config, parts: Parts) -> StorageScp:
    """Return the SCP, not yet started."""
    section = config.receive
    return StorageScp(
        ScpSettings(
            ae_title=section.ae_title,
            host=section.host,
            port=section.port if section.plain else None,
            tls=None if section.tls is None else section.tls.settings,
            tls_port=2762 if section.tls is None else section.tls.port,
            door=make_door(config.peers, section.anyone_may, section.limits),
            share_port=section.processes > 1,
            balancers=tuple(ipaddress.ip_network(balancer) for balancer in section.balancers),
            require_called_ae_title=section.require_called_ae_title,
            accept_unknown_sop_classes=section.accept_unknown_sop_classes,
            maximum_associations=section.maximum_associations,
            acse_timeout=section.acse_timeout_seconds,
            dimse_timeout=section.dimse_timeout_seconds,
            network_timeout=section.network_timeout_seconds,
            message_timeout=section.message_timeout_seconds,
            maximum_pdu_size=section.maximum_pdu_bytes,
            slots_file=config.store.local_folder / "associations.lock",
        ),
        _sink(config, parts),
        parts.store.spool,
        services=_services(config, parts),
    )


def renew_scp(scp: StorageScp, config: Config, parts: Parts) -> None:
    """Serve who connects from now on by another configuration of peers, rules and destinations."""
    section = config.receive
    door = make_door(config.peers, section.anyone_may, section.limits)
    scp.renew(_sink(config, parts), door, _services(config, parts))


def _sink(config: Config, parts: Parts) -> Receiver:
    return make_receiver(config, parts, rejecters=frozenset(peer.ae_title for peer in config.peers))


def _services(config: Config, parts: Parts) -> Services:
    return Services(
        archive=HeldArchive(parts.database, parts.store, utc_now),
        maximum_answers=config.receive.maximum_answers,
        steps=StepTaker(StepLedger(parts.database, parts.queue, timing(config), allowances(config)), utc_now),
        commitment=make_committer(config, parts),
        asked=CommitmentTaker(parts.database, parts.queue, utc_now),
        workitems=make_workitems(config, parts),
    )


def make_receiver(
    config: Config, parts: Parts, *, as_priors: bool = False, rejecters: frozenset[str] | None = frozenset()
) -> Receiver:
    """Return the sink of what is received, by C-STORE or over HTTP. `rejecters`: see `ReceiveSettings`."""
    return Receiver(
        parts.database,
        parts.queue,
        parts.store,
        ReceiveSettings(
            timing=timing(config),
            allowances=allowances(config),
            standing=Standing(studies_per_hour=config.priority.studies_per_hour),
            standings=standings(config.peers, config.priority.studies_per_hour),
            asks_orders=config.orders.peer is not None,
            rejecters=rejecters,
        ),
        utc_now,
        make_router(config.forward, config.destinations),
        as_priors,
    )


def make_committer(config: Config, parts: Parts) -> Committer:
    """Return who answers for Storage Commitment, in the SCP and where its reports are sent."""
    door = make_door(config.peers, config.receive.anyone_may)
    return Committer(parts.database, parts.queue, parts.store, door.peer_of, config.deliver.backoff, utc_now)


def make_workitems(config: Config, parts: Parts) -> Workitems:
    """Return who answers for the reading tasks, over DIMSE and over HTTP."""
    door = make_door(config.peers, config.receive.anyone_may)
    return Workitems(WorkitemLedger(parts.database, parts.queue), door, config.receive.ae_title, utc_now)


def make_announcer(config: Config, parts: Parts) -> Announcer:
    """Return who tells subscribers of what becomes of the reading tasks."""
    door = make_door(config.peers, config.receive.anyone_may)
    workitems = make_workitems(config, parts)
    return Announcer(parts.database, workitems, door.peer_of, config.receive.ae_title, config.deliver.backoff, utc_now)


def make_asker(config: Config, parts: Parts) -> OrderAsker | None:
    """Return who asks what was ordered, None where nobody is configured to be asked."""
    section = config.orders
    if section.peer is None:
        return None
    return OrderAsker(
        parts.database,
        parts.queue,
        section.peer,
        config.receive.ae_title,
        allowances(config),
        section.backoff,
        utc_now,
    )
