"""The table [decode] of config.toml: the processes in which images are decoded."""

from pydantic import Field

from agent.config.section import Seconds, Section


class DecodeSection(Section):
    """Decoding, in processes of their own: one that crashes or takes too much costs one image, which has failed."""

    processes: int = Field(
        default=0, ge=0, le=64, description="How many processes decode; 0: as many as cores, at least 2."
    )
    seconds: Seconds = Field(default=60, description="Longest time for one file.")
    megabytes: int = Field(default=4096, ge=1024, description="Most memory (address space) of one process.")
