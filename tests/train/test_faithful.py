"""The score trained for a true map, while the answers stay the same to the bit."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from signattn.evaluate import predict
from signattn.model import Network, NetworkConfig, load
from signattn.preprocess import scale
from signattn.train import train
from signattn.train.faithful import (
    faithful_loss,
    fillings,
    freeze_all_but_score,
    silent_twin,
    soft_mask,
)


def small(**config):
    torch.manual_seed(0)
    return Network(NetworkConfig(hidden=8, dropout=0.0, **config)).eval()


def frames(batch=2, steps=3):
    return torch.rand(batch, steps, 3, 80, 160, generator=torch.Generator().manual_seed(1))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def trained(drive, tiny, tmp_path):
    train([[drive]], tmp_path / 'start', tiny)
    return tmp_path / 'start' / 'model'


def test_predictions_stay_the_same_to_the_bit_and_maps_do_not(drive, tiny, trained, tmp_path):
    recipe = replace(tiny, objective='faithful', start=trained, epochs=2, learning_rate=1e-2)
    train([[drive]], tmp_path / 'faithful', recipe)
    before, after = load(trained).network, load(tmp_path / 'faithful' / 'model').network
    assert predict(before, drive).tobytes() == predict(after, drive).tobytes()
    shown = torch.from_numpy(scale(drive.frames[:4])[None])
    with torch.no_grad():
        assert not torch.equal(before(shown).attention, after(shown).attention)
    ours, theirs = before.state_dict(), after.state_dict()
    changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert {name.split('.')[0] for name in changed} == {'attention'}


def test_a_network_without_a_map_is_taught_one(drive, tiny, tmp_path):
    dense = replace(tiny, network=replace(tiny.network, attention='none_quant'))
    train([[drive]], tmp_path / 'start', dense)
    start = tmp_path / 'start' / 'model'
    train([[drive]], tmp_path / 'run', replace(tiny, objective='faithful', start=start))
    before, after = load(start).network, load(tmp_path / 'run' / 'model').network
    assert predict(before, drive).tobytes() == predict(after, drive).tobytes()


@pytest.mark.parametrize(
    ('other', 'got'),
    [
        ({'attention': 'soft_topk', 'budget': 25}, 'attention soft_topk'),
        ({'attention': 'none_quant', 'bits': 4}, 'bits 4'),
        ({'encoder_norm': 'none'}, 'encoder_norm none'),
    ],
)
def test_a_start_with_other_answers_is_refused(drive, tiny, tmp_path, other, got):
    train([[drive]], tmp_path / 'start', replace(tiny, network=replace(tiny.network, **other)))
    recipe = replace(tiny, objective='faithful', start=tmp_path / 'start' / 'model')
    text = rf'^start must be of attention sign or none_quant .* got tiny with {got}$'
    with pytest.raises(ValueError, match=text):
        train([[drive]], tmp_path / 'run', recipe)


def test_the_last_map_is_kept_though_no_answer_gets_better(drive, tiny, trained, tmp_path):
    recipe = replace(tiny, objective='faithful', start=trained, epochs=3)
    assert train([[drive]], tmp_path / 'faithful', recipe)['epoch'] == 3


def test_training_makes_the_map_truer():
    network = small(encoder_norm='batch')
    freeze_all_but_score(network)
    network.curvature_scale.fill_(0.01)
    twin = silent_twin(network)
    optimizer = torch.optim.Adam(network.attention.parameters(), 1e-2)

    def loss(seed):
        return faithful_loss(network, twin, frames(), None, seeded(seed))[0]

    with torch.no_grad():
        before = sum(loss(100 + seed).item() for seed in range(5))
    for seed in range(40):
        optimizer.zero_grad()
        loss(seed).backward()
        optimizer.step()
    with torch.no_grad():
        after = sum(loss(100 + seed).item() for seed in range(5))
    assert after < before


def test_the_twin_answers_the_same():
    network = small()
    with torch.no_grad():
        one, other = network(frames()), silent_twin(network)(frames())
    assert torch.equal(one.curvature, other.curvature)


def test_the_state_is_carried_as_in_the_clean_pass():
    network = small()
    _, state = faithful_loss(network, silent_twin(network), frames(), None, seeded())
    with torch.no_grad():
        clean = network(frames()).state
    assert_close(state[0], clean[0])
    assert_close(state[1], clean[1])
    assert not state[0].requires_grad


def plain_loss(network, twin, shown, generator):
    """The definition, all frames at once: of those that keep and of those that drop the mask."""
    with torch.no_grad():
        clean = network(shown)
    before = [part.flatten(0, 1) for part in clean.before]
    # α from the states of the clean pass, which has no gradient of its own.
    projected = network.attention.project(network.encoder(shown.flatten(0, 1)))
    attention = network.attention(projected, before[0]).exp().view(*shown.shape[:2], 10, 20)
    shares = 0.05 + 0.45 * torch.rand((*shown.shape[:2], 1), generator=generator)
    mask, filled = soft_mask(attention, shares), fillings(shown, generator)
    changes = [
        (twin(masked.flatten(0, 1)[:, None], before).curvature.view_as(clean.curvature))
        for masked in (filled + mask * (shown - filled), shown + mask * (filled - shown))
    ]
    kept, dropped = (abs(each - clean.curvature) / network.curvature_scale for each in changes)
    return (kept + (1 - dropped).clamp(min=0)).mean()


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_in_parts_as_all_at_once(norm):
    """21 frames, more than are looked at together."""
    network = small(encoder_norm=norm)
    freeze_all_but_score(network)
    network.curvature_scale.fill_(0.01)
    twin, shown, results = silent_twin(network), frames(3, 7), []
    for loss in (
        plain_loss(network, twin, shown, seeded()),
        faithful_loss(network, twin, shown, None, seeded())[0],
    ):
        network.zero_grad()
        (2 * loss).backward()
        gradients = [parameter.grad for parameter in network.attention.parameters()]
        results.append((loss.item(), torch.cat([each.flatten() for each in gradients])))
    (expected, slope), (found, ours) = results
    assert found == pytest.approx(expected, rel=1e-5)
    assert slope.norm() > 1e-3
    # A sign that flips by rounding turns a little of the gradient.
    assert (ours - slope).norm() < 0.01 * slope.norm()


def test_the_mask_covers_the_most_attended_share():
    # Rising to the right, so that no peak is smaller than a cell.
    attention = torch.arange(1.0, 21.0).repeat(10, 1) + torch.rand(10, 20, generator=seeded()) / 10
    attention = (attention / attention.sum())[None, None]
    for share in (0.05, 0.25, 0.5):
        mask = soft_mask(attention, torch.full((1, 1, 1), share))
        assert mask.shape == (1, 1, 1, 80, 160)
        assert 0 <= mask.min() <= mask.max() <= 1
        # A cell on the border has 1/2.
        assert (mask > 0.5).float().mean().item() == pytest.approx(share, abs=0.03)
    assert (mask[..., 150:] > 0.7).all()
    assert (mask[..., :40] < 0.1).all()


def test_the_mask_s_gradient_reaches_the_score():
    attention = torch.rand(1, 1, 10, 20, generator=seeded()).requires_grad_()
    soft_mask(attention, torch.full((1, 1, 1), 0.2))[..., :40, :].sum().backward()
    assert attention.grad.abs().sum() > 0


def test_fillings_are_black_mean_blur_or_noise():
    shown = frames(batch=64, steps=1)
    filled = fillings(shown, seeded())
    flat = filled.flatten(2).std(-1)
    black = (filled.flatten(1) == 0).all(1)
    mean = torch.isclose(filled, shown.mean((-2, -1), keepdim=True)).flatten(1).all(1)
    noisy = flat.flatten() > 0.25
    assert black.any()
    assert mean.any()
    assert noisy.any()
    assert (~(black | mean | noisy)).any()  # the blurred
    assert filled.shape == shown.shape


def test_a_network_without_score_cannot_be_taught_a_map():
    with pytest.raises(ValueError, match=r'^network must have a score .*, got none$'):
        freeze_all_but_score(small(attention='none_quant'))
