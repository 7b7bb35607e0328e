"""What performed procedure steps say of a study's images: which belong to whom, which are withdrawn, which are missing.

A step (PS3.3 C.4.14, PS3.4 annex F) names the Instances that it made, and Instances name their step (Referenced
Performed Procedure Step Sequence, 0008,1111). Either is enough.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from db.closing import Steps
from db.database import Lock
from db.prepared import Prepared
from db.roles import Role
from db.schema.arrival import performed_step, performed_step_instance, performed_step_study
from db.schema.domain import instance, study

_BIGGEST_BATCH = 500

_REASONS = {  # PS3.16 CID 9300 and 9301; other codes come from peers, and are not shown
    "110500": "doctor cancelled the procedure",
    "110501": "equipment failure",
    "110502": "incorrect procedure ordered",
    "110503": "patient allergic to contrast",
    "110504": "patient died",
    "110505": "patient refused to continue",
    "110506": "patient taken for treatment or surgery",
    "110507": "patient did not arrive",
    "110508": "patient pregnant",
    "110509": "change of procedure for correct charging",
    "110510": "duplicate order",
    "110511": "nursing unit cancelled",
    "110512": "incorrect side ordered",
    "110514": "incorrect worklist entry selected",
    "110515": "patient condition prevented continuing",
    "110516": "equipment change",
    "110521": "objects incorrectly formatted",
    "110523": "object set incomplete",
    "110524": "media failure",
    "110526": "resource pre-empted",
    "110528": "rescheduled",
    "110529": "rescheduling recommended",
}


class StepState(StrEnum):
    """Performed Procedure Step Status (0040,0252). The last two are final."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A performed procedure step, and the Instances (UIDs) that it names."""

    sop_instance_uid: str
    state: StepState
    reason_code: str
    calling_ae_title: str
    named: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What ties an Instance to a step. `performed_step_uid` is "" where it names none."""

    sop_instance_uid: str
    performed_step_uid: str
    calling_ae_title: str


def withdrawal(steps: Sequence[Step], image: Image) -> str:
    """Return why the image is withdrawn, "" if it is not.

    It is when every known step that it belongs to was discontinued. One that belongs to none that is known is withdrawn
    only if nothing else can have made it: all steps of its study were discontinued, and one of the same AE that does
    not say what it made. One that names a step that is not known here is another's.
    """
    own = [step for step in steps if _belongs(image, step)]
    if not own and not image.performed_step_uid and all(step.state is StepState.DISCONTINUED for step in steps):
        own = [step for step in steps if not step.named and step.calling_ae_title == image.calling_ae_title]
    if not own or any(step.state is not StepState.DISCONTINUED for step in own):
        return ""
    return f"withdrawn: {_REASONS.get(own[-1].reason_code, 'discontinued at the modality')}"


def _belongs(image: Image, step: Step) -> bool:
    return image.sop_instance_uid in step.named or image.performed_step_uid == step.sop_instance_uid


def summary(steps: Sequence[Step], images: Sequence[Image], here: Collection[str]) -> Steps:
    """Return what the steps say together of the study's end.

    `images` are its candidates that are not withdrawn, `here` the SOP Instance UIDs named by steps that are on record.
    """
    if not steps:
        return Steps.NONE
    if any(step.state is StepState.IN_PROGRESS for step in steps):
        return Steps.IN_PROGRESS
    completed = [step for step in steps if step.state is StepState.COMPLETED]
    named = frozenset[str]().union(*(step.named for step in completed))
    if not named <= frozenset(here):
        return Steps.MISSING
    # An image that only names its step is not named by it: there may be more of these.
    all_named = all(image.sop_instance_uid in named for image in images)
    return Steps.HERE if all_named and (named or not completed) else Steps.SILENT


def steps_lock(study_instance_uid: str) -> Lock:
    """Name the lock under which a study and its steps begin, so that neither misses the other."""
    return "performed_steps", study_instance_uid


_STEPS_OF = Prepared(
    select(performed_step)
    .join(performed_step_study)
    .where(performed_step_study.c.study_instance_uid == bindparam("study_instance_uid"))
    .order_by(performed_step.c.id)
)


def steps_of(connection: Connection, study_instance_uid: str) -> tuple[Step, ...]:
    """Return the study's performed procedure steps, the first begun first."""
    rows = _STEPS_OF.rows(connection, {"study_instance_uid": study_instance_uid})
    return tuple(
        Step(
            sop_instance_uid=row.sop_instance_uid,
            state=StepState(row.state),
            reason_code=row.reason_code,
            calling_ae_title=row.calling_ae_title,
            named=frozenset(
                connection.scalars(
                    select(performed_step_instance.c.sop_instance_uid).where(
                        performed_step_instance.c.step_id == row.id
                    )
                )
            ),
        )
        for row in rows
    )


def steps_say(connection: Connection, study_id: int, steps: Sequence[Step]) -> Steps:
    """Return what the steps say of a study on record."""
    if not steps:
        return Steps.NONE
    named = sorted(frozenset[str]().union(*(step.named for step in steps)))
    return summary(steps, list(standing(connection, study_id).values()), _on_record(connection, named))


def missing_radiographs(connection: Connection, study_instance_uid: str) -> tuple[int, int]:
    """Return how many radiographs that completed steps of the study name have not come, and how many they name."""
    named = connection.scalars(
        select(performed_step_instance.c.sop_instance_uid)
        .distinct()
        .join(performed_step, performed_step.c.id == performed_step_instance.c.step_id)
        .join(performed_step_study, performed_step_study.c.step_id == performed_step.c.id)
        .where(
            performed_step_study.c.study_instance_uid == study_instance_uid,
            performed_step.c.state == StepState.COMPLETED,
            performed_step_instance.c.is_radiograph,
        )
    ).all()
    return len(named) - len(_on_record(connection, sorted(named))), len(named)


def missing_of(connection: Connection, study_id: int) -> tuple[int, int]:
    """Return the same of a study on record, of which most have no step."""
    (row,) = _STUDY.rows(connection, {"study_id": study_id})
    return missing_radiographs(connection, row.study_instance_uid) if row.steps else (0, 0)


_STUDY = Prepared(select(study.c.study_instance_uid, study.c.steps).where(study.c.id == bindparam("study_id")))


def standing(connection: Connection, study_id: int) -> dict[int, Image]:
    """Return the study's candidates that are not withdrawn, by their row's id."""
    rows = connection.execute(
        select(instance)
        .where(instance.c.study_id == study_id, instance.c.role == Role.CANDIDATE, instance.c.withdrawn.is_(None))
        .order_by(instance.c.id)
    )
    return {row.id: _image(row) for row in rows}


def _image(row: Row[Any]) -> Image:
    return Image(
        sop_instance_uid=row.sop_instance_uid,
        performed_step_uid=row.performed_step_uid or "",
        calling_ae_title=row.calling_ae_title,
    )


def _on_record(connection: Connection, uids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(uids), _BIGGEST_BATCH):
        batch = uids[start : start + _BIGGEST_BATCH]
        found |= set(
            connection.scalars(
                select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid.in_(batch)).distinct()
            )
        )
    return found


def count_withdrawn(connection: Connection, study_id: int) -> int:
    """Return how many of the study's images were withdrawn."""
    (found,) = _WITHDRAWN.rows(connection, {"study_id": study_id})
    count: int = found.instances
    return count


_WITHDRAWN = Prepared(
    select(func.count().label("instances"))
    .select_from(instance)
    .where(instance.c.study_id == bindparam("study_id"), instance.c.withdrawn.is_not(None))
)
