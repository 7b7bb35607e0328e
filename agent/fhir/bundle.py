"""Transaction Bundles (R4, http.html#transaction), written so that twice is as once."""

import json
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote
from uuid import UUID

from agent.fhir.terms import Json
from agent.fhir.values import uri_identifier

Writing = Literal["id", "identifier"]
"""PUT [type]/[id], or PUT [type]?identifier=: an update, which creates what is not there (R4, http.html#upsert)."""

_TAGS: Final = "urn:tibabu:resource"


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource with the id by which the others refer to it, and how it is written."""

    id: str
    """A UUID."""
    resource: Json
    request: Json

    @property
    def reference(self) -> Json:
        """A reference to it inside the Bundle; the server puts its own in its place."""
        return {"reference": f"urn:uuid:{self.id}"}


def ours(id_: str, resource: Json, writing: Writing) -> Entry:
    """Return the entry of a resource that is the agent's own: written over what it said before."""
    # Not the URN that the Bundle refers to it by: some servers put their own reference in its place wherever it stands.
    kind, urn = resource["resourceType"], f"urn:oid:2.25.{UUID(id_).int}"
    if writing == "id":
        named = {"resourceType": kind, "id": id_, **_identified(resource, urn)}
        return Entry(id_, named, {"method": "PUT", "url": f"{kind}/{id_}"})
    if kind == "Provenance":  # it has no identifier in R4, so that it is known by a tag
        meta = {**resource.get("meta", {}), "tag": [{"system": _TAGS, "code": id_}]}
        tagged = {"resourceType": kind, "meta": meta} | {key: value for key, value in resource.items() if key != "meta"}
        return Entry(id_, tagged, {"method": "PUT", "url": f"{kind}?_tag={_query(_TAGS, id_)}"})
    request = {"method": "PUT", "url": f"{kind}?identifier={_query(uri_identifier(urn)['system'], urn)}"}
    return Entry(id_, {"resourceType": kind, **_identified(resource, urn)}, request)


def found_or_made(id_: str, resource: Json, system: str, value: str) -> Entry:
    """Return the entry of a resource that belongs to others: made where there is none, else left as it is."""
    request = {
        "method": "POST",
        "url": resource["resourceType"],
        "ifNoneExist": f"identifier={_query(system, value)}",
    }
    return Entry(id_, resource, request)


def query(kind: str, system: str, value: str) -> str:
    """Return a conditional reference (R4, http.html#trules): whatever resource has that identifier."""
    return f"{kind}?identifier={_query(system, value)}"


def transaction(identifier: str, timestamp: str, entries: list[Entry]) -> bytes:
    """Return the Bundle as it is sent."""
    bundle = {
        "resourceType": "Bundle",
        "identifier": uri_identifier(f"urn:uuid:{identifier}"),
        "type": "transaction",
        "timestamp": timestamp,
        "entry": [
            {"fullUrl": f"urn:uuid:{entry.id}", "resource": entry.resource, "request": entry.request}
            for entry in entries
        ],
    }
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _identified(resource: Json, urn: str) -> Json:
    """Return what a resource holds but its type, with its own identifier before any other."""
    rest = {key: value for key, value in resource.items() if key not in {"resourceType", "identifier"}}
    if resource["resourceType"] == "Provenance":
        return rest
    return {"identifier": [uri_identifier(urn), *resource.get("identifier", [])], **rest}


def _query(system: str, value: str) -> str:
    """Return a search token; a comma, bar or dollar sign in its parts is no syntax (R4, search.html#escaping)."""
    escaped = (
        text.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
        for text in (system, value)
    )
    return "|".join(quote(text, safe=":/") for text in escaped)
