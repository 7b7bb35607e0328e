"""`python benchmarks/scale/commits.py`: how many commits a second one PostgreSQL takes, with and without NOTIFY.

Every job that is enqueued tells idle workers of itself by NOTIFY. PostgreSQL lets transactions that notify commit one
after the other, across all sessions, so that they do not share a sync of its log as others do: a ceiling of its own.
"""

import tempfile
import threading
import time
from pathlib import Path

import click
import psycopg
from hosts import LOCAL
from server import postgresql

_TABLE = "CREATE TABLE commits (session int, number int)"
_INSERT = "INSERT INTO commits VALUES (1, 1)"
_NOTIFY = "NOTIFY commits"


@click.command()
@click.option("--sessions", default="1,8,32", show_default=True, help="At once, one run for each number.")
@click.option("--seconds", type=float, default=5, show_default=True, help="For each run.")
def main(sessions: str, seconds: float) -> None:
    """Print a table in Markdown."""
    with tempfile.TemporaryDirectory(prefix="tibabu-commits-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with postgresql(folder, LOCAL.address) as server:
            server.connection.execute(_TABLE)
            click.echo("| sessions | commits/s | of them syncs | with NOTIFY | of them syncs |\n|---|---|---|---|---|")
            for count in map(int, sessions.split(",")):
                cells = []
                for statements in ((_INSERT,), (_INSERT, _NOTIFY)):
                    before = server.done().syncs
                    rate = _rate(server.url, statements, count, seconds)
                    cells += [f"{rate:.0f}", f"{(server.done().syncs - before) / seconds:.0f}"]
                click.echo(f"| {count} | {' | '.join(cells)} |")


def _rate(url: str, statements: tuple[str, ...], sessions: int, seconds: float) -> float:
    counts, stop = [0] * sessions, threading.Event()

    def commit(number: int) -> None:
        with psycopg.connect(url) as connection:
            while not stop.is_set():
                for statement in statements:
                    connection.execute(statement.encode())
                connection.commit()
                counts[number] += 1

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    before, begun = sum(counts), time.perf_counter()
    time.sleep(seconds)
    rate = (sum(counts) - before) / (time.perf_counter() - begun)
    stop.set()
    for thread in threads:
        thread.join()
    return rate


if __name__ == "__main__":
    main()
