"""dicom-ai-router 0.3.0 beside us, on like images: what its own simulated scanner draws, in one slice of 1.4 MB.

It takes CT only. Its demonstration model looks for a nodule, which a share of the slices has; it answers each study
with an SR and a key image, as it always does. `--router` is the Python of an environment that has it. It is run in two
ways: together with its model server and its own PACS in one process, as its command `demo` does it; and apart, its
model server in a process of its own as in its compose file, its PACS the one that we send to.
"""

import contextlib
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from images import Study
from installation import free_port, receiving
from processors import PACS
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from dicom_io.peer import Peer

SIDE = 836
"""16 bits each: 1.4 MB."""
_SPACING = 320 / SIDE
"""In mm: the field of view of its simulated scanner."""
_CONFIG = """
import secrets, sys
from pathlib import Path
from airouter.config import load_config
from airouter.demo import demo_config_path, start_mock_ai
from airouter.router import Router
from airouter.tools.mini_pacs import MiniPacs
folder, router_port, pacs_port, model_port = Path(sys.argv[1]), *map(int, sys.argv[2:])
config = load_config(demo_config_path(), {
    "router": {"workdir": str(folder), "port": router_port, "bind_address": "127.0.0.1"},
    "deid": {"salt": secrets.token_hex(32)},
    "pacs": {"port": pacs_port},
    "ai_endpoints": {name: {"url": f"http://127.0.0.1:{model_port}/infer/{name}"} for name in ("lung-nodule", "ct-qa")},
})
"""
_PACS = "pacs = MiniPacs(folder / 'pacs', pacs_port).start()\n"
_MODEL = "start_mock_ai(model_port)\n"
_ROUTER = "router = Router(config).start()\n"
_UNTIL_TOLD = "print('ready', flush=True)\nsys.stdin.read()\n"


@dataclass(frozen=True, slots=True)
class Router:
    """The running router."""

    peer: Peer
    pacs_folder: Path
    processes: Mapping[str, int]

    def through(self) -> int:
        """Return how many studies have both of their objects, SR and key image, at the PACS."""
        kinds = Counter(path.name[:2] for path in self.pacs_folder.rglob("*.*") if path.suffix != ".png")
        return min(kinds["SR"], kinds["SC"] + kinds["OT"])


@contextlib.contextmanager
def together(python: Path, folder: Path) -> Iterator[Router]:
    """Run it with its model server and its PACS in one process, below `folder`; it ends with the block."""
    folder.mkdir()
    ports = [free_port() for _ in range(3)]
    with _running(python, _PACS + _MODEL + _ROUTER, folder, ports) as process:
        yield Router(Peer("AIROUTER", "127.0.0.1", ports[0]), folder / "pacs", {"router, its model, its PACS": process})


@contextlib.contextmanager
def apart(python: Path, folder: Path) -> Iterator[Router]:
    """Run it with its model server in a process of its own and storescp as its PACS, below `folder`, for the block."""
    folder.mkdir()
    with receiving(folder / "pacs") as (pacs, pacs_process):
        ports = [free_port(), pacs.port, free_port()]
        with _running(python, _MODEL, folder, ports) as model, _running(python, _ROUTER, folder, ports) as router:
            processes = {"router": router, "its model": model, PACS: pacs_process}
            yield Router(Peer("AIROUTER", "127.0.0.1", ports[0]), folder / "pacs", processes)


@contextlib.contextmanager
def _running(python: Path, what: str, folder: Path, ports: Sequence[int]) -> Iterator[int]:
    """Run parts of it in one process for the block."""
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [python, "-c", _CONFIG + what + _UNTIL_TOLD, str(folder), *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None  # noqa: S101 - pipes
    assert process.stdout is not None  # noqa: S101
    try:
        assert process.stdout.readline() == b"ready\n"  # noqa: S101 - else it did not start
        yield process.pid
    finally:
        process.kill()  # it would work off what is on its way
        process.wait()


def make_ct(folder: Path, count: int, *, share: float) -> list[Study]:
    """Write `count` CT studies of one image, a `share` of them with a nodule that its model finds."""
    folder.mkdir()
    return [_write(folder / f"{number:05d}.dcm", number, nodule=number < share * count) for number in range(count)]


def _write(path: Path, number: int, *, nodule: bool) -> Study:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.PatientName, dataset.PatientID = f"Bench^{number:05d}", f"BENCH-{number:05d}"
    dataset.AccessionNumber = f"B{number:05d}"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.StudyDescription, dataset.BodyPartExamined, dataset.Modality = "CT CHEST", "CHEST", "CT"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.ImageType, dataset.BurnedInAnnotation = ["ORIGINAL", "PRIMARY", "AXIAL"], "NO"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-160, -160, 0], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [_SPACING, _SPACING], 5
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = -600, 1500
    dataset.PixelData = _slice(np.random.default_rng(number), nodule=nodule).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return Study(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)


def _slice(rng: np.random.Generator, *, nodule: bool) -> npt.NDArray[np.uint16]:
    """Draw what `airouter.tools.modality_sim.make_volume` draws, finer: a body, two lungs, a nodule, noise."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] * _SPACING - 160.0  # mm from the middle

    def inside(x: float, y: float, across: float, down: float) -> npt.NDArray[np.bool_]:
        return np.asarray(((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1)

    values = np.full((SIDE, SIDE), -1000.0)
    values[inside(0, 0, 145, 110)] = 40
    for side in (-65, 65):
        values[inside(side, 0, 50, 80)] = -850
    if nodule:
        radius = rng.uniform(5, 12)
        values[inside(rng.choice((-65, 65)), rng.uniform(-30, 30), radius, radius)] = 20
    values += rng.normal(0, 15, values.shape)
    return np.asarray(np.clip(values + 1024, 0, 4095), np.uint16)
