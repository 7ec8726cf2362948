"""A picture of how long the answers of a replay took."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from signattn.delivery import latency_ms
from signattn.drawing import INK, STYLE, png
from signattn.drawing import MARK as LOSS
from signattn.nodes.ledger import ANSWERED, LOST, Entry
from signattn.preprocess import NS_PER_S

BINS = 60

Floats = NDArray[np.float64]


def latency_figure(entries: list[Entry], title: str) -> bytes:
    """Draw latency over time, with its distribution beside it and what was lost above it.

    Args:
        entries: Images of a replay.
        title: What was replayed.

    Returns:
        The picture, PNG.
    """
    answered = [entry for entry in entries if entry.status == ANSWERED]
    lost = [entry for entry in entries if entry.status == LOST]
    with mpl.rc_context(STYLE):
        figure = Figure((9, 3.6), layout='constrained')
        over_time, beside = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
        begin_ns = min((entry.sent_ns or 0 for entry in (*answered, *lost)), default=0)
        latency = latency_ms(answered)
        over_time.plot(_seconds(answered, begin_ns), latency, '.', color=INK, markersize=3)
        _mark_lost(over_time, _seconds(lost, begin_ns))
        over_time.set(xlabel='s since the first image', ylabel='ms from image to curvature')
        over_time.set_title(title, loc='left')
        over_time.set_ylim(0, float(latency.max()) * 1.1 if latency.size else 1.0)
        _distribution(beside, latency)
        return png(figure)


def _seconds(entries: list[Entry], begin_ns: int) -> Floats:
    sent = np.array([entry.sent_ns or begin_ns for entry in entries], np.int64)
    return (sent - begin_ns) / NS_PER_S


def _mark_lost(axes: Axes, seconds: Floats) -> None:
    if not len(seconds):
        return
    top = axes.get_xaxis_transform()
    axes.plot(seconds, np.full(len(seconds), 0.98), '|', color=LOSS, transform=top)
    said = f'{len(seconds)} lost'
    axes.text(1.0, 1.02, said, color=LOSS, ha='right', va='bottom', transform=axes.transAxes)


def _distribution(axes: Axes, latency: Floats) -> None:
    if not latency.size:
        return
    axes.hist(latency, BINS, orientation='horizontal', color=INK)
    axes.set(xlabel='answers')
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    for percent in (50, 99):
        value = float(np.percentile(latency, percent))
        axes.axhline(value, color='#555555', linewidth=0.8, linestyle='--')
        axes.annotate(
            f'p{percent} {value:.1f} ms',
            (1, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 4),
            textcoords='offset points',
            ha='right',
            bbox={'facecolor': 'white', 'edgecolor': 'none', 'alpha': 0.8, 'pad': 1},
        )
