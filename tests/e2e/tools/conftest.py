"""Independent tools at both ends: DCMTK's `storescu` as the scanner, Orthanc as the PACS."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset

from dicom_io.image_files import read_picture
from dicom_io.scu import Peer
from model.classifier import DEFAULT


@dataclass
class Orthanc:
    """A running Orthanc and its REST API."""

    peer: Peer
    rest: httpx.Client

    def answers(self) -> bool:
        try:
            return bool(self.get("/system"))
        except httpx.TransportError:
            return False

    def get(self, path: str) -> Any:
        return self.rest.get(path).raise_for_status().json()

    def bytes_of(self, path: str) -> bytes:
        return self.rest.get(path).raise_for_status().content

    def tags(self, instance: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/instances/{instance}/simplified-tags")
        return found

    def find(self, **query: str) -> list[str]:
        """Return Orthanc's identifiers of the Instances that answer a query."""
        answer = self.rest.post("/tools/find", json={"Level": "Instance", "Query": query}).raise_for_status()
        identifiers: list[str] = answer.json()
        return identifiers


@pytest.fixture(scope="session")
def orthanc(
    shared: Path,
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
    eventually: Callable[..., None],
) -> Callable[..., AbstractContextManager[Orthanc]]:
    """Return `orthanc(**settings)`: runs an Orthanc with the bench's settings in a folder of its own."""

    @contextmanager
    def run(lua: str = "", **settings: Any) -> Iterator[Orthanc]:
        folder = tmp_path_factory.mktemp("orthanc")
        ports = {"DicomPort": free_port(), "HttpPort": free_port()}
        own = {"StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage")}
        if lua:
            (folder / "script.lua").write_text(lua)
            own["LuaScripts"] = [str(folder / "script.lua")]
        raw = json.loads((shared / "bench" / "orthanc.json").read_text())
        (folder / "orthanc.json").write_text(json.dumps(raw | ports | own | settings))
        command = [shutil.which("Orthanc") or "Orthanc", str(folder / "orthanc.json")]
        with (folder / "orthanc.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command line
        try:
            anew = {"Connection": "close"}  # Orthanc closes idle ones, perhaps as a request is on its way
            with httpx.Client(base_url=f"http://127.0.0.1:{ports['HttpPort']}", headers=anew, timeout=60) as rest:
                started = Orthanc(Peer(raw["DicomAet"], "127.0.0.1", ports["DicomPort"]), rest)
                eventually(started.answers)
                yield started
        finally:
            process.terminate()
            process.wait(60)

    return run


def _run(path: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([path, *arguments], capture_output=True, timeout=300, check=False)  # noqa: S603 - a tool of ours
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Return `program(name)`: where an independent program is. Others bring a storescu, too: this is DCMTK's."""

    def find(name: str) -> str:
        paths = (str(Path(folder) / name) for folder in os.environ["PATH"].split(os.pathsep))
        found = (path for path in paths if os.access(path, os.X_OK))
        ambiguous = name in ("storescu", "echoscu")
        return next(path for path in found if not ambiguous or "dcmtk" in _run(path, "--version")[1])

    return find


@pytest.fixture(scope="session")
def tool(program: Callable[[str], str]) -> Callable[..., str]:
    """Return `tool(name, *arguments)`: runs an independent program, which must exit with 0, and returns its output."""

    def use(name: str, *arguments: object) -> str:
        status, text = _run(program(name), *map(str, arguments))
        assert status == 0, text
        return text

    return use


@pytest.fixture(scope="session")
def storescu(tool: Callable[..., str]) -> Callable[[Peer, list[Path]], None]:
    """Return `storescu(peer, files)`: the scanner sends."""

    def store(peer: Peer, files: list[Path]) -> None:
        tool("storescu", "-aet", "DCMTK", "-aec", peer.ae_title, peer.host, peer.port, *files)

    return store


@pytest.fixture(scope="session")
def children(
    shared: Path, tmp_path_factory: pytest.TempPathFactory, radiograph: Callable[..., Dataset]
) -> Mapping[str, list[Path]]:
    """Write CR studies of real radiographs of children, some of each class: a network flags most of the one kind."""
    folder = tmp_path_factory.mktemp("children")

    def write(label: str, number: int, picture: Path) -> Path:
        identity = {"PatientID": f"{label}-{number}", "PatientName": f"Child^{label.title()}^{number}"}
        dataset = radiograph(picture=read_picture(picture), **identity)
        dataset.save_as(file := folder / f"{label}-{number}.dcm", enforce_file_format=True)
        return file

    def some(label: str) -> list[Path]:
        pictures = sorted((shared / "data" / "cxr-train" / label).iterdir())
        return pictures[:: len(pictures) // 4][:4]

    return {
        label: [write(label, number, picture) for number, picture in enumerate(some(label))]
        for label in ("NORMAL", "PNEUMONIA")
    }


@dataclass(frozen=True)
class Hospital:
    """An agent and the Orthanc that it reports to."""

    agent: Any
    orthanc: Orthanc

    def has_delivered(self, studies: Collection[str]) -> bool:
        """Tell whether all reports on these studies have been delivered."""
        rows = [row for row in self.agent.rows() if row.study_instance_uid in studies]
        return [row.state for row in rows] == ["DELIVERED"] * len(studies)


Hospitals = Callable[..., AbstractContextManager[Hospital]]


@pytest.fixture(scope="session")
def hospitals(
    orthanc: Any, configure: Any, running: Any, free_port: Any, tmp_path_factory: pytest.TempPathFactory
) -> Hospitals:
    """Return `hospitals(lua, begins_slowly=False, **sections)`: runs both for a block.

    Orthanc knows the agent as the modality "tibabu".
    """

    @contextmanager
    def run(lua: str = "", *, begins_slowly: bool = False, **sections: Any) -> Iterator[Hospital]:
        port = free_port()
        with orthanc(lua, DicomModalities={"tibabu": ["TIBABU", "127.0.0.1", port]}) as pacs:
            own = {"receive": {"port": port}} | sections
            agent = configure(tmp_path_factory.mktemp("agent"), {"orthanc": pacs.peer}, **own)
            agent.begins_slowly = begins_slowly
            with running(agent):
                yield Hospital(agent, pacs)

    return run


@pytest.fixture(scope="session")
def hospital(hospitals: Hospitals) -> Iterator[Hospital]:
    """Give one hospital, with the network that we ship, to all tests that send it studies of their own."""
    with hospitals(begins_slowly=True, model={"name": DEFAULT}) as found:  # by its command `tibabu check` knows it
        yield found
