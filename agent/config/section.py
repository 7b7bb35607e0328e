"""What the tables of config.toml have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from dicom_io.peer import check_ae_title

# What is longer than some years or centuries means "never", and reaches beyond the dates that there are.
MOST_SECONDS: Final = 100_000_000
MOST_MINUTES: Final = 1_000_000
MOST_HOURS: Final = 100_000
MOST_DAYS: Final = 100_000
MOST_PORT: Final = 65_535

Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS)]
Minutes = Annotated[float, Field(gt=0, le=MOST_MINUTES)]
Hours = Annotated[float, Field(gt=0, le=MOST_HOURS)]
Days = Annotated[float, Field(gt=0, le=MOST_DAYS)]

Processes = Annotated[int, Field(ge=1, le=64)]
"""How many processes serve a role on one host."""

AeTitle = Annotated[str, AfterValidator(lambda value: check_ae_title(value).strip())]
"""An AE title, without the spaces around it, which do not count (PS3.5 6.2)."""


class Section(BaseModel):
    """A table of config.toml: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - whatever the TOML file holds
        """Refuse what pydantic would take for something else: true for 1, and "" for the folder of config.toml."""
        field = cls.model_fields[str(info.field_name)]
        kinds = set(_kinds(field.annotation))
        given = [value, *(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())]
        if Path in kinds and any(one == "" for one in given):
            message = "expected a path. Received: an empty text"
            raise ValueError(message)
        if kinds & {int, float} and bool not in kinds and any(isinstance(one, bool) for one in given):
            message = "expected a number. Received: true or false"
            raise ValueError(message)
        return value

    def at(self, folder: Path) -> Self:
        """Return it with its relative paths starting at `folder`, and those of the tables in it."""
        placed = {name: _at(value, folder) for name, value in self}
        return self.model_copy(update={name: value for name, value in placed.items() if value != getattr(self, name)})


def _kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever a setting's type is
    """Yield the types that a setting may have, and those of what is in it."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for one in inner:
        yield from _kinds(one)


def _at(value: Any, folder: Path) -> Any:  # noqa: ANN401 - whatever a setting is
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Section):
        return value.at(folder)
    if isinstance(value, tuple):
        return tuple(_at(one, folder) for one in value)
    return value
