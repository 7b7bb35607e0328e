"""The role `web` put together: what the pages and the API work with, and where they answer."""

import threading
from collections.abc import Callable
from dataclasses import replace

from agent.config.file import Config
from agent.config.shown import described
from agent.metrics.counted import Counts
from agent.net.http_server import certificate_of, url
from agent.process.neighbours import neighbours_of
from agent.process.parts import Parts, allowances, utc_now
from agent.process.renewal import Renewal
from agent.watch.watching import make_check, make_exposition
from agent.web.decoding import Decoding
from agent.web.models import InUse
from agent.web.server import accounts_of, reach_of, serve
from agent.web.services import Services, Watch
from dicom_io.decoding import DecoderSettings


def serve_web(
    config: Config,
    parts: Parts,
    stop: threading.Event,
    ready: Callable[[str], None],
    renewal: Renewal,
    counts: Counts | None,
) -> None:
    """Serve until `stop` is set; `ready` is called once, with the URL, when connections are accepted.

    What is counted where `counts` does is told by its metrics.
    """
    section, limits = config.web, config.decode
    settings = DecoderSettings(processes=1, seconds=limits.seconds, memory_bytes=limits.megabytes << 20)
    certificate = certificate_of(section.tls_certificate, section.tls_key)
    folder = None if counts is None else counts.folder

    def watch(config: Config) -> Watch:
        return Watch(make_exposition(config, parts, folder).scrape, make_check(config, parts, folder).look)

    with Decoding(settings) as decoding:
        services = Services(
            database=parts.database,
            queue=parts.queue,
            store=parts.store,
            clock=utc_now,
            allowances=allowances(config),
            decoding=decoding,
            accounts=accounts_of(section, parts.database, utc_now),
            reach=reach_of(section),
            neighbours=neighbours_of(config),
            configuration=described(config),
            models=InUse(config.model.name, config.model.shadow),
            reload=renewal.ask,
            watch=watch(config),
        )

        def renewed(new: Config) -> Services:
            return replace(services, neighbours=neighbours_of(new), configuration=described(new), watch=watch(new))

        serve(
            services,
            host=section.host,
            port=section.port,
            share_port=section.processes > 1,
            certificate=certificate,
            stop=stop,
            ready=lambda port: ready(url(section.host, port, "/", certificate)),
            follow=lambda renew: renewal.follow(lambda new: renew(renewed(new))),
        )
