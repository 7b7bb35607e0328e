"""What the pixel gate is fitted to: frontal chests as they come from many devices, and what is sent by mistake.

Every function takes a gray picture (uint8, any size) and a generator, and returns a gray square of 64 pixels.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from model.pixel_gate_network import SIDE

Gray = npt.NDArray[np.uint8]
Random = np.random.Generator

_FINE: Final = 2 * SIDE
_CENTRE: Final = (0.5, 0.5)
_FEWEST: Final = 2


def chest(picture: Gray, random: Random) -> Gray:
    """Return a chest as another device, another collimator or another pair of hands would have made it."""
    angle = float(np.clip(random.normal(0.0, 6.0), -15.0, 15.0))
    zoom = np.exp(random.uniform(np.log(0.62), np.log(1.12))) if _chance(random, 0.4) else random.uniform(0.92, 1.1)
    stretch = np.exp(random.uniform(-0.3, 0.3))
    scale = np.clip(np.array([zoom * np.sqrt(stretch), zoom / np.sqrt(stretch)]), 0.55, 1.25)
    loose = 0.04 + 0.35 * np.abs(1.0 - scale)  # a picture smaller than the frame may lie anywhere in it
    centre = np.asarray(_CENTRE) + random.uniform(-1.0, 1.0, 2) * np.minimum(loose, 0.15)
    drawn = _draw(_mirrored(picture, random), angle=angle, scale=scale, centre=centre, ground=_ground(random))
    return _exposed(_marked(drawn, random), random)


def rotated(picture: Gray, random: Random) -> Gray:
    """Return a chest on its side or upside down."""
    turned = np.rot90(picture, int(random.integers(1, 4)))
    if _chance(random, 0.3):
        angle = float(random.choice([-1.0, 1.0]) * random.uniform(15.0, 40.0))
        return _exposed(_draw(_mirrored(turned, random), angle=angle, ground=_ground(random)), random)
    return chest(turned, random)


def inverted(picture: Gray, random: Random) -> Gray:
    """Return a chest with black and white exchanged, in a few cases turned too."""
    turned = np.rot90(picture, int(random.integers(4))) if _chance(random, 0.1) else picture
    return _negative(chest(turned, random))


def _negative(square: Gray) -> Gray:
    return np.subtract(255, square, dtype=np.uint8)


def cropped(picture: Gray, random: Random) -> Gray:
    """Return a part of a chest in which at least one lung, or a half of both, is missing."""
    rows, columns = picture.shape
    wide, high = random.uniform(0.75, 1.0, 2)
    left, top = random.random(2)
    match random.integers(5):
        case 0:  # one side
            wide, left = random.uniform(0.3, 0.5), random.integers(2)
        case 1 | 2:  # the upper or the lower part
            high, top = random.uniform(0.25, 0.42), random.integers(2)
        case 3:  # a detail
            wide, high = random.uniform(0.25, 0.5, 2)
        case _:  # a corner
            wide, high, left = random.uniform(0.3, 0.5), random.uniform(0.4, 0.7), random.integers(2)
    left, top = left * (1.0 - wide), top * (1.0 - high)
    part = picture[
        int(top * rows) : int((top + high) * rows) + 1, int(left * columns) : int((left + wide) * columns) + 1
    ]
    scale = np.exp(random.uniform(-0.15, 0.1, 2))
    return _exposed(
        _draw(_mirrored(part, random), angle=random.normal(0, 4), scale=scale, ground=_ground(random)), random
    )


def lateral(picture: Gray, random: Random) -> Gray:
    """Return a lateral view, in any exposure."""
    angle = float(np.clip(random.normal(0.0, 8.0), -20.0, 20.0))
    scale = np.exp(random.uniform(-0.3, 0.35, 2))
    centre = np.asarray(_CENTRE) + random.uniform(-0.1, 0.1, 2)
    drawn = _draw(_mirrored(picture, random), angle=angle, scale=scale, centre=centre, ground=_ground(random))
    return _exposed(_marked(drawn, random), random)


def other(picture: Gray, random: Random) -> Gray:
    """Return a part of a picture that is no chest radiograph, turned, stretched or inverted."""
    rows, columns = picture.shape
    share = random.uniform(0.4, 1.0, 2) if _chance(random, 0.5) else np.ones(2)
    high, wide = max(int(share[0] * rows), 16), max(int(share[1] * columns), 16)
    top, left = random.integers(0, max(rows - high, 0) + 1), random.integers(0, max(columns - wide, 0) + 1)
    part = np.rot90(picture[top : top + high, left : left + wide], int(random.integers(4)))
    angle = float(random.normal(0.0, 20.0)) if _chance(random, 0.3) else 0.0
    drawn = _draw(
        _mirrored(part, random), angle=angle, scale=np.exp(random.uniform(-0.3, 0.3, 2)), ground=_ground(random)
    )
    return _exposed(_negative(drawn) if _chance(random, 0.25) else drawn, random)


def shuffled(picture: Gray, random: Random) -> Gray:
    """Return a chest cut into tiles that are laid anew: its grays and textures without its anatomy."""
    tiles = int(random.choice([_FEWEST, _FEWEST, 3, 4, 8]))
    side = _FINE // tiles
    square = np.asarray(Image.fromarray(picture).resize((side * tiles, side * tiles), Image.Resampling.BILINEAR))
    cut = square.reshape(tiles, side, tiles, side).transpose(0, 2, 1, 3).reshape(tiles * tiles, side, side)
    order = random.permutation(len(cut))
    while tiles == _FEWEST and (order == np.arange(4)).sum() > 1:
        order = random.permutation(len(cut))
    laid = cut[order].reshape(tiles, tiles, side, side).transpose(0, 2, 1, 3).reshape(side * tiles, side * tiles)
    return _exposed(_draw(laid), random)


def noise(random: Random) -> Gray:
    """Return noise of one grain: white, coloured or blobs."""
    grain = int(random.choice([2, 4, 8, 16, 32, 64]))
    base = random.normal(0.0, 1.0, (grain, grain))
    if _chance(random, 0.4):
        base = np.cumsum(np.cumsum(base, 0), 1)
    elif _chance(random, 0.3):
        base = base + base[:, ::-1]
    low, high = base.min(), base.max()
    scaled = ((base - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    grown = Image.fromarray(scaled).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return _exposed(np.asarray(grown), random)


def text_page(random: Random) -> Gray:
    """Return a page of text, dark on light or light on dark."""
    page = Image.new("L", (_FINE * 2, _FINE * 2), int(random.integers(180, 256)))
    pen, ink = ImageDraw.Draw(page), int(random.integers(0, 90))
    size = int(random.integers(8, 30))
    font = ImageFont.load_default(size)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz     ABCDEFGHIJ0123456789.,"))
    top, margin = int(random.integers(0, 40)), int(random.integers(0, 30))
    while top < _FINE * 2:
        if _chance(random, 0.85):
            line = "".join(random.choice(letters, int(random.integers(5, 60))))
            pen.text((margin, top), line, fill=ink, font=font)
        top += int(size * random.uniform(1.1, 1.8))
    square = np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX))
    return _negative(square) if _chance(random, 0.3) else square


def pattern(random: Random) -> Gray:
    """Return bars, wedges, discs and grids, as phantoms and monitors' test patterns have them."""
    page = Image.new("L", (_FINE, _FINE), int(random.integers(256)))
    pen = ImageDraw.Draw(page)
    step = int(random.integers(6, 40))
    kind = random.integers(5)
    if kind == 0:
        for at in range(0, _FINE, step):
            pen.rectangle((at, 0, at + step // 2, _FINE), fill=int(random.integers(256)))
    elif kind == 1:
        for row in range(0, _FINE, step):
            for column in range(0, _FINE, step):
                pen.rectangle((column, row, column + step, row + step), fill=int(random.integers(256)))
    for _ in range(int(random.integers(1, 9))):
        x, y = random.integers(0, _FINE, 2)
        wide, high = random.integers(6, _FINE, 2)
        shape = pen.ellipse if _chance(random, 0.6) else pen.rectangle
        box = (int(x - wide // 2), int(y - high // 2), int(x + wide // 2), int(y + high // 2))
        shape(box, fill=int(random.integers(256)) if _chance(random, 0.8) else None, outline=int(random.integers(256)))
    if _chance(random, 0.5):
        page = page.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 8))))
    return _exposed(np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX)), random)


