"""A promise to report outlives the process that made it."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as Push

WELL_KNOWN = "1.2.840.10008.1.20.1.1"


def test_a_report_that_was_promised_comes_although_the_receiver_was_killed(
    configure: Any, running: Any, free_port: Any, radiograph: Callable[..., Dataset], tmp_path: Path
) -> None:
    """The receiver is killed (SIGKILL) after its 0000, before the peer has acknowledged what came of the request."""
    promised, reports, came = threading.Event(), [], threading.Condition()

    def hang(_: Any) -> tuple[int, None]:
        promised.wait(60)  # for the kill: this report is never acknowledged
        return 0x0110, None

    def take(event: Any) -> tuple[int, None]:
        with came:
            reports.append((event.event_type, event.event_information.TransactionUID))
            came.notify_all()
        return 0x0000, None

    listening, asking = AE("STATION"), AE("STATION")
    listening.add_supported_context(Push, scu_role=True, scp_role=True)
    asking.add_requested_context(Push)
    server = listening.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    agent = configure(tmp_path, receive={"port": free_port()})
    with agent.config.open("a") as file:
        port = server.server_address[1]
        file.write(f'[[peers]]\nae_title = "STATION"\nhost = "127.0.0.1"\nport = {port}\n')
    with running(agent):
        image = radiograph(51)
        agent.send(image)
        asked = Dataset()
        asked.TransactionUID, asked.ReferencedSOPSequence = "1.2.3", [Dataset()]
        asked.ReferencedSOPSequence[0].ReferencedSOPClassUID = image.SOPClassUID
        asked.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = image.SOPInstanceUID
        association = asking.associate(
            agent.peer.host, agent.peer.port, ae_title="TIBABU", evt_handlers=[(evt.EVT_N_EVENT_REPORT, hang)]
        )
        status, _ = association.send_n_action(asked, 1, Push, WELL_KNOWN)
        assert status.Status == 0x0000
        pid = agent.pid("receive")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        promised.set()
        with came:
            assert came.wait_for(lambda: reports, 60)
        association.abort()
    server.shutdown()
    assert reports == [(1, "1.2.3")]
