"""A report type is a module of the folder: no list to keep, and nothing imported that is not used."""

import pytest

from agent import reports
from agent.errors import ConfigError


def test_the_types_of_report_are_the_modules_that_render() -> None:
    assert {"picture", "sr"} <= set(reports.names())
    assert not {"document", "evidence", "identity"} & set(reports.names())


@pytest.mark.parametrize("name", ["fax", "document", "../sr", "sr.py", "", "__init__"])
def test_an_unknown_type_is_refused_with_a_list_of_what_exists(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"expected a type of report: {', '.join(reports.names())}\. Received: report="
    ):
        reports.load(name)
