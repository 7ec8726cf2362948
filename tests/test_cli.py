"""The command line: what it understands, how it refuses, and one drive from end to end."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

import signattn
from signattn.bag import BagWriter
from signattn.cli import VERBS, main
from signattn.cli.show import print_table
from signattn.convert import ConvertConfig
from signattn.drive import Drive
from signattn.model import Checkpoint, Network, NetworkConfig, save
from signattn.preprocess import Preprocessing

START = 1_479_424_215_880_976_321  # ns
SMALL = {
    'network.hidden': 4,
    'split.purge-s': 0.1,
    'epochs': 1,
    'batch': 1,
    'window': 5,
    'sequence': 10,
    'device': 'cpu',
}


def options(mapping):
    return [text for key, value in mapping.items() for text in (f'--{key}', str(value))]


def refuses(capsys, arguments, text):
    """Status 1 and one line on stderr."""
    assert main([str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ''
    assert 'Traceback' not in err
    assert err.startswith('error: ')
    assert text in err


# Help


@pytest.mark.parametrize('arguments', [[], ['--help'], ['-h']])
def test_the_usage_names_every_verb(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for verb, text in VERBS.items():
        assert f'  {verb:10} {text}\n' in out


def test_the_version(capsys):
    assert main(['--version']) == 0
    assert capsys.readouterr().out == f'signattn {signattn.__version__}\n'


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(capsys, verb):
    with pytest.raises(SystemExit) as stop:
        main([verb, '--help'])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f'signattn {verb}' in out
    assert VERBS[verb][1:].split()[0] in out


@pytest.mark.parametrize(
    ('verb', 'expected'),
    [
        ('synth', {'--seed', '--vehicle'}),
        ('convert', {'--out', '--vehicle', '--assume-speed', '--workers', '--json'}),
        ('train', {'--config', '--data', '--out', '--device', '--seed'}),
        ('evaluate', {'--data', '--out', '--device', '--seed', '--workers', '--json'}),
        ('render', {'--out', '--vehicle', '--assume-speed', '--device', '--backend', '--weights'}),
        ('replay', {'--out', '--vehicle', '--assume-speed', '--backend', '--weights', '--json'}),
    ],
)
def test_options_that_verbs_share_are_spelt_the_same(capsys, verb, expected):
    with pytest.raises(SystemExit):
        main([verb, '--help'])
    words = capsys.readouterr().out.replace(',', ' ').replace('[', ' ').replace(']', ' ').split()
    found = {word for word in words if word.startswith('--')}
    assert expected <= found
    assert not {word for word in found if '_' in word.partition('{')[0]}


# Refusals


@pytest.mark.parametrize(
    ('verb', 'hint'), [('sinth', "; did you mean 'synth'?"), ('xyz', "got 'xyz'\n")]
)
def test_an_unknown_verb(capsys, verb, hint):
    text = f'verb must be one of {list(VERBS)}, got {verb!r}'
    refuses(capsys, [verb], text)
    refuses(capsys, [verb], hint)


@pytest.mark.parametrize(
    ('arguments', 'unknown', 'meant'),
    [
        (['synth', 'out', '--durration', '3'], '--durration', '--duration'),
        (
            ['convert', 'bag', '--out', 'o', '--asume-speed', '3'],
            '--asume-speed',
            '--assume-speed',
        ),
        (['train', '--data', 'd', '--out', 'o', '--epoch', '3'], '--epoch', '--epochs'),
        (
            ['train', '--data', 'd', '--out', 'o', '--network.hiden', '3'],
            '--network.hiden',
            '--network.hidden',
        ),
        (['evaluate', 'm', '--data', 'd', '--out', 'o', '--prat', 'all'], '--prat', '--part'),
        (['render', 'm', 's', '--out', 'o', '--strenght', '1'], '--strenght', '--strength'),
        (['replay', 'm', 's', '--out', 'o', '--mod', 'x'], '--mod', '--mode'),
    ],
)
def test_an_unknown_option_names_the_nearest(capsys, arguments, unknown, meant):
    refuses(capsys, arguments, f'{unknown} {arguments[-1]}; did you mean {meant!r}?')


@pytest.mark.parametrize(
    ('recipe', 'unknown', 'meant'),
    [
        ({'epoch': 3}, "'epoch'", "'epochs'"),
        ({'network': {'hiden': 3}}, "'hiden'", "'network.hidden'"),
        ({'split': {'purge': 3}}, "'purge'", "'split.purge_s'"),
        ({'augment': {'yaw': 3}}, "'yaw'", "'augment.yaw_deg'"),
    ],
)
def test_a_misspelt_key_of_a_recipe_names_the_nearest(capsys, tmp_path, recipe, unknown, meant):
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(recipe))
    arguments = ['train', '--config', path, '--data', 'd', '--out', tmp_path / 'run']
    refuses(capsys, arguments, f'did you mean {meant}?')
    refuses(capsys, arguments, unknown)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['train', '--data', 'd', '--out', 'o', '--epochs', 'many'], 'epochs'),
        (['train', '--data', 'd', '--out', 'o', '--loss', 'l3'], 'l3'),
        (
            ['train', '--data', 'd', '--out', 'o', '--network.bits', '99'],
            'bits must be an integer',
        ),
        (['train', '--data', 'd', '--out', 'o', '--split.folds', '1'], 'folds at least 2'),
        (
            ['train', '--data', 'd', '--out', 'o', '--window', '3'],
            'sequence must be a multiple of',
        ),
        (['train', '--data', 'd', '--out', 'o', '--augment.grey', '2'], 'grey must be in [0, 1]'),
        (['train', '--out', 'o'], 'data'),
        (['synth'], 'out'),
        (['synth', 'o', '--format', 'tape'], "format must be one of ['ros1', 'sqlite3', 'mcap']"),
        (['convert', 'b', '--out', 'o', '--rate', 'x'], '--rate must be a finite number, got x\n'),
        (
            ['convert', 'b', '--out', 'o', '--side-cameras', 'x'],
            '--side-cameras must be a finite number, got x\n',
        ),
        (['synth', 'o', '--seed', '1.5'], '--seed must be a whole number, got 1.5\n'),
        (['synth', 'o', '--grey=x'], '--grey must be true or false, got x\n'),
        (['synth', 'o', '--distortion', '1'], "--distortion must be a list such as '[1, 2]', got"),
        (['synth', 'o', '--exposure', 'x'], "Literal['profile', 'auto']"),
        (['convert', 'b', '--out', __file__], '--out must be a folder, got a file'),
        (['inspect', 'b', '--plot', 'a.png'], '--plot must end in .html, got a.png'),
        (['train', '--config', 'gone.yaml', '--data', 'd', '--out', 'o'], 'gone.yaml'),
    ],
)
def test_values_that_are_none(capsys, arguments, text):
    refuses(capsys, arguments, text)


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['convert', '{}/gone', '--out', '{}/out'], '/gone must be a bag or an image folder'),
        (['train', '--data', '{}', '--out', '{}/out'], 'data must be a drive or a folder of'),
        (['evaluate', '{}', '--data', '{}', '--out', '{}/out'], 'model must be a folder with'),
        (['render', '{}', '{}', '--out', '{}/out.mp4'], 'model must be a folder with model.yaml'),
        (['replay', '{}', '{}', '--out', '{}/out'], 'model must be a folder with model.yaml'),
    ],
)
def test_errors_of_every_verb_are_a_sentence(capsys, tmp_path, arguments, text):
    refuses(capsys, [argument.format(tmp_path) for argument in arguments], text)
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


@pytest.mark.parametrize('place', [0, 1, 2])
def test_debug_shows_where_an_error_comes_from(place):
    arguments = ['convert', 'gone', '--out=out']
    arguments.insert(place, '--debug')
    with pytest.raises(ValueError, match=r'^gone must be a bag or an image folder, got nothing'):
        main(arguments)


def test_a_missing_package_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'signattn.synthetic', None)
    assert main(['synth', 'out']) == 1
    assert (
        "must be installed: pip install -e '.[tools]' in signattn's folder"
        in capsys.readouterr().err
    )


def test_an_interruption_is_an_error_without_traceback(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('signattn.convert.convert_all', interrupted)
    refuses(capsys, ['convert', 'bag', '--out', 'out'], 'error: interrupted\n')


# Imports


def test_the_command_line_alone_loads_nothing_heavy():
    heavy = ('torch', 'pandas', 'rosbags', 'jsonargparse', 'cv2', 'numpy', 'rich', 'rclpy')
    code = f'import sys, signattn.cli; print([name for name in {heavy} if name in sys.modules])'
    found = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, check=True, text=True
    )
    assert found.stdout == '[]\n'


# What options become


@pytest.fixture
def called(monkeypatch):
    """Gives a function: what the verb's own function is called with."""

    def call(target, *arguments):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(
                target,
                lambda *given, **named: seen.append((given, named)) or (_ for _ in ()).throw(Stop),
            )
            with pytest.raises(Stop):
                main(['--debug', *map(str, arguments)])
        return seen[0]

    return call


