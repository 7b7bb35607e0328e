"""Nothing that identifies a patient stands in a log line of any role at any level, in a URL, or in a file's name."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pydicom.uid import JPEG2000Lossless

from dicom_io.scu import Peer

IDENTIFYING = ("Zzyz", "Quentin", "PID-4711", "20210203", "2021-02-03", "ACC-0815", "Толстой", "Лев")
OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000
MISPLACED = {  # what stands in a good file, and patient data where a library warns of it or quotes it
    b"004Y": b"Zzyz",
    b"20210203": b"Zzyzx^Qu",
    b"20260101": b"Zzyzx^Qu",
    b"101500": b"Zzyzx^",
    b"ISO_IR 192": b"Zzyzx^Quen",
    b"CHEST ": b"Zzyzx ",
    b"PA": b"Zz",
    b"MONOCHROME2 ": b"PID-4711-MON",
    b"128.0 ": b"Zzyzx ",
    b"256.0 ": b"Zzyzx ",
}


def damaged(agent: Any, radiograph: Any) -> Iterator[bytes]:
    """Give files that are taken or refused, each with something wrong."""
    for right, wrong in MISPLACED.items():
        file: bytes = agent.encode(radiograph())
        assert right in file
        yield file.replace(right, wrong)
    yield agent.encode(radiograph(PixelData=b""))
    yield agent.encode(radiograph(Rows=65000, Columns=65000))
    yield agent.encode(radiograph(StudyInstanceUID=""))
    yield agent.encode(radiograph(PatientName="Толстой^Лев"))
    yield agent.encode(radiograph(StudyDescription="Zzyzx^Quentin PID-4711"))
    yield agent.encode(radiograph())[:700]
    compressed = radiograph()
    compressed.compress(JPEG2000Lossless, generate_instance_uid=False)
    codestream = agent.encode(compressed)
    start = codestream.index(b"\xff\x4f\xff\x51")
    yield codestream[: start + 60] + b"Zzyzx^Quentin" + codestream[start + 73 :]


def hang_up(peer: Peer) -> None:
    with socket.create_connection((peer.host, peer.port)) as connection:
        connection.sendall(b"\x01\x00\x00\x00\x10\x00 Zzyzx^Quentin")


def told_by_the_ris(port: int) -> bytes:
    """Send a message that renames the patient, and one that nobody can read; return what was answered to the first."""
    head = "MSH|^~\\&|RIS|H|TIBABU||20260101101500||{}|M1|P|2.5"
    patient = "PID|||PID-4711^^^H^MR||Zzyzx^Quentin||20210203|M\rPV1||O||||||||||||||||ACC-0815"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"\x0b{head.format('ADT^A08')}\r{patient}\r\x1c\r".encode())
        answer = connection.recv(4096)
        connection.sendall(f"\x0b{patient}\r\x1c\r".encode())
        assert connection.recv(4096)
    return answer


def ask_for_the_patient(agent: Any) -> None:
    """Ask by the patient's name and ID wherever one can."""
    token = agent.cli("token", "create", "viewer", "--scope", "dicomweb:read").stdout.strip()
    who = {"Authorization": f"Bearer {token}"}
    asked = {
        "PatientName": "Zzyzx*",
        "PatientID": "PID-4711",
        "PatientBirthDate": "20210203",
        "AccessionNumber": "ACC-0815",
    }
    base = agent.said["dicomweb"][-1]["url"]
    assert httpx.get(f"{base.rstrip('/')}/studies", params=asked, headers=who, timeout=60).status_code in {200, 204}
    assert (
        httpx.get(f"{base.rstrip('/')}/studies", params=asked | {"PatientID": "\\PID-4711\\"}, timeout=60).status_code
        == 401
    )
    assert httpx.get(agent.url, params={"q": "Zzyzx PID-4711"}, timeout=60).status_code == 200


def links(url: str) -> list[str]:
    """Return the addresses of all pages and files that the list and its pages of studies point to."""
    to_studies = re.findall(r'(?:href|src|action)="([^"]+)"', httpx.get(url, timeout=60).raise_for_status().text)
    pages = [httpx.get(httpx.URL(url).join(link), timeout=60) for link in dict.fromkeys(to_studies)]
    return to_studies + [link for page in pages for link in re.findall(r'(?:href|src|action)="([^"]+)"', page.text)]


COUNTED = {
    "image_scored": "tibabu_images_total",
    "study_concluded": "tibabu_studies_total",
    "association": "tibabu_associations_total",
    "delivery": "tibabu_delivery_attempts_total",
    "instance_refused": "tibabu_instances_refused_total",
}
"""What the log tells, and where it is counted."""


def scraped(agent: Any) -> str:
    """Return what the process of the metrics says; that of the pages says the same."""
    first, second = (
        httpx.get(url, timeout=60).raise_for_status().text
        for url in (agent.said["metrics"][0]["url"], f"{agent.url}metrics")
    )
    counts = counted(first)
    assert all(count >= counts[event] for event, count in counted(second).items())
    return str(first)


