"""What differs between two configurations, and what of it may change while the agent runs. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from agent.config.file import Config
from agent.config.shown import set_text, value_text

NEW_STARTS: Final[Mapping[str, frozenset[str]]] = {
    "peers": frozenset({"deliver"}),  # the receivers take them over as they run
    "destinations": frozenset({"work", "deliver", "clock", "metrics"}),
    "reports": frozenset({"work", "deliver"}),
    "forward": frozenset(),
    "orders": frozenset({"deliver"}),
    "alerts": frozenset({"clock"}),
    "drift": frozenset({"clock"}),
    "retention": frozenset({"clock"}),
    "scrub": frozenset({"clock"}),
    "backup": frozenset({"clock"}),
    "audit": frozenset({"clock"}),
}
"""The tables that may change while the agent runs, each with the roles that drain and start anew with it."""

RENEWED: Final = frozenset({"receive", "web", "dicomweb", "hl7"})
"""The roles that somebody is connected to: they take a configuration over as they run."""

_ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One setting that differs: its key as in config.toml, a table of a list by its name; secrets are hidden."""

    key: str
    was: str
    now: str

    @property
    def table(self) -> str:
        """The table that it stands in."""
        return self.key.partition(".")[0].partition("[")[0]

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.key}: {self.was} -> {self.now}"


def changes(old: Config, new: Config) -> tuple[Change, ...]:
    """Return every setting that differs."""
    return tuple(
        change for name in Config.model_fields for change in _differences(name, getattr(old, name), getattr(new, name))
    )


def needing_restart(found: Iterable[Change]) -> tuple[Change, ...]:
    """Return those that no running agent takes over."""
    return tuple(change for change in found if change.table not in NEW_STARTS)


def starting_anew(found: Iterable[Change]) -> frozenset[str]:
    """Return the roles that drain and start anew to take these over."""
    return frozenset[str]().union(*(NEW_STARTS[change.table] for change in found))


def _differences(key: str, old: Any, new: Any) -> Iterator[Change]:  # noqa: ANN401 - whatever a setting is
    if old == new:
        return
    if isinstance(old, BaseModel) and type(old) is type(new):
        for name in type(old).model_fields:
            yield from _differences(f"{key}.{name}", getattr(old, name), getattr(new, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _differences(f"{key}.{name}", old.get(name), new.get(name))
    elif (names := _named(old)) is not None and (named := _named(new)) is not None:
        for name in sorted(names.keys() | named.keys()):
            yield from _differences(f"{key}[{name}]", names.get(name), named.get(name))
        if names.keys() == named.keys() and list(names) != list(named):
            yield Change(key, ", ".join(names), ", ".join(named))
    else:
        yield Change(key, _text(old), _text(new))


def _named(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - whatever a setting is
    """Return the tables of a list by their names; None for any other value."""
    if not isinstance(value, tuple) or not all(isinstance(one, BaseModel) for one in value):
        return None
    return {(getattr(one, "name", "") or getattr(one, "ae_title", "")).strip(): one for one in value}


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a setting is
    if value is None:
        return _ABSENT
    return set_text(value) if isinstance(value, BaseModel) else value_text(value)
