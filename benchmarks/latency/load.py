"""Sending studies at a rate, and noting when the last byte of each image has gone."""

import threading
import time
from collections.abc import Callable, Sequence

from images import Study
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF

from dicom_io.scu import Peer

_config.STORE_SEND_CHUNKED_DATASET = True  # the bytes of the file, as a scanner sends its own
CR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
SCANNERS = 4
"""Associations at once at most, where each image has one of its own."""


class Scanner:
    """Keeps by SOP Instance UID when the last byte of an image went, and when its association was released."""

    def __init__(self, peer: Peer, sop_class_uid: str = CR_IMAGE_STORAGE) -> None:
        """Nothing is connected yet."""
        self._peer, self._sop_class_uid = peer, sop_class_uid
        self.gone: dict[str, float] = {}
        self.released: dict[str, float] = {}

    def open(self) -> tuple[Association, list[float]]:
        """Return an association, and a list whose last entry is when it last sent data."""
        sent: list[float] = []

        def note(event: Event) -> None:
            if isinstance(event.pdu, P_DATA_TF):
                sent.append(time.time())

        entity = AE("BENCH")
        entity.add_requested_context(self._sop_class_uid, EXPLICIT_VR_LITTLE_ENDIAN)
        association = entity.associate(
            self._peer.host,
            self._peer.port,
            ae_title=self._peer.ae_title,
            evt_handlers=[(evt.EVT_PDU_SENT, note)],
        )
        if not association.is_established:
            message = f"expected {self._peer} to accept an association. Received: none"
            raise ConnectionError(message)
        return association, sent

    def store(self, association: Association, sent: list[float], study: Study) -> None:
        """Send one image."""
        status = association.send_c_store(study.path)
        if getattr(status, "Status", None) != 0:
            message = f"expected 0000. Received: {status}"
            raise ConnectionError(message)
        self.gone[study.sop_instance_uid] = sent[-1]

    def alone(self, study: Study) -> None:
        """Send one image over an association of its own."""
        association, sent = self.open()
        self.store(association, sent, study)
        association.release()
        self.released[study.sop_instance_uid] = time.time()


def at_rate(studies: Sequence[Study], rate: float, send: Callable[[Study], None]) -> None:
    """Send a study every 1 / `rate` seconds, each from a thread of its own."""
    begun, threads = time.monotonic(), []
    for number, study in enumerate(studies):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        thread = threading.Thread(target=send, args=(study,))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def over_one_association(scanner: Scanner, studies: Sequence[Study], rate: float) -> None:
    """Send a study every 1 / `rate` seconds over one association, which is released after the last one."""
    association, sent = scanner.open()
    begun = time.monotonic()
    for number, study in enumerate(studies):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        scanner.store(association, sent, study)
    association.release()


def as_fast_as_it_goes(scanner: Scanner, studies: Sequence[Study]) -> None:
    """Send all studies, each over an association of its own, `SCANNERS` at once."""
    waiting = iter(studies)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                study = next(waiting, None)
            if study is None:
                return
            scanner.alone(study)

    threads = [threading.Thread(target=work) for _ in range(SCANNERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
