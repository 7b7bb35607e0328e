"""Hosts that share an object store: `tibabu run` over PostgreSQL and a bucket, with nothing else between them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

_BUCKET, _KEYS = "hospital", ("AKIATIBABU", "not to be shown")


@pytest.fixture
def bucket(new_s3_server: Any) -> Callable[[], Any]:
    def make() -> Any:
        client = boto3.client(
            "s3",
            endpoint_url=new_s3_server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
        )
        client.create_bucket(Bucket=_BUCKET)
        return client

    return make


def _names(client: Any) -> set[str]:
    return {one["Key"].removeprefix("site/") for one in client.list_objects_v2(Bucket=_BUCKET).get("Contents", ())}


@pytest.fixture
def host(configure: Any, postgresql_url: str, new_s3_server: Any, free_port: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return `host(name, pacs)`: a host's installation, with a cache of its own; two processes would receive on it."""
    for name, key in zip(("access", "secret"), _KEYS, strict=True):
        (tmp_path / name).write_text(key, encoding="utf-8")
    store = {
        "url": f"s3://{_BUCKET}/site",
        "endpoint": new_s3_server.endpoint,
        "region": "us-east-1",
        "access_key_file": str(tmp_path / "access"),
        "secret_key_file": str(tmp_path / "secret"),
        "response_timeout_seconds": 10,
    }

    def make(name: str, pacs: Any) -> Any:
        receive = {"host": "127.0.0.1", "port": free_port(), "processes": 2}
        tables = {"store.s3": store, "database": {"url": postgresql_url}, "receive": receive}
        return configure(tmp_path / name, {"pacs": pacs.peer}, store={"low_megabytes": 1}, **tables)

    return make


def test_what_one_host_receives_another_scores_and_reports_and_a_store_that_was_away_is_used_again(
    host: Callable[..., Any],
    running: Any,
    recording_pacs: Any,
    radiograph: Any,
    new_s3_server: Any,
    bucket: Callable[[], Any],
    eventually: Any,
) -> None:
    client = bucket()
    with recording_pacs() as pacs:
        receiving, working = host("receiving", pacs), host("working", pacs)
        with running(receiving, ("receive",)):
            receiving.ready("receive", times=2)
            with running(working, ("work", "deliver", "clock")):
                assert all(one.stored for one in receiving.send(radiograph(1)))
                eventually(lambda: receiving.has_delivered(1))
                assert len(pacs.datasets()) == 1
                before, var = _names(client), working.config.parent / "var"
                assert len(before) > 1, "expected the image and its report in the bucket"
                assert {str(path.relative_to(var / "cache")) for path in var.glob("cache/??/*.dcm")} == before
                assert not (var / "store").exists()
                working.document("verify", "--digests")

                new_s3_server.stop()
                late = radiograph(2)
                assert [one.status for one in receiving.send(late)] == [0xA700]
                new_s3_server.start()
                client = bucket()
                assert all(one.stored for one in receiving.send(late))
                eventually(lambda: receiving.has_delivered(2))
                assert not _names(client) & before, "expected the new server to hold what came since"
        assert {one["status"] for one in receiving.events("instance_refused")} == {"A700"}
        for one in (receiving, working):
            assert _KEYS[1] not in one.text()
            assert not one.events("job_raised")
