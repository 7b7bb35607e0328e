"""Which pages there are, each by the name of its file."""

from collections.abc import Callable
from typing import Final

from agent.reference import commands, configuration, http_api, lifecycle, picture
from db.schema import text as schema_text

PAGES: Final[dict[str, Callable[[], str]]] = {
    "configuration.md": configuration.page,
    "commands.md": commands.page,
    "http-api.md": http_api.page,
    "lifecycle.md": lifecycle.page,
    "database.md": schema_text.page,
    "architecture.svg": picture.picture,
}
