"""Decoding in processes of their own: the same frames, and whatever happens in there costs one image."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from dicom_io import decoding_process, reasons
from dicom_io.content import same_content
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.errors import DecoderError, PixelError
from dicom_io.frames import PixelLimits, read_frames

NAMES = (
    "RG1_UNCI.dcm",  # 15 bits, uncompressed
    "RG1_J2KR.dcm",  # JPEG 2000
    "MR_small_RLE.dcm",
    "emri_small_jpeg_ls_lossless.dcm",  # 10 frames
    "JPGExtended.dcm",  # 12 bits by GDCM
    "SC_rgb_2frame.dcm",  # colours
)


def installed(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert found is not None
    return Path(str(found))


SMALL = installed("MR_small.dcm")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Give a decoder of one process, which has started."""
    with Decoder() as found:
        found.read_frames(SMALL)
        yield found


def process_of(decoder: Decoder) -> Any:
    """Return the process of a decoder of one process that is idle."""
    decoder.wait_until_ready()
    return decoder._idle.queue[0]._process


def pid_of(decoder: Decoder) -> int:
    """Return its process id."""
    return int(process_of(decoder).pid)


def state_of(pid: int) -> str:
    """Return the letter of proc(5): T stands still, Z has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def asked(eventually: Callable[..., None]) -> Iterator[Callable[[Decoder], Future[Any]]]:
    """Return `asked(decoder)`: the process has been asked for frames, and stands still before it answers."""
    with ThreadPoolExecutor() as threads:

        def ask(decoder: Decoder) -> Future[Any]:
            process = process_of(decoder)
            os.kill(process.pid, signal.SIGSTOP)
            eventually(lambda: state_of(process.pid) == "T")
            question = threads.submit(decoder.read_frames, SMALL)
            eventually(lambda: any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))))
            return question

        yield ask


@pytest.fixture
def impostor(decoder: Decoder) -> Callable[[str], None]:
    """Return `impostor(answer)`: another program stands in for the process, which answers an expression's bytes."""

    def replace(answer: str) -> None:
        program = (
            "import os, struct, json; say = lambda text: struct.pack('<L', len(text)) + text.encode();"
            "os.write(1, say('{}')); same = {'number': json.loads(os.read(0, 9999))['number']};"
            f"os.write(1, {answer}); input()"
        )
        decoder._idle.queue[0]._command = [sys.executable, "-c", program]
        decoder._idle.queue[0]._kill()

    return replace


