"""The agent as SCU of Query/Retrieve: what a peer has, and a study fetched from it. The peer here is another agent."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.uid import RLELossless, generate_uid

from agent.config.file import Config, load
from agent.errors import AgentError
from agent.line.pull import Pull, peer_named, pull_study
from agent.process.parts import open_rows, parts_of
from agent.process.receiving import make_scp
from db.archive import held_by_uid
from db.migrate import upgrade
from db.worklist import study_record, worklist
from dicom_io.errors import AssociationRejectedError, NetworkError, UidError
from dicom_io.peer import Peer
from dicom_io.query_keys import Level
from dicom_io.query_scu import find


@pytest.fixture
def station(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Give another agent, called STATION, whose SCP listens."""
    file = tmp_path / "config.toml"
    lines = ("[receive]", 'ae_title = "STATION"', 'host = "127.0.0.1"', "port = 0", "[store]")
    file.write_text("\n".join((*lines, "minimum_free_megabytes = 1")))
    config: Config = load(file)
    database = open_rows(config)
    upgrade(database)
    database.dispose()
    with parts_of(config) as parts:
        scp = make_scp(config, parts)
        scp.start()
        yield SimpleNamespace(config=config, parts=parts, port=scp.port, file=file)
        scp.stop(1)


def files(store: Any) -> set[bytes]:
    return {path.read_bytes() for path in store.path("00/" + "0" * 64 + ".dcm").parents[1].glob("*/*.dcm")}


@pytest.mark.parametrize("by_move", [False, True])
def test_a_study_is_pulled_as_it_is_and_analysed_like_any_other(
    hold: Any, radiograph: Any, station: Any, by_move: Any
) -> None:
    holder = hold(station_port=station.port)
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    other.compress(RLELossless, generate_instance_uid=False)
    holder.take(one, other)
    done = pull_study(station.config, station.parts, Pull(holder.peer, one.StudyInstanceUID, by_move=by_move))
    assert (done.is_whole, done.status, done.expected, done.completed, done.failed) == (True, 0, 2, 2, 0)
    assert files(station.parts.store) == files(holder.store)
    record = study_record(station.parts.database, one.StudyInstanceUID)
    assert record is not None
    assert [(row["role"], row["calling_ae_title"]) for row in record.instances] == [("candidate", "TIBABU")] * 2


def test_what_cannot_be_stored_here_is_told_to_the_peer_and_to_the_user(
    hold: Any, radiograph: Any, station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = hold()
    one = radiograph()
    holder.take(one)
    monkeypatch.setattr("agent.line.receive.Receiver.received", lambda *_: 0xA700)
    done = pull_study(station.config, station.parts, Pull(holder.peer, one.StudyInstanceUID))
    assert (done.is_whole, done.status, done.completed, done.failed) == (False, 0xA702, 0, 1)


def test_a_study_that_the_peer_does_not_have_is_an_error(hold: Any, station: Any) -> None:
    with pytest.raises(AgentError, match="expected a study that"):
        pull_study(station.config, station.parts, Pull(hold().peer, generate_uid()))


@pytest.mark.parametrize("uid", ["*", "", "1.2\\1.3", "DOE^JOHN"])
def test_only_one_study_is_pulled_and_no_pattern_of_studies(uid: str) -> None:
    with pytest.raises(UidError, match="expected a UID"):
        Pull(Peer("PACS", "127.0.0.1", 104), uid)


def test_a_peer_that_does_not_let_us_query_is_an_error(hold: Any) -> None:
    with pytest.raises(AssociationRejectedError, match="presentation contexts were refused"):
        list(find(hold().peer, Level.STUDY, {}, calling_ae_title="STRANGER"))


def test_a_query_that_the_peer_refuses_is_an_error_with_its_status(hold: Any) -> None:
    with pytest.raises(NetworkError, match="status=A900"):
        list(find(hold().peer, Level.SERIES, {}, calling_ae_title="STATION"))


def test_what_is_found_and_pulled_is_printed(hold: Any, radiograph: Any, station: Any, quick_commands: Any) -> None:
    holder = hold()
    one = radiograph(PatientName="M\u00fcller^J\u00f6rg")
    holder.take(one, radiograph(PatientID="P2"))
    options = [str(holder.peer), "--config", str(station.file)]

    def run(*arguments: str) -> str:
        done = quick_commands.run(arguments, 60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = run("find", *options, "--patient-name", "m\u00fcller*", "--modality", "CR", "--json")
    (study,) = json.loads(found)
    assert (study["study_instance_uid"], study["patient_name"]) == (one.StudyInstanceUID, "M\u00fcller^J\u00f6rg")
    assert "2 found." in run("find", *options, "--patient-id", "P*")
    assert run("pull", *options, one.StudyInstanceUID) == "1 of 1 Instances came from TIBABU.\n"


def test_a_peer_is_named_by_its_address_or_by_its_table() -> None:
    config = Config.model_validate(
        {"peers": [{"ae_title": "PACS", "host": "10.0.0.5", "port": 104}, {"ae_title": "CR"}]}
    )
    assert peer_named(config, "PACS") == peer_named(config, "PACS@10.0.0.5:104") == Peer("PACS", "10.0.0.5", 104)
    for name in ("CR", "NOBODY"):
        with pytest.raises(ValueError, match="expected AET@HOST:PORT"):
            peer_named(config, name)


def test_a_prior_is_pulled_and_held_and_is_not_on_the_worklist(hold: Any, radiograph: Any, station: Any) -> None:
    holder = hold()
    one = radiograph()
    holder.take(one)
    done = pull_study(station.config, station.parts, Pull(holder.peer, one.StudyInstanceUID, as_prior=True))
    assert done.is_whole
    assert worklist(station.parts.database) == ()
    record = study_record(station.parts.database, one.StudyInstanceUID)
    assert record is not None
    assert [row["role"] for row in record.instances] == ["prior"]
    assert list(held_by_uid(station.parts.database, [one.SOPInstanceUID])) == [one.SOPInstanceUID]
    with pytest.raises(ValueError, match="by C-GET"):
        Pull(holder.peer, one.StudyInstanceUID, by_move=True, as_prior=True)
