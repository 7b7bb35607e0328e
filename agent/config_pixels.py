"""The table [decode] of config.toml: the processes in which images are decoded."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class DecodeSection(BaseModel):
    """Decoding, in processes of their own: one that crashes or takes too much costs one image, which has failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processes: int = Field(
        default=0, ge=0, le=64, description="How many processes decode; 0: as many as cores, at least 2."
    )
    seconds: Annotated[float, Field(gt=0)] = Field(default=60, description="Longest time for one file.")
    megabytes: int = Field(default=4096, ge=1024, description="Most memory (address space) of one process.")
