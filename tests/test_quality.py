"""Every method measured alike: what is measured, of which frames, and what comes of it."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from signattn.deletion import DeletionConfig, curves
from signattn.drive import DriveError, Split
from signattn.explain import EXPLAINERS, controls, explain
from signattn.masks import LINES, write_masks
from signattn.model import Checkpoint, Network, NetworkConfig
from signattn.preprocess import Preprocessing
from signattn.quality import (
    AREAS,
    CEILING,
    GROUP,
    PLACE,
    QualityConfig,
    measure_quality,
    summary,
    truth_summary,
    unmeasured,
)
from signattn.truth import measure, through_cells

LEVELS = (0, 10, 20)
QUICK = QualityConfig(
    explainers=('attention',),
    fillings=('black',),
    levels=LEVELS,
    random_maps=2,
    sample=3,
    warmup_s=0.2,
    device='cpu',
)
METHODS = ['attention', 'time_mean', 'away', 'row_mean', 'permuted', 'centre', 'random']


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return Network(NetworkConfig(hidden=4, encoder_norm='batch', dropout=0.0)).eval()


@pytest.fixture
def drive(write_drive):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (40, 80, 160, 3), np.uint8)
    return write_drive(0.01 * np.sin(np.arange(40) / 6), frames=frames)


@pytest.fixture
def checkpoint(network, vehicle):
    return Checkpoint(network, Preprocessing().to_mapping(), vehicle)


def of(table, **where):
    """The lines of a table with these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def quick(**options):
    return QualityConfig(**(vars(QUICK) | options))


def test_every_method_is_measured_as_the_metric_does(checkpoint, network, drive):
    found = measure_quality(checkpoint, [drive], quick())
    for regime in ('frame', 'stream'):
        config = DeletionConfig(levels=LEVELS, filling='black', regime=regime, skip_s=0.2)
        own = explain(drive, network, EXPLAINERS['attention']()).saliency
        for name, maps in (('attention', own), ('centre', controls.centre(40))):
            expected = curves(network, drive, maps, config)
            rows = of(found.areas, regime=regime, method=name)
            assert rows['frame'].tolist() == expected.frames.tolist()
            for key, area in AREAS.items():
                np.testing.assert_allclose(rows[key], area(expected), atol=1e-9)
            line = of(found.curves, regime=regime, method=name, sample=False)
            assert line['level_percent'].tolist() == list(LEVELS)
            np.testing.assert_allclose(line['mae_deg'], expected.mae_deg)
            np.testing.assert_allclose(line['moved_deg'], expected.moved_deg)
    assert found.areas['method'].drop_duplicates().tolist() == METHODS
    assert found.costs['attention']['forwards'] == 1


def test_controls_are_those_of_the_first_method_and_of_each(checkpoint, network, drive):
    costly = {'costly': ('integrated_gradients',), 'step': 5}
    config = quick(explainers=('attention', 'gradcam'), regimes=('frame',), **costly)
    found = measure_quality(checkpoint, [drive], config)
    own = explain(drive, network, EXPLAINERS['attention']()).saliency
    gradcam = explain(drive, network, EXPLAINERS['gradcam']()).saliency
    frames = np.arange(2, 40, 5)
    expected = {
        'gradcam': gradcam,
        'gradcam_away': np.roll(gradcam, -20, 0),  # half of 2 s
        'time_mean': controls.time_mean(own),
        'away': np.roll(own, -20, 0),
        'row_mean': controls.row_mean(own),
        'permuted': controls.permuted(own, 0),
    }
    masked = DeletionConfig(levels=LEVELS, filling='black')
    areas = {
        name: curves(network, drive, each[frames], masked, frames=frames).fidelity_areas()
        for name, each in expected.items()
    }
    for name, area in areas.items():
        rows = of(found.areas, method=name)
        np.testing.assert_allclose(rows['fidelity_area_deg_percent'], area, atol=1e-9)
    # The sample has the frames 2, 22 and 37, so far away are 22, 2 and 2.
    sample = np.array([2, 22, 37])
    sampled = explain(drive, network, EXPLAINERS['integrated_gradients'](), sample).saliency
    for name, each in (('', sampled), ('_away', sampled[[1, 0, 0]])):
        rows = of(found.areas, method=f'integrated_gradients{name}')
        area = curves(network, drive, each, masked, frames=sample).fidelity_areas()
        assert rows['frame'].tolist() == sample.tolist()
        np.testing.assert_allclose(rows['fidelity_area_deg_percent'], area, atol=1e-9)
    values = np.stack([*areas.values()])
    assert len(np.unique(values.round(6), axis=0)) == len(values)  # none stands for another


