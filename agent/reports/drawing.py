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
    picture = shaded(frame, heat_map, opacity)
    height, width, _ = picture.shape
    size = max(_READABLE_FONT, round(min(width, height) * _FONT_FRACTION))
    return np.concatenate([picture, np.asarray(_band(width, size, headline, lines))])


def shaded(frame: Frame, heat_map: Frame | None, opacity: float) -> Frame:
    """Return uint8 [h, w, 3] of `frame`, as in `draw`, with the heat map over it and nothing said."""
    picture = Image.fromarray(frame).convert("RGB")
    return np.asarray(picture if heat_map is None else _shade(picture, heat_map, opacity))


def overlay(heat_map: Frame, width: int, height: int) -> Frame:
    """Return uint8 [height, width, 4], RGBA: what `draw` lays over an image of that size at the full opacity."""
    heat = Image.fromarray(heat_map).resize((width, height), Image.Resampling.BICUBIC)
    laid = np.zeros((height, width, 4), np.uint8)
    laid[..., :3] = _TINT
    laid[..., 3] = np.asarray(heat.point(_shades(1)))
    dark, line = _outlines(np.asarray(heat))
    laid[dark] = (*_DARK, 255)
    laid[line] = (*_LINE, 255)
    return laid


def _shade(picture: Image.Image, heat_map: Frame, opacity: float) -> Image.Image:
    """Tint a picture where the map is warm, and outline where it is hot."""
    heat = Image.fromarray(heat_map).resize(picture.size, Image.Resampling.BICUBIC)
    mask = heat.point(_shades(opacity))
    if (tinted := mask.getbbox()) is not None:
        picture.paste(_TINT, tinted, mask.crop(tinted))
    shaded = np.array(picture)
    dark, line = _outlines(np.asarray(heat))
    shaded[dark] = _DARK
    shaded[line] = _LINE
    return Image.fromarray(shaded)


def _shades(opacity: float) -> list[int]:
    """Return how strong the tint is, 0 to 255, for each level of the map."""
    shades = np.clip((np.arange(256) - _FLOOR) / (255 - _FLOOR), 0, 1) * opacity * 255
    return [round(shade) for shade in shades.tolist()]


def _outlines(heat: Frame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the dark and the bright line around what is hot are."""
    hot = heat >= _OUTLINE
    thickness = max(1, round(min(heat.shape) / _LINE_FRACTION))
    dark, line = np.zeros_like(hot), np.zeros_like(hot)
    rows, columns = np.flatnonzero(hot.any(axis=1)), np.flatnonzero(hot.any(axis=0))
    if rows.size:  # no line lies farther than its thickness from what is hot
        around = tuple(slice(max(0, lines[0] - thickness), lines[-1] + thickness + 1) for lines in (rows, columns))
        part = hot[around]
        dark[around] = _spread(part, thickness) & ~part
        line[around] = part & _spread(~part, thickness)
    return dark, line


def _spread(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return the mask widened by `distance` pixels to all sides."""
    for _ in range(2):
        wide = mask.copy()
        for step in range(1, min(distance, mask.shape[0] - 1) + 1):
            wide[step:] |= mask[:-step]
            wide[:-step] |= mask[step:]
        mask = wide.T
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
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
