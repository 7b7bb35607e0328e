"""The DICOMweb server of one process."""

import threading
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from agent.config.dicomweb import DicomwebSection
from agent.dicomweb.channels import EventChannels
from agent.dicomweb.edge import Limits
from agent.dicomweb.services import BASE, Services
from agent.dicomweb.site import make_site
from agent.net.http_server import certificate_of, listen, serve_application, url


def limits_of(section: DicomwebSection) -> Limits:
    """Return what a peer may ask."""
    return Limits(
        requests=section.maximum_requests,
        channels=section.maximum_channels,
        pause=section.pause_seconds,
        body=section.maximum_body_megabytes * 1_000_000,
        instance=section.maximum_instance_megabytes * 1_000_000,
    )


def serve(
    services: Services,
    section: DicomwebSection,
    *,
    stop: threading.Event,
    ready: Callable[[str], None],
    follow: Callable[[Callable[[Services], None]], None],
) -> None:
    """Serve until `stop` is set, then finish what is under way and return.

    `ready` is called once, with the address, when connections are accepted; `follow` with what is to be called when
    requests and channels are to be served with other services from then on. Raises InstallationError when the port is
    taken or the certificate cannot be read.
    """
    certificate = certificate_of(section.tls_certificate, section.tls_key)
    with listen(section.host, section.port, setting="dicomweb.port", share_port=section.processes > 1) as listener:
        channels = EventChannels(services, allowed_origins=section.allowed_origins)
        site = make_site(services, allowed_origins=section.allowed_origins)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await (channels if scope["type"] == "websocket" else site)(scope, receive, send)

        def renew(new: Services) -> None:
            site.state.services = new
            channels.renew(new)

        follow(renew)
        with channels.listening():
            serve_application(
                application,
                listener,
                stop=stop,
                ready=lambda: ready(url(section.host, listener.getsockname()[1], BASE, certificate)),
                certificate=certificate,
                channels=True,
            )
