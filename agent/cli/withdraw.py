"""`tibabu withdraw`."""

import click

from agent.cli.options import config_option, json_option, print_json, user
from agent.config.file import Config
from agent.process.parts import allowances, opened, utc_now
from agent.reports.wording import plain
from db.causes import Cause, reason_of
from db.queue import open_queue
from db.result_withdrawal import Why
from db.result_withdrawal import withdraw_result as take_back

_LONGEST_NOTE = 200


@click.command(short_help="Take back the result of a study.")
@click.argument("study_instance_uid")
@click.option(
    "--reason",
    type=click.Choice([cause.value for cause in Cause]),
    required=True,
    help="Why: poor quality, a danger to the patient, or the wrong worklist entry.",
)
@click.option("--note", default="", help="A few words of your own. They are sent and kept: nothing of the patient.")
@config_option
@json_option
def withdraw(study_instance_uid: str, reason: str, note: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Take back the current result of a study, by its Study Instance UID, and what was sent because of it.

    The worklist shows the study as not analysed, without the priority that the result gave it. The running agent sends
    new versions of its reports, and a rejection note to every destination that may have reports in DICOM. `tibabu
    requeue` analyses the study again.
    """
    words = plain(note)
    if len(words) > _LONGEST_NOTE:
        message = f"expected a note of at most {_LONGEST_NOTE} characters. Received: {len(words)}"
        raise click.UsageError(message)
    why = Why(cause=Cause(reason), reason=reason_of(Cause(reason), words), actor=user())
    with opened(config) as database:
        done = take_back(
            database, open_queue(database), study_instance_uid, why, at=utc_now(), allowances=allowances(config)
        )
    if as_json:
        print_json({"revision": done.revision, "outcome": done.outcome.value, "images": done.images})
        return
    outcome = done.outcome.value.replace("_", " ")
    click.echo(
        f"Taken back: the result of revision {done.revision} ({outcome}). {done.images} images count no more."
        " The running agent sends new reports and rejection notes."
    )
