"""`tibabu find` and `tibabu pull`: what a peer has, and a study of it."""

import click

from agent import logs
from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.errors import AgentError
from agent.line.pull import Pull, peer_named, pull_study
from agent.process.parts import parts_of
from dicom_io.library_logs import quiet_libraries
from dicom_io.peer import Peer
from dicom_io.query_keys import Level
from dicom_io.query_scu import find as c_find

_PEER = "PEER"
_SHOWN = {
    Level.STUDY: (
        "study_instance_uid",
        "study_date",
        "patient_id",
        "patient_name",
        "accession_number",
        "modalities_in_study",
        "study_description",
        "number_of_study_related_instances",
    ),
    Level.SERIES: ("series_instance_uid", "modality", "series_number", "series_description"),
    Level.IMAGE: ("sop_instance_uid", "sop_class_uid", "instance_number"),
}


def _peer(config: Config, name: str) -> Peer:
    try:
        return peer_named(config, name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=_PEER) from None


@click.command(short_help="Ask a DICOM peer what it has.")
@click.argument("peer", metavar=_PEER)
@click.option("--level", type=click.Choice([str(level) for level in Level]), default="STUDY", help="What to look for.")
@click.option("--patient-id", default="", help="Patient ID; wildcards * and ? are for the peer to understand.")
@click.option("--patient-name", default="", help="Patient's Name, for example 'DOE^J*'.")
@click.option("--accession-number", default="", help="Accession Number.")
@click.option("--study-date", default="", help="Study Date as YYYYMMDD, or a range as 20260101-20260131.")
@click.option("--modality", default="", help="A modality of the study, at level SERIES of the series.")
@click.option("--study", "study_instance_uid", default="", help="Study Instance UID.")
@click.option("--series", "series_instance_uid", default="", help="Series Instance UID.")
@config_option
@json_option
def find(*, peer: str, level: str, config: Config, as_json: bool, **keys: str) -> None:
    """Ask a peer what it has (C-FIND, Study Root). PEER is AET@HOST:PORT or the AE title of a table in [[peers]].

    Below level STUDY the Study Instance UID is needed, at level IMAGE the Series Instance UID too.
    """
    shown = _SHOWN[Level(level)]
    modality = keys.pop("modality")
    keys["modalities_in_study" if level == Level.STUDY else "modality"] = modality if level != Level.IMAGE else ""
    wanted = dict.fromkeys(shown, "") | {name: value for name, value in keys.items() if value}
    found = list(c_find(_peer(config, peer), Level(level), wanted, calling_ae_title=config.receive.ae_title))
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo("  ".join(f"{name}={one.get(name, '')}" for name in shown if one.get(name)))
    click.echo(f"{len(found)} found.")


@click.command(short_help="Fetch a study from a DICOM peer.")
@click.argument("peer", metavar=_PEER)
@click.argument("study_instance_uid")
@click.option(
    "--move", "by_move", is_flag=True, help="By C-MOVE to our own AE title, which the peer has to know; else by C-GET."
)
@click.option("--prior", "as_prior", is_flag=True, help="Keep it for comparison only; not with --move.")
@config_option
@json_option
def pull(*, peer: str, study_instance_uid: str, by_move: bool, as_prior: bool, config: Config, as_json: bool) -> None:
    """Fetch a study from a peer, as if the peer had sent it: it is stored, analysed and reported on like any other.

    PEER is AET@HOST:PORT or the AE title of a table in [[peers]]. With --move the agent has to be running, and the peer
    has to know where. With --prior it is not analysed, not on the worklist and not reported on, unless another sender
    brings some of it. Exit status 0 only if the peer says that it sent everything.
    """
    logs.configure(level="WARNING", form=config.log.format)  # to standard error
    quiet_libraries()
    source = _peer(config, peer)
    if by_move and as_prior:
        message = "a prior is fetched by C-GET: what comes by C-MOVE comes as from any sender"
        raise click.UsageError(message)
    with parts_of(config) as parts:
        done = pull_study(config, parts, Pull(source, study_instance_uid, by_move=by_move, as_prior=as_prior))
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done.completed} of {done.expected} Instances came from {source.ae_title}.")
    if not done.is_whole:
        message = f"expected status 0000 and every Instance. Received: status={done.status:04X} failed={done.failed}"
        raise AgentError(message)
