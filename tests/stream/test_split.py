"""The network in two halves against the network whole."""

import numpy as np
import pytest
import torch

from signattn.model.gating import KINDS
from signattn.preprocess import scale
from signattn.stream.split import SplitStep

NETWORKS = [
    *({'attention': kind} for kind in KINDS),
    {'encoder_norm': 'batch'},
    {'split': 'shared', 'score': 'bounded_per_cell', 'temperature': 0.1},
    {'head': 'kim'},
    {'head': 'kim', 'attention': 'topk', 'budget': 7, 'score': 'bounded', 'encoder_norm': 'batch'},
    {'bits': 1, 'range_b': 0.25},
]


@torch.no_grad()
def stream(split, frames):
    """Curvatures (T,) and attentions (T, L), one frame after the other."""
    answers, prepared = [], None
    for frame in torch.from_numpy(frames):
        features = split.features(frame[None])
        answers.append(split.answer(features, prepared or split.begin(features)))
        prepared = split.prepare(answers[-1])
    curvature = torch.cat([answer.curvature[0] for answer in answers])
    return curvature.numpy(), torch.cat([answer.attention for answer in answers]).numpy()


@pytest.mark.parametrize('config', NETWORKS, ids=str)
def test_in_turn_they_are_the_network(config, make_frames, make_network):
    frames, whole = make_frames(5), make_network(**config)
    with torch.no_grad():
        want = whole(torch.from_numpy(scale(frames[None])))
    curvature, attention = stream(SplitStep(whole), frames)
    # An amplitude half-way between two levels may go to the other one: one level is about 1e-6.
    np.testing.assert_allclose(curvature, want.curvature[0].numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(attention, want.attention[0].flatten(1).numpy(), rtol=0, atol=1e-6)
    assert np.std(curvature) > 5e-5


@torch.no_grad()
def test_a_feature_of_nothing_counts_as_positive(make_network):
    whole = make_network(readout_init='zero')
    whole.gate.weight.zero_()
    whole.gate.bias.zero_()
    whole.output.weight.fill_(1.0)
    whole.output.bias.zero_()
    split = SplitStep(whole)
    # Half of what a product of 1 gives; softplus(0) at 1024 levels of 8.
    level = round(np.log(2) / (8 / 1023)) * 8 / 1023
    features = torch.zeros(1, 200, 64)
    answer = split.answer(features, split.begin(features))
    assert answer.curvature.item() == pytest.approx(6400 * 0.5 * level * 0.01)
    features[:, 0, :32] = -0.0
    features[:, 1, :32] = -1e-30
    answer = split.answer(features, split.begin(features))
    assert answer.curvature.item() == pytest.approx((6400 - 64) * 0.5 * level * 0.01)


@torch.no_grad()
def test_nothing_of_the_state_is_computed_before_the_answer_is_known(make_frames, make_network):
    """What ``answer`` reads of a gated network's state is prepared: h and c may be anything."""
    split = SplitStep(make_network())
    features = split.features(torch.from_numpy(make_frames(1)))
    prepared = split.begin(features)
    lost = prepared._replace(h=torch.full_like(prepared.h, np.nan), c=None)
    want, got = split.answer(features, prepared), split.answer(features, lost)
    assert torch.equal(want.curvature, got.curvature)
    assert torch.equal(want.attention, got.attention)
