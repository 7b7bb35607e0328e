"""Received messages: read, carried out and kept in one transaction, and answered after its commit.

A message that comes again, as after a crash between commit and answer, is known by its sender, its control ID and its
digest, and acknowledged without being carried out twice.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog

from agent.hl7 import answers
from agent.hl7.answers import ACCEPTED, ERROR, REJECTED, Answer
from agent.hl7.errors import MessageError
from agent.hl7.meaning import Meaning
from agent.hl7.message import Message, parse
from agent.unforeseen import unforeseen
from db.database import Database
from db.errors import DatabaseError
from db.messages import ArrivedMessage, MessageOutcome, Rules, carry_out
from db.queue import Queue

log = structlog.get_logger(__name__)

_TELLING: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # a control ID that is fit for a log
_CODE: Final = re.compile(r"[A-Z0-9]{3}")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingSettings:
    """Who we are in answers, the character set of messages that declare none, and which processing IDs are served."""

    application: str = "TIBABU"
    facility: str = ""
    character_set: str = "ASCII"
    processing_ids: frozenset[str] = frozenset({"P", ""})


@dataclass(frozen=True, slots=True)
class Incoming:
    """Answers messages. Safe for threads."""

    database: Database
    queue: Queue
    meaning: Meaning
    rules: Rules
    settings: IncomingSettings
    clock: Callable[[], datetime]

    def answer(self, data: bytes, peer: str) -> bytes | None:
        """Return the answer to the bytes of a frame from the address `peer`; None where its sender wants none.

        Whatever happens, a sender is answered: what was not committed is never accepted.
        """
        try:
            message = parse(data, default_charset=self.settings.character_set)
        except MessageError as error:
            return self._unreadable(Answer(REJECTED, str(error), answers.SEQUENCE_ERROR), peer)
        answer = Answer(ERROR, "not done: an internal error", answers.INTERNAL_ERROR)
        with unforeseen(log, "hl7_message_broke", peer=peer):
            try:
                answer = self._answer(message, data, peer)
            except DatabaseError as error:
                log.error("hl7_database_unavailable", peer=peer, error=type(error).__name__)  # noqa: TRY400 - one line
                away = "not done: the database cannot be used now; send it again"
                answer = Answer(ERROR, away, answers.INTERNAL_ERROR)
        return answers.acknowledged(
            message, answer, application=self.settings.application, facility=self.settings.facility, at=self.clock()
        )

    def _unreadable(self, answer: Answer, peer: str) -> bytes:
        log.warning("hl7_message_unreadable", peer=peer, answer=answer.code)
        return answers.unreadable(
            answer, application=self.settings.application, facility=self.settings.facility, at=self.clock()
        )

    def _answer(self, message: Message, data: bytes, peer: str) -> Answer:
        arrived = ArrivedMessage(
            sender=_short(f"{message.header.value(3)}|{message.header.value(4)}"),
            control_id=_short(message.control_id),
            sha256=sha256(data).hexdigest(),
            kind=_kind(message),
        )
        if not arrived.control_id or not arrived.kind:
            missing = "MSH-9" if arrived.control_id else "MSH-10"
            outcome = _outcome(Answer(REJECTED, f"expected {missing}. Received: none", answers.FIELD_MISSING))
        elif len(list(message.every("MSH"))) > 1:
            outcome = _outcome(
                Answer(REJECTED, "expected one message in a frame. Received: several", answers.SEQUENCE_ERROR)
            )
        elif message.header.value(11).strip().upper() not in self.settings.processing_ids:
            detail = "expected a processing ID that is served here (MSH-11). Received: another one"
            outcome = _outcome(Answer(REJECTED, detail, answers.UNSUPPORTED_PROCESSING_ID))
        else:
            outcome = carry_out(
                self.database,
                self.queue,
                arrived,
                self.rules,
                lambda books: _outcome(self.meaning.of(message, books)),
                at=self.clock(),
            )
        self._log(arrived, outcome, message, peer)
        return Answer(outcome.answer, outcome.detail, outcome.error_code)

    def _log(self, arrived: ArrivedMessage, outcome: MessageOutcome, message: Message, peer: str) -> None:
        said = {
            "peer": peer,
            "kind": arrived.kind,
            "control_id": arrived.control_id if _TELLING.fullmatch(arrived.control_id) else "",
            "answer": outcome.answer,
            "detail": outcome.detail,
            "again": outcome.again,
            "character_set_guessed": not message.as_declared,
        }
        if outcome.answer == ACCEPTED:
            log.info("hl7_message", **said)
        else:
            log.warning("hl7_message", **said)


def _outcome(answer: Answer) -> MessageOutcome:
    return MessageOutcome(answer=answer.code, error_code=answer.error, detail=answer.detail)


def _kind(message: Message) -> str:
    """Return message type and trigger event, such as ADT^A08; "" for what can be none."""
    names = [message.header.value(9, component).strip().upper() for component in (1, 2)]
    return "^".join(name for name in names if _CODE.fullmatch(name)) if _CODE.fullmatch(names[0]) else ""


def _short(text: str) -> str:
    """Return a text that every database takes."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST].strip()
