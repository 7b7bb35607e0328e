"""The kinds of job that join the lines. The key of each is a row's id."""

SCORE = "score"  # key: instance id
COMPARE = "compare"  # key: instance id
CONCLUDE = "conclude"  # key: study id
WITHDRAW = "withdraw"  # key: study id
REJECT = "reject"  # key: instance id, of a rejection note
AMEND = "amend"  # key: study id
ORDER = "order"  # key: study id
SHADOW = "shadow"  # key: instance id
COMMIT = "commit"  # key: commitment id
WEB_EVENT = "web-event"  # no jobs: only announced, to who holds the channels of subscribers


def deliver(destination: str) -> str:
    """Return the kind of a destination's deliveries (key: delivery id): a lane of its own, so none delays another."""
    return f"deliver:{destination}"


def forward(destination: str) -> str:
    """Return the kind of a destination's forwarding (key: study id), a lane beside that of its reports.

    One job sends all that waits of a study: it takes one association for many Instances, and keeps their order.
    """
    return f"forward:{destination}"


def ups_event(receiving_ae: str) -> str:
    """Return the kind of the events of which an AE is told (key: its title), a lane of its own."""
    return f"ups-event:{receiving_ae}"
