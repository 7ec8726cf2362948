"""The clean pass, and the encoder in batches of one size."""

import numpy as np
import pytest
import torch

from signattn.deletion import DeletionConfig, clean_pass, sources_of
from signattn.deletion.passes import Viewer, grouped
from signattn.deletion.pictures import pixels_of
from signattn.evaluate import predict
from signattn.explain import controls
from signattn.preprocess import scale

STEP_NS = 50_000_000


def test_the_clean_pass_answers_as_the_network_does(random_network, pictures, write_drive):
    """37 frames, more than two windows, with a gap in the second one."""
    stamps = np.concatenate([np.arange(20), 100 + np.arange(17)]) * STEP_NS
    drive = write_drive([0.0] * 37, frames=pictures(37), stamps_ns=stamps)
    network = random_network(attention='soft32')  # no sign that could flip
    clean = clean_pass(network, drive)
    np.testing.assert_allclose(clean.curvature, predict(network, drive), rtol=1e-5, atol=1e-9)
    assert (clean.h.shape, clean.c.shape) == ((37, 6), (37, 6))
    # Step by step, the state before each frame.
    with torch.no_grad():
        for start, stop in ((0, 20), (20, 37)):
            state = None
            for t in range(start, stop):
                output = network(torch.from_numpy(scale(drive.frames[t]))[None, None], state)
                state = output.state
                np.testing.assert_allclose(clean.h[t], output.before[0][0, 0], atol=1e-6)
                np.testing.assert_allclose(clean.c[t], output.before[1][0, 0], atol=1e-6)


def test_the_mean_feature(adding, write_drive):
    frames = np.zeros((3, 80, 160, 3), np.uint8)
    frames[2, ..., 2] = 255  # the last one also fills up the window
    drive = write_drive([0.0] * 3, frames=frames)
    feature = clean_pass(adding(np.zeros(200)), drive).feature
    np.testing.assert_allclose(feature, [1 / 3] + [0] * 63, rtol=1e-6)


def test_a_network_in_training_is_refused(random_network, pictures, write_drive):
    drive = write_drive([0.0], frames=pictures(1))
    with pytest.raises(ValueError, match=r'^network must be in evaluation mode, got one in train'):
        clean_pass(random_network().train(), drive)


@pytest.mark.parametrize('count', [4, 40, 240, 400, 420])
def test_a_donor_is_not_where_the_control_takes_its_map_from(write_drive, count):
    frames = np.zeros((count, 80, 160, 3), np.uint8)
    frames[:, 0, 0] = np.arange(count)[:, None] // [65536, 256, 1] % 256
    drive = write_drive([0.0] * count, frames=frames)
    config = DeletionConfig(filling='donor')
    source = sources_of(drive, config, np.arange(count), drive.frames)[:, 0, 0].astype(int)
    donors = source @ [65536, 256, 1]
    maps = np.broadcast_to(np.arange(count, dtype=float)[:, None, None], (count, 80, 160))
    away = controls.away(maps, drive.preprocessing.rate_hz)[:, 0, 0].astype(int)
    between = np.minimum((donors - away) % count, (away - donors) % count)
    assert (between >= max(1, count // 12)).all()
    assert (donors == (np.arange(count) - min(200, max(1, count // 3))) % count).all()


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_a_folded_encoder_is_the_same_function(random_network, pictures, norm):
    network = random_network(encoder_norm=norm)
    frames = pictures(3)
    features = Viewer(network, 2).encode(np.stack([pixels_of(frame) for frame in frames]))
    torch.testing.assert_close(
        features, network.encoder(torch.from_numpy(scale(frames))), rtol=1e-5, atol=1e-5
    )
    kinds = {type(layer).__name__ for layer in network.encoder.layers}
    assert ('BatchNorm2d' in kinds) == (norm == 'batch')  # the network itself is as it was


@pytest.mark.parametrize('count', [1, 2, 5])
def test_features_do_not_depend_on_what_else_is_shown(random_network, pictures, count):
    viewer = Viewer(random_network(), 3)
    shown = np.stack([pixels_of(frame) for frame in pictures(6)])
    together = viewer.encode(shown)
    apart = torch.cat([viewer.encode(shown[i : i + count]) for i in range(0, 6, count)])
    torch.testing.assert_close(apart, together, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('levels', 'groups', 'size', 'last'),
    [
        (tuple(range(26)), 2, 13, 3200),
        (tuple(range(0, 101, 5)), 2, 11, 12_800),  # 21, and one again
        (tuple(range(101)), 8, 13, 12_800),  # and three again
        ((0, 50), 1, 2, 6400),
    ],
)
def test_groups_are_of_one_size(levels, groups, size, last):
    config = DeletionConfig(levels=levels)
    found = grouped(config.counts())
    assert found.shape == (groups, size)
    assert found[-1, -1] == last
    np.testing.assert_array_equal(found.ravel()[: len(levels)], config.counts())
