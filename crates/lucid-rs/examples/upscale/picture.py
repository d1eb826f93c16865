"""Draws picture.png, the example's default input: an inked harbour, made of distance functions.

    python picture.py [--scale N] [--output FILE]

Needs numpy. A pixel is the mean of 8 x 8 samples, so edges carry as much detail as their resolution can hold; with
`--scale 2` the same scene comes out twice the size, to compare an upscaled picture with.
"""

import argparse
import struct
import zlib
from pathlib import Path

import numpy

WIDTH, HEIGHT, SAMPLES = 160, 120, 8
INK = (0.10, 0.09, 0.16)


def disc(x, y, centre, radius):
    """The distance to a disc, negative inside; so are all below."""
    return numpy.hypot(x - centre[0], y - centre[1]) - radius


def polygon(x, y, corners):
    """The distance to the half-planes of a convex polygon, its corners clockwise on the screen."""
    distance = numpy.full_like(x, -numpy.inf)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        side = (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)
        distance = numpy.maximum(distance, side / numpy.hypot(x1 - x0, y1 - y0))
    return distance


def stroke(x, y, start, end, width):
    """The distance to a line with round ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = numpy.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return numpy.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - width / 2


def scene(x, y):
    """The colour at every point."""
    image = numpy.empty((*x.shape, 3))
    height = y / HEIGHT
    for channel, (top, bottom) in enumerate([(0.22, 0.99), (0.42, 0.82), (0.68, 0.62)]):
        image[..., channel] = top + (bottom - top) * numpy.clip(height / 0.62, 0, 1)

    def paint(distance, colour):
        image[distance < 0] = colour

    def inked(distance, colour, line=1.1):
        paint(distance - line, INK)
        paint(distance, colour)

    # The sun and its rays.
    for turn in range(16):
        angle = turn * numpy.pi / 8
        ray = [(112 + r * numpy.cos(angle), 38 + r * numpy.sin(angle)) for r in (20, 27 if turn % 2 else 33)]
        paint(stroke(x, y, *ray, 1.2), (0.98, 0.66, 0.25))
    inked(disc(x, y, (112, 38), 15), (1.0, 0.88, 0.45))
    # Mountains, with a line along the ridge.
    for base, colour, waves in [(62, (0.44, 0.50, 0.66), (9, 0.075, 0.4)), (70, (0.27, 0.40, 0.47), (6, 0.12, 2.1))]:
        swing, rate, phase = waves
        ridge = base - swing * numpy.sin(rate * x + phase) - 3 * numpy.abs(((x * 0.09 + phase) % 2) - 1)
        inked(ridge - y, colour, 0.9)
    # The sea: bands of waves.
    paint(76 - y, (0.16, 0.44, 0.58))
    for row in range(9):
        crest = 80 + 4.6 * row + 1.1 * numpy.sin(x * (0.5 - 0.03 * row) + 1.7 * row)
        paint(numpy.abs(y - crest) - 0.35 - 0.05 * row, (0.55, 0.80, 0.85) if row % 3 else INK)
    # The lighthouse.
    inked(polygon(x, y, [(19, 50), (29, 50), (33, 92), (15, 92)]), (0.96, 0.95, 0.92))
    for top, bottom in [(57, 65), (73, 81)]:
        left, right = (lambda level: 19 - (level - 50) * 4 / 42), (lambda level: 29 + (level - 50) * 4 / 42)
        paint(polygon(x, y, [(left(top), top), (right(top), top), (right(bottom), bottom), (left(bottom), bottom)]),
              (0.82, 0.22, 0.20))
    inked(polygon(x, y, [(20, 42), (28, 42), (28, 49), (20, 49)]), (1.0, 0.93, 0.55))
    inked(polygon(x, y, [(24, 34), (30, 41), (18, 41)]), (0.82, 0.22, 0.20))
    for post in (22.6, 25.4):
        paint(stroke(x, y, (post, 42), (post, 49), 0.6), INK)
    rock = disc(x, y * 1.9, (24, 182), 20) + 1.3 * numpy.sin(0.9 * x)
    inked(rock, (0.35, 0.30, 0.33))
    # The boat.
    inked(polygon(x, y, [(76, 96), (124, 96), (114, 107), (84, 107)]), (0.63, 0.30, 0.18))
    for plank in (99.5, 103):
        paint(stroke(x, y, (79, plank), (120, plank), 0.5), INK)
    paint(stroke(x, y, (100, 96), (100, 48), 1.6), INK)
    inked(polygon(x, y, [(102, 51), (122, 92), (102, 92)]), (0.97, 0.94, 0.86))
    inked(polygon(x, y, [(98, 56), (98, 92), (80, 92)]), (0.93, 0.55, 0.40))
    for seam in (62, 72, 82):
        paint(stroke(x, y, (102.5, seam), (102.5 + (seam - 52) * 0.48, seam), 0.5), (0.55, 0.52, 0.50))
    for rope in [((100, 48), (77, 96)), ((100, 48), (124, 96))]:
        paint(stroke(x, y, *rope, 0.45), INK)
    inked(polygon(x, y, [(100.8, 44), (109, 47), (100.8, 50)]), (0.20, 0.55, 0.45), 0.7)
    # Gulls.
    for gx, gy, size in [(58, 22, 6), (70, 30, 4), (48, 34, 3.5), (140, 16, 5)]:
        for side in (-1, 1):
            wing = numpy.abs(numpy.hypot(x - gx - side * size / 2, y - gy - size / 3) - size / 2) - 0.45
            paint(numpy.where(y < gy + size / 4, wing, 1), INK)
    return image


def write_png(path, pixels):
    """Writes pixels of 8 bits, (height, width, 3)."""
    height, width, _ = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--scale", type=int, default=1)
parser.add_argument("--output", type=Path, default=Path(__file__).parent / "picture.png")
args = parser.parse_args()
step = args.scale * SAMPLES
y, x = numpy.mgrid[0:HEIGHT * step, 0:WIDTH * step]
samples = scene((x + 0.5) / step, (y + 0.5) / step)
pixels = samples.reshape(HEIGHT * args.scale, SAMPLES, WIDTH * args.scale, SAMPLES, 3).mean(axis=(1, 3))
write_png(args.output, (pixels * 255).round().astype("u1"))
