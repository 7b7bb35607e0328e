"""What Alembic compares: every table of this package on the database where it belongs."""

from functools import partial
from typing import Any, Literal

from sqlalchemy.schema import SchemaItem, Table

import db.queue.job_table
import db.schema.accounts
import db.schema.arrival
import db.schema.audit
import db.schema.commitment
import db.schema.configuration
import db.schema.delivery
import db.schema.disk
import db.schema.domain
import db.schema.drift
import db.schema.hl7
import db.schema.keeping
import db.schema.model
import db.schema.network
import db.schema.pictures
import db.schema.reading
import db.schema.search
import db.schema.ticks
import db.schema.tokens
import db.schema.triage
import db.schema.views
import db.schema.withdrawal
import db.schema.workitems
from db.metadata import metadata
from db.types import UtcDateTime

TABLES = (
    db.schema.domain,
    db.schema.accounts,
    db.schema.arrival,
    db.schema.audit,
    db.schema.commitment,
    db.schema.configuration,
    db.schema.delivery,
    db.schema.disk,
    db.schema.drift,
    db.schema.hl7,
    db.schema.keeping,
    db.schema.model,
    db.schema.network,
    db.schema.reading,
    db.schema.pictures,
    db.schema.search,
    db.schema.ticks,
    db.schema.tokens,
    db.schema.triage,
    db.schema.views,
    db.schema.withdrawal,
    db.schema.workitems,
    db.queue.job_table,
)
"""The modules that register tables with `metadata`."""


def configuration(dialect: str) -> dict[str, Any]:
    """Return the arguments of Alembic's `configure` beside the connection."""
    return {
        "target_metadata": metadata,
        "include_object": partial(_belongs, dialect),
        "render_as_batch": True,  # SQLite alters a table by copying it
        "compare_type": True,
        "compare_server_default": True,
        "render_item": _rendered,
    }


def _belongs(dialect: str, item: SchemaItem, _name: str | None, kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001 - Alembic's signature
    if kind == "table" and isinstance(item, Table):
        return bool(item.info.get("dialect", dialect) == dialect)
    return True


def _rendered(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Let a generated script say what the column is, not which class of today's makes it so."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False
