"""Every equation of the network, with features and weights set by hand."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from signattn.model import PRESETS, Network, NetworkConfig
from signattn.model.attention import Attention
from signattn.model.encoder import CELLS, CHANNELS
from signattn.model.gating import KINDS

LN_3 = math.log(3)  # sigmoid of it is 3/4
CLEAR = 84
"""Seed with which no pre-activation of three frames lies within 1e-5 of 0."""
SCORES = ['projected', 'bounded', 'bounded_per_cell']


class Features(nn.Module):
    """Stands for the encoder and answers with features that were set by hand."""

    def __init__(self, features):
        super().__init__()
        self.features = features  # (N, L, D)

    def forward(self, _frames):
        """(N, L, D), whatever the frames."""
        return self.features


def toy(features=None, steps=1, **config):
    """A network with all weights 0, 4 levels on [0, 3], and features 0 if none are given."""
    config = {'hidden': 1, 'bits': 2, 'range_b': 3.0, **config}
    network = Network(NetworkConfig(**config)).eval().requires_grad_(requires_grad=False)
    for name, parameter in network.named_parameters():
        if name != 'range_b':
            parameter.zero_()
    network.encoder = Features(
        torch.zeros(steps, CELLS, CHANNELS) if features is None else features
    )
    return network


def blank(steps=1):
    """Frames of which a toy network looks at the count alone."""
    return torch.zeros(1, steps, 3, 80, 160)


def small(seed=0, **config):
    """A network as it is initialised."""
    torch.manual_seed(seed)
    return Network(NetworkConfig(**({'hidden': 8} | config))).eval()


def drive(seed=0, steps=4, batch=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, steps, 3, 80, 160, generator=generator)


@torch.no_grad()
def products_of(network, frames):
    """What the LSTM is fed with."""
    seen = []
    hook = network.dropout.register_forward_hook(lambda _module, _args, out: seen.append(out))
    network(frames)
    hook.remove()
    # (B, T, L·C), at once or step by step
    return seen[0] if seen[0].dim() == 3 else torch.stack(seen, 1)


# Eqs. 4 to 9: sign and amplitude


def test_halves_take_sign_and_amplitude_from_different_channels():
    # Softplus: ln 2 = 0.69 of 0 → level 1; 2.13 of 2 → 2; 10.00005 of 10 → 3; 4.5e-5 of −10 → 0.
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 0, 0], features[0, 0, 32] = -1.0, 10.0
    features[0, 0, 1], features[0, 0, 33] = 7.0, 2.0
    features[0, 199, 31], features[0, 199, 63] = -7.0, -10.0
    products = products_of(toy(features), blank())[0, 0]
    assert products.shape == (6400,)
    assert products[:3].tolist() == [-3, 2, 1]
    assert products[-2:].tolist() == [1, 0]
    assert products.sum() == 6400 - 1 - 1 - 1 - 3 + 2


def test_shared_takes_both_from_the_same():
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 0, :4] = torch.tensor([2.0, -0.4, -10.0, 10.0])  # softplus of −0.4 is 0.51
    features[0, 199, 63] = 10.0
    products = products_of(toy(features, split='shared'), blank())[0, 0]
    assert products.shape == (12_800,)
    assert products[:5].tolist() == [2, -1, 0, 3, 1]
    assert products[-1] == 3


def test_amplitude_is_softplus():
    # ln(1 + e^x) of ln(e − 1) is 1, of ln(e² − 1) is 2.
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 0, 32], features[0, 0, 33] = math.log(math.e - 1), math.log(math.e**2 - 1)
    products = products_of(toy(features, bits=24), blank())[0, 0]
    assert products[:3].tolist() == pytest.approx([1, 2, math.log(2)], rel=1e-5)


# Eq. 10: the output


def test_output_weighs_the_products_that_the_state_lets_through():
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 0, 0], features[0, 0, 32] = -1.0, 10.0  # x̂ = −3 and then +1s
    network = toy(features)
    network.gate.weight[0, 0] = LN_3
    network.gate.bias[1] = -LN_3
    network.output.weight[0, :3] = torch.tensor([2.0, 8.0, 1.0])
    network.output.bias[0] = 0.5
    state = torch.ones(1, 1), torch.zeros(1, 1)
    # ¾ · −3 · 2 + ¼ · 1 · 8 + ½ · 1 · 1 + 0.5
    assert network(blank(), state).curvature.item() == pytest.approx(-4.5 + 2 + 0.5 + 0.5)
    network.curvature_scale.fill_(0.1)
    assert network(blank(), state).curvature.item() == pytest.approx(-0.15)


def test_output_uses_the_state_before_the_frame():
    network = toy(steps=2)
    network.gate.weight[0, 0] = 1.0
    network.output.weight[0, 0] = 1.0
    network.lstm.bias_ih[2] = 100.0  # g = 1; i = f = o = 1/2: c = 1/2, h = tanh(1/2) / 2
    curvature = network(blank(2)).curvature[0]
    assert curvature[0].item() == pytest.approx(0.5)
    assert curvature[1].item() == pytest.approx(1 / (1 + math.exp(-math.tanh(0.5) / 2)))


# Eqs. 13 and 14: the first state


def test_the_first_state_comes_from_the_mean_feature_of_the_first_frame():
    features = torch.zeros(2, CELLS, CHANNELS)
    features[0, :100, 5], features[0, 100:, 5] = 1.0, 3.0
    features[1] = 99.0
    network = toy(features)
    network.initial_h.weight[0, 5], network.initial_h.bias[0] = 0.5, 0.1
    network.initial_c.weight[0, 5], network.initial_c.bias[0] = -0.25, 0.2
    h, c = network.initial_state(features[:1])
    assert h.item() == pytest.approx(math.tanh(1.1))
    assert c.item() == pytest.approx(math.tanh(-0.3))
    network.lstm.bias_ih[1] = 100.0  # remember everything, learn nothing
    _, after = network(blank(2)).state
    assert after.item() == pytest.approx(math.tanh(-0.3))


# The LSTM cell


def test_a_step_of_the_cell_with_weights_by_hand():
    network = toy()
    h, c = torch.tensor([[0.5]]), torch.tensor([[2.0]])
    network.lstm.weight_ih[0, 0] = LN_3  # x̂ = 1: i = ¾
    network.lstm.weight_hh[1, 0] = 2 * LN_3  # h = ½: f = ¾
    network.lstm.bias_ih[2] = 0.25
    network.lstm.bias_hh[2] = 0.25  # g = tanh ½
    network.lstm.bias_ih[3] = -LN_3  # o = ¼
    after = 0.75 * 2 + 0.75 * math.tanh(0.5)
    got = network(blank(), (h, c)).state
    assert got[1].item() == pytest.approx(after)
    assert got[0].item() == pytest.approx(0.25 * math.tanh(after))


@torch.no_grad()
def test_the_cell_is_the_formula():
    network = small()
    torch.manual_seed(1)
    h, c = torch.randn(1, 8), torch.randn(1, 8)
    frames = drive(steps=1)
    x, cell = products_of(network, frames)[:, 0], network.lstm
    pre = cell.weight_ih @ x[0] + cell.bias_ih + cell.weight_hh @ h[0] + cell.bias_hh
    i, f, g, o = pre.chunk(4)
    want_c = torch.sigmoid(f) * c[0] + torch.sigmoid(i) * torch.tanh(g)
    want_h = torch.sigmoid(o) * torch.tanh(want_c)
    got_h, got_c = network(frames, (h, c)).state
    assert_close(got_c[0], want_c, rtol=0, atol=1e-5)
    assert_close(got_h[0], want_h, rtol=0, atol=1e-5)


# Eqs. 11, 12, 15: the attention that comes out


@pytest.mark.parametrize('score', SCORES)
@pytest.mark.parametrize('temperature', [0.01, 1.0, 100.0])
@torch.no_grad()
def test_attention_sums_to_1(score, temperature):
    got = small(score=score, temperature=temperature)(drive(steps=2)).attention
    assert got.shape == (1, 2, 10, 20)
    assert_close(got.sum((2, 3)), torch.ones(1, 2), rtol=0, atol=1e-5)


def test_attention_lies_where_the_features_are():
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 3 * 20 + 7, 5] = 1.0
    network = toy(features, score='bounded')
    network.attention.from_features.weight[0, 5] = 100.0
    attention = network(blank()).attention[0, 0]
    assert attention[3, 7].item() == pytest.approx(math.e / (math.e + 199))
    assert attention[3, 8].item() == pytest.approx(1 / (math.e + 199))


def test_attention_sees_all_channels_and_the_state_before_the_frame():
    network = toy(steps=2, score='bounded_per_cell')
    network.attention.from_state.weight[7, 0] = 1.0
    network.lstm.bias_ih[2] = 100.0  # h = tanh(1/2) / 2 after the first frame
    attention = network(blank(2)).attention.flatten(2)[0]
    odds = math.exp(math.tanh(math.tanh(0.5) / 2))
    assert attention[0, 7].item() == pytest.approx(1 / 200)
    assert attention[1, 7].item() == pytest.approx(odds / (odds + 199))


# What attention does, and what it doesn't


def another(_attention, projected, h):
    """A valid map that has nothing to do with the network's, and moves from step to step."""
    cells = torch.arange(CELLS, dtype=projected.dtype)
    return torch.softmax(3 * torch.sin(cells + 100 * h.sum(-1, keepdim=True)), -1)


