"""Where a simulation is asked for what there is not, or told to stop: it says so, or does no more."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from agent.errors import AgentError
from agent.simulation.account import DELIVERED, PARKED, QUARANTINED, WAITING, _fate
from agent.simulation.arrival import FLAT, Profile
from agent.simulation.ledger import read_receipts, read_sendings
from agent.simulation.moods import Mood, Spell, follow
from agent.simulation.plan import Wishes, day
from agent.simulation.ris import Ris
from agent.simulation.templates import Templates
from db.accounting import Standing
from db.delivery_state import DeliveryState
from db.lifecycle import State


@pytest.mark.parametrize(
    ("shares", "hours"), [(FLAT[:23], 24), ((*FLAT[:23], -1.0), 24), ((0.0,) * 24, 24), ((*(0.0,) * 23, 1.0), 3)]
)
def test_a_profile_without_arrivals_in_its_hours_is_none(shares: tuple[float, ...], hours: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        Profile(shares, hours=hours)


def test_a_pacs_that_is_to_stop_changes_its_mood_no_more() -> None:
    stop, seen = threading.Event(), list[Mood]()
    stop.set()
    follow(seen.append, [Spell(0, Mood.REFUSES)], speed=1, stop=stop)
    assert seen == []


def test_a_ledger_that_was_never_begun_is_empty(tmp_path: Path) -> None:
    assert list(read_sendings(tmp_path / "none")) == list(read_receipts(tmp_path / "none")) == []


def test_templates_are_the_dicom_files_of_a_folder_of_which_there_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no DICOM")
    with pytest.raises(AgentError, match="expected DICOM files"):
        Templates(tmp_path)
    found = get_testdata_file("CT_small.dcm", download=False)
    assert found is not None
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "ct").write_bytes(Path(str(found)).read_bytes())
    wishes = Wishes(studies=1, exact=True, late=0, repeated=0, recoded=0)
    plan = day(seed=1, begins_at=datetime(2026, 3, 2, tzinfo=UTC), wishes=wishes)
    assert Templates(tmp_path)(next(iter(plan.objects)))[128:132] == b"DICM"


def test_a_ris_that_goes_and_comes_back_twice_listens_at_its_port() -> None:
    ris = Ris()
    port = ris.port
    ris.come_back()
    ris.go()
    ris.go()
    ris.come_back()
    assert ris.port == port
    ris.go()


@pytest.mark.parametrize(
    ("state", "quarantined", "deliveries", "fate"),
    [
        (State.DELIVERED, False, {}, DELIVERED),
        (State.DELIVERED, True, {}, QUARANTINED),
        (State.CONCLUDED, False, {DeliveryState.PARKED: 1}, PARKED),
        (State.CONCLUDED, False, {DeliveryState.QUEUED: 1}, WAITING),
    ],
)
def test_what_became_of_an_instance_is_what_became_of_its_study(
    state: State, deliveries: dict[str, int], fate: str, *, quarantined: bool
) -> None:
    standing = Standing(
        study_instance_uid="1.2",
        state=state,
        outcome=None,
        quarantined=quarantined,
        deliveries=deliveries,
        acknowledged=(),
    )
    assert _fate(standing) == fate
