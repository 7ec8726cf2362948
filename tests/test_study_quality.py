"""Every run of a study measured, restarted where it broke off, and the variants compared."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from signattn import study_quality as module
from signattn.cli.recipe import read_quality
from signattn.explain import EXPLAINERS
from signattn.model import Checkpoint, Network, NetworkConfig, load, save
from signattn.preprocess import Preprocessing
from signattn.quality import QualityConfig
from signattn.share import share_path
from signattn.study import Run, StudyConfig
from signattn.study_quality import (
    NEED_ATTENTION,
    Measured,
    compare_quality,
    fitting,
    measure_study,
    tables,
)

QUICK = QualityConfig(
    explainers=('attention', 'gradcam'),
    fillings=('black',),
    regimes=('frame',),
    levels=(0, 20),
    random_maps=1,
    step=5,
    warmup_s=0.1,
    device='cpu',
)
F = 'fidelity_area_deg_percent'


def network(attention):
    torch.manual_seed(0)
    return Network(NetworkConfig(hidden=4, attention=attention)).eval()


@pytest.fixture
def drive(write_drive):
    frames = np.random.default_rng(0).integers(0, 256, (60, 80, 160, 3), np.uint8)
    return write_drive(0.01 * np.sin(np.arange(60) / 6), frames=frames)


@pytest.fixture
def study(tmp_path):
    return StudyConfig(tmp_path, {'a': {}, 'b': {}}, folds=0, seeds=2, block_s=1.0)


@pytest.fixture
def write_run(tmp_path, vehicle):
    """Gives a function that writes the network of a run."""

    def write(run, attention='sign', training=None):
        model = tmp_path / run.folder / 'model'
        checkpoint = Checkpoint(network(attention), Preprocessing().to_mapping(), vehicle)
        save(replace(checkpoint, training=training or {}), model)
        return tmp_path / run.folder

    return write


@pytest.fixture
def at_once(monkeypatch):
    """Everything in this process; gives the folders that were measured."""
    from concurrent.futures import Executor, Future

    seen = []

    class Instant(Executor):
        def __init__(self, *_, **__):
            """As the pool of processes."""

        def submit(self, function, folder, *rest):
            seen.append(folder)
            future = Future()
            try:
                future.set_result(function(folder, *rest))
            except ValueError as error:
                future.set_exception(error)
            return future

    monkeypatch.setattr(module, 'processes', Instant)
    return seen


def test_runs_are_measured_once_and_compared(drive, study, write_run, at_once, tmp_path):
    runs = [Run(name, 0, seed) for seed in (0, 1) for name in 'ab']
    for run in runs:
        write_run(run, 'sign' if run.variant == 'a' else 'none_quant')
    shown = []
    found = measure_study(
        study, QUICK, [drive], tmp_path, report=lambda *given: shown.append(given)
    )
    assert at_once == [tmp_path / run.folder for run in runs]
    assert shown == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    areas = pd.read_parquet(at_once[0] / 'quality' / 'maps' / 'areas.parquet')
    assert sorted(set(areas['frame'])) == list(range(2, 60, 5))
    assert sorted(set(areas['block'])) == [0, 1, 2]  # of the study's length
    assert 'attention' in set(areas['method'])
    about = yaml.safe_load((at_once[1] / 'quality' / 'maps' / 'quality.yaml').read_text())
    assert about['own'] == 'gradcam'
    assert about['costs']['gradcam']['forwards'] > 1
    assert (at_once[0] / 'quality' / 'maps' / 'curves.csv').stat().st_size > 0
    lines = found['explanations']
    assert len(lines) == 9 + 7
    json.dumps(lines, allow_nan=False)
    assert (tmp_path / 'quality' / 'maps.md').read_text() == tables(found)
    assert json.loads((tmp_path / 'quality' / 'maps.json').read_text()) == found

    # Under another name: beside it.
    at_once.clear()
    coarse = replace(QUICK, step=30)
    measure_study(study, coarse, [drive], tmp_path, name='coarse')
    assert len(at_once) == 4
    areas = pd.read_parquet(tmp_path / runs[0].folder / 'quality' / 'coarse' / 'areas.parquet')
    assert sorted(set(areas['frame'])) == [14, 44]

    # Again: nothing, and one whose network is another, and one that broke off before its end.
    at_once.clear()
    assert measure_study(study, QUICK, [drive], tmp_path) == found
    assert at_once == []
    model = tmp_path / runs[2].folder / 'model'
    checkpoint = load(model)
    checkpoint.network.curvature_scale.fill_(2.0)
    save(checkpoint, model)
    (tmp_path / runs[3].folder / 'quality' / 'maps' / 'quality.yaml').unlink()
    measure_study(study, QUICK, [drive], tmp_path)
    assert at_once == [tmp_path / run.folder for run in runs[2:]]


def test_runs_measured_in_another_way_are_not_compared(
    drive, write_drive, study, write_run, at_once, tmp_path
):
    study = replace(study, variants={'a': {}}, seeds=1)
    place = write_run(Run('a', 0, 0)) / 'quality/maps'
    measure_study(study, QUICK, [drive], tmp_path)
    text = re.escape(
        f'{place}/quality.yaml must be measured as the others to be compared, got other '
        f'measured.blur_px: remove {place} to measure it again'
    )
    with pytest.raises(ValueError, match=f'^{text}$'):
        measure_study(study, replace(QUICK, blur_px=8.0), [drive], tmp_path)
    other = write_drive(np.zeros(40), name='other')
    with pytest.raises(ValueError, match='got other drives, samples: remove'):
        measure_study(study, QUICK, [other], tmp_path)
    # Where it is computed doesn't matter.
    measure_study(study, replace(QUICK, device='auto'), [drive], tmp_path)
    assert len(at_once) == 1


@pytest.mark.usefixtures('at_once')
def test_other_labels_are_another_measurement(drive, study, write_run, tmp_path):
    for run in [Run(name, 0, seed) for seed in (0, 1) for name in 'ab']:
        write_run(run)
    measure_study(study, QUICK, [drive], tmp_path)
    drive.samples_sha256 = 'of another speed'
    with pytest.raises(ValueError, match=r'must be measured as the others .* got other samples: '):
        measure_study(study, QUICK, [drive], tmp_path)


def test_processes_give_the_same_and_only_what_was_kept_apart(
    drive, write_run, tmp_path, monkeypatch
):
    study = StudyConfig(tmp_path, {'a': {}}, folds=2, seeds=1, block_s=1.0, purge_s=0.1)
    split = {'kind': 'blocks', 'folds': 2, 'block_s': 1.0, 'purge_s': 0.1}
    entry = {'frames_sha256': drive.frames_sha256, 'split': True}
    for fold in (0, 1):
        training = {'split': split | {'fold': fold}, 'drives': [entry]}
        write_run(Run('a', fold, 0), training=training)
    monkeypatch.setattr(torch, 'set_num_threads', lambda _: None)
    quick = replace(QUICK, explainers=('attention',))
    measure_study(study, quick, [drive], tmp_path, workers=1)
    first, second = (
        tmp_path / f'a/fold{fold}-seed0/quality/maps/areas.parquet' for fold in (0, 1)
    )
    assert set(pd.read_parquet(first)['block']) == {0, 2}
    assert set(pd.read_parquet(second)['block']) == {1}
    assert len(set(module.read_measured(study, 'a', tmp_path).areas[0]['frame'])) == 12


@pytest.mark.parametrize('path', sorted(share_path('config/quality').glob('*.yaml')), ids=str)
def test_shipped_measurements_can_be_read(path):
    assert isinstance(read_quality(path.stem), QualityConfig)


def test_a_run_that_cannot_be_measured_is_an_error(drive, study, write_run, at_once, tmp_path):
    for run in (Run(name, 0, seed) for seed in (0, 1) for name in 'ab'):
        write_run(run, 'none_quant')
    text = (
        'explainers must name one that needs no attention for model, which has none, got '
        'attention: add gradcam'
    )
    with pytest.raises(ValueError, match=f'^{text}$'):
        measure_study(study, replace(QUICK, explainers=('attention',)), [drive], tmp_path)
    assert at_once


def test_what_a_network_without_attention_does_without(vehicle):
    checkpoint = Checkpoint(network('none_quant'), Preprocessing().to_mapping(), vehicle)
    asked = replace(QUICK, costly=('rise', 'causal_filtering'))
    left = fitting(asked, checkpoint)
    assert (left.explainers, left.costly) == (('gradcam',), ('rise',))
    attended = Checkpoint(network('sign'), Preprocessing().to_mapping(), vehicle)
    assert fitting(asked, attended) is asked
    frames = torch.zeros(1, 1, 3, 80, 160)
    for name in NEED_ATTENTION:
        with pytest.raises(ValueError, match='network must have attention'):
            EXPLAINERS[name]()(checkpoint.network, frames)


def areas(**fidelity):
    """Frame by frame, two frames in each of two blocks; the last method on the first frames."""
    place = {'drive': 'd', 'frame': [0, 1, 20, 21], 'block': [0, 0, 1, 1], 'sample': True}
    context = {'regime': 'frame', 'mode': 'deletion', 'filling': 'black'}
    rest = {'excess_area_deg_percent': 1.0, 'auc_deg_percent': 2.0}
    made = [
        pd.DataFrame({**place, **context, 'method': method, F: values, **rest})
        for method, values in fidelity.items()
    ]
    made[-1] = made[-1][made[-1]['frame'] % 20 == 0]
    return pd.concat(made, ignore_index=True)


def test_ratios_are_paired():
    one = Measured(
        'attention',
        [areas(attention=[2, 2, 4, 4], away=[1, 1, 2, 2], random=1.0, rise=[4, 0, 8, 0])] * 2,
        [],
    )
    other = Measured('gradcam', [areas(gradcam=[6, 6, 12, 12], away=3.0, random=1.0)] * 2, [])
    lines = {(it['variant'], it['method']): it for it in compare_quality({'a': one, 'b': other})}
    assert len(lines) == 7
    # In every draw alike, so without doubt.
    line = lines['b', 'gradcam']
    names = ['reference_ratio', 'reference_ratio_low', 'reference_ratio_high']
    assert [line[name] for name in names] == pytest.approx([3, 3, 3])
    assert [lines['a', 'away'][name.replace('reference', 'own')] for name in names] == [2, 2, 2]
    assert line['fidelity_difference_deg_percent'] == pytest.approx(6)  # 9 less 3
    assert line['fidelity_difference_deg_percent_low'] == pytest.approx(4)
    assert line['fidelity_difference_deg_percent_high'] == pytest.approx(8)
    assert line['excess_difference_deg_percent'] == 0
    # On the frames that were sampled alone.
    assert lines['a', 'rise']['own_ratio'] == pytest.approx(0.5)
    assert lines['a', 'rise']['reference_ratio'] == pytest.approx(2)
    assert lines['b', 'away']['own_ratio'] == pytest.approx(3)
    own = lines['a', 'attention']
    assert own['own']
    assert not lines['a', 'rise']['own']
    assert not {'reference_ratio', 'own_ratio', 'p_reference'} & own.keys()
    # Both hypotheses about the own maps: one comparison with the first, two with elsewhere.
    assert [name for name, it in lines.items() if 'p_reference' in it] == [('b', 'gradcam')]
    assert line['p_reference'] == pytest.approx(2 / 10_001)
    assert own['p_away'] == pytest.approx(4 / 10_001)


def test_networks_are_compared_by_their_shares():
    tables_of_both = [
        areas(attention=3.0, away=1.0, random=1.0, greedy=[5, 9, 5, 9]),
        areas(attention=8.0, away=1.0, random=2.0, greedy=[10, 9, 10, 9]),
    ]
    for table in tables_of_both:
        table['sample'] = table['frame'] % 20 == 0
    one, other = (Measured('attention', [table], []) for table in tables_of_both)
    lines = {(it['variant'], it['method']): it for it in compare_quality({'a': one, 'b': other})}
    # On the frames that were searched: 2 of 4 and 6 of 8.
    assert lines['a', 'attention']['share'] == pytest.approx(0.5)
    assert lines['b', 'attention']['share'] == pytest.approx(0.75)
    bounds = ('share_difference', 'share_difference_low', 'share_difference_high')
    assert [lines['b', 'attention'][name] for name in bounds] == pytest.approx([0.25] * 3)
    assert [lines['a', 'away'][name] for name in bounds] == pytest.approx([-0.5] * 3)
    for line in (lines['a', 'attention'], lines['b', 'random'], lines['b', 'greedy']):
        assert 'share_difference' not in line


def test_tables_are_one_for_each_way_of_measuring():
    one = Measured('attention', [areas(attention=[2, 2, 4, 4], away=1.0, random=1.0)], [])
    text = tables({'explanations': compare_quality({'a': one})})
    assert text.startswith('## frame, deletion, black\n\n| variant | method | frames |')
    assert '\n| a | attention | 4 | 1 [1, 1] | 3 [2, 4] | 2 [2, 2] |' in text
