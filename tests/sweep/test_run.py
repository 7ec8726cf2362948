"""A sweep from the command line, and what its table and tests say."""

import json
import re
from concurrent.futures import Executor, Future

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from signattn import study as study_module
from signattn import study_quality
from signattn.cli import main, read_recipe
from signattn.model.gating import BUDGETED, KINDS
from signattn.share import read_yaml, share_path
from signattn.study import StudyConfig, read_study
from signattn.study_quality import Measured
from signattn.sweep.run import AXES, axis_values, own_lines, run_sweep, table, welch_pairs

RECIPE = """\
network: {hidden: 4, encoder_norm: batch, dropout: 0.0}
augment: {mirror: 0.0}
epochs: 1
batch: 2
window: 5
sequence: 5
device: cpu
"""
MAPS = """\
explainers: [attention]
fillings: [black]
regimes: [frame]
levels: [0, 20]
random_maps: 1
step: 10
"""
AUC = 'auc_deg_percent'
F = 'fidelity_area_deg_percent'


class Instant(Executor):
    """Does at once what it is given."""

    def __init__(self, *_, **__):
        """As the pool of processes."""

    def submit(self, function, *given):
        future = Future()
        future.set_result(function(*given))
        return future


@pytest.fixture
def _in_this_process(monkeypatch):
    for module in (study_module, study_quality):
        monkeypatch.setattr(module, 'processes', Instant)
    monkeypatch.setattr(torch, 'set_num_threads', lambda _: None)


@pytest.mark.usefixtures('_in_this_process')
def test_a_sweep_from_the_command_line(write_drive, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 80, 160, 3), np.uint8)
    curvature = 0.01 * np.sin(np.arange(40) / 6)
    train, test = (
        write_drive(curvature, frames=frames, name=name)
        for frames, name in zip(noise, ('train', 'test'), strict=True)
    )
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    (tmp_path / 'maps.yaml').write_text(MAPS)
    study = {
        'recipe': 'recipe.yaml',
        'variants': {
            'sign': {},
            'T0.1': {'network.attention': 'soft32', 'network.temperature': 0.1},
            'T1': {'network.attention': 'soft32', 'network.temperature': 1.0},
        },
        'folds': 0,
        'seeds': 3,
        'block_s': 1.0,
    }
    (tmp_path / 'study.yaml').write_text(yaml.safe_dump(study, sort_keys=False))
    out = tmp_path / 'sweep'
    arguments = ['sweep', 'temperature', '--study', str(tmp_path / 'study.yaml'), '--seeds', '1']
    arguments += ['--data', str(train.path), '--test', str(test.path), '--out', str(out)]
    arguments += ['--explain', str(tmp_path / 'maps.yaml'), '--workers', '1']
    assert main(arguments) == 0
    assert capsys.readouterr().out == (out / 'table.md').read_text()
    metrics = json.loads((out / 'metrics.json').read_text())
    assert metrics['values'] == {'sign': None, 'T0.1': 0.1, 'T1': 1.0}
    assert (metrics['seeds'], metrics['frames'], metrics['axis']) == (1, 40, 'temperature')
    assert [(it['one'], it['other']) for it in metrics['welch']] == [
        ('sign', 'T0.1'),
        ('sign', 'T1'),
        ('T0.1', 'T1'),
    ]
    figures = {path.name for path in (out / 'figures').iterdir()}
    names = ('error', 'frame_deletion', 'maps')
    assert figures == {f'{name}.{kind}' for name in names for kind in ('png', 'svg')}


def test_what_stands_where_on_the_axis(tmp_path):
    variants = {'a': {'network.bits': 2}, 'b': {'network.bits': 4}, 'c': None}
    study = StudyConfig(tmp_path, variants)
    assert axis_values('bits', study) == {'a': 2, 'b': 4, 'c': None}
    assert axis_values('attention', study) == dict.fromkeys('abc')


