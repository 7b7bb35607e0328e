"""Run by Alembic for every command: connects the scripts with the caller's connection and this version's tables."""

from alembic import context

from db.migrations.scope import configuration

connection = context.config.attributes["connection"]
context.configure(connection=connection, **configuration(connection.dialect.name))
with context.begin_transaction():
    context.run_migrations()
