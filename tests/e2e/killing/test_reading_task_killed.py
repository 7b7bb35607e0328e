"""kill -9 between a change of a reading task and its event: the event is on record, and arrives once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepWatch,
)

ALL = "1.2.840.10008.5.1.4.34.5"


class Ris:
    """A RIS that subscribes, claims, gives up, and remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.came = threading.Condition()
        entity = AE("RIS")
        entity.add_supported_context(UnifiedProcedureStepEvent, scu_role=True, scp_role=True)
        entity.add_supported_context(UnifiedProcedureStepPush, scu_role=True, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._take)]
        self.server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)

    def _take(self, event: Any) -> tuple[int, None]:
        with self.came:
            uid = str(event.request.AffectedSOPInstanceUID)
            self.told.append((uid, str(event.event_information.ProcedureStepState)))
            self.came.notify_all()
        return 0x0000, None

    def wait_for(self, state: str) -> str:
        """Return the UID of the first task that is told to be in a state."""
        with self.came:
            assert self.came.wait_for(lambda: any(told == state for _, told in self.told), 120), self.told
            return next(uid for uid, told in self.told if told == state)

    def act(self, peer: Any, meta: str, uid: str, action: int, information: Dataset) -> int:
        entity = AE("RIS")
        entity.add_requested_context(meta)
        association = entity.associate(peer.host, peer.port, ae_title="TIBABU")
        assert association.is_established
        status, _ = association.send_n_action(information, action, UnifiedProcedureStepPush, uid, meta_uid=meta)
        association.release()
        return int(status.Status)

    def change(self, peer: Any, uid: str, state: str, transaction: str) -> int:
        information = Dataset()
        information.ProcedureStepState, information.TransactionUID = state, transaction
        return self.act(peer, UnifiedProcedureStepPull, uid, 1, information)


@pytest.fixture
def ris() -> Iterator[Ris]:
    made = Ris()
    yield made
    made.server.shutdown()


def test_the_event_of_a_claim_arrives_once_although_all_who_knew_of_it_were_killed(
    configure: Any,
    running: Any,
    free_port: Any,
    radiograph: Callable[..., Dataset],
    tmp_path: Path,
    ris: Ris,
    eventually: Any,
) -> None:
    """The sender of events hangs (SIGSTOP) while the task is claimed; then it and the receiver die (SIGKILL)."""
    agent = configure(tmp_path, receive={"port": free_port()})
    with agent.config.open("a") as file:
        port = ris.server.server_address[1]
        file.write(
            f'[[peers]]\nae_title = "RIS"\nhost = "127.0.0.1"\nport = {port}\nmay = ["ups-pull", "ups-change"]\n'
        )
    with running(agent):
        wanted = Dataset()
        wanted.ReceivingAE, wanted.DeletionLock = "RIS", "FALSE"
        assert ris.act(agent.peer, UnifiedProcedureStepWatch, ALL, 3, wanted) == 0x0000
        agent.send(radiograph(52))
        uid = ris.wait_for("SCHEDULED")
        eventually(lambda: agent.has_delivered(1))  # what comes of the images changes the task no more
        sender, receiver = agent.pid("deliver"), agent.pid("receive")
        assert sender is not None
        assert receiver is not None
        os.kill(sender, signal.SIGSTOP)
        transaction = str(generate_uid())
        assert ris.change(agent.peer, uid, "IN PROGRESS", transaction) == 0x0000
        for pid in (sender, receiver):
            os.kill(pid, signal.SIGKILL)
        assert ris.wait_for("IN PROGRESS") == uid
        agent.ready("receive", times=2)
        assert ris.change(agent.peer, uid, "CANCELED", transaction) == 0x0000
        ris.wait_for("CANCELED")
    states = [state for told, state in ris.told if told == uid]
    assert states.count("IN PROGRESS") == 1
    assert states[-2:] == ["IN PROGRESS", "CANCELED"]
