"""The site: its addresses, its pages and its files. Everything is read from the database, nothing is written."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from agent.web import listing, system, times, words
from agent.web.edge import Edge
from agent.web.study import study_page
from db.breaker import rests
from db.database import Database
from db.disks import disks
from db.ticks import ticks
from db.worklist import study_record, worklist, worklist_counts
from dicom_io.errors import UidError
from dicom_io.header import check_uid

_HERE = Path(__file__).parent

NOT_FOUND: Final = "There is no such page."
NO_STUDY: Final = "No study of that Study Instance UID has been received here."
_TITLES: Final = {
    400: "This request is not for this page",
    404: "Not found",
    405: "Read-only",
    500: "Something went wrong",
    503: "The worklist is not available",
}


class Pages:
    """The pages of one agent. The endpoints are called in threads: the database is asked synchronously."""

    def __init__(self, database: Database, clock: Callable[[], datetime], zone: tzinfo | None = None) -> None:
        """Show times in `zone`; None is the machine's own, which is the reader's: the site is on loopback."""
        self._database = database
        self._clock = clock
        self._zone = zone
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["caveat"] = words.CAVEAT

    def worklist(self, request: Request) -> Response:
        """Show the studies in the order in which they should be read."""
        now = self._clock()
        counts = worklist_counts(self._database, now=now)
        paging = listing.paging(request.query_params.get("page", "1"), counts.studies)
        rows = worklist(self._database, limit=listing.PER_PAGE, offset=paging.offset)
        return self._page(
            "worklist.html",
            updated=times.exact(now, self._zone),
            summary=listing.summary(counts, now),
            paging=paging,
            warnings=list(system.warnings(ticks(self._database), disks(self._database), now)),
            resting=self._resting(),
            studies=[listing.listed(row, paging.offset + n, now, self._zone) for n, row in enumerate(rows, 1)],
        )

    def study(self, request: Request) -> Response:
        """Show everything on record about one study."""
        now = self._clock()
        try:
            record = study_record(self._database, check_uid(request.path_params["study_instance_uid"]))
        except UidError:
            record = None
        if record is None:
            return self.problem(404, NO_STUDY)
        return self._page(
            "study.html",
            updated=times.exact(now, self._zone),
            study=study_page(record, now, self._zone),
        )

    def system(self, _request: Request) -> Response:
        """Show what is done periodically, the disks, and which destinations rest."""
        now = self._clock()
        return self._page(
            "system.html",
            updated=times.exact(now, self._zone),
            ticks=[system.shown_tick(row, now, self._zone) for row in ticks(self._database)],
            disks=[system.shown_disk(disk, self._zone) for disk in disks(self._database)],
            resting=self._resting(),
        )

    def alive(self, _request: Request) -> Response:
        """Say that this process serves."""
        return JSONResponse({"status": "alive"})

    def problem(self, status: int, sentence: str) -> Response:
        """Return the plain page that says what is wrong."""
        return self._page("problem.html", status, title=_TITLES.get(status, "Not possible"), sentence=sentence)

    def _resting(self) -> list[listing.RestingDestination]:
        return [listing.resting(rest, self._zone) for rest in rests(self._database, only_open=True)]

    def _page(self, template: str, status: int = 200, /, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values), status)


class _Files(StaticFiles):
    """Static files, which a browser may keep as long as it asks whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_site(database: Database, clock: Callable[[], datetime], zone: tzinfo | None = None) -> Starlette:
    """Return the ASGI application that shows the worklist in `database`."""
    pages = Pages(database, clock, zone)

    def refused(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return pages.problem(status, NOT_FOUND)

    site = Starlette(
        routes=[
            Route("/", pages.worklist),
            Route("/studies/{study_instance_uid}", pages.study),
            Route("/system", pages.system),
            Route("/healthz", pages.alive),
            Mount("/static", _Files(directory=_HERE / "static")),
        ],
        middleware=[Middleware(Edge, problem=pages.problem)],
        exception_handlers={HTTPException: refused},
    )
    site.router.redirect_slashes = False
    return site
