"""What a STOW-RS server's answer says of one Instance that it was sent (PS3.18 10.5.3 and annex I.2.2). Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from agent.errors import DeliveryError, Retry
from agent.line.statuses import http_refusal, of_dimse
from dicom_io.commitment_scu import Answer, Has, Way
from dicom_io.statuses import DUPLICATE_SOP_INSTANCE

_FAILED_SOP_SEQUENCE: Final = "00081198"
_REFERENCED_SOP_SEQUENCE: Final = "00081199"
_REFERENCED_SOP_INSTANCE_UID: Final = "00081155"
_FAILURE_REASON: Final = "00081197"
_WARNING_REASON: Final = "00081196"
_SOP_INSTANCE_UID: Final = "00080018"

_STORED: Final = frozenset({200, 202})
"""All of it, and some of it: with 202 the list says what. 409 means none."""

_SEARCHED: Final = frozenset({200, 204})
_NO_SEARCH: Final = frozenset({400, 403, 404, 405, 406, 501})


def judge(status: int, headers: Mapping[str, str], body: bytes, *, sop_instance_uid: str, server: str) -> str:
    """Return what the server said if it has the Instance. Raises DeliveryError if it does not say so."""
    expected, said = f"expected {server} to store it", f"HTTP {status}"
    listed = _listed(body)
    if (failure := _of(listed, _FAILED_SOP_SEQUENCE, sop_instance_uid)) is not None:
        reason = _number(failure, _FAILURE_REASON)
        message = f"{expected}. Received: status={status} failure_reason={reason:04X}"
        raise DeliveryError(
            message,
            retry=of_dimse(reason).retry,
            status=f"{said} {reason:04X}",
            already_there=reason == DUPLICATE_SOP_INSTANCE,
        )
    stored = _of(listed, _REFERENCED_SOP_SEQUENCE, sop_instance_uid)
    if status in _STORED and stored is not None:
        warning = _number(stored, _WARNING_REASON)
        return f"{said}: warning {warning:04X}" if warning else said
    if status == 200 and not body.strip():  # noqa: PLR2004 - "all Instances were stored"
        return f"{said}: without a list of Instances"
    if status in _STORED:
        message = f"{expected}. Received: status={status}, and an answer that does not name it"
        raise DeliveryError(message, retry=True, status=said, sent=True)
    if status == 409:  # noqa: PLR2004 - "none were stored", here without saying why
        message = f"{expected}. Received: status=409 without a reason"
        raise DeliveryError(message, retry=Retry.SLOWLY, status=said)
    redirected = " (redirections are not followed)" if 300 <= status < 400 else ""  # noqa: PLR2004 - 3xx
    message = f"{expected}. Received: status={status}{redirected}"
    raise http_refusal(message, status, headers)


def found(status: int, headers: Mapping[str, str], body: bytes, sop_instance_uid: str, *, server: str) -> Answer:
    """Return what the answer to a search says: there, not there, or that searching is not offered.

    Raises DeliveryError where the server says neither.
    """
    if status in _NO_SEARCH:
        return Answer(Has.CANNOT)
    if status not in _SEARCHED:
        message = f"expected {server} to answer a search. Received: status={status}"
        raise http_refusal(message, status, headers)
    try:
        matches = json.loads(body) if body.strip() else []
    except (ValueError, RecursionError):
        matches = None
    if not isinstance(matches, list):
        message = f"expected {server} to answer a search. Received: status={status}, and no list"
        raise DeliveryError(message, retry=True, status=f"HTTP {status}")
    there = any(isinstance(one, dict) and _value(one, _SOP_INSTANCE_UID) == sop_instance_uid for one in matches)
    return Answer(Has.YES if there else Has.NO, Way.QUERY)


def _listed(body: bytes) -> dict[str, Any]:
    """Return the DICOM JSON object of the answer, empty where there is none (PS3.18 annex F)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(document, list):
        document = document[0] if document else {}
    return document if isinstance(document, dict) else {}


def _of(listed: dict[str, Any], sequence: str, sop_instance_uid: str) -> dict[str, Any] | None:
    """Return the sequence's item of this Instance."""
    element = listed.get(sequence)
    items = element.get("Value") if isinstance(element, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and _value(item, _REFERENCED_SOP_INSTANCE_UID) == sop_instance_uid:
            return item
    return None


def _number(item: dict[str, Any], tag: str) -> int:
    value = _value(item, tag)
    if isinstance(value, str) and value.isdecimal() and len(value) <= len("65535"):
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= 0xFFFF else 0  # noqa: PLR2004 - VR US


def _value(item: dict[str, Any], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
