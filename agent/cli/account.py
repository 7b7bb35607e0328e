"""`tibabu account`: who may sign in to the web application. The first admin is made here."""

from dataclasses import asdict
from typing import Any

import click

from agent.cli.options import config_option, json_option, print_json, print_rows, user, when
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from agent.web.access import Role
from agent.web.passwords import Hasher, initial_password
from agent.web.people_pages import INITIAL_PASSWORD_LASTS
from agent.web.sign_in import about_account
from db import account_changes
from db.accounts import AccountRecord, NewAccount, account_named, accounts
from db.audit import Who


@click.group(short_help="Say who may use the web application.")
def account() -> None:
    """Say who may use the web application: each person has an account of their own, with roles."""


_ROLES = click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
    help="What they are here for (repeatable).",
)


@account.command(short_help="Make an account.")
@click.argument("name")
@_ROLES
@click.option("--display-name", default="", help="How people call them. Default: the name.")
@config_option
@json_option
def create(name: str, roles: tuple[str, ...], display_name: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Make an account called NAME and print its initial password, this once.

    It has to be replaced at the first sign-in, within three days. An account whose only role is `service` gets none:
    programs have tokens.
    """
    password = None if set(roles) == {Role.SERVICE.value} else initial_password()
    now = utc_now()
    new = NewAccount(
        name=name,
        display_name=display_name,
        roles=roles,
        password_hash=None if password is None else Hasher().hash(password),
        password_ends_at=None if password is None else now + INITIAL_PASSWORD_LASTS,
    )
    with opened(config) as database:
        made = account_changes.create(database, new, who=_who(), now=now)
    _print_password(made.name, password, as_json=as_json)


@account.command("list", short_help="Print which accounts there are.")
@config_option
@json_option
def list_accounts(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print all accounts by name: roles, whether they are disabled, when they signed in last."""
    with opened(config) as database:
        found = accounts(database)
    print_rows(found, document=_document, line=_line, none="There is no account yet.", as_json=as_json)


@account.command(short_help="Give an account other roles.")
@click.argument("name")
@_ROLES
@config_option
def roles(name: str, roles: tuple[str, ...], config: Config) -> None:
    """Give the account called NAME these roles instead of its own, and end its sessions."""
    with opened(config) as database:
        account_changes.change_roles(database, account_named(database, name), roles, who=_who(), now=utc_now())
    click.echo(f"{name} now is: {', '.join(sorted(roles))}")


@account.command(short_help="Give an account a new initial password.")
@click.argument("name")
@click.option("--codes", is_flag=True, help="Remove the authenticator app, too: it has been lost.")
@config_option
@json_option
def reset(name: str, codes: bool, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give the account called NAME a new initial password, print it this once, and end its sessions."""
    password, now = initial_password(), utc_now()
    with opened(config) as database:
        record = account_named(database, name)
        hashed = Hasher().hash(password)
        if codes:  # and with the app the password, where that is too short to stand alone
            account_changes.remove_app(database, record, who=_who(), now=now)
        account_changes.reset_password(
            database, record, hashed, ends_at=now + INITIAL_PASSWORD_LASTS, who=_who(), now=now
        )
    _print_password(record.name, password, as_json=as_json)


@account.command(short_help="Let somebody in no more.")
@click.argument("name")
@config_option
def disable(name: str, config: Config) -> None:
    """Let the account called NAME in no more, and end its sessions."""
    with opened(config) as database:
        account_changes.disable(database, account_named(database, name), who=_who(), now=utc_now())
    click.echo(f"{name} is let in no more.")


@account.command(short_help="Let somebody in again.")
@click.argument("name")
@config_option
def enable(name: str, config: Config) -> None:
    """Let the account called NAME in again."""
    with opened(config) as database:
        account_changes.enable(database, account_named(database, name), who=_who(), now=utc_now())
    click.echo(f"{name} may sign in again.")


@account.command(short_help="Let somebody try again at once.")
@click.argument("name")
@config_option
def unlock(name: str, config: Config) -> None:
    """Let NAME try to sign in again at once, after too many failures."""
    with opened(config) as database:
        record = account_named(database, name)
        account_changes.unlock(database, record, about_account(record.name), who=_who(), now=utc_now())
    click.echo(f"{name} may try again at once.")


def _who() -> Who:
    return Who(user())


def _print_password(name: str, password: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "initial_password": password})
    elif password is None:
        click.echo(f"{name} is a program's account: make it a token.")
    else:
        click.echo(password)


def _line(record: AccountRecord) -> str:
    """Return one account as a line of text."""
    used = "never signed in" if record.signed_in_at is None else f"last signed in {when(record.signed_in_at)}"
    state = "" if record.disabled_at is None else f", disabled {when(record.disabled_at)}"
    return f"{record.name:<24} {' '.join(sorted(record.roles)):<20} {used}{state}"


def _document(record: AccountRecord) -> dict[str, Any]:
    return asdict(record) | {"roles": sorted(record.roles)}
