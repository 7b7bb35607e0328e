"""The mail destination where it is to trust nothing: servers that never come to an end, and settings that give away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pydantic import ValidationError

from agent.destinations import email as module
from agent.errors import DestinationDownError

GIVEN: dict[str, Any] = {
    "name": "mail",
    "type": "email",
    "host": "mail.example",
    "sender": "a@b.example",
    "recipients": ["c@d"],
}


@contextmanager
def talking(words: bytes, pause: float) -> Iterator[int]:
    """Serve one connection, which says these words over and over until it is let go of."""
    gone = threading.Event()

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while not gone.wait(pause):
                connection.sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        yield listener.getsockname()[1]
        gone.set()
        thread.join()


@pytest.mark.parametrize(("words", "pause"), [(b"220-welcome\r\n" * 1000, 0), (b"2", 0.02)])
def test_a_server_that_goes_on_and_on_or_drips_is_left(words: bytes, pause: float) -> None:
    with talking(words, pause) as port:
        settings = module.Settings(**GIVEN | {"host": "127.0.0.1", "port": port, "connection_timeout_seconds": 1})
        with pytest.raises(DestinationDownError, match="SMTPServerDisconnected"):
            module.Destination(settings, "TIBABU").ping()


@pytest.mark.parametrize(
    "settings",
    [
        {"login": "tibabu"},
        {"secret_variable": "MAIL"},
        {"login": "tibabu", "secret_variable": "MAIL", "secret_file": "/mail"},
        {"login": "tibabu", "secret_variable": "MAIL", "encryption": "none"},
        {"recipients": []},
        {"recipients": ["a@b, c@d"]},
        {"recipients": ["a@b\r\nBcc: c@d"]},
        {"sender": "nobody"},
    ],
)
def test_settings_that_make_no_sense_or_would_give_the_password_away_are_refused(settings: dict[str, Any]) -> None:
    module.Settings(**GIVEN)
    with pytest.raises(ValidationError):
        module.Settings(**GIVEN | settings)
