"""The tables [complete] and [priority] of config.toml: when a study is complete, and how long it may wait."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from agent.config.section import MOST_MINUTES, Seconds, Section

_Wait = Annotated[float, Field(ge=0, le=MOST_MINUTES)]


class CompleteSection(Section):
    """When a study is complete. Late images wait for quiet, twice as long for each revision before theirs."""

    after_release_seconds: Seconds = Field(
        default=2, description="After the last association that brought it was released."
    )
    quiet_seconds: Seconds = Field(default=30, description="After its last Instance, with the association still open.")
    in_progress_seconds: Seconds = Field(
        default=300, description="After its last Instance, while its modality says (MPPS) that it is still at work."
    )
    forced_seconds: Seconds = Field(default=900, description="After its first Instance, however many still come.")

    @model_validator(mode="after")
    def _forced_comes_last(self) -> Self:
        if self.quiet_seconds > self.forced_seconds:
            given = f"quiet_seconds={self.quiet_seconds:g} forced_seconds={self.forced_seconds:g}"
            message = f"expected forced_seconds, which end every wait, of at least quiet_seconds. Received: {given}"
            raise ValueError(message)
        return self


class PrioritySection(Section):
    """How long a study of each priority may wait before it is due; the worklist is in the order of due times."""

    high_minutes: _Wait = Field(default=0, description="STAT and HIGH.")
    medium_minutes: _Wait = Field(default=30, description="MEDIUM, and at least this for flagged studies.")
    routine_minutes: _Wait = Field(default=480, description="ROUTINE, LOW and none.")
    studies_per_hour: int = Field(
        default=600,
        ge=1,
        description="Pace of one peer, for each priority of orders: an hour's studies may come at once; what comes "
        "beyond it (a migration, a mad sender) is analysed and sent as if it had come at that pace, so that it holds "
        "nobody else up.",
    )

    @model_validator(mode="after")
    def _urgent_is_sooner(self) -> Self:
        waits = (self.high_minutes, self.medium_minutes, self.routine_minutes)
        if list(waits) != sorted(waits):
            given = ", ".join(f"{wait:g}" for wait in waits)
            message = f"expected high_minutes <= medium_minutes <= routine_minutes. Received: {given}"
            raise ValueError(message)
        return self
