"""What each answer of a STOW-RS server means for the Instance that it was sent."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import DeliveryError, DestinationDownError, Retry
from agent.line.stow_answer import found, judge
from dicom_io.commitment_scu import Has

UID = "1.2.3"


def answer(*, stored: str | None = None, failed: str | None = None, **more: int) -> bytes:
    """Return an answer that lists one Instance as stored or failed, with a warning or a reason."""

    def item(uid: str, tag: str, value: int | None) -> dict[str, Any]:
        named = {"00081155": {"vr": "UI", "Value": [uid]}}
        return named | ({} if value is None else {tag: {"vr": "US", "Value": [value]}})

    document: dict[str, Any] = {}
    if stored is not None:
        document["00081199"] = {"vr": "SQ", "Value": [item(stored, "00081196", more.get("warning"))]}
    if failed is not None:
        document["00081198"] = {"vr": "SQ", "Value": [item(failed, "00081197", more.get("reason"))]}
    return json.dumps(document).encode()


def refused(status: int, body: bytes) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        judge(status, {}, body, sop_instance_uid=UID, server="http://pacs")
    assert "http://pacs" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [200, 202])
def test_stored_is_what_the_answer_names_as_stored(status: int) -> None:
    assert judge(status, {}, answer(stored=UID), sop_instance_uid=UID, server="x") == f"HTTP {status}"
    body = answer(stored=UID, warning=0xB000)
    assert judge(status, {}, body, sop_instance_uid=UID, server="x") == f"HTTP {status}: warning B000"


def test_an_empty_200_says_that_all_was_stored() -> None:
    assert judge(200, {}, b"", sop_instance_uid=UID, server="x") == "HTTP 200: without a list of Instances"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, answer(stored="1.2.4")),
        (200, b"{}"),
        (200, b"<html>Welcome</html>"),
        (202, b""),
        (202, answer(stored="1.2.4")),
    ],
)
def test_a_success_that_does_not_name_it_is_no_acknowledgement_and_is_tried_again(status: int, body: bytes) -> None:
    error = refused(status, body)
    assert error.retry
    assert not isinstance(error, DestinationDownError)


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize(
    ("reason", "retry"),
    [(0x0110, True), (0x0124, True), (0xA700, True), (0xA7FF, True), (0x0122, False), (0xA900, False), (0xC000, False)],
)
def test_an_instance_that_is_named_as_failed_is_tried_again_or_parked_by_its_reason(
    status: int, reason: int, *, retry: bool
) -> None:
    error = refused(status, answer(failed=UID, reason=reason))
    assert (error.retry, error.already_there) == (retry, False)
    assert f"{reason:04X}" in str(error)


def test_a_409_without_a_reason_is_tried_again_slowly() -> None:
    error = refused(409, b"")
    assert (error.patience, error.status) == (Retry.SLOWLY, "HTTP 409")
    assert "409 without a reason" in str(error)


@pytest.mark.parametrize(("reason", "told"), [("42752", "A700"), ("x", "0000"), ("999999", "0000"), (-1, "0000")])
def test_a_reason_that_is_written_as_text_is_read_and_one_that_is_none_is_not(reason: object, told: str) -> None:
    error = refused(409, answer(failed=UID, reason=reason))  # type: ignore[arg-type]
    assert told in str(error)


def test_failed_counts_more_than_stored_where_a_server_says_both() -> None:
    refused(200, answer(stored=UID, failed=UID, reason=0xA700))


def test_a_duplicate_is_told_as_such() -> None:
    assert refused(409, answer(failed=UID, reason=0x0111)).already_there


def test_a_server_that_wants_to_be_left_alone_for_a_time_says_for_how_long() -> None:
    with pytest.raises(DestinationDownError) as caught:
        judge(503, {"Retry-After": "120"}, b"", sop_instance_uid=UID, server="x")
    assert (caught.value.retry_after, caught.value.status) == (timedelta(minutes=2), "HTTP 503")


@pytest.mark.parametrize("status", [400, 406, 413, 415])
def test_a_request_that_displeases_is_parked(status: int) -> None:
    assert not refused(status, b"").retry


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405, 408, 429, 500, 502, 503, 507])
def test_a_server_that_is_not_fit_is_tried_again_with_everything(status: int) -> None:
    error = refused(status, b"<html>Doe^Jane</html>")
    assert isinstance(error, DestinationDownError)
    assert error.retry
    assert "Doe" not in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["00081198", "00081199", "00081155", "00081197", "Value"]), inner, max_size=3)
    ),
)


@given(st.integers(100, 999), st.binary(max_size=50) | JSON.map(lambda found: json.dumps(found).encode()))
def test_whatever_a_server_says_it_is_stored_only_by_a_200_or_202(status: int, body: bytes) -> None:
    try:
        judge(status, {}, body, sop_instance_uid=UID, server="x")
    except DeliveryError:
        return
    assert status in {200, 202}


HERE = json.dumps([{"00080018": {"vr": "UI", "Value": [UID]}}]).encode()


@pytest.mark.parametrize(
    ("status", "body", "has"),
    [
        (200, HERE, Has.YES),
        (200, HERE.replace(b"1.2.3", b"1.2.4"), Has.NO),
        (200, b"[]", Has.NO),
        (204, b"", Has.NO),
        *((status, b"<html>", Has.CANNOT) for status in (400, 403, 404, 405, 406, 501)),
    ],
)
def test_a_search_says_whether_it_is_there_or_that_searching_is_not_offered(status: int, body: bytes, has: Has) -> None:
    assert found(status, {}, body, UID, server="http://pacs").has is has


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"{}"), (401, b""), (500, b""), (302, b"")])
def test_an_answer_that_says_neither_confirms_nothing(status: int, body: bytes) -> None:
    with pytest.raises(DeliveryError, match="expected http://pacs to answer a search"):
        found(status, {}, body, UID, server="http://pacs")
