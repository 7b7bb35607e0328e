"""Images per second of the ensemble in each runtime beside plain Keras `predict`, and of the preprocessing before it.

Rounds alternate between the peers, so that what else the machine does hits them all; ratios are of the same round, and
their median is printed. Processor time says what a busy machine's clock cannot.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import gdcm
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from dicom_io.frames import read_frames
from model import weights, zoo
from model.classifier import DEFAULT, load
from model.preprocess import INPUT_SHAPE, to_input
from model.runtime import Runtime, Threads, cores, tensorflow

Images = npt.NDArray[np.float32]
BATCHES = (1, 8, 32)
RUNTIMES: tuple[Runtime, ...] = ("tensorflow", "openvino")
PEER = "Keras predict"
SIDE = 2022
SYNTAXES = {
    "uncompressed": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS lossless": JPEGLSLossless,
    "JPEG 2000 lossless": JPEG2000Lossless,
}
CR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
LOADING = """
import resource, time
started, spent = time.perf_counter(), time.process_time()
from model.classifier import load
load({name!r}, runtime={runtime!r})
print(time.perf_counter() - started, time.process_time() - spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one measurement took for each image: seconds on the clock and of the processors."""

    wall: float
    processor: float


def spent(work: Callable[[], object], images: int) -> Spent:
    """Run `work`, which handles so many images, once."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Spent((time.perf_counter() - wall) / images, (time.process_time() - processor) / images)


def keras_predict(name: str) -> Callable[[Images], object]:
    """Return plain Keras' `predict` of the same ensemble: the members' mean, one call for each batch."""
    keras = tensorflow().keras
    members = weights.load(zoo.architecture(name).weights_path)
    inputs = keras.Input(INPUT_SHAPE)
    outputs = []
    for number, member in enumerate(members):
        network = zoo.architecture(name).build()
        network.name = f"member{number}"
        weights.assign(network, member)
        outputs.append(network(inputs))
    model = keras.Model(inputs, [keras.layers.Average()(list(part)) for part in zip(*outputs, strict=True)])
    return lambda images: model.predict(images, batch_size=len(images), verbose=0)


def networks(name: str, rounds: int, images: int) -> None:
    """Print the table of the runtimes."""
    tensorflow(Threads(intra_op=cores(), inter_op=1))
    peers: dict[str, Callable[[Images], object]] = {PEER: keras_predict(name)}
    for runtime in RUNTIMES:
        peers[runtime] = load(name, runtime=runtime, batches=BATCHES).score
    batch = np.random.default_rng(0).random((max(BATCHES), *INPUT_SHAPE), np.float32)
    click.echo(
        f"| batch | {' | '.join(f'{peer}, images/s' for peer in peers)} | {_ratios('clock')} | "
        f"{_ratios('processor')} |\n|{'---|' * (2 + 3 * len(RUNTIMES))}"
    )
    for size in BATCHES:
        found = measured(peers, batch[:size], rounds, max(1, images // size))
        rates = [f"{1 / statistics.median(one.wall for one in found[peer]):.0f}" for peer in peers]
        walls = [f"{ratio(found, runtime, lambda one: one.wall):.1f}" for runtime in RUNTIMES]
        processors = [f"{ratio(found, runtime, lambda one: one.processor):.1f}" for runtime in RUNTIMES]
        click.echo(f"| {size} | {' | '.join([*rates, *walls, *processors])} |")


def measured(
    peers: dict[str, Callable[[Images], object]], chosen: Images, rounds: int, calls: int
) -> dict[str, list[Spent]]:
    """Run every peer in turn, round after round, after one call each that does not count."""
    for peer in peers.values():
        peer(chosen)
    found: dict[str, list[Spent]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, run in peers.items():
            found[peer].append(spent(lambda run=run: [run(chosen) for _ in range(calls)], calls * len(chosen)))
    return found


def ratio(found: dict[str, list[Spent]], runtime: str, kind: Callable[[Spent], float]) -> float:
    """Return how many times faster a runtime was than Keras: the median over the rounds."""
    return statistics.median(kind(a) / kind(b) for a, b in zip(found[PEER], found[runtime], strict=True))


def _ratios(kind: str) -> str:
    return " | ".join(f"{runtime} / Keras by {kind}" for runtime in RUNTIMES)


def loading(name: str) -> None:
    """Print how long a process takes to load the model, and how much memory it has then."""
    click.echo("\n| runtime | ready after s | processor s | memory, MB |\n|---|---|---|---|")
    for runtime in RUNTIMES:
        command = [sys.executable, "-c", LOADING.format(name=name, runtime=runtime)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603 - ours
        wall, processor, kilobytes = (float(part) for part in answer[-3:])
        click.echo(f"| {runtime} | {wall:.1f} | {processor:.1f} | {kilobytes / 1000:.0f} |")


def preprocessing(rounds: int) -> None:
    """Print how long reading and resizing one large radiograph takes, by transfer syntax."""
    click.echo(
        f"\n{SIDE} x {SIDE}, 12 bit, one thread:\n\n| transfer syntax | MB | read, LUTs, ms | resize, ms | "
        "images/s | processor ms |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(prefix="tibabu-inference-") as name:
        for label, syntax in SYNTAXES.items():
            path = write_radiograph(Path(name) / "image.dcm", syntax)
            reading: list[Spent] = []
            resizing: list[Spent] = []
            for _ in range(rounds):
                reading.append(spent(lambda path=path: read_frames(path), 1))
                (frame,) = read_frames(path)
                resizing.append(spent(lambda frame=frame: to_input(frame), 1))
            read, resized = (statistics.median(one.wall for one in part) for part in (reading, resizing))
            both = statistics.median(a.processor + b.processor for a, b in zip(reading, resizing, strict=True))
            click.echo(
                f"| {label} | {path.stat().st_size / 1e6:.1f} | {1000 * read:.0f} | {1000 * resized:.1f} | "
                f"{1 / (read + resized):.0f} | {1000 * both:.0f} |"
            )


def write_radiograph(path: Path, syntax: UID) -> Path:
    """Write soft shapes under detector noise, 12 bits stored, windowed: about as compressible as a radiograph."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 24), dtype=np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    stored = np.clip(np.asarray(coarse) * 14.0 + 200 + rng.normal(0, 6, (SIDE, SIDE)), 0, 4095).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CR_IMAGE_STORAGE, generate_uid()
    dataset.Modality, dataset.SamplesPerPixel, dataset.PixelRepresentation = "CR", 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = stored.tobytes()
    if syntax not in {ExplicitVRLittleEndian, JPEGLosslessSV1}:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    if syntax == JPEGLosslessSV1:
        _to_jpeg_lossless(path)
    return path


def _to_jpeg_lossless(path: Path) -> None:
    """Compress a file in place; pydicom has no encoder for it."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    if not change.Change():
        message = "expected GDCM to compress. Received: a failure"
        raise click.ClickException(message)
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Of which the median counts.")
@click.option("--images", type=click.IntRange(1), default=64, show_default=True, help="In each round and batch size.")
@click.option("--model", "name", default=DEFAULT, show_default=True, help="A model of the zoo.")
def main(rounds: int, images: int, name: str) -> None:
    """Print three tables: the runtimes beside Keras, what loading takes, and the preprocessing."""
    click.echo(f"{name}, {cores()} cores\n")
    networks(name, rounds, images)
    loading(name)
    preprocessing(rounds)


if __name__ == "__main__":
    main()
