"""A study of two variants, two folds and two seeds of a network that learns in seconds."""

import json
import re
import shutil
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np
import pytest
import yaml

from signattn import study as module
from signattn.augment import AugmentConfig
from signattn.cli import main, read_recipe
from signattn.drive import Drive, Split
from signattn.model import NetworkConfig, load
from signattn.study import (
    Run,
    StudyConfig,
    compare,
    read_study,
    run_study,
    runs_of,
    table,
)
from signattn.train import TrainConfig, describe_run

BLOCKS = Split('blocks', folds=2, block_s=1.0, purge_s=0.1)
RECIPE = """\
network: {hidden: 4, encoder_norm: batch, dropout: 0.0}
augment: {mirror: 0.0}
epochs: 1
batch: 2
window: 5
sequence: 5
learning_rate: 1.0e-3
device: cpu
"""
STUDY = """\
recipe: recipe.yaml
variants:
  none_quant: {network.attention: none_quant}
  topk: {network.attention: topk, network.budget: 20, start: none_quant}
folds: 2
seeds: 2
block_s: 1.0
purge_s: 0.1
"""


@pytest.fixture
def study_file(tmp_path):
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    (tmp_path / 'study.yaml').write_text(STUDY)
    return tmp_path / 'study.yaml'


@pytest.fixture
def drive(write_drive):
    return write_drive(0.01 * np.sin(np.arange(160) / 6))


def test_a_study_trains_what_is_missing_and_compares(drive, study_file, tmp_path, capsys):
    out = tmp_path / 'study'
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(out)]
    assert main([*arguments, '--workers', '2']) == 0
    printed = capsys.readouterr().out
    assert printed == (out / 'table.md').read_text()
    metrics = json.loads((out / 'metrics.json').read_text())
    assert (metrics['seeds'], metrics['folds'], metrics['frames']) == (2, 2, 160)
    assert metrics['blocks'] == 8
    assert '\n2 seeds, 2 folds, 160 frames in 8 blocks; in brackets 95 %' in printed
    entry = metrics['variants']['topk']
    assert entry['mae_deg_low'] <= entry['mae_deg'] <= entry['mae_deg_high']
    assert entry['difference_deg_low'] <= entry['difference_deg'] <= entry['difference_deg_high']
    assert 'difference_deg' not in metrics['variants']['none_quant']
    for name in ('mae_deg_zero', 'mae_deg_motion', 'mae_deg_frozen'):
        assert entry[name] > 0
    # Each began from the run of its own fold and seed.
    run = load(out / 'topk' / 'fold1-seed1' / 'model').training
    assert run['recipe']['start'] == str(out / 'none_quant' / 'fold1-seed1' / 'model')
    assert (run['split']['fold'], run['recipe']['seed']) == (1, 1)
    assert run['recipe']['network']['budget'] == 20

    # Again: nothing but what is missing.
    (out / 'topk' / 'fold0-seed1' / 'evaluation.json').unlink()
    kept = out / 'none_quant' / 'fold0-seed0' / 'model' / 'model.yaml'
    before = kept.stat().st_mtime_ns
    assert main([*arguments, '--workers', '1']) == 0
    assert kept.stat().st_mtime_ns == before
    assert json.loads((out / 'metrics.json').read_text()) == metrics
    capsys.readouterr()
    assert main([*arguments, '--seeds', '1']) == 0
    assert '\n1 seeds, 2 folds, 160 frames' in capsys.readouterr().out


def test_the_maps_of_a_study_are_measured_besides(
    drive, study_file, tmp_path, capsys, monkeypatch
):
    seen = []

    def measure(*given, **named):
        seen.append((given, named['workers'], named['name']))
        (given[3] / 'quality').mkdir()
        (given[3] / 'quality' / 'maps.md').write_text('the maps')

    def run(*given, **_):
        out = given[4]
        (out / 'table.md').parent.mkdir()
        (out / 'table.md').write_text('the errors\n')
        return {'frames': 160}

    monkeypatch.setattr('signattn.study_quality.measure_study', measure)
    monkeypatch.setattr(module, 'run_study', run)
    (tmp_path / 'maps.yaml').write_text('fillings: [black]\nstep: 7\n')
    out = tmp_path / 'study'
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(out)]
    arguments += ['--explain', str(tmp_path / 'maps.yaml'), '--workers', '2']
    assert main(arguments) == 0
    (((config, quality, drives, where), *rest),) = seen
    assert (config.seeds, where, rest) == (2, out, [2, 'maps'])
    assert (quality.fillings, quality.step) == (('black',), 7)
    assert [it.path for it in drives] == [drive.path]
    assert capsys.readouterr().out == 'the errors\n\nthe maps'


