"""What a row that is named by its number has to be still: asked of that row alone, by no index.

Where a million studies are over, PostgreSQL's statistics know of none that is being received and of no delivery that
waits: to look through all that do may seem as quick to it as to take the one with that number. It did so with studies;
after an outage of a PACS tens of thousands of deliveries wait.
"""

from sqlalchemy import ColumnElement


def still(column: ColumnElement[str]) -> ColumnElement[str]:
    """Return the column of a row that is named by its number, for a condition that is no way to find it."""
    return column.concat("")
