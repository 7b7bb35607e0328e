"""Other packages called `model`, `db` or `dicom_io` are noticed before a line of them runs."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from agent import cli
from agent.cli.impostors import PACKAGES, find_impostor

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Return `plant(name)`: a folder with a package of that name which notes when it is run."""

    def make(name: str, file: str = "__init__.py") -> Path:
        folder = tmp_path / "elsewhere"
        path = folder / (name if file == "__init__.py" else "") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", encoding="utf-8")
        return folder

    return make


def test_the_packages_of_this_program_are_no_impostors() -> None:
    assert find_impostor() is None


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_stands_first_on_the_path_is_named_and_not_run(
    name: str, plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plant(name)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    message = find_impostor()
    assert message is not None
    assert f"expected the package '{name}' in " in message
    assert f"Received: {folder / name}. " in message
    assert not (tmp_path / "ran").exists()


def test_a_single_file_of_the_name_is_an_impostor_too(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(plant("db", "db.py")), *sys.path])
    message = find_impostor()
    assert message is not None
    assert "expected the package 'db'" in message
    assert not (tmp_path / "ran").exists()


def test_one_that_stands_behind_ours_does_no_harm(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(Path(cli.__file__).parents[2])
    monkeypatch.setattr(sys, "path", [home, *sys.path, str(plant("model"))])
    assert find_impostor() is None


def test_the_command_line_refuses_to_start_beside_an_impostor(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [str(plant("model")), *sys.path])
    monkeypatch.setattr(sys, "argv", ["tibabu", "--help"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr()
    assert caught.value.code == 1
    assert said.out == ""
    assert said.err.startswith("tibabu: expected the package 'model' in ")
    assert "Traceback" not in said.err
    assert not (tmp_path / "ran").exists()


def test_what_an_editable_installation_finds_is_no_impostor_and_what_nobody_finds_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Path(cli.__file__).parents[2]

    class Editable:
        """Knows where our packages are, as the finder of an editable installation does."""

        @staticmethod
        def find_spec(name: str, _path: object) -> ModuleSpec | None:
            return spec_from_file_location(name, home / name / "__init__.py") if name in PACKAGES else None

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [object(), Editable])
    assert find_impostor() is None
    monkeypatch.setattr(sys, "meta_path", [object()])
    message = find_impostor()
    assert message is not None
    assert "Received: none." in message
