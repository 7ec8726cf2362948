"""A training that is killed and taken up ends as one that never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from signattn.model import NetworkConfig
from signattn.train import loop, train
from signattn.train.record import Record, describe_run
from signattn.train.state import Position, newest_state, save_state


def files(out):
    """What a run leaves, but for what tells the time."""
    return {
        name: (out / name).read_bytes()
        for name in ('steps.csv', 'metrics.json', 'model/model.yaml')
    } | {'weights': next((out / 'model').glob('weights-*')).read_bytes()}


@pytest.fixture
def recipe(tiny):
    return replace(
        tiny,
        network=NetworkConfig(hidden=8, encoder_norm='batch', dropout=0.5),
        epochs=3,
        ema=0.9,
        schedule='cosine',
        save_batches=1,
    )


class Killed(BaseException):
    """Stands for a power failure."""


@pytest.mark.parametrize('stop', [1, 4, 7, 12, 18])
def test_stopped_at_any_step_it_ends_the_same(drive, recipe, tmp_path, stop):
    train([[drive]], tmp_path / 'whole', recipe)

    def kill(progress):
        if progress.step == stop:
            raise Killed

    out = tmp_path / 'killed'
    with pytest.raises(Killed):
        train([[drive]], out, recipe, kill)
    assert not (out / 'metrics.json').exists()
    train([[drive]], out, recipe, resume=True)
    assert files(out) == files(tmp_path / 'whole')
    assert not (out / 'state').exists()


@pytest.mark.parametrize('pictures', [False, True])
def test_stopped_in_either_part_it_ends_the_same(drive, recipe, tmp_path, pictures):
    recipe = replace(recipe, pictures=1, pictures_batch=4)
    train([[drive]], tmp_path / 'whole', recipe)

    def kill(progress):
        if progress.pictures == pictures and progress.step == 4:
            raise Killed

    out = tmp_path / 'killed'
    with pytest.raises(Killed):
        train([[drive]], out, recipe, kill)
    assert (out / 'pictures' / 'metrics.json').exists() != pictures
    train([[drive]], out, recipe, resume=True)
    assert files(out) == files(tmp_path / 'whole')


def test_an_older_run_is_forgotten_before_the_first_part(drive, recipe, tmp_path):
    recipe = replace(recipe, pictures=1, pictures_batch=4)
    train([[drive]], tmp_path, recipe)

    def kill(_progress):
        raise Killed

    with pytest.raises(Killed):
        train([[drive]], tmp_path, replace(recipe, seed=1), kill)
    assert not (tmp_path / 'metrics.json').exists()
    assert not (tmp_path / 'model' / 'model.yaml').exists()


def test_killed_for_real(drive, recipe, tmp_path):
    train([[drive]], tmp_path / 'whole', recipe)
    (tmp_path / 'recipe.json').write_text(json.dumps(describe_run([[drive]], recipe)['recipe']))
    code = (
        'import json, sys, torch; from pathlib import Path; from dataclasses import replace\n'
        'torch.set_num_threads(1)\n'
        'from signattn.drive import Drive, Split; from signattn.train import TrainConfig, train\n'
        'from signattn.augment import AugmentConfig; from signattn.model import NetworkConfig\n'
        'recipe = json.loads(Path(sys.argv[3]).read_text())\n'
        "recipe['network'] = NetworkConfig(**recipe['network'])\n"
        "recipe['augment'] = AugmentConfig(**recipe['augment'])\n"
        "recipe['split'] = Split('end', fraction=0.25, purge_s=0.0)\n"
        'train([[Drive(sys.argv[1])]], Path(sys.argv[2]), TrainConfig(**recipe), resume=True)\n'
    )
    out = tmp_path / 'killed'
    command = [sys.executable, '-c', code, drive.path, out, tmp_path / 'recipe.json']
    process = subprocess.Popen(command, start_new_session=True)
    while not list(out.glob('state/*.safetensors')) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / 'metrics.json').exists()
    subprocess.run(command, check=True)
    assert files(out) == files(tmp_path / 'whole')


@pytest.mark.parametrize('end', [1, 2, 3])
def test_killed_between_the_last_step_of_an_epoch_and_its_end(
    drive, recipe, tmp_path, monkeypatch, end
):
    """The budget of a network that acts must be that of the epoch's last step."""
    network = NetworkConfig(
        hidden=8, encoder_norm='batch', dropout=0.0, attention='topk', budget=20
    )
    recipe = replace(recipe, network=network, anneal=0.9)
    train([[drive]], tmp_path / 'whole', recipe)
    real = loop._Training._close_epoch

    def kill(training, rate):
        if training.position.epoch == end:
            raise Killed
        real(training, rate)

    out = tmp_path / 'killed'
    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, '_close_epoch', kill)
        with pytest.raises(Killed):
            train([[drive]], out, recipe)
    train([[drive]], out, recipe, resume=True)
    assert files(out) == files(tmp_path / 'whole')
    errors = [
        [line.split(',')[3] for line in (folder / 'log.csv').read_text().splitlines()]
        for folder in (out, tmp_path / 'whole')
    ]
    assert errors[0] == errors[1]