def counted(metrics: str) -> dict[str, int]:
    """Return how often the processes of the site, together, counted what the log tells."""
    samples = [one for family in text_string_to_metric_families(metrics) for one in family.samples]
    return {event: int(sum(one.value for one in samples if one.name == name)) for event, name in COUNTED.items()}


def check_traces(collector: Any, agent: Any) -> None:
    """Each study is one trace, which all processes that worked on it sent; nothing in it says which study it is."""
    concluded = {event["trace_id"] for event in agent.events("study_concluded")}
    assert {span.trace for span in collector.spans if span.name == "study"} == concluded
    for trace in concluded:
        roles = {span.role for span in collector.spans if span.trace == trace}
        assert "work" in roles <= {"work", "deliver"}
    assert [span.role for span in collector.spans if span.name == "deliver"]
    assert not [uid for row in agent.rows() if (uid := row.study_instance_uid).encode() in collector.raw]


def canonical() -> dict[str, set[str]]:
    """Return the events of which there is one line each, with their fields, as docs/logs.md has them."""
    table = (Path(__file__).parents[2] / "docs/logs.md").read_text(encoding="utf-8").partition("## One line each")[2]
    rows = [line.split("|") for line in table.partition("\n\n`how`")[0].splitlines() if "`" in line]
    return {re.findall(r"`(\w+)`", row[2])[0]: set(re.findall(r"`(\w+)`", row[3])) for row in rows}


def lines_of(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith("{") and line.endswith("}")]


def test_no_log_line_address_or_file_name_tells_who_the_patients_are(  # noqa: PLR0913, PLR0917 - fixtures
    configure: Any,
    running: Any,
    recording_pacs: Any,
    collector: Any,
    radiograph: Any,
    free_port: Any,
    tmp_path: Path,
    eventually: Any,
) -> None:
    with recording_pacs() as pacs:
        answers = iter([OUT_OF_RESOURCES, CANNOT_UNDERSTAND])
        pacs.answer = lambda _: next(answers, 0x0000)
        destinations = {"pacs": pacs.peer, "closed": Peer("CLOSED", "127.0.0.1", free_port())}
        agent = configure(
            tmp_path,
            destinations,
            log={"level": "DEBUG", "format": "json"},
            deliver={"attempts": 2, "rest_after_failures": 1000},
            metrics={"traces": collector.endpoint, "port": 0},
            hl7={"enabled": True, "port": 0},
            dicomweb={"enabled": True, "port": 0},
        )
        with running(agent):
            agent.ready("metrics")
            good = radiograph()
            statuses = [agent.send(file)[0].status for file in [good, *damaged(agent, radiograph)]]
            assert statuses.count(0) >= 10
            assert CANNOT_UNDERSTAND in statuses
            # The study under another patient, the Instance with other pixels, and the same bytes once more.
            known = {name: getattr(good, name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
            again = [
                radiograph(StudyInstanceUID=good.StudyInstanceUID, PatientID="PID-4711-B"),
                radiograph(99, **known),
            ]
            assert [status.status for status in agent.send(*again, good)] == [0, 0, 0]
            hang_up(agent.peer)
            agent.ready("hl7", "dicomweb")
            assert b"|M1|" in told_by_the_ris(agent.said["hl7"][-1]["port"])
            ask_for_the_patient(agent)
            eventually(lambda: all(row.outcome and "QUEUED" not in row.deliveries for row in agent.rows()))
            assert any("PARKED" in row.deliveries for row in agent.rows())
            addresses = links(agent.url)
            assert len(set(addresses)) > len(agent.rows()) >= 10
            eventually(lambda: counted(scraped(agent)) == {name: len(agent.events(name)) for name in COUNTED})
            metrics = scraped(agent)
    check_traces(collector, agent)
    log = agent.text()
    for event in ("image_scored", "instance_refused", "study_concluded", "hl7_message", "dicomweb_request", "stopped"):
        assert agent.events(event), event
    for event, fields in canonical().items():
        for line in agent.events(event):
            assert line.keys() - {"event", "level", "timestamp", "by", "trace_id"} == fields - (
                {"study_instance_uid"} - line.keys()
            )
    stories: dict[str, set[str]] = {row.study_instance_uid: set() for row in agent.rows()}
    for line in map(json.loads, lines_of(log)):
        if line.get("study_instance_uid") in stories:
            stories[line["study_instance_uid"]].add(line["event"])
    assert all("job" in story for story in stories.values())
    assert (
        sum({"instance", "image_scored", "study_concluded", "delivery", "job"} <= one for one in stories.values()) > 8
    )
    assert {"debug", "info", "warning"} <= set(re.findall(r'"level": "(\w+)"', log))
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    said = [str(one) for lines in agent.said.values() for one in lines]
    traces = collector.raw.decode(errors="replace").splitlines()
    for place in (log.splitlines(), addresses, names, said, metrics.splitlines(), traces):
        assert [line for line in place if any(word in line for word in IDENTIFYING)] == []
