"""The configuration as it runs: each setting with its sentence, and where it is not the default. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `default` is "" for one that must be given; a secret is never here, only that there is one."""

    key: str
    value: str
    default: str
    changed: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of config.toml, or one of several of a name."""

    head: str
    sentence: str
    settings: tuple[Setting, ...]

    @property
    def changed(self) -> int:
        """How many settings differ from their defaults."""
        return sum(setting.changed for setting in self.settings)

    def only_changed(self) -> "Table":
        """Return it with those alone."""
        kept = tuple(setting for setting in self.settings if setting.changed)
        return Table(head=self.head, sentence=self.sentence, settings=kept)