def one_cell(_attention, projected, _h):
    """All attention on one cell."""
    return torch.eye(CELLS)[17].expand(projected.shape[:-1])


@pytest.mark.parametrize('replacement', [another, one_cell])
@pytest.mark.parametrize('split', ['halves', 'shared'])
@pytest.mark.parametrize('learning', [False, True])
def test_replacing_the_attention_changes_nothing_now_or_later(
    monkeypatch, replacement, split, learning
):
    # Without a gradient the window goes through the LSTM at once, with one step by step.
    with torch.set_grad_enabled(learning):
        replace_the_attention(monkeypatch, replacement, split)


def replace_the_attention(monkeypatch, replacement, split):
    network, frames, later = small(split=split), drive(steps=3), drive(seed=1, steps=2)
    before = network(frames)
    then = network(later, before.state)
    monkeypatch.setattr(Attention, 'forward', replacement)
    after = network(frames)
    assert (before.attention - after.attention).abs().max() > 0.001
    assert torch.equal(after.curvature, before.curvature)
    assert torch.equal(after.state[0], before.state[0])
    assert torch.equal(after.state[1], before.state[1])
    monkeypatch.undo()
    assert torch.equal(network(later, after.state).curvature, then.curvature)


def test_attention_is_trained_by_a_gradient_that_changes_no_prediction():
    network, frames = small(), drive(steps=2)
    before = network(frames).curvature
    before.abs().sum().backward()
    gradient = network.attention.from_features.weight.grad
    assert gradient.abs().max() > 0
    with torch.no_grad():
        network.attention.from_features.weight -= 100 * gradient
    assert torch.equal(network(frames).curvature, before)


