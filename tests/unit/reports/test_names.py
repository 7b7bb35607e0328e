"""A report type is a module of the folder: no list to keep, and nothing imported that is not used."""

import subprocess
import sys

import pytest

from agent import reports
from agent.errors import ConfigError


def test_the_types_of_report_are_the_modules_that_render() -> None:
    assert reports.names() == ("picture", "sr")


@pytest.mark.parametrize("name", ["pdf", "document", "../sr", "sr.py", "", "__init__"])
def test_an_unknown_type_is_refused_with_a_list_of_what_exists(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a type of report: picture, sr\. Received: report="):
        reports.load(name)


def test_listing_the_types_imports_none_of_them() -> None:
    script = (
        "import sys\nfrom agent import reports\nassert reports.names()\n"
        "found = {'highdicom', 'pydicom', 'agent.reports.sr', 'agent.reports.picture'} & sys.modules.keys()\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - this very Python
