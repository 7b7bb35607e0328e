"""The page of one study: everything on record about it."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.web import times, trail
from agent.web.access import Address
from agent.web.objects import record_of, uid_of
from agent.web.priors import other_images, other_lines, why_none
from agent.web.reading_pages import reading_of
from agent.web.services import page, services_of
from agent.web.study import study_page
from agent.web.viewing import HEAT_CAVEAT, left_out, mark_of, viewed_images
from db.priors import MOST as MOST_OTHERS
from db.priors import other_studies
from db.roles import Role


def show_study(request: Request) -> Response:
    """Show everything on record about one study."""
    services = services_of(request)
    now = services.clock()
    record = record_of(request, uid_of(request, "study_instance_uid"))
    trail.viewed(request, record.study.study_instance_uid)
    others = other_studies(services.database, record.study.study_instance_uid)
    images = viewed_images(record.study.study_instance_uid, record.instances, record.image_results)
    images_left_out = left_out(record.instances, images)
    images += other_images(record.study, others)
    return page(
        request,
        "study.html",
        updated=times.exact(now, services.zone),
        study=study_page(record, now, services.zone),
        reading=reading_of(request, record.study),
        images=images,
        images_for_script=[image.for_script() for image in images],
        images_mark=mark_of(images),
        images_left_out=images_left_out,
        heat_caveat=HEAT_CAVEAT,
        others=other_lines(record.study, others),
        most_others=MOST_OTHERS,
        no_others=why_none(record.study, conflict=any(row["role"] == Role.CONFLICT for row in record.instances)),
    )


ADDRESSES: Final = (Address("GET", "/studies/{study_instance_uid}", show_study, WORKLIST_READ),)
