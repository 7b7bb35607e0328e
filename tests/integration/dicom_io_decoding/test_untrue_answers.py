"""What a decoding process says is not believed: a hostile file may speak through it."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dicom_io import reasons
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.decoding_process import DecodingProcess
from dicom_io.errors import PixelError

PROGRAM = r"""
import json, select, struct, sys
def say(text, data=b""):
    sys.stdout.buffer.write(struct.pack("<L", len(text)) + text + data)
    sys.stdout.buffer.flush()
def answer(shapes, number):
    return b'{"number": %d, "shapes": %s}' % (number, shapes)
say(b'{"ready": true}')
for line in sys.stdin.buffer:
    question = json.loads(line)
    name, number = question["paths"][0], question["number"]
    if name == "/good":
        say(answer(b"[[1, 2]]", number), bytes([1, 1]))
        continue
    if name == "/late":
        open(sys.argv[1], "w").close()  # whoever waits at the other end learns that it was asked
        select.select([sys.stdin], [], [])  # until the next question comes
        say(answer(b"[[1, 2]]", number), bytes([9, 9]))
        continue
    say({
        "/deep": b"[" * 200000 + b"]" * 200000,
        "/huge": answer(b"[[10000000000000, 1], [-10000000000000, 1]]", number),
        "/flat": answer(b"[[4]]", number),
        "/text": answer(b'["ab"]', number),
        "/name": b'{"number": %d, "reason": "DOE^JANE"}' % number,
        "/list": b'{"number": %d, "reason": ["DOE^JANE"]}' % number,
        "/slow": answer(b"[[1, 2]]", number),
    }[name])
    if name not in ("/slow", "/name", "/list"):
        say(answer(b"[[1, 2]]", number + 1), bytes([9, 9]))  # for whoever asks next
"""


class Interrupted(BaseException):
    """What a signal's handler raises: no `Exception`, and not what would end the tests."""


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Decoder]:
    """Give a decoder whose process has been taken over."""
    program = tmp_path / "hostile.py"
    program.write_text(PROGRAM)
    os.mkfifo(tmp_path / "asked")
    with Decoder(DecoderSettings(seconds=2.0)) as found:
        process: DecodingProcess = found._idle.queue[0]
        process._command = [sys.executable, str(program), str(tmp_path / "asked")]
        process._kill()
        yield found


@pytest.mark.parametrize("name", ["/deep", "/huge", "/flat", "/text", "/slow"])
def test_nothing_of_an_answer_that_makes_no_sense_is_taken_for_the_answer_about_the_next_image(
    decoder: Decoder, name: str
) -> None:
    with pytest.raises(PixelError):
        decoder.read_frames(Path(name))
    (frame,) = decoder.read_frames(Path("/good"))
    np.testing.assert_array_equal(frame, [[1, 1]])


@pytest.mark.parametrize("name", ["/name", "/list"])
def test_a_reason_that_is_none_of_ours_is_not_repeated(decoder: Decoder, name: str) -> None:
    with pytest.raises(PixelError) as failure:
        decoder.read_frames(Path(name))
    assert failure.value.reason == reasons.UNFORESEEN


def test_a_question_that_is_given_up_leaves_no_answer_for_the_next_image(decoder: Decoder, tmp_path: Path) -> None:
    """As when an operator's Ctrl-C or a signal's handler raises while the answer is awaited."""
    decoder._settings = DecoderSettings(seconds=60.0)  # nothing here waits so long
    decoder.wait_until_ready()
    asking = threading.get_ident()

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    def once_asked() -> None:
        (tmp_path / "asked").open().close()
        signal.pthread_kill(asking, signal.SIGURG)  # which nobody dies of, should it come late

    before = signal.signal(signal.SIGURG, interrupt)
    threading.Thread(target=once_asked, daemon=True).start()
    try:
        with pytest.raises(Interrupted):
            decoder.read_frames(Path("/late"))
    finally:
        signal.signal(signal.SIGURG, before)
    (frame,) = decoder.read_frames(Path("/good"))
    np.testing.assert_array_equal(frame, [[1, 1]])
