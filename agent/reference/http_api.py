"""Every operation of the HTTP API, from the document that the program itself gives."""

from collections import defaultdict
from typing import Any

from agent.reference.markdown import code, table
from agent.web.api.application import make_api

_HEAD = """\
# HTTP API

Written from the code by `python -m agent.reference docs/reference`; do not edit. The whole of it, with every member
of every answer, is [openapi.json](../openapi.json) (OpenAPI 3.1); how it is used, and a client, stand in [the
API](../api.md). Addresses begin with `/api/v1`. The third column is the scope that a token or a session needs.
"""


def page() -> str:
    """Return the page."""
    document = make_api().openapi()
    groups: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups[next(iter(operation.get("tags", ())), "Other")].append(_row(path, method, operation))
    head = ("operation", "what it does", "scope", "in the query")
    return _HEAD + "".join(f"\n## {name}\n{table(head, rows)}" for name, rows in groups.items())


def _row(path: str, method: str, operation: dict[str, Any]) -> tuple[str, str, str, str]:
    scopes = sorted({scope for needed in operation.get("security", ()) for given in needed.values() for scope in given})
    query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    return (
        code(f"{method.upper()} {path}"),
        operation["summary"],
        ", ".join(map(code, scopes)),
        ", ".join(map(code, query)),
    )
