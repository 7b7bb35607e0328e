"""The schema on disk is the schema in the code, whichever way it came about."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from db.database import Database
from db.migrations.scope import configuration


def test_upgrading_to_head_makes_what_the_models_say(database: Database) -> None:
    with database.read() as connection:
        options = configuration(database.dialect)
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, options["target_metadata"]) == []
