"""What Alembic compares: every table of this package on the database where it belongs."""

from functools import partial
from typing import Any, Literal

from sqlalchemy.schema import SchemaItem, Table

import db.queue.job_table
import db.schema
import db.schema_accounts
import db.schema_arrival
import db.schema_audit
import db.schema_commitment
import db.schema_configuration
import db.schema_delivery
import db.schema_disk
import db.schema_drift
import db.schema_hl7
import db.schema_keeping
import db.schema_model
import db.schema_network
import db.schema_pictures
import db.schema_reading
import db.schema_search
import db.schema_ticks
import db.schema_tokens
import db.schema_triage
import db.schema_views
import db.schema_withdrawal
import db.schema_workitems
from db.metadata import metadata
from db.types import UtcDateTime

TABLES = (
    db.schema,
    db.schema_accounts,
    db.schema_arrival,
    db.schema_audit,
    db.schema_commitment,
    db.schema_configuration,
    db.schema_delivery,
    db.schema_disk,
    db.schema_drift,
    db.schema_hl7,
    db.schema_keeping,
    db.schema_model,
    db.schema_network,
    db.schema_reading,
    db.schema_pictures,
    db.schema_search,
    db.schema_ticks,
    db.schema_tokens,
    db.schema_triage,
    db.schema_views,
    db.schema_withdrawal,
    db.schema_workitems,
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
