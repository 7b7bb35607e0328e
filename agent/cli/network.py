"""`tibabu send` and `tibabu echo`."""

from pathlib import Path

import click

from agent.cli.options import PEER, config_option, dicom_files, json_option, print_json, to_peer
from agent.config.file import Config
from agent.errors import AgentError
from dicom_io.scu import Peer, StoreStatus
from dicom_io.scu import echo as c_echo
from dicom_io.scu import send as c_store


@click.command(short_help="Ask a DICOM peer whether it is there.")
@click.argument("peer", metavar=PEER, callback=to_peer)
@config_option
def echo(peer: Peer, config: Config) -> None:
    """Ask a DICOM peer whether it is there (C-ECHO)."""
    c_echo(peer, calling_ae_title=config.receive.ae_title)
    click.echo(f"{peer.ae_title} at {peer.host}:{peer.port} answers.")


@click.command(short_help="Send DICOM files to a Storage SCP.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "peer", metavar=PEER, required=True, callback=to_peer, help="The Storage SCP to send to.")
@config_option
@json_option
def send(paths: tuple[Path, ...], peer: Peer, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Send DICOM files, or every DICOM file of a folder, to a Storage SCP (C-STORE), as they are.

    Exit status 0 only if the peer has stored every one of them.
    """
    files = list(dicom_files(paths))
    if not files:
        message = "expected at least one DICOM file. Received: none"
        raise AgentError(message)
    statuses = c_store(peer, files, calling_ae_title=config.receive.ae_title)
    failed = [status for status in statuses if not status.stored]
    if as_json:
        print_json([_plain(status) for status in statuses])
    else:
        for status in failed:
            click.echo(f"not stored: {status.sop_instance_uid}: {status.text}", err=True)
        click.echo(f"{len(statuses) - len(failed)} of {len(statuses)} stored at {peer.ae_title}.")
    if failed:
        raise SystemExit(1)


def _plain(status: StoreStatus) -> dict[str, object]:
    return {"sop_instance_uid": status.sop_instance_uid, "status": f"{status.status:04X}", "stored": status.stored}
