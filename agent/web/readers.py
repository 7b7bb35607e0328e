"""To whom a study may be assigned."""

from typing import Final

from agent.web.access import Role
from agent.web.services import Services
from db.accounts import accounts
from db.errors import RefusedError

NO_READER: Final = "There is no account of a reader of that name."


def readers_of(services: Services) -> tuple[str, ...]:
    """Return the names of the accounts of readers; empty without accounts."""
    if services.accounts is None:
        return ()
    known = accounts(services.database)
    return tuple(one.name for one in known if Role.READER in one.roles and one.disabled_at is None)


def check_reader(services: Services, person: str) -> None:
    """Pass for who may be assigned a study, and for "" (nobody). RefusedError for others, where there are accounts."""
    if person and services.accounts is not None and person not in readers_of(services):
        raise RefusedError(NO_READER)
