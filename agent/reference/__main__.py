"""`python -m agent.reference FOLDER` writes the pages into a folder."""

import sys
from pathlib import Path

from agent.reference.pages import PAGES

for name, page in PAGES.items():
    Path(sys.argv[1], name).write_text(page(), encoding="utf-8")
