"""`tibabu token`: which programs may ask. A token is shown once, when it is made; only its digest is kept."""

from typing import Any

import click

from agent.cli.options import config_option, json_option, print_json, print_rows, user, when
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from agent.tokens import SCOPES, new_token
from db.tokens import TokenRecord, create_token, revoke_token, tokens


@click.group(short_help="Say which programs may ask, and for what.")
def token() -> None:
    """Say which programs may use DICOMweb and the API: each has a token of its own, with what it may do.

    A program sends its token in the header `Authorization: Bearer TOKEN`.
    """


@token.command(short_help="Make a token.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(tuple(SCOPES)),
    multiple=True,
    required=True,
    help="What it may do (repeatable): " + "; ".join(f"{scope}: {what}" for scope, what in SCOPES.items()) + ".",
)
@click.option("--account", help="The account of the role service whose token it is; the token ends with it.")
@config_option
@json_option
def create(name: str, scopes: tuple[str, ...], account: str | None, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Make a token called NAME and print it, this once: there is no way to see it again.

    NAME stands in logs, and where the calling AE title stands for what is received over DICOM: 1 to 16 letters, digits,
    dots, dashes and underscores.
    """
    made = new_token()
    with opened(config) as database:
        record = create_token(
            database,
            name,
            sha256=made.sha256,
            scopes=scopes,
            by=user(),
            now=utc_now(),
            account_name=account,
        )
    if as_json:
        print_json(_document(record) | {"token": made.secret})
    else:
        click.echo(made.secret)


@token.command("list", short_help="Print which tokens there are.")
@config_option
@json_option
def list_tokens(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print all tokens that ever were, oldest first: scopes, who made them, when they were used last."""
    with opened(config) as database:
        found = tokens(database)
    print_rows(found, document=_document, line=_line, none="There is no token yet.", as_json=as_json)


@token.command(short_help="Let a token in no more.")
@click.argument("name")
@config_option
@json_option
def revoke(name: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Let the token called NAME in no more, from the next request on."""
    with opened(config) as database:
        revoke_token(database, name, by=user(), now=utc_now())
    if as_json:
        print_json({"revoked": name})
    else:
        click.echo(f"{name} is let in no more.")


def _line(record: TokenRecord) -> str:
    """Return one token as a line of text."""
    used = "never used" if record.last_used_at is None else f"last used {when(record.last_used_at)}"
    gone = "" if record.revoked_at is None else f", revoked {when(record.revoked_at)} by {record.revoked_by}"
    made = f"made {when(record.created_at)} by {record.created_by}"
    return f"{record.name:<16} {' '.join(sorted(record.scopes)):<30} {made}, {used}{gone}"


def _document(record: TokenRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "scopes": sorted(record.scopes),
        "created_by": record.created_by,
        "created_at": record.created_at,
        "last_used_at": record.last_used_at,
        "revoked_by": record.revoked_by,
        "revoked_at": record.revoked_at,
        "account": record.account,
    }
