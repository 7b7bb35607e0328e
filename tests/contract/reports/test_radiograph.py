"""The process that decodes for pictures is kept from one to the next, and not for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from agent.reports.radiograph import KeptDecoder
from dicom_io.decoding import Decoder
from dicom_io.frames import read_frames

SMALL = Path(str(get_testdata_file("MR_small.dcm", download=False)))


@pytest.fixture
def decoder() -> Iterator[KeptDecoder]:
    decoder = KeptDecoder()
    yield decoder
    decoder.close()


def kept(decoder: KeptDecoder) -> Decoder | None:
    return decoder._kept


def test_one_process_decodes_one_image_after_another(decoder: KeptDecoder) -> None:
    assert not decoder.keeps
    assert (decoder.first_frame(SMALL) == read_frames(SMALL)[0]).all()
    first = kept(decoder)
    assert first is not None
    decoder.first_frame(SMALL)
    assert kept(decoder) is first


def test_who_asks_while_it_is_busy_gets_another_one_and_one_is_kept(decoder: KeptDecoder) -> None:
    decoder.first_frame(SMALL)
    busy = decoder._take()
    assert busy is not None
    decoder.first_frame(SMALL)
    assert kept(decoder) not in (None, busy)
    decoder._keep(busy)
    assert kept(decoder) is busy


def test_it_ends_when_nobody_has_asked_for_a_while() -> None:
    decoder = KeptDecoder(idle_seconds=0.01)
    decoder.first_frame(SMALL)
    timer = decoder._timer
    if timer is not None:
        timer.join(60)
    assert not decoder.keeps
