"""The network as a function of single pictures, and the states before them."""

import pytest
import torch
from torch.testing import assert_close

from signattn.explain.clean import Frozen, clean_pass


@torch.no_grad()
@pytest.mark.parametrize('kind', ['soft32', 'none_float'])  # no signs that rounding could flip
def test_each_picture_from_the_state_before_it_is_answered_as_in_the_drive(small, pictures, kind):
    network = small(attention=kind)
    clean = clean_pass(network, pictures, None)
    answers = clean.output.curvature.flatten()
    frozen = Frozen(network)
    assert_close(frozen(clean.pictures, *clean.before), answers, rtol=0, atol=1e-5)
    alone = [frozen(picture, *state) for picture, state in clean.rows()]
    assert_close(torch.cat(alone), answers, rtol=0, atol=1e-5)
    parts = [frozen(*part) for part in clean.batches(3)]
    assert [len(part) for part in parts] == [3, 1]
    assert_close(torch.cat(parts), answers, rtol=0, atol=1e-5)


def test_a_drive_is_one_row_behind_the_other(small, pictures):
    two = torch.cat([pictures, 1 - pictures])
    clean = clean_pass(small(), two, None)
    assert torch.equal(clean.pictures[5], two[1, 1])
    assert torch.equal(clean.before[0][5], clean.output.before[0][1, 1])
    assert not clean.before[0].requires_grad


def test_a_state_from_inference_mode_leaves_gradients_possible(small, pictures):
    network = small()
    with torch.inference_mode():
        state = network(pictures).state
    clean = clean_pass(network, pictures, state)
    shown = clean.pictures.clone().requires_grad_()
    Frozen(network)(shown, *clean.before).sum().backward()
    assert shown.grad.any()
