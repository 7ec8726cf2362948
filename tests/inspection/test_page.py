"""The page is one file, holds what it must, and every picture in it can be decoded."""

import base64
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest

from signattn.bag import Damage
from signattn.inspection import Finding, Report
from signattn.inspection.evidence import Clock
from signattn.inspection.figures import POINTS, _clocks, _thinned, figures
from signattn.inspection.numbers import camera, row
from signattn.inspection.page import write_page
from signattn.labels import Labels

STEP_NS = 50_000_000


def decode(uri):
    head, _, data = uri.partition(';base64,')
    content = base64.b64decode(data, validate=True)
    if head == 'data:image/jpeg':
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert image.size
        return 'jpeg'
    assert head == 'data:image/svg+xml'
    root = ET.fromstring(content)
    assert root.tag == '{http://www.w3.org/2000/svg}svg'
    return 'svg'


@pytest.fixture
def page(tmp_path, read_page):
    def write(*reports):
        path = tmp_path / 'new' / 'page.html'
        write_page(path, reports)
        return read_page(path)

    return write


def report(evidence, **changes):
    details = {'camera': camera(evidence)}
    path = Path('/data/drive_<1>')
    return Report(path, 'recording', row(evidence), details, evidence=evidence, **changes)


@pytest.fixture
def shown():
    image = np.full((240, 320, 3), 90, np.uint8)
    return [(1_479_400_000_000_000_000 + index * 10_000_000_000, image) for index in range(3)]


def test_a_sound_recording(page, spoilt, shown):
    evidence = spoilt(images_shown=shown)
    found = page(report(evidence))
    assert found.titles == [
        'drive_<1>',
        'Pictures',
        'Steering over time',
        'Speed over time',
        'Curvature, histogram',
        'Does the picture turn with the steering?',
        'Exposure over time',
        'Intervals between images',
        'Numbers',
        'Camera',
    ]
    assert [decode(uri) for uri in found.images] == ['jpeg'] * 3 + ['svg'] * 6
    assert 'Nothing was found that would go wrong.' in found.said
    assert '20.0 s' in found.said
    assert 'correlates by 0.95 at a lag of +0.00 s' in ' '.join(found.said)


def test_warnings_damage_and_notes_stand_on_top(page, spoilt):
    evidence = spoilt()
    found = page(
        report(
            evidence,
            warnings=[Finding('lag', 'the clocks <look> apart', 'shift them')],
            notes=['the bag was cut short'],
            damage=[Damage('/camera at 7', 'is damaged')],
        )
    )
    first = found.said.index('The clocks <look> apart.')
    assert found.said[first + 1 : first + 4] == [
        'Shift them.',
        'Damage: /camera at 7: is damaged',
        'the bag was cut short',
    ]
    assert first < found.said.index('Steering over time')
    assert 'Nothing was found that would go wrong.' not in found.said


def test_a_recording_without_steering(page, spoilt):
    nothing = np.full(800, np.nan)
    evidence = spoilt(
        steering=None, speed=None, labels=Labels(nothing, nothing, nothing), agreement=None
    )
    found = page(report(evidence))
    assert found.titles[1:3] == ['Exposure over time', 'Intervals between images']


def test_without_speed_the_angles_have_the_histogram(page, spoilt):
    nothing = np.full(800, np.nan)
    evidence = spoilt(speed=None, labels=Labels(spoilt().steering.values, nothing, nothing))
    found = page(report(evidence))
    assert 'Steering angle, histogram' in found.titles
    assert 'Speed over time' not in found.titles


def test_nothing_but_a_path(page):
    found = page(Report(Path('models/demo'), 'model', {'name': 'demo'}))
    assert found.titles == ['demo', 'Numbers']
    assert found.images == []


def test_several_on_one_page(page):
    found = page(*(Report(Path(name), 'model', {'name': name}) for name in 'ab'))
    assert found.titles == ['a', 'Numbers', 'b', 'Numbers']


def test_gaps_in_time_and_labels_are_marked(spoilt):
    def gaps(evidence):
        steering = next(figures(evidence))
        assert steering.title == 'Steering over time'
        return base64.b64decode(steering.source.partition(',')[2]).decode().count('#d9822b')

    assert gaps(spoilt()) == 0
    holes = spoilt().labels.steering_angle.copy()
    holes[100:200] = np.nan
    holes[700:] = np.nan
    labels = Labels(holes, np.full(800, 15.0), holes / 60)
    assert gaps(spoilt(labels=labels)) == 2
    times = spoilt().frames_ns + STEP_NS * 60 * (np.arange(800) > 400)
    assert gaps(spoilt(frames_ns=times, images_stamps_ns=times)) == 1


def test_clocks_are_drawn_where_there_are_any(spoilt):
    times = spoilt().frames_ns
    offset_s = np.full(800, -0.02)
    clocks = [Clock(topic, times, offset_s) for topic in ('/camera', '/steering', '/gps')]
    (drawn,) = _clocks(spoilt(clocks=clocks))
    assert drawn.title == 'Clocks'
    assert decode(drawn.source) == 'svg'
    assert list(_clocks(spoilt(clocks=clocks[2:]))) == []


def test_the_same_evidence_gives_the_same_picture(spoilt):
    assert next(figures(spoilt())) == next(figures(spoilt()))


def test_long_lines_keep_their_extremes():
    at = np.arange(10 * POINTS) / 7
    values = np.sin(at)
    values[12_345], values[77] = 9, -9
    thin_at, thin = _thinned(at, values)
    assert len(thin) <= POINTS
    assert (thin.max(), thin.min()) == (9, -9)
    assert np.all(np.diff(thin_at) > 0)
    assert _thinned(at[:POINTS], values[:POINTS])[1] is not None
    assert len(_thinned(at[:POINTS], values[:POINTS])[1]) == POINTS