def test_the_quantisers_range_learns_only_when_asked_to():
    for learn in (False, True):
        network = small(learn_range=learn, range_b=0.5)
        network(drive(steps=1)).curvature.sum().backward()
        assert network.range_b.requires_grad == learn
        assert (network.range_b.grad is not None) == learn
    assert network.range_b.grad != 0


# Streaming


def streamed(network, frames):
    """Curvature, attention and state, one frame at a time; and the features of each."""
    curvature, attention, features, state = [], [], [], None
    hook = network.encoder.register_forward_hook(lambda *args: features.append(args[-1]))
    for t in range(frames.shape[1]):
        output = network(frames[:, t : t + 1], state)
        state = output.state
        curvature.append(output.curvature)
        attention.append(output.attention)
    hook.remove()
    return torch.cat(curvature, 1), torch.cat(attention, 1), state, torch.cat(features)


def whole(network, frames):
    features = []
    hook = network.encoder.register_forward_hook(lambda *args: features.append(args[-1]))
    output = network(frames)
    hook.remove()
    return output, features[0]


@torch.no_grad()
def test_streamed_steps_equal_the_whole_pass_on_the_same_features():
    features = torch.randn(5, CELLS, CHANNELS, generator=torch.Generator().manual_seed(0))
    network = small(bits=10)
    network.encoder = Features(features)
    want = network(blank(5))
    state = None
    for t in range(5):
        network.encoder.features = features[t : t + 1]
        output = network(blank(), state)
        if state is not None:
            before = tuple(part[:, t] for part in want.before)
            assert_close(state, before, rtol=0, atol=1e-6)
        state = output.state
        assert_close(output.curvature, want.curvature[:, t : t + 1], rtol=0, atol=1e-6)
        assert_close(output.attention, want.attention[:, t : t + 1], rtol=0, atol=1e-6)
    assert_close(state, want.state, rtol=0, atol=1e-6)
    first = network.initial_state(features[:1])
    assert_close(tuple(part[:, 0] for part in want.before), first, rtol=0, atol=1e-6)


