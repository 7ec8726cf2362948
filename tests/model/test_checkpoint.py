"""A checkpoint comes back as it was saved, or says what is wrong with it."""

import dataclasses
import hashlib
import math
import re

import pytest
import torch
import yaml
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

import signattn
from signattn.model import Checkpoint, CheckpointError, Network, NetworkConfig, load, save
from signattn.vehicle import Vehicle

CONFIG = NetworkConfig(hidden=2, score='bounded', encoder_norm='batch', bits=3)
TOY = Vehicle('toy', 2.0, 10.0, 0.01)


def example(seed=0, **fields):
    torch.manual_seed(seed)
    network = Network(CONFIG)
    network.curvature_scale.fill_(0.03)
    network.encoder.layers[1].running_mean.fill_(0.25)
    given = {
        'preprocessing': {'rate_hz': 20.0, 'size': [80, 160]},
        'vehicle': TOY,
        'training': {'data': ['a', 'b'], 'seed': 3},
        'metrics': {'mae_deg': 4.5},
        'name': 'tester',
    }
    return Checkpoint(network, **(given | fields))


@pytest.fixture
def folder(tmp_path):
    save(example(), tmp_path / 'model')
    return tmp_path / 'model'


def described(folder):
    return yaml.safe_load((folder / 'model.yaml').read_text())


def describe(folder, description):
    (folder / 'model.yaml').write_text(yaml.safe_dump(description))


def weights_file(folder):
    (file,) = folder.glob('weights-*.safetensors')
    return file


def with_weights(folder, tensors):
    """Put other weights there, under the right checksum."""
    data = save_tensors(tensors)
    weights_file(folder).write_bytes(data)
    description = described(folder)
    description['weights']['sha256'] = hashlib.sha256(data).hexdigest()
    describe(folder, description)


def refused(folder, text):
    return pytest.raises(CheckpointError, match=f'^{re.escape(str(folder))}{re.escape(text)}')


# Whole


@pytest.mark.parametrize('kind', [str, lambda path: path])
def test_what_is_saved_comes_back(folder, kind):
    saved, loaded = example(), load(kind(folder))
    assert loaded.network.config == CONFIG
    want, got = saved.network.state_dict(), loaded.network.state_dict()
    assert want.keys() == got.keys()
    for name, tensor in want.items():
        assert torch.equal(got[name], tensor), name
    for name in ('preprocessing', 'vehicle', 'training', 'metrics', 'name'):
        assert getattr(loaded, name) == getattr(saved, name), name
    assert loaded.version == signattn.__version__
    assert loaded.checksum == hashlib.sha256(weights_file(folder).read_bytes()).hexdigest()
    assert not loaded.network.training


@torch.no_grad()
def test_it_predicts_the_same(folder):
    frames = torch.rand(1, 2, 3, 80, 160)
    want, got = example().network.eval()(frames), load(folder).network(frames)
    assert torch.equal(got.curvature, want.curvature)
    assert torch.equal(got.attention, want.attention)


def test_the_description_can_be_read_by_people(folder):
    description = described(folder)
    checksum = hashlib.sha256(weights_file(folder).read_bytes()).hexdigest()
    assert list(description) == [
        'format',
        'name',
        'version',
        'architecture',
        'preprocessing',
        'vehicle',
        'training',
        'metrics',
        'weights',
    ]
    assert description['architecture'] == dataclasses.asdict(CONFIG)
    assert description['weights'] == {
        'file': f'weights-{checksum[:12]}.safetensors',
        'sha256': checksum,
    }


def test_replacing_leaves_one_checkpoint_and_other_files(folder):
    (folder / 'README.md').write_text('A card.')
    save(example(seed=1, name='second'), folder)
    assert load(folder).name == 'second'
    names = sorted(path.name for path in folder.iterdir())
    assert names == ['README.md', 'model.yaml', weights_file(folder).name]


def test_saving_the_same_again_keeps_its_weights(folder):
    save(example(name='renamed'), folder)
    assert load(folder).name == 'renamed'