class Stop(Exception):  # noqa: N818 (no error: the verb has got far enough)
    pass


def test_hyphens_and_underscores_are_understood(called, tmp_path):
    for option in ('--assume-speed', '--assume_speed'):
        (_, out, config, *_), _ = called(
            'signattn.convert.convert_all', 'convert', tmp_path, '--out', 'drives', option, '20'
        )
        assert config == ConvertConfig(assume_speed=20.0)
        assert out.name == 'drives'


def test_options_override_the_recipe(called, write_drive, tmp_path):
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        yaml.safe_dump(
            {'epochs': 7, 'network': {'hidden': 5, 'bits': 6}, 'augment': {'gain': 0.5}}
        )
    )
    drive = write_drive([0.0, 0.01])
    (folders, out, config, _), options = called(
        'signattn.train.train',
        'train',
        '--config',
        recipe,
        '--data',
        drive.path,
        '--out',
        'run',
        '--epochs',
        '3',
        '--network.hidden',
        '9',
    )
    assert [[drive.name for drive in folder] for folder in folders] == [['drive']]
    assert options == {'resume': False}
    assert out.name == 'run'
    assert (config.epochs, config.network.hidden, config.network.bits) == (3, 9, 6)
    assert (config.augment.gain, config.batch) == (0.5, 16)


