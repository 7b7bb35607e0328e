"""The store that [store] configures is the one that the contract is about."""

from pathlib import Path

from agent.config.file import load
from agent.process.parts import open_store
from dicom_io.object_store import ObjectStore


def test_with_a_table_of_s3_it_is_an_object_store(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[store.s3]\nurl = "s3://images"\nregion = "r"\n', encoding="utf-8")
    assert isinstance(open_store(load(tmp_path / "config.toml")), ObjectStore)
