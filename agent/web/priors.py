"""Other studies of a patient as the study page lists them, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.web import people, words
from agent.web.study import HANDED_OUT
from agent.web.viewing import ViewedImage, viewed_images
from db.lifecycle import State
from db.outcome import Outcome
from db.priors import OtherStudy
from db.roles import Role
from db.worklist import WorklistRow

_MOST_IMAGES: Final = 12
"""Images of other studies that the viewer offers beside its own; all studies are listed, with links."""

_COUNTED: Final = HANDED_OUT - {Role.OWN}

NO_PATIENT_ID: Final = "Without a Patient ID no other study can be known to be of the same patient."
IN_DOUBT: Final = "Nobody knows yet whose study this is: no other study is shown with it."
NONE: Final = "No other study under this Patient ID and issuer is on record here."


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLine:
    """Another study under the same Patient ID. `differs` says in what it says another person, or is ""."""

    study_instance_uid: str
    date: str
    description: str
    modality: str
    images: int
    outcome: words.OutcomeWords
    differs: str


def other_lines(row: WorklistRow, others: Sequence[OtherStudy]) -> tuple[OtherLine, ...]:
    """Return the other studies, the newest first."""
    return tuple(
        OtherLine(
            study_instance_uid=other.study_instance_uid,
            date=_date(other),
            description=people.readable(other.study_description) or "no description",
            modality=people.readable(other.modality),
            images=sum(one["removed_at"] is None and one["role"] in _COUNTED for one in other.instances),
            outcome=_outcome(other),
            differs=_differs(row, other),
        )
        for other in others
    )


def other_images(row: WorklistRow, others: Sequence[OtherStudy]) -> tuple[ViewedImage, ...]:
    """Return the newest images of other studies, for the viewer to put beside; pictures by this agent are left out."""
    found: list[ViewedImage] = []
    for other in others:
        differs = _differs(row, other)
        prior = f"Other study, {_date(other)}" + (f" (says otherwise: {differs})" if differs else "")
        received = [one for one in other.instances if one["role"] in _COUNTED]
        found += viewed_images(other.study_instance_uid, received, other.image_results, prior=prior)
    return tuple(image for image in found if not image.gone)[:_MOST_IMAGES]


def why_none(row: WorklistRow, *, conflict: bool) -> str:
    """Return why no other study is listed."""
    if not row.patient_id.strip():
        return NO_PATIENT_ID
    return IN_DOUBT if row.doubt or conflict else NONE


def _date(other: OtherStudy) -> str:
    return people.dicom_date(other.study_date) or "without a date"


def _outcome(other: OtherStudy) -> words.OutcomeWords:
    """Return its outcome as the worklist says it."""
    state = State(other.state)
    if other.prior_only:
        return words.only_prior()
    if other.outcome is None:
        return words.not_concluded(state, is_raised=other.ai_priority is not None)
    updating = words.being_updated(state) if state in {State.RECEIVING, State.COMPLETE} else ""
    return words.concluded(Outcome(other.outcome), other.reason, other.probability, updating)


def _differs(row: WorklistRow, other: OtherStudy) -> str:
    """Return what does not fit: two patients may have been given one ID."""
    wrong = []
    if row.patient_birth_date and other.patient_birth_date and row.patient_birth_date != other.patient_birth_date:
        wrong.append(f"born {people.dicom_date(other.patient_birth_date)}")
    if row.patient_sex and other.patient_sex and row.patient_sex != other.patient_sex:
        wrong.append(people.sex(other.patient_sex))
    if _plain(row.patient_name) != _plain(other.patient_name):
        wrong.append(f"name: {people.person_name(other.patient_name).shown}")
    return ", ".join(wrong)


def _plain(name: str) -> str:
    return people.person_name(name).shown.casefold()
