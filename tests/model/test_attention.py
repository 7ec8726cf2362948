"""Scores (Eq. 11) and softmax (Eqs. 12, 15) with weights set by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from signattn.model.attention import Attention
from signattn.model.encoder import CELLS, CHANNELS

SCORES = ['projected', 'bounded', 'bounded_per_cell']
ATANH_HALF = math.atanh(0.5)


def blank(score, temperature=1.0, hidden=1):
    """All weights 0: every logit is 0."""
    attention = Attention(hidden, score, temperature).requires_grad_(requires_grad=False)
    for parameter in attention.parameters():
        parameter.zero_()
    return attention


def attend(attention, features, h):
    return attention(attention.project(features), h).exp()


@pytest.mark.parametrize('score', SCORES)
@pytest.mark.parametrize('temperature', [0.01, 0.1, 1.0, 100.0])
def test_attention_sums_to_1_at_every_temperature(score, temperature):
    torch.manual_seed(0)
    attention = Attention(8, score, temperature)
    got = attend(attention, 5 * torch.randn(3, CELLS, CHANNELS), torch.randn(3, 8))
    assert got.shape == (3, CELLS)
    assert (got >= 0).all()
    assert_close(got.sum(-1), torch.ones(3), rtol=0, atol=1e-5)


@pytest.mark.parametrize('score', SCORES)
def test_equal_scores_share_equally(score):
    got = attend(blank(score), torch.randn(2, CELLS, CHANNELS), torch.ones(2, 1))
    assert_close(got, torch.full((2, CELLS), 1 / 200))


@pytest.mark.parametrize(
    ('temperature', 'odds'), [(1.0, math.e), (0.5, math.e**2), (2.0, math.e**0.5)]
)
def test_a_logit_of_1_divided_by_the_temperature(temperature, odds):
    attention = blank('projected', temperature)
    attention.from_features.weight[0, 5] = ATANH_HALF
    attention.to_score.weight[0, 0] = 2.0
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 7, 5] = 1.0  # 2 · tanh(atanh 0.5) = 1
    got = attend(attention, features, torch.zeros(1, 1))
    assert got[0, 7].item() == pytest.approx(odds / (odds + 199), rel=1e-5)
    assert got[0, 8].item() == pytest.approx(1 / (odds + 199), rel=1e-5)


def test_projected_score_adds_features_state_and_bias_inside_tanh():
    attention = blank('projected')
    attention.from_features.weight[3, 5] = 0.5
    attention.from_features.bias[3] = -1.0
    attention.from_state.weight[3, 0] = 2.0
    attention.to_score.weight[0, 3] = 10.0
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 7, 5] = 4.0
    recurrent = attention.from_state(torch.tensor([[0.75]]))
    logits = attention.score(attention.project(features), recurrent)
    assert logits[0, 7].item() == pytest.approx(10 * math.tanh(2 - 1 + 1.5))
    assert logits[0, 8].item() == pytest.approx(10 * math.tanh(-1 + 1.5))


def test_bounded_score_is_one_number_inside_tanh():
    attention = blank('bounded')
    attention.from_features.weight[0, 5] = 0.5
    attention.from_state.weight[0, 0] = 2.0
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 7, 5] = 4.0
    recurrent = attention.from_state(torch.tensor([[0.75]]))
    logits = attention.score(attention.project(features), recurrent)
    assert logits[0, 7].item() == pytest.approx(math.tanh(2 + 1.5))
    assert logits[0, 8].item() == pytest.approx(math.tanh(1.5))


def test_per_cell_the_state_alone_can_steer():
    attention = blank('bounded_per_cell')
    attention.from_state.weight[7, 0] = ATANH_HALF
    features = torch.zeros(2, CELLS, CHANNELS)
    got = attend(attention, features, torch.tensor([[1.0], [-1.0]]))
    odds = math.exp(0.5)
    assert got[0, 7].item() == pytest.approx(odds / (odds + 199), rel=1e-5)
    assert got[1, 7].item() == pytest.approx(1 / (1 + 199 * odds), rel=1e-5)


def test_bounded_the_state_alone_cannot():
    attention = blank('bounded')
    attention.from_state.weight[0, 0] = 3.0
    got = attend(attention, torch.zeros(1, CELLS, CHANNELS), torch.ones(1, 1))
    assert_close(got, torch.full((1, CELLS), 1 / 200))


@pytest.mark.parametrize('score', ['bounded', 'bounded_per_cell'])
def test_bounded_scores_differ_by_a_factor_of_e_squared_at_most(score):
    attention = blank(score)
    attention.from_features.weight[0, 5] = 100.0
    features = torch.ones(1, CELLS, CHANNELS)
    features[0, 100:] = -1.0
    got = attend(attention, features, torch.zeros(1, 1))
    assert (got.max() / got.min()).item() == pytest.approx(math.e**2, rel=1e-5)


def test_a_projected_score_knows_no_such_bound():
    attention = blank('projected')
    attention.from_features.weight[0, 5] = 100.0
    attention.to_score.weight[0, 0] = 5.0
    features = torch.ones(1, CELLS, CHANNELS)
    features[0, 100:] = -1.0
    got = attend(attention, features, torch.zeros(1, 1))
    assert (got.max() / got.min()).item() == pytest.approx(math.e**10, rel=1e-4)


def test_log_attention_stays_whole_in_half_precision():
    attention = Attention(8, 'projected', 1.0)
    with torch.autocast('cpu', torch.bfloat16):
        log = attention(attention.project(torch.rand(2, 200, 64)), torch.rand(2, 8))
    assert log.dtype == torch.float32
    torch.testing.assert_close(log.exp().sum(-1), torch.ones(2), rtol=0, atol=1e-5)
