"""How PostgreSQL is connected to, and what is asked of each session."""

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from db.errors import QueryError

BUSY_TIMEOUT = 30.0  # seconds until a transaction that waits for a lock gives up
STATEMENT_TIMEOUT = 300.0  # seconds until PostgreSQL gives a statement up; migrations have no limit

_OPTIONS = (
    "-c synchronous_commit=on -c timezone=UTC -c client_min_messages=warning "
    f"-c lock_timeout={int(BUSY_TIMEOUT * 1000)} "
    f"-c statement_timeout={int(STATEMENT_TIMEOUT * 1000)} "
    # After ten executions there would be one plan for all values: it uses no partial index, and may read everything
    "-c plan_cache_mode=force_custom_plan "
    "-c idle_in_transaction_session_timeout=300000"  # a suspended host does not hold its row locks for ever
)
# A server that vanished without a word is noticed while something is sent (milliseconds) and while it is waited for.
_NOTICE_SILENCE = {
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def postgresql_engine(url: URL) -> Engine:
    """Return an engine. A first connection to a database that is not in UTF-8 raises `QueryError`."""
    own = url.query.get("options", "")
    options = " ".join([_OPTIONS, *([own] if isinstance(own, str) else own)])
    engine = create_engine(
        url.difference_update_query(["options"]),
        hide_parameters=True,
        pool_size=10,
        max_overflow=20,
        pool_pre_ping=True,  # a restarted server costs no transaction
        connect_args={
            "options": options,
            "client_encoding": "UTF8",
            "application_name": "tibabu",
            "connect_timeout": 10,
            **_NOTICE_SILENCE,
        },
    )
    event.listen(engine, "connect", _check_encoding)
    return engine


def _check_encoding(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Refuse a database that could not take every name, or does not know what letters are (SQL_ASCII)."""
    encoding = connection.info.parameter_status("server_encoding")  # told at connecting: asks nothing
    if encoding != "UTF8":
        wanted = "a database in UTF-8 (createdb --encoding=UTF8 --template=template0)"
        msg = f"expected {wanted}. Received: encoding={encoding}"
        raise QueryError(msg)
