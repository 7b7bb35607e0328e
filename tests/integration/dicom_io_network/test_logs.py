"""No patient data in any log record or warning, at any level, whatever goes over the wire."""

import io
import logging
import warnings
from typing import Any

import pydicom
import pytest
from pynetdicom import AE

from dicom_io.library_logs import quiet_libraries
from dicom_io.scu import Peer, send

CT = "1.2.840.10008.5.1.4.1.1.2"
NAME = "SECRET^PATIENT"


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Any:
    """All that reaches a handler of the root logger, with every logger wide open, as a careless site might set it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", 1)
    monkeypatch.setattr(root, "handlers", [handler])  # one left by an earlier test would rewrite what the libraries say
    return stream


def test_nothing_of_a_dataset_or_a_bad_uid_reaches_a_handler(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, everything: Any, recwarn: pytest.WarningsRecorder
) -> None:
    def fail(_: Any) -> None:
        raise ValueError(NAME)

    scp = start_scp()
    warnings.simplefilter("always")
    quiet_libraries()
    send(Peer("TIBABU", "127.0.0.1", scp.port), [sample(patient_name=NAME.encode()).file])
    client = AE("CLIENT")
    client.add_requested_context(CT)
    association = client.associate("127.0.0.1", scp.port, ae_title="TIBABU")
    association.send_c_store(pydicom.dcmread(io.BytesIO(sample(patient_name=NAME.encode()).file)))
    association.release()
    association.join()
    peer = raw_peer(scp)
    peer.associate([(1, CT, ["1.2.840.10008.1.2.1"]), (3, "1.02.3", ["SECRET"])])
    peer.store(sample().dataset, peer.store_command(NAME.encode()))
    sink.answer = fail
    peer.store(sample().dataset, peer.store_command(NAME.encode(), NAME.encode()))
    peer.send_pdv(1, 0x03, NAME.encode() * 3)
    assert peer.read_pdu()[0] == 0x07
    sink.wait(summaries=3)
    said = everything.getvalue()
    assert said.splitlines() == ["store_failed"]
    assert [str(warning.message) for warning in recwarn if "SECRET" in str(warning.message)] == []


def test_the_libraries_do_speak_when_they_are_not_quieted(everything: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above could not fail."""
    for name in ("pynetdicom", "pydicom"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", True)
        logger.setLevel(1)
    try:
        logging.getLogger("pynetdicom.acse").debug("said")
        logging.getLogger("pydicom").warning("said too")
        assert everything.getvalue().splitlines() == ["said", "said too"]
        quiet_libraries()
        own = logging.getLogger("pynetdicom")
        monkeypatch.setattr(own, "handlers", [logging.StreamHandler(everything)])  # as its debug_logger() sets it
        logging.getLogger("pynetdicom.acse").critical("not said")
        logging.getLogger("pydicom").critical("not said")
        assert everything.getvalue().splitlines() == ["said", "said too"]
        pydicom.uid.UID("1.02.3")  # warnings are errors here: it would raise
        with pytest.raises(UserWarning, match="not theirs"):
            warnings.warn("not theirs", stacklevel=1)
    finally:
        quiet_libraries()
