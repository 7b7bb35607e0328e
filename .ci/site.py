"""Build the documentation's site strictly, and refuse what would tell on its readers by fetching from other hosts."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parents[1]
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""What a browser asks for by itself, by element; `a` it follows only when somebody clicks."""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what leads to another host. A canonical address is only read, not fetched."""
        given = dict(attrs)
        target = given.get(FETCHED.get(tag, "")) or ""
        if re.match(r"(https?:)?//", target) and given.get("rel") != "canonical":
            self.foreign.append(target)


def foreign(site: Path) -> Iterator[str]:
    """Yield what the pages and style sheets of a site would fetch from other hosts, each with its file."""
    for path in sorted(site.rglob("*.html")):
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(site)}: {target}" for target in page.foreign)
    for path in sorted(site.rglob("*.css")):
        for target in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {target}"


def main() -> int:
    """Build in a folder of its own, and judge what was built."""
    with TemporaryDirectory() as folder:
        shutil.copytree(REPOSITORY / "docs", Path(folder, "docs"))
        shutil.copy(REPOSITORY / "mkdocs.yml", folder)
        built = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if built.returncode:
            sys.stderr.write(built.stdout + built.stderr)
            return 1
        found = list(foreign(Path(folder, "site")))
    for one in found:
        sys.stderr.write(f"fetched from another host: {one}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
