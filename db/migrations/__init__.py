"""The schema's history: Alembic's scripts, and procrastinate's tables in a schema of their own."""
