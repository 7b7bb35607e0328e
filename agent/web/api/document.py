"""The OpenAPI document: what FastAPI knows of the endpoints, and what holds for all of them."""

from typing import Any, Final

from agent.web.api.problems import MEDIA_TYPE, Problem

DESCRIPTION: Final = """\
The worklist, its studies and the state of the system, for programs. What the pages show and do, this tells and does.

**The outcomes are those of a triage aid, not a diagnosis.** Only pneumonia is looked for, and `not_flagged` does not
exclude disease. An outcome is never blank: what was not analysed, or failed, says so and why.

- Who asks bears an API token (`Authorization: Bearer`) with the scope that the operation names, or the cookie of who is
  signed in. Where a site has no accounts, the API answers on the machine itself only, and everybody there may do all.
- Lists come in pages: `next` is the address of the next one, and null on the last.
- What cannot be done is answered with application/problem+json (RFC 9457).
- A change of a study names the state that it was decided for: If-Match, with the ETag of the study.
- Search texts and names of patients stand in bodies, never in addresses.
- Within a version of the API fields and operations are only added.
"""

_SHARED: Final = {
    "400": ("BadRequest", "The request is none of this API: its Host is another, or its body is no JSON."),
    "401": ("Unauthorized", "Nobody is known to ask: no token, no session, or one that is over."),
    "403": ("Forbidden", "Who asks may not do this, or a change comes from another site's page."),
    "404": ("NotFound", "What is asked for is not here."),
    "409": ("Conflict", "As things stand this cannot be done; the detail says why."),
    "410": ("Gone", "It was here: retention removed it, or its file is lost."),
    "412": ("PreconditionFailed", "Something has happened to the study since its ETag was told."),
    "413": ("ContentTooLarge", "The body is larger than is taken."),
    "416": ("RangeNotSatisfiable", "The file is shorter than the part that was asked for."),
    "422": ("UnprocessableContent", "Some values are not as described; `errors` says which."),
    "428": ("PreconditionRequired", "If-Match is missing."),
    "429": ("TooManyRequests", "Too much was asked in too short a time; Retry-After says when to try again."),
    "500": ("Failed", "The program failed; the agent's log says why."),
    "503": ("Unavailable", "The database cannot be reached just now. Nothing is lost; try again."),
}
_ALWAYS: Final = ("400", "401", "403", "429", "500", "503")


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the answers that say what went wrong."""
    components = document["components"]
    components["responses"] = {name: _response(text) for name, text in _SHARED.values()}
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["schemas"] = dict(sorted(components["schemas"].items()))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            for status in sorted(_statuses(path, method, operation)):
                responses[status] = {"$ref": f"#/components/responses/{_SHARED[status][0]}"}
    return document


def _statuses(path: str, method: str, operation: dict[str, Any]) -> set[str]:
    parameters = operation.get("parameters", ())
    statuses = {*_ALWAYS} | ({"422"} if parameters or "requestBody" in operation else set())
    if method != "get":
        statuses.add("409")
    if "requestBody" in operation:
        statuses.add("413")
    if any(one["in"] == "path" for one in parameters) or "requestBody" in operation or path.startswith("/account"):
        statuses.add("404")
    if any(one["name"] == "if-match" for one in parameters):
        statuses |= {"412", "428"}
    if {"Files"} & set(operation["tags"]):
        statuses |= {"410", "416"}
    return statuses


def _response(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