def _draw(
    picture: Gray,
    *,
    angle: float = 0.0,
    scale: npt.ArrayLike = (1.0, 1.0),
    centre: npt.ArrayLike = _CENTRE,
    ground: int = 0,
) -> Gray:
    """Draw a picture into a square: its centre at `centre`, `scale` times the square's size, turned by `angle`."""
    fine = Image.fromarray(np.ascontiguousarray(picture)).resize((_FINE, _FINE), Image.Resampling.BILINEAR)
    (wide, high), (x, y) = np.asarray(scale, float), np.asarray(centre, float) * _FINE
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    a, b, d, e = cosine / wide, sine / wide, -sine / high, cosine / high
    half = _FINE / 2
    matrix = (a, b, half - a * x - b * y, d, e, half - d * x - e * y)
    size = (_FINE, _FINE)
    drawn = fine.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=ground)
    return np.asarray(drawn.resize((SIDE, SIDE), Image.Resampling.BOX))


def _chance(random: Random, share: float) -> bool:
    return bool(random.random() < share)


def _mirrored(picture: Gray, random: Random) -> Gray:
    return picture[:, ::-1] if _chance(random, 0.5) else picture


def _ground(random: Random) -> int:
    """Return the gray beside a picture: mostly the black of no exposure, else white or anything."""
    return 0 if _chance(random, 0.7) else 255 if _chance(random, 0.5) else int(random.integers(256))


