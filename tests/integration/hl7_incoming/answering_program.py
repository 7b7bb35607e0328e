"""A listener in a process of its own that is killed at a certain moment: before its commit, or before its answer."""

import os
import signal
import sys
from datetime import UTC, datetime

from agent.hl7.answers import Answer
from agent.hl7.incoming import Incoming, IncomingSettings
from agent.hl7.listener import ListenerSettings, MllpListener
from agent.hl7.meaning import Meaning, MeaningSettings
from agent.hl7.message import Message
from db.database import open_database
from db.messages import Books, Rules
from db.queue import open_queue

url, moment = sys.argv[1:]


class Killed(Meaning):
    """Dies when a message has been carried out and is not committed."""

    def of(self, message: Message, books: Books) -> Answer:
        super().of(message, books)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def answer(data: bytes, peer: str) -> bytes:
    """Answer, or die with the answer in hand: its commit is done."""
    incoming.answer(data, peer)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


database = open_database(url)
meaning = (Killed if moment == "before commit" else Meaning)(MeaningSettings())
incoming = Incoming(database, open_queue(database), meaning, Rules(), IncomingSettings(), lambda: datetime.now(UTC))
listener = MllpListener(ListenerSettings(), incoming.answer if moment == "before commit" else answer)
listener.start()
sys.stdout.write(f"{listener.port}\n")
sys.stdout.flush()
signal.pause()