def test_cells_are_masked_in_feature_space_beside_pixels(checkpoint, network, drive):
    fillings = ('black', 'feature')
    config = quick(fillings=fillings, regimes=('frame',), greedy=True, levels=(0, 1), step=20)
    found = measure_quality(checkpoint, [drive], config)
    frames = np.array([9, 29])
    own = explain(drive, network, EXPLAINERS['attention'](), frames).saliency
    masked = DeletionConfig(levels=(0, 1), filling='mean', space='cells')
    expected = curves(network, drive, own, masked, frames=frames)
    rows = of(found.areas, method='attention', filling='feature')
    np.testing.assert_allclose(rows['fidelity_area_deg_percent'], expected.fidelity_areas())
    assert list(found.areas['filling'].unique()) == list(fillings)
    greedy = of(found.areas, method='greedy', filling='feature')
    assert (
        greedy['fidelity_area_deg_percent'].to_numpy() >= expected.fidelity_areas() - 1e-9
    ).all()


def test_the_control_of_random_maps_is_their_mean(checkpoint, network, drive):
    found = measure_quality(checkpoint, [drive], quick(regimes=('frame',)))
    config = DeletionConfig(levels=LEVELS, filling='black', skip_s=0.2)
    each = [curves(network, drive, controls.random(40, seed), config) for seed in (0, 1)]
    rows = of(found.areas, method='random')
    expected = np.mean([one.fidelity_areas() for one in each], 0)
    np.testing.assert_allclose(rows['fidelity_area_deg_percent'], expected, atol=1e-9)


def test_costly_methods_see_the_sample(checkpoint, drive):
    config = quick(costly=('integrated_gradients',), greedy=True, levels=(0, 1), step=2)
    found = measure_quality(checkpoint, [drive], config)
    for method in ('integrated_gradients', 'greedy'):
        rows = of(found.areas, method=method)
        assert rows['frame'].tolist() == [0, 20, 38]
        assert rows['sample'].all()
        assert set(rows['regime']) == {'frame'}
    rows = of(found.areas, method='attention', regime='frame')
    assert rows['frame'].tolist() == list(range(0, 40, 2))
    assert rows['sample'].sum() == 3
    lines = {(it['regime'], it['method']): it for it in summary([found.areas])}
    assert 'share' in lines['frame', 'attention']
    assert 'share' not in lines['frame', 'random']
    assert 'share' not in lines['stream', 'attention']


def test_a_part_apart_is_measured_with_what_lies_ahead_of_it(checkpoint, drive):
    split = Split('blocks', folds=2, fold=1, block_s=1.0, purge_s=0.2)
    training = {
        'split': vars(split),
        'drives': [{'frames_sha256': drive.frames_sha256, 'split': True}],
    }
    apart = Checkpoint(checkpoint.network, checkpoint.preprocessing, checkpoint.vehicle, training)
    found = measure_quality(apart, [drive], quick(part='apart', block_s=1.0))
    for regime in ('frame', 'stream'):
        rows = of(found.areas, regime=regime, method='centre')
        assert rows['frame'].tolist() == list(range(20, 40))
        assert rows['block'].unique().tolist() == [1]


