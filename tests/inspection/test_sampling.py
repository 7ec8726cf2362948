import numpy as np
import pytest

from signattn.inspection.sampling import PAIR_S, SHOWN, Look, Shot, sample_images
from signattn.preprocess import ImageError

MS = 1_000_000


def shots(stamps_ms, *, broken=(), looked=None):
    """Pictures of one noise that moves right by 1 px from one to the next."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 160, 3), np.uint8)
    for index, ms in enumerate(stamps_ms):

        def look(index=index):
            if looked is not None:
                looked.append(index)
            if index in broken:
                raise ImageError(f'{index}.jpg: cut off')
            frame = np.roll(noise, index, axis=1)
            return Look(frame, (480, 640), np.zeros((60, 80, 3), np.uint8))

        data = np.full(4, index, np.uint8)
        yield Shot(ms * MS, (ms + 3) * MS, data, 'jpeg', look)


def test_all_stamps_and_few_pictures():
    looked = []
    found = sample_images(shots(range(0, 5000, 50), looked=looked), 100, 4, 0.5)
    assert found.stamps_ns.tolist() == [ms * MS for ms in range(0, 5000, 50)]
    assert found.received_ns[0] == 3 * MS
    assert looked == [0, 1, 33, 34, 66, 67, 99]  # each with the one behind it
    assert found.sampled == 4
    assert [it.stamp_ns // MS for it in found.pictures] == [0, 1650, 3300, 4950]
    assert (found.pictures[0].height, found.pictures[0].width) == (480, 640)
    assert found.encodings == ['jpeg']
    assert found.unreadable == []


def test_motion_is_in_px_a_second_at_the_middle_of_a_pair():
    found = sample_images(shots(range(0, 5000, 50)), 100, 4, 0.5)
    assert (found.motion_ns // MS).tolist() == [25, 1675, 3325]
    assert found.motion == pytest.approx([20] * 3, abs=0.2)


def test_a_pair_is_far_enough_apart():
    step = int(PAIR_S * 1000) // 4
    found = sample_images(shots(range(0, 100 * step, step)), 100, 2, 0.5)
    assert (found.motion_ns // MS).tolist() == [2 * step]
    assert found.motion == pytest.approx([100], abs=1)


def test_pairs_are_found_where_every_picture_is_wanted():
    found = sample_images(shots(range(0, 600, 30)), 20, 200, 0.5)
    assert found.sampled == 20
    assert len(found.motion) == 9
    assert found.motion == pytest.approx([1000 / 30] * 9, abs=0.5)


@pytest.mark.parametrize(('step', 'pairs'), [(500, 1), (501, 0)])
def test_no_motion_across_a_gap(step, pairs):
    assert len(sample_images(shots([0, step]), 2, 2, 0.5).motion) == pairs


def test_a_stamp_that_goes_backwards_ends_a_pair():
    found = sample_images(shots([9_000_000, 0, 50, 100]), 4, 4, 0.5)
    assert (found.motion_ns // MS).tolist() == [25, 75]


def test_unreadable_pictures_are_counted_and_measured_past():
    found = sample_images(shots(range(0, 500, 50), broken={0, 5}), 10, 10, 0.5)
    assert found.unreadable == ['0.jpg: cut off', '5.jpg: cut off']
    assert found.sampled == 10
    assert len(found.pictures) == 8
    assert len(found.motion) == 6


def test_a_broken_partner_of_a_pair_is_no_picture_of_the_sample():
    found = sample_images(shots(range(0, 500, 50), broken={1}), 10, 2, 0.5)
    assert (found.sampled, found.unreadable, len(found.motion)) == (2, [], 0)


def test_repeats_are_images_with_the_bytes_of_the_one_before():
    pair = [*shots([0, 50])]
    found = sample_images([pair[0], pair[0], pair[1]], 3, 1, 0.5)
    assert found.repeats.tolist() == [False, True, False]


def test_empty_files_repeat_nothing():
    def broken():
        raise ImageError('no such file')

    def empty(stamp_ns):
        return Shot(stamp_ns, stamp_ns, np.zeros(0, np.uint8), 'jpeg', broken)

    assert sample_images([empty(0), empty(1)], 9, 1, 0.5).repeats.tolist() == [False, False]


def test_some_pictures_are_kept_for_the_eye():
    found = sample_images(shots(range(0, 5000, 50)), 100, 50, 0.5)
    assert len(found.shown) == SHOWN
    assert found.shown[0][1].shape == (240, 320, 3)
    assert (found.shown[0][0], found.shown[-1][0]) == (0, 4950 * MS)


def test_fewer_images_than_were_counted_are_no_error():
    assert sample_images(shots([0, 50]), 100, 4, 0.5).sampled == 1
    nothing = sample_images(iter(()), 0, 4, 0.5)
    assert (len(nothing.stamps_ns), nothing.sampled, len(nothing.motion)) == (0, 0, 0)


def test_progress_is_told():
    told = []
    sample_images(shots(range(0, 12_500, 50)), 250, 1, 0.5, lambda *done: told.append(done))
    assert told == [(0, 250), (100, 250), (200, 250)]
