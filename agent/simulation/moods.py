"""What a PACS is like from one minute to the next: a seeded schedule of moods."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Mood(StrEnum):
    """How the PACS answers."""

    ACCEPTS = "accepts"
    SLOW = "slow"  # 0000 after a while
    WARNS = "warns"  # stored, and answered B000, Coercion of Data Elements
    REFUSES = "refuses"  # A700, Out of Resources, for each Instance
    REJECTS = "rejects"  # no association: the calling AE title is not recognised (PS3.8 table 9-21)
    DOWN = "down"  # nobody listens on its port


WEIGHTS: Final[Mapping[Mood, float]] = {
    Mood.ACCEPTS: 5,
    Mood.SLOW: 1,
    Mood.WARNS: 1,
    Mood.REFUSES: 1,
    Mood.REJECTS: 1,
    Mood.DOWN: 1,
}


@dataclass(frozen=True, slots=True)
class Spell:
    """From `at` seconds on it is in this mood."""

    at: float
    mood: Mood


def moods(
    *, seed: int, seconds: float, spell_seconds: float = 30.0, weights: Mapping[Mood, float] = WEIGHTS
) -> tuple[Spell, ...]:
    """Return moods for `seconds`, each of exponential length; it begins with ACCEPTS and ends with it for good."""
    chance = random.Random(f"moods/{seed}")  # noqa: S311 - a repeatable schedule, not a secret
    spells = [Spell(0.0, Mood.ACCEPTS)]
    at = chance.expovariate(1 / spell_seconds)
    while at < seconds:
        others = [mood for mood in weights if mood is not spells[-1].mood]
        (mood,) = chance.choices(others, [weights[other] for other in others])
        spells.append(Spell(at, mood))
        at += chance.expovariate(1 / spell_seconds)
    return (*spells, Spell(seconds, Mood.ACCEPTS))


def follow(be: Callable[[Mood], None], spells: Iterable[Spell], *, speed: float, stop: threading.Event) -> None:
    """Keep a PACS to a schedule from now on, `speed` times as fast as it says; returns at its end, or at `stop`."""
    begun = time.monotonic()
    for spell in spells:
        if stop.wait(max(0.0, begun + spell.at / speed - time.monotonic())):
            return
        be(spell.mood)
