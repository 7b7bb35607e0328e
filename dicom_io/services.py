"""What the SCP offers beside Verification and Storage, and how its requests get there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from pynetdicom.dimse_primitives import N_EVENT_REPORT

from dicom_io.commitment import Commitment
from dicom_io.commitment import serve as serve_commitment
from dicom_io.commitment_scu import Asked, serve_report
from dicom_io.dispatch import Service
from dicom_io.door import Door, Verb
from dicom_io.errors import ArchiveError
from dicom_io.exchange import Caller, Exchange
from dicom_io.failure import edge
from dicom_io.mpps import Steps, serve_step
from dicom_io.negotiation import NOTHING_HELD
from dicom_io.peer import Peer
from dicom_io.query_retrieve import COMBINED, Archive, Served, find
from dicom_io.retrieve import get, move
from dicom_io.statuses import CANNOT_UNDERSTAND
from dicom_io.ups import UpsService, Workitems

_QUERIES: Final = frozenset({Verb.FIND, Verb.MOVE, Verb.GET})
_Serve: TypeAlias = Callable[[Exchange], Served]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What is behind each service; None where it is not offered, whatever the door says.

    `maximum_answers`: how many matches a C-FIND is answered with at most.
    """

    archive: Archive | None = None
    maximum_answers: int = 1000
    steps: Steps | None = None
    commitment: Commitment | None = None
    asked: Asked | None = None
    workitems: Workitems | None = None

    @property
    def not_offered(self) -> frozenset[Verb]:
        """The verbs that nothing stands behind."""
        nothing = frozenset[Verb]()
        return (
            (_QUERIES if self.archive is None else nothing)
            | (frozenset({Verb.MPPS}) if self.steps is None else nothing)
            | (frozenset({Verb.COMMIT}) if self.commitment is None else nothing)
            | (frozenset({Verb.UPS_PULL}) if self.workitems is None else nothing)
        )

    def held_syntaxes(self) -> Mapping[str, Sequence[str]]:
        """Return in which transfer syntaxes Instances of a SOP Class lie here, the most frequent first."""
        try:
            return NOTHING_HELD if self.archive is None else self.archive.held_syntaxes()
        except ArchiveError:  # it is only a preference
            return NOTHING_HELD

    def bind(self, association: Any, caller: Caller, door: Door, *, combined: bool) -> Mapping[Verb, Service]:  # noqa: ANN401  # pynetdicom's types are not public
        """Return what serves the requests of one association."""
        serving: dict[Verb, Service] = {}
        if self.archive is not None:
            queries = self._queries(self.archive, caller, door, combined=combined)
            serving |= {
                verb: partial(_answer, association, caller, self.archive, serve) for verb, serve in queries.items()
            }
        if self.steps is not None:
            serving[Verb.MPPS] = partial(serve_step, self.steps, association, caller)
        if self.commitment is not None:
            serving[Verb.COMMIT] = partial(_commit, association, caller, self.commitment, self.asked)
        if self.workitems is not None:
            ups = UpsService(
                workitems=self.workitems,
                caller=caller,
                may_change=door.may(caller.calling_ae_title, caller.address, Verb.UPS_CHANGE),
                maximum_answers=self.maximum_answers,
            )
            serving[Verb.UPS_PULL] = partial(ups.serve, association)
        return serving

    def _queries(self, archive: Archive, caller: Caller, door: Door, *, combined: bool) -> dict[Verb, _Serve]:
        def destination_of(name: str) -> Peer | None:
            return door.move_destination(caller.calling_ae_title, caller.address, name)

        return {
            Verb.FIND: partial(find, archive, combined=combined, maximum_answers=self.maximum_answers),
            Verb.MOVE: partial(move, archive, destination_of=destination_of),
            Verb.GET: partial(get, archive),
        }


def extended_negotiation(asked: Mapping[Any, bytes], sop_class: str) -> dict[Any, bytes]:
    """Return what is agreed to of what a peer asks for C-FIND: matching dates and times as one (PS3.4 C.5.1.1)."""
    return {
        uid: bytes(flag if place == COMBINED and flag == 1 else 0 for place, flag in enumerate(flags))
        for uid, flags in asked.items()
        if uid == sop_class
    }


def _answer(
    association: Any,  # noqa: ANN401  # as above
    caller: Caller,
    archive: Archive,
    serve: _Serve,
    request: Any,  # noqa: ANN401  # as above
    context_id: int,
) -> None:
    """Serve one request; whatever happens, the peer gets a status."""
    exchange = Exchange(association, request, context_id, caller)
    with edge("request_failed", caller.association_id):
        archive.served(serve(exchange))
        return
    exchange.respond(CANNOT_UNDERSTAND)


def _commit(
    association: Any,  # noqa: ANN401  # as above
    caller: Caller,
    commitment: Commitment,
    asked: Asked | None,
    request: Any,  # noqa: ANN401  # as above
    context_id: int,
) -> None:
    """Serve one N-ACTION, or the report on what we asked for ourselves.

    What fails after an N-ACTION's answer is made good by the job that it left.
    """
    with edge("request_failed", caller.association_id):
        if isinstance(request, N_EVENT_REPORT):
            serve_report(asked, association, request, context_id)
            return
        serve_commitment(commitment, association, caller, request, context_id)
