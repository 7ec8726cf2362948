"""What became of replayed images, and how fast, fresh and even their answers were."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signattn.nodes.ledger import ANSWERED, LOST, SKIPPED, UNREADABLE, Entry
from signattn.preprocess import MAX_GAP_S, NS_PER_S

NS_PER_MS = 1e6

Floats = NDArray[np.float64]


def delivery(entries: list[Entry], rate: float | None = None) -> dict[str, Any]:
    """Counts and times of a replay.

    Args:
        entries: Its images.
        rate: Speed at which they were played; None in lockstep, where images don't come at times
            of their own.

    Returns:
        Metrics with units in the keys. ``latency``: from sending to the curvature's arrival, on
        one clock. Played as time passes also ``camera_hz``; ``late``: by how much the player
        itself sent images too late; ``age``: of the picture at the curvature's arrival, by its
        stamp; ``jitter``: by how much the time from one answer to the next differs from that
        between their stamps.
    """
    counts = Counter(entry.status for entry in entries)
    sent = [entry for entry in entries if entry.sent_ns is not None]
    metrics: dict[str, Any] = {'images': len(entries), 'sent': len(sent)}
    metrics |= {status: counts[status] for status in (ANSWERED, LOST, SKIPPED, UNREADABLE)}
    answered = [entry for entry in entries if entry.status == ANSWERED]
    if not answered:
        return metrics
    metrics |= _percentiles('latency', latency_ms(answered), 50, 90, 99, 100)
    came, went = _times(answered, 'answered_ns'), _times(answered, 'sent_ns')
    metrics['frames_per_s'] = float(len(answered) / ((came.max() - went.min()) / NS_PER_S))
    return metrics if rate is None else metrics | _in_time(sent, answered, rate)


def latency_ms(answered: list[Entry]) -> Floats:
    """From sending to the curvature's arrival.

    Args:
        answered: Images that were answered.

    Returns:
        (N,) float64, ms.
    """
    return (_times(answered, 'answered_ns') - _times(answered, 'sent_ns')) / NS_PER_MS


def jitter_ms(answered: list[Entry], rate: float) -> Floats:
    """By how much the answers come less evenly than the images were taken.

    Args:
        answered: Images that were answered.
        rate: Speed at which they were played.

    Returns:
        (M,) float64, ms, at least 0: of each pair of answers that follow each other without a gap.
    """
    taken = np.diff(_times(answered, 'stamp_ns'))
    came = np.diff(_times(answered, 'answered_ns'))
    near = (taken > 0) & (taken <= MAX_GAP_S * NS_PER_S)
    return np.abs(came[near] - taken[near] / rate) / NS_PER_MS


def _in_time(sent: list[Entry], answered: list[Entry], rate: float) -> dict[str, Any]:
    went = _times(sent, 'sent_ns')
    metrics: dict[str, Any] = {}
    if len(sent) > 1:
        metrics['camera_hz'] = float((len(sent) - 1) * NS_PER_S / (went[-1] - went[0]))
    late = (went - _times(sent, 'due_ns')) / NS_PER_MS
    age = (_times(answered, 'answered_ns') - _times(answered, 'due_ns')) / NS_PER_MS
    metrics |= _percentiles('late', late, 99) | _percentiles('age', age, 50, 99)
    return metrics | _percentiles('jitter', jitter_ms(answered, rate), 50, 99)


def _times(entries: list[Entry], column: str) -> NDArray[np.int64]:
    return np.array([getattr(entry, column) for entry in entries], np.int64)


def _percentiles(name: str, values: Floats, *percents: int) -> dict[str, float]:
    """Of no values none; the last percentile is called by its name."""
    return {
        f'{name}_ms_{"max" if percent == 100 else f"p{percent}"}': float(
            np.percentile(values, percent)
        )
        for percent in percents
        if len(values)
    }
