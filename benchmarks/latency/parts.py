"""What the parts cost, each alone and in the same run: store, decode, score, commit, render, send."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from images import Study
from installation import Installation
from sqlalchemy import text

from agent.config.file import load
from agent.line.rendering import Renderer
from agent.process.inference import make_decoder, make_pipeline
from agent.process.parts import parts_of
from db.concluded import concluded_study
from db.database import open_database
from dicom_io.folder_store import FolderStore
from dicom_io.scu import send

REPEATS = 15


def costs(installation: Installation, studies: Sequence[Study], folder: Path) -> dict[str, float]:
    """Return the median seconds of each part, measured on a warm, otherwise idle installation that has finished.

    store: an image made durable; decode and score: from the file to the outcome, the file read in a process of its own
    as the agent does; commit: the smallest synced transaction; render: an SR; send: an SR over an association of its
    own.
    """
    config = load(installation.config)
    found: dict[str, float] = {}
    with parts_of(config) as parts, make_decoder(config) as decoder:
        pipeline = make_pipeline(config, frames=decoder.read_frames)
        decoder.wait_until_ready()
        store = FolderStore(folder / "parts")
        data = [study.path.read_bytes() for study in studies[:REPEATS]]
        paths = [study.path for study in studies[:REPEATS]]
        found["store"] = _median(lambda number: store.put(data[number]))
        found["decode"] = _median(lambda number: decoder.read_frames(paths[number]))
        found["decode and score"] = _median(lambda number: pipeline.analyse(paths[number]))
        found["score"] = found["decode and score"] - found["decode"]
        renderer = Renderer(parts.store, parts.installation, config.reports)
        reports = [row[0] for row in installation.rows("SELECT id FROM report WHERE kind = 'sr'")][:REPEATS]
        rendered = {}

        def render(number: int) -> None:
            rendered[number] = renderer.render("sr", concluded_study(parts.database, int(str(reports[number])))).data

        found["render"] = _median(render)
        found["send"] = _median(lambda number: send(installation.pacs, [rendered[number]]))
    found["commit"] = _commit(folder / "commits.db")
    return found


def _commit(file: Path) -> float:
    database = open_database(f"sqlite:///{file}")
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))

    def once(number: int) -> None:
        with database.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})

    return _median(once)


def _median(act: Callable[[int], object]) -> float:
    taken = []
    for number in range(REPEATS):
        begun = time.perf_counter()
        act(number)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[2:])  # the first ones load what is loaded once
