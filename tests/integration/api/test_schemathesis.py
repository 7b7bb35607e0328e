"""schemathesis asks every operation, by the document, what it may and may not be asked, and finds nothing."""

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from agent.web.api.application import make_api

EXAMPLES = 4
"""For each operation; a longer run is made by hand."""

ACCEPTED = ["2xx", "304", "401", "403", "404", "409", "410", "412", "416", "428"]
"""What may come of a request that is as described: it may name what is not here, a state that is past, or none."""

DOCUMENT = make_api().openapi()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]


class Bearer:
    """Asks with the token of this file's site, where schemathesis does not want to ask without."""

    headers: dict[str, str]

    def get(self, _case: Any, _context: Any) -> dict[str, str]:
        return self.headers

    def set(self, case: Any, data: dict[str, str], _context: Any) -> None:
        case.headers = {**(case.headers or {}), **data}


@pytest.fixture(scope="module")
def document() -> Any:
    """Give the document as schemathesis reads it."""
    import schemathesis  # noqa: PLC0415 - who collects this file need not load it: that takes seconds

    accepted = {"checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}}}
    read = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(accepted))
    read.auth()(Bearer)
    return read


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_it_answers_as_its_document_says(document: Any, api: httpx.Client, path: str, method: str) -> None:
    Bearer.headers = {"Authorization": api.headers["authorization"]}

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=str(api.base_url))

    ask()
