"""DICOMweb as its users run it: a token from the command line, a process of `tibabu run`, and nothing in its log."""

from pathlib import Path
from typing import Any

from dicomweb_client.api import DICOMwebClient


def test_a_token_from_the_command_line_opens_the_running_service_and_stands_in_no_log(
    configure: Any, radiograph: Any, tmp_path: Path
) -> None:
    agent = configure(tmp_path, dicomweb={"enabled": True, "port": 0})
    agent.start(["dicomweb"])
    try:
        agent.ready("dicomweb")
        token = agent.cli("token", "create", "scanner-9", "--scope", "dicomweb:store", "--scope", "dicomweb:read")
        secret = token.stdout.strip()
        url = agent.said["dicomweb"][-1]["url"]
        client = DICOMwebClient(url, headers={"Authorization": f"Bearer {secret}"})
        sent = radiograph()
        client.store_instances([sent])
        assert len(client.search_for_studies(search_filters={"PatientName": "Zzyzx*", "PatientID": "PID-4711"})) == 1
        assert client.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID) == sent
        (listed,) = agent.document("token", "list")
        assert (listed["name"], listed["last_used_at"] is not None) == ("scanner-9", True)
    finally:
        status = agent.stop()
    assert status == 0
    log = agent.text()
    assert len(agent.events("dicomweb_request")) == 3
    assert all(word not in log for word in (secret, "Zzyzx", "PID-4711", "ACC-0815", "Traceback"))
