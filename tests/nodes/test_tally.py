"""Counts, rates and latencies."""

import pytest

from signattn.nodes.tally import Tally

MS = 1_000_000


def test_nothing_yet():
    tally = Tally()
    assert tally.camera_hz() is None
    assert tally.latency_ms('pipeline', 50) is None
    assert tally.age_ms(50) is None
    assert tally.limits_acting(0) == []
    assert tally.silence_s(0) is None


def test_rate_by_the_stamps():
    tally = Tally()
    for i in range(9):
        tally.receive(40 * MS * i, 0)
        assert tally.camera_hz() is None
    tally.receive(40 * MS * 9, 0)
    assert tally.camera_hz() == pytest.approx(25)
    tally.receive(0, 0)  # a loop: measure anew
    assert tally.camera_hz() is None
    assert tally.counts['received'] == 11


def rate(*stamps_ms):
    """Rate by the stamps, with pauses of more than half a second."""
    tally = Tally()
    for stamp_ms in stamps_ms:
        tally.receive(stamp_ms * MS, 0, 0.5)
    return tally.camera_hz()


def test_a_pause_is_no_part_of_the_rate():
    before, after = range(0, 1000, 50), range(60_000, 60_550, 50)
    assert rate(*before, *after) == pytest.approx(20)
    assert rate(*before, 30_000, *after) == pytest.approx(20)
    assert rate(*before, *after[:9]) is None
    # Slow all the time is no pause.
    assert rate(*range(0, 20_000, 1000)) == pytest.approx(1)


def test_a_restart_forgets_all_but_the_counts():
    tally = Tally()
    for i in range(20):
        tally.receive(50 * MS * i, MS)
        tally.drop('unusable')
        tally.ages_s.append(0.1)
    tally.restart()
    assert tally.camera_hz() is None
    assert tally.silence_s(9 * MS) is None
    assert tally.unanswered_s(9 * MS) is None
    assert tally.most_dropped() is None
    assert tally.age_ms(50) is None
    assert (tally.counts['received'], tally.dropped) == (20, {'unusable': 20})


def test_latencies():
    tally = Tally()
    for ms in range(1, 102):
        tally.answer(2 * ms * MS, ms * MS)
    assert tally.latency_ms('inference', 50) == pytest.approx(51)
    assert tally.latency_ms('inference', 99) == pytest.approx(100)
    assert tally.latency_ms('pipeline', 99) == pytest.approx(200)
    assert tally.counts['answered'] == 101


def test_frames_that_were_sent_and_never_seen():
    tally = Tally()
    assert 'missed' not in tally.counts  # where nobody numbers the frames
    for number in (7, 8, 11, 1, 2, 2, 4):  # at 1 another camera begins
        tally.follow(number)
    assert tally.counts['missed'] == 2 + 1
    tally.restart()
    tally.follow(90)
    assert tally.counts['missed'] == 3


def test_ages():
    tally = Tally()
    tally.ages_s.extend([0.01, 0.02, 0.06])
    assert tally.age_ms(50) == pytest.approx(20)
    assert tally.age_ms(100) == pytest.approx(60)


def test_limits_act_for_a_second():
    tally = Tally()
    tally.limit('rate', 1000 * MS)
    tally.limit('rate', 2000 * MS)
    tally.limit('curvature', 2500 * MS)
    assert tally.limited == {'rate': 2, 'curvature': 1}
    assert tally.limits_acting(2500 * MS) == ['rate', 'curvature']
    assert tally.limits_acting(3000 * MS) == ['rate', 'curvature']
    assert tally.limits_acting(3001 * MS) == ['curvature']
    tally.restart()
    assert tally.limits_acting(3001 * MS) == []
    assert tally.limited == {'rate': 2, 'curvature': 1}


def test_silence():
    tally = Tally()
    tally.receive(0, 5000 * MS)
    assert tally.silence_s(6500 * MS) == pytest.approx(1.5)


def test_images_wait_from_the_first_after_an_answer():
    tally = Tally()
    assert tally.unanswered_s(0) is None
    assert tally.most_dropped() is None
    tally.receive(0, 1000 * MS)
    tally.drop('unusable')
    tally.answer(MS, MS)
    assert tally.unanswered_s(9000 * MS) is None
    for i, reason in enumerate(('too old', 'same stamp', 'same stamp'), 1):
        tally.receive(50 * MS * i, (10_000 + 50 * i) * MS)
        tally.drop(reason)
    assert tally.unanswered_s(12_050 * MS) == pytest.approx(2)
    assert tally.most_dropped() == ('same stamp', 2)
    assert tally.dropped == {'unusable': 1, 'too old': 1, 'same stamp': 2}
