"""schemathesis asks every operation, by the document, what it may and may not be asked, and finds nothing."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from agent.web.api.application import make_api

Case = Any

EXAMPLES = 4
"""For each operation; a longer run is made by hand."""

ACCEPTED = ["2xx", "304", "401", "403", "404", "409", "410", "412", "416", "428"]
"""What may come of a request that is as described: it may name what is not here, a state that is past, or none."""
CONFIG = schemathesis.Config.from_dict({"checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}}})
DOCUMENT = schemathesis.openapi.from_dict(make_api().openapi(), config=CONFIG)
HEADERS: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _token(api: httpx.Client) -> None:
    HEADERS["Authorization"] = api.headers["authorization"]


@DOCUMENT.auth()
class Bearer:
    """Asks with the token of this file's site, where schemathesis does not want to ask without."""

    def get(self, _case: Case, _context: Any) -> dict[str, str]:
        return HEADERS

    def set(self, case: Case, data: dict[str, str], _context: Any) -> None:
        case.headers = {**(case.headers or {}), **data}


@DOCUMENT.parametrize()
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_it_answers_as_its_document_says(case: Case, api: httpx.Client) -> None:
    case.call_and_validate(base_url=str(api.base_url))