@pytest.mark.parametrize("name", NAMES)
def test_the_frames_are_those_that_this_process_would_decode(decoder: Decoder, name: str) -> None:
    ours, theirs = read_frames(installed(name)), decoder.read_frames(installed(name))
    assert len(ours) == len(theirs)
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_what_cannot_be_decoded_has_the_same_reason(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(SMALL.read_bytes()[:-1000])
    for path, limits in ((tmp_path / "cut.dcm", PixelLimits()), (SMALL, PixelLimits(max_pixels_per_frame=10))):
        with pytest.raises(PixelError) as here:
            read_frames(path, limits=limits)
        with pytest.raises(PixelError) as there:
            decoder.read_frames(path, limits=limits)
        assert here.value.reason == there.value.reason


def test_files_are_compared_as_in_this_process(decoder: Decoder) -> None:
    one, other = installed("MR_small.dcm"), installed("MR_small_RLE.dcm")
    report = installed("reportsi.dcm")  # of sequences, without an image
    pairs = ((one, one), (one, installed("CT_small.dcm")), (one, other), (one, Path("absent.dcm")), (report, report))
    assert [decoder.same_content(*pair) for pair in pairs] == [same_content(*pair) for pair in pairs]
    assert decoder.same_content(one, one)
    assert same_content(report, report)


def test_attributes_that_were_corrected_are_not_compared_and_all_others_are(decoder: Decoder, tmp_path: Path) -> None:
    one, other = installed("MR_small.dcm"), tmp_path / "corrected.dcm"
    dataset = dcmread(one)
    dataset.PatientID, dataset.PatientName = "P2", "Roe^Jane"
    dataset.OriginalAttributesSequence = []
    dataset.save_as(other)
    for same in (decoder.same_content, same_content):
        assert same(one, other, {"patient_id", "patient_name"})
        assert not same(one, other, {"patient_id"})
        assert not same(one, other)


def test_a_hostile_file_at_which_native_code_aborts_costs_itself_only(decoder: Decoder, tmp_path: Path) -> None:
    """A JPEG whose second table has lost its marker: GDCM throws where nothing can catch it. Fuzzing found it."""
    before, hostile = pid_of(decoder), tmp_path / "hostile.dcm"
    content = bytearray(installed("SC_rgb_dcmtk_+eb+cy+s2.dcm").read_bytes())
    assert content[1938:1940] == b"\xff\xc4"
    content[1938] = 184
    hostile.write_bytes(content)
    with pytest.raises(PixelError, match=reasons.CRASHED):
        decoder.read_frames(hostile)
    assert len(decoder.read_frames(SMALL)) == 1
    assert pid_of(decoder) != before


def test_a_hostile_file_at_which_a_decoder_panics_is_damaged(decoder: Decoder, tmp_path: Path) -> None:
    """RLE runs that end outside the frame: the decoder in Rust panics, which is no Exception. Fuzzing found it."""
    before, hostile = pid_of(decoder), tmp_path / "hostile.dcm"
    content = bytearray(installed("MR_small_RLE.dcm").read_bytes())
    content[2252] = 248
    hostile.write_bytes(content)
    with pytest.raises(PixelError, match=reasons.DAMAGED):
        decoder.read_frames(hostile)
    assert pid_of(decoder) == before


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_in_the_middle_of_an_image_costs_that_image_only(
    decoder: Decoder, asked: Callable[[Decoder], Future[Any]], number: signal.Signals
) -> None:
    before, question = pid_of(decoder), asked(decoder)
    os.kill(before, number)
    os.kill(before, signal.SIGCONT)
    with pytest.raises(PixelError, match=reasons.CRASHED):
        question.result(60)
    assert len(decoder.read_frames(SMALL)) == 1
    assert pid_of(decoder) != before


def test_an_image_whose_process_was_killed_gets_a_second_chance(
    decoder: Decoder, asked: Callable[[Decoder], Future[Any]]
) -> None:
    before, question = pid_of(decoder), asked(decoder)
    os.kill(before, signal.SIGKILL)
    assert len(question.result(60)) == 1
    assert pid_of(decoder) != before


def test_a_process_that_died_while_nobody_asked_it_costs_nothing(decoder: Decoder) -> None:
    process = process_of(decoder)
    process.kill()
    process.wait()
    assert len(decoder.read_frames(SMALL)) == 1


def test_a_process_that_hangs_is_given_up_after_the_time_limit() -> None:
    with Decoder(DecoderSettings(seconds=0.3)) as decoder:
        decoder.read_frames(SMALL)
        os.kill(pid_of(decoder), signal.SIGSTOP)
        with pytest.raises(PixelError, match=reasons.TOO_SLOW):
            decoder.read_frames(SMALL)
        assert len(decoder.read_frames(SMALL)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "b'\\xff' * 64",
        "say('[]')",
        "say(json.dumps({'shapes': [[1, 1]], 'number': same['number'] - 1})) + b'x'",
        "say('{')",
        "say(json.dumps({**same, 'shapes': 5}))",
        "say(json.dumps({**same, 'shapes': ['a']}))",
        "say(json.dumps({**same, 'shapes': [[70000, 70000]]}))",
        "say(json.dumps({**same, 'shapes': [[-2, 5]]}))",
    ],
)
def test_a_process_that_answers_nonsense_costs_that_image_and_no_memory(
    decoder: Decoder, impostor: Callable[[str], None], answer: str
) -> None:
    command = decoder._idle.queue[0]._command
    impostor(answer)
    with pytest.raises(PixelError, match=reasons.CRASHED):
        decoder.read_frames(SMALL)
    decoder._idle.queue[0]._command = command
    assert len(decoder.read_frames(SMALL)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_frames_that_were_not_fetched_are_never_taken_for_the_next_image(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """The worker itself breaks off between the answer and its frames."""

    def break_off(*_: object) -> None:
        raise error

    other = installed("CT_small.dcm")
    monkeypatch.setattr(decoding_process._Channel, "frames", break_off)
    with pytest.raises(error):
        decoder.read_frames(SMALL)
    monkeypatch.undo()
    assert np.array_equal(decoder.read_frames(other), read_frames(other))


def test_a_process_that_cannot_be_started_says_nothing_about_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecoderError, match="expected a decoding process"):
        Decoder()


def test_a_process_that_dies_before_it_is_ready_says_nothing_about_the_image(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = decoder._idle.queue[0]
    monkeypatch.setattr(process, "_command", [sys.executable, "-c", "pass"])
    process._kill()
    with pytest.raises(DecoderError, match="exit status=0"):
        decoder.read_frames(SMALL)
    monkeypatch.undo()
    assert len(decoder.read_frames(SMALL)) == 1


def test_an_image_that_takes_more_memory_than_is_allowed_is_refused_and_the_next_one_decoded(tmp_path: Path) -> None:
    """9,000 x 9,000 pixels of 16 bits are within the limits of an image, and beyond those of this process."""
    large = tmp_path / "large.dcm"
    content = SMALL.read_bytes()
    for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        at = content.index(tag) + len(tag)
        content = content[:at] + (9000).to_bytes(2, "little") + content[at + 2 :]
    start = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    with large.open("wb") as file:
        file.write(content[:start] + (2 * 9000 * 9000).to_bytes(4, "little"))
        file.truncate(start + 4 + 2 * 9000 * 9000)
    with Decoder(DecoderSettings(memory_bytes=400 << 20)) as decoder:
        before = decoder.read_frames(SMALL)
        with pytest.raises(PixelError) as refusal:
            decoder.read_frames(large)
        assert refusal.value.reason == reasons.OUT_OF_MEMORY
        assert np.array_equal(decoder.read_frames(SMALL), before)
    with Decoder() as decoder:
        assert decoder.read_frames(large)[0].shape == (9000, 9000)


def test_many_threads_share_the_processes_which_may_start_when_they_are_asked() -> None:
    paths = [installed(name) for name in NAMES] * 2
    with Decoder(DecoderSettings(processes=2), starts_now=False) as decoder, ThreadPoolExecutor(6) as threads:
        assert [process._process for process in decoder._idle.queue] == [None, None]
        for path, frames in zip(paths, threads.map(decoder.read_frames, paths), strict=True):
            assert np.array_equal(frames[0], read_frames(path)[0])


def test_a_drain_that_is_asked_of_every_process_at_once_costs_no_image(
    decoder: Decoder, asked: Callable[[Decoder], Future[Any]]
) -> None:
    """Ctrl-C reaches all processes of a terminal, and systemd's stop all of a unit."""
    before, question = pid_of(decoder), asked(decoder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        os.kill(before, number)
    assert len(question.result(60)) == 1
    assert pid_of(decoder) == before


def test_no_process_is_left_when_the_decoder_is_closed_or_its_owner_is_killed(
    eventually: Callable[..., None],
) -> None:
    with Decoder() as decoder:
        decoder.read_frames(SMALL)
        process = decoder._idle.queue[0]._process
    assert process.returncode is not None
    program = (
        "import sys, os; from pathlib import Path; from dicom_io.decoding import Decoder; decoder = Decoder();"
        f"decoder.read_frames(Path({str(SMALL)!r}));"
        "print(decoder._idle.queue[0]._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    owner = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)  # noqa: S603
    pid = int(owner.stdout)
    eventually(lambda: not Path(f"/proc/{pid}").exists() or state_of(pid) == "Z")
