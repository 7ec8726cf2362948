"""A search whose steps are known on paper."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from signattn.deletion import DeletionConfig, clean_pass, curves, greedy_maps

A, B, C, D = 25, 61, 107, 199
CONFIG = DeletionConfig(levels=(0, 1, 2), filling='black')  # four cells


@pytest.fixture
def network(adding):
    """Four cells count; masking A and B moves the answer one way, C and D the other."""
    weights = np.zeros(200)
    weights[[A, B, C, D]] = [5.0, 3.0, -4.0, -3.0]
    return adding(weights)


@pytest.fixture
def drive(write_drive):
    """Two white pictures and a dark one."""
    frames = np.full((3, 80, 160, 3), (0, 0, 255), np.uint8)
    frames[1, ..., 2] = 51
    return write_drive([0.0] * 3, frames=frames)


def earliness(maps):
    """(M, 200) of (M, 80, 160), which are even over each cell."""
    cells = maps.reshape(-1, 10, 8, 20, 8)
    assert (np.ptp(cells, (2, 4)) == 0).all()
    return cells[:, :, 0, :, 0].reshape(-1, 200)


def test_each_step_takes_the_cell_that_moves_furthest(network, drive):
    """After A and B those without weight: C or D would lead back."""
    found = earliness(greedy_maps(network, drive, CONFIG, np.array([0, 2])))
    expected = np.zeros(200)
    expected[[A, B, 0, 1]] = [4, 3, 2, 1]
    np.testing.assert_array_equal(found, [expected, expected])


def test_the_furthest_first_cell_decides_the_direction(adding, drive):
    """It is a search, not the best order: many weak cells the other way are found too late."""
    weights = np.ones(200)
    weights[[C, D]] = [-4.0, -3.0]
    config = DeletionConfig(levels=(0, 10), filling='black')
    found = earliness(greedy_maps(adding(weights), drive, config, np.array([0])))[0]
    assert sorted(found) == [0] * 180 + list(range(1, 21))
    assert (found[C], found[D]) == (20, 19)


def test_cells_of_features_move_by_their_distance_from_the_mean(network, drive):
    """V is 1, 0.2 and 1, its mean 0.73: the dark frame's cells get brighter, the same order."""
    config = DeletionConfig(levels=(0, 1), space='cells')
    found = earliness(greedy_maps(network, drive, config, np.array([0, 1])))
    for row in found:
        assert (row[A], row[B], row.sum()) == (2, 1, 3)


def test_a_donor_gives_its_own_pixels(network, drive):
    """White for dark and dark for white move A and B first; white for white moves nothing."""
    config = DeletionConfig(levels=(0, 1), filling='donor', blur_px=0.0)
    maps = greedy_maps(network, drive, config, np.arange(3))
    for row in earliness(maps)[1:]:
        assert (row[A], row[B], row.sum()) == (2, 1, 3)
    moved = curves(network, drive, maps, config).fidelity_areas()
    assert (moved[1:] > 0.1).all()
    assert moved[0] == 0


def test_a_lone_picture_has_no_donor(network, write_drive):
    drive = write_drive([0.0], frames=np.zeros((1, 80, 160, 3), np.uint8))
    config = DeletionConfig(filling='donor')
    with pytest.raises(ValueError, match=r'^seconds must be at least a frame, of at least two'):
        greedy_maps(network, drive, config, np.array([0]))


def test_no_map_does_better_on_these_networks(random_network, pictures, write_drive):
    drive, frames = write_drive([0.0] * 6, frames=pictures(6)), np.array([1, 5])
    config = DeletionConfig(levels=(0, 1, 2), blur_px=0.0)
    network = random_network(attention='soft32')
    clean = clean_pass(network, drive)
    maps = greedy_maps(network, drive, config, frames, clean=clean)
    best = curves(network, drive, maps, config, frames=frames, clean=clean).fidelity_areas()
    for seed in range(3):
        noise = np.random.default_rng(seed).random((2, 10, 20)).repeat(8, 1).repeat(8, 2)
        other = curves(network, drive, noise, config, frames=frames, clean=clean)
        assert (other.fidelity_areas() < best).all()


class Whole(torch.nn.Module):
    """An encoder of which nobody knows how far a cell reaches."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, frames):
        """As the encoder does."""
        return self.encoder(frames)


@pytest.mark.parametrize('filling', ['black', 'blurred'])
def test_as_if_every_picture_were_seen_whole(random_network, pictures, write_drive, filling):
    drive, frames = write_drive([0.0] * 2, frames=pictures(2)), np.array([1])
    config = DeletionConfig(levels=(0, 2), filling=filling)
    network = random_network(attention='soft32', encoder_norm='batch')
    found = greedy_maps(network, drive, config, frames)
    network.encoder = Whole(network.encoder)
    np.testing.assert_array_equal(found, greedy_maps(network, drive, config, frames))


def test_an_executor_finds_the_same(random_network, pictures, write_drive):
    drive, frames = write_drive([0.0] * 6, frames=pictures(6)), np.arange(5)
    network, config = random_network(), DeletionConfig(levels=(0, 0.5))
    alone = greedy_maps(network, drive, config, frames)
    with ThreadPoolExecutor(1) as pool:
        shared = greedy_maps(network, drive, config, frames, executor=pool)
    np.testing.assert_array_equal(alone, shared)
    assert alone.shape == (5, 80, 160)


def test_there_is_no_search_for_insertions(network, drive):
    config = DeletionConfig(mode='insertion')
    with pytest.raises(ValueError, match=r"^mode must be deletion for a greedy search, got 'ins"):
        greedy_maps(network, drive, config, np.array([0]))
