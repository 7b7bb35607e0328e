"""QIDO-RS (PS3.18 10.6): search for Studies, Series and Instances, by the matching of queries over DIMSE."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from agent.archive import find
from agent.dicomweb.media import accepts
from agent.dicomweb.query import FUZZY_IGNORED, Question, question
from agent.dicomweb.services import Services, base_url, uid_of
from agent.dicomweb.store_answer import DICOM_JSON
from db.archive import Held
from dicom_io.query_keys import KEYS, UNIQUE_KEYS, Key, Level

_KEYS: Final = {"study": "study_instance_uid", "series": "series_instance_uid"}
_UP_TO: Final = {
    Level.STUDY: (Level.STUDY,),
    Level.SERIES: (Level.STUDY, Level.SERIES),
    Level.IMAGE: (Level.STUDY, Level.SERIES, Level.IMAGE),
}
_WHOLE: Final = frozenset({"IS", "US"})
_COMPONENTS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_NONE_IS_0: Final = frozenset({"rows", "columns", "bits_allocated", "number_of_frames"})

MORE: Final = "There are additional results that can be requested"


def studies(request: Request) -> Response:
    """Search for Studies."""
    return _search(request, Level.STUDY)


def series(request: Request) -> Response:
    """Search for Series, of one Study or of all."""
    return _search(request, Level.SERIES)


def instances(request: Request) -> Response:
    """Search for Instances, of one Series or Study or of all."""
    return _search(request, Level.IMAGE)


def _search(request: Request, level: Level) -> Response:
    services: Services = request.app.state.services
    accepts(request, DICOM_JSON)
    base = base_url(services, request)
    within = {_KEYS[name]: uid_of(request, name) for name in _KEYS if name in request.path_params}
    asked = question(request.query_params.multi_items(), within)
    matches = islice(find(services.database, level, asked.query), asked.offset, asked.offset + asked.limit + 1)
    listed = list(matches)
    content = [_json(held, level, base) for held in listed[: asked.limit]]
    answer = Response(json.dumps(content), media_type=DICOM_JSON)
    for warning in _warnings(asked, more=len(listed) > asked.limit):
        answer.headers.append("Warning", f'299 {base} "{warning}"')
    return answer


def _warnings(asked: Question, *, more: bool) -> Iterator[str]:
    if asked.fuzzy:
        yield FUZZY_IGNORED
    if more:
        yield MORE


def _json(held: Held, level: Level, base: str) -> dict[str, Any]:
    """Return what is known of a match at its level and those above it (PS3.18 10.6.3.3)."""
    found = {
        f"{key.tag:08X}": _element(name, key, held.attributes[name])
        for name, key in KEYS.items()
        if key.level in _UP_TO[level] and name in held.attributes
    }
    found["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    found["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    names = ("studies", "series", "instances")
    uids = [held.text(UNIQUE_KEYS[one]) for one in _UP_TO[level]]
    if all(uids):
        place = "".join(f"/{name}/{uid}" for name, uid in zip(names, uids, strict=False))
        found["00081190"] = {"vr": "UR", "Value": [base + place]}
    return dict(sorted(found.items()))


def _element(name: str, key: Key, value: Any) -> dict[str, Any]:  # noqa: ANN401 - text, a number or texts
    if value in {"", ()} or (name in _NONE_IS_0 and value == 0):
        return {"vr": key.vr}
    values = value if isinstance(value, tuple) else str(value).split("\\")
    return {"vr": key.vr, "Value": [_value(key.vr, one) for one in values]}


def _value(vr: str, text: str) -> Any:  # noqa: ANN401 - what JSON takes
    if text == "":
        return None
    if vr == "PN":
        groups = zip(_COMPONENTS, text.split("="), strict=False)
        return {name: group for name, group in groups if group}
    if vr in _WHOLE:
        try:
            return int(text)
        except ValueError:
            return text
    return text
