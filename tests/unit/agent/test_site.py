"""Whoever reads the documentation is not told on: its pages fetch nothing from other hosts."""

import runpy
from pathlib import Path

FOREIGN = runpy.run_path(str(Path(__file__).parents[3] / ".ci/site.py"))["foreign"]


def test_what_a_page_or_style_sheet_would_fetch_from_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<link rel="canonical" href="https://docs.example/"><link rel="stylesheet" href="//fonts.example/a.css">'
        '<script src="https://cdn.example/a.js"></script><a href="https://elsewhere.example/">a link</a>'
        '<img src="img/own.png"><link rel="icon" href="../icon.svg">'
    )
    (tmp_path / "page.css").write_text(
        "a { background: url(https://cdn.example/b.png) } b { background: url(own.png) }"
    )
    assert list(FOREIGN(tmp_path)) == [
        "page.html: //fonts.example/a.css",
        "page.html: https://cdn.example/a.js",
        "page.css: https://cdn.example/b.png",
    ]
