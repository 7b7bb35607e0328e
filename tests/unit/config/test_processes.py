"""How many processes of each role a host runs is configured in the role's table."""

from collections import Counter
from pathlib import Path

import pytest

from agent.config.file import Config, load
from agent.errors import ConfigError
from agent.process.inference import images_at_once, share_of_cores
from agent.process.roles import processes_of, roles_of
from model.runtime import cores


def _config(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_every_role_runs_in_as_many_processes_as_its_table_says(tmp_path: Path) -> None:
    numbers = {"receive": 2, "work": 3, "deliver": 4, "web": 5, "dicomweb": 6, "hl7": 7}
    text = "".join(f"[{role}]\nprocesses = {number}\n" for role, number in numbers.items())
    config = _config(tmp_path, text.replace("[dicomweb]", "[dicomweb]\nenabled = true"))
    assert Counter(processes_of(config, tuple(numbers))) == numbers
    assert Counter(processes_of(config, ("work", "shadow"))) == {"work": 3, "shadow": 1}
    assert "hl7" not in processes_of(config, roles_of(config))


def test_without_a_word_every_role_is_one_process() -> None:
    config = Config()
    assert processes_of(config, roles_of(config)) == roles_of(config)


@pytest.mark.parametrize("role", ["receive", "web", "dicomweb", "hl7"])
def test_processes_that_share_a_port_want_one_that_is_known(role: str, tmp_path: Path) -> None:
    enabled = "enabled = true\n" if role in {"dicomweb", "hl7"} else ""
    with pytest.raises(ConfigError, match="expected a fixed port for processes that share it"):
        _config(tmp_path, f"[{role}]\n{enabled}processes = 2\nport = 0\n")


def test_working_processes_divide_the_cores_among_them(tmp_path: Path) -> None:
    config = _config(tmp_path, f"[work]\nprocesses = {min(64, cores())}\n")
    assert share_of_cores(config) == max(1, cores() // 64)
    assert images_at_once(config) == 2 * max(2, share_of_cores(config))
