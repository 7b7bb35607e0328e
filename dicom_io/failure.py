"""What is logged of an error that a peer's bytes have caused: its type and place, since its words might quote them."""

import traceback


def failure(association_id: str, error: Exception) -> dict[str, str]:
    """Return the fields of the line in the log."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "association_id": association_id,
        "error": type(error).__name__,
        "where": f"{where.filename}:{where.lineno}",
    }
