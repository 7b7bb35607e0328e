"""What a decoding process costs: the same images read there and here, in turn.

    python benchmarks/decoding.py --rounds 5

The chest radiograph RG1 of pydicom-data (1,955 x 1,841 pixels of 15 bits) in each encoding; medians over the rounds.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGLSLossless, RLELossless

from dicom_io.decoding import Decoder
from dicom_io.frames import read_frames


def spent(read: Callable[[Path], object], path: Path) -> float:
    """Return how many milliseconds reading takes."""
    started = time.perf_counter()
    read(path)
    return (time.perf_counter() - started) * 1000


def images(folder: Path) -> dict[str, Path]:
    """Write the radiograph in each encoding."""
    plain = Path(str(get_testdata_file("RG1_UNCI.dcm", download=False)))
    found = {"uncompressed": plain, "JPEG 2000": Path(str(get_testdata_file("RG1_J2KR.dcm", download=False)))}
    for name, syntax in (("RLE", RLELossless), ("JPEG-LS", JPEGLSLossless)):
        dataset = dcmread(plain)
        dataset.compress(syntax, generate_instance_uid=False)
        found[name] = folder / f"{name}.dcm"
        dataset.save_as(found[name])
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="tibabu-decoding-") as folder:
        paths = images(Path(folder))
        started = time.perf_counter()
        with Decoder() as decoder:
            decoder.wait_until_ready()
            ready = time.perf_counter() - started
            print("| encoding | here | decoding process | ratio |\n|---|---|---|---|")  # noqa: T201
            for name, path in paths.items():
                pairs = [(spent(read_frames, path), spent(decoder.read_frames, path)) for _ in range(rounds)]
                here, there = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(there / here for here, there in pairs)
                print(f"| {name} | {here:.1f} ms | {there:.1f} ms | {ratio:.2f} |")  # noqa: T201
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"\nready after {ready:.2f} s; peak of the decoding process {peak} MB")  # noqa: T201


if __name__ == "__main__":
    main()
