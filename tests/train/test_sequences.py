"""What a training sees, from drives whose labels say which frame it is."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from signattn.augment import AugmentConfig
from signattn.drive import Drive, Split
from signattn.train import Sequences

STEP_NS = 50_000_000


def drawn(sequences, epochs=20):
    return [batch for epoch in range(1, 1 + epochs) for batch in sequences.epoch(epoch)]


def test_sequences_stay_in_the_training_part_and_off_gaps(write_drive, tiny):
    stamps = np.arange(60) * STEP_NS + (np.arange(60) >= 20) * 1_000_000_000
    drive = write_drive(np.arange(60) / 1000.0, stamps_ns=stamps)
    # 3.95 s, of which the last quarter from 2.9625 s on is apart: frame 40 and on.
    batches = drawn(Sequences([[drive]], tiny), 60)
    assert batches[0].frames.shape == (2, 10, 80, 160, 3)
    labels = np.concatenate([batch.curvature for batch in batches])
    np.testing.assert_allclose(np.diff(labels, axis=1), 0.001, atol=1e-6)
    starts = np.round(1000 * labels[:, 0]).astype(int)
    assert set(starts.tolist()) == {*range(11), *range(20, 31)}
    origins = [row['start'] for batch in batches for row in batch.origins]
    assert origins == starts.tolist()


def test_frames_are_skipped_as_a_faster_car_would(write_drive, tiny):
    drive = write_drive(np.arange(60) / 1000.0)
    config = replace(tiny, split=Split('none'), augment=AugmentConfig(mirror=0, max_skip=3))
    labels = np.concatenate([batch.curvature for batch in drawn(Sequences([[drive]], config), 9)])
    assert set(np.round(1000 * np.diff(labels, axis=1)).astype(int).ravel()) == {1, 2, 3}
    assert labels.max() < 0.0601


@pytest.mark.parametrize('workers', [1, 3])
def test_threads_change_nothing(drive, tiny, workers):
    config = replace(tiny, augment=AugmentConfig(noise=9.0, gain=0.3))
    alone = Sequences([[drive]], config)
    helped = Sequences([[drive]], replace(config, workers=workers))
    for epoch in (1, 2):
        for one, other in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
            np.testing.assert_array_equal(one.curvature, other.curvature)


def test_an_epoch_can_be_taken_up_anywhere(drive, tiny):
    sequences = Sequences([[drive]], tiny)
    whole, rest = list(sequences.epoch(3)), list(sequences.epoch(3, first=2))
    assert len(whole) == 3
    assert len(rest) == 1
    np.testing.assert_array_equal(rest[0].curvature, whole[2].curvature)


def test_devices_share_the_rows_out(drive, tiny):
    sequences = Sequences([[drive]], replace(tiny, batch=4))
    whole = sequences.batch(1, 0).curvature
    parts = [sequences.batch(1, 0, rank, 2).curvature for rank in (0, 1)]
    np.testing.assert_array_equal(parts[0], whole[::2])
    np.testing.assert_array_equal(parts[1], whole[1::2])


def test_each_batch_holds_the_shares_of_its_folders(write_drive, tiny):
    real = write_drive(np.linspace(0.010, 0.011, 40), name='real')
    drawn_ones = [write_drive(np.linspace(-0.011, -0.010, 40), name=name) for name in 'ab']
    config = replace(tiny, batch=8, shares=(3.0, 1.0), split=Split('none'))
    for batch in drawn(Sequences([[real], drawn_ones], config), 3):
        assert (batch.curvature > 0).all(1).tolist() == [True] * 6 + [False] * 2


def test_other_folders_are_used_whole_and_validate_nothing(write_drive, tiny):
    real = write_drive(np.linspace(0.010, 0.011, 40), name='real')
    grey = np.full((40, 80, 160, 3), 9, np.uint8)
    rendered = write_drive(np.arange(40) / -1000.0, frames=grey, name='rendered')
    config = replace(tiny, shares=(1.0, 1.0), split=Split('end', fraction=0.5, purge_s=0.0))
    ends = [
        (row['drive'], row['start'] + 10)
        for batch in drawn(Sequences([[real], [rendered]], config), 60)
        for row in batch.origins
    ]
    assert max(end for path, end in ends if path == str(real.path)) == 20
    assert max(end for path, end in ends if path == str(rendered.path)) == 40


def test_a_copy_in_another_folder_brings_no_test_part_in(write_drive, tiny):
    drive = write_drive(np.arange(40) / 1000.0)
    shutil.copytree(drive.path, drive.path.with_name('copy'))
    config = replace(tiny, split=Split('end', fraction=0.5, purge_s=0.0))
    batches = drawn(Sequences([[drive], [Drive(drive.path.with_name('copy'))]], config))
    assert len({row['drive'] for batch in batches for row in batch.origins}) == 2
    assert max(batch.curvature.max() for batch in batches) < 0.020


def test_a_drive_that_is_apart_as_a_whole_lends_no_picture(write_drive, tiny):
    bright = np.full((15, 80, 160, 3), 255, np.uint8)
    short = write_drive(np.arange(15) / 1000.0, frames=bright, name='short')
    long = write_drive(np.arange(60) / 1000.0, name='long')
    split = Split('blocks', folds=2, fold=0, block_s=1.0, purge_s=0.0)
    augment = AugmentConfig(mirror=0.0, mask_training=1.0)
    sequences = Sequences([[short, long]], replace(tiny, split=split, augment=augment))
    rng = np.random.default_rng(0)
    assert max(sequences._picture(rng).max() for _ in range(20)) == 0


def test_other_folders_may_take_light_from_the_first(write_drive, tiny):
    bright = np.full((40, 80, 160, 3), (0, 0, 200), np.uint8)
    real = write_drive(np.linspace(0.010, 0.011, 40), frames=bright, name='real')
    rendered = write_drive(np.linspace(-0.011, -0.010, 40), frames=bright // 4, name='rendered')
    augment = AugmentConfig(mirror=0.0, fourier=1.0)
    config = replace(tiny, shares=(1.0, 1.0), split=Split('none'), augment=augment)
    values = [batch.frames[..., 2] for batch in drawn(Sequences([[real], [rendered]], config), 9)]
    assert {value[0].max() for value in values} == {200}
    assert max(value[1].mean() for value in values) > 120  # was 50


def test_parts_may_be_covered(drive, tiny):
    augment = AugmentConfig(mirror=0.0, mask_training=1.0, mask_share=0.5)
    plain, covered = (
        Sequences([[drive]], tiny),
        Sequences([[drive]], replace(tiny, augment=augment)),
    )
    changed = [
        (one.frames != other.frames).any(-1).mean()
        for one, other in zip(plain.epoch(1), covered.epoch(1), strict=True)
    ]
    assert 0 < max(changed) <= 0.5


def test_shares_must_be_as_many_as_folders(drive, tiny):
    text = r'^shares must be one for each of the 1 data folders, got \(1.0, 1.0\)$'
    with pytest.raises(ValueError, match=text):
        Sequences([[drive]], replace(tiny, shares=(1.0, 1.0)))


def test_balance_draws_the_rare_bends_more_often(write_drive, tiny):
    # 400 frames straight on, 40 in a bend.
    curvature = np.concatenate([np.zeros(400), np.full(40, 0.02)])
    drive = write_drive(curvature + 1e-9 * np.arange(440))
    config = replace(tiny, split=Split('none'))

    def in_the_bend(balance):
        batches = drawn(Sequences([[drive]], replace(config, balance=balance)), 40)
        return np.mean([row.mean() > 0.015 for batch in batches for row in batch.curvature])

    # As they come 33 of 431 starts; all alike: each of some 12 filled bins as often.
    assert in_the_bend(0.0) == pytest.approx(33 / 431, abs=0.03)
    assert in_the_bend(1.0) > 0.2
    assert in_the_bend(0.0) < in_the_bend(0.5) < in_the_bend(1.0)


def test_the_label_can_lie_ahead(write_drive, tiny):
    drive = write_drive(np.arange(40) / 1000.0)
    np.testing.assert_allclose(drive.ahead('curvature', 0.1)[:38], np.arange(2, 40) / 1000.0)
    assert np.isnan(drive.ahead('curvature', 0.1)[38:]).all()
    np.testing.assert_allclose(drive.ahead('curvature', 0.075)[:2], [0.0015, 0.0025])
    config = replace(tiny, split=Split('none'), target_lead_s=0.5)
    for batch in drawn(Sequences([[drive]], config), 3):
        starts = [row['start'] for row in batch.origins]
        known = np.isfinite(batch.curvature[:, 0])
        first = batch.curvature[known, 0]
        np.testing.assert_allclose(first, (np.array(starts)[known] + 10) / 1000.0, atol=1e-6)


def test_a_label_ahead_is_none_of_what_is_apart(write_drive, tiny):
    drive = write_drive(np.arange(80) / 1000.0)
    # From frame 60 on it is apart.
    batches = drawn(Sequences([[drive]], replace(tiny, target_lead_s=1.0)))
    labels = np.concatenate([batch.curvature for batch in batches])
    assert np.nanmin(labels) >= 0.020 - 1e-6
    assert np.nanmax(labels) == pytest.approx(0.059)
    assert np.isnan(labels).any()


def test_at_twice_the_speed_the_label_lies_twice_as_far_ahead(write_drive, tiny):
    drive = write_drive(np.arange(80) / 1000.0)
    augment = AugmentConfig(mirror=0.0, max_skip=2)
    config = replace(tiny, split=Split('none'), target_lead_s=0.5, augment=augment)
    seen = set()
    for batch in drawn(Sequences([[drive]], config)):
        for row, labels in zip(batch.origins, batch.curvature, strict=True):
            if np.isfinite(labels[0]):
                ahead = labels[0] - row['start'] / 1000.0
                seen.add((row['skip'], round(1000 * float(ahead))))
    assert seen == {(1, 10), (2, 20)}


def test_a_label_ahead_never_crosses_a_gap(write_drive):
    stamps = np.arange(20) * STEP_NS + (np.arange(20) >= 10) * 10_000_000_000
    drive = write_drive(np.arange(20) / 1000.0, stamps_ns=stamps)
    known = np.isfinite(drive.ahead('curvature', 0.1))
    assert known.tolist() == ([True] * 8 + [False] * 2) * 2
