"""Training on a tiny drive whose steering stands in its pictures."""

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from signattn.augment import AugmentConfig
from signattn.cli import main, read_recipe
from signattn.drive import DriveError, Split
from signattn.evaluate import EvaluateConfig, evaluate
from signattn.model import PRESETS, CheckpointError, NetworkConfig, load
from signattn.model.gating import ACTING, KINDS
from signattn.preprocess import Preprocessing
from signattn.train import Sequences, TrainConfig, train
from signattn.train import loop as module
from signattn.train.devices import Place
from signattn.train.record import describe_run

RECIPES = sorted((Path(__file__).parents[2] / 'config' / 'train').glob('*.yaml'))
TINY = TrainConfig(
    name='tiny',
    network=NetworkConfig(hidden=8, encoder_norm='batch', dropout=0.0),
    split=Split('end', fraction=0.25, purge_s=0.0),
    augment=AugmentConfig(mirror=0.0),
    epochs=1,
    batch=2,
    window=5,
    sequence=10,
    learning_rate=1e-3,
    device='cpu',
)


def winding(count=80):
    return 0.01 * np.sin(np.arange(count) / 6)


STARTED = {*ACTING, 'sign_faithful'}
DENSE = {'sign_faithful': 'sign', 'soft_topk': 'soft32'}
CPU = Place(torch.device('cpu'))


def weights(out):
    (file,) = (out / 'model').glob('weights-*.safetensors')
    return file.read_bytes()


def log(out):
    return list(csv.DictReader((out / 'log.csv').read_text().splitlines()))


# What a run leaves


def test_a_run_leaves_model_metrics_log_and_recipe(drive, tmp_path):
    out = tmp_path / 'runs' / 'tiny'
    metrics = train([[drive]], out, replace(TINY, epochs=2))
    assert sorted(path.name for path in out.iterdir()) == [
        'log.csv',
        'metrics.json',
        'model',
        'run.yaml',
        'steps.csv',
        'tensorboard',
    ]
    assert json.loads((out / 'metrics.json').read_text()) == metrics
    assert metrics['frames'] == 20  # a quarter of 80
    rows = log(out)
    assert [row['epoch'] for row in rows] == ['1', '2']
    best = min(rows, key=lambda row: float(row['mae_deg']))
    assert metrics['epoch'] == int(best['epoch'])
    assert metrics['mae_deg'] == pytest.approx(float(best['mae_deg']), rel=1e-5)
    run = yaml.safe_load((out / 'run.yaml').read_text())
    assert run['recipe']['network']['hidden'] == 8
    assert run['recipe']['seed'] == 0
    assert run['split']['fraction'] == 0.25
    assert run['drives'] == [
        {'name': 'drive', 'frames': 80, 'split': True, **drive.description['checksums']}
    ]


def test_nothing_of_an_older_run_passes_for_one_that_breaks_off(drive, tmp_path):
    out = tmp_path / 'run'
    train([[drive]], out, TINY)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([[drive]], out, replace(TINY, seed=1), stop)
    files = sorted(path.name for path in out.iterdir() if path.is_file())
    assert files == ['run.yaml', 'steps.csv']
    assert yaml.safe_load((out / 'run.yaml').read_text())['recipe']['seed'] == 1
    with pytest.raises(CheckpointError, match=r'model must be a folder with model\.yaml'):
        load(out / 'model')


def test_the_model_explains_itself(drive, tmp_path):
    metrics = train([[drive]], tmp_path / 'run', TINY)
    model = load(tmp_path / 'run' / 'model')
    assert model.name == 'tiny'
    assert model.network.config == TINY.network
    assert model.vehicle == drive.vehicle
    assert Preprocessing.from_mapping(model.preprocessing) == drive.preprocessing
    assert model.metrics == metrics
    assert model.training == yaml.safe_load((tmp_path / 'run' / 'run.yaml').read_text())
    # Its unit is the spread of what it was trained on: the first 60 frames.
    assert float(model.network.curvature_scale) == pytest.approx(winding()[:60].std())
    scored, _ = evaluate(model, [drive], EvaluateConfig(part='apart', windows=False))
    assert scored['mae_deg'] == pytest.approx(metrics['mae_deg'])


