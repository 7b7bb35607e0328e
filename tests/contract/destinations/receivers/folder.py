"""A folder: away while its place is taken by a file, full while it cannot be written."""

from hashlib import sha256
from pathlib import Path
from typing import Any

MEDIA_TYPE = "application/json"
BEHAVIOURS = ("down", "refusing")


class Receiver:
    """Keeps files by the stems of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "out"
        self._others: list[Path] = []

    def settings(self) -> dict[str, Any]:
        return {"folder": self._folder}

    def report(self, number: int) -> tuple[str, bytes]:
        return f"2.25.{number}", b'{"number": %d}' % number

    def be(self, behaviour: str) -> None:
        away = self._folder.with_name("away")
        if behaviour == "down":
            if self._folder.exists():
                self._folder.rename(away)
            self._folder.write_bytes(b"")
        elif self._folder.is_file():
            self._folder.unlink()
            if away.exists():
                away.rename(self._folder)
        if behaviour == "refusing":  # somebody else's files have the names that come
            self._folder.mkdir(exist_ok=True)
            self._others = [self._folder / f"2.25.{number}.json" for number in range(10)]
            for file in self._others:
                file.write_bytes(b"another")
        else:
            while self._others:
                self._others.pop().unlink()

    def kept(self) -> dict[str, set[str]]:
        if not self._folder.is_dir():
            return {}
        return {file.stem: {sha256(file.read_bytes()).hexdigest()} for file in self._folder.iterdir()}

    def close(self) -> None:
        """There is nothing to end."""