@pytest.mark.parametrize('interrupted', ['weights-', 'model.yaml'])
def test_an_interrupted_replacement_leaves_the_old_one(folder, monkeypatch, interrupted):
    replace = type(folder).replace

    def fail(path, target):
        if target.name.startswith(interrupted):
            raise OSError('disk full')
        return replace(path, target)

    monkeypatch.setattr(type(folder), 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        save(example(seed=1, name='second'), folder)
    assert load(folder).name == 'tester'


def test_a_description_that_is_no_yaml_writes_nothing(tmp_path):
    with pytest.raises(yaml.representer.RepresenterError):
        save(example(metrics={'mae_deg': object()}), tmp_path / 'model')
    assert list((tmp_path / 'model').iterdir()) == []


# Files


def test_a_folder_without_description_is_no_checkpoint(tmp_path):
    text = f'model must be a folder with model.yaml, got {tmp_path}'
    with pytest.raises(CheckpointError, match=f'^{re.escape(text)}$'):
        load(tmp_path)
    with pytest.raises(CheckpointError, match=r'must be a folder with model\.yaml'):
        load(tmp_path / 'none')


def test_missing_weights_are_named(folder):
    file = weights_file(folder)
    file.unlink()
    with refused(folder, f'/model.yaml: weights must be in {file}, found no such file'):
        load(folder)


@pytest.mark.parametrize('place', [0, 5000, -1])
def test_an_altered_byte_is_noticed(folder, place):
    file, expected = weights_file(folder), load(folder).checksum
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    got = hashlib.sha256(data).hexdigest()
    with refused(folder, f'/{file.name} must have sha256 {expected}, got {got}'):
        load(folder)


def test_weights_that_are_cut_off_are_noticed(folder):
    file = weights_file(folder)
    file.write_bytes(file.read_bytes()[:-1])
    with refused(folder, f'/{file.name} must have sha256 '):
        load(folder)


def test_weights_of_another_format_are_refused(folder):
    weights_file(folder).write_bytes(b'garbage')
    description = described(folder)
    description['weights']['sha256'] = hashlib.sha256(b'garbage').hexdigest()
    describe(folder, description)
    with refused(folder, '/model.yaml: the weights must be a safetensors file, got: '):
        load(folder)


@pytest.mark.parametrize('file', ['../secret', '/etc/passwd', 3, None])
def test_weights_lie_beside_their_description(folder, file):
    description = described(folder)
    description['weights']['file'] = file
    describe(folder, description)
    with refused(folder, f'/model.yaml: weights.file must be a file name, got {file!r}'):
        load(folder)


# Weights


def test_a_missing_weight_is_named(folder):
    tensors = load_tensors(weights_file(folder).read_bytes())
    del tensors['gate.bias']
    with_weights(folder, tensors)
    with refused(folder, '/model.yaml: the weights must hold the weight gate.bias, found none'):
        load(folder)


def test_surplus_weights_are_named(folder):
    tensors = load_tensors(weights_file(folder).read_bytes())
    with_weights(folder, tensors | {'gate.bios': torch.zeros(2)})
    with refused(folder, "/model.yaml: the weights must hold no other weights, got ['gate.bios']"):
        load(folder)


def test_a_weight_of_another_shape_is_named(folder):
    tensors = load_tensors(weights_file(folder).read_bytes())
    with_weights(folder, tensors | {'output.bias': torch.zeros(2)})
    text = '/model.yaml: the weights: weight output.bias must have shape (1,), got (2,)'
    with refused(folder, text):
        load(folder)


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_weight_that_is_no_number_is_named(folder, bad):
    tensors = load_tensors(weights_file(folder).read_bytes())
    tensors['initial_h.bias'][1] = bad
    with_weights(folder, tensors)
    with refused(
        folder,
        '/model.yaml: the weights: weight initial_h.bias must be finite, got NaN or infinity',
    ):
        load(folder)


def test_weights_of_another_architecture_are_refused(folder):
    description = described(folder)
    description['architecture']['hidden'] = 3
    describe(folder, description)
    text = r'must have shape \(\d+, 3\), got \(\d+, 2\)|must have shape \(3,.*\), got \(2,.*\)'
    with pytest.raises(CheckpointError, match=text):
        load(folder)


# Keys


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'format': 2}, '/model.yaml: format must be 1, got 2'),
        ({'vehicle': 'toy'}, '/model.yaml: vehicle must be a mapping, got str'),
        ({'metrics': None}, '/model.yaml: metrics must be a mapping, got NoneType'),
        ({'architecture': []}, '/model.yaml: architecture must be a mapping, got list'),
    ],
)
def test_a_wrong_value_is_named(folder, change, text):
    describe(folder, described(folder) | change)
    with refused(folder, text):
        load(folder)


def test_missing_and_unknown_keys_are_named(folder):
    description = described(folder)
    description['metric'] = description.pop('metrics')
    describe(folder, description)
    with pytest.raises(CheckpointError, match=r"got missing \['metrics'\], unknown \['metric'\]$"):
        load(folder)


@pytest.mark.parametrize(
    ('section', 'old', 'new'),
    [('architecture', 'hidden', 'hiden'), ('vehicle', 'wheelbase', 'wheel_base')],
)
def test_a_misspelt_key_names_the_nearest(folder, section, old, new):
    description = described(folder)
    description[section][new] = description[section].pop(old)
    describe(folder, description)
    text = rf"model.yaml: {section}: key must be one of .*, got '{new}'; did you mean '{old}'\?$"
    with pytest.raises(CheckpointError, match=text):
        load(folder)


@pytest.mark.parametrize(
    ('section', 'key', 'value', 'text'),
    [
        ('architecture', 'bits', 99, 'bits must be an integer in 1..24, got 99'),
        ('architecture', 'dropout', 'much', "architecture: '<=' not supported"),
        ('vehicle', 'wheelbase', -1, 'wheelbase must be a finite number above 0, got -1'),
    ],
)
def test_a_network_or_vehicle_that_cannot_be_is_refused(folder, section, key, value, text):
    description = described(folder)
    description[section][key] = value
    describe(folder, description)
    with pytest.raises(CheckpointError, match=re.escape(text)):
        load(folder)


@pytest.mark.parametrize(
    ('text', 'error'),
    [('a: [', 'must be a YAML file, got: '), ('- 1', 'must hold a mapping, got list')],
)
def test_a_description_that_is_no_mapping_is_refused(folder, text, error):
    (folder / 'model.yaml').write_text(text)
    with refused(folder, f'/model.yaml {error}'):
        load(folder)


def test_the_description_holds_nothing_that_runs(folder):
    file = folder / 'model.yaml'
    file.write_text(
        file.read_text().replace('name: tester', 'name: !!python/object/apply:os.getcwd []')
    )
    with refused(
        folder, '/model.yaml must be a YAML file, got: could not determine a constructor'
    ):
        load(folder)
