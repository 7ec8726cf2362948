"""The quantiser and the attended sign, values and gradients worked out by hand."""

import pytest
import torch
from torch.testing import assert_close

from signattn.model.quantize import attended_sign, quantize

THREE = torch.tensor(3.0)


def gradient(output, by, upstream=None):
    (got,) = torch.autograd.grad(
        output, by, torch.ones_like(output) if upstream is None else upstream
    )
    return got


def test_levels_for_2_bits_on_0_to_3():
    # Half-way goes to the even level.
    x = torch.tensor([-1.0, 0.0, 0.4, 0.6, 1.4, 1.5, 2.4, 2.5, 2.6, 3.0, 9.0])
    want = torch.tensor([0.0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3])
    assert torch.equal(quantize(x, 0.0, THREE, 2), want)


def test_levels_for_2_bits_on_1_to_2():
    x = torch.tensor([0.0, 1.1, 1.2, 1.4, 1.6, 1.9, 5.0])
    want = torch.tensor([1.0, 1, 4 / 3, 4 / 3, 5 / 3, 2, 2])
    assert_close(quantize(x, 1.0, torch.tensor(2.0), 2), want)


@pytest.mark.parametrize('bits', [1, 2, 5, 8])
def test_there_are_2_to_the_bits_levels(bits):
    levels = quantize(torch.linspace(-1, 4, 100_001), 0.0, THREE, bits).unique()
    assert_close(levels, torch.linspace(0, 3, 2**bits))


@pytest.mark.parametrize('bits', [10, 16, 24])
def test_many_levels_change_little(bits):
    x = torch.linspace(0, 8, 10_001)
    off = (quantize(x, 0.0, torch.tensor(8.0), bits) - x).abs().max()
    assert off <= 4 / (2**bits - 1) + 1e-6  # half a step, and float32


def test_gradient_is_1_from_a_to_b_and_0_outside():
    x = torch.tensor([-0.001, 0.0, 0.4, 1.5, 3.0, 3.001], requires_grad=True)
    got = gradient(quantize(x, 0.0, THREE, 2), x)
    assert got.tolist() == [0, 1, 1, 1, 1, 0]


def test_gradient_of_b_is_that_of_what_it_clips():
    x = torch.tensor([-1.0, 1.5, 3.0, 3.001, 9.0])
    b = torch.tensor(3.0, requires_grad=True)
    upstream = torch.tensor([1.0, 2, 4, 8, 16])
    assert gradient(quantize(x, 0.0, b, 2), b, upstream) == 24


def test_sign_of_zero_is_plus_one():
    x = torch.tensor([[-2.0, -0.0, 0.0, 3.0]])
    assert attended_sign(x, torch.tensor([0.5])).tolist() == [[-1, 1, 1, 1]]


@pytest.mark.parametrize('attention', [1.0, 1e-45, 0.0])
def test_attention_that_underflows_flips_no_sign(attention):
    x = torch.tensor([[-1e-3, 1e-3]])
    assert attended_sign(x, torch.tensor([attention])).tolist() == [[-1, 1]]


def test_that_test_means_something():
    assert (torch.tensor(-1e-3) * 1e-45 >= 0).item()  # the printed order would give +1


def test_gradients_of_the_sign_are_those_of_the_product():
    x = torch.tensor([[1.0, -2.0], [3.0, 0.0]], requires_grad=True)  # (L, C)
    attention = torch.tensor([0.25, 0.75], requires_grad=True)
    upstream = torch.tensor([[4.0, 8.0], [-4.0, 1.0]])
    signs = attended_sign(x, attention)
    dx, d_attention = torch.autograd.grad(signs, (x, attention), upstream)
    assert dx.tolist() == [[1, 2], [-3, 0.75]]  # g · α
    assert d_attention.tolist() == [4 - 16, -12]  # Σ over channels of g · x


def test_the_input_is_not_modified():
    x, attention = torch.randn(2, 5, 3), torch.rand(2, 5)
    before = x.clone(), attention.clone()
    attended_sign(x, attention)
    quantize(x, 0.0, THREE, 2)
    assert torch.equal(x, before[0])
    assert torch.equal(attention, before[1])
