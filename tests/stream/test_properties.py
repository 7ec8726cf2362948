"""Back ends against random networks on random pictures, whatever the last bits do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from signattn.model import Network, NetworkConfig
from signattn.model.gating import FLOAT, KINDS, WITHOUT
from signattn.preprocess import scale
from signattn.stream.eager import EagerBackend
from signattn.stream.split import SplitStep

CPU = torch.device('cpu')
NEAR = 1e-5


@st.composite
def networks(draw, kinds=KINDS):
    kind = draw(st.sampled_from(kinds))
    options = {
        'attention': kind,
        'hidden': draw(st.integers(1, 24)),
        'head': draw(st.sampled_from(['gated', 'kim'])),
        'conv2_kernel': draw(st.sampled_from([3, 5])),
        'encoder_norm': draw(st.sampled_from(['none', 'batch'])),
    }
    if kind not in FLOAT:
        options['bits'] = draw(st.integers(1, 16))
        options['range_b'] = draw(st.sampled_from([0.5, 8.0]))
        options['split'] = draw(st.sampled_from(['halves', 'shared']))
    if kind not in WITHOUT:
        options['score'] = draw(st.sampled_from(['projected', 'bounded', 'bounded_per_cell']))
        options['temperature'] = draw(st.sampled_from([0.1, 1.0]))
    torch.manual_seed(draw(st.integers(0, 2**31)))
    network = Network(NetworkConfig(**options))
    with torch.no_grad():
        network.encoder(torch.rand(4, 3, 80, 160))  # moves the running averages
        network.curvature_scale.fill_(0.01)
    return network.eval()


@st.composite
def pictures(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    highest = draw(st.sampled_from([1, 256]))
    return random.integers(0, highest, (draw(st.integers(1, 3)), 80, 160, 3)).astype(np.uint8)


def streamed(network, frames):
    """Features (T, L, D), products (T, L, C) in levels, curvatures, attentions of a back end."""
    backend, split = EagerBackend(network, CPU), SplitStep(network)
    found = []
    for frame in frames:
        step = backend.answer(frame)
        features = split.features(torch.from_numpy(frame)[None])[0]
        found.append((features, backend.products().copy(), step.curvature, step.attention))
        backend.prepare()
    return found


@torch.no_grad()
def by_the_network(network, found):
    """What the network itself makes of the products: rounding moves one to another level."""
    first = found[0][0][None]
    projected = network.attention.project(first) if network.attention else first
    state = network.initial_state(first, network.first_openness(projected))
    level = network.range_b / (2**network.config.bits - 1)
    for features, products, _, _ in found:
        x = torch.from_numpy(products).flatten()[None]
        x = x if network.config.attention in FLOAT else x * level
        h = state[0]
        attention = torch.full((1, 200), 1 / 200)
        if network.attention:
            attention = network.attention(network.attention.project(features[None]), h).exp()
        state = network.lstm(x, state)
        yield network._answer(h, state[0], x).item(), attention.view(10, 20).numpy()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(networks(), pictures())
@torch.no_grad()
def test_all_but_the_rounding_of_products_is_the_networks(network, frames):
    found = streamed(network, frames)
    for (_, _, curvature, attention), want in zip(
        found, by_the_network(network, found), strict=True
    ):
        assert curvature == pytest.approx(want[0], abs=1e-6)
        np.testing.assert_allclose(attention, want[1], rtol=0, atol=1e-5)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(networks(['sign', 'none_quant']), pictures())
@torch.no_grad()
def test_signs_and_levels_differ_only_where_rounding_decides(network, frames):
    plain = network.encoder(torch.from_numpy(scale(frames)))  # (T, L, D)
    signed, amplitude = network.split(plain)
    level = network.range_b / (2**network.config.bits - 1)
    to_amplitude = plain.chunk(2, -1)[1] if network.config.split == 'halves' else plain
    exact = functional.softplus(to_amplitude).clamp(max=network.range_b.item()) / level
    far = (signed.abs() > NEAR) & ((exact.frac() - 0.5).abs() > NEAR / level)
    want = torch.where(signed >= 0, 1.0, -1.0) * amplitude / level
    got = torch.stack([torch.from_numpy(found[1]) for found in streamed(network, frames)])
    assert ((got - want).abs() < 0.5)[far].all()
    assert far.float().mean() > 0.9 or level < 100 * NEAR or not frames.any()
