"""OHIF, a viewer of radiologists, as its makers distribute it, on an origin of its own."""

import functools
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Web = Any  # tests/integration/dicomweb/conftest.py


def configuration(url: str) -> dict[str, Any]:
    """Return OHIF's configuration for a DICOMweb, as docs/dicomweb.md has it."""
    source = {
        "friendlyName": "Tibabu",
        "name": "tibabu",
        "qidoRoot": url,
        "wadoRoot": url,
        "wadoUriRoot": url,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "qidoSupportsIncludeField": True,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
    }
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
                "configuration": source,
            }
        ],
    }


class _Site(http.server.SimpleHTTPRequestHandler):
    """Serves the viewer's files; every other address is the viewer's page."""

    configuration: bytes = b""

    def do_GET(self) -> None:
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
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")  # OHIF wants both for its workers
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ohif(serve: Callable[..., Web]) -> Iterator[tuple[str, Web]]:
    """Serve the viewer and, on another origin, a DICOMweb that lets its page ask; the viewer's address comes first."""
    folder = os.environ.get("TIBABU_OHIF", "")
    handler = functools.partial(type("Site", (_Site,), {}), directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        origin = f"http://127.0.0.1:{site.server_address[1]}"
        web = serve(allowed_origins=(origin,))
        handler.func.configuration = f"window.config = {json.dumps(configuration(web.url))}".encode()  # type: ignore[attr-defined]
        thread = threading.Thread(target=site.serve_forever, args=(0.02,))
        thread.start()
        yield origin, web
        site.shutdown()
        thread.join()
