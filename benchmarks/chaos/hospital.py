"""Who sends and who receives in a chaos run: a day's studies, and a PACS that will never take some objects."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from agent.simulation.moods import Mood
from agent.simulation.pacs import MoodyPacs
from agent.simulation.plan import SCANNERS, Habit, Mix, Object, Plan, Scanner, Why, Wishes, day
from dicom_io.peer import Timeouts
from dicom_io.received import ReceivedInstance
from dicom_io.simulated import Kind, made

BEGINS: Final = datetime(2026, 1, 5, tzinfo=UTC)
TIMEOUTS: Final = Timeouts(connection=5, acse=5, dimse=10, network=10)
"""Scanners that give up soon, and so send again what they had no answer for."""

_SERIES: Final = {False: (4, 3), True: (40, 24)}
"""Images of a CT and of an ultrasound study, in short and in long runs: these are no runs about speed."""
_LONG: Final = 2000
_MORE: Final = tuple(Scanner(f"SIMCT{number}", Habit.STUDY, frozenset({Kind.CT})) for number in (2, 3))

_ONE_IN: Final = 97
MOODS: Final = {
    "PACS refuses (A700)": Mood.REFUSES,
    "PACS rejects associations": Mood.REJECTS,
    "PACS down": Mood.DOWN,
    "PACS slow": Mood.SLOW,
    "PACS warns (B000)": Mood.WARNS,
}
NEVER: Final = 0xA900  # Data Set Does Not Match SOP Class (PS3.4 table B.2-1): it will not do to try again


def mix(instances: int) -> Mix:
    """Return what studies consist of: few images are for the network, and in long runs studies are large."""
    ct, us = _SERIES[instances > _LONG]
    return {
        (Kind.DX, Kind.LATERAL, Kind.LATERAL, Kind.SR): 30,
        (Kind.CR, Kind.LATERAL, Kind.LATERAL): 20,
        (Kind.CT,) * ct: 40,
        (Kind.US,) * us: 10,
    }


def plan(seed: int, instances: int) -> Plan:
    """Return a day of about so many Instances: late images, repeated studies, and such as come in other bytes."""
    kinds = mix(instances)
    a_study = sum(len(recipe) * share for recipe, share in kinds.items()) / sum(kinds.values())
    wishes = Wishes(
        studies=round(instances / a_study),
        exact=True,
        mix=kinds,
        scanners=(*SCANNERS, *_MORE),
        late=0.1,
        repeated=0.1,
        recoded=0.06,
        troubles=instances / 200,
        adults=0.7,
    )
    return day(seed=seed, begins_at=BEGINS, wishes=wishes)


def source(one: Object) -> bytes:
    """Make the file of an object. Of some studies, what comes in other bytes is about another patient: a conflict."""
    simulated = one.simulated
    if one.why is Why.RECODED and simulated.study % 3 == 0:
        simulated = replace(simulated, age_years=simulated.age_years + 1)
    return made(simulated, transfer_syntax_uid=one.transfer_syntax_uid)


class PickyPacs(MoodyPacs):
    """Answers one object in `_ONE_IN`, always the same ones, that it will never take it."""

    def received(self, instance: ReceivedInstance) -> int:
        """See `MoodyPacs`; what is refused for good is in no ledger."""
        digest = hashlib.sha256(instance.affected_sop_instance_uid.encode("ascii")).digest()
        if int.from_bytes(digest[:4]) % _ONE_IN == 0:
            return NEVER
        return super().received(instance)
