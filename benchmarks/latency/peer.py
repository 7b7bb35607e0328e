"""dicom-ai-router 0.3.0 beside us, on like images: single-image CT studies of the same size, its own model and PACS.

It takes CT only. Its model finds nothing in these images; it answers each study with an SR and a key image, as it
always does. It runs in an environment of its own: `--router` is that environment's Python.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from images import Study
from installation import free_port
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from dicom_io.scu import Peer

SIDE = 836
"""16 bits each: 1.4 MB."""
QUIET_SECONDS = 3.0
"""Its default; no study's report comes earlier."""
OBJECTS = 2
"""What it returns of a study: an SR and a key image."""

SERVE = """
import json, secrets, sys
from pathlib import Path
from airouter.config import load_config
from airouter.demo import demo_config_path, start_mock_ai
from airouter.router import Router
from airouter.tools.mini_pacs import MiniPacs
folder, router_port, pacs_port, ai_port = Path(sys.argv[1]), *map(int, sys.argv[2:])
config = load_config(demo_config_path(), {
    "router": {"workdir": str(folder), "port": router_port, "bind_address": "127.0.0.1"},
    "deid": {"salt": secrets.token_hex(32)},
    "pacs": {"port": pacs_port},
    "ai_endpoints": {name: {"url": f"http://127.0.0.1:{ai_port}/infer/{name}"} for name in ("lung-nodule", "ct-qa")},
})
pacs = MiniPacs(folder / "pacs", pacs_port).start()
start_mock_ai(ai_port)
router = Router(config).start()
print(json.dumps("ready"), flush=True)
sys.stdin.read()
router.stop()
pacs.stop()
"""


@dataclass(frozen=True, slots=True)
class Router:
    """The running router."""

    peer: Peer
    folder: Path

    def done(self) -> list[float]:
        """Return when each object of its came to its PACS."""
        return sorted(path.stat().st_mtime for path in (self.folder / "pacs").rglob("*.dcm"))


@contextlib.contextmanager
def routing(python: Path, folder: Path) -> Iterator[Router]:
    """Start it below `folder`; it ends with the block."""
    folder.mkdir()
    ports = [free_port() for _ in range(3)]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [python, "-c", SERVE, str(folder), *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None  # noqa: S101 - pipes
    assert process.stdout is not None  # noqa: S101
    try:
        assert json.loads(process.stdout.readline()) == "ready"  # noqa: S101 - else it did not start
        yield Router(Peer("AIROUTER", "127.0.0.1", ports[0]), folder)
    finally:
        process.stdin.close()
        process.wait(120)


def make_ct(folder: Path, count: int) -> list[Study]:
    """Write `count` CT studies of one image."""
    folder.mkdir()
    return [_write(folder / f"{number:05d}.dcm", number) for number in range(count)]


def _write(path: Path, number: int) -> Study:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = f"Bench^{number}", f"BENCH-{number}", f"B{number}"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.StudyDescription, dataset.BodyPartExamined, dataset.Modality = "CT CHEST", "CHEST", "CT"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.ImageType, dataset.BurnedInAnnotation = ["ORIGINAL", "PRIMARY", "AXIAL"], "NO"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-160, -160, 0], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.4, 0.4], 5
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = -600, 1500
    pixels = np.random.default_rng(number).integers(0, 200, (SIDE, SIDE), np.uint16)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return Study(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)


def wait_for(router: Router, studies: Sequence[Study], seconds: float) -> float:
    """Wait until all is back; return when the last object came."""
    deadline = time.monotonic() + seconds
    while len(done := router.done()) < OBJECTS * len(studies):
        if time.monotonic() > deadline:
            message = f"expected {OBJECTS * len(studies)} objects of the router. Received: {len(done)}"
            raise TimeoutError(message)
        time.sleep(0.2)
    return done[-1]