def test_killed_between_its_metrics_and_the_removal_of_its_states(drive, tiny, tmp_path):
    train([[drive]], tmp_path / 'run', tiny)
    save_state(tmp_path / 'run' / 'state', position(6), {'a': torch.zeros(1)}, keep=2)
    train([[drive]], tmp_path / 'run', tiny, resume=True)
    assert not (tmp_path / 'run' / 'state').exists()


def test_killed_while_an_older_run_is_forgotten(drive, recipe, tmp_path, monkeypatch):
    """Its states go before what says which run they are of."""
    out = tmp_path / 'run'

    def kill(progress):
        if progress.step == 4:
            raise Killed

    with pytest.raises(Killed):
        train([[drive]], out, recipe, kill)
    real = type(out).unlink

    def unlink(path, **options):
        if path.name.startswith('state-'):
            raise Killed
        real(path, **options)

    other = replace(recipe, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(type(out), 'unlink', unlink)
        with pytest.raises(Killed):
            train([[drive]], out, other)
    with pytest.raises(ValueError, match=r'to be resumed, got other recipe\.seed'):
        train([[drive]], out, other, resume=True)


def test_a_run_that_is_done_stays(drive, tiny, tmp_path):
    first = train([[drive]], tmp_path / 'run', tiny)
    before = files(tmp_path / 'run')
    assert train([[drive]], tmp_path / 'run', tiny, resume=True) == first
    assert files(tmp_path / 'run') == before


def test_another_recipe_is_not_resumed(drive, tiny, tmp_path):
    train([[drive]], tmp_path / 'run', tiny)
    other = replace(tiny, seed=1, network=replace(tiny.network, hidden=9))
    text = r'run\.yaml must be of this recipe and these drives to be resumed, got other '
    text += r'recipe\.network\.hidden, recipe\.seed: name another --out, or leave --resume out$'
    with pytest.raises(ValueError, match=text):
        train([[drive]], tmp_path / 'run', other, resume=True)


def test_nothing_to_resume_is_a_start(drive, tiny, tmp_path):
    train([[drive]], tmp_path / 'a', tiny)
    train([[drive]], tmp_path / 'b', tiny, resume=True)
    assert files(tmp_path / 'a') == files(tmp_path / 'b')


# States


def position(step):
    return Position(epoch=2, batch=1, step=step, loss_sum=0.1, losses=3, best=4.5, waited=1)


def test_a_state_comes_back(tmp_path):
    tensors = {'a': torch.tensor([1.0, 2.0]), 'n': torch.tensor(3)}
    save_state(tmp_path, position(7), tensors, keep=2)
    found, got = newest_state(tmp_path)
    assert found == position(7)
    assert {name: value.tolist() for name, value in got.items()} == {'a': [1.0, 2.0], 'n': 3}


def test_the_last_k_are_kept(tmp_path):
    for step in range(5):
        save_state(tmp_path, position(step), {'a': torch.zeros(step)}, keep=2)
    assert [path.name[:15] for path in sorted(tmp_path.iterdir())] == [
        'state-000000003',
        'state-000000004',
    ]


@pytest.mark.parametrize('damage', ['cut', 'flipped', 'empty', 'text'])
def test_a_damaged_last_one_falls_back_to_the_one_before(tmp_path, caplog, damage):
    for step in (1, 2):
        save_state(tmp_path, position(step), {'a': torch.arange(50.0)}, keep=2)
    last = max(tmp_path.iterdir())
    data = last.read_bytes()
    flipped = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    wrong = {'cut': data[:-20], 'flipped': flipped, 'empty': b'', 'text': b'no tensors here'}
    last.write_bytes(wrong[damage])
    found, _ = newest_state(tmp_path)
    assert found == position(1)
    assert f'{last} is damaged and passed over' in caplog.text


def test_without_a_whole_state_there_is_none(tmp_path):
    assert newest_state(tmp_path / 'nowhere') is None
    (tmp_path / 'state-000000001-0123456789ab.safetensors').write_bytes(b'')
    assert newest_state(tmp_path) is None


def test_what_was_noted_behind_the_state_is_forgotten(tmp_path):
    record = Record(tmp_path, {})
    record.begin(0)
    for step in (1, 2, 3):
        record.step(step, 1, step / 3)
    record.close()
    record.begin(2)
    record.step(3, 1, 9.0)
    record.close()
    lines = (tmp_path / 'steps.csv').read_text().splitlines()
    assert lines == ['step,epoch,loss', f'1,1,{1 / 3!r}', f'2,1,{2 / 3!r}', '3,1,9.0']


def test_a_start_that_was_moved_is_still_the_same(drive, tiny, tmp_path):
    train([[drive]], tmp_path / 'start', tiny)
    config = replace(tiny, start=tmp_path / 'start' / 'model')
    train([[drive]], tmp_path / 'run', config)
    moved = replace(config, start=(tmp_path / 'start').rename(tmp_path / 'moved') / 'model')
    assert train([[drive]], tmp_path / 'run', moved, resume=True)
    train([[drive]], tmp_path / 'other', replace(tiny, seed=1))
    other = replace(config, start=tmp_path / 'other' / 'model')
    with pytest.raises(ValueError, match='got other start_sha256: name another --out'):
        train([[drive]], tmp_path / 'run', other, resume=True)
