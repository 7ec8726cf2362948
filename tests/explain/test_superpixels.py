import numpy as np

from signattn.explain.superpixels import cell_labels, superpixels


def test_cells_are_eight_pixels_wide_row_by_row():
    labels = cell_labels()
    assert labels.shape == (80, 160)
    assert (labels[:8, :8] == 0).all()
    assert (labels[:8, 8:16] == 1).all()
    assert labels[8, 0] == 20
    assert labels[79, 159] == 199
    assert (np.bincount(labels.ravel()) == 64).all()


def test_an_even_picture_falls_into_about_equal_parts():
    labels = superpixels(np.full((80, 160, 3), 90, np.uint8), 16)
    sizes = np.bincount(labels.ravel())
    assert len(sizes) == 5 * 10
    assert sizes.min() > 128
    assert sizes.max() < 512
    assert labels[8, 8] == 0
    assert labels[72, 152] == 49


def test_parts_end_at_edges():
    picture = np.zeros((80, 160, 3), np.uint8)
    picture[:, 68:, 2] = 255  # markers are at 56 and 72
    labels = superpixels(picture, 16)
    left, right = set(labels[:, :66].ravel()), set(labels[:, 70:].ravel())
    assert not left & right


def test_parts_of_a_restless_picture_are_whole():
    picture = np.random.default_rng(0).integers(0, 180, (80, 160, 3), np.uint8)
    labels = superpixels(picture, 8)
    assert set(labels.ravel()) == set(range(200))
