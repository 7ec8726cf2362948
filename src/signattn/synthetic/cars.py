"""The shape of a car, as polygons."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Corner = tuple[float, float, float]

PAINTS = (
    (34, 36, 40),
    (70, 74, 80),
    (150, 154, 158),
    (214, 214, 212),
    (120, 24, 24),
    (36, 54, 96),
    (96, 88, 74),
    (190, 190, 186),
)
GLASS = np.array([44.0, 50, 56])
RUBBER = np.array([22.0, 22, 24])
HEADLAMP, TAILLAMP = np.array([238.0, 236, 222]), np.array([156.0, 22, 20])


@dataclass(frozen=True)
class CarShape:
    """Polygons of a car in the order in which they are drawn; the first is its shadow.

    Attributes:
        corners: (N, 3) m, towards its front, left and up, of all polygons.
        faces: First and last (not included) corner of each polygon, and its RGB from 0 to 255.
        headlamps: Numbers of the faces that shine white where lamps are lit.
        taillamps: Numbers of the faces that shine red.
    """

    corners: Array
    faces: tuple[tuple[int, int, tuple[float, float, float]], ...]
    headlamps: tuple[int, ...]
    taillamps: tuple[int, ...]

    @classmethod
    def made_of(cls, faces: list[tuple[list[Corner], Array]]) -> 'CarShape':
        """The shape of faces, each with its corners and its colour."""
        corners = np.concatenate([np.array(face) for face, _ in faces])
        stops = np.cumsum([len(face) for face, _ in faces])
        spans = zip([0, *stops[:-1].tolist()], stops.tolist(), faces, strict=True)
        return cls(
            corners,
            tuple((a, b, (float(c[0]), float(c[1]), float(c[2]))) for a, b, (_, c) in spans),
            tuple(number for number, (_, tone) in enumerate(faces) if tone is HEADLAMP),
            tuple(number for number, (_, tone) in enumerate(faces) if tone is TAILLAMP),
        )

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> 'CarShape':
        """A car or, less often, a van, in one of the usual colours."""
        tone = np.array(PAINTS[int(rng.integers(len(PAINTS)))]) * rng.uniform(0.8, 1.15)
        stretch = float(rng.uniform(0.94, 1.06))
        if rng.uniform() < 0.3:
            body = _Body(2.5 * stretch, 0.98, 1.1, 1.85 * stretch, (1.2, -2.2), (0.5, -2.0))
        else:
            body = _Body(2.25 * stretch, 0.91, 0.9, 1.46 * stretch, (0.95, -1.75), (0.2, -1.2))
        return body.painted(tone)


@dataclass(frozen=True)
class _Body:
    """Sizes of a car in m: half length and width, waist, roof; glass at waist and at roof."""

    half: float
    side: float
    waist: float
    roof: float
    cabin: tuple[float, float]
    top: tuple[float, float]

    def painted(self, tone: Array) -> CarShape:
        """The polygons; those that face the viewer run counter-clockwise seen from outside."""
        faces = [level(self._outline(0.15), 0.02, RUBBER)]
        faces += self._wheels()
        faces += walls(self._outline(-0.06), 0.1, 0.28, RUBBER)
        faces += walls(self._outline(0), 0.26, self.waist, tone)
        faces.append(level(self._outline(0), self.waist, 1.1 * tone))
        faces += self._cabin(tone)
        faces += self._ends()
        return CarShape.made_of(faces)

    def _outline(self, wider: float) -> list[tuple[float, float]]:
        """The body seen from above, counter-clockwise, its corners cut off."""
        half, side = self.half + wider, self.side + wider
        front = [(half, -0.62 * side), (half, 0.62 * side), (half - 0.35, side)]
        rear = [(-half + 0.2, side), (-half, 0.85 * side), (-half, -0.85 * side)]
        return [*front, *rear, (-half + 0.2, -side), (half - 0.35, -side)]

    def _wheels(self) -> list[tuple[list[Corner], Array]]:
        faces = []
        turns = np.linspace(0, 2 * np.pi, 13)[:-1]
        for fore in (self.half - 0.85, -self.half + 0.85):
            for sign in (1, -1):
                for inset in (0.22, -0.01):
                    left = sign * (self.side - inset)
                    wheel = [
                        (fore + 0.32 * math.sin(a), left, 0.32 + 0.32 * math.cos(a)) for a in turns
                    ]
                    faces.append((wheel if sign > 0 else wheel[::-1], RUBBER))
                near, far = sorted((sign * self.side, sign * (self.side - 0.22)))
                faces.append((panel(fore - 0.25, near, far, 0.0, 0.4, -1), RUBBER))
                faces.append((panel(fore + 0.25, near, far, 0.0, 0.4, 1), RUBBER))
        return faces

    def _cabin(self, tone: Array) -> list[tuple[list[Corner], Array]]:
        low, high = 0.96 * self.side, self.side - 0.2
        below = [(self.cabin[0], -low), (self.cabin[0], low), (self.cabin[1], low),
                 (self.cabin[1], -low)]  # fmt: skip
        above = [(self.top[0], -high), (self.top[0], high), (self.top[1], high),
                 (self.top[1], -high)]  # fmt: skip
        faces = []
        for index in range(4):
            after = (index + 1) % 4
            glass = [
                (*below[index], self.waist),
                (*below[after], self.waist),
                (*above[after], self.roof - 0.08),
                (*above[index], self.roof - 0.08),
            ]
            frame = tone * (0.62 if index % 2 else 0.85)
            faces.append((glass, frame))
            faces.append((_shrunk(glass, 0.9), GLASS * (0.75 if index % 2 else 1.0)))
        faces += walls(above, self.roof - 0.08, self.roof, tone)
        faces.append(level(above, self.roof, 1.2 * tone))
        return faces

    def _ends(self) -> list[tuple[list[Corner], Array]]:
        """Lamps, grille and number plates."""
        faces = []
        for end, lamp in ((1, HEADLAMP), (-1, TAILLAMP)):
            fore, side = end * (self.half + 0.01), self.side * (0.6 if end > 0 else 0.84)
            faces.append((panel(fore, -side, side, 0.27, 0.4, end), np.full(3, 46.0)))
            if end > 0:
                grille = panel(fore, -0.7 * side, 0.7 * side, 0.46, self.waist - 0.16, end)
                faces.append((grille, np.full(3, 30.0)))
            for right, left in ((-side, -0.72 * side), (0.72 * side, side)):
                where = panel(fore, right, left, self.waist - 0.34, self.waist - 0.14, end)
                faces.append((where, lamp))
            faces.append((panel(1.002 * fore, -0.26, 0.26, 0.4, 0.53, end), np.full(3, 204.0)))
        return faces


def level(
    outline: list[tuple[float, float]], up: float, tone: Array
) -> tuple[list[Corner], Array]:
    """A level face within an outline, at a height in m."""
    return [(fore, left, up) for fore, left in outline], tone


def walls(
    outline: list[tuple[float, float]], low: float, high: float, tone: Array
) -> list[tuple[list[Corner], Array]]:
    """Upright sides below and above an outline; flanks are darker than the ends."""
    faces = []
    for (fore, left), (fore_next, left_next) in zip(
        outline, outline[1:] + outline[:1], strict=True
    ):
        wall = [
            (fore, left, low),
            (fore_next, left_next, low),
            (fore_next, left_next, high),
            (fore, left, high),
        ]
        facing = abs(left_next - left) / math.hypot(fore_next - fore, left_next - left)
        faces.append((wall, tone * (0.6 + 0.25 * facing)))
    return faces


def panel(
    fore: float, right: float, left: float, low: float, high: float, end: int
) -> list[Corner]:
    """Corners of an upright rectangle that faces forward (end 1) or backward (-1)."""
    corners = [(fore, right, low), (fore, left, low), (fore, left, high), (fore, right, high)]
    return corners if end > 0 else corners[::-1]


def _shrunk(corners: list[Corner], share: float) -> list[Corner]:
    points = np.array(corners)
    middle = points.mean(0)
    points = middle + share * (points - middle)
    return [(float(x), float(y), float(z)) for x, y, z in points]
