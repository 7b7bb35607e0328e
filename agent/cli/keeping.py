"""`tibabu hold` and `tibabu retention`."""

from dataclasses import asdict

import click

from agent import logs
from agent.cli.options import config_option, json_option, print_json, user
from agent.config.file import Config
from agent.keeping.retention import Retainer
from agent.process.parts import opened, parts_of, utc_now
from agent.reports.wording import plain
from db.database import Database
from db.file_deletion import waiting_files
from db.legal_hold import Hold, hold_patient, hold_study, holds, release_patient, release_study
from db.retention import Share, shares, stored_bytes

_LONGEST_REASON = 200


@click.command(short_help="Keep a study from being removed, whatever retention says.")
@click.argument("study_instance_uid", required=False)
@click.option("--patient", default="", help="Hold all studies of this Patient ID instead, those to come too.")
@click.option("--issuer", default="", help="With --patient: the Issuer of the Patient ID.")
@click.option("--reason", default="", help="Why, in a few words that are kept: nothing of the patient.")
@click.option("--release", is_flag=True, help="Let it go by the rules again.")
@config_option
@json_option
def hold(
    *,
    study_instance_uid: str | None,
    patient: str,
    issuer: str,
    reason: str,
    release: bool,
    config: Config,
    as_json: bool,
) -> None:
    """Put a study, or all of a patient, under legal hold, with --reason, or --release it; without any, list all.

    What is held is not removed, by age, for room or otherwise. Who held and released what stays on record.
    """
    if study_instance_uid is None and not patient:
        _list(config, as_json=as_json)
        return
    if (study_instance_uid is not None and patient) or release == bool(reason):
        message = "name a study or a --patient, and give either --reason or --release"
        raise click.UsageError(message)
    words = plain(reason).strip()
    if len(words) > _LONGEST_REASON:
        message = f"a reason has at most {_LONGEST_REASON} characters"
        raise click.UsageError(message)
    with opened(config) as database:
        studies = _change(database, study_instance_uid, (patient, issuer), None if release else words)
    if as_json:
        print_json({"held": not release, "studies": studies})
    else:
        click.echo(f"{studies} {'study' if studies == 1 else 'studies'} {'released' if release else 'held'}.")


def _change(database: Database, study: str | None, patient: tuple[str, str], reason: str | None) -> int:
    """Hold, or release where there is no reason; return how many studies that are."""
    actor, now = user(), utc_now()
    if study is None and reason is None:
        return release_patient(database, *patient, actor=actor, now=now)
    if study is None:
        return hold_patient(database, *patient, reason=reason or "", actor=actor, now=now)
    if reason is None:
        release_study(database, study, actor=actor, now=now)
    else:
        hold_study(database, study, reason=reason, actor=actor, now=now)
    return 1


def _list(config: Config, *, as_json: bool) -> None:
    with opened(config) as database:
        found = holds(database)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        click.echo("Nothing is held.")
    for one in found:
        click.echo(_line(one))


def _line(one: Hold) -> str:
    what = one.study_instance_uid or f"patient {one.patient_id}"
    end = "" if one.released_at is None else f", released {one.released_at:%Y-%m-%d %H:%M} by {one.released_by}"
    return f"{what}: {one.reason} (since {one.placed_at:%Y-%m-%d %H:%M} UTC by {one.placed_by}{end})"


@click.command(short_help="Say what retention would remove, or remove it now.")
@click.option("--what-would-go", "dry", is_flag=True, help="Say what would go, and what keeps the rest.")
@click.option("--now", "at_once", is_flag=True, help="Remove now what the clock would remove within the hour.")
@config_option
@json_option
def retention(*, dry: bool, at_once: bool, config: Config, as_json: bool) -> None:
    """Say what retention would remove by the table [retention], with counts and sizes, or remove it --now."""
    if dry == at_once:
        message = "say either --what-would-go or --now"
        raise click.UsageError(message)
    logs.configure(level="INFO" if at_once else "WARNING", form=config.log.format)  # to standard error
    with parts_of(config) as parts:
        retainer = Retainer(parts.database, parts.queue, parts.store, config.retention, utc_now)
        if at_once:
            while retainer.run_if_clock_is_right() is not None:
                click.echo("Not done yet: it goes on.", err=True)
        found = {
            "images": shares(parts.database, retainer.policy(), wholly=False),
            "all": shares(parts.database, retainer.policy(), wholly=True),
            "for_room": shares(parts.database, retainer.policy_for_room(), wholly=False) if retainer.excess() else (),
        }
        files, size = waiting_files(parts.database)
        facts = {
            "stored_bytes": stored_bytes(parts.database),
            "excess_bytes": retainer.excess(),
            "files_to_delete": files,
            "bytes_to_delete": size,
        }
    if as_json:
        print_json({name: [asdict(one) for one in rows] for name, rows in found.items()} | facts)
        return
    if not config.retention.is_on:
        click.echo("Retention is off: nothing is set in [retention].")
    for name, title in _TITLES.items():
        for share in found[name]:
            click.echo(f"{title}: {_share(share)}")
    click.echo(f"Stored: {_size(facts['stored_bytes'])}; too much by {_size(facts['excess_bytes'])}.")
    click.echo(f"Files that are being deleted: {files}, {_size(size)}.")


_TITLES = {
    "all": "All but the audit trail",
    "images": "Received objects",
    "for_room": "Received objects, for lack of room the oldest of",
}


def _share(share: Share) -> str:
    counts = f"{share.studies} studies, {share.instances} objects, {_size(share.bytes)}"
    return f"kept ({share.kept_by}): {counts}" if share.kept_by else f"would go: {counts}"


def _size(size: int) -> str:
    return f"{size / 1_000_000_000:.3f} GB"
