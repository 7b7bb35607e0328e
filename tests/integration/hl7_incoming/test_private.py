"""What is said stays private: messages over TLS from senders that show a certificate, and logs without patients."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from agent.hl7.client import Client, Receiver
from agent.hl7.errors import Hl7Error
from dicom_io.tls import TlsClientSettings, TlsServerSettings

IDENTIFYING = ("Roe", "Jane", "P4711", "20200101", "ACC815")
PID = "PID|1||P4711||Roe^Jane||20200101|F"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tibabu.pem, his.pem and other.pem, each its own authority, with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("tibabu", "his", "other"):
        key = f"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -days 1"
        subject = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
        command = ["openssl", "req", "-x509", *key.split(), *subject.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603 - a fixed command
    return folder


def test_a_sender_with_the_right_certificate_is_heard_over_tls_and_no_other(
    sqlite_hospital: Any, message: Any, certificates: Path
) -> None:
    tls = TlsServerSettings(
        certificate=certificates / "tibabu.pem", key=certificates / "tibabu.key", client_ca=certificates / "his.pem"
    )

    def client(name: str) -> Client:
        ours = TlsClientSettings(
            ca_file=certificates / "tibabu.pem",
            certificate=certificates / f"{name}.pem",
            key=certificates / f"{name}.key",
        )
        return Client(Receiver(host="127.0.0.1", port=here.listener.port, tls=ours, response_timeout=60))

    with sqlite_hospital(tls=tls) as here:
        his, other = client("his"), client("other")
        for number in ("M1", "M2"):
            answer = his.exchange(message("ADT^A08", PID, control_id=number).encode(), number)
            assert (answer.code, answer.control_id) == ("AA", number)
        with pytest.raises(Hl7Error):
            other.exchange(message("ADT^A08", PID, control_id="M3").encode(), "M3")
        his.close()
        other.close()
        assert here.connect().raw(b"\x0bMSH|^~\\&|plain\x1c\r").has_ended()


def test_no_line_of_the_log_and_no_answer_tells_who_the_patients_are(sqlite_hospital: Any, message: Any) -> None:
    order = ("ORC|NW||ACC815", "OBR|1||ACC815||S")
    said = [
        message("ADT^A08", PID, control_id="Roe Jane"),
        message("ADT^A40", PID, "MRG|P4711^^^X"),
        message("ADT^A08", PID.replace("P4711", "")),
        message("ADT^Roe", PID),
        message("ORM^O01", PID, *order),
        message("ORU^R01", PID, *order),
        "Roe^Jane P4711 20200101",
        "MSHRoeRoeRoe",
    ]
    with structlog.testing.capture_logs() as lines, sqlite_hospital() as here:
        here.receive(patient_id="P4711", patient_name="Roe^Jane", accession_number="ACC815")
        sender = here.connect()
        answers = [segment for one in said for segment in sender.send(one)[2:]]
        with here.database.begin() as connection:
            connection.execute(text("DROP TABLE hl7_message"))
        answers += sender.send(said[4])[1:]
        assert answers[-1].split("|")[3].startswith("207"), "what could not be kept is not accepted"
    told = repr(lines) + repr(answers)
    assert [one for one in IDENTIFYING if one in told] == []
    assert sum(line["event"] == "hl7_message" for line in lines) == 6
    assert sum(line["event"] == "hl7_message_unreadable" for line in lines) == 2
