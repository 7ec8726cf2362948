import dataclasses

import pytest

from signattn.inspection.model import inspect_model
from signattn.model import CheckpointError, load, save


@pytest.fixture
def write(write_model):
    """Gives a function that writes a model with other parts."""

    def changed(**changes):
        path = write_model()
        save(dataclasses.replace(load(path), **changes), path)
        return path

    return changed


def kinds(report):
    return [finding.kind for finding in report.warnings]


DRIVES = [{'name': 'a', 'frames': 100}, {'name': 'b', 'frames': 20}]


def test_a_sound_model(write):
    training = {'drives': DRIVES, 'split': {'kind': 'end'}, 'recipe': {'epochs': 3, 'network': {}}}
    path = write(training=training, metrics={'mae_deg': 2.5})
    report = inspect_model(path)
    assert kinds(report) == []
    assert report.kind == 'model'
    parameters = sum(it.numel() for it in load(path).network.parameters())
    assert report.row == {
        'name': 'tiny',
        'version': load(path).version,
        'parameters': parameters,
        'drives': 2,
        'frames': 120,
    }
    assert report.details['network']['hidden'] == 4
    assert report.details['preprocessing']['rate_hz'] == 20
    assert report.details['vehicle']['name'] == 'cart'
    assert report.details['training'] == {
        'recipe.epochs': 3,
        'split.kind': 'end',
        'drives': 'a, b',
    }
    assert report.details['metrics'] == {'mae_deg': 2.5}
    assert report.details['weights']['sha256'] == load(path).checksum


def test_a_model_of_unknown_origin(write):
    assert kinds(inspect_model(write())) == ['untrained']


def test_a_model_without_score(write):
    path = write(training={'drives': DRIVES}, metrics={'loss': 0.3})
    assert kinds(inspect_model(path)) == ['unscored']


def test_a_model_of_another_version(write):
    path = write(training={'drives': DRIVES}, metrics={'mae_deg': 1.0}, version='0.0.1')
    (found,) = inspect_model(path).warnings
    assert found.kind == 'other_version'
    assert 'written by version 0.0.1' in found.text


def test_a_model_with_another_preprocessing(write):
    path = write(
        training={'drives': DRIVES},
        metrics={'mae_deg': 1.0},
        preprocessing=dict(load(write()).preprocessing) | {'color': 'lab'},
    )
    (found,) = inspect_model(path).warnings
    assert found.kind == 'preprocessing'
    assert 'color must be hsv, got lab' in found.text


def test_altered_weights_are_an_error(write):
    path = write()
    (weights,) = path.glob('*.safetensors')
    weights.write_bytes(weights.read_bytes() + b' ')
    with pytest.raises(CheckpointError, match='must have sha256'):
        inspect_model(path)
