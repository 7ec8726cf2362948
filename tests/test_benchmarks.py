"""What benchmarks measure against must go on giving our numbers."""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / 'benchmarks'


def load(name):
    """A benchmark as a module."""
    spec = importlib.util.spec_from_file_location(f'{name}_benchmark', FOLDER / f'{name}.py')
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


def test_the_plain_training_step_is_ours():
    load('train').check('sign', 'cpu')  # asserts, of answers and gradients


@pytest.mark.parametrize('kind', ['sign', 'soft32'])
def test_plain_deletion_loops_are_ours(kind, tmp_path):
    benchmark = load('deletion')
    options = {'kind': kind, 'hidden': 4, 'norm': 'batch', 'cores': 1}
    network = benchmark.made_network(argparse.Namespace(**options))
    drive = benchmark.write_drive(tmp_path / 'drive', 3)
    saliency = np.random.default_rng(1).random((3, 80, 160))
    routes, compared = benchmark.made_routes(network, drive, saliency, None, 1)
    assert {'frame, ours', 'stream, ours', 'stream, plain loop'} <= routes.keys()
    # One in 78 for a sign that flips; soft32 has none.
    for found in compared.values():
        assert found['flipped_share'] <= (1 / 78 if kind == 'sign' else 0)
    assert benchmark.multiply_adds(network, stream=False) > 1e8


def checked(model, drive, step):
    """What the sanity checks say of a model's own map."""
    options = {'models': [model], 'data': drive.path, 'methods': ['attention'], 'step': step}
    (line,) = load('sanity').checks(argparse.Namespace(**options))
    return line


def test_short_drives_and_unknown_speeds_do_not_stop_the_sanity_checks(write_model, write_drive):
    frames = np.random.default_rng(0).integers(0, 256, (60, 80, 160, 3), np.uint8)
    speed = np.where(np.arange(60) < 30, np.nan, 10.0)
    drive = write_drive([0.01] * 60, frames=frames, speed=speed)
    line = checked(write_model(), drive, step=10)
    assert line['fidelity_area_deg_percent'] > 0
    assert 'maps_like_next' in line
    assert 'maps_like_elsewhere' not in line  # 10 s away there is nothing


def test_a_cued_drive_without_its_twin(write_model, write_drive):
    drive, other = write_drive([0.01] * 3, name='cued'), write_drive([0.01] * 3, name='plain')
    options = {'models': [write_model()], 'data': drive.path, 'plain': other.path}
    with pytest.raises(SystemExit, match=r'must hold each drive without its cue, not cued$'):
        list(load('sanity').cue(argparse.Namespace(**options)))


def test_the_sanity_of_a_model_is_measured(write_model, write_drive):
    frames = np.random.default_rng(0).integers(0, 256, (210, 80, 160, 3), np.uint8)
    drive = write_drive([0.01] * 210, frames=frames)  # 10 s, and a little more
    line = checked(write_model(), drive, step=400)
    assert line['random_to_output'] == pytest.approx(1)  # attention doesn't see what is read out
    assert abs(line['random_to_conv1']) < 0.9
    assert line['fidelity_area_deg_percent'] > 0
    assert line['permuted_area_deg_percent'] > 0
    assert -1 <= line['maps_like_next'] <= 1