def test_a_summary_over_seeds():
    def table(own, floor, top):
        rows = [
            ('d', frame, frame // 2, True, 'frame', 'deletion', 'black', method, *[value] * 3)
            for method, value in (('attention', own), ('random', floor), ('greedy', top))
            for frame in range(4)
        ]
        return pd.DataFrame(rows, columns=[*PLACE, *GROUP, *AREAS])

    lines = summary([table(4.0, 2.0, 8.0), table(6.0, 2.0, 12.0)])
    attention = next(line for line in lines if line['method'] == 'attention')
    assert attention['frames'] == 4
    assert attention['fidelity_area_deg_percent'] == 5.0
    assert attention['fidelity_area_deg_percent_low'] == 4.0
    assert attention['fidelity_area_deg_percent_high'] == 6.0
    # (2 + 4) of (6 + 10).
    assert attention['share'] == 6 / 16


def test_blocks_in_between_are_left_out(checkpoint, drive):
    # 2 s in blocks of 0.5 s; of 1 s with what is shown ahead of the third one.
    config = quick(block_s=0.5, every_block=2)
    found = measure_quality(checkpoint, [drive], config)
    for regime in ('frame', 'stream'):
        rows = of(found.areas, regime=regime, method='attention')
        first = 4 if regime == 'stream' else 0  # warmup_s
        assert rows['frame'].tolist() == [*range(first, 10), *range(20, 30)]
        assert sorted(set(rows['block'])) == [0, 2]
    all_frames = measure_quality(checkpoint, [drive], quick())
    one = of(found.areas, regime='frame', method='attention', frame=0)
    same = of(all_frames.areas, regime='frame', method='attention', frame=0)
    assert one['auc_deg_percent'].item() == pytest.approx(same['auc_deg_percent'].item())


def test_insertion_has_levels_of_its_own(checkpoint, network, drive):
    modes = ('deletion', 'insertion')
    config = quick(regimes=('frame',), modes=modes, insertion_levels=(0, 100), step=8)
    found = measure_quality(checkpoint, [drive], config)
    frames = np.arange(3, 40, 8)  # the middle one of eight
    own = explain(drive, network, EXPLAINERS['attention'](), frames).saliency
    inserted = DeletionConfig(levels=(0, 100), filling='black', mode='insertion')
    expected = curves(network, drive, own, inserted, frames=frames)
    line = of(found.curves, mode='insertion', method='attention', sample=False)
    assert line['level_percent'].tolist() == [0, 100]
    np.testing.assert_allclose(line['mae_deg'], expected.mae_deg)
    assert line['moved_deg'].iloc[1] == 0
    rows = of(found.areas, mode='insertion', method='attention')
    np.testing.assert_allclose(rows['fidelity_area_deg_percent'], expected.fidelity_areas())
    for mode in modes:
        assert of(found.areas, mode=mode)['method'].drop_duplicates().tolist() == METHODS
        assert set(of(found.areas, mode=mode)['frame']) == set(frames.tolist())


def test_the_sample_has_curves_of_its_own(checkpoint, network, drive):
    found = measure_quality(checkpoint, [drive], quick(regimes=('frame',), step=20))
    config = DeletionConfig(levels=LEVELS, filling='black')
    frames = np.array([9, 29])
    own = explain(drive, network, EXPLAINERS['attention'](), frames).saliency
    expected = curves(network, drive, own, config, frames=frames)
    line = of(found.curves, method='attention', sample=True)
    np.testing.assert_allclose(line['moved_deg'], expected.moved_deg)


def test_frames_without_truth_have_no_error(checkpoint, write_drive):
    curvature = np.full(20, 0.01)
    curvature[5:] = np.nan
    half = write_drive(curvature, name='half')
    found = measure_quality(checkpoint, [half], quick(regimes=('stream',), warmup_s=0.0))
    own = of(found.areas, method='attention')
    assert np.isfinite(own['fidelity_area_deg_percent']).sum() == 20
    assert np.isfinite(own['auc_deg_percent']).sum() == 5
    # ∫ over 20 % of the mean error; all frames are black, so no level changes anything.
    mae = of(found.curves, method='attention', sample=False)['mae_deg']
    lines = {line['method']: line for line in summary([found.areas])}
    assert lines['attention']['frames'] == 5
    assert lines['attention']['auc_deg_percent'] == pytest.approx(20 * mae.mean())


@pytest.fixture
def rendered(drive, tmp_path):
    """The drive, and masks in which the left half of each picture is a line but in one."""
    with write_masks(tmp_path / 'out.masks.zip') as masks:
        for stamp in drive.stamps_ns.tolist():
            mask = np.zeros((80, 160), np.uint8)
            mask[:, : 80 * (stamp != drive.stamps_ns[37])] = LINES
            masks.add(stamp, mask)
    drive.description['source'] = {'name': 'out.bag'}
    return drive


def test_maps_are_compared_with_the_truth(checkpoint, network, rendered, tmp_path):
    costly = {'costly': ('integrated_gradients',), 'sample': 2}
    config = quick(regimes=('frame',), step=3, masks=tmp_path, **costly)
    truth = measure_quality(checkpoint, [rendered], config).truth
    assert truth['method'].drop_duplicates().tolist() == [
        CEILING,
        *(name for name in METHODS if name != 'random'),
        'integrated_gradients',
        'integrated_gradients_away',
    ]
    own = of(truth, method='attention')
    # Frame 37 is measured, but nothing in it is causal.
    assert own['frame'].tolist() == list(range(1, 37, 3))
    covered = np.zeros((1, 80, 160))
    covered[:, :, :80] = 1
    maps = explain(rendered, network, EXPLAINERS['attention'](), np.array([4])).saliency
    assert own['energy'].iloc[1] == pytest.approx(measure(maps, covered).energy[0])
    np.testing.assert_allclose(of(truth, method='centre')['energy'], 0.5, atol=1e-6)
    lines = {line['method']: line for line in truth_summary([truth, truth])}
    assert lines[CEILING]['energy_share'] == 1
    assert lines['centre']['energy_share'] == 0
    assert lines['attention']['frames'] == 12
    assert lines['attention']['energy'] == pytest.approx(own['energy'].mean())
    # Of the two frames of the sample one shows something, so its way is that of one frame.
    sampled = of(truth, method='integrated_gradients')
    assert sampled['frame'].tolist() == [1]
    low, high = (of(truth, method=end, frame=1)['energy'].item() for end in ('centre', CEILING))
    share = (sampled['energy'].item() - low) / (high - low)
    assert lines['integrated_gradients']['frames'] == 1
    assert lines['integrated_gradients']['energy_share'] == pytest.approx(share)


@pytest.mark.parametrize('blur_px', [0.0, 8.0])
def test_the_blur_is_that_of_deletion_and_of_the_truth(
    blur_px, checkpoint, network, rendered, tmp_path
):
    config = quick(regimes=('frame',), step=20, masks=tmp_path, blur_px=blur_px)
    found, frames = measure_quality(checkpoint, [rendered], config), np.array([9, 29])
    own = explain(rendered, network, EXPLAINERS['attention'](), frames).saliency
    masked = DeletionConfig(levels=LEVELS, filling='black', blur_px=blur_px)
    areas = curves(network, rendered, own, masked, frames=frames).fidelity_areas()
    rows = of(found.areas, method='attention')
    np.testing.assert_allclose(rows['fidelity_area_deg_percent'], areas, atol=1e-9)
    covered = np.zeros((2, 80, 160))
    covered[:, :, :80] = 1
    for method, maps in (('attention', own), (CEILING, through_cells(covered))):
        expected = measure(maps, covered, blur_px=blur_px)
        rows = of(found.truth, method=method)
        np.testing.assert_allclose(rows['energy'], expected.energy)
        np.testing.assert_allclose(rows['rank_correlation'], expected.rank_correlation, atol=1e-5)


def test_without_masks_there_is_no_truth(checkpoint, drive):
    found = measure_quality(checkpoint, [drive], quick(regimes=('frame',), step=40))
    assert found.truth.empty


@pytest.mark.parametrize(('mode', 'gained'), [('deletion', 3.0), ('insertion', -3.0)])
def test_how_far_maps_are_ahead_of_those_from_elsewhere(mode, gained):
    areas = (('rise', 5.0), ('away', 2.0), ('gradcam', 4.0), ('gradcam_away', 4.0))
    rows = [
        ('d', frame, frame // 2, True, 'stream', mode, 'black', method, *[value] * 3)
        for method, value in areas
        for frame in range(4)
    ]
    table = pd.DataFrame(rows, columns=[*PLACE, *GROUP, *AREAS])
    name = 'fidelity_above_away_deg_percent'
    found = {line['method']: line.get(name) for line in summary([table])}
    assert found == {'rise': gained, 'away': None, 'gradcam': 0.0, 'gradcam_away': None}


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'explainers': ('heat',)}, "explainers must be of attention, .*, got 'heat'"),
        ({'costly': ('heat',)}, "explainers must be of attention, .*, got 'heat'"),
        ({'explainers': ()}, 'explainers must name at least one, got none'),
        ({'sample': 0}, 'sample must be at least 1, got 0'),
        ({'step': 0}, 'step must be at least 1, got 0'),
        ({'every_block': 0}, 'every_block must be at least 1, got 0'),
        ({'random_maps': 0}, 'random_maps must be at least 1, got 0'),
        ({'modes': ()}, 'modes must name at least one, got none'),
        (
            {'regimes': ('stream',), 'costly': ('rise',)},
            'regimes and modes must hold frame with costly, .*, got stream, deletion',
        ),
        (
            {'modes': ('insertion',), 'greedy': True},
            'regimes and modes must hold frame and deletion with greedy, .*, insertion',
        ),
        ({'fillings': ('white',)}, "filling must be one of .*, got 'white'"),
    ],
)
def test_what_cannot_be_measured(options, text):
    with pytest.raises(ValueError, match=f'^{text}$'):
        QualityConfig(**options)


