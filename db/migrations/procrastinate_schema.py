"""Procrastinate's tables in the PostgreSQL schema "procrastinate", from the installed package's own SQL.

The schema's comment keeps the name of the last of procrastinate's migrations that it contains, so that a newer package
brings the older schema up by its own migration files. Alembic compares the default schema only and never sees these.
"""

from importlib import resources

from sqlalchemy import Connection, text

SCHEMA = "procrastinate"


def upgrade(connection: Connection) -> None:
    """Create the tables or apply what the installed package has added since; nothing where all is there."""
    names = migrations()
    have = _version(connection)
    if have is not None and have >= names[-1]:
        return
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    before = connection.execute(text("SHOW search_path")).scalar_one()
    connection.execute(text(f"SET LOCAL search_path = {SCHEMA}"))
    scripts = ["schema.sql"] if have is None else [f"migrations/{name}" for name in names if name > have]
    for script in scripts:
        _execute_script(connection, _sql(script))
    _pin_search_path(connection)
    connection.execute(
        text("CREATE UNIQUE INDEX IF NOT EXISTS tibabu_parked ON procrastinate_jobs (lock) WHERE status = 'failed'")
    )
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{names[-1]}'")
    connection.execute(text("SELECT set_config('search_path', :before, true)"), {"before": before})


def is_behind(connection: Connection) -> bool:
    """Tell whether `upgrade` has something to do."""
    have = _version(connection)
    return have is None or have < migrations()[-1]


def _version(connection: Connection) -> str | None:
    query = text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name")
    return connection.execute(query, {"name": SCHEMA}).scalar_one_or_none()


def migrations() -> list[str]:
    """Return the names of the installed package's migrations, the oldest first."""
    folder = resources.files("procrastinate.sql").joinpath("migrations")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _sql(name: str) -> str:
    return resources.files("procrastinate.sql").joinpath(name).read_text(encoding="utf-8")


def _execute_script(connection: Connection, script: str) -> None:
    """Execute several statements at once, which the driver does only for one that has no parameters."""
    cursor = connection.connection.cursor()
    cursor.execute(script)
    cursor.close()


def _pin_search_path(connection: Connection) -> None:
    """Let procrastinate's functions and triggers find its tables whoever calls them, with whatever search path."""
    functions = connection.execute(
        text("SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = to_regnamespace(:name)"),
        {"name": SCHEMA},
    ).scalars()
    for function in functions.all():
        connection.exec_driver_sql(f"ALTER FUNCTION {function} SET search_path = {SCHEMA}, pg_temp")
