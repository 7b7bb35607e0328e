"""What `dicom_io` relies on behind pynetdicom's documented interface is what it was written against.

When this fails, a new release has changed a method that is overridden or called. Read its change, adapt
`dicom_io/reactor.py`, `reception.py`, `requestor.py` or `hardening.py` if need be, run the integration tests, and put
the new digest here.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import AR_7, DT_2, StateMachine
from pynetdicom.timer import Timer
from pynetdicom.transport import AssociationSocket, RequestHandler

RELIED_ON: dict[Callable[..., Any], str] = {
    ApplicationEntity.associate: "dbc8cf47090386b2",
    ApplicationEntity._create_socket: "f56bca8888e1ce9f",
    Association.__init__: "eb07516b8009ad8f",
    Association.run_reactor: "ed8bbbe3b3d6ddae",
    Association._run_reactor: "f28838c5559e462a",
    Association.request: "928cd0e3013c9ab9",
    Association.release: "c7d713502b77d702",
    Association.kill: "8f9713666a7f4cff",
    Association._abort_blocking: "10b43ef8c63c6764",
    Association._serve_request: "2f24c1759cdf6c8c",
    DULServiceProvider.__init__: "c82dafa9438ddf70",
    DULServiceProvider.run_reactor: "e3a10eb3a0931e48",
    DULServiceProvider._is_transport_event: "8725ed03bb8fbdef",
    DULServiceProvider._process_recv_primitive: "4c0ebbb3e646e35e",
    DULServiceProvider._read_pdu_data: "19f2d4e38c13c835",
    DULServiceProvider.kill_dul: "5ceccf8dd01c2072",
    DULServiceProvider.stop_dul: "28a7e0be126e7b30",
    DULServiceProvider.receive_pdu: "fa67339834ca998c",
    DULServiceProvider.send_pdu: "7cbce5da8594124e",
    DIMSEServiceProvider.__init__: "bbecd186810e7700",
    DIMSEServiceProvider.receive_primitive: "5f99c86b14a15cef",
    DIMSEServiceProvider.get_msg: "890e3e04283f5aeb",
    DIMSEMessage.__init__: "b9c44307ebf25f19",
    DIMSEMessage.decode_msg: "f51c777e841a76be",
    DIMSEMessage.message_to_primitive: "f8f43d34e43450ef",
    StateMachine.__init__: "13802ade1a356dce",
    StateMachine.do_action: "9a883f44c7f31641",
    AR_7: "9a8d68182bf5c9fd",
    DT_2: "9ec543394e0b49eb",
    Timer: "77ddae7423f544b1",
    ACSE.is_aborted: "ad2eb3f545a9ed05",
    ACSE.is_release_requested: "894b33d21a8dec8e",
    AssociationSocket.__init__: "1f0325fdef2cc353",
    AssociationSocket.close: "c726c8db53813d55",
    AssociationSocket.recv: "6bc20a33b1b7cfe7",
    AssociationSocket.send: "1ea8158c0b51faca",
    RequestHandler._create_association: "05c8d12b79863cdb",
}


@pytest.mark.parametrize(("method", "digest"), RELIED_ON.items(), ids=lambda value: getattr(value, "__qualname__", ""))
def test_pynetdicom_works_as_it_did_where_it_is_reached_into(method: Callable[..., Any], digest: str) -> None:
    assert hashlib.sha256(inspect.getsource(method).encode()).hexdigest()[:16] == digest
