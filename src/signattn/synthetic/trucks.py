"""The shape of a truck: a box as wide as its lane allows, and a cab before it."""

import math

import numpy as np

from signattn.synthetic.cars import (
    GLASS,
    HEADLAMP,
    RUBBER,
    TAILLAMP,
    Array,
    CarShape,
    Corner,
    level,
    panel,
    walls,
)

BOXES = ((206, 206, 202), (176, 182, 190), (150, 44, 36), (44, 72, 120), (196, 178, 128))
CABS = ((200, 200, 198), (168, 40, 34), (40, 66, 116), (70, 74, 78))
Face = tuple[list[Corner], Array]


def drawn_truck(rng: np.random.Generator) -> CarShape:
    """A truck in one of the usual sizes and colours."""
    half, side = float(rng.uniform(3.2, 5.0)), float(rng.uniform(1.12, 1.25))
    top = float(rng.uniform(2.9, 3.8))
    box = np.array(BOXES[int(rng.integers(len(BOXES)))]) * rng.uniform(0.8, 1.1)
    cab = np.array(CABS[int(rng.integers(len(CABS)))]) * rng.uniform(0.85, 1.1)
    front = half - 1.9
    faces = [level(_rectangle(half, -half, side + 0.1), 0.02, RUBBER)]
    for fore in (half - 1.0, -half + 1.2, -half + 2.4):
        faces += _wheels(fore, side)
    faces += walls(_rectangle(front, -half + 0.1, 0.8 * side), 0.5, 0.95, np.full(3, 40.0))
    faces += walls(_rectangle(front - 0.1, -half, side), 0.9, top, box)
    faces += _rear(half, side, top, box)
    faces += _cab((front, half), 0.97 * side, cab)
    return CarShape.made_of(faces)


def _rectangle(front: float, rear: float, side: float) -> list[tuple[float, float]]:
    return [(front, -side), (front, side), (rear, side), (rear, -side)]


def _wheels(fore: float, side: float) -> list[Face]:
    turns = np.linspace(0, 2 * np.pi, 13)[:-1]
    faces = []
    for sign in (1, -1):
        left = sign * (side - 0.02)
        wheel = [(fore + 0.48 * math.sin(a), left, 0.48 + 0.48 * math.cos(a)) for a in turns]
        faces.append((wheel if sign > 0 else wheel[::-1], RUBBER))
        near, far = sorted((left, sign * (side - 0.4)))
        faces.append((panel(fore - 0.4, near, far, 0.0, 0.9, -1), RUBBER))
        faces.append((panel(fore + 0.4, near, far, 0.0, 0.9, 1), RUBBER))
    return faces


def _rear(half: float, side: float, top: float, tone: Array) -> list[Face]:
    """Doors with their gap, a bumper and the tail lamps."""
    back = -half - 0.01
    faces = [(panel(back, -0.015, 0.015, 0.95, top - 0.05, -1), 0.35 * tone)]
    for middle in (-0.45 * side, 0.45 * side):
        faces.append((panel(back, middle - 0.02, middle + 0.02, 1.0, top - 0.1, -1), 0.6 * tone))
    faces.append((panel(back, -0.9 * side, 0.9 * side, 0.42, 0.62, -1), np.full(3, 58.0)))
    faces.append((panel(back, -0.95 * side, 0.95 * side, 0.7, 0.9, -1), np.full(3, 34.0)))
    for right, left in ((-0.92 * side, -0.72 * side), (0.72 * side, 0.92 * side)):
        faces.append((panel(back - 0.01, right, left, 0.72, 0.88, -1), TAILLAMP))
    return faces


def _cab(ends: tuple[float, float], side: float, tone: Array) -> list[Face]:
    rear, front = ends
    faces = walls(_rectangle(front, rear, side), 0.35, 2.55, tone)
    del faces[2]  # its rear stands before the box
    faces.append(level(_rectangle(front, rear, side), 2.55, 1.1 * tone))
    fore = front + 0.01
    faces.append((panel(fore, -0.92 * side, 0.92 * side, 1.55, 2.35, 1), GLASS))
    faces.append((panel(fore, -0.6 * side, 0.6 * side, 0.75, 1.35, 1), np.full(3, 32.0)))
    faces.append((panel(fore, -side, side, 0.3, 0.6, 1), np.full(3, 60.0)))
    for right, left in ((-0.95 * side, -0.7 * side), (0.7 * side, 0.95 * side)):
        faces.append((panel(fore + 0.01, right, left, 0.62, 0.82, 1), HEADLAMP))
    return faces
