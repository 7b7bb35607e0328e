"""What can happen to a study, and where a delivery stands."""

from agent.reference.markdown import code, table
from db.lifecycle import Event, State, step

_HEAD = """\
# The lifecycle of a study

Written from the code (`db/lifecycle.py`) by `python -m agent.reference docs/reference`; do not edit. What the
events mean and what leads to them stands in [architecture](../architecture.md#the-studys-lifecycle). A star: a new
revision of the study begins. An event that has no cell means nothing there, and changes nothing. Each step is a row
of `study_event`, which is never deleted.

"""


def page() -> str:
    """Return the page."""
    rows = []
    for event in Event:
        steps = [step(state, event) for state in State]
        cells = ["" if one is None else f"{one.to}{'*' if one.new_revision else ''}" for one in steps]
        rows.append((code(event), *cells))
    return _HEAD + table(("event", *(f"from {state}" for state in State)), rows)
