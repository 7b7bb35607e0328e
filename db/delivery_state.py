"""Where a delivery stands."""


class DeliveryState:
    """Where a delivery stands."""

    HELD = "HELD"  # of an Instance only: until its study comes to an outcome that lets it go
    QUEUED = "QUEUED"
    STORED = "STORED"  # of a report only: the destination says that it has it, and that is still to be confirmed
    ACKNOWLEDGED = "ACKNOWLEDGED"
    TESTED = "TESTED"  # written to a folder on trial: the destination has had nothing of it, and will not
    PARKED = "PARKED"
    SUPERSEDED = "SUPERSEDED"  # of a report only: a later revision has its own


STATES = tuple(value for name, value in vars(DeliveryState).items() if name.isupper())
"""All of them."""

OVER = frozenset({DeliveryState.ACKNOWLEDGED, DeliveryState.TESTED, DeliveryState.SUPERSEDED})
"""Those in which nothing happens any more, and in which there are more and more."""