def test_the_same_seed_gives_the_same_weights_and_another_others(drive, tmp_path):
    config = replace(TINY, network=replace(TINY.network, dropout=0.5), augment=AugmentConfig())
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
        train([[drive]], tmp_path / name, replace(config, seed=seed))
    assert weights(tmp_path / 'a') == weights(tmp_path / 'b')
    assert weights(tmp_path / 'a') != weights(tmp_path / 'c')


def test_blocks_are_never_looked_at(drive, tmp_path):
    split = Split('blocks', folds=2, block_s=1.0, purge_s=0.1)
    metrics = train([[drive]], tmp_path / 'run', replace(TINY, split=split, epochs=2))
    assert metrics.keys() == {'epoch', 'loss'}
    assert metrics['epoch'] == 2  # the last


def test_progress_is_reported_after_each_step(drive, tmp_path):
    seen = []
    train([[drive]], tmp_path / 'run', replace(TINY, epochs=2), seen.append)
    # 60 frames are 3 batches of 2 sequences of 10; each has 2 windows.
    steps = [(progress.epoch, progress.step) for progress in seen if progress.mae_deg is None]
    assert steps == [(1 + (step > 6), step) for step in range(1, 13)]
    assert {progress.steps for progress in seen} == {12}
    assert [progress.epoch for progress in seen if progress.mae_deg is not None] == [1, 2]


# What is learned


def test_the_loss_falls_on_what_is_easy(drive, tmp_path):
    config = replace(TINY, epochs=10, batch=3, split=Split('none'), learning_rate=2e-4)
    train([[drive]], tmp_path / 'run', config)
    losses = [float(row['loss']) for row in log(tmp_path / 'run')]
    # Of a sine the mean is 0.9 standard deviations: the loss of always answering 0.
    assert np.mean(losses[-3:]) < 0.45


def test_the_state_is_carried_from_window_to_window(drive, tmp_path, monkeypatch):
    states, real = [], module._Training._step

    def step(training, batch, first, state):
        loss, after = real(training, batch, first, state)
        states.append((first, state, after))
        return loss, after

    monkeypatch.setattr(module._Training, '_step', step)
    train([[drive]], tmp_path / 'run', TINY)
    firsts, befores, afters = zip(*states, strict=True)
    assert firsts == (0, 5) * 3
    for first, second, after in zip(befores[::2], befores[1::2], afters[::2], strict=True):
        assert first is None  # a new sequence
        assert second is after
        assert not second[0].requires_grad  # no gradient flows back


