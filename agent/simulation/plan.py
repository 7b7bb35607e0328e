"""What is sent to an agent over a day, and when: a seeded plan, made before anything is sent."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from agent.simulation.arrival import FLAT, HOUR, Profile
from agent.simulation.bad_peers import BadPeer
from dicom_io.simulated import Kind, Simulated

MINUTE: Final = 60.0
IMPLICIT: Final = "1.2.840.10008.1.2"
RLE: Final = "1.2.840.10008.1.2.5"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
OTHER_SYNTAXES: Final = (IMPLICIT, RLE, JPEG_2000)
"""Transfer syntaxes in which the same pixels come again."""


class Habit(StrEnum):
    """How a scanner uses associations."""

    STUDY = "study"  # one for each study
    IMAGE = "image"  # one for each image
    ALL_DAY = "all day"  # one that is held open


class Why(StrEnum):
    """Why an Instance is sent."""

    FIRST = "first"
    LATE = "late"  # one more image of a study that had ended
    REPEATED = "repeated"  # the same bytes again
    RECODED = "recoded"  # the same pixels in another transfer syntax


@dataclass(frozen=True, slots=True)
class Scanner:
    """A modality: its AE title, how it uses associations, and what the first image of its studies is."""

    ae_title: str
    habit: Habit
    kinds: frozenset[Kind]


SCANNERS: Final = (
    Scanner("SIMDX1", Habit.STUDY, frozenset({Kind.DX})),
    Scanner("SIMDX2", Habit.IMAGE, frozenset({Kind.DX})),
    Scanner("SIMCR1", Habit.ALL_DAY, frozenset({Kind.CR})),
    Scanner("SIMCR2", Habit.STUDY, frozenset({Kind.CR})),
    Scanner("SIMCT1", Habit.STUDY, frozenset({Kind.CT})),
    Scanner("SIMUS1", Habit.IMAGE, frozenset({Kind.US})),
)

LOOPING: Final = Scanner("SIMLOOP", Habit.STUDY, frozenset())
LOOPS: Final = 20
"""A sender that repeats and repeats: how often before somebody pulls its plug."""

Mix: TypeAlias = Mapping[tuple[Kind, ...], float]
"""How often a study consists of these Instances, in any unit."""

MIX: Final[Mix] = {
    (Kind.DX,): 30,
    (Kind.DX, Kind.LATERAL): 20,
    (Kind.DX, Kind.SR): 5,
    (Kind.CR,): 20,
    (Kind.CR, Kind.LATERAL): 5,
    (Kind.CT, Kind.CT): 10,
    (Kind.US, Kind.US, Kind.US): 10,
}


@dataclass(frozen=True, slots=True)
class Object:
    """An Instance to send: what it is, in which transfer syntax (its own if ""), and why."""

    simulated: Simulated
    transfer_syntax_uid: str = ""
    why: Why = Why.FIRST


@dataclass(frozen=True, slots=True)
class Send:
    """Objects that a scanner sends one after another, `at` seconds after the plan begins."""

    at: float
    scanner: Scanner
    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A peer that misbehaves, `at` seconds after the plan begins; `seed` decides the details."""

    at: float
    what: BadPeer
    seed: int


Event: TypeAlias = Send | Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a plan should hold.

    `studies` on average, or exactly that many with `exact`. `profile`: the shares of a day's arrivals by hour. Of the
    studies, `late` is the share that gets one more image of its first kind later, `repeated` that is sent twice, and
    `recoded` that comes again in another transfer syntax. `troubles` peers misbehave on average. Children are of the
    ages that the model knows; `adults` is the share that is not. `height`: of radiographs, in pixels.
    """

    studies: float
    exact: bool = False
    profile: Profile = field(default_factory=lambda: Profile(FLAT))
    mix: Mix = field(default_factory=lambda: MIX)
    scanners: Sequence[Scanner] = SCANNERS
    late: float = 0.05
    repeated: float = 0.05
    recoded: float = 0.05
    troubles: float = 0.0
    adults: float = 0.2
    height: int = 160


@dataclass(frozen=True, slots=True)
class Plan:
    """Events in the order of their times, and how many seconds they take at the speed of life."""

    seed: int
    begins_at: datetime
    seconds: float
    events: tuple[Event, ...]

    @property
    def sends(self) -> Iterator[Send]:
        """What scanners send."""
        return (event for event in self.events if isinstance(event, Send))

    @property
    def objects(self) -> Iterator[Object]:
        """Every object that is to be sent, in the order of the plan; repeated ones each time."""
        return (one for send in self.sends for one in send.objects)

    @property
    def studies(self) -> list[str]:
        """The Study Instance UIDs, in the order in which the studies begin."""
        return list(dict.fromkeys(one.simulated.study_instance_uid for one in self.objects))


def day(*, seed: int, begins_at: datetime, wishes: Wishes) -> Plan:
    """Make the plan; `begins_at` (aware) dates the studies, and keeps them apart from those of other days."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable plan, not a secret
    profile = wishes.profile
    if wishes.exact:
        times = profile.exactly(round(wishes.studies), chance)
    else:
        times = list(profile.arrivals(wishes.studies, chance))
    run = f"{seed}/{begins_at.isoformat()}"
    events: list[Event] = []
    for number, at in enumerate(times, 1):
        events += _study(run, number, at, begins_at, wishes, chance)
    firsts = [event for event in events if isinstance(event, Send)]
    for at in profile.arrivals(wishes.troubles, chance) if firsts else ():
        what, seed = chance.choice(list(BadPeer)), chance.getrandbits(32)
        if what is BadPeer.REPEATS:
            again = tuple(replace(one, why=Why.REPEATED) for one in chance.choice(firsts).objects)
            events.append(Send(at, LOOPING, again * LOOPS))
        else:
            events.append(Trouble(at, what, seed))
    events.sort(key=lambda event: event.at)
    return Plan(seed, begins_at, max(profile.seconds, events[-1].at if events else 0.0), tuple(events))


def _study(
    run: str, number: int, at: float, begins_at: datetime, wishes: Wishes, chance: random.Random
) -> Iterator[Event]:
    """Yield the sendings of one study."""
    recipes = list(wishes.mix)
    (kinds,) = chance.choices(recipes, [wishes.mix[recipe] for recipe in recipes])
    scanner = chance.choice([one for one in wishes.scanners if kinds[0] in one.kinds] or list(wishes.scanners))
    years = chance.randint(20, 90) if chance.random() < wishes.adults else chance.randint(1, 5)
    simulated = tuple(
        Simulated(
            run=run,
            study=number,
            image=image,
            kind=kind,
            made_at=begins_at + timedelta(seconds=round(at)),
            age_years=years,
            height=wishes.height,
        )
        for image, kind in enumerate(kinds, 1)
    )
    first = Send(at, scanner, tuple(Object(one) for one in simulated))
    yield first
    if chance.random() < wishes.late:
        late = replace(simulated[0], image=len(kinds) + 1)
        yield Send(at + chance.uniform(2, 40) * MINUTE, scanner, (Object(late, why=Why.LATE),))
    if chance.random() < wishes.repeated:
        again = tuple(Object(one, why=Why.REPEATED) for one in simulated)
        yield Send(at + chance.expovariate(1 / (10 * MINUTE)), scanner, again)
    pictures = [one for one in simulated if one.kind is not Kind.SR]
    if pictures and chance.random() < wishes.recoded:
        syntax = chance.choice(OTHER_SYNTAXES)
        other = tuple(Object(one, syntax, Why.RECODED) for one in pictures)
        yield Send(at + chance.expovariate(1 / HOUR), scanner, other)
