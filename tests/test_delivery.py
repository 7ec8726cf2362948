"""Counts, latency, age and jitter, by numbers worked out by hand."""

import pytest

from signattn.delivery import delivery, jitter_ms
from signattn.nodes.ledger import Entry

START_NS = 1_479_424_215_880_976_321
MS = 1_000_000


def entries(*seconds):
    """Images sent every 100 ms and answered after so many seconds; None for never."""
    sent = [i * 100 * MS for i in range(len(seconds))]
    return [
        Entry(START_NS + at, 'lost', at, due_ns=at - MS)
        if after is None
        else Entry(START_NS + at, 'answered', at, at + round(after * 1e9), 0.01, due_ns=at - MS)
        for at, after in zip(sent, seconds, strict=True)
    ]


LOCKSTEP = {
    'images': 4,
    'sent': 4,
    'answered': 3,
    'lost': 1,
    'skipped': 0,
    'unreadable': 0,
    'latency_ms_p50': 20.0,
    'latency_ms_p90': pytest.approx(28),
    'latency_ms_p99': pytest.approx(29.8),
    'latency_ms_max': 30.0,
    'frames_per_s': pytest.approx(3 / 0.330),
}


def test_latency_and_rate():
    assert delivery(entries(0.010, 0.020, None, 0.030)) == LOCKSTEP


def test_as_time_passes_also_age_and_jitter():
    # Each was sent 1 ms late. Answers come 110 and 210 ms behind each other, pictures 100 and 200.
    assert delivery(entries(0.010, 0.020, None, 0.030), 1.0) == LOCKSTEP | {
        'camera_hz': 10.0,
        'late_ms_p99': 1.0,
        'age_ms_p50': 21.0,
        'age_ms_p99': pytest.approx(30.8),
        'jitter_ms_p50': 10.0,
        'jitter_ms_p99': 10.0,
    }


def test_jitter_counts_by_the_rate_of_the_replay():
    # Played at half the speed pictures would be 200 ms apart.
    assert jitter_ms(entries(0.01, 0.01), 0.5).tolist() == [100]


@pytest.mark.parametrize(('gap_ms', 'counted'), [(500, True), (501, False), (-50, False)])
def test_jitter_leaves_gaps_out(gap_ms, counted):
    first, second = entries(0.01, 0.01)
    second.stamp_ns = first.stamp_ns + gap_ms * MS
    assert bool(jitter_ms([first, second], 1.0).size) == counted


@pytest.mark.parametrize('rate', [None, 1.0])
def test_nothing_answered_has_no_times(rate):
    assert delivery(entries(None), rate).keys() == {
        'images',
        'sent',
        'answered',
        'lost',
        'skipped',
        'unreadable',
    }


def test_a_single_answer_has_no_jitter_and_no_rate():
    metrics = delivery(entries(0.01), 1.0)
    assert metrics['age_ms_p50'] == 11
    assert not [name for name in metrics if name.startswith('jitter')]
    assert 'camera_hz' not in metrics
