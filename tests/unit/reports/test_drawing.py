"""The picture's pixels: its geometry, what is laid over it, and what is left alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.reports.drawing import draw

Frame = NDArray[np.uint8]
LINES = ("Suspected pneumonia: probability 0.97. Operating point: sensitive (flagged from 0.31)", "Only pneumonia.")


def gray(rows: int, columns: int, value: int = 100) -> Frame:
    return np.full((rows, columns), value, np.uint8)


def hot_spot() -> Frame:
    heat = np.zeros((156, 156), np.uint8)
    heat[60:90, 40:80] = 255
    return heat


def drawn(frame: Frame, heat_map: Frame | None = None, lines: tuple[str, ...] = LINES, opacity: float = 0.4) -> Frame:
    return draw(frame, heat_map, headline="AI TRIAGE - NOT FOR DIAGNOSIS", lines=lines, opacity=opacity)


@pytest.mark.parametrize(
    ("rows", "columns"), [(440, 440), (1500, 1200), (200, 900), (900, 200), (64, 64), (13, 7), (1, 1)]
)
def test_the_radiograph_keeps_its_rows_and_columns_and_a_band_is_added_below(rows: int, columns: int) -> None:
    height, width, colours = drawn(gray(rows, columns), hot_spot()).shape
    assert (width, colours) == (columns, 3)
    assert height > rows


def test_nothing_is_changed_where_the_map_is_cold() -> None:
    frame = np.random.default_rng(7).integers(0, 256, (1000, 1000), np.uint8)
    picture = drawn(frame, hot_spot())
    cold = np.s_[100:350, 600:1000]
    assert (picture[cold] == frame[cold][..., None]).all()


def test_without_a_map_the_radiograph_stays_as_it_is() -> None:
    picture = drawn(gray(1000, 800))
    assert (picture[:1000] == 100).all()


def test_the_map_lies_where_it_belongs_in_the_sources_geometry() -> None:
    picture = drawn(gray(1560, 780), hot_spot()).astype(int)
    tinted = picture[..., 0] - picture[..., 2] > 30
    tinted[:200] = tinted[-300:] = False
    rows, columns = np.nonzero(tinted)
    assert abs(rows.min() - 600) <= 20
    assert abs(rows.max() - 899) <= 20
    assert abs(columns.min() - 200) <= 20
    assert abs(columns.max() - 399) <= 20


@pytest.mark.parametrize("background", [5, 60, 128, 200, 250])
def test_the_outline_is_seen_on_a_grayscale_display_over_any_background(background: int) -> None:
    picture = drawn(gray(1000, 1000, background), hot_spot(), opacity=0)
    luminance = picture[200:800].astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(luminance - background).max() > 90


def test_the_outline_goes_all_around_with_its_dark_line_outside() -> None:
    picture = drawn(gray(1560, 1560), hot_spot(), opacity=0).astype(int)
    middle_row, middle_column = picture[750, :, 0], picture[:, 600, 0]
    for line, (first, last) in ((middle_row, (400, 800)), (middle_column, (600, 900))):
        bright, dark = np.flatnonzero(line[300:1200] > 200) + 300, np.flatnonzero(line[300:1200] == 0) + 300
        assert abs(bright.min() - first) <= 10
        assert abs(bright.max() - last) <= 10
        assert dark.min() < bright.min()
        assert dark.max() > bright.max()


def test_warmer_is_shaded_more_and_lukewarm_not_at_all() -> None:
    heat = np.repeat(np.linspace(0, 120, 156).astype(np.uint8)[None], 156, axis=0)  # below the outline's level
    red = drawn(gray(1000, 1000), heat)[500, :, 0].astype(int)
    assert (red[:500] == 100).all()
    assert (np.diff(red) >= 0).all()
    assert red[-1] > 110


def test_a_map_that_is_hot_everywhere_or_nowhere_has_no_outline() -> None:
    for level in (0, 255):
        picture = drawn(gray(300, 300), np.full((20, 20), level, np.uint8))
        assert len(np.unique(picture[100:200].reshape(-1, 3), axis=0)) == 1


def test_a_colour_frame_keeps_its_colours() -> None:
    frame = np.zeros((500, 500, 3), np.uint8)
    frame[...] = (10, 20, 30)
    assert (drawn(frame)[250] == (10, 20, 30)).all()


def test_text_is_written_below_the_radiograph_only() -> None:
    picture = drawn(gray(1000, 1000, 0))
    assert (picture[:1000] == 0).all()
    assert (picture[1000:] > 200).any()


def test_the_band_grows_with_what_there_is_to_say() -> None:
    """However small the radiograph is, no line is left out."""
    few, many = (drawn(gray(60, 300, 0), lines=("first line",) + ("more",) * more) for more in (0, 40))
    assert many.shape[0] > few.shape[0] + 40 * 11
    assert (many[-25:] > 200).any()