def flips(features, others):
    """Distance to its threshold of each sign and of each level that came out differently."""
    sign, other_sign = features[..., :32], others[..., :32]
    signs = (sign >= 0) != (other_sign >= 0)
    step = 8.0 / (2**10 - 1)
    position = functional.softplus(features[..., 32:].double()) / step
    levels = position.round() != (functional.softplus(others[..., 32:].double()) / step).round()
    to_middle = (position - position.floor() - 0.5).abs() * step
    return torch.cat([sign[signs].abs(), to_middle[levels]])


@torch.no_grad()
def test_streamed_steps_equal_the_whole_pass():
    network, frames = small(seed=CLEAR, bits=4), drive(steps=3)
    want, features = whole(network, frames)
    assert features[..., :32].abs().min() > 1e-5
    curvature, attention, state, _ = streamed(network, frames)
    assert_close(curvature, want.curvature, rtol=0, atol=1e-5)
    assert_close(attention, want.attention, rtol=0, atol=1e-5)
    assert_close(state, want.state, rtol=0, atol=1e-5)


@torch.no_grad()
def test_where_streamed_steps_differ_a_value_lay_within_1e_5_of_its_threshold():
    # One convolution of many pictures rounds otherwise than many of one: with this seed a sign
    # flips on some machines.
    network, frames = small(seed=0, bits=10), drive()
    want, features = whole(network, frames)
    curvature, _, state, others = streamed(network, frames)
    assert (features - others).abs().max() < 1e-5
    distances = flips(features, others)
    assert distances.numel() <= 10, f'{distances.numel()} flips'
    assert (distances < 1e-5).all()
    if not distances.numel():
        assert_close(curvature, want.curvature, rtol=0, atol=1e-5)
    # Nothing else differs: on the streamed features the whole pass says what the steps said.
    network.encoder = Features(others)
    same = network(frames)
    assert_close(curvature, same.curvature, rtol=0, atol=1e-5)
    assert_close(state, same.state, rtol=0, atol=1e-5)


# Single frames, each from its own state


@pytest.mark.parametrize('head', ['gated', 'kim'])
@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_single_frames_are_answered_as_in_the_window(kind, head):
    network = small(attention=kind, head=head, dropout=0.0)
    features = torch.randn(2, 3, CELLS, CHANNELS, generator=torch.Generator().manual_seed(0))
    window = network.answer(features)
    before = tuple(part.flatten(0, 1) for part in window.before)
    got = network.answer_each(features.flatten(0, 1), before)
    assert_close(got, window.curvature.flatten(), rtol=0, atol=1e-5)
    one = tuple(part[:1] for part in before)
    expanded = tuple(part.expand(6, -1) for part in one)
    want = network.answer_each(features.flatten(0, 1), expanded)
    assert_close(network.answer_each(features.flatten(0, 1), one), want, rtol=0, atol=1e-6)
    opened = network.opened(one[0])
    assert (opened is None) == (head == 'kim')
    assert_close(network.answer_each(features.flatten(0, 1), one, opened), want, rtol=0, atol=1e-6)
    if opened is not None:
        nothing = network.answer_each(features.flatten(0, 1), one, torch.zeros_like(opened))
        assert_close(nothing, network.output.bias.expand(6) * network.curvature_scale)