# End to end


def test_a_drive_from_synth_to_score(capsys, tmp_path):
    bag, drives, run, scores = (tmp_path / name for name in ('bag', 'drives', 'run', 'scores'))
    tiny = {'duration': 3, 'seed': 1, 'width': 160, 'height': 120, 'traffic': 0, 'roadside': 0}
    assert main(['synth', str(bag), *options(tiny)]) == 0
    assert capsys.readouterr().out == f'wrote {bag}\n'

    assert main(['convert', str(bag), '--out', str(drives), '--workers', '1', '--json']) == 0
    (row,) = json.loads(capsys.readouterr().out)
    expected = {'drive': str(drives / 'bag'), 'status': 'converted', 'duration_s': 2.95}
    assert expected.items() <= row.items()
    assert (row['images'], row['frames'], row['labelled']) == (60, 60, 60)
    Drive(drives / 'bag').verify()

    arguments = ['train', '--data', str(drives), '--out', str(run), *options(SMALL)]
    assert main(arguments) == 0
    assert f'model in {run / "model"}\n' in capsys.readouterr().out

    model = str(run / 'model')
    arguments = ['evaluate', model, '--data', str(drives), '--out', str(scores), '--json']
    few = tmp_path / 'few.yaml'
    few.write_text('explainers: [attention]\nrandom_maps: 2\npart: apart\n')
    few_options = ['--explain', str(few), '--random-maps', '1', '--workers', '1']
    assert main([*arguments, *few_options]) == 0
    shown = capsys.readouterr()
    metrics = json.loads(shown.out)
    assert shown.err == ''
    assert metrics == json.loads((scores / 'metrics.json').read_text())
    assert metrics['frames'] == 6  # a tenth of 60, as the file says
    assert {'mae_deg', 'mae_per_m', 'mae_deg_zero', 'mae_deg_previous'} <= metrics.keys()
    assert len((scores / 'predictions.csv').read_text().splitlines()) == 61

    assert {line['method'] for line in metrics['explanations']} >= {'attention', 'random'}
    assert 'gradcam' not in metrics['costs']
    assert (scores / 'report.html').is_file()

    # Refused before anything is scored.
    assert main([*arguments, *few_options, '--masks', str(tmp_path)]) == 1
    assert 'masks must hold bag.masks.zip for ' in capsys.readouterr().err

    assert main([*arguments[:-1], '--explain', 'none']) == 0
    shown = capsys.readouterr()
    assert f'report in {scores / "report.html"}\n' in shown.out
    assert 'explanations' not in json.loads((scores / 'metrics.json').read_text())
    assert 'warning: the model was trained on a drive that it is scored on' in shown.err