def test_a_measurement_is_read_before_the_first_run(drive, study_file, tmp_path, capsys):
    (tmp_path / 'maps.yaml').write_text('stepp: 7\n')
    out = tmp_path / 'study'
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(out)]
    assert main([*arguments, '--explain', str(tmp_path / 'maps.yaml')]) == 1
    assert "did you mean 'step'?" in capsys.readouterr().err
    assert main([*arguments, '--explain', 'nothing']) == 1
    assert '--explain: quality must be one of [' in capsys.readouterr().err
    # So are masks.
    drive.description['source'] = {'name': 'road.bag'}
    (drive.path / 'drive.yaml').write_text(yaml.safe_dump(drive.description))
    missing = 'masks must hold road.masks.zip for '
    assert main([*arguments, '--explain', 'quick', '--masks', str(tmp_path)]) == 1
    assert missing in capsys.readouterr().err
    (tmp_path / 'maps.yaml').write_text(f'masks: {tmp_path}\n')
    measured = ['--explain', str(tmp_path / 'maps.yaml')]
    assert main([*arguments, *measured]) == 1
    assert missing in capsys.readouterr().err
    assert main(['sweep', 'bits', *arguments[2:], *measured]) == 1
    assert missing in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.usefixtures('study_file')
def test_runs_of_another_recipe_are_not_compared(drive, tmp_path):
    out = tmp_path / 'study'
    made = read_recipe(tmp_path / 'recipe.yaml')
    config = StudyConfig(tmp_path, {'a': {}}, folds=2, seeds=1, block_s=1.0, purge_s=0.1)
    folder = out / Run('a', 0, 0).folder
    folder.mkdir(parents=True)
    done = replace(made, name='a', split=replace(BLOCKS, fold=0))
    recorded = describe_run([[drive]], done)
    recorded['versions']['torch'] = '1.0'
    del recorded['recipe']['clip_norm']  # not known in those days
    (folder / 'evaluation.json').write_text('{}')
    (folder / 'run.yaml').write_text(yaml.safe_dump(recorded))
    module._refuse_other(folder / 'run.yaml', describe_run([[drive]], done))
    text = r'run\.yaml must be of this study to be compared, got other '
    with pytest.raises(ValueError, match=text + r'recipe\.learning_rate: name another --out$'):
        run_study(
            config, lambda _: replace(made, learning_rate=9.0), [[drive]], [], out, workers=1
        )


class Instant(Executor):
    """Does at once what it is given, and notes it."""

    def __init__(self):
        """Nothing is noted."""
        self.runs = []

    def submit(self, _function, run, *_):
        """A future that is done; a run named ``bad`` fails."""
        self.runs.append(run)
        future = Future()
        if run.variant == 'bad':
            future.set_exception(RuntimeError('broken'))
        else:
            future.set_result(None)
        return future


def handed_over(config, workers, done=()):
    pool = Instant()
    recipes = dict.fromkeys(runs_of(config))
    try:
        module._run_all(pool, workers, config, recipes, None, lambda *_: None, set(done))
    except RuntimeError as error:
        assert str(error) == 'broken'  # noqa: PT017 (what was handed over before is of interest)
    return [run.folder for run in pool.runs]


def test_what_follows_from_another_keeps_its_place(tmp_path):
    config = StudyConfig(tmp_path, {'b': {'start': 'a'}, 'a': {}}, folds=0, seeds=3)
    runs = handed_over(config, workers=1)
    assert runs == [f'{name}/fold0-seed{seed}' for seed in range(3) for name in 'ab']


def test_what_is_done_needs_no_process(tmp_path):
    config = StudyConfig(tmp_path, {'b': {'start': 'a'}, 'a': {}}, folds=0, seeds=2)
    runs = handed_over(config, 1, {Run('a', 0, 0), Run('b', 0, 1), Run('a', 0, 1)})
    assert runs == ['b/fold0-seed0']


def test_nothing_begins_behind_one_that_failed(tmp_path):
    config = StudyConfig(tmp_path, {'a': {}, 'bad': {}, 'c': {}}, folds=0, seeds=3)
    assert handed_over(config, workers=1) == ['a/fold0-seed0', 'bad/fold0-seed0']
    assert len(handed_over(config, workers=2)) <= 4