def test_the_gradient_of_single_frames_is_not_weighed_by_a_map_without_a_part():
    features = torch.randn(1, CELLS, CHANNELS, generator=torch.Generator().manual_seed(0))
    state = torch.randn(1, 8), torch.randn(1, 8)
    gradients = []
    for kind in ('sign', 'none_quant'):
        network = small(attention=kind)
        network.load_state_dict(small().state_dict(), strict=False)
        given = features.clone().requires_grad_()
        answer = network.answer_each(given, state)
        gradients.append(torch.autograd.grad(answer.sum(), given)[0])
    assert gradients[0][..., :32].any()
    assert torch.equal(*gradients)


@torch.no_grad()
def test_the_logarithm_is_exact_where_the_attention_underflows():
    features = torch.zeros(1, CELLS, CHANNELS)
    features[0, 7, 0] = 10.0  # its tanh is 1 in float32
    network = toy(features)
    network.attention.from_features.weight[0, 0] = 1.0
    network.attention.to_score.weight[0, 0] = 500.0
    output = network(blank())
    assert output.attention.flatten().topk(2).values.tolist() == [1.0, 0.0]
    assert output.log_attention.flatten().topk(2).values.tolist() == [0.0, -500.0]


# Training mode, initialisation, presets, configuration


@torch.no_grad()
def test_dropout_acts_in_training_only():
    network, without, frames = small(dropout=0.5), small(dropout=0.0), drive(steps=1)
    want = without(frames).curvature
    assert torch.equal(network(frames).curvature, want)
    assert torch.equal(network(frames).curvature, want)
    assert not torch.equal(network.train()(frames).curvature, want)


@torch.no_grad()
def test_dropout_drops_products_and_scales_the_rest():
    network = toy(dropout=0.5).train()
    products = products_of(network, blank())  # each is +1 without dropout
    assert products.unique().tolist() == [0, 2]
    assert 0.45 < (products == 0).float().mean() < 0.55


@pytest.mark.parametrize('encoder_norm', ['none', 'batch'])
@torch.no_grad()
def test_the_input_is_not_modified(encoder_norm):
    network, frames = small(encoder_norm=encoder_norm), drive(steps=2, batch=2)
    state = torch.rand(2, 8), torch.rand(2, 8)
    before = frames.clone(), state[0].clone(), state[1].clone()
    for mode in (True, False):
        network.train(mode)(frames, state)
    for value, old in zip((frames, *state), before, strict=True):
        assert torch.equal(value, old)


@torch.no_grad()
def test_windows_of_a_batch_do_not_mix():
    network, frames = small(seed=CLEAR, bits=4), drive(steps=3)
    want = network(frames).curvature
    both = network(torch.cat([frames, 1 - frames])).curvature
    assert_close(both[:1], want, rtol=0, atol=1e-5)


def test_initialisation_is_xavier_and_remembers():
    network = small()
    weights = {name: value for name, value in network.named_parameters() if value.dim() > 1}
    assert len(weights) == 5 + 3 + 2 + 2 + 2
    for name, weight in weights.items():
        taps = weight[0, 0].numel() if weight.dim() == 4 else 1
        limit = math.sqrt(6 / ((weight.shape[0] + weight.shape[1]) * taps))
        assert weight.abs().max() <= limit, name
        if weight.numel() >= 64:
            assert weight.abs().max() > 0.9 * limit, name
    for name, bias in network.named_parameters():
        if 'bias' in name and name != 'lstm.bias_ih':
            assert not bias.any(), name
    # i, f, g, o, eight of each.
    assert network.lstm.bias_ih.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_a_readout_that_begins_at_zero_learns():
    network, frames = small(readout_init='zero'), drive(steps=2)
    assert not network(frames).curvature.any()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):  # W_β moves first, and W_α follows
        optimizer.zero_grad()
        (network(frames).curvature - 1).square().sum().backward()
        optimizer.step()
    assert network.output.weight.all()
    assert network.gate.weight.any()
    assert network.encoder.layers[0].weight.grad.any()


