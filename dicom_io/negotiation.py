"""What an association may carry: which SOP Classes, and which of the offered transfer syntaxes (PS3.8 7.1.1).

Nothing is refused for its transfer syntax: what cannot be decoded is stored and forwarded all the same.
"""

from collections.abc import Container, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext

from dicom_io.door import Verb
from dicom_io.errors import UidError
from dicom_io.header import check_uid

VERIFICATION: Final = "1.2.840.10008.1.1"

NOTHING_HELD: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
MODALITY_PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"

STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"

UPS_PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
UPS_WATCH: Final = "1.2.840.10008.5.1.4.34.6.2"
UPS_PULL: Final = "1.2.840.10008.5.1.4.34.6.3"
UPS_EVENT: Final = "1.2.840.10008.5.1.4.34.6.4"
UPS_QUERY: Final = "1.2.840.10008.5.1.4.34.6.5"

_SERVICES: Final = {
    VERIFICATION: Verb.ECHO,
    STUDY_ROOT_FIND: Verb.FIND,
    STUDY_ROOT_MOVE: Verb.MOVE,
    STUDY_ROOT_GET: Verb.GET,
    MODALITY_PERFORMED_PROCEDURE_STEP: Verb.MPPS,
    STORAGE_COMMITMENT: Verb.COMMIT,
    UPS_PUSH: Verb.UPS_PULL,
    UPS_WATCH: Verb.UPS_PULL,
    UPS_PULL: Verb.UPS_PULL,
    UPS_QUERY: Verb.UPS_PULL,
}
"""The SOP Classes of other services than Storage, each with what it asks for."""

_STORAGE_ARC: Final = "1.2.840.10008.5.1.4.1.1."  # where the standard puts its Storage SOP Classes
_NOT_STORAGE: Final = frozenset(
    {
        "1.2.840.10008.1.3.10",  # Media Storage Directory Storage, never on a network
        STORAGE_COMMITMENT,  # a service of its own
        "1.2.840.10008.1.20.2",  # its retired Pull Model
    }
)
PREFERRED: Final = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed Explicit VR Little Endian
    # lossless, the widely used first
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K Lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K Lossless RPCL
    "1.2.840.10008.1.2.8.1",  # Deflated Image Frame Compression
    "1.2.840.10008.1.2.4.110",  # JPEG XL Lossless
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2 Multi-component Lossless
    "1.2.840.10008.1.2.4.58",  # JPEG Lossless, Process 15
    "1.2.840.10008.1.2.4.65",  # JPEG Lossless, Hierarchical, Process 28
    "1.2.840.10008.1.2.4.66",  # JPEG Lossless, Hierarchical, Process 29
)
_ELSEWHERE: Final = frozenset(  # the pixel data are not in the dataset (JPIP)
    {"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205"}
)
_LOSSY: Final = len(PREFERRED)
_UNKNOWN: Final = _LOSSY + 1
_RANKS: Final = {uid: rank for rank, uid in enumerate(PREFERRED)}


@lru_cache(maxsize=1024)  # asked for each Instance, and of the same few classes
def is_storage(sop_class_uid: str, *, accept_unknown: bool = False) -> bool:
    """Tell whether objects of the SOP Class are sent by C-STORE, retired classes included.

    Classes newer than pydicom's dictionary are known by where the standard puts them. With `accept_unknown`, private
    and otherwise unknown classes count as storage too.
    """
    sop_class = UID(sop_class_uid)
    if sop_class.type:
        is_one = sop_class.type == "SOP Class" and ("Storage" in sop_class.name or not sop_class.name)
        return is_one and sop_class not in _NOT_STORAGE
    return accept_unknown or sop_class.startswith(_STORAGE_ARC)


def verb_of(sop_class: UID, *, accept_unknown: bool = False) -> Verb | None:
    """Return what a peer does that proposes a SOP Class; None if it is none that we serve."""
    verb = _SERVICES.get(sop_class)
    if verb is None and is_storage(sop_class, accept_unknown=accept_unknown):
        return Verb.STORE
    return verb


def preference(transfer_syntax: UID) -> int:
    """Return the rank of a transfer syntax, 0 the most wanted: uncompressed, lossless, lossy, then unknown ones."""
    rank = _RANKS.get(transfer_syntax)
    if rank is not None:
        return rank
    is_known = transfer_syntax.type == "Transfer Syntax" and transfer_syntax not in _ELSEWHERE
    return _LOSSY if is_known else _UNKNOWN


def supported_contexts(
    proposed: Sequence[PresentationContext],
    *,
    may: Container[Verb],
    accept_unknown: bool = False,
    held: Mapping[str, Sequence[str]] = NOTHING_HELD,
) -> list[PresentationContext]:
    """Return what to support of what a peer proposes: the SOP Classes of the services that are open to it.

    One context for each SOP Class, with every transfer syntax (UID) that the peer offers for it in any of its contexts,
    the most wanted first. A peer that may C-GET may be the SCP of Storage (PS3.7 D.3.3.4), and what it gets comes in
    the transfer syntaxes in which Instances of a SOP Class are `held`, so those come before others.
    """
    offered: dict[UID, list[UID]] = {}
    for context in proposed:
        sop_class = context.abstract_syntax
        if sop_class is None:
            continue
        verb = verb_of(sop_class, accept_unknown=accept_unknown)
        syntaxes = [syntax for syntax in context.transfer_syntax if _is_uid(syntax)]
        if syntaxes and (verb in may or (verb is Verb.STORE and Verb.GET in may)):
            offered.setdefault(sop_class, []).extend(syntaxes)
    contexts = []
    for sop_class, syntaxes in offered.items():
        first = {syntax: place for place, syntax in enumerate(held.get(sop_class, ()))}
        wanted = sorted(syntaxes, key=lambda syntax: (first.get(syntax, len(first)), preference(syntax)))
        contexts.append(_context(sop_class, wanted))
        if Verb.GET in may and is_storage(sop_class, accept_unknown=accept_unknown):
            contexts[-1].scu_role = contexts[-1].scp_role = True
        if sop_class == STORAGE_COMMITMENT:  # who reports on what we asked for is the SCP of an association of its own
            contexts[-1].scu_role = contexts[-1].scp_role = True
    return contexts


def _is_uid(syntax: str) -> bool:
    """Tell what is a UID from a peer's text, which would end up in file meta information and in headers of HTTP."""
    try:
        check_uid(syntax)
    except UidError:
        return False
    return True


def _context(sop_class: UID, transfer_syntaxes: list[UID]) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = sop_class
    context.transfer_syntax = [*transfer_syntaxes]
    return context


def known_storage_classes() -> list[tuple[str, str]]:
    """Return name and UID of every SOP Class of the dictionary that is taken as storage, by name; "" for no name."""
    return sorted((uid.name, str(uid)) for uid in map(UID, UID_dictionary) if is_storage(uid))


def known_transfer_syntaxes() -> list[tuple[int, str, str]]:
    """Return rank (see `preference`), name and UID of every transfer syntax of the dictionary, best first."""
    known = [uid for uid in map(UID, UID_dictionary) if uid.type == "Transfer Syntax"]
    return sorted((preference(uid), uid.name, str(uid)) for uid in known)
