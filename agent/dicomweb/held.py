"""Which Instances an address speaks of. What is kept apart (quarantine) is not handed out; 404 says which it is."""

from typing import Final

from starlette.requests import Request

from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, uid_of
from db.archive import HeldInstance, held_instances, is_kept_apart, was_removed
from db.archive_columns import AnyOf, Criteria

_KEYS: Final = {"study": "study_instance_uid", "series": "series_instance_uid", "instance": "sop_instance_uid"}

UNKNOWN: Final = "expected a Study, Series or Instance that is held here. Received: another"
KEPT_APART: Final = (
    "expected an Instance that is handed out. Received: one under a UID that had come with other content or for another"
    " patient; it is kept apart until a person has decided"
)
REMOVED: Final = "expected a Study, Series or Instance that is held here. Received: one that retention has removed"


def found(request: Request) -> list[HeldInstance]:
    """Return the Instances of the address, at least one; ProblemError if there is none: 404, 410 if it was removed."""
    services: Services = request.app.state.services
    criteria: Criteria = {_KEYS[name]: AnyOf((uid_of(request, name),)) for name in _KEYS if name in request.path_params}
    instances = list(held_instances(services.database, criteria))
    if not instances:
        if is_kept_apart(services.database, criteria):
            raise ProblemError(404, KEPT_APART)
        if was_removed(services.database, criteria):  # PS3.18 table 8.5-1
            raise ProblemError(410, REMOVED)
        raise ProblemError(404, UNKNOWN)
    return instances


def address(base: str, instance: HeldInstance) -> str:
    """Return the address of an Instance."""
    series = f"{base}/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
    return f"{series}/instances/{instance.sop_instance_uid}"
