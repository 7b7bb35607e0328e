"""What a receiver's answer means for what it was sent: tables, one for each protocol, and nothing else decides.

C-STORE and the failure reasons of STOW-RS use the same numbers (PS3.4 table B.2-1, PS3.18 table I.2-2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

from agent.errors import DeliveryError, DestinationDownError, Retry
from dicom_io.statuses import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    DUPLICATE_SOP_INSTANCE,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """When to send the same bytes again; `down`: it is the receiver's trouble, and anything else would meet it too."""

    retry: Retry
    down: bool = False


_PARK: Final = Verdict(Retry.NEVER)
_SOON: Final = Verdict(Retry.SOON)
_SLOWLY: Final = Verdict(Retry.SLOWLY)
_DOWN: Final = Verdict(Retry.SOON, down=True)
_DOWN_LONGER: Final = Verdict(Retry.SLOWLY, down=True)

_Rows: TypeAlias = tuple[tuple[Sequence[int], Verdict], ...]

_DIMSE: Final[_Rows] = (
    ((DUPLICATE_SOP_INSTANCE, SOP_CLASS_NOT_SUPPORTED), _PARK),  # a duplicate: unless the ledger sent these bytes
    (range(DATA_SET_DOES_NOT_MATCH, DATA_SET_DOES_NOT_MATCH + 0x100), _PARK),
    (range(CANNOT_UNDERSTAND, CANNOT_UNDERSTAND + 0x1000), _PARK),
    (range(OUT_OF_RESOURCES, OUT_OF_RESOURCES + 0x100), _DOWN_LONGER),
    ((NOT_AUTHORISED,), _DOWN_LONGER),
    (range(0x10000), _SOON),  # 0110 processing failure, what no table knows: it may pass
)
_HTTP: Final[_Rows] = (
    ((408, 425, 429), _DOWN),  # too slow, too early, too many
    ((401, 403, 404, 405, 407), _DOWN_LONGER),  # a key, a path: mended in the configuration at either end
    ((501, 505, 508, 510), _SLOWLY),
    (range(500, 600), _DOWN),
    (range(400, 500), _PARK),  # the request itself displeases
    (range(300, 400), _DOWN_LONGER),  # redirections are not followed
    (range(1000), _SOON),  # no answer that HTTP knows
)
_SMTP: Final[_Rows] = (
    ((421, 450, 451, 452, 454), _DOWN),  # RFC 5321 4.2.3: closing down, busy, out of storage
    (range(400, 500), _SOON),
    ((530, 534, 535, 538), _DOWN_LONGER),  # RFC 4954: who we are is not accepted
    (range(500, 600), _PARK),
    (range(1000), _SOON),
)
_HL7: Final = {
    "AE": _SOON,  # application error
    "CE": _SOON,
    "AR": _PARK,  # application reject: the message itself displeases
    "CR": _PARK,
}
"""Acknowledgement codes (HL7 table 0008) that say no."""


def of_dimse(status: int) -> Verdict:
    """Return what a status of C-STORE that is no success, or a failure reason of STOW-RS, means."""
    return _look_up(_DIMSE, status)


def of_http(status: int) -> Verdict:
    """Return what a status of HTTP that is no success means (RFC 9110 15)."""
    return _look_up(_HTTP, status)


def of_smtp(code: int) -> Verdict:
    """Return what a reply code of SMTP that is no success means (RFC 5321 4.2)."""
    return _look_up(_SMTP, code)


def of_hl7(code: str) -> Verdict:
    """Return what an acknowledgement code that is not AA or CA means; one that HL7 does not know may pass."""
    return _HL7.get(code, _SOON)


def refusal(message: str, verdict: Verdict, *, status: str, retry_after: timedelta | None = None) -> DeliveryError:
    """Return the error for an answer that says no; the destination is down where the verdict says so."""
    if verdict.down:
        return DestinationDownError(message, retry=verdict.retry, status=status, retry_after=retry_after)
    return DeliveryError(message, retry=verdict.retry, status=status, retry_after=retry_after)


def http_refusal(message: str, status: int, headers: Mapping[str, str]) -> DeliveryError:
    """Return the error for an HTTP status that is no success."""
    wait = _retry_after(headers.get("Retry-After"), headers.get("Date"))
    return refusal(message, of_http(status), status=f"HTTP {status}", retry_after=wait)


def _retry_after(text: str | None, sent_at: str | None) -> timedelta | None:
    """Return how long the server wants to be left alone: seconds, or a date by its own clock (RFC 9110 10.2.3)."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < len("1000000000"):
        return timedelta(seconds=int(text))
    try:
        return max(parsedate_to_datetime(text) - parsedate_to_datetime(sent_at or ""), timedelta())
    except (ValueError, TypeError):
        return None


def _look_up(rows: _Rows, number: int) -> Verdict:
    """Return the verdict of the first row that holds the number; what no row holds may pass."""
    return next((verdict for numbers, verdict in rows if number in numbers), _SOON)
