"""The pixels of the picture: a radiograph, the heat map over it, and under it a band with the caption.

The radiograph keeps its size and its place: a pixel of it has the same row and column in the picture, and no word
covers it. Everything can be told apart on a grayscale display too: the outline is a bright line beside a dark one. The
font comes with Pillow.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]

_GRAY: Final = 2  # dimensions of a frame without colours
_TINT: Final = (255, 120, 0)
_LINE: Final = (255, 225, 60)
_DARK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_FLOOR: Final = 64  # of 255: less activation than this is not shaded
_OUTLINE: Final = 128  # of 255: the hot region is what lies above
_LINE_FRACTION: Final = 500  # the outline is the shorter side divided by this thick
_FONT_FRACTION: Final = 0.021
_HEADLINE: Final = 1.35  # times the size of the lines
_READABLE_FONT: Final = 11
_LEADING: Final = 1.25


def draw(frame: Frame, heat_map: Frame | None, *, headline: str, lines: Sequence[str], opacity: float) -> Frame:
    """Return uint8 [h + band, w, 3] of `frame`, uint8 [h, w] or [h, w, 3], with what is laid over it and said under it.

    `heat_map` is uint8 [any, any] over the whole frame; `opacity`, 0 to 1, is that of its strongest shade.
    """
    height, width = frame.shape[:2]
    size = max(_READABLE_FONT, round(min(width, height) * _FONT_FRACTION))
    band = np.asarray(_band(width, size, headline, lines))
    drawn = np.empty((height + len(band), width, 3), np.uint8)  # a copy takes as long as a report
    drawn[height:] = band
    _lay(drawn[:height], frame, heat_map, opacity)
    return drawn


def shaded(frame: Frame, heat_map: Frame | None, opacity: float) -> Frame:
    """Return uint8 [h, w, 3] of `frame`, as in `draw`, with the heat map over it and nothing said."""
    drawn = np.empty((*frame.shape[:2], 3), np.uint8)
    _lay(drawn, frame, heat_map, opacity)
    return drawn


def overlay(heat_map: Frame, width: int, height: int) -> Frame:
    """Return uint8 [height, width, 4], RGBA: what `draw` lays over an image of that size at the full opacity."""
    heat = Image.fromarray(heat_map).resize((width, height), Image.Resampling.BICUBIC)
    laid = np.zeros((height, width, 4), np.uint8)
    laid[..., :3] = _TINT
    laid[..., 3] = np.asarray(heat.point(_shades(1)))
    dark, line = _outlines(np.asarray(heat), _thickness(np.asarray(heat)))
    laid[dark] = (*_DARK, 255)
    laid[line] = (*_LINE, 255)
    return laid


def _lay(drawn: Frame, frame: Frame, heat_map: Frame | None, opacity: float) -> None:
    """Fill `drawn` with the frame, tinted where the map is warm, and outlined where it is hot.

    A channel after the other: that takes a third of what all at once do.
    """
    planes = [frame] * 3 if frame.ndim == _GRAY else [frame[..., channel] for channel in range(3)]
    if heat_map is None:
        for channel, plane in enumerate(planes):
            drawn[..., channel] = plane
        return
    heat = Image.fromarray(heat_map).resize((frame.shape[1], frame.shape[0]), Image.Resampling.BICUBIC)
    strengths = heat.point(_shades(opacity))
    for channel, (plane, tint) in enumerate(zip(planes, _TINT, strict=True)):
        tinted = Image.fromarray(plane)
        tinted.paste(tint, mask=strengths)
        drawn[..., channel] = np.asarray(tinted)
    _outline(drawn, np.asarray(heat))


def _outline(drawn: Frame, heat: Frame) -> None:
    """Draw the two lines around what is hot."""
    if (hot := _box(heat >= _OUTLINE)) is None:
        return
    around = _widened(hot, _thickness(heat))
    dark, line = _outlines(heat[around], _thickness(heat))
    for channel in range(3):
        part = drawn[(*around, channel)]
        part[dark] = _DARK[channel]
        part[line] = _LINE[channel]


def _shades(opacity: float) -> list[int]:
    """Return how strong the tint is, 0 to 255, for each level of the map."""
    shades = np.clip((np.arange(256) - _FLOOR) / (255 - _FLOOR), 0, 1) * opacity * 255
    return [round(shade) for shade in shades.tolist()]


def _outlines(heat: Frame, thickness: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the dark and the bright line around what is hot are."""
    hot = heat >= _OUTLINE
    return _spread(hot, thickness) & ~hot, hot & _spread(~hot, thickness)


def _thickness(heat: Frame) -> int:
    sides: tuple[int, ...] = heat.shape
    return max(1, round(min(sides) / _LINE_FRACTION))


def _box(marked: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the smallest part, rows and columns, that holds all that is marked; None where nothing is."""
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if rows.size else None


def _widened(box: tuple[slice, slice], distance: int) -> tuple[slice, slice]:
    """Return a part that is larger by `distance` on all sides: no line lies farther from what is hot."""
    rows, columns = (slice(max(0, side.start - distance), side.stop + distance) for side in box)
    return rows, columns


def _spread(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return the mask widened by `distance` pixels to all sides."""
    for axis in (0, 1):
        wide = mask.copy()
        for step in range(1, min(distance, mask.shape[axis] - 1) + 1):
            ahead, behind = ((*(slice(None),) * axis, side) for side in (slice(step, None), slice(None, -step)))
            wide[ahead] |= mask[behind]
            wide[behind] |= mask[ahead]
        mask = wide
    return mask


def _band(width: int, size: int, headline: str, lines: Sequence[str]) -> Image.Image:
    """Return the caption as a band as wide as the radiograph and as high as its words need: headline, then lines."""
    margin = size
    fonts = {True: ImageFont.load_default(round(size * _HEADLINE)), False: ImageFont.load_default(size)}
    room = max(1, width - 2 * margin)
    rows = [(True, part) for part in _wrap(headline, fonts[True], room)]
    rows += [(False, part) for line in lines for part in _wrap(line, fonts[False], room)]
    leadings = {True: round(size * _HEADLINE * _LEADING), False: round(size * _LEADING)}
    band = Image.new("RGB", (width, 2 * margin + sum(leadings[head] for head, _ in rows)), _DARK)
    pen, top = ImageDraw.Draw(band), margin
    pen.line([(0, 0), (width, 0)], fill=_WHITE, width=max(1, size // 16))  # many radiographs are black at the bottom
    for head, text in rows:
        pen.text((margin, top), text, fill=_LINE if head else _WHITE, font=fonts[head])
        top += leadings[head]
    return band


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Break text between words into lines that are at most `width` pixels wide, where its words are."""
    words = text.split()
    if font.getlength(whole := " ".join(words)) <= width:
        return [whole]
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
