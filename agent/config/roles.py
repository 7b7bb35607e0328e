"""The tables [work] and [deliver] of config.toml: the roles that have no file of their own."""

from datetime import timedelta

from pydantic import Field

from agent.config.section import Processes, Seconds, Section
from agent.line.retry import Backoff


class WorkSection(Section):
    """Working: gate, pixels, network, conclusions."""

    processes: Processes = Field(
        default=1,
        description="Working processes on this host, each with the network in its own memory. What [model] and "
        "[decode] leave to the number of cores is divided among them.",
    )
    job_seconds: Seconds = Field(
        default=600,
        description="Longest time for one image or conclusion. One that takes longer hangs: its process is ended and "
        "started anew, and the third time the job is parked. At least five times decode.seconds.",
    )
    megabytes: int = Field(
        default=4096,
        ge=256,
        description="A working process that takes more memory than this finishes what it has in hand and is started "
        "anew. Decoding processes have a limit of their own.",
    )


class DeliverSection(Section):
    """Delivering: trying again when a destination does not take a report."""

    processes: Processes = Field(
        default=1,
        description="Delivering processes on this host; each sends one report and one study's Instances at a time to "
        "each destination.",
    )
    job_seconds: Seconds = Field(
        default=900,
        description="Longest time for one report, and eight times that for up to 100 Instances or 1 GB of a study. One "
        "that takes longer hangs: its process is ended and started anew, and the third time the job is parked.",
    )
    megabytes: int = Field(
        default=1536,
        ge=256,
        description="A delivering process that takes more memory than this finishes what it has in hand and is started "
        "anew.",
    )
    first_retry_seconds: Seconds = Field(default=5, description="Wait after the first failure; doubles each time.")
    longest_retry_seconds: Seconds = Field(default=900, description="Longest wait between two attempts.")
    attempts: int = Field(default=50, ge=1, description="Attempts before a delivery is parked for a person to requeue.")
    rest_after_failures: int = Field(
        default=3,
        ge=1,
        description="Failures in a row that are a destination's own, after which it is only asked whether it is back.",
    )

    @property
    def backoff(self) -> Backoff:
        """The waiting times as a value."""
        first, longest = timedelta(seconds=self.first_retry_seconds), timedelta(seconds=self.longest_retry_seconds)
        return Backoff(first=first, longest=longest, attempts=self.attempts)
