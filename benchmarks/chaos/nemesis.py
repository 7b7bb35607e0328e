"""Who does all the harm, by a plan that a seed decides: kills, and troubles that begin and end.

Moments are counted in Instances that the agent has taken, not in seconds: the same plan strikes a slow machine and a
fast one at the same points of the work. Kills and troubles are planned apart from one another, so that they coincide.
"""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from product import Host

SUPERVISOR = "supervisor of "
_LOOK = 0.02
_PATIENCE = 300.0


@dataclass(frozen=True)
class Trouble:
    """Something that begins and ends."""

    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True)
class Strike:
    """At so many Instances taken, this befalls; a trouble lasts so many seconds."""

    moment: int
    name: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is to befall, in order."""

    kills: Sequence[Strike]
    troubles: Sequence[Strike]


def planned(seed: int, instances: int, kills: Mapping[str, int], troubles: Mapping[str, tuple[int, float]]) -> Plan:
    """Spread so many kills of each victim, and so many troubles of each name and longest duration, over the work."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable plan, not a secret
    victims = [Strike(_moment(chance, instances), name) for name, count in kills.items() for _ in range(count)]
    strikes = [
        Strike(_moment(chance, instances), name, chance.uniform(0.2, 1) * longest)
        for name, (count, longest) in troubles.items()
        for _ in range(count)
    ]
    return Plan(sorted(victims, key=_when), sorted(strikes, key=_when))


def _moment(chance: random.Random, instances: int) -> int:
    return chance.randrange(1, max(2, instances * 19 // 20))


def _when(strike: Strike) -> int:
    return strike.moment


@dataclass
class Nemesis:
    """Carries a plan out while the work goes on; what it did is counted by name."""

    plan: Plan
    hosts: Sequence[Host]
    troubles: Mapping[str, Trouble]
    taken: Callable[[], int]
    tell: Callable[[str], None]
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _defects: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin: one thread kills, another makes trouble."""
        for work in (self._kill_all, self._trouble_all):
            self._threads.append(threading.Thread(target=self._guarded, args=(work,)))
            self._threads[-1].start()

    def join(self) -> None:
        """Wait until everything planned has befallen; raise what went wrong at that."""
        for thread in self._threads:
            thread.join()
        if self._defects:
            raise self._defects[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised to whoever joins
            self._defects.append(error)
            self.over.set()

    def _kill_all(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311 - as above
        for strike in self.plan.kills:
            if not self._comes(strike):
                return
            self._kill(strike.name, chance)
            self.done[strike.name] += 1
            self.tell(f"killed {strike.name}")

    def _kill(self, name: str, chance: random.Random) -> None:
        for host in self.hosts:
            if name == f"{SUPERVISOR}{host.name}":
                host.kill()
            elif name in host.roles:
                self._kill_one(host, name, chance)

    def _kill_one(self, host: Host, role: str, chance: random.Random) -> None:
        """Kill one process of a role as soon as there is one: it may be about to be started again."""
        clock = 0.0
        while not (pids := host.pids(role)):
            clock += _LOOK
            if self.over.wait(_LOOK) or clock > _PATIENCE:
                message = f"expected a process of {role} to kill within {_PATIENCE:g} s. Received: none"
                raise TimeoutError(message)
        with suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)

    def _trouble_all(self) -> None:
        for strike in self.plan.troubles:
            if not self._comes(strike):
                return
            trouble = self.troubles[strike.name]
            self.tell(f"{strike.name} for {strike.seconds:.1f} s")
            trouble.begin()
            try:
                self.over.wait(strike.seconds)
            finally:
                trouble.end()
            self.done[strike.name] += 1

    def _comes(self, strike: Strike) -> bool:
        while self.taken() < strike.moment:
            if self.over.wait(_LOOK):
                return False
        return True