def test_the_forget_gate_remembers_at_first():
    network = toy()
    network.lstm.bias_ih.copy_(small(hidden=1).lstm.bias_ih)
    _, c = network(blank(), (torch.zeros(1, 1), torch.ones(1, 1))).state
    assert c.item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_the_paper():
    config = PRESETS['paper']()
    assert (config.hidden, config.bits, config.temperature, config.dropout) == (1024, 10, 1, 0.5)
    assert (config.attention, config.split, config.encoder_norm) == ('sign', 'halves', 'none')
    assert config.products == 6400
    with torch.device('meta'):
        network = Network(config)
    encoder = (
        24 * 76 + 36 * (24 * 9 + 1) + 48 * (36 * 9 + 1) + 64 * (48 * 9 + 1) + 64 * (64 * 9 + 1)
    )
    attention = 64 * 65 + 64 * 1024 + 64
    lstm = 4 * 1024 * (6400 + 1024 + 2)
    output = 6400 * 1025 + 6401
    first = 2 * 1024 * 65
    total = encoder + attention + lstm + output + first + 1
    assert total == 37_276_054  # 37.3 M
    assert sum(parameter.numel() for parameter in network.parameters()) == total


def test_the_demo_is_small():
    config = PRESETS['demo']()
    assert (config.hidden, config.encoder_norm) == (64, 'batch')
    with torch.device('meta'):
        network = Network(config)
    assert 4 * sum(parameter.numel() for parameter in network.parameters()) < 10_000_000


@pytest.mark.parametrize(
    'shape', [(3, 80, 160), (1, 3, 80, 160), (1, 1, 3, 160, 80), (1, 1, 80, 160, 3)]
)
def test_frames_of_another_shape_are_refused(shape):
    text = f'frames must be (B, T, 3, 80, 160), got {shape}'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        small()(torch.zeros(shape))


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ({'attention': 'hard'}, f"attention must be one of {KINDS}, got 'hard'"),
        ({'head': 'none'}, "head must be one of ('gated', 'kim'), got 'none'"),
        ({'split': 'thirds'}, "split must be one of ('halves', 'shared'), got 'thirds'"),
        (
            {'score': 'free'},
            "score must be one of ('projected', 'bounded', 'bounded_per_cell'), got 'free'",
        ),
        ({'conv2_kernel': 4}, 'conv2_kernel must be one of (3, 5), got 4'),
        ({'encoder_norm': None}, "encoder_norm must be one of ('none', 'batch'), got None"),
        ({'readout_init': 'small'}, "readout_init must be one of ('xavier', 'zero'), got 'small'"),
        ({'hidden': 0}, 'hidden must be an integer of at least 1, got 0'),
        ({'hidden': 8.0}, 'hidden must be an integer of at least 1, got 8.0'),
        ({'bits': 0}, 'bits must be an integer in 1..24, got 0'),
        ({'bits': 25}, 'bits must be an integer in 1..24, got 25'),
        ({'temperature': 0.0}, 'temperature must be above 0, got 0.0'),
        ({'temperature': math.inf}, 'temperature must be above 0, got inf'),
        ({'range_b': -1.0}, 'range_b must be above 0, got -1.0'),
        ({'dropout': 1.0}, 'dropout must be in [0, 1), got 1.0'),
        ({'dropout': -0.1}, 'dropout must be in [0, 1), got -0.1'),
    ],
)
def test_a_network_that_cannot_be_is_refused(given, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        NetworkConfig(**given)


def test_the_limits_are_allowed():
    NetworkConfig(hidden=1, bits=1, temperature=1e-3, dropout=0.0)
    NetworkConfig(bits=24, dropout=0.99)
