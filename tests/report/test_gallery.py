"""Which frames are shown, and why."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from signattn.evaluate import Scored
from signattn.quality import GROUP
from signattn.report.figures import peaks
from signattn.report.gallery import Case, choose

F = 'fidelity_area_deg_percent'


@pytest.fixture
def item(write_drive):
    """A minute straight on, where the network errs by 0.001/m more with each second to 30 s."""
    drive = write_drive(np.zeros(1200), name='straight')
    seconds = np.arange(1200) / 20
    return Scored(drive, np.ones(1200, bool), 0.001 * np.where(seconds <= 30, seconds, 0))


def areas(frames, own, random=1.0, **changes):
    """Measured in each of the frames: the map's area, and that of random maps."""
    group = dict(zip(GROUP, ('frame', 'deletion', 'black', ''), strict=True)) | changes
    methods = (('attention', own), ('random', np.full(len(frames), random)))
    return pd.concat(
        pd.DataFrame({**group, 'drive': 'straight', 'frame': frames, 'method': name, F: values})
        for name, values in methods
    )


def test_the_worst_the_best_and_some_between(item, quick):
    frames = np.arange(0, 1200, 20)  # one a second
    own = np.full(60, 5.0)
    own[[40, 41, 50]] = -2.0, -1.0, 0.0
    own[7] = 9.0
    found = choose([item], areas(frames, own), quick)
    assert found == [
        # 29 s and 28 s err by nearly as much, but are the same scene; 2 s apart isn't.
        Case(0, 600, 'largest error'),
        Case(0, 560, 'largest error'),
        Case(0, 800, 'map worst, beside random maps'),
        Case(0, 1000, 'map worst, beside random maps'),
        Case(0, 140, 'map best, beside random maps'),
        # Of three evenly spread ones 30 s and 50 s are shown already.
        Case(0, 200, 'one of three, evenly spread'),
    ]


def test_other_measures_choose_nothing(item, quick):
    frames = np.array([0, 600])
    for changes in ({'regime': 'stream'}, {'mode': 'insertion'}, {'filling': 'mean'}):
        assert choose([item], areas(frames, np.ones(2), **changes), quick) == []
    config = replace(quick, fillings=('mean',))
    assert choose([item], areas(frames, np.ones(2), filling='mean'), config)


def test_frames_without_an_area_are_not_shown(item, quick):
    frames = np.array([0, 600])
    found = choose([item], areas(frames, np.array([2.0, np.nan])), quick)
    assert {case.frame for case in found} == {0}


def test_peaks_are_apart_and_counted(item):
    # From 30 s downwards, 5 s apart, six at most.
    assert peaks(item) == [100, 200, 300, 400, 500, 600]
    half = item._replace(part=np.arange(1200) <= 250)
    assert peaks(half) == [50, 150, 250]
    assert peaks(item._replace(part=np.zeros(1200, bool))) == []
