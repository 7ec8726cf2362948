"""The loss by hand."""

import math

import pytest
import torch

from signattn.train.loss import masked_loss


def test_l1_is_the_mean_over_known_frames_in_units():
    curvature = torch.tensor([[0.0, 2.0], [5.0, -1.0]])
    target = torch.tensor([[1.0, math.nan], [1.0, -1.0]])
    loss = masked_loss(curvature, target, torch.tensor(2.0))
    assert loss.item() == pytest.approx((0.5 + 2.0 + 0.0) / 3)


def test_huber_is_quadratic_below_one_unit():
    curvature = torch.tensor([[1.0, 6.0, 2.0]])
    target = torch.tensor([[0.0, 0.0, 0.0]])
    loss = masked_loss(curvature, target, torch.tensor(2.0), 'huber')
    assert loss.item() == pytest.approx((0.5 * 0.5**2 + (3 - 0.5) + 0.5) / 3)


def test_unknown_frames_pass_no_gradient():
    curvature = torch.tensor([[1.0, 2.0]], requires_grad=True)
    masked_loss(curvature, torch.tensor([[math.nan, 1.0]]), torch.tensor(1.0)).backward()
    assert curvature.grad.tolist() == [[0.0, 1.0]]


def test_a_batch_without_labels_costs_nothing():
    curvature = torch.tensor([[1.0, 2.0]], requires_grad=True)
    loss = masked_loss(curvature, torch.full((1, 2), math.nan), torch.tensor(1.0))
    loss.backward()
    assert loss.item() == 0
    assert curvature.grad.tolist() == [[0.0, 0.0]]
