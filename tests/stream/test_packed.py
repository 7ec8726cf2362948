"""What oneDNN computes against torch's own."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from signattn.model.recurrence import lstm_step
from signattn.stream.packed import PackedEncoder, PackedLinear, PackedLstm

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason='torch without oneDNN'
)


@torch.inference_mode()
def test_a_linear_map_by_hand():
    packed = PackedLinear(torch.tensor([[1.0, 2, 3], [4, 5, 6]]), torch.tensor([0.5, -1]))
    assert packed(torch.tensor([[1.0, 0, -1]])).tolist() == [[-1.5, -3]]


@torch.inference_mode()
@pytest.mark.parametrize(('size', 'hidden'), [(1, 1), (640, 16), (33, 65)])
def test_a_step_of_an_lstm_is_torchs(size, hidden):
    torch.manual_seed(0)
    cell = nn.LSTMCell(size, hidden)
    x, state = torch.randn(1, size), (torch.randn(1, hidden), torch.randn(1, hidden))
    for got, want in zip(PackedLstm(cell)(x, state), cell(x, state), strict=True):
        assert_close(got, want, rtol=0, atol=1e-5)


def test_the_gates_of_an_lstm_by_hand():
    # Write all, keep half, -0.5 is new, show half of it.
    gates = torch.tensor([[100.0, 0.0, -0.5, 0.0]])
    h, c = lstm_step(gates, torch.tensor([[3.0]]))
    assert c.item() == pytest.approx(0.5 * 3 + torch.tanh(torch.tensor(-0.5)).item())
    assert h.item() == pytest.approx(0.5 * torch.tanh(c).item())


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 5, 2, 2), nn.ReLU(), nn.Conv2d(5, 7, 3, 1, 1), nn.Conv2d(7, 4, 3, 2, 1)
    )


@torch.inference_mode()
def test_convolutions_are_torchs_with_a_relu_where_there_is_one():
    layers, packed = convolutions(), PackedEncoder(convolutions())
    levels = torch.randint(0, 256, (1, 80, 160, 3)).permute(0, 3, 1, 2).float()
    got, want = packed(levels), layers(levels)
    assert got.shape == (1, 4, 20, 40)
    assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert got.min() < 0


def test_no_operation_is_left_out():
    with pytest.raises(TypeError, match=r'^layers must be convolutions and ReLUs, got Tanh$'):
        PackedEncoder(nn.Sequential(nn.Conv2d(3, 5, 5), nn.Tanh()))
