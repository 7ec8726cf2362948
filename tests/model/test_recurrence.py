"""The LSTM over a window against the library's cell, one step after the other."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from signattn.model.recurrence import run_lstm, run_lstm_stepwise

BATCH, STEPS, INPUTS, HIDDEN = 3, 5, 7, 4


@pytest.fixture
def cell():
    torch.manual_seed(0)
    return nn.LSTMCell(INPUTS, HIDDEN)


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(BATCH, HIDDEN, generator=generator) for _ in range(2))


@pytest.fixture
def inputs():
    return torch.randn(
        BATCH, STEPS, INPUTS, generator=torch.Generator().manual_seed(2)
    ).requires_grad_()


def plain(cell, inputs, state):
    states = [state]
    for step in inputs.unbind(1):
        states.append(cell(step, states[-1]))
    hidden, memory = zip(*states, strict=True)
    return torch.stack(hidden, 1), torch.stack(memory, 1), states[-1]


def gradients(cell, inputs, hidden, state):
    loss = (hidden * torch.arange(hidden[0].numel()).view_as(hidden[0])).sum() + state[1].sum()
    return torch.autograd.grad(loss, [inputs, *cell.parameters()])


def test_a_window_at_once_gives_the_same_states_and_gradients(cell, inputs, state):
    expected, remembered, last = plain(cell, inputs, state)
    hidden, memory, behind = run_lstm(cell, inputs, state)
    assert_close(hidden, expected)
    assert_close(memory, remembered)
    assert_close(behind, last)
    assert_close(gradients(cell, inputs, hidden, behind), gradients(cell, inputs, expected, last))


def test_inputs_that_depend_on_the_state_give_the_same_states_and_gradients(cell, inputs, state):
    def dependent(step, h):
        return step * (1 + h.sum(1, keepdim=True))

    wanted, remembered, now = [state[0]], [state[1]], state
    for step in inputs.unbind(1):
        now = cell(dependent(step, now[0]), now)
        wanted.append(now[0])
        remembered.append(now[1])
    steps = iter(inputs.unbind(1))
    seen, hidden, memory, behind = run_lstm_stepwise(
        cell, lambda h: dependent(next(steps), h), state, (BATCH, STEPS)
    )
    expected = torch.stack(wanted, 1)
    assert_close(hidden, expected)
    assert_close(memory, torch.stack(remembered, 1))
    given = [dependent(inputs[:, t], expected[:, t]) for t in range(STEPS)]
    assert_close(seen, torch.stack(given, 1))
    assert_close(gradients(cell, inputs, hidden, behind), gradients(cell, inputs, expected, now))


def test_the_weights_gradient_is_collected_once_for_each_pass(cell, inputs, state):
    for _ in range(2):
        hidden, _, _ = run_lstm(cell, inputs, state)
        hidden.sum().backward()
    twice = cell.weight_hh.grad.clone()
    cell.zero_grad()
    run_lstm(cell, inputs, state)[0].sum().backward()
    assert_close(twice, 2 * cell.weight_hh.grad)


def test_frozen_weights_get_no_gradient_and_pass_that_of_the_inputs_on(cell, inputs, state):
    expected = torch.autograd.grad(plain(cell, inputs, state)[0].sum(), inputs)
    cell.requires_grad_(requires_grad=False)
    steps = iter(inputs.unbind(1))
    _, hidden, _, _ = run_lstm_stepwise(cell, lambda _h: next(steps), state, (BATCH, STEPS))
    assert_close(torch.autograd.grad(hidden.sum(), inputs), expected)


def test_half_precision_reaches_the_weights(cell, inputs, state):
    exact = torch.autograd.grad(run_lstm(cell, inputs, state)[0].sum(), cell.weight_ih)[0]
    steps = iter(inputs.unbind(1))
    with torch.autocast('cpu', torch.bfloat16):
        _, hidden, _, _ = run_lstm_stepwise(cell, lambda _h: next(steps), state, (BATCH, STEPS))
    (rough,) = torch.autograd.grad(hidden.float().sum(), cell.weight_ih)
    assert rough.dtype == torch.float32
    assert_close(rough, exact, atol=0.1, rtol=0.1)
