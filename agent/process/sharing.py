"""The role `dicomweb` put together: what is behind its addresses."""

import threading
from collections.abc import Callable

from agent.config.file import Config
from agent.dicomweb.server import limits_of, serve
from agent.dicomweb.services import Services
from agent.process.parts import Parts, utc_now
from agent.process.receiving import make_receiver, make_workitems
from agent.process.renewal import Renewal
from dicom_io.decoding import Decoder, DecoderSettings


def serve_dicomweb(
    config: Config, parts: Parts, stop: threading.Event, ready: Callable[[str], None], renewal: Renewal
) -> None:
    """Serve until `stop` is set; `ready` is called once, with the URL, when connections are accepted."""
    limits = config.decode
    settings = DecoderSettings(
        processes=limits.processes or 1, seconds=limits.seconds, memory_bytes=limits.megabytes << 20
    )
    with Decoder(settings, starts_now=False) as decoder:  # most who ask want no picture
        serve(
            _services(config, parts, decoder),
            config.dicomweb,
            stop=stop,
            ready=ready,
            follow=lambda renew: renewal.follow(lambda new: renew(_services(new, parts, decoder))),
        )


def _services(config: Config, parts: Parts, decoder: Decoder) -> Services:
    section = config.dicomweb
    return Services(
        database=parts.database,
        store=parts.store,
        receiver=make_receiver(config, parts, rejecters=None),  # whoever stores has a token for it
        decoder=decoder,
        clock=utc_now,
        limits=limits_of(section),
        workitems=make_workitems(config, parts),
        public_url=section.public_url,
        behind_proxy=section.behind_proxy,
        accept_unknown_sop_classes=config.receive.accept_unknown_sop_classes,
    )
