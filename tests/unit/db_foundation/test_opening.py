"""A database is named by its URL; whatever else is named is refused before anything is connected."""

import pickle
import sys

import pytest

from db.database import open_database
from db.errors import QueryError


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("sqlite:///tibabu.db", "sqlite"),
        ("sqlite:////var/lib/tibabu/tibabu.db", "sqlite"),
        ("postgresql://agent:secret@db.hospital.test/tibabu", "postgresql"),
        ("postgresql+psycopg://agent:secret@db.hospital.test:5433/tibabu?sslmode=require", "postgresql"),
    ],
)
def test_a_url_of_either_kind_opens_without_connecting(url: str, dialect: str) -> None:
    assert open_database(url).dialect == dialect


@pytest.mark.parametrize(
    "url", ["", "tibabu.db", "mysql://host/tibabu", "sqlite://", "sqlite:///:memory:", "postgres://h/d"]
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(QueryError, match="expected"):
        open_database(url)


@pytest.mark.parametrize("package", ["psycopg", "procrastinate"])
def test_without_the_extra_a_postgresql_url_is_refused_with_its_name(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(QueryError, match=rf"tibabu\[postgresql\].*missing={package}"):
        open_database("postgresql://agent:s3cret@h/d")


def test_the_password_hides_in_messages_and_stays_in_the_url() -> None:
    database = open_database("postgresql://agent:s3cret@h/d")
    assert "s3cret" not in repr(database)
    with pytest.raises(QueryError) as caught:
        open_database("s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_spawned_process_gets_the_same_database() -> None:
    database = open_database("postgresql://agent:s3cret@h/d")
    again = pickle.loads(pickle.dumps(database))  # noqa: S301 - our own
    assert again.url == database.url