def test_a_window_of_a_sequence_answers_as_the_sequence_does(drive):
    torch.manual_seed(0)
    network = module.Network(TINY.network).eval()
    frames = torch.from_numpy(module.scale(drive.frames[:8])[None])
    with torch.inference_mode():
        whole = network(frames).curvature
        first = network(frames[:, :4])
        second = network(frames[:, 4:], first.state)
    torch.testing.assert_close(first.curvature, whole[:, :4], rtol=0, atol=1e-5)
    torch.testing.assert_close(second.curvature, whole[:, 4:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(('schedule', 'factors'), [('constant', (1, 1)), ('cosine', (0.5, 0))])
def test_the_learning_rate_half_way_and_at_the_end(drive, tmp_path, schedule, factors):
    config = replace(TINY, schedule=schedule, wide_factor=0.5)
    training = module._Training([[drive]], tmp_path, config, CPU, print)

    def rates(step):
        training.position.step = step
        training._anneal()
        return [group['lr'] for group in training.optimizer.param_groups]

    assert rates(0) == [1e-3, 5e-4]
    assert rates(training.steps // 2) == pytest.approx([1e-3 * factors[0], 5e-4 * factors[0]])
    assert rates(training.steps) == pytest.approx([1e-3 * factors[1], 5e-4 * factors[1]])


def test_wide_sums_learn_at_a_rate_of_their_own():
    network = module.Network(TINY.network)
    optimizer = module._optimizer(network, replace(TINY, wide_factor=0.25))
    rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert rates.keys() == {id(p) for p in trained.values()}
    slow = {name for name, p in trained.items() if rates[id(p)] == TINY.learning_rate / 4}
    assert slow == {'lstm.weight_ih', 'output.weight'}
    assert set(rates.values()) == {TINY.learning_rate, TINY.learning_rate / 4}


def test_a_gradient_is_clipped(drive, tmp_path):
    # Adam forgets the size of a gradient, but not when the first is tiny against its epsilon.
    free = train([[drive]], tmp_path / 'free', TINY)
    clipped = train([[drive]], tmp_path / 'clipped', replace(TINY, clip_norm=1e-9))
    assert free['loss'] != clipped['loss']


# Refusals


def refuses(drives, out, config, text, error=DriveError):
    with pytest.raises(error, match=f'^{re.escape(text)}'):
        train([drives], out, config)
    assert not out.exists()


def test_without_labels(write_drive, tmp_path):
    drive = write_drive([np.nan] * 20)
    text = f'{drive.path} must have steering to be trained or scored on, got none'
    refuses([drive], tmp_path / 'run', TINY, text)


def test_one_drive_of_several_without_labels(drive, write_drive, tmp_path):
    other = write_drive([np.nan] * 20, name='other')
    refuses([drive, other], tmp_path / 'run', TINY, f'{other.path} must have steering')


def test_too_short_a_stretch(write_drive, tmp_path):
    longest = replace(TINY, split=Split('none'), sequence=20)
    drive = write_drive(winding(20))
    Sequences([[drive]], longest)  # just long enough
    shorter = write_drive(winding(19), name='shorter')
    text = (
        f'{shorter.path}: the training part must have 20 frames without a gap, got no such '
        'stretch: shorten sequence'
    )
    refuses([shorter], tmp_path / 'run', longest, text)


def test_constant_steering(write_drive, tmp_path):
    drive = write_drive([0.01] * 40)
    text = f'{drive.path}: steering must vary to be learned, got a constant'
    refuses([drive], tmp_path / 'run', TINY, text)


def test_labels_in_the_part_kept_apart_only(write_drive, tmp_path):
    drive = write_drive([math.nan] * 30 + winding(10).tolist())
    text = f'{drive.path}: the training part must hold a label, got none'
    refuses([drive], tmp_path / 'run', TINY, text)


def test_drives_of_two_vehicles(drive, write_drive, vehicle, tmp_path):
    bus = replace(vehicle, name='bus')
    other = write_drive(winding(), car=bus, name='other')
    text = (
        f"{other.path}: name of the vehicle must be {vehicle.name!r} as in {drive.path}, got 'bus'"
    )
    refuses([drive, other], tmp_path / 'run', TINY, text)


def test_drives_of_two_preprocessings(drive, write_drive, tmp_path):
    wide = write_drive(winding(), preprocessing=Preprocessing(aspect_ratio=2.0), name='wide')
    train([[drive, wide]], tmp_path / 'fine', TINY)  # another aspect ratio is no matter
    cut = write_drive(winding(), preprocessing=Preprocessing(crop_top=0.5), name='cut')
    text = (
        f'{cut.path}: crop_top of the preprocessing must be {Preprocessing().crop_top} as in '
        f'{drive.path}, got 0.5'
    )
    refuses([drive, cut], tmp_path / 'run', TINY, text)


@pytest.mark.parametrize(
    ('options', 'what'),
    [
        ({'distill': 1.0}, 'distill'),
        ({'freeze_encoder': True}, 'freeze_encoder'),
        ({'objective': 'faithful'}, 'objective'),
    ],
)
def test_recipes_that_need_a_start(drive, tmp_path, options, what):
    text = rf'^start must name a model with {what}.*, got none$'
    with pytest.raises(ValueError, match=text):
        train([[drive]], tmp_path / 'run', replace(TINY, **options))


def test_a_start_of_other_sizes(drive, tmp_path):
    train([[drive]], tmp_path / 'start', TINY)
    wider = replace(TINY, start=tmp_path / 'start' / 'model', network=NetworkConfig(hidden=9))
    text = r'^start must be a network of the same sizes, got tiny with .*\) for \('
    with pytest.raises(ValueError, match=text):
        train([[drive]], tmp_path / 'run', wider)


def test_a_start_that_has_seen_what_is_kept_apart(drive, tmp_path):
    train([[drive]], tmp_path / 'start', replace(TINY, split=Split('none')))
    text = rf'^start must not be trained on what is kept apart of {drive.path}, got tiny with '
    with pytest.raises(ValueError, match=text):
        train([[drive]], tmp_path / 'run', replace(TINY, start=tmp_path / 'start' / 'model'))
    unsplit = replace(TINY, start=tmp_path / 'start' / 'model', split=Split('none'))
    train([[drive]], tmp_path / 'run', unsplit)


def test_a_frozen_encoder_stays_as_it_was_and_the_rest_learns(drive, tmp_path):
    train([[drive]], tmp_path / 'start', TINY)
    start = tmp_path / 'start' / 'model'
    config = replace(TINY, start=start, freeze_encoder=True, ema=0.5)
    train([[drive]], tmp_path / 'run', config)
    before, after = (load(path).network for path in (start, tmp_path / 'run' / 'model'))
    theirs = after.encoder.state_dict()  # with the statistics of its normalisation
    assert all(
        torch.equal(value, theirs[name]) for name, value in before.encoder.state_dict().items()
    )
    for part in ('attention', 'lstm', 'gate', 'output'):
        theirs = getattr(after, part).state_dict()
        for name, value in getattr(before, part).state_dict().items():
            assert not torch.equal(value, theirs[name]), (part, name)


def test_single_pictures_come_first_and_then_the_encoder_stays(drive, tmp_path):
    config = replace(TINY, pictures=2, pictures_batch=4)
    seen = []
    train([[drive]], tmp_path, config, seen.append)
    # 60 pictures by 4, twice; then 6 sequences by 2, of two windows each.
    parts = dict.fromkeys((it.pictures, it.epochs, it.steps) for it in seen)
    assert list(parts) == [(True, 2, 30), (False, config.epochs, 6 * config.epochs)]
    first, last = (load(path / 'model') for path in (tmp_path / 'pictures', tmp_path))
    theirs = last.network.encoder.state_dict()
    for name, value in first.network.encoder.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert not torch.equal(first.network.lstm.weight_hh, last.network.lstm.weight_hh)
    # It is known by the recipe that was asked for.
    assert last.training['recipe'] == describe_run([[drive]], config)['recipe']
    assert (last.training['recipe']['pictures'], last.training['recipe']['start']) == (2, None)


def test_the_last_epoch_over_single_pictures_is_kept(drive, tmp_path):
    train([[drive]], tmp_path, replace(TINY, pictures=3))
    assert json.loads((tmp_path / 'pictures' / 'metrics.json').read_text())['epoch'] == 3


def test_what_acts_begins_as_the_dense_network_it_starts_from(drive, tmp_path):
    dense = replace(TINY.network, attention='none_quant')
    train([[drive]], tmp_path / 'dense', replace(TINY, network=dense))
    config = replace(
        TINY,
        network=replace(TINY.network, attention='topk', budget=20),
        start=tmp_path / 'dense' / 'model',
        distill=1.0,
        epochs=2,
        anneal=0.5,
    )
    training = module._Training([[drive]], tmp_path / 'sparse', config, CPU, print)
    training._anneal()
    shown = torch.from_numpy(module.scale(drive.frames[:4])[None])
    with torch.no_grad():
        ours = training.network.eval()(shown).curvature
        theirs = load(tmp_path / 'dense' / 'model').network(shown).curvature
    torch.testing.assert_close(ours, theirs)
    train([[drive]], tmp_path / 'sparse', config)
    sparse = load(tmp_path / 'sparse' / 'model').network
    assert sparse.gating.progress == 1
    with torch.no_grad():
        openness = sparse.gating.openness(sparse(shown).attention.flatten(2).log())
    assert openness.sum(-1).tolist() == [[20.0] * 4]
    board = EventAccumulator(str(tmp_path / 'sparse' / 'tensorboard')).Reload()
    shares = [event.value for event in board.Scalars('gates/open_share')]
    assert len(shares) == 12
    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.1)


def test_half_precision_leaves_the_encoder_whole(drive, tmp_path):
    """In bf16 the convolutions would flip signs; the rest bears it."""
    network = module.Network(TINY.network).eval()
    shown = torch.from_numpy(module.scale(drive.frames[:8])[None])
    kept = []
    hook = network.encoder.register_forward_hook(lambda _m, _i, features: kept.append(features))
    with torch.no_grad():
        network(shown)
        with torch.autocast('cpu', torch.bfloat16):
            network(shown)
            halved = network.encoder(shown.flatten(0, 1))
    hook.remove()
    whole, under_autocast = kept[0], kept[1]
    assert under_autocast.dtype == torch.float32
    assert torch.equal(whole, under_autocast)
    assert ((halved >= 0) != (whole >= 0)).sum() > 0  # this is why
    metrics = train([[drive]], tmp_path / 'run', replace(TINY, precision='bf16'))
    assert math.isfinite(metrics['loss'])


def test_patience_ends_a_training_that_gets_no_better(drive, tmp_path, monkeypatch):
    errors = iter([5.0, 4.0, 4.5, 4.2, 3.0])
    monkeypatch.setattr(module, 'score', lambda *_: {'mae_deg': next(errors)})
    metrics = train([[drive]], tmp_path / 'run', replace(TINY, epochs=5, patience=2))
    assert (metrics['epoch'], metrics['mae_deg']) == (2, 4.0)
    assert [row['epoch'] for row in log(tmp_path / 'run')] == ['1', '2', '3', '4']


def test_what_lies_ahead_is_validated_as_it_is_evaluated(drive, tmp_path):
    metrics = train([[drive]], tmp_path / 'run', replace(TINY, target_lead_s=0.4))
    model = load(tmp_path / 'run' / 'model')
    scored, _ = evaluate(model, [drive], EvaluateConfig(part='apart', windows=False))
    assert metrics['frames'] == scored['frames'] == 12
    assert metrics['mae_deg'] == pytest.approx(scored['mae_deg'])


def test_what_lies_ahead_is_not_validated_on_the_test_part(drive, tmp_path):
    # Frames 20 to 40 validate, 40 to 60 are kept apart, 0 to 20 are again.
    split = Split('blocks', folds=3, fold=2, block_s=1.0, purge_s=0.0, validate=True)
    config = replace(TINY, split=split, target_lead_s=0.2)
    metrics = train([[drive]], tmp_path / 'run', config)
    # The next fold is 0: frames 0 to 20 and 60 to 80, the last 4 of which have no label.
    assert metrics['frames'] == 36


def test_the_running_average_is_what_is_kept(drive, tmp_path):
    train([[drive]], tmp_path / 'plain', TINY)
    train([[drive]], tmp_path / 'still', replace(TINY, ema=0.999999))
    train([[drive]], tmp_path / 'quick', replace(TINY, ema=1e-9))
    plain, still, quick = (
        load(tmp_path / name / 'model').network.output.weight
        for name in ('plain', 'still', 'quick')
    )
    # The first step's weights, all but unmoved; the last step's, all but alone.
    torch.testing.assert_close(quick, plain)
    assert (still - plain).abs().max() > 1e-4


def test_a_loss_that_is_no_number(drive, tmp_path):
    with pytest.raises(
        FloatingPointError,
        match=r'^loss and gradient must be finite, got .*diverged\.json names the sequences: ',
    ):
        train([[drive]], tmp_path / 'run', replace(TINY, learning_rate=1e30))
    assert not (tmp_path / 'run' / 'model').exists()


def test_a_gradient_that_is_no_number_names_its_own_batch(drive, tmp_path, monkeypatch):
    real = module._Training._loss

    def loss(training, *given):
        summed, known, state = real(training, *given)
        if training.position.step == 3:
            zero = training.network.output.bias.sum() * 0
            summed = summed + torch.where(zero == 0, 0.0, torch.sqrt(zero))  # 0, but 0 · ∞ back
        return summed, known, state

    monkeypatch.setattr(module._Training, '_loss', loss)
    with pytest.raises(FloatingPointError, match=r'a norm of nan in step 3; .*diverged\.json'):
        train([[drive]], tmp_path / 'run', TINY)
    assert json.loads((tmp_path / 'run' / 'diverged.json').read_text())['step'] == 3


@pytest.mark.parametrize('device', ['tpu', 'meta', 'cuda:99'])
def test_devices_that_are_not_here(drive, tmp_path, device):
    with pytest.raises(ValueError, match=f'^device must .*, got {device!r}'):
        train([[drive]], tmp_path / 'run', replace(TINY, device=device))
    assert not (tmp_path / 'run').exists()


# Recipes


@pytest.fixture
def parsed(monkeypatch, drive):
    """Gives a function: the configuration that the command line makes of a recipe."""

    def parse(path, *options):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(
                'signattn.train.train', lambda *given, **_: seen.append(given[2]) or {'epoch': 1}
            )
            arguments = ['train', '--config', str(path), '--data', str(drive.path)]
            assert main([*arguments, '--out', 'nowhere', *options]) == 0
        return seen[0]

    return parse


def test_recipes_are_shipped():
    own = {'demo', 'hmb3', 'paper', 'kim', 'sign_faithful'}
    assert {path.stem for path in RECIPES} == own | set(KINDS) - {'sign'}


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_every_recipe_trains(path, parsed, monkeypatch, drive, tmp_path):
    small = {
        'network.hidden': 4,
        'split.kind': 'none',
        'epochs': 1,
        'batch': 1,
        'window': 2,
        'sequence': 4,
        'device': 'cpu',
    }
    if read_recipe(path).pictures:
        small |= {'pictures': 1, 'pictures_batch': 2}
    options = [text for key in small for text in (f'--{key}', str(small[key]))]
    if path.stem in STARTED:
        dense = NetworkConfig(
            hidden=4,
            encoder_norm='batch',
            dropout=0.0,
            attention=DENSE.get(path.stem, 'none_quant'),
        )
        train([[drive]], tmp_path / 'start', replace(TINY, network=dense))
        options += ['--start', str(tmp_path / 'start' / 'model')]
    config = parsed(path, *options)
    assert (config.network.hidden, config.epochs, config.device) == (4, 1, 'cpu')
    monkeypatch.setattr(Sequences, 'epoch', lambda it, *_: [it.batch(1, 0)])
    train([[drive]] * len(config.shares or [1]), tmp_path / 'run', config)
    assert load(tmp_path / 'run' / 'model').network.config == config.network


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_a_recipe_can_be_read_without_training(path, parsed):
    assert read_recipe(path) == parsed(path)


def test_reading_a_misspelt_recipe(tmp_path):
    (tmp_path / 'recipe.yaml').write_text('augment: {yaw: 1}')
    with pytest.raises(ValueError, match=r"'yaw'; did you mean 'augment\.yaw_deg'\?$"):
        read_recipe(tmp_path / 'recipe.yaml')


def test_the_recipe_of_the_paper_is_its_network():
    recipe = read_recipe(Path(__file__).parents[2] / 'config' / 'train' / 'paper.yaml')
    assert recipe.network == PRESETS['paper']()
    assert recipe.learning_rate == 1e-4


def test_the_recipe_of_the_demo_is_its_network():
    recipe = read_recipe(Path(__file__).parents[2] / 'config' / 'train' / 'demo.yaml')
    assert recipe.network == PRESETS['demo']()