def answers(out, run, values):
    folder = out / run.folder
    folder.mkdir(parents=True)
    np.save(folder / 'answers.npy', values)
    (folder / 'run.yaml').write_text('recipe: {target_lead_s: 0.0}')
    about = {'frames': int(np.isfinite(values).sum()), 'mae_deg': 1.0, 'mae_deg_zero': 2.0}
    (folder / 'evaluation.json').write_text(json.dumps(about))
    (folder / 'metrics.json').write_text(json.dumps({'mae_deg': 3.0 + run.seed}))


def test_frames_are_scored_by_the_network_that_did_not_train_on_them(write_drive, tmp_path):
    # 40 rad·m at 10 m/s: off by 0.001 1/m is 0.04 rad, 2.2918°.
    drive = write_drive(np.zeros(80))
    config = StudyConfig(tmp_path, {'a': {}, 'b': {}}, folds=2, seeds=2, block_s=1.0)
    for variant, off in (('a', 0.001), ('b', 0.003)):
        for fold in (0, 1):
            for seed in (0, 1):
                values = np.full(80, np.nan)
                values[fold * 40 : fold * 40 + 40] = off * (seed + 1) * (fold + 1)
                answers(tmp_path, Run(variant, fold, seed), values)
    metrics = compare(config, [drive], [], tmp_path)
    one, other = metrics['variants'].values()
    # Means over seeds 1, 2 and folds 1, 2: 2.25 times.
    assert one['mae_deg'] == pytest.approx(2.25 * 2.2918, rel=1e-4)
    assert other['mae_deg'] == pytest.approx(6.75 * 2.2918, rel=1e-4)
    assert other['difference_deg'] == pytest.approx(4.5 * 2.2918, rel=1e-4)
    assert one['mae_deg_zero'] == 2.0
    lines = table(metrics).splitlines()
    head = '| variant | mae_deg | mae_deg_zero | mae_deg_validation | difference_deg |'
    assert lines[0] == head
    assert re.fullmatch(r'\| a \| 5\.16 \[.*\] \| 2 \| 3\.5 \|  \|', lines[2])


def test_runs_of_the_first_seed_come_first(tmp_path):
    config = StudyConfig(tmp_path, {'a': {}, 'b': {}}, folds=2, seeds=2)
    runs = runs_of(config)
    assert runs[:4] == [Run('a', 0, 0), Run('b', 0, 0), Run('a', 1, 0), Run('b', 1, 0)]
    assert len(runs) == 8


def test_without_folds_other_drives_are_tested_on(drive, write_drive, tmp_path, monkeypatch):
    grey = np.full((60, 80, 160, 3), 9, np.uint8)
    other = write_drive(0.01 * np.sin(np.arange(60) / 6), frames=grey, name='other')
    seen = []
    monkeypatch.setattr(module, '_run_all', lambda *given: seen.append(given))
    monkeypatch.setattr(
        module,
        'compare',
        lambda *_: {'variants': {}} | dict.fromkeys(('seeds', 'folds', 'frames', 'blocks'), 0),
    )
    config = StudyConfig(tmp_path, {'a': {}}, folds=0, seeds=1)
    base = TrainConfig(network=NetworkConfig(hidden=4), augment=AugmentConfig(), device='cpu')
    run_study(config, lambda _: base, [[drive]], [other], tmp_path, workers=1)
    _, _, _, recipes, place, _, done = seen[0]
    assert done == set()
    assert place.test == (other.path,)
    (recipe,) = recipes.values()
    assert (recipe.split.kind, recipe.name) == ('none', 'a')


def test_what_is_trained_on_is_not_tested_on(drive, tmp_path):
    shutil.copytree(drive.path, tmp_path / 'copy')
    config = StudyConfig(tmp_path, {'a': {}}, folds=0)
    copy = Drive(tmp_path / 'copy')
    text = f'drives to test on must not be trained on, got {copy.path}, which is {drive.path}'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        run_study(config, lambda _: TrainConfig(), [[drive]], [copy], tmp_path / 'out')


