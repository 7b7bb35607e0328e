"""Sending studies at a rate, and noting when the last byte of each image has gone."""

import threading
import time
from collections.abc import Callable, Sequence

from images import Study
from wire import Wire

from dicom_io.peer import Peer

CR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
SCANNERS = 4
"""Associations at once at most, where each image has one of its own."""


class Scanner:
    """Keeps by SOP Instance UID when the last byte of an image went."""

    def __init__(self, peer: Peer, sop_class_uid: str = CR_IMAGE_STORAGE) -> None:
        """Nothing is connected yet."""
        self._peer, self._sop_class_uid = peer, sop_class_uid
        self.gone: dict[str, float] = {}

    def open(self) -> Wire:
        """Return an association."""
        return Wire(self._peer, self._sop_class_uid)

    def store(self, association: Wire, study: Study) -> None:
        """Send one image."""
        self.gone[study.sop_instance_uid] = association.store(study.sop_instance_uid, study.dataset())

    def alone(self, study: Study) -> None:
        """Send one image over an association of its own."""
        with self.open() as association:
            self.store(association, study)


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
    with scanner.open() as association:
        begun = time.monotonic()
        for number, study in enumerate(studies):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            scanner.store(association, study)
