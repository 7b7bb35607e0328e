"""Which Instances an address speaks of. What is kept apart (quarantine) is not handed out; 404 says which it is."""

from typing import Final

from starlette.requests import Request

from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, uid_of
from db.archive import HeldInstance, held_instances, is_kept_apart
from db.archive_columns import AnyOf, Criteria

_KEYS: Final = {"study": "study_instance_uid", "series": "series_instance_uid", "instance": "sop_instance_uid"}

UNKNOWN: Final = "expected a Study, Series or Instance that is held here. Received: another"
KEPT_APART: Final = (
    "expected an Instance that is handed out. Received: one under a UID that had come with other content or for another"
    " patient; it is kept apart until a person has decided"
)


def found(request: Request) -> list[HeldInstance]:
    """Return the Instances of the address, at least one; ProblemError, 404, if there is none."""
    services: Services = request.app.state.services
    criteria: Criteria = {_KEYS[name]: AnyOf((uid_of(request, name),)) for name in _KEYS if name in request.path_params}
    instances = list(held_instances(services.database, criteria))
    if not instances:
        raise ProblemError(404, KEPT_APART if is_kept_apart(services.database, criteria) else UNKNOWN)
    return instances


def address(base: str, instance: HeldInstance) -> str:
    """Return the address of an Instance."""
    series = f"{base}/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
    return f"{series}/instances/{instance.sop_instance_uid}"