def test_nothing_to_measure(checkpoint, write_drive):
    unknown = write_drive([0.01] * 5, speed=np.nan, name='unknown')
    text = f'{unknown.path} must hold a frame to measure in frame and stream, '
    with pytest.raises(DriveError, match=f'^{re.escape(text)}'):
        measure_quality(checkpoint, [unknown], QUICK)
    short = write_drive([0.01] * 5, name='short')
    text = f'{short.path} must hold a frame to measure in stream, '
    with pytest.raises(DriveError, match=f'^{re.escape(text)}'):
        measure_quality(checkpoint, [short], quick(warmup_s=2.0))


def test_drives_do_not_mix(checkpoint, drive, write_drive):
    """Two of different length, beside one that is too short for the stream and one for all."""
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (24, 80, 160, 3), np.uint8)
    other = write_drive(0.01 * np.cos(np.arange(24) / 6), frames=frames, name='other')
    brief = write_drive([0.01] * 2, frames=frames[:2], name='brief')
    unknown = write_drive([0.01] * 5, speed=np.nan, name='unknown')
    config = quick(random_maps=1, step=4)
    drives = [unknown, drive, brief, other]
    found = measure_quality(checkpoint, drives, config)
    assert unmeasured(found.areas, drives, config) == [
        'unknown has no frame to measure in frame and stream',
        'brief has no frame to measure in stream',
    ]
    alone = {each.name: measure_quality(checkpoint, [each], config) for each in (drive, other)}
    for name, expected in alone.items():
        rows = of(found.areas, drive=name).drop(columns='block').reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, expected.areas.drop(columns='block'))
    assert set(of(found.areas, drive='brief')['regime']) == {'frame'}
    blocks = found.areas.groupby('drive')['block'].unique()
    assert not set(blocks['drive']) & set(blocks['other'])
    # Of a stream both have their frames behind the first 0.2 s: 36 and 20.
    both = [of(each.curves, regime='stream', sample=False) for each in alone.values()]
    moved = (36 * both[0]['moved_deg'] + 20 * both[1]['moved_deg']) / 56
    together = of(found.curves, regime='stream', sample=False)['moved_deg']
    np.testing.assert_allclose(together, moved)
