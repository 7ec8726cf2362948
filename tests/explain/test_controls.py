import numpy as np
import pytest

from signattn.explain import controls


def maps(count=4):
    """Maps that differ from frame to frame and from pixel to pixel."""
    return np.random.default_rng(0).random((count, 80, 160))


def test_random_maps_differ_by_frame_and_seed():
    drawn = controls.random(3, seed=5)
    assert drawn.shape == (3, 80, 160)
    assert drawn.min() >= 0
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn, controls.random(3, seed=5))
    assert not np.array_equal(drawn, controls.random(3, seed=6))


def test_the_centre_falls_with_the_distance_in_pixels():
    centre = controls.centre(2)
    assert centre.shape == (2, 80, 160)
    np.testing.assert_array_equal(centre[0], centre[1])
    assert centre.min() >= 0
    assert set(np.flatnonzero(centre[0] == centre[0].max())) == {
        39 * 160 + 79,
        39 * 160 + 80,
        40 * 160 + 79,
        40 * 160 + 80,
    }
    assert centre[0, 39, 79 - 20] == pytest.approx(centre[0, 39 - 20, 79])
    assert centre[0, 39, 79 - 21] < centre[0, 39 - 20, 79]
    np.testing.assert_allclose(centre[0], centre[0, ::-1, ::-1])


def test_in_the_time_mean_each_map_counts_alike():
    """Two maps of one pixel each, a hundred times as strong in the second; a third is empty."""
    given = np.zeros((3, 80, 160))
    given[0, 3, 4], given[1, 5, 6] = 0.01, 1.0
    mean = controls.time_mean(given)
    assert mean.shape == given.shape
    assert mean[2, 3, 4] == mean[2, 5, 6] == pytest.approx(1 / 3)
    assert mean[2].sum() == pytest.approx(2 / 3)


@pytest.mark.parametrize(('seconds', 'later'), [(0.1, 2), (0.15, 3), (10.0, 4)])
def test_maps_from_elsewhere(seconds, later):
    """Eight frames, 0.4 s: of 10 s half of that is left."""
    given = maps(8)
    moved = controls.away(given, 20.0, seconds)
    for frame in range(8):
        np.testing.assert_array_equal(moved[frame], given[(frame + later) % 8])


def test_the_usual_distance_is_ten_seconds():
    given = np.broadcast_to(np.arange(50.0)[:, None, None], (50, 80, 160))
    assert controls.away(given, 2.0)[:, 0, 0].tolist() == [*range(20, 50), *range(20)]


@pytest.mark.parametrize(('count', 'seconds'), [(1, 10.0), (8, 0.02)])
def test_a_frame_does_not_get_its_own_map_from_elsewhere(count, seconds):
    with pytest.raises(ValueError, match='seconds must be at least a frame, of at least two'):
        controls.away(maps(count), 20.0, seconds)


def test_maps_from_elsewhere_in_a_sample():
    given = maps(8)
    everywhere = controls.away_in_sample(given, np.arange(8), 8, 20.0, 0.15)
    np.testing.assert_array_equal(everywhere, controls.away(given, 20.0, 0.15))
    # 3 frames apart, of 10: behind 0, 2, 5, 9 come 5, 5, 9 and, from the start again, 2.
    frames = np.array([0, 2, 5, 9])
    some = controls.away_in_sample(given[:4], frames, 10, 20.0, 0.15)
    np.testing.assert_array_equal(some, given[[2, 2, 3, 1]])


def test_in_a_short_sample_the_farthest_map_is_elsewhere():
    given = maps(3)
    near = controls.away_in_sample(given, np.array([4, 5, 7]), 20, 20.0, 0.5)
    np.testing.assert_array_equal(near, given[[2, 2, 0]])
    lone = controls.away_in_sample(given[:1], np.array([4]), 20, 20.0, 0.5)
    np.testing.assert_array_equal(lone, given[:1])


def test_the_row_mean():
    given = np.zeros((1, 80, 160))
    given[0, 7, 11] = 16.0
    rows = controls.row_mean(given)
    assert rows.shape == given.shape
    assert (rows[0, 7] == 0.1).all()
    assert not rows[0, [*range(7), *range(8, 80)]].any()


def test_permuted_maps_have_the_same_cells_elsewhere():
    given = maps(2)

    def cells(image):
        parts = image.reshape(10, 8, 20, 8).swapaxes(1, 2).reshape(200, 64)
        return [tuple(part) for part in parts]

    mixed = controls.permuted(given, seed=1)
    orders = []
    for before, after in zip(given, mixed, strict=True):
        places = {cell: index for index, cell in enumerate(cells(before))}
        orders.append([places[cell] for cell in cells(after)])
        assert sorted(orders[-1]) == list(range(200))
        assert sum(new == old for old, new in enumerate(orders[-1])) < 10
    assert orders[0] != orders[1]
    np.testing.assert_array_equal(controls.permuted(given, seed=1), mixed)
    assert not np.array_equal(controls.permuted(given, seed=2), mixed)
