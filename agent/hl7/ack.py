"""Acknowledgements: MSA and ERR (HL7 v2.5.1 chapter 2, 2.9 and 2.15.8), read and written.

Of one that came only codes are kept: its texts (MSA-3, ERR-7, ERR-8) may repeat what the message said of a patient.
"""

import re
from dataclasses import dataclass
from typing import Final

from agent.hl7.errors import WrongAnswerError
from agent.hl7.message import Message

ACCEPTED: Final = frozenset({"AA", "CA"})
ERROR: Final = frozenset({"AE", "CE"})
REJECTED: Final = frozenset({"AR", "CR"})
CODES: Final = ACCEPTED | ERROR | REJECTED
"""MSA-1, table 0008: application (A.) and commit (C.) acknowledgements, which mean the same to who only sends."""

_ERROR_CODE: Final = re.compile(r"\d{1,3}")  # table 0357
_MOST_ERRORS: Final = 5


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a receiver said of the message whose MSH-10 is `control_id` (MSA-2)."""

    code: str
    control_id: str
    errors: tuple[str, ...] = ()
    """Codes of table 0357, such as 207."""

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the message now."""
        return self.code in ACCEPTED

    @property
    def rejected(self) -> bool:
        """Whether sending the same message again cannot help."""
        return self.code in REJECTED

    def __str__(self) -> str:
        """Return the codes, for people."""
        return f"{self.code}: {', '.join(self.errors)}" if self.errors else self.code


def acknowledgement(message: Message) -> Acknowledgement:
    """Return what an acknowledgement says. Raises WrongAnswerError if the message is none."""
    msa = message.first("MSA")
    code = msa.value(1).strip() if msa else ""
    if msa is None or code not in CODES:
        detail = f"expected an acknowledgement with MSA-1 among {', '.join(sorted(CODES))}. Received: something else"
        raise WrongAnswerError(detail)
    told = [msa.value(6)]
    for error in message.every("ERR"):
        told += [error.value(3), error.value(1, 4)]  # ERR-1 is what it was before v2.5
    errors = dict.fromkeys(one for one in told if _ERROR_CODE.fullmatch(one))
    return Acknowledgement(code, msa.value(2).strip(), tuple(errors)[:_MOST_ERRORS])