@pytest.mark.parametrize(
    ('folds', 'count', 'text'),
    [
        (2, 1, 'drives to test on must be none with folds, got 1'),
        (0, 0, 'drives to test on must be at least one without folds, got 0'),
    ],
)
def test_folds_and_test_drives_exclude_each_other(drive, tmp_path, folds, count, text):
    config = StudyConfig(tmp_path, {'a': {}}, folds=folds)
    with pytest.raises(ValueError, match=f'^{text}$'):
        run_study(config, lambda _: TrainConfig(), [[drive]], [drive] * count, tmp_path)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'variants': {}}, 'variants must name at least one, got none'),
        ({'folds': 1}, 'folds must be 0 or at least 2, got 1'),
        ({'seeds': 0}, 'seeds must be at least 1, got 0'),
        (
            {'variants': {'a': {'start': 'c'}, 'b': {}}},
            "start of a must be a variant (a, b), got 'c'",
        ),
        ({'variants': {'a': {'start': 'a'}}}, 'start must not lead back, got a → a'),
        (
            {'variants': {'a': {'start': 'b'}, 'b': {'start': 'a'}}},
            'start must not lead back, got a → b → a',
        ),
    ],
)
def test_studies_that_are_none(tmp_path, changes, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        StudyConfig(tmp_path, **({'variants': {'a': {}}} | changes))


def test_an_unknown_key_is_named(tmp_path):
    with pytest.raises(ValueError, match='seed'):
        read_study(tmp_path / 's.yaml', {'recipe': 'r.yaml', 'seedz': 3})


def test_a_variant_that_contradicts_itself_stops_before_the_first_run(drive, study_file, tmp_path):
    text = study_file.read_text().replace('network.budget: 20', 'network.gain: 2.0')
    study_file.write_text(text)
    config = read_study(
        study_file,
        {
            'recipe': 'recipe.yaml',
            'variants': {'a': {'network.attention': 'topk', 'network.gain': 2.0}},
        },
    )
    with pytest.raises(ValueError, match=r'^gain must be left at 4\.0 with attention'):
        run_study(
            config,
            lambda changes: read_recipe(config.recipe, changes),
            [[drive]],
            [],
            tmp_path / 'out',
        )
    assert not (tmp_path / 'out').exists()


def test_a_run_that_fails_is_an_error(drive, tmp_path):
    config = StudyConfig(tmp_path, {'a': {}}, folds=2, seeds=1, block_s=1.0, purge_s=0.1)
    base = TrainConfig(network=NetworkConfig(hidden=4), sequence=500, window=5, device='cpu')
    with pytest.raises(ValueError, match='the training part must have 500 frames without a gap'):
        run_study(config, lambda _: replace(base), [[drive]], [], tmp_path / 'out', workers=1)


def test_a_study_begins_from_an_earlier_one(drive, write_drive, study_file, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (160, 80, 160, 3), np.uint8)
    rendered = write_drive(0.01 * np.sin(np.arange(160) / 6), frames=pictures, name='rendered')
    study_file.write_text(
        'recipe: recipe.yaml\nvariants: {dense: {network.attention: none_quant}}\n'
        'folds: 0\nseeds: 2\nblock_s: 1.0\n'
    )
    earlier, out = tmp_path / 'earlier', tmp_path / 'later'
    arguments = ['study', str(study_file), '--data', str(rendered.path)]
    assert main([*arguments, '--test', str(drive.path), '--out', str(earlier)]) == 0
    study_file.write_text(
        STUDY.replace('start: none_quant', 'start: before/dense').replace('seeds: 2', 'seeds: 1')
    )
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(out)]
    assert main([*arguments, '--before', str(earlier)]) == 0
    for fold in (0, 1):
        run = load(out / 'topk' / f'fold{fold}-seed0' / 'model').training
        assert run['recipe']['start'] == str(earlier / 'dense' / 'fold0-seed0' / 'model')


def test_an_earlier_study_must_be_named(drive, study_file, tmp_path, capsys):
    study_file.write_text(STUDY.replace('start: none_quant', 'start: before/dense'))
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(tmp_path / 'o')]
    assert main(arguments) == 1
    assert 'since start of topk is before/dense, got none: name it with --before' in (
        capsys.readouterr().err
    )


def test_masks_without_maps_to_measure_are_an_error(drive, study_file, tmp_path, capsys):
    out = tmp_path / 'study'
    arguments = ['study', str(study_file), '--data', str(drive.path), '--out', str(out)]
    assert main([*arguments, '--masks', str(tmp_path)]) == 1
    assert f'--masks must come with --explain, got --masks {tmp_path} alone' in (
        capsys.readouterr().err
    )
    assert not out.exists()
