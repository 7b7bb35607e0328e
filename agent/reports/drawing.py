"""The pixels of the picture: a radiograph, the heat map over it, and captions in strips at its edges.

Everything is drawn in the radiograph's own geometry, and so that it can be told apart on a grayscale display too: the
outline is a bright line beside a dark one. The font comes with Pillow.
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
_LINE_FRACTION: Final = 500  # the outline is this fraction of the shorter side thick
_FONT_FRACTION: Final = 0.021
_HEADLINE: Final = 1.35  # times the size of the lines
_SMALLEST_FONT: Final = 8
_READABLE_FONT: Final = 11
_LEADING: Final = 1.25
_STRIP_LIMIT: Final = 0.3  # of the height, for one strip
_STRIP_DARKNESS: Final = 0.72


def draw(frame: Frame, heat_map: Frame | None, *, headline: str, lines: Sequence[str], opacity: float) -> Frame:
    """Return uint8 [h, w, 3] of `frame`, uint8 [h, w] or [h, w, 3], with what is laid over it.

    `heat_map` is uint8 [any, any] over the whole frame; `opacity`, 0 to 1, is that of its strongest shade.
    """
    picture = Image.fromarray(frame).convert("RGB")
    if heat_map is not None:
        picture = _shade(picture, heat_map, opacity)
    _caption(picture, headline, lines)
    return np.asarray(picture)


def _shade(picture: Image.Image, heat_map: Frame, opacity: float) -> Image.Image:
    """Tint where the map is warm, and outline where it is hot."""
    heat = Image.fromarray(heat_map).resize(picture.size, Image.Resampling.BICUBIC)
    levels = np.arange(256)
    shades = np.clip((levels - _FLOOR) / (255 - _FLOOR), 0, 1) * opacity * 255
    mask = heat.point([round(shade) for shade in shades.tolist()])
    shaded = np.array(Image.composite(Image.new("RGB", picture.size, _TINT), picture, mask))
    hot = np.asarray(heat) >= _OUTLINE
    thickness = max(1, round(min(picture.size) / _LINE_FRACTION))
    shaded[_spread(hot, thickness) & ~hot] = _DARK
    shaded[hot & _spread(~hot, thickness)] = _LINE
    return Image.fromarray(shaded)


def _spread(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return the mask widened by `distance` pixels to all sides."""
    for _ in range(2):
        wide = mask.copy()
        for step in range(1, min(distance, mask.shape[0] - 1) + 1):
            wide[step:] |= mask[:-step]
            wide[:-step] |= mask[step:]
        mask = wide.T
    return mask


def _caption(picture: Image.Image, headline: str, lines: Sequence[str]) -> None:
    """Write the headline into a strip at the top, and the lines into one at the bottom, as large as there is room."""
    size = max(_READABLE_FONT, round(min(picture.size) * _FONT_FRACTION))
    _strip(picture, [headline], round(size * _HEADLINE), top=True)
    _strip(picture, lines, size, top=False)


def _strip(picture: Image.Image, lines: Sequence[str], size: int, *, top: bool) -> None:
    width, height = picture.size
    room = round(height * _STRIP_LIMIT)
    while True:
        font = ImageFont.load_default(size)
        margin = size // 2
        wrapped = [part for line in lines for part in _wrap(line, font, width - 2 * margin)]
        leading = round(size * _LEADING)
        if 2 * margin + leading * len(wrapped) <= room or size <= _SMALLEST_FONT:
            break
        size -= 1
    wrapped = wrapped[: max(1, (room - 2 * margin) // leading)]
    strip = min(height, 2 * margin + leading * len(wrapped))
    box = (0, 0, width, strip) if top else (0, height - strip, width, height)
    region = picture.crop(box)
    picture.paste(Image.blend(region, Image.new("RGB", region.size, _DARK), _STRIP_DARKNESS), box)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(wrapped):
        pen.text((margin, box[1] + margin + number * leading), line, fill=_LINE if top else _WHITE, font=font)


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
