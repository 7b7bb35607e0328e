"""`tibabu rules test`: what it says of a real file, in text and as JSON, is what the router would do."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydicom.data import get_testdata_file

from agent.cli.commands import tibabu

SITE = """
[[destinations]]
name = "pacs"
type = "dicom"
ae_title = "PACS"
host = "10.0.0.5"
port = 104

[[forward]]
name = "ct at once"
when = 'modality == "CT" and called_ae_title == "TIBABU"'
to = ["pacs"]

[[forward]]
name = "chests of children"
when = 'modality in ("CR", "DX") and outcome == "flagged"'
to = ["pacs"]

[[forward]]
name = "by outcome"
when = 'modality == "CT" and outcome in ("flagged", "failed")'
to = ["pacs"]
"""


@pytest.fixture
def ct() -> str:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert found is not None
    return str(found)


def run(tmp_path: Path, *arguments: str, site: str = SITE) -> Result:
    (config := tmp_path / "site.toml").write_text(site, encoding="utf-8")
    return CliRunner().invoke(tibabu, ["rules", "test", *arguments, "--config", str(config)])


def test_it_says_which_rules_match_when_and_why_the_others_do_not(tmp_path: Path, ct: str) -> None:
    done = run(tmp_path, ct)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1:] == [
        "  yes  ct at once: to pacs at receipt",
        """  no   chests of children: modality in ("CR", "DX"), but it is 'CT'""",
        "  yes  by outcome: to pacs when its study is flagged or failed",
        "  goes to: pacs",
    ]


def test_with_an_outcome_it_says_what_happens_then(tmp_path: Path, ct: str) -> None:
    (document,) = json.loads(run(tmp_path, ct, "--outcome", "not_flagged", "--json").output)
    assert [rule["matches"] for rule in document["rules"]] == [True, False, False]
    assert document["rules"][2]["because"] == ["""outcome in ("flagged", "failed"), but it is 'not_flagged'"""]
    (document,) = json.loads(run(tmp_path, ct, "--outcome", "failed", "--json").output)
    assert (document["rules"][2]["when"], document["destinations"]) == (["failed"], ["pacs"])


def test_nothing_goes_back_to_who_sent_it(tmp_path: Path, ct: str) -> None:
    (document,) = json.loads(run(tmp_path, ct, "--calling", "PACS", "--json").output)
    assert document["destinations"] == []
    assert document["rules"][0]["not_back_to"] == ["pacs"]


def test_a_folder_is_looked_through_for_dicom_files(tmp_path: Path, ct: str) -> None:
    (folder := tmp_path / "study").mkdir()
    (folder / "one").write_bytes(Path(ct).read_bytes())
    (folder / "notes.txt").write_text("nothing")
    (document,) = json.loads(run(tmp_path, str(folder), "--json").output)
    assert document["file"] == str(folder / "one")


def test_what_is_no_dicom_file_and_a_site_without_rules_are_told(tmp_path: Path, ct: str) -> None:
    (odd := tmp_path / "odd").write_text("no DICOM")
    assert run(tmp_path, str(odd)).exit_code == 1
    done = run(tmp_path, ct, site="")
    assert (done.exit_code, "expected rules in the configuration" in done.output) == (1, True)
