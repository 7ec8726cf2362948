"""Maps of one layer, of the picture alone, of one cell, and maps that move."""

import numpy as np
import pytest
import torch

from signattn.model import Network, NetworkConfig
from signattn.sanity import after_randomising, likeness, permuted_areas, randomised

LAYERS = ('output', 'gate', 'lstm', 'initial', 'attention', *(f'conv{k}' for k in range(5, 0, -1)))


def network(**options):
    torch.manual_seed(7)
    return Network(NetworkConfig(hidden=3, dropout=0.0, **options)).eval()


def weights(made):
    return {name: tensor.clone() for name, tensor in made.state_dict().items()}


def changed_layers(before, made):
    """Names of the top-level modules, and of the encoder's, that differ."""
    after = made.state_dict()
    names = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    return {'.'.join(name.split('.')[: 3 if 'encoder' in name else 1]) for name in names}


def test_layers_lose_their_weights_from_the_top():
    made = network()
    made.curvature_scale.fill_(0.01)
    before = weights(made)
    seen, steps = set(), {}
    for name, other in randomised(made, 0):
        found = changed_layers(before, other)
        assert seen < found
        steps[name] = found - seen
        seen = found
    assert tuple(steps) == LAYERS
    assert steps['output'] == {'output'}
    assert steps['initial'] == {'initial_h', 'initial_c'}
    assert steps['conv5'] == {'encoder.layers.8'}
    assert steps['conv1'] == {'encoder.layers.0'}
    assert changed_layers(before, made) == set()


def test_what_the_normalisation_has_learned_goes_with_its_convolution():
    made = network(encoder_norm='batch')
    with torch.no_grad():
        for buffer in made.encoder.buffers():
            buffer.fill_(2)
    steps = dict.fromkeys(LAYERS)
    for name, other in randomised(made, 0):
        steps[name] = [float(norm.running_mean.sum()) for norm in other.encoder.layers[1::3]]
    assert [value > 0 for value in steps['attention']] == [True] * 5
    assert [value > 0 for value in steps['conv5']] == [True] * 4 + [False]
    assert [value > 0 for value in steps['conv1']] == [False] * 5


def test_a_head_with_another_layer_and_a_network_without_attention():
    names = [name for name, _ in randomised(network(attention='none_quant', head='kim'), 0)]
    assert names == ['last', *(name for name in LAYERS if name != 'attention')]


def test_a_read_out_that_began_at_zero_is_drawn():
    for name, other in randomised(network(readout_init='zero'), 0):
        if name == 'gate':
            assert other.output.weight.abs().min() > 0
            assert other.gate.weight.abs().min() > 0


def test_new_weights_depend_on_the_seed_and_leave_other_draws_alone():
    made = network()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    *_, (_, one) = randomised(made, 0)
    first = weights(one)
    assert torch.equal(torch.rand(3), expected)
    *_, (_, again) = randomised(made, 0)
    assert changed_layers(first, again) == set()
    *_, (_, other) = randomised(made, 1)
    assert 'output' in changed_layers(first, other)


def test_a_map_of_one_layer_is_lost_with_it():
    def maps_of(made):
        kernels = made.encoder.layers[6].weight.detach().flatten()[: 80 * 160]  # conv4
        return kernels.reshape(1, 80, 160).numpy().copy()

    found = after_randomising(network(), maps_of, seeds=(0, 1), blur_px=0)
    assert found.layers == LAYERS
    assert found.correlation.shape == (2, 10, 1)
    kept = found.layers.index('conv4')
    assert found.correlation[:, :kept] == pytest.approx(1)
    # Of 12,800 numbers without relation: 5 standard deviations.
    assert np.abs(found.correlation[:, kept:]).max() < 5 / np.sqrt(12_800)


def test_a_map_of_the_picture_alone_stays():
    edges = np.random.default_rng(0).random((2, 80, 160))
    found = after_randomising(network(), lambda _: edges, seeds=(0,))
    assert found.correlation == pytest.approx(1)


def test_attention_cannot_tell_a_random_read_out():
    made = network()
    frames = torch.rand(1, 3, 3, 80, 160, generator=torch.Generator().manual_seed(0))

    def maps_of(changed):
        with torch.inference_mode():
            return changed(frames).attention[0].numpy().repeat(8, 1).repeat(8, 2)

    found = after_randomising(made, maps_of, seeds=(0,)).correlation[0]
    by_layer = dict(zip(LAYERS, found, strict=True))
    assert by_layer['output'] == pytest.approx(1)
    assert by_layer['gate'] == pytest.approx(1)
    assert by_layer['attention'].max() < 0.9


def test_randomising_needs_a_seed():
    with pytest.raises(ValueError, match='seeds must hold at least one, got none'):
        after_randomising(network(), lambda _: np.zeros((1, 80, 160)), seeds=())


def test_a_map_that_marks_the_right_place_loses_its_area():
    saliency = np.zeros((50, 80, 160))
    saliency[:, 8:16, 8:16] = 1
    found = permuted_areas(saliency, lambda maps: maps[:, 8:16, 8:16].mean((1, 2)), range(20))
    assert found.own.tolist() == [1] * 50
    assert found.permuted.shape == (20, 50)
    # One in 200 finds its place again, of 1,000.
    assert 0 <= found.permuted.sum() < 20
    np.testing.assert_array_equal(found.lost, 1 - found.permuted)


def test_an_area_that_heeds_no_place_is_kept():
    saliency = np.random.default_rng(0).random((3, 80, 160))
    found = permuted_areas(saliency, lambda maps: maps.mean((1, 2)), (0,))
    assert found.lost == pytest.approx(np.zeros((1, 3)), abs=1e-12)


def test_likeness_of_what_holds_still_moves_and_turns_over():
    noise = np.random.default_rng(0).random((80, 160))
    pictures = np.array([noise, noise, 1 - noise, np.zeros_like(noise), noise])
    found = likeness(pictures, [slice(0, 5)])
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx([1, -1, 0, 0])


def test_nothing_is_compared_across_a_gap():
    pictures = np.random.default_rng(0).random((6, 80, 160))
    found = likeness(pictures, [slice(0, 4), slice(4, 6)], lag=1)
    assert np.isnan(found).tolist() == [True, False, False, False, True, False]
    found = likeness(pictures, [slice(0, 4), slice(4, 6)], lag=2)
    assert np.isnan(found).tolist() == [True, True, False, False, True, True]


def test_likeness_at_a_lag():
    one, other = np.random.default_rng(0).random((2, 80, 160))
    found = likeness(np.array([one, other, one, other]), [slice(0, 4)], lag=2, blur_px=0)
    assert found[2:] == pytest.approx([1, 1])


def test_lag_must_go_back():
    with pytest.raises(ValueError, match='lag must be at least 1, got 0'):
        likeness(np.zeros((2, 80, 160)), [slice(0, 2)], lag=0)
