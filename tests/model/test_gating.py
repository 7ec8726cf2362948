"""What α does to the features, on two or three cells that can be worked out by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from signattn.model import Network, NetworkConfig
from signattn.model.encoder import CELLS
from signattn.model.gating import ACTING, BUDGETED, KINDS, WITHOUT, Gating, gate_figures

LN_3 = math.log(3)


def gating(kind, *, budget=50, threshold=4.0, gain=4.0, progress=1.0):
    made = Gating(kind, budget, threshold, gain).eval()
    made.anneal(progress)
    return made


def spread(*shares):
    """Log α with α·L of the first cells as given and the rest shared out evenly."""
    rest = (CELLS - sum(shares)) / (CELLS - len(shares))
    return torch.tensor([[*shares, *[rest] * (CELLS - len(shares))]]).div(CELLS).log()


def cells(*values):
    """(1, L, 1): one channel, the first cells as given, the rest 1."""
    return torch.tensor([*values, *[1.0] * (CELLS - len(values))])[None, :, None]


def network(kind, seed=0, **config):
    torch.manual_seed(seed)
    return Network(NetworkConfig(hidden=8, attention=kind, dropout=0.0, **config)).eval()


def frames(batch=1, steps=3):
    return torch.rand(batch, steps, 3, 80, 160, generator=torch.Generator().manual_seed(1))


# Forward values


@pytest.mark.parametrize('kind', ['sign', 'none_quant'])
def test_without_effect_the_products_are_sign_times_amplitude(kind):
    products = gating(kind)(cells(-0.3, 0.0, 2.0), cells(1.0, 2.0, 3.0), spread(1e-30, 5.0))
    assert products[0, :3, 0].tolist() == [-1.0, 2.0, 3.0]


def test_soft_scales_the_features_by_attention_times_cells():
    for kind in ('soft', 'soft32'):
        products = gating(kind)(cells(-0.3, 2.0), cells(), spread(0.5, 3.0))
        assert_close(products[0, :2, 0], torch.tensor([-0.15, 6.0]))


def test_none_float_leaves_the_features():
    features = cells(-0.3, 2.0)
    assert gating('none_float')(features, features, spread(0.5)) is features


@pytest.mark.parametrize('budget', [1, 2, 3, 50, 200])
def test_topk_opens_exactly_its_budget_also_with_ties(budget):
    made = gating('topk', budget=budget)
    assert made.openness(spread(5.0, 3.0)).sum() == budget
    assert made.openness(torch.full((2, CELLS), -math.log(CELLS))).sum(-1).tolist() == [budget] * 2


def test_topk_opens_the_cells_of_largest_attention():
    products = gating('topk', budget=2)(cells(-0.3, 2.0, 0.7), cells(3.0, 4.0), spread(5, 0.1, 3))
    assert products[0, :4, 0].tolist() == [-3.0, 0.0, 1.0, 0.0]


def test_soft_topk_shares_attention_out_among_the_open_cells():
    made = gating('soft_topk', budget=2)
    products = made(cells(-0.5, 2.0, 0.7), cells(), spread(30.0, 0.1, 10.0))
    assert_close(products[0, :4, 0], torch.tensor([-0.5 * 150, 0.0, 0.7 * 50, 0.0]))
    whole = gating('soft_topk', budget=CELLS)(cells(-0.5, 2.0), cells(), spread(30.0, 0.1))
    assert_close(whole, gating('soft32')(cells(-0.5, 2.0), cells(), spread(30.0, 0.1)))


def test_gate_opens_from_its_threshold_on():
    made = gating('gate', threshold=4.0)
    openness = made.openness(spread(4.0 * (1 + 1e-6), 4.0 * (1 - 1e-6), 9.0))
    assert openness[0, :4].tolist() == [1.0, 0.0, 1.0, 0.0]


def test_gate_never_closes_the_best_cell():
    openness = gating('gate', threshold=4.0).openness(spread(1.01))
    assert openness[0].tolist() == [1.0] + [0.0] * (CELLS - 1)


def test_ramp_rises_up_to_its_threshold():
    openness = gating('ramp', threshold=4.0).openness(spread(1.0, 2.0, 4.0, 8.0))
    assert_close(openness[0, :4], torch.tensor([0.25, 0.5, 1.0, 1.0]))


def test_stochastic_gives_its_mean_when_not_training():
    # RMS 1: the features are ±1. tanh(gain · αL · x / 2) with αL = ln 3 / 4 · … = ½ at ln 3.
    features = cells(-1.0, 1.0)
    products = gating('stochastic', gain=4.0)(features, cells(), spread(LN_3 / 4, LN_3 / 4, 0.5))
    assert_close(products[0, :3, 0], torch.tensor([-0.5, 0.5, math.tanh(1.0)]))


def test_stochastic_draws_signs_with_that_mean():
    made = gating('stochastic', gain=4.0).train()
    torch.manual_seed(0)
    attended = spread(LN_3 / 4, LN_3 / 4).expand(4000, -1)
    drawn = made(cells(-1.0, 1.0), cells(), attended)[:, :2, 0]
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    assert_close(drawn.mean(0), torch.tensor([-0.5, 0.5]), atol=0.05, rtol=0)


@pytest.mark.parametrize('kind', KINDS)
def test_a_black_picture_has_a_finite_gradient(kind):
    """Without normalisation all features of an untrained network are 0 there."""
    made = network(kind).train()
    made(frames() * 0).curvature.sum().backward()
    gradients = [p.grad for p in made.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_stochastic_cannot_buy_certainty_by_size():
    made = gating('stochastic')
    features = torch.randn(1, CELLS, 3, generator=torch.Generator().manual_seed(0))
    assert_close(
        made(features, torch.ones(1), spread(2.0)),
        made(100 * features, torch.ones(1), spread(2.0)),
    )


# Gradients


@pytest.mark.parametrize('kind', ACTING)
@pytest.mark.parametrize('progress', [0.0, 0.5, 1.0])
def test_the_gradient_is_that_of_the_relaxed_function(kind, progress):
    """Finite differences of ``relaxed``, with the border of topk held as the docstring says."""
    made = gating(kind, budget=60, progress=progress)
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(1, CELLS, generator=generator, dtype=torch.float64)
    weight = torch.randn(1, CELLS, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    log_attention = torch.log_softmax(logits, -1)
    log_attention.retain_grad()
    (made.openness(log_attention) * weight).sum().backward()
    held = log_attention.detach()

    def relaxed(at):
        if kind not in BUDGETED:
            return made.relaxed(at)
        standardised = (at - at.mean()) / at.std(correction=0)
        now = (held - held.mean()) / held.std(correction=0)
        border = now.sort(descending=True).values[0, made._now_budget() - 1]
        return torch.sigmoid((standardised - border) / made._surrogate_temperature())

    step = 1e-6
    for cell in (0, 7, 101):
        away = torch.zeros_like(held)
        away[0, cell] = step
        slope = ((relaxed(held + away) - relaxed(held - away)) * weight).sum() / (2 * step)
        assert_close(log_attention.grad[0, cell], slope, rtol=1e-5, atol=1e-8)


def test_a_closed_cell_of_soft_topk_hears_what_it_would_have_said():
    log_attention = spread(5.0, 3.0, 2.5).requires_grad_()
    made = gating('soft_topk', budget=2)(cells(), cells(), log_attention)
    assert made[0, 2, 0] == 0
    made[0, 2, 0].backward()
    assert log_attention.grad[0, 2] > 0


@pytest.mark.parametrize('kind', ['topk', 'gate'])
def test_closed_cells_hear_what_they_would_have_done(kind):
    made = gating(kind, budget=1, threshold=4.0)
    log_attention = spread(5.0, 1.0).requires_grad_()
    made(cells(-0.3, 0.5), cells(2.0, 3.0), log_attention).sum().backward()
    gradient = log_attention.grad[0]
    assert gradient[0] < 0  # an open cell that says −2
    assert gradient[1] > 0  # a closed one that would say +3


@pytest.mark.parametrize('kind', ['topk', 'gate', 'ramp'])
def test_attention_stays_out_of_the_sign_s_own_gradient(kind):
    features = cells(-0.3, 0.5, 0.2).requires_grad_()
    made = gating(kind, budget=2, threshold=4.0)
    attended = spread(8.0, 6.0)
    made(features, cells(2.0, 3.0), attended).sum().backward()
    assert_close(features.grad[0, :2, 0], torch.tensor([2.0, 3.0]))  # amplitude, not α · amplitude


# Schedule


def test_the_schedule_goes_from_lenient_to_its_own_values():
    for progress, open_cells in ((-1.0, 200), (0.0, 200), (0.5, 125), (1.0, 50), (2.0, 50)):
        made = gating('topk', budget=50, progress=progress)
        assert made.openness(spread(2.0)).sum() == open_cells
    for progress, threshold in ((0.0, 0.5), (0.5, math.sqrt(2.0)), (1.0, 4.0)):
        made = gating('ramp', threshold=4.0, progress=progress)
        assert_close(made.openness(spread(0.25))[0, 0].item(), 0.25 / threshold)
    for progress, gain in ((0.0, 1.1), (1.0, 4.0)):
        made = gating('stochastic', gain=4.0, progress=progress)
        assert_close(made.openness(spread(0.5))[0, 0].item(), math.tanh(gain / 4))


# In the network


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('head', ['gated', 'kim'])
def test_every_kind_streams_as_it_answers_a_window(kind, head):
    made = network(kind, head=head)
    window = made(frames())
    state, answers = None, []
    for step in frames().unbind(1):
        output = made(step[:, None], state)
        state = output.state
        answers.append(output.curvature)
    assert window.curvature.shape == (1, 3)
    assert_close(torch.cat(answers, 1), window.curvature, atol=1e-6, rtol=1e-5)
    assert_close(window.attention.sum((-2, -1)), torch.ones(1, 3))


@pytest.mark.parametrize('kind', KINDS)
def test_replacing_attention_changes_the_answer_where_it_acts_and_nowhere_else(kind):
    made = network(kind)
    other = torch.rand(1, 3, 10, 20, generator=torch.Generator().manual_seed(3)) + 0.01
    other /= other.sum((-2, -1), keepdim=True)
    own = made(frames())
    with torch.no_grad():
        same = torch.equal(made(frames()).curvature, made(frames(), attention=other).curvature)
    assert same == (kind in ('sign', *WITHOUT))
    # The network's own map, given from outside, is its own answer.
    assert_close(made(frames(), attention=own.attention).curvature, own.curvature)


@pytest.mark.parametrize('kind', WITHOUT)
def test_a_network_without_attention_gives_a_uniform_map(kind):
    attention = network(kind)(frames()).attention
    assert_close(attention, torch.full((1, 3, 10, 20), 1 / CELLS))


@pytest.mark.parametrize('kind', [*ACTING, 'soft', 'soft32', 'sign'])
def test_every_weight_of_the_score_learns(kind):
    made = network(kind).train()
    made(frames()).curvature.sum().backward()
    for name, parameter in made.attention.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('kind', BUDGETED)
def test_a_closed_cell_says_nothing_not_even_through_the_first_state(kind):
    made = network(kind, budget=20)
    features = torch.randn(1, 2, CELLS, 64, generator=torch.Generator().manual_seed(4))
    attention = torch.full((1, 2, 10, 20), 1e-6)
    attention[:, :, 5, :] = 0.05
    before = made.answer(features, attention=attention)
    closed = torch.ones(10, 20, dtype=torch.bool)
    closed[5] = False
    features[:, :, closed.flatten()] += 3.0
    after = made.answer(features, attention=attention)
    assert torch.equal(before.curvature, after.curvature)


def test_kim_s_head_hears_the_frame_through_the_state_behind_it():
    made = network('soft', head='kim')
    with torch.no_grad():
        made.output.weight.zero_()  # nothing straight from the products
    one, other = frames(), frames()
    other[:, 0] = 1 - other[:, 0]
    state = (torch.zeros(1, 8), torch.zeros(1, 8))
    assert not torch.equal(made(one, state).curvature[:, 0], made(other, state).curvature[:, 0])


def test_the_paper_s_head_hears_the_frame_through_its_products_alone():
    made = network('sign')
    with torch.no_grad():
        made.output.weight.zero_()
    one, other = frames(), frames()
    other[:, 0] = 1 - other[:, 0]
    state = (torch.zeros(1, 8), torch.zeros(1, 8))
    assert torch.equal(made(one, state).curvature[:, 0], made(other, state).curvature[:, 0])


def test_equal_parameters():
    def count(kind):
        return sum(parameter.numel() for parameter in network(kind).parameters())

    assert count('sign') == count('soft32') == count('topk') == count('gate')
    assert count('sign') - count('none_quant') == 64 * 64 + 64 + 8 * 64 + 64  # the score
    assert count('none_quant') == count('none_float')
    # Eight gates of four and one output for each of 6,400 more products, and the gate's bias.
    assert count('soft') - count('sign') == 6400 * (4 * 8 + 8 + 1 + 1)


# Figures


def test_figures_of_gates():
    one = torch.full((CELLS,), 0.5 / (CELLS - 2))
    first, second = one.clone(), one.clone()
    first[:2] = torch.tensor([0.3, 0.2])
    second[1:3] = torch.tensor([0.3, 0.2])
    attention = torch.stack([first, second, second]).view(1, 3, 10, 20).log()
    figures = gate_figures(gating('topk', budget=2), attention)
    # One closes and one opens at the first of two steps.
    assert figures['flips_per_frame'] == 1.0
    assert figures['open_share'] == pytest.approx(2 / CELLS)
    assert figures['logit_spread'] == pytest.approx(first.log().std().item(), rel=1e-5)
    assert 'flips_per_frame' not in gate_figures(gating('topk'), attention[:, :1])


# Refusals


@pytest.mark.parametrize(
    ('kind', 'option'),
    [
        ('sign', {'budget': 20}),
        ('gate', {'budget': 20}),
        ('topk', {'threshold': 2.0}),
        ('topk', {'gain': 2.0}),
        ('none_quant', {'temperature': 0.5}),
        ('none_float', {'score': 'bounded'}),
        ('soft', {'bits': 4}),
        ('soft32', {'split': 'shared'}),
        ('none_float', {'learn_range': True}),
    ],
)
def test_options_without_effect_are_refused(kind, option):
    (name, value), *_ = option.items()
    text = f'^{name} must be left at .* with attention {kind!r}, .* got {value!r}$'
    with pytest.raises(ValueError, match=text):
        NetworkConfig(attention=kind, **option)


@pytest.mark.parametrize('budget', [0, 201, 1.5])
def test_a_budget_that_is_none(budget):
    with pytest.raises(ValueError, match=r'^budget must be an integer in 1..200, got '):
        NetworkConfig(attention='topk', budget=budget)


@pytest.mark.parametrize(('kind', 'name'), [('gate', 'threshold'), ('stochastic', 'gain')])
@pytest.mark.parametrize('value', [0.0, -1.0, math.inf])
def test_a_threshold_or_gain_that_is_none(kind, name, value):
    with pytest.raises(ValueError, match=f'^{name} must be above 0, got {value}$'):
        NetworkConfig(attention=kind, **{name: value})


def test_attention_from_outside_must_have_its_shape():
    with pytest.raises(ValueError, match=r'^attention must be \(1, 3, 10, 20\), got \(1, 2, '):
        network('topk')(frames(), attention=torch.full((1, 2, 10, 20), 1 / CELLS))
