"""Pictures of an inspection: each one a figure with a caption that says how it was computed."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from signattn.drawing import INK, STYLE, data_uri, picture_uri, svg
from signattn.drawing import MARK as GAP
from signattn.drive import stretches
from signattn.inspection.evidence import Evidence
from signattn.inspection.findings import BRIGHT, DARK
from signattn.preprocess import NS_PER_S

POINTS = 2000
"""Points that a line is drawn with: of longer ones the least and greatest of each stretch."""
FAR = 20.0
"""Times the median; where an interval is longer, the scale is logarithmic."""


class Drawn(NamedTuple):
    """A figure on the page.

    Attributes:
        title: What it shows.
        caption: How it was computed.
        source: The picture as a data URI.
    """

    title: str
    caption: str
    source: str


class Sample(NamedTuple):
    """A picture on the page: its time in s, and a data URI."""

    seconds: float
    source: str


def samples(evidence: Evidence) -> list[Sample]:
    """Sample pictures as JPEG, in the order of recording."""
    begin = _begin(evidence)
    return [Sample((ns - begin) / NS_PER_S, picture_uri(rgb)) for ns, rgb in evidence.images.shown]


def figures(evidence: Evidence) -> Iterator[Drawn]:
    """All figures that there is something to show in.

    Args:
        evidence: Of a recording or a drive.

    Yields:
        The figures, as SVG.
    """
    draws: tuple[Callable[[Evidence], Iterator[Drawn]], ...] = (
        _steering,
        _speed,
        _histogram,
        _motion,
        _brightness,
        _intervals,
        _clocks,
    )
    with mpl.rc_context(STYLE):
        for draw in draws:
            yield from draw(evidence)


def _steering(evidence: Evidence) -> Iterator[Drawn]:
    degrees = np.degrees(evidence.labels.steering_angle)
    if not np.isfinite(degrees).any():
        return
    figure, axes = _time_axes(evidence, 'steering at the wheel / °')
    _over_time(axes, evidence, evidence.frames_ns, degrees)
    axes.axhline(0, color='#bbbbbb', linewidth=0.8)
    yield Drawn(
        'Steering over time',
        'Left positive, interpolated to the images that convert keeps. Orange: gaps, where '
        'images or labels are missing.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _speed(evidence: Evidence) -> Iterator[Drawn]:
    speed = evidence.labels.speed
    if not np.isfinite(speed).any():
        return
    figure, axes = _time_axes(evidence, 'speed / (m/s)')
    _over_time(axes, evidence, evidence.frames_ns, speed)
    axes.set_ylim(bottom=0)
    assumed = ' Assumed, not measured.' if evidence.labels.speed_assumed else ''
    yield Drawn(
        'Speed over time',
        f'Interpolated to the images that convert keeps.{assumed} Orange: gaps.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _histogram(evidence: Evidence) -> Iterator[Drawn]:
    labels = evidence.labels
    curvature = labels.curvature[np.isfinite(labels.curvature)]
    degrees = np.degrees(labels.steering_angle[np.isfinite(labels.steering_angle)])
    if curvature.size:
        title, values, unit = 'Curvature', curvature, '1/m'
        origin = ', from steering and speed by the vehicle (Eq. 3)'
    elif degrees.size:
        title, values, unit = 'Steering angle', degrees, '°'
        origin = '; without a speed there is no curvature'
    else:
        return
    figure, axes = _axes(f'{title.lower()} / {unit}, left positive', 'frames')
    reach = max(float(np.percentile(np.abs(values), 99.9)), 1e-4)
    axes.hist(
        np.clip(values, -reach, reach), bins=np.linspace(-reach, reach, 62).tolist(), color=INK
    )
    axes.set_yscale('log')
    axes.set_ylim(bottom=0.5)
    yield Drawn(
        f'{title}, histogram',
        f'Over the labelled frames, on a logarithmic scale{origin}. The outermost bars hold all '
        f'beyond ±{reach:.3g} {unit}.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _motion(evidence: Evidence) -> Iterator[Drawn]:
    images, labels = evidence.images, evidence.labels
    if not len(images.motion) or not np.isfinite(labels.steering_angle).any():
        return
    nearest = np.searchsorted(evidence.frames_ns, images.motion_ns).clip(
        0, len(evidence.frames_ns) - 1
    )
    degrees = np.degrees(labels.steering_angle[nearest])
    figure, axes = _axes('steering at the wheel / °', 'motion of the picture / (px/s)')
    axes.plot(degrees, images.motion, '.', color=INK, markersize=4, alpha=0.7)
    found = evidence.agreement
    said = (
        f' With {"steering × speed" if evidence.speed else "the steering"} it correlates by '
        f'{found.correlation:.2f} at a lag of {found.lag_s:+.2f} s '
        f'({found.correlation_unshifted:.2f} at none).'
        if found
        else ''
    )
    yield Drawn(
        'Does the picture turn with the steering?',
        'Sideways motion between two pictures, by phase correlation at 160 px width, against the '
        f'steering at that time; the dots should rise.{said}',
        data_uri(svg(figure), 'svg+xml'),
    )


def _brightness(evidence: Evidence) -> Iterator[Drawn]:
    pictures = evidence.images.pictures
    if not pictures:
        return
    seconds = (np.array([it.stamp_ns for it in pictures]) - _begin(evidence)) / NS_PER_S
    figure, axes = _time_axes(evidence, 'share, or mean')
    for label, values, color in (
        ('mean brightness', [it.brightness for it in pictures], INK),
        ('black pixels', [it.black for it in pictures], '#444444'),
        ('white pixels', [it.white for it in pictures], GAP),
    ):
        axes.plot(seconds, values, '.-', label=label, color=color, markersize=3, linewidth=0.8)
    for limit in (DARK, BRIGHT):
        axes.axhline(limit, color='#bb3333', linewidth=0.8, linestyle=':')
    axes.set_ylim(-0.02, 1.02)
    _legend(axes)
    yield Drawn(
        'Exposure over time',
        f'Of {len(pictures)} decoded pictures, spread evenly, each shrunk to 160×80. Dotted: '
        'nearly black, nearly white.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _intervals(evidence: Evidence) -> Iterator[Drawn]:
    stamps = evidence.images.ordered_ns
    if len(stamps) < 2:
        return
    ms = np.diff(stamps) / 1e6
    figure, axes = _time_axes(evidence, 'interval / ms')
    at = (stamps[1:] - _begin(evidence)) / NS_PER_S
    axes.plot(*_thinned(at, ms), '.', color=INK, markersize=2.5)
    axes.axhline(1000 / evidence.rate_hz, color='#888888', linewidth=0.8, linestyle=':')
    if ms.max() > FAR * np.median(ms):
        axes.set_yscale('log' if ms.min() > 0 else 'symlog')  # repeated stamps are 0 apart
    yield Drawn(
        'Intervals between images',
        f'Differences of neighbouring stamps. Dotted: {evidence.rate_hz:g} Hz.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _clocks(evidence: Evidence) -> Iterator[Drawn]:
    read: dict[str, str] = {}
    for part, topic in evidence.topics.items():
        read[topic] = f'{read[topic]}, {part}' if topic in read else part
    clocks = [it for it in evidence.clocks if it.topic in read and it.offset_s.size]
    if not clocks:
        return
    begin = min(int(it.received_ns[0]) for it in clocks)
    figure, axes = _axes('time / s', 'stamp − receipt / ms')
    for clock in clocks:
        at = (clock.received_ns - begin) / NS_PER_S
        axes.plot(
            *_thinned(at, clock.offset_s * 1000),
            '.',
            label=f'{read[clock.topic]}: {clock.topic}',
            markersize=2.5,
        )
    _legend(axes)
    yield Drawn(
        'Clocks',
        'Header stamp minus the time at which the recorder received the message. Clocks that '
        'agree keep the same distance; a slope is drift.',
        data_uri(svg(figure), 'svg+xml'),
    )


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 2.6))
    figure.subplots_adjust(left=0.09, right=0.99, top=0.9, bottom=0.19)
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _legend(axes: Axes) -> None:
    """Above the axes, where it covers nothing."""
    axes.legend(loc='lower right', bbox_to_anchor=(1, 0.98), frameon=False, ncols=3)


def _time_axes(evidence: Evidence, y: str) -> tuple[Figure, Axes]:
    """All figures over time span the camera's."""
    figure, axes = _axes('time / s', y)
    stamps = evidence.images.ordered_ns
    end_s = max(float(np.ptp(stamps)) / NS_PER_S, 1e-3)
    axes.set_xlim(-0.01 * end_s, 1.01 * end_s)
    return figure, axes


def _over_time(
    axes: Axes, evidence: Evidence, stamps: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """A line that is broken where something is missing, and the gaps behind it."""
    seconds = (stamps - _begin(evidence)) / NS_PER_S
    known = np.isfinite(values)
    parts = stretches(stamps[known], evidence.max_gap_s)
    for part in parts:
        axes.plot(*_thinned(seconds[known][part], values[known][part]), color=INK, linewidth=1)
    edges = [seconds[0], *(s for p in parts for s in seconds[known][[p.start, p.stop - 1]])]
    edges.append(seconds[-1])
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > evidence.max_gap_s:
            axes.axvspan(start, stop, color=GAP, alpha=0.25, linewidth=0)


def _thinned(
    at: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(values) <= POINTS:
        return at, values
    places = []
    for block in np.array_split(np.arange(len(values)), POINTS // 2):
        extremes = {int(block[values[block].argmin()]), int(block[values[block].argmax()])}
        places += sorted(extremes)
    return at[places], values[places]


def _begin(evidence: Evidence) -> int:
    stamps = evidence.images.ordered_ns
    return int(stamps[0]) if len(stamps) else 0