def test_what_a_network_without_attention_does_without_is_said(
    vehicle, write_drive, capsys, tmp_path
):
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=4, attention='none_quant')).eval()
    save(Checkpoint(network, Preprocessing().to_mapping(), vehicle), tmp_path / 'model')
    drive = write_drive([0.01] * 30)
    arguments = ['evaluate', str(tmp_path / 'model'), '--data', str(drive.path)]
    few = [
        '--costly',
        '[causal_filtering]',
        '--random-maps',
        '1',
        '--step',
        '20',
        '--workers',
        '1',
    ]
    assert main([*arguments, '--out', str(tmp_path / 'out'), *few]) == 0
    said = capsys.readouterr().err
    for name in ('attention', 'causal_filtering'):
        assert f'warning: the network has no attention: {name} is left out\n' in said
    assert 'gradcam is left out' not in said


def test_what_was_lost_or_taken_for_granted_is_said(capsys, tmp_path):
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        for step in range(4):
            writer.image(START + step * 50_000_000, np.zeros((80, 160, 3), np.uint8))
            writer.steering(START + step * 50_000_000, 0.1, 10.0)
    # The storage file is enough; and what is behind the cut is lost.
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    (file,) = (tmp_path / 'bag').iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    assert main(['convert', str(tmp_path / 'bag'), '--out', str(tmp_path / 'drives')]) == 0
    err = capsys.readouterr().err
    assert re.search('^note: bag: ', err, re.MULTILINE)
    assert re.search(r'^warning: bag: \d+ lost, the first: ', err, re.MULTILINE)


def test_a_recording_without_steering_is_converted_with_a_warning(capsys, tmp_path):
    with BagWriter(tmp_path / 'dumb.bag', 'ros1') as writer:
        writer.image(START, np.zeros((80, 160, 3), np.uint8))
    drives = tmp_path / 'drives'
    assert main(['convert', str(tmp_path / 'dumb.bag'), '--out', str(drives)]) == 0
    out, err = capsys.readouterr()
    assert 'labelled' in out
    assert f'warning: no steering in {drives / "dumb"}: to replay and render, not to' in err
    text = f'error: {drives / "dumb"} must have steering to be trained or scored on, got none'
    assert main(['train', '--data', str(drives), '--out', str(tmp_path / 'run')]) == 1
    assert text in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_a_table_keeps_its_digits_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '40')
    keys = [f'a_long_heading_{i}' for i in range(9)]
    print_table([dict.fromkeys(keys, 'a_long_value_of_it'), {}], as_json=False)
    out = capsys.readouterr().out
    head, row, *_ = out.splitlines()
    assert head.split() == keys
    assert row.split() == ['a_long_value_of_it'] * 9


def test_a_video_from_the_command_line(capsys, tmp_path, write_model):
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        for i in range(3):
            writer.image(START + i * 50_000_000, np.zeros((80, 160, 3), np.uint8))
    out = tmp_path / 'a.mp4'
    arguments = ['render', str(write_model()), str(tmp_path / 'bag'), '--out', str(out)]
    assert main([*arguments, '--device', 'cpu']) == 0
    assert capsys.readouterr().out == f'wrote {out}: 3 frames\n'
    assert out.stat().st_size > 0
