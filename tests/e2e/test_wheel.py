"""The built wheel, installed in an environment of its own, run from a folder full of impostors."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
from PIL import Image

import agent

REPOSITORY = Path(__file__).parents[2]
SOURCES = Path(agent.__file__).parents[1]
PACKAGES = ("agent", "dicom_io", "model", "db")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@dataclass
class Installation:
    """A virtual environment that holds the wheel."""

    wheel: Path
    folder: Path

    @property
    def tibabu(self) -> Path:
        return self.folder / "bin" / "tibabu"

    def run(self, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(self.tibabu, *arguments, cwd=cwd, **environment)


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command line
        [*map(str, command)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def copy_of_the_sources(folder: Path) -> Path:
    for package in PACKAGES:
        copytree(SOURCES / package, folder / package, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Build the wheel from a copy of the sources and install it; its requirements come from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_sources(folder / "source")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    built = run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source, cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    home = folder / "venv"
    venv.create(home, symlinks=True)
    site = home / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    required = distribution("sqlalchemy").locate_file("")  # a folder: what it links is left out
    (site / "requirements.pth").write_text(f"{required}\n")
    installed = run(*pip, "--python", home / "bin" / "python", "install", "-q", "--no-deps", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return Installation(wheel, home)


@dataclass
class Impostors:
    """A folder of packages with our names. Importing any of them leaves a file behind."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, names: tuple[str, ...]) -> "Impostors":
        for name in names:
            (folder / name).mkdir(parents=True)
            marker = f"import pathlib\npathlib.Path({str(folder / 'imported')!r}).write_text({name!r})\n"
            (folder / name / "__init__.py").write_text(marker)
        return cls(folder)

    @property
    def imported(self) -> str:
        file = self.folder / "imported"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def impostors(tmp_path: Path) -> Iterator[Impostors]:
    """Give a working directory that holds all four names; none of them may be imported."""
    found = Impostors.make(tmp_path / "hostile", PACKAGES)
    yield found
    assert found.imported == ""


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_else(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = (path for package in PACKAGES for path in (SOURCES / package).rglob("*"))
    assert files == {
        str(path.relative_to(SOURCES)) for path in ours if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(installation.wheel) as archive:
        assert {name.partition(".dist-info/")[2] for name in archive.namelist() if ".dist-info/" in name} == {
            *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
        }
    kinds = {Path(name).suffix for name in files}
    assert {".npz", ".json", ".html", ".css", ".js", ".py"} <= kinds


def test_the_same_sources_make_the_same_wheel_and_sdist_to_the_byte(installation: Installation, tmp_path: Path) -> None:
    """Whoever builds them, elsewhere, at another time, with files of another age and mode."""
    made = []
    for name, hour in (("one", 1), ("other", 9)):
        source = copy_of_the_sources(tmp_path / name)
        for path in source.rglob("*"):
            os.utime(path, (hour * 3600 * 100_000,) * 2)
            path.chmod(0o700 if path.is_dir() else 0o600 + hour // 9 * 0o44)
        built = run(sys.executable, "-m", "hatchling", "build", "-d", tmp_path / f"of {name}", cwd=source)
        assert built.returncode == 0, built.stderr
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"of {name}").iterdir()})
    one, other = made
    assert sorted(Path(name).suffix for name in one) == [".gz", ".whl"]
    assert one == other
    assert one[installation.wheel.name] == installation.wheel.read_bytes()


def test_commands_run_from_a_folder_of_impostors_use_the_installed_packages(
    installation: Installation, impostors: Impostors, tmp_path: Path
) -> None:
    said = installation.run("--version", cwd=impostors.folder)
    assert (said.returncode, said.stdout.split()[-1]) == (0, agent.VERSION)
    done = installation.run("migrate", cwd=impostors.folder)
    assert (done.returncode, done.stderr) == (0, "")
    Image.new("L", (224, 224), 90).save(picture := tmp_path / "picture.png")
    analysed = installation.run("analyse", picture, cwd=impostors.folder)
    assert analysed.returncode == 0, analysed.stderr
    assert "pixels: blank" in analysed.stdout, "the model and the pixel gate were loaded from the wheel"


def test_the_agent_runs_from_a_folder_of_impostors(
    installation: Installation,
    impostors: Impostors,
    configure: Any,
    running: Any,
    radiograph: Any,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    tibabu = configure(impostors.folder)  # its working directory is the config's folder
    tibabu.quick, tibabu.command = None, [str(installation.tibabu)]
    with running(tibabu):
        assert tibabu.send(radiograph())[0].stored
        eventually(lambda: tibabu.has_delivered(1))


@pytest.mark.parametrize("name", ["model", "db", "dicom_io"])
def test_an_impostor_on_pythonpath_is_named_and_not_imported(
    installation: Installation, tmp_path: Path, name: str
) -> None:
    hostile = Impostors.make(tmp_path / "hostile", (name,))
    done = installation.run("--version", cwd=tmp_path, PYTHONPATH=str(hostile.folder))
    assert (done.returncode, done.stdout, hostile.imported) == (1, "", "")
    assert f"the package '{name}'" in done.stderr
    assert str(hostile.folder / name) in done.stderr
    assert "Traceback" not in done.stderr
