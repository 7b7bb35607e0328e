"""Damage real DICOM files at random and read them: a header or frames, or a stated reason, in bounded time and memory.

    python benchmarks/fuzz.py header --seconds 300
    python benchmarks/fuzz.py pixels --seconds 900 --findings /tmp/findings

`header` reads in this process; `pixels` reads in a decoding process, as the agent does. A crash of native code there is
what that process is for: it is counted and its input kept, but it is no finding.
Files: those that pydicom and pydicom-data bring, and every folder given with --files. The same --seed and --count give
the same inputs. Exit status 1 where something was found; each input that found it is kept with --findings.
"""

import argparse
import hashlib
import json
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import data_store
import pydicom

from dicom_io import reasons
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.errors import HeaderError, PixelError
from dicom_io.frames import PixelLimits
from dicom_io.header import read_header

INSTALLED = (Path(data_store.__file__).parent / "data", Path(pydicom.__file__).parent / "data" / "test_files")
LARGEST_SEED = 300_000
MEMORY_BYTES = 1 << 30
LIMITS = PixelLimits(max_pixels_per_frame=1 << 22, max_bytes=1 << 25, max_frames=64)
FINDINGS = frozenset({reasons.UNFORESEEN, reasons.TOO_SLOW, reasons.OUT_OF_MEMORY})
SHORTS = (0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 32, 64, 127, 255, 256, 1024, 4096, 32767, 32768, 65535)
LONGS = (0, 1, 2, 4, 7, 8, 255, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31, 0xFFFFFFFE, 0xFFFFFFFF)
TAGS = tuple(
    bytes((group & 255, group >> 8, element & 255, element >> 8))
    for group, element in (
        *((0x0028, element) for element in (2, 4, 6, 8, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x120, 0x3002, 0x3006)),
        *((0x0028, element) for element in (0x1050, 0x1051, 0x1052, 0x1053, 0x1101, 0x1201, 0x3000, 0x3010)),
        *((0x7FE0, 0x0010), (0x0002, 0x0010), (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD), (0x5200, 0x9230)),
    )
)
PIXEL_DATA = b"\xe0\x7f\x10\x00"
MARKERS = (
    b"\xff\x4f\xff\x51",
    b"\xff\xc0",
    b"\xff\xc1",
    b"\xff\xc3",
    b"\xff\xf7",
    b"\xff\xda",
    b"\xff\x52",
    b"\xff\x90",
)
SYNTAXES = tuple(
    f"1.2.840.10008.1.2{end}".encode()
    for end in ("", ".1", ".2", ".5", ".1.99", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.90", ".4.91", ".4.201")
)


class Damage:
    """Seeds and a source of chance: `next()` is another damaged file."""

    def __init__(self, seeds: list[bytes], seed: int) -> None:
        """Keep them; the same `seed` gives the same files."""
        self._seeds = seeds
        self._chance = random.Random(seed)  # noqa: S311 - chance that can be repeated is the purpose
        self._steps: tuple[Callable[[bytearray], None], ...] = (
            *(self._bit, self._byte, self._short, self._long, self._near_tag, self._near_tag, self._near_marker),
            *(self._cut, self._repeat, self._splice, self._drop, self._syntax),
        )

    def next(self) -> bytes:
        """Damage one of the seeds in one to six places."""
        data = bytearray(self._chance.choice(self._seeds))
        for _ in range(self._chance.choice((1, 1, 2, 3, 6))):
            if len(data) > 16:  # noqa: PLR2004 - nothing is left to damage
                self._chance.choice(self._steps)(data)
        return bytes(data)

    def _place(self, data: bytearray) -> int:
        """Mostly where the header is."""
        end = len(data) - 8
        return self._chance.randrange(min(end, 2500) if self._chance.random() < 0.5 else end)  # noqa: PLR2004 - half

    def _bit(self, data: bytearray) -> None:
        data[self._place(data)] ^= 1 << self._chance.randrange(8)

    def _byte(self, data: bytearray) -> None:
        data[self._place(data)] = self._chance.randrange(256)

    def _short(self, data: bytearray) -> None:
        self._write(data, self._place(data), SHORTS, 2)

    def _long(self, data: bytearray) -> None:
        self._write(data, self._place(data), LONGS, 4)

    def _write(self, data: bytearray, place: int, values: tuple[int, ...], size: int) -> None:
        order = self._chance.choice(("little", "little", "big"))
        data[place : place + size] = self._chance.choice(values).to_bytes(size, order)  # type: ignore[arg-type]

    def _near_tag(self, data: bytearray) -> None:
        """Change the VR, length or value of an element that matters."""
        place = data.find(self._chance.choice(TAGS))
        if place >= 0:
            offset = self._chance.choice((4, 6, 8, 8, 8, 10, 12))
            size = self._chance.choice((2, 2, 4))
            self._write(data, min(place + offset, len(data) - size), SHORTS if size == 2 else LONGS, size)  # noqa: PLR2004

    def _near_marker(self, data: bytearray) -> None:
        """Change a compressed frame's own header."""
        place = data.find(self._chance.choice(MARKERS))
        if place >= 0:
            self._write(data, min(place + self._chance.randrange(2, 48), len(data) - 4), SHORTS, 2)

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _repeat(self, data: bytearray) -> None:
        place = self._place(data)
        part = data[place : place + self._chance.choice((1, 2, 8, 100, 3000))]
        data[place:place] = part * self._chance.choice((1, 1, 2, 50))

    def _drop(self, data: bytearray) -> None:
        place = self._place(data)
        del data[place : place + self._chance.choice((1, 2, 4, 8, 100))]

    def _splice(self, data: bytearray) -> None:
        other, place = self._chance.choice(self._seeds), self._place(data)
        start = self._chance.randrange(len(other))
        data[place:] = other[start:]

    def _syntax(self, data: bytearray) -> None:
        """Say another transfer syntax, in as many bytes as there are."""
        place = data.find(b"1.2.840.10008.1.2")
        if place >= 0:
            room = data[place - 2] if data[place - 8 : place - 4] == b"\x02\x00\x10\x00" else 0
            data[place : place + room] = self._chance.choice(SYNTAXES)[:room].ljust(room, b"\0")


def seeds(folders: list[Path], holding: bytes) -> list[bytes]:
    """Return the contents of all small DICOM files that hold some bytes, each once, always in the same order."""
    found = {}
    for folder in (*INSTALLED, *folders):
        for path in sorted(folder.rglob("*.dcm")):
            if 0 < path.stat().st_size <= LARGEST_SEED:
                data = path.read_bytes()
                if holding in data:
                    found[hashlib.sha256(data).hexdigest()] = data
    return [found[digest] for digest in sorted(found)]


def header_outcome(data: bytes, slow_seconds: float) -> tuple[str, bool]:
    """Return what came of reading a header, and whether it is a finding."""
    started = time.perf_counter()
    try:
        read_header(data)
        outcome = "header"
    except HeaderError as error:
        outcome = str(error).partition(" Received")[0]
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"exception {type(error).__name__}", True
    slow = time.perf_counter() - started > slow_seconds
    return ("slow" if slow else outcome), slow


def pixels_outcome(decoder: Decoder, path: Path, data: bytes) -> tuple[str, bool]:
    """Return what came of reading frames, and whether it is a finding."""
    path.write_bytes(data)
    try:
        frames = decoder.read_frames(path, limits=LIMITS)
    except PixelError as error:
        return error.reason, error.reason in FINDINGS or error.reason not in vars(reasons).values()
    return ("frames", False) if frames else ("no frames", True)


def inputs(damage: Damage, arguments: argparse.Namespace) -> Iterator[bytes]:
    """Yield damaged files until there are enough."""
    end = time.monotonic() + arguments.seconds
    for number, data in enumerate(iter(damage.next, None)):
        if (arguments.count and number >= arguments.count) or (not arguments.count and time.monotonic() > end):
            return
        yield data


def main() -> None:
    """Run, and print the outcomes as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=("header", "pixels"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=0, help="this many inputs, however long it takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=Path, action="append", default=[], help="a folder of more DICOM files")
    parser.add_argument("--slow", type=float, default=5.0, help="how many seconds for one input are a finding")
    parser.add_argument("--findings", type=Path, help="a folder for the inputs that found something")
    arguments = parser.parse_args()
    holding = PIXEL_DATA if arguments.target == "pixels" else b""
    damage, outcomes, found = Damage(seeds(arguments.files, holding), arguments.seed), Counter[str](), 0
    settings = DecoderSettings(seconds=arguments.slow, memory_bytes=MEMORY_BYTES)
    with Decoder(settings) as decoder, tempfile.TemporaryDirectory(prefix="tibabu-fuzz-") as folder:
        for data in inputs(damage, arguments):
            if arguments.target == "header":
                outcome, finding = header_outcome(data, arguments.slow)
            else:
                outcome, finding = pixels_outcome(decoder, Path(folder) / "damaged.dcm", data)
            outcomes[outcome] += 1
            found += finding
            if arguments.findings and (finding or outcome == reasons.CRASHED):
                arguments.findings.mkdir(parents=True, exist_ok=True)
                name = f"{outcome.replace(' ', '_')}-{hashlib.sha256(data).hexdigest()[:16]}.dcm"
                (arguments.findings / name).write_bytes(data)
    # Not getrusage: a process begins with the peak of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = sum(map(int, re.findall(r"VmHWM:\s+(\d+) kB", status))) // 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    document = {"inputs": sum(outcomes.values()), "findings": found, "outcomes": dict(outcomes.most_common())}
    print(json.dumps(document | {"peak_megabytes": {"here": peak, "decoding": children}}, indent=1))  # noqa: T201
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
