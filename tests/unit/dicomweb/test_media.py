"""What a peer accepts is read as RFC 9110 and PS3.18 have it."""

import pytest
from starlette.requests import Request

from agent.dicomweb.media import accepted, accepts
from agent.dicomweb.problems import ProblemError


def request(*accept: str, query: str = "") -> Request:
    headers = [(b"accept", one.encode()) for one in accept]
    return Request({"type": "http", "method": "GET", "headers": headers, "query_string": query.encode()})


def test_whoever_does_not_say_accepts_everything() -> None:
    (one,) = accepted(request())
    assert one.covers("application/dicom+json")
    assert one.covers_part("application/dicom")


def test_the_most_wanted_comes_first_and_what_is_not_wanted_is_left_out() -> None:
    found = accepted(request("image/png;q=0.5, image/jpeg, image/gif;q=0", "text/html;q=0.9"))
    assert [one.name for one in found] == ["image/jpeg", "text/html", "image/png"]


def test_a_multipart_says_what_its_parts_are() -> None:
    text = 'multipart/related; type="application/octet-stream"; transfer-syntax=*, multipart/related;type=image/jls'
    first, second = accepted(request(text))
    assert (first.part, first.transfer_syntax) == ("application/octet-stream", "*")
    assert first.covers_part("application/octet-stream")
    assert not first.covers_part("image/jls")
    assert second.covers_part("image/jls")
    assert not first.covers("application/octet-stream")


def test_the_query_parameter_counts_before_the_header() -> None:
    (one,) = accepted(request("text/html", query="accept=image/png"))
    assert one.name == "image/png"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/dicom+json", "text/html, application/dicom+json;q=0.1"]
)
def test_what_is_accepted_is_answered(accept: str) -> None:
    accepts(request(accept), "application/dicom+json")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/dicom+xml", "*/*;q=0", ";;;", "*/*;q=x", "*/*;q=2", "*/*;q=-1"]
)
def test_what_is_not_accepted_is_406(accept: str) -> None:
    with pytest.raises(ProblemError) as refused:
        accepts(request(accept), "application/dicom+json")
    assert refused.value.status == 406
