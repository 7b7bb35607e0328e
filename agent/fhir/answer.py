"""What a FHIR server's answer says of a transaction that it was sent (R4, http.html#transaction-response). Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from agent.errors import DeliveryError, Retry
from agent.line.statuses import http_refusal

MEDIA_TYPE: Final = "application/fhir+json"

_DONE: Final = frozenset({200, 201})
_CONFLICT: Final = 409
_STATUS: Final = re.compile(r"(\d{3})(\s.*)?", re.DOTALL)
_CODE: Final = re.compile(r"[a-z][a-z-]{0,39}")
_WRONG: Final = frozenset({"error", "fatal"})


def judge(status: int, headers: Mapping[str, str], body: bytes, *, sent: bytes, server: str) -> str:
    """Return what the server said if it has the whole transaction, entry by entry. Raises DeliveryError if not.

    What it says in words is passed on to nobody: an OperationOutcome's diagnostics may quote the patient.
    """
    answer, expected, said = _object(body), f"expected {server} to take the transaction", f"HTTP {status}"
    if status == _CONFLICT:  # somebody wrote to the same resources at the same time (R4, http.html#transaction)
        message = f"{expected}. Received: status={status}{_issues(answer)}"
        raise DeliveryError(message, retry=Retry.SOON, status=said)
    if status not in _DONE:
        redirected = " (redirections are not followed)" if 300 <= status < 400 else ""  # noqa: PLR2004 - 3xx
        message = f"{expected}. Received: status={status}{redirected}{_issues(answer)}"
        raise http_refusal(message, status, headers)
    if wrong := _unlike(_object(sent), answer):
        message = f"{expected}. Received: status={status}, and {wrong}"
        raise DeliveryError(message, retry=Retry.SLOWLY, status=said, sent=True)
    return f"{said}: {len(_entries(answer))} entries"


def _unlike(request: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return why an answer does not say that all of a transaction was done, "" if it does."""
    if (answer.get("resourceType"), answer.get("type")) != ("Bundle", "transaction-response"):
        return f"no transaction-response{_issues(answer)}"
    asked, answered = _entries(request), _entries(answer)
    if len(asked) != len(answered):
        return f"an answer to {len(answered)} of {len(asked)} entries"
    wrong = (
        (number, why)
        for number, (one, its_answer) in enumerate(zip(asked, answered, strict=True), start=1)
        if (why := _wrong(one, its_answer))
    )
    return next((f"of entry {number} of {len(asked)}: {why}" for number, why in wrong), "")


def _wrong(request: dict[str, Any], entry: dict[str, Any]) -> str:
    """Return why an entry of the answer does not say that its request was done, "" if it does."""
    response = entry.get("response")
    response = response if isinstance(response, dict) else {}
    status = _STATUS.fullmatch(str(response.get("status", "")))
    number = int(status.group(1)) if status else 0
    outcome = response.get("outcome")
    if not 200 <= number < 300 or _codes(outcome, _WRONG):  # noqa: PLR2004 - 2xx
        return f"status={number or 'none'}{_issues(outcome)}"
    asked_for = request.get("request", {}).get("url", "").partition("?")[0]
    location = response.get("location")
    if location is not None and not f"/{location}/".count(f"/{asked_for}/"):
        return "the location of another resource"
    return ""


def _entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    entries = bundle.get("entry")
    return [entry if isinstance(entry, dict) else {} for entry in entries] if isinstance(entries, list) else []


def _issues(outcome: object) -> str:
    codes = _codes(outcome, _WRONG | {"warning"})
    return f" issues={','.join(codes)}" if codes else ""


def _codes(outcome: object, severities: frozenset[str] | set[str]) -> list[str]:
    """Return the codes of the issues of an OperationOutcome that are so severe."""
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return []
    issues = outcome.get("issue")
    found = [
        str(issue.get("code"))
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, dict) and issue.get("severity") in severities
    ]
    return [code if _CODE.fullmatch(code) else "unknown" for code in dict.fromkeys(found)]


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
