"""[store] and [store.s3]: what they take, what they refuse, and that no key is shown."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.file import load
from agent.errors import ConfigError
from agent.process.parts import open_store
from dicom_io.errors import StoreError
from dicom_io.folder_store import FolderStore

S3 = '[store.s3]\nurl = "s3://images/site-1/x_ray"\n'


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_folder_is_the_default(written: Callable[[str], Path]) -> None:
    assert isinstance(open_store(load(written(""))), FolderStore)


def test_an_object_store_has_its_arrivals_and_copies_on_this_host(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    config = load(written(f'{S3}endpoint = "http://127.0.0.1:9000"\nregion = "r"\ncache_folder = "copies"\n'))
    assert config.store.local_folder == tmp_path / "copies"
    assert config.store.s3 is not None
    settings = config.store.s3.settings
    assert (settings.bucket, settings.prefix, settings.region) == ("images", "site-1/x_ray/", "r")
    assert settings.credentials is None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ('[store.s3]\nurl = "https://images"\n', "store.s3.url: .*expected s3://BUCKET"),
        ('[store.s3]\nurl = "s3://images/../else"\n', "store.s3.url: .*expected s3://BUCKET"),
        ('[store.s3]\nurl = "s3://key:secret@images"\n', "store.s3.url: .*expected s3://BUCKET"),
        (f'{S3}endpoint = "http://10.0.0.5:9000"\n', "store.s3.endpoint: .*expected https"),
        (f'{S3}endpoint = "https://key:secret@host"\n', "store.s3.endpoint: .*without user"),
        (f'{S3}access_key_file = "key"\n', "store.s3: .*expected an access key and a secret key"),
        (
            f'{S3}access_key_file = "key"\naccess_key_variable = "KEY"\nsecret_key_file = "secret"\n',
            "store.s3: .*expected an access key and a secret key",
        ),
        (f"{S3}cache_megabytes = 1\n", "store.s3.cache_megabytes"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(written: Callable[[str], Path], wrong: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        load(written(wrong))
    assert "secret@" not in str(raised.value)


def test_keys_are_read_where_they_stand_each_time_they_are_needed(
    written: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(written(f'{S3}access_key_variable = "TIBABU_TEST_KEY"\nsecret_key_file = "secret"\n'))
    assert config.store.s3 is not None
    credentials = config.store.s3.settings.credentials
    assert credentials is not None
    with pytest.raises(StoreError, match=r"expected the secret in \$TIBABU_TEST_KEY"):
        credentials()
    monkeypatch.setenv("TIBABU_TEST_KEY", "AKIA")
    for secret in ("first", "second"):
        (tmp_path / "secret").write_text(f"{secret}\n", encoding="utf-8")
        assert (credentials().access_key, credentials().secret_key) == ("AKIA", secret)
        assert secret not in repr(credentials())


def test_a_missing_extra_is_told_with_the_command_that_brings_it(
    written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(StoreError, match=r"pip install 'tibabu\[s3\]'"):
        open_store(load(written(S3)))
