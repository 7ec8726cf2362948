"""What holds for every explainer: kinds of attention, signs, seeds, the state, the cost."""

import numpy as np
import pytest
import torch

from signattn.explain import EXPLAINERS, new_explainer
from signattn.model.gating import KINDS, WITHOUT

ROW, COLUMN = 4, 6
LITTLE = {
    'lime_cells': {'samples': 6},
    'lime_superpixels': {'samples': 6},
    'rise': {'masks': 6},
    'integrated_gradients': {'steps': 3},
}
NEED_A_MAP = ('attention', 'causal_filtering')
DRAWING = ('lime_cells', 'lime_superpixels', 'rise', 'causal_filtering')


def little(name, **options):
    """An explainer that takes few samples."""
    return EXPLAINERS[name](**LITTLE.get(name, {}) | options)


def toy_for(name, toy, **options):
    """A toy network that the explainer can explain."""
    return toy('sign' if name in NEED_A_MAP else 'none_float', **options)


@pytest.mark.parametrize('name', EXPLAINERS)
def test_names_are_those_of_the_table(name):
    assert EXPLAINERS[name]().name == name


@pytest.mark.parametrize('name', EXPLAINERS)
def test_what_draws_takes_a_seed(name):
    drawn = new_explainer(name, 3)
    assert drawn.name == name
    assert getattr(drawn, 'seed', None) == (3 if name in DRAWING else None)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', EXPLAINERS)
def test_every_kind_of_attention_is_explained(name, kind, small, pictures):
    network = small(attention=kind)
    two = pictures.unflatten(1, (2, 2))[0]  # (2, 2, 3, 80, 160)
    before = two.clone()
    if name in NEED_A_MAP and kind in WITHOUT:
        with pytest.raises(ValueError, match=f"have attention to be explained by {name}, got '"):
            little(name)(network, two)
        return
    saliency, forwards, state = little(name)(network, two)
    assert (saliency.shape, saliency.dtype) == ((2, 2, 80, 160), np.float64)
    assert np.isfinite(saliency).all()
    assert (saliency >= 0).all()
    assert (np.ptp(saliency, axis=(2, 3)) > 0).all()
    assert forwards >= 1
    with torch.no_grad():
        assert torch.equal(torch.stack(state), torch.stack(network(two).state))
    assert torch.equal(two, before)


@pytest.mark.parametrize('name', EXPLAINERS)
def test_the_head_that_needs_the_state_behind_the_frame(name, small, pictures):
    network = small(attention='soft', head='kim')
    saliency = little(name)(network, pictures[:, :1]).saliency
    assert np.ptp(saliency) > 0


@pytest.mark.parametrize('name', EXPLAINERS)
def test_a_network_in_training_mode_is_refused(name, small, pictures):
    with pytest.raises(ValueError, match='network must be in evaluation mode, got training mode'):
        little(name)(small(attention='soft32').train(), pictures)


@pytest.mark.parametrize('name', EXPLAINERS)
def test_frames_are_explained_with_the_state_of_the_frames_as_they_are(name, small, pictures):
    network = small(attention='soft32')
    if network.attention is not None:  # so that the map goes with the state, too
        network.attention.from_state.weight.data.mul_(20)
    network.gate.weight.data.mul_(20)
    explainer = little(name)
    whole = explainer(network, pictures)
    first = explainer(network, pictures[:, :3])
    last = explainer(network, pictures[:, 3:], first.state)
    np.testing.assert_allclose(last.saliency[:, 0], whole.saliency[:, 3], rtol=1e-3, atol=1e-7)
    afresh = explainer(network, pictures[:, 3:])
    assert not np.allclose(afresh.saliency[:, 0], whole.saliency[:, 3], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize('name', [name for name in EXPLAINERS if name != 'attention'])
def test_left_and_right_bends_are_explained_alike(name, toy, spots):
    frames = spots((ROW, COLUMN), (2, 3))
    left = little(name)(toy_for(name, toy, weight=0.5, sharpness=4.0), frames).saliency
    right = little(name)(toy_for(name, toy, weight=-0.5, sharpness=4.0), frames).saliency
    assert np.ptp(left) > 0
    np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.parametrize('name', EXPLAINERS)
def test_an_explanation_is_the_same_again_and_beside_others(name, small, pictures):
    network = small(attention='soft32')
    one = little(name)(network, pictures).saliency
    np.testing.assert_array_equal(little(name)(network, pictures).saliency, one)
    beside = little(name)(network, torch.cat([1 - pictures, pictures])).saliency[1:]
    np.testing.assert_allclose(beside, one, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize('name', DRAWING)
def test_another_seed_draws_otherwise(name, toy, spots):
    frames = spots((ROW, COLUMN), (2, 3))
    network = toy('soft32', sharpness=4.0)
    one, other = (little(name, seed=seed)(network, frames).saliency for seed in (0, 1))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ('name', 'forwards'),
    [
        ('attention', 1),  # the pass that answers
        ('gradcam', 1 + 1 + 2),
        ('lime_cells', 1 + 6),
        ('lime_superpixels', 1 + 6),
        ('rise', 1 + 6),
        ('integrated_gradients', 1 + 3 * (1 + 2)),
        ('causal_filtering', 1 + 1 + 2),  # two clusters
    ],
)
def test_the_cost_in_forward_passes(name, forwards, toy, spots):
    network = toy('soft32', sharpness=8.0)
    seen = []
    network.encoder.register_forward_hook(lambda _module, args, _out: seen.append(len(args[0])))
    explanation = little(name)(network, spots((ROW, COLUMN), (2, 13), steps=2))
    assert explanation.forwards == forwards
    backwards = {'gradcam': 2, 'integrated_gradients': 6}.get(name, 0)
    assert sum(seen) == 2 * (forwards - backwards)
