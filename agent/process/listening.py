"""The role `hl7` put together: the MLLP listener, and what its messages mean."""

from dataclasses import replace

from agent.config.file import Config
from agent.hl7.incoming import Incoming
from agent.hl7.listener import MllpListener
from agent.hl7.meaning import Meaning
from agent.process.parts import Parts, allowances, utc_now
from db.messages import Rules


def make_listener(config: Config, parts: Parts) -> MllpListener:
    """Return the listener with its port open; it accepts nothing yet."""
    return MllpListener(config.hl7.listener, make_incoming(config, parts).answer)


def make_incoming(config: Config, parts: Parts) -> Incoming:
    """Return who answers messages."""
    section = config.hl7
    rules = Rules(allowances=allowances(config), home=section.assigning_authority, orders_last=section.orders_last)
    meaning = Meaning(replace(section.meaning, ours=section.meaning.ours | sent_as(config)))
    return Incoming(parts.database, parts.queue, meaning, rules, section.incoming, utc_now)


def sent_as(config: Config) -> frozenset[str]:
    """Return the names under which reports are sent in HL7: a receiver may route them back."""
    told = (getattr(settings, "sending_application", "") for settings in config.reports.values())
    return frozenset(name for one in ("TIBABU", *told) if (name := one.partition("^")[0].strip()))
