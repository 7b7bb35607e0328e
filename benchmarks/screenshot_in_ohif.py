"""`python benchmarks/screenshot_in_ohif.py --ohif FOLDER`: a report as a viewer of radiologists shows it, for docs/img.

What `tibabu demo` leaves behind is served over DICOMweb; OHIF, as its makers distribute it (`npm pack
@ohif/app@3.12.10`, its folder `dist`), loads a flagged study from there. Needs Debian's Chromium.
"""

import functools
import http.server
import json
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import click
from screenshots import HERE, TIBABU, opened, save, serving

PICTURE = "S:9702"  # the number of the picture's series


class Viewer(http.server.SimpleHTTPRequestHandler):
    """Serves OHIF's files; every other address is its page."""

    configuration: bytes = b""

    def do_GET(self) -> None:
        """Answer a file, the configuration, or the page."""
        path = self.path.partition("?")[0]
        if path == "/app-config.js":
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.end_headers()
            self.wfile.write(self.configuration)
            return
        if not Path(self.translate_path(path)).is_file():
            self.path = "/index.html"
        super().do_GET()

    def end_headers(self) -> None:
        """Add what OHIF's workers want."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@click.command()
@click.option("--ohif", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=HERE, show_default=True)
def main(ohif: Path, out: Path) -> None:
    """Make the picture."""
    handler = functools.partial(Viewer, directory=str(ohif))
    with (
        tempfile.TemporaryDirectory(prefix="tibabu-ohif-") as folder,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site,
    ):
        threading.Thread(target=site.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{site.server_address[1]}"
        study, token, config = installation(Path(folder) / "demo", origin)
        with serving(config, "dicomweb") as url, opened(origin) as page:
            Viewer.configuration = f"window.config = {json.dumps(configuration(url))}".encode()
            page.goto(f"/viewer?StudyInstanceUIDs={study}&token={token}")
            page.get_by_text("Skip all").click()  # its tour
            page.get_by_text(PICTURE).dblclick()
            page.get_by_text("AI: FLAGGED").nth(1).wait_for()  # over the picture, too
            page.mouse.move(2, 2)
            page.wait_for_timeout(3000)  # until it is painted: no event tells
            save(page, out / "report-in-ohif.webp")
        site.shutdown()


def installation(demo: Path, origin: str) -> tuple[str, str, Path]:
    """Run the demo; a flagged study, a token to read it with, and a configuration that serves it to `origin`."""
    studies = json.loads(output("demo", "--dir", str(demo), "--exit", "--json"))["studies"]
    config = demo / "config.toml"
    config.write_text(f'{config.read_text()}\n[dicomweb]\nenabled = true\nport = 0\nallowed_origins = ["{origin}"]\n')
    token = output("token", "create", "picture", "--scope", "dicomweb:read", "--config", str(config)).strip()
    return next(one["study_instance_uid"] for one in studies if one["outcome"] == "flagged"), token, config


def output(*words: str) -> str:
    """Return what a command prints."""
    return subprocess.run([*TIBABU, *words], check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own


def configuration(url: str) -> dict[str, Any]:
    """Return OHIF's configuration for a DICOMweb, as docs/dicomweb.md has it."""
    roots = dict.fromkeys(("qidoRoot", "wadoRoot", "wadoUriRoot"), url)
    rendering = dict.fromkeys(("imageRendering", "thumbnailRendering"), "wadors")
    return {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "dicomweb",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "dicomweb",
                "configuration": {"friendlyName": "Tibabu", "name": "tibabu", **roots, **rendering},
            }
        ],
    }


if __name__ == "__main__":
    main()
