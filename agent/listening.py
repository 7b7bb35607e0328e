"""The role `hl7` put together: the MLLP listener, and what its messages mean."""

from agent.config import Config
from agent.hl7.incoming import Incoming
from agent.hl7.listener import MllpListener
from agent.hl7.meaning import Meaning
from agent.parts import Parts, allowances, utc_now
from db.messages import Rules


def make_listener(config: Config, parts: Parts) -> MllpListener:
    """Return the listener with its port open; it accepts nothing yet."""
    section = config.hl7
    rules = Rules(allowances=allowances(config), home=section.assigning_authority, orders_last=section.orders_last)
    incoming = Incoming(parts.database, parts.queue, Meaning(section.meaning), rules, section.incoming, utc_now)
    return MllpListener(section.listener, incoming.answer)
