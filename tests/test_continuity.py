"""Which image continues the one before."""

import pytest

from signattn.continuity import Continuity

S = 1_000_000_000


def breaks(*images, max_gap_s=0.5):
    """What Continuity says of images (stamp in s, frame_id), all of them used."""
    continuity = Continuity()
    said = []
    for stamp_s, frame_id in images:
        said.append(continuity.stamped(round(stamp_s * S), frame_id, max_gap_s))
        continuity.use()
    return said


@pytest.mark.parametrize(
    ('images', 'said'),
    [
        ([(10, 'a')], ['']),
        ([(10, 'a'), (10.5, 'a')], ['', '']),
        ([(10, 'a'), (10.6, 'a')], ['', 'gap of 0.600 s is longer than max_gap, 0.5 s']),
        ([(10, 'a'), (9.75, 'a')], ['', 'stamp went back by 0.250 s']),
        ([(10, 'a'), (10.1, 'b')], ['', "frame_id changed from 'a' to 'b'"]),
    ],
)
def test_breaks(images, said):
    assert breaks(*images) == said


def test_unused_images_do_not_fill_a_gap_and_break_it_once():
    continuity = Continuity()
    assert continuity.stamped(0, 'a', 0.5) == ''
    continuity.use()
    said = [continuity.stamped(round(t * S), 'a', 0.5) for t in (0.4, 0.6, 0.8)]
    assert said == ['', 'gap of 0.600 s is longer than max_gap, 0.5 s', '']


def test_sizes():
    continuity = Continuity()
    assert continuity.decoded(480, 640) == ''
    assert continuity.decoded(480, 640) == ''
    assert continuity.decoded(240, 320) == 'size changed from 480×640 to 240×320'
    assert continuity.decoded(240, 320) == ''