def test_a_sweep_needs_two_values(tmp_path):
    study = StudyConfig(tmp_path, {'a': {'network.bits': 2}, 'b': {'network.bits': 2}})
    text = re.escape(
        "variants must give network.bits two values at least to be swept, got {'a': 2, 'b': 2}"
    )
    with pytest.raises(ValueError, match=f'^{text}$'):
        run_sweep('bits', study, None, None, [], [], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def areas(auc, method='attention'):
    place = {'drive': 'd', 'frame': range(len(auc)), 'block': 0, 'sample': True}
    context = {'regime': 'frame', 'mode': 'deletion', 'filling': 'black', 'method': method}
    return pd.DataFrame({**place, **context, AUC: auc})


def test_welch_takes_frames_and_means_over_seeds():
    # 1, 2, 3 against 3, 4, 8: t = -3 / √(1/3 + 7/3), 2.551 degrees of freedom.
    one = Measured('attention', [areas([0, 2, 2]), areas([2, 2, 4]), areas([9], 'away')], [])
    other = Measured('gradcam', [areas([3.0, 4.0, 8.0, np.nan], 'gradcam')], [])
    (pair,) = welch_pairs({'a': one, 'b': other})
    assert (pair['regime'], pair['mode'], pair['filling']) == ('frame', 'deletion', 'black')
    assert (pair['one'], pair['other']) == ('a', 'b')
    assert pair['p'] == pytest.approx(0.180, abs=0.005)


def metrics():
    """Two variants measured in one way, as ``run_sweep`` gives them."""
    context = {'regime': 'frame', 'mode': 'deletion', 'filling': 'black'}
    lines = [
        {'variant': name, **context, 'method': method, 'own': method == 'attention', F: value}
        for name, value in (('a', 1.0), ('b', 3.0))
        for method in ('attention', 'away')
    ]
    error = {'mae_deg': 5.0, 'mae_deg_low': 4.0, 'mae_deg_high': 6.0, 'mae_deg_zero': 9.0}
    return {
        'variants': {'a': error, 'b': error},
        'explanations': lines,
        'welch': [{**context, 'one': 'a', 'other': 'b', 'p': 0.25}],
        'seeds': 1,
        'folds': 0,
        'frames': 60,
        'blocks': 3,
    }


def test_the_table_has_a_line_for_each_own_map():
    first, second = own_lines(metrics())
    assert (first['variant'], first['method'], first['mae_deg'], first[F]) == (
        'a',
        'attention',
        5.0,
        1.0,
    )
    assert 'p_welch' not in first
    assert second['p_welch'] == 0.25
    text = table(metrics())
    assert text.splitlines()[0].startswith('| variant | mae_deg | regime | mode | filling |')
    assert '\n| b | 5 [4, 6] | frame | deletion | black | attention | 3 | 0.25 |\n' in text
    assert '1 seeds, tested on other drives, 60 frames in 3 blocks. Areas' in text


@pytest.mark.parametrize('path', sorted(share_path('config/study').glob('*.yaml')), ids=str)
def test_every_variant_of_shipped_studies_is_a_recipe(path):
    study = read_study(path, read_yaml(path))
    for changes in study.variants.values():
        rest = {key: value for key, value in (changes or {}).items() if key != 'start'}
        recipe = read_recipe(study.recipe, rest)
        assert recipe.epochs > 0
    if path.stem in AXES:
        assert axis_values(path.stem, study).keys() == study.variants.keys()


def test_the_sweep_of_attention_has_every_kind():
    path = share_path('config/study/attention.yaml')
    study = read_study(path, read_yaml(path))
    kinds = {changes.get('network.attention', 'sign') for changes in study.variants.values()}
    assert kinds == set(KINDS)
    for kind in BUDGETED:
        budgets = {
            changes['network.budget']
            for changes in study.variants.values()
            if changes.get('network.attention') == kind
        }
        assert len(budgets) == 3


def test_the_paper_s_bits_are_swept():
    path = share_path('config/study/bits.yaml')
    values = axis_values('bits', read_study(path, read_yaml(path)))
    assert sorted(values.values()) == list(range(2, 25, 2))
    assert all(name == f'bits{value}' for name, value in values.items())
