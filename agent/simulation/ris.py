"""A RIS that takes results over MLLP, and that can be away; it keeps nothing of them but their number."""

from datetime import UTC, datetime

from agent.hl7.answers import ACCEPTED, Answer, acknowledged
from agent.hl7.listener import ListenerSettings, MllpListener
from agent.hl7.message import parse


class Ris:
    """Acknowledges every message with AA, at a port that stays the same."""

    def __init__(self) -> None:
        """Listen."""
        self.taken = 0
        self.port = 0
        self._listener: MllpListener | None = None
        self.come_back()

    def come_back(self) -> None:
        """Listen again."""
        if self._listener is None:
            self._listener = MllpListener(ListenerSettings(port=self.port), self._answer)
            self._listener.start()
            self.port = self._listener.port

    def go(self) -> None:
        """Listen no more; open connections end."""
        if self._listener is not None:
            self._listener.stop(5)
            self._listener = None

    def _answer(self, data: bytes, _peer: str) -> bytes | None:
        self.taken += 1
        answer = Answer(ACCEPTED, "taken")
        return acknowledged(parse(data), answer, application="SIMRIS", facility="", at=datetime.now(UTC))
