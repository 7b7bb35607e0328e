"""`python benchmarks/screenshots.py`: the pictures of the pages in docs/img, made of what `tibabu demo` leaves behind.

Its patients are invented, and its radiographs are those of the package pydicom-data. A picture that would be larger
than `LARGEST` is refused. Needs Debian's Chromium.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Page, sync_playwright

LARGEST = 300_000
HERE = Path(__file__).parents[1] / "docs" / "img"
TIBABU = (sys.executable, "-P", "-m", "agent")
QUALITY = 88
SEEN = "(one) => one.getBoundingClientRect().top < innerHeight && one.checkVisibility()"


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=HERE, show_default=True)
def main(out: Path) -> None:
    """Make the pictures."""
    with tempfile.TemporaryDirectory(prefix="tibabu-screenshots-") as folder:
        demo = Path(folder) / "demo"
        command = [*TIBABU, "demo", "--dir", str(demo), "--exit", "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command line
        flagged = [
            one["study_instance_uid"] for one in json.loads(done.stdout)["studies"] if one["outcome"] == "flagged"
        ]
        with serving(demo / "config.toml") as url, opened(url) as page:
            for name, show in pictures(flagged[0]).items():
                show(page)
                save(page, out / f"{name}.webp")
                click.echo(f"{name}.webp: {(out / f'{name}.webp').stat().st_size >> 10} KB")


def pictures(study: str) -> dict[str, Callable[[Page], None]]:
    """Return how each picture's page is reached, by the picture's name."""

    def worklist(page: Page) -> None:
        page.goto("/")
        page.locator("[data-key]").first.wait_for()

    def study_page(page: Page) -> None:
        page.goto(f"/studies/{study}")
        page.locator("#viewer .stage canvas").first.wait_for()
        page.get_by_role("button", name="Heat map").click()
        page.get_by_text("not where disease is").first.wait_for()
        page.mouse.move(2, 2)

    def system(page: Page) -> None:
        page.goto("/system/models")
        page.locator("main h1, main h2").first.wait_for()

    return {"worklist": worklist, "study": study_page, "models": system}


@contextlib.contextmanager
def serving(config: Path, role: str = "web") -> Iterator[str]:
    """Run one role of an installation that serves, its pages unless another is said, for a block; its address."""
    command = [*TIBABU, "run", "--only", role, "--config", str(config)]
    with (config.parent / f"{role}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=config.parent)  # noqa: S603 - our own
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe
        yield json.loads(process.stdout.readline())["url"].rstrip("/")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Page]:
    """Open a browser's page for a block."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        context = browser.new_context(
            base_url=url,
            viewport={"width": 1366, "height": 768},
            color_scheme="dark",
            locale="en-GB",
            timezone_id="UTC",
        )
        context.set_default_timeout(60_000)
        yield context.new_page()
        browser.close()


def save(page: Page, path: Path) -> None:
    """Save what is seen when all of its pictures are there, as WebP: radiographs need many grays."""
    while not page.evaluate(f"[...document.images].filter({SEEN}).every((one) => one.complete && one.naturalWidth)"):
        page.wait_for_timeout(100)  # a script in the page would be against its policy
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    made = io.BytesIO()
    seen.save(made, "WEBP", quality=QUALITY, method=6)
    if made.tell() > LARGEST:
        message = f"expected a picture of at most {LARGEST} bytes. Received: {path.name} of {made.tell()}"
        raise SystemExit(message)
    path.write_bytes(made.getvalue())


if __name__ == "__main__":
    main()
