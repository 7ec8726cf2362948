"""A whole drive: the state carried, frames chosen, the cost."""

import numpy as np
import pytest
import torch

from signattn.explain import EXPLAINERS, explain
from signattn.explain.explainer import as_saliency
from signattn.preprocess import scale

STEP_NS = 50_000_000


@pytest.fixture
def drive(write_drive):
    """Seven frames of noise, a gap behind the fourth."""
    frames = np.random.default_rng(0).integers(0, 180, (7, 80, 160, 3), np.uint8)
    stamps = (np.arange(7) + 100 * (np.arange(7) >= 4)) * STEP_NS
    return write_drive(np.zeros(7), frames=frames, stamps_ns=stamps)


@pytest.fixture
def network(small):
    """Its map and its answer go with the state."""
    made = small(attention='soft32')
    made.attention.from_state.weight.data.mul_(20)
    made.gate.weight.data.mul_(20)
    return made


def by_hand(drive, network, explainer):
    """The two stretches, each from a fresh state."""
    frames = torch.from_numpy(scale(drive.frames[:])[None])
    parts = [explainer(network, frames[:, part]).saliency[0] for part in drive.stretches()]
    return np.concatenate(parts)


@pytest.mark.parametrize('chunk', [1, 3, 64])
@pytest.mark.parametrize('name', ['attention', 'gradcam'])
def test_the_state_is_carried_and_afresh_behind_a_gap(drive, network, name, chunk, monkeypatch):
    monkeypatch.setattr('signattn.explain.explainer._CHUNK', chunk)
    explainer = EXPLAINERS[name]()
    explained = explain(drive, network, explainer)
    assert explained.saliency.shape == (7, 80, 160)
    want = by_hand(drive, network, explainer)
    np.testing.assert_allclose(explained.saliency, want, rtol=1e-3, atol=1e-7)
    assert explained.milliseconds > 0


def test_some_frames_are_explained_as_among_all(drive, network):
    explainer = EXPLAINERS['integrated_gradients'](steps=2)
    some = explain(drive, network, explainer, np.array([1, 3, 6]))
    want = by_hand(drive, network, explainer)[[1, 3, 6]]
    np.testing.assert_allclose(some.saliency, want, rtol=1e-3, atol=1e-7)
    assert some.forwards == 1 + 3 * 2


def test_forward_passes_are_the_mean_over_the_frames(toy, write_drive, monkeypatch):
    """One cluster in the first two frames, two in the third; chunks of two."""
    monkeypatch.setattr('signattn.explain.explainer._CHUNK', 2)
    levels = np.zeros((3, 80, 160, 3), np.uint8)
    levels[:, 32:40, 48:56, 2] = 255
    levels[2, 16:24, 104:112, 2] = 255
    drive = write_drive(np.zeros(3), frames=levels)
    network = toy('soft32', sharpness=10.0)
    explained = explain(drive, network, EXPLAINERS['causal_filtering']())
    assert explained.forwards == pytest.approx((3 + 3 + 4) / 3)


@pytest.mark.parametrize('frames', [[], [-1, 2], [2, 1], [1, 1], [6, 7]])
def test_frames_that_do_not_rise_within_the_drive_are_refused(drive, network, frames):
    with pytest.raises(ValueError, match=r'frames must rise and lie in 0\.\.6, got'):
        explain(drive, network, EXPLAINERS['attention'](), np.array(frames, np.int64))


def test_a_network_in_training_mode_is_refused_untouched(drive, small):
    network = small(encoder_norm='batch').train()
    mean = network.encoder.layers[1].running_mean.clone()
    with pytest.raises(ValueError, match='network must be in evaluation mode'):
        explain(drive, network, EXPLAINERS['attention']())
    assert torch.equal(network.encoder.layers[1].running_mean, mean)


def test_either_sign_of_cells_or_pixels_becomes_a_size_at_each_pixel():
    frames = torch.zeros(1, 2, 3, 80, 160)
    cells = torch.zeros(2, 10, 20)
    cells[1, 2, 3] = -5.0
    saliency = as_saliency(cells, frames)
    assert saliency.shape == (1, 2, 80, 160)
    assert saliency.sum() == 64 * 5
    assert (saliency[0, 1, 16:24, 24:32] == 5).all()
    pixels = torch.full((2, 80, 160), -2.0)
    assert (as_saliency(pixels, frames) == 2).all()
