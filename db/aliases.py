"""Identifiers that were merged into others: images of a known study may still come under the old one."""

from sqlalchemy import Connection, select

from db.patient_match import Demographics, Identifier, Row
from db.schema.hl7 import patient_alias

_STEPS = 16  # merges of merges


def is_merged_into(connection: Connection, prior: Identifier, patient_id: str, issuer: str) -> bool:
    """Tell whether what `prior` names was merged, at once or step by step, into the patient given."""
    return any(one.is_of(patient_id, issuer) for one, _ in successors(connection, prior))


def successors(connection: Connection, prior: Identifier) -> list[tuple[Identifier, Demographics]]:
    """Return what `prior` was merged into, step by step, with what was said of the patient each time.

    Each step is a later merge than the one before it: an ID that another one was merged into was alive then.
    """
    found: list[tuple[Identifier, Demographics]] = []
    last = 0
    while prior.patient_id and len(found) < _STEPS and (row := _next(connection, prior, last)) is not None:
        last = row.id
        prior = Identifier(row.patient_id, row.issuer_of_patient_id)
        said = Demographics(patient_name=row.patient_name, patient_birth_date=row.patient_birth_date)
        found.append((prior, said))
    return found


def _next(connection: Connection, prior: Identifier, after: int) -> Row | None:
    """Return the one merge of an identifier; None where there is none, or several of different authorities."""
    rows = connection.execute(
        select(patient_alias).where(patient_alias.c.prior_patient_id == prior.patient_id, patient_alias.c.id > after)
    ).all()
    fitting = [row for row in rows if prior.is_of(row.prior_patient_id, row.prior_issuer)]
    exact = [row for row in fitting if row.prior_issuer == prior.issuer]
    return (exact or fitting)[0] if len(exact or fitting) == 1 else None
