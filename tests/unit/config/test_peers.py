"""[[peers]]: what it makes of the door, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.file import load
from agent.config.peers import make_door
from agent.errors import ConfigError
from dicom_io.door import STRANGER_VERBS, Door, Verb
from dicom_io.peer import Peer


@pytest.fixture
def door(tmp_path: Path) -> Callable[[str], Door]:
    """Return `door(text)`: what a config file that holds it opens."""

    def make(text: str) -> Door:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        config = load(path)
        return make_door(config.peers, config.receive.anyone_may)

    return make


def test_by_default_anyone_may_add_but_take_nothing_back(door: Callable[[str], Door]) -> None:
    assert door("").verbs("ANY", "192.0.2.1") == STRANGER_VERBS


def test_a_table_says_from_where_for_what_and_where_to(door: Callable[[str], Door]) -> None:
    made = door("""\
    [receive]
    anyone_may = []
    [[peers]]
    ae_title = "READER"
    addresses = ["10.0.0.1", "2001:db8::/64"]
    may = ["find", "move"]
    move_destinations = ["WALL"]
    [[peers]]
    ae_title = "WALL"
    host = "wall"
    port = 104
    """)
    assert made.verbs("READER", "2001:db8::7") == {Verb.FIND, Verb.MOVE}
    assert made.verbs("READER", "10.0.0.2") == frozenset()
    assert made.verbs("STRANGER", "10.0.0.1") == frozenset()
    assert made.move_destination("READER", "10.0.0.1", "WALL") == Peer("WALL", "wall", 104)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('ae_title = "A"\naddresses = ["scanner.local"]', "peers[0].addresses[0]: .*expected an address, or a network"),
        ('ae_title = "A"\naddresses = ["10.0.0.5/24"]', "peers[0].addresses[0]: .*without host bits"),
        ('ae_title = "A"\nmay = ["read"]', "peers[0].may[0]: .*'echo', 'store'"),
        ('ae_title = "A"\nhost = "a"', "peers[0]: .*expected host and port, or neither"),
        ('ae_title = "A"\nmove_destinations = ["A"]', "peers: .*among the peers with host and port. Received: A"),
        ('ae_title = "A"\n[[peers]]\nae_title = "A "', "peers: .*Received twice: A"),
        ('ae_title = "A"\nallowed = true', "peers[0].allowed: "),
    ],
)
def test_a_wrong_table_is_refused_by_its_key(door: Callable[[str], Door], table: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        door(f"[[peers]]\n{table}\n")
