"""The table [alerts] of config.toml: who is told of what stands wrong with deliveries."""

from datetime import timedelta

from pydantic import Field

from agent import destinations
from agent.config.section import MOST_MINUTES, Hours, Section
from agent.destinations import DestinationSettings


class AlertsSection(Section):
    """Who is told of parked deliveries, and of destinations that rest or do not confirm; see docs/operations.md."""

    to: tuple[str, ...] = Field(
        default=(),
        examples=[["ops"]],
        description="Names of destinations that carry alerts: webhooks, mail, folders. []: nobody is told; the log is "
        "all there is. Of its own trouble no destination is told: name two.",
    )
    after_minutes: float = Field(
        default=5,
        ge=0,
        le=MOST_MINUTES,
        description="How long something must stand before it is told; what mends itself sooner is not.",
    )
    repeat_hours: Hours = Field(default=24, description="After this it is told again, while it still stands.")

    @property
    def after(self) -> timedelta:
        """How long something must stand."""
        return timedelta(minutes=self.after_minutes)

    @property
    def repeat(self) -> timedelta:
        """After what time it is told again."""
        return timedelta(hours=self.repeat_hours)


def check_alerts(section: AlertsSection, known: tuple[DestinationSettings, ...]) -> None:
    """Raise ValueError for destinations that do not exist, cannot carry an alert or are named twice."""
    able = [one.name for one in known if hasattr(destinations.load(one.type).Destination, "alert")]
    for name in section.to:
        if name not in able:
            among = ", ".join(able) or "none, as no webhook, mail or folder is configured"
            message = f"expected destinations that carry alerts: {among}. Received: to={name}"
            raise ValueError(message)
    if twice := {name for name in section.to if section.to.count(name) > 1}:
        message = f"expected each destination once. Received twice: {', '.join(sorted(twice))}"
        raise ValueError(message)