def _marked(square: Gray, random: Random) -> Gray:
    """Add what lies over a radiograph: collimator's edges, side markers, burned-in text."""
    marked = square.copy()
    if _chance(random, 0.25):
        edge, width = int(random.integers(4)), int(random.integers(1, 9))
        np.rot90(marked, edge)[:width] = _ground(random)
    for _ in range(int(random.integers(0, 3))):
        row, column = random.integers(0, SIDE - 6, 2)
        if min(row, column, SIDE - row, SIDE - column) < SIDE // 6:
            marked[row : row + random.integers(2, 6), column : column + random.integers(2, 8)] = random.choice([0, 255])
    return marked


def _exposed(square: Gray, random: Random) -> Gray:
    """Vary gamma, window, sharpness and noise."""
    values = square.astype(np.float32) / 255.0
    values = values ** np.exp(random.uniform(-0.55, 0.55))
    low, high = random.uniform(-0.1, 0.15), random.uniform(0.85, 1.1)
    values = np.clip((values - low) / (high - low), 0.0, 1.0)
    if _chance(random, 0.3):
        image = Image.fromarray((values * 255).astype(np.uint8))
        values = np.asarray(image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.2)))), np.float32) / 255
    if _chance(random, 0.3):
        values = values + random.standard_normal(values.shape, np.float32) * np.float32(random.uniform(0.005, 0.05))
    level = random.uniform(40.0, 255.0)
    return (np.clip(values, 0.0, 1.0) * level).astype(np.uint8)


OF_CHESTS: Final[dict[str, Callable[[Gray, Random], Gray]]] = {
    "chest": chest,
    "inverted": inverted,
    "rotated": rotated,
    "cropped": cropped,
}
"""Classes that are made from frontal chests, and how."""
