"""A multipart body is the same parts however it is cut on its way, and what is none is refused."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dicomweb.parts import PartBegins, PartData, PartEnds, Parts
from agent.dicomweb.problems import ProblemError

CONTENT_TYPE = 'multipart/related; type="application/dicom"; boundary="{}"'
NEARLY = st.sampled_from([b"\r\n--B", b"--B--", b"\r\n--", b"\r", b"\n", b"-", b"\r\n--C\r\n", b"\r\n--Bx"])
PART = st.lists(st.binary(max_size=40) | NEARLY, max_size=6).map(b"".join).filter(lambda part: b"\r\n--BND" not in part)


def body(parts: list[bytes], head: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    return b"".join(b"--BND\r\n" + head + b"\r\n" + part + b"\r\n" for part in parts) + b"--BND--\r\n"


def read(chunks: list[bytes]) -> list[tuple[str, bytes]]:
    """Return the parts: media type and bytes."""
    parts = Parts(CONTENT_TYPE.format("BND"))
    whole: list[tuple[str, bytes]] = []
    media_type, data = "", b""
    for chunk in chunks:
        for found in parts.feed(chunk):
            if isinstance(found, PartBegins):
                media_type, data = found.media_type, b""
            elif isinstance(found, PartData):
                data += found.data
            else:
                assert isinstance(found, PartEnds)
                whole.append((media_type, data))
    parts.finish()
    return whole


@given(st.lists(PART, min_size=1, max_size=4), st.lists(st.integers(0, 400), max_size=12))
def test_parts_are_the_same_however_the_body_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    whole = body(parts)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[start:end] for start, end in pairwise(places)]
    assert read(chunks) == [("application/dicom", part) for part in parts]


@given(st.binary(max_size=300))
def test_any_bytes_are_parts_or_refused(chunk: bytes) -> None:
    with suppress(ProblemError):
        read([b"--BND\r\n", chunk])


@given(st.integers(1, 50))
def test_a_body_that_was_cut_is_refused(missing: int) -> None:
    whole = body([b"x" * 30])
    with pytest.raises(ProblemError) as refused:
        read([whole[: len(whole) - 4 - missing]])
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"", ""),
        (b"content-type:application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\n", "application/dicom"),
        (b"Content-Length: 3\r\nContent-Type: Application/DICOM\r\n", "application/dicom"),
        (b"Content-Type: application/pdf\r\n", "application/pdf"),
    ],
)
def test_a_part_has_the_media_type_of_its_header(head: bytes, media_type: str) -> None:
    assert read([body([b"abc"], head)]) == [(media_type, b"abc")]


def test_headers_without_end_are_refused() -> None:
    for head in (b"X: " + b"y" * 5000 + b"\r\n", b"".join(b"X%d: y\r\n" % number for number in range(20))):
        with pytest.raises(ProblemError):
            read([body([b"abc"], head)])


@pytest.mark.parametrize("boundary", ["", "B" * 300])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(ProblemError) as refused:
        Parts(CONTENT_TYPE.format(boundary))
    assert refused.value.status == 415
