"""What a received message is answered: MSA and ERR, in original and in enhanced mode (v2.5.1 chapter 2, 2.9 and 2.15).

Answers quote nothing of a message but its control ID and who sent it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from agent.hl7 import charsets
from agent.hl7.message import Field, Message, write

ACCEPTED: Final = "AA"
ERROR: Final = "AE"
REJECTED: Final = "AR"

SEQUENCE_ERROR: Final = 100
FIELD_MISSING: Final = 101
UNSUPPORTED_TYPE: Final = 200
UNSUPPORTED_EVENT: Final = 201
UNSUPPORTED_PROCESSING_ID: Final = 202
UNKNOWN_KEY: Final = 204
DUPLICATE_KEY: Final = 205
INTERNAL_ERROR: Final = 207
ERRORS: Final[Mapping[int, str]] = {
    SEQUENCE_ERROR: "Segment sequence error",
    FIELD_MISSING: "Required field missing",
    UNSUPPORTED_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    INTERNAL_ERROR: "Application internal error",
}
"""Table 0357."""

_COMMIT: Final = {ACCEPTED: "CA", ERROR: "CE", REJECTED: "CR"}
_CONTROL_ID: Final = 20  # longest MSH-10
_VERSION: Final = re.compile(r"2(\.\d){0,2}")
_EVENT: Final = re.compile(r"[A-Z0-9]{3}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message. `detail` is shown, logged and kept: counts and reasons, no patient data."""

    code: str
    detail: str
    error: int | None = None


def acknowledged(message: Message, answer: Answer, *, application: str, facility: str, at: datetime) -> bytes | None:
    """Return the acknowledgement of a message; None where its sender wants none (MSH-15, MSH-16).

    In enhanced mode the accept acknowledgement says what became of it, for that is committed by then. An application
    acknowledgement is given instead where only that is wanted.
    """
    code = _code(answer.code, message.header.value(15).strip().upper(), message.header.value(16).strip().upper())
    return None if code is None else _written(message, code, answer, application, facility, at)


def unreadable(answer: Answer, *, application: str, facility: str, at: datetime) -> bytes:
    """Return the rejection of bytes that are no message: there is no control ID to name."""
    return _written(None, answer.code, answer, application, facility, at)


def _code(code: str, accept: str, application: str) -> str | None:
    if not accept and not application:
        return code  # original mode
    if _is_wanted(accept, code):
        return _COMMIT[code]
    return code if _is_wanted(application, code) else None


def _is_wanted(condition: str, code: str) -> bool:
    """Tell whether a condition of table 0155 asks for an acknowledgement; one that is not known does."""
    if condition in {"", "NE"}:
        return False
    return code == ACCEPTED if condition == "SU" else code != ACCEPTED if condition == "ER" else True


def _written(
    message: Message | None, code: str, answer: Answer, application: str, facility: str, at: datetime
) -> bytes:
    header = None if message is None else message.header
    event = "" if header is None else header.value(9, 2).strip().upper()
    msh: dict[int, Field] = {
        3: application,
        4: facility,
        5: "" if header is None else header.value(3),
        6: "" if header is None else header.value(4),
        7: at.strftime("%Y%m%d%H%M%S+0000"),
        9: ("ACK", event, "ACK") if _EVENT.fullmatch(event) else ("ACK",),
        10: uuid4().hex[:_CONTROL_ID].upper(),
        11: "P" if header is None else (header.value(11) or "P"),
        12: header.value(12) if header is not None and _VERSION.fullmatch(header.value(12)) else "2.5.1",
    }
    control_id = "" if message is None else message.control_id
    texts = [control_id, *(value for value in msh.values() if isinstance(value, str))]
    charset = charsets.ASCII if all(text.isascii() for text in texts) else charsets.UTF_8
    msh[18] = "" if charset == charsets.ASCII else charset
    segments: list[tuple[str, dict[int, Field]]] = [("MSH", msh), ("MSA", {1: code, 2: control_id, 3: answer.detail})]
    if answer.error is not None:
        error = (str(answer.error), ERRORS[answer.error], "HL70357")
        segments.append(("ERR", {3: error, 4: "E", 8: answer.detail}))
    return write(segments, charset)
