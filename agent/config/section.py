"""What the tables of config.toml have in common."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of config.toml: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def at(self, folder: Path) -> Self:
        """Return it with its relative paths starting at `folder`, and those of the tables in it."""
        found = {
            name: folder / value if isinstance(value, Path) else value.at(folder)
            for name, value in self
            if isinstance(value, Path | Section)
        }
        return self.model_copy(update=found)
