"""The exceptions of this package.

    DatabaseError
    +-- DatabaseUnavailableError   cannot be reached, shut down, disk error: try again later
    |   +-- DatabaseFullError      no space left for rows
    +-- DatabaseBusyError          a lock, a deadlock or the pool timed out: nothing was written, repeat it
    +-- SchemaError                tables are missing or of another version: `tibabu migrate`
    +-- ConstraintError            a row breaks a rule of the schema (`constraint` names it)
    +-- QueryError                 the statement or the URL itself is wrong: a defect of this program or its config
    +-- RefusedError               what is on record does not allow what a person asked for
        +-- ChangedError           somebody, or something that came, was first: look again

No message carries a value of a row: drivers quote the offending key in their messages, and keys can be patient data.
"""


class DatabaseError(Exception):
    """Every exception of this package."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached or cannot work now; nothing was committed."""


class DatabaseFullError(DatabaseUnavailableError):
    """The database has no space left; nothing was committed."""


class DatabaseBusyError(DatabaseError):
    """Somebody else held a lock for too long; nothing was committed and the transaction may be repeated."""


class SchemaError(DatabaseError):
    """Tables or columns are missing or of another version; `tibabu migrate` puts that right."""


class ConstraintError(DatabaseError):
    """A row breaks a rule of the schema."""

    def __init__(self, message: str, constraint: str = "") -> None:
        """`constraint` is the rule's name where the database tells it (PostgreSQL), otherwise what SQLite says."""
        super().__init__(message)
        self.constraint = constraint


class QueryError(DatabaseError):
    """The statement, a value's type or the database's URL is wrong: nothing that trying again could put right."""


class RefusedError(DatabaseError):
    """What is on record does not allow what was asked for; the message says why. Nothing was changed."""


class ChangedError(RefusedError):
    """What is on record has changed since the person who asks saw it; the message says how. Nothing was changed."""
