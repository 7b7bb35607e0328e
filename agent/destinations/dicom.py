"""A PACS or any other Storage SCP, by C-STORE (PS3.4 annex B)."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from agent.config.dimse import CalledOverDimse
from agent.config.section import Seconds
from agent.destinations import DestinationSettings, Outgoing, Progress
from agent.errors import DeliveryError, DestinationDownError
from agent.line.statuses import of_dimse, refusal
from dicom_io.commitment_scu import Answer, Question, Way, ask
from dicom_io.errors import AssociationRejectedError, NetworkError
from dicom_io.scu import HeldAssociation, StoreStatus, echo, send
from dicom_io.statuses import DUPLICATE_SOP_INSTANCE, SUCCESS

MEDIA_TYPES: Final = frozenset({"application/dicom"})

IDLE_SECONDS: Final = 2.0
"""How long an association is kept for the next report."""
_REPORT_SECONDS: Final = 1.0
"""A commitment's report that comes later comes over an association of the peer's own; the lane does not wait for it."""
_WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "auto": (Way.COMMITMENT, Way.QUERY),
    "commitment": (Way.COMMITMENT,),
    "query": (Way.QUERY,),
    "none": (),
}


class Settings(CalledOverDimse, DestinationSettings):
    """A Storage SCP."""

    type: Literal["dicom"] = Field(examples=["dicom"], description="A Storage SCP such as a PACS.")
    confirm: Literal["auto", "commitment", "query", "none"] = Field(
        default="auto",
        description='How it is asked whether it has a report before that counts as delivered. "auto": by Storage '
        "Commitment where it offers that, else by a query, else not at all.",
    )
    confirm_within_seconds: Seconds = Field(
        default=600,
        description="How long it may take to confirm; then it is asked by a query, and what it does not have is sent "
        "again.",
    )


class Line:
    """The association that reports go over: kept for a moment, since asking for one takes longer than a report."""

    def __init__(self, held: HeldAssociation, idle: float | None = None) -> None:
        """Nothing is opened yet; after `idle` seconds (None: `IDLE_SECONDS`) without a report it is released."""
        self._held, self._idle = held, IDLE_SECONDS if idle is None else idle
        self._turn = threading.Condition()
        self._used = 0.0
        self._watched = False

    def store(self, data: bytes, begun: list[int]) -> StoreStatus:
        """Send one report; `begun` gets an entry before its first byte goes. Raises NetworkError."""
        with self._turn:
            kept = self._held.is_open
            try:
                status = self._held.store(data, on_start=begun.append)
            except NetworkError:
                if not kept or begun:
                    raise
                status = self._held.store(data, on_start=begun.append)  # the peer had ended what was kept
            self._used = time.monotonic()
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._release_when_idle, name="idle-association").start()
        return status

    def release(self) -> bool:
        """Release the association now; False if none is kept."""
        with self._turn:
            kept = self._held.is_open
            self._held.__exit__(None, None, None)
            self._turn.notify_all()
        return kept

    def _release_when_idle(self) -> None:
        with self._turn:
            while self._held.is_open and (left := self._used + self._idle - time.monotonic()) > 0:
                self._turn.wait(left)
            self._held.__exit__(None, None, None)
            self._watched = False


class Destination:
    """Sends reports one after another over one association, and Instances as many as there are over one."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:
        """Keep the peer's address and our AE title; nothing is connected yet."""
        self._peer, self._timeouts = settings.peer, settings.timeouts
        self._calling_ae_title = calling_ae_title
        self._line = Line(HeldAssociation(self._peer, calling_ae_title, self._timeouts))
        self.ways = _WAYS[settings.confirm]
        self.may_be_unable = settings.confirm == "auto"
        self.patience = timedelta(seconds=settings.confirm_within_seconds)

    def send(self, outgoing: Outgoing) -> str:
        """Store one report at the peer; return its status. Raises DeliveryError if the peer does not have it."""
        begun: list[int] = []
        try:
            status = self._line.store(outgoing.data, begun)
        except NetworkError as error:
            raise DestinationDownError(str(error), sent=bool(begun)) from None
        if not status.stored:
            raise self._refused(status)
        return f"{status.status:04X}: {status.meaning}" if status.status != SUCCESS else "0000"

    def release(self) -> None:
        """Release the association that is kept for the next report. See `Holding`."""
        self._line.release()

    def forward(self, files: Sequence[Path], progress: Progress) -> None:
        """Store files at the peer over one association (one more for each 128 kinds of object). See `Forwarding`."""

        def note(status: StoreStatus) -> None:
            if status.stored:
                progress.stored(status.index, status.text)
            else:
                progress.failed(status.index, self._refused(status))

        try:
            send(
                self._peer,
                files,
                calling_ae_title=self._calling_ae_title,
                timeouts=self._timeouts,
                on_start=progress.begins,
                on_status=note,
            )
        except NetworkError as error:
            raise DestinationDownError(str(error)) from None

    def _refused(self, status: StoreStatus) -> DeliveryError:
        message, said = f"expected {self._peer} to store it. Received: {status.text}", f"{status.status:04X}"
        if status.status == DUPLICATE_SOP_INSTANCE:
            return DeliveryError(message, retry=False, status=said, already_there=True)
        return refusal(message, of_dimse(status.status), status=said)

    def confirm(self, question: Question, ways: tuple[Way, ...]) -> Answer:
        """Ask whether the peer has a report. Raises DestinationDownError if it does not say.

        A peer that takes one association of ours at a time is asked again without the one that is kept for reports.
        """
        try:
            try:
                return self._ask(question, ways)
            except AssociationRejectedError:
                if not self._line.release():
                    raise
                return self._ask(question, ways)
        except NetworkError as error:
            raise DestinationDownError(str(error)) from None

    def _ask(self, question: Question, ways: tuple[Way, ...]) -> Answer:
        return ask(
            self._peer,
            question,
            ways,
            seconds=_REPORT_SECONDS,
            calling_ae_title=self._calling_ae_title,
            timeouts=self._timeouts,
        )

    def ping(self) -> None:
        """Ask with C-ECHO whether the peer is there. Raises DeliveryError if it is not."""
        try:
            echo(self._peer, calling_ae_title=self._calling_ae_title, timeouts=self._timeouts)
        except NetworkError as error:
            raise DestinationDownError(str(error)) from None
