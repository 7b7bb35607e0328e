"""A PACS that routes everything back to the agent, its own reports included, does not start a loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.shared, pytest.mark.tools]

ROUTE_EVERYTHING = """
function OnStoredInstance(instanceId, tags, metadata, origin)
   SendToModality(instanceId, 'tibabu')
end
"""


def test_orthanc_that_routes_every_instance_to_the_agent_gets_one_result_per_study(
    hospitals: Any, storescu: Any, children: Mapping[str, list[Path]], eventually: Any
) -> None:
    files = [*children["NORMAL"][:2], *children["PNEUMONIA"][:2]]
    with hospitals(ROUTE_EVERYTHING) as hospital:
        agent, pacs = hospital.agent, hospital.orthanc

        def stored() -> int:
            return sum(event["stored"] for event in agent.events("association"))

        storescu(pacs.peer, files)
        eventually(lambda: agent.has_delivered(len(files)))
        eventually(lambda: stored() == len(pacs.get("/instances")))
        # A study that comes later goes the whole way: whatever a returned report had started would have, too.
        storescu(pacs.peer, children["NORMAL"][2:3])
        eventually(lambda: agent.has_delivered(len(files) + 1))
        eventually(lambda: stored() == len(pacs.get("/instances")))
        records = [agent.document("show", row.study_instance_uid) for row in agent.rows()]
        reports = sum(len(record["reports"]) for record in records)
        assert len(pacs.get("/instances")) == stored() == len(files) + 1 + reports
        for record in records:
            assert (record["study"]["revision"], len(record["results"])) == (1, 1)
            roles = [instance["role"] for instance in record["instances"]]
            assert sorted(roles) == ["candidate", *["own"] * len(record["reports"])]
