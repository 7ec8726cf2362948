"""Each warning on both sides of its threshold."""

from dataclasses import replace

import numpy as np
import pytest

from signattn.bag import Series
from signattn.inspection import findings as module
from signattn.inspection.evidence import Agreement, Clock, Picture
from signattn.inspection.findings import findings
from signattn.labels import Labels

STEP_NS = 50_000_000
COUNT = 800
S = 1_000_000_000


def kinds(evidence):
    return [finding.kind for finding in findings(evidence)]


def text(evidence, kind):
    (found,) = [it for it in findings(evidence) if it.kind == kind]
    assert found.remedy
    return found.text


def labels(angle=None, speed=15.0, curvature=None):
    """Of all frames; the sound ones where not given."""
    wave = np.sin(np.arange(COUNT) / 40)
    angle = np.radians(20) * wave if angle is None else np.broadcast_to(angle, COUNT)
    curvature = angle / 60 if curvature is None else np.broadcast_to(curvature, COUNT)
    return Labels(angle, np.full(COUNT, float(speed)), curvature)


def series(quantity, value, stamps):
    return Series(quantity, stamps, np.broadcast_to(np.float64(value), len(stamps)))


def test_nothing_is_wrong_with_sound_evidence(spoilt):
    assert findings(spoilt()) == []


def test_every_threshold_is_tested():
    thresholds = {name for name in vars(module) if name.isupper() and name != 'NS_PER_S'}
    source = __import__('pathlib').Path(__file__).read_text(encoding='utf-8')
    assert {name for name in thresholds if f'module.{name}' not in source} == set()


def test_no_steering(spoilt):
    assert text(spoilt(steering=None, agreement=None), 'no_steering') == 'no steering was found'
    unknown = Series('steering_angle', spoilt().frames_ns, np.full(COUNT, np.nan))
    assert 'no_steering' in kinds(spoilt(steering=unknown, agreement=None))


@pytest.mark.parametrize(('share', 'warned'), [(0.99, True), (1.01, False)])
def test_constant_steering(spoilt, share, warned):
    deviation = np.radians(module.CONSTANT_DEG) * share
    angle = np.radians(7) + deviation * np.where(np.arange(COUNT) % 2, 1, -1)
    assert ('constant_steering' in kinds(spoilt(labels=labels(angle)))) == warned


@pytest.mark.parametrize('quantity', module.LARGEST)
@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_steering_in_degrees(spoilt, quantity, share, warned):
    steering = series(quantity, -share * module.LARGEST[quantity], spoilt().frames_ns)
    assert ('steering_unit' in kinds(spoilt(steering=steering))) == warned


@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_speed_in_kilometres_an_hour(spoilt, share, warned):
    speed = series('speed', share * module.FASTEST, spoilt().frames_ns)
    assert ('speed_unit' in kinds(spoilt(speed=speed))) == warned


@pytest.mark.parametrize(
    ('topic', 'option'), [('/a/b', '--steering /a/b:FIELD'), ('angle', '--steering angle')]
)
def test_a_remedy_names_the_topic_or_the_column(spoilt, topic, option):
    steering = series('steering_angle', 90, spoilt().frames_ns)
    found = findings(spoilt(steering=steering, topics={'steering': topic}))
    assert [it.remedy for it in found if it.kind == 'steering_unit'] == [
        f'name the field and its unit: {option} --unit deg'
    ]


def agreed(correlation, lag_s=0.0, span_s=40.0):
    return Agreement(correlation, lag_s, 0.0, pairs=100, span_s=span_s)


def test_reversed_steering(spoilt):
    limit = module.AGREE
    evidence = spoilt(agreement=agreed(-limit))
    assert 'correlation -0.70 at a lag of +0.00 s' in text(evidence, 'reversed_steering')
    assert 'reversed_steering' not in kinds(spoilt(agreement=agreed(-limit + 0.01)))
    assert 'reversed_steering' not in kinds(spoilt(agreement=agreed(limit)))


def test_a_short_recording_proves_no_sign(spoilt):
    enough = module.AGREE_SPAN_S
    assert kinds(spoilt(agreement=agreed(-0.9, span_s=enough))) == ['reversed_steering']
    assert kinds(spoilt(agreement=agreed(-0.9, span_s=enough - 0.1))) == []


@pytest.mark.parametrize(('sign', 'order'), [(1, 'behind'), (-1, 'before')])
def test_lag(spoilt, sign, order):
    limit = module.LAG_S
    assert order in text(spoilt(agreement=agreed(0.9, sign * (limit + 0.05))), 'lag')
    assert kinds(spoilt(agreement=agreed(0.9, sign * limit))) == []
    assert kinds(spoilt(agreement=agreed(module.AGREE - 0.01, sign))) == []


def test_picture_and_steering_of_different_drives(spoilt):
    limit, enough = module.DISAGREE, module.DISAGREE_SPAN_S
    assert kinds(spoilt(agreement=agreed(limit - 0.01, span_s=enough))) == ['no_agreement']
    assert kinds(spoilt(agreement=agreed(limit - 0.01, span_s=enough - 0.1))) == []
    assert kinds(spoilt(agreement=agreed(-limit))) == []
    assert 'no_agreement' not in kinds(spoilt(agreement=agreed(0.1), speed=None))


@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_hardly_any_steering_proves_no_disagreement(spoilt, share, warned):
    deviation = np.radians(module.DISAGREE_DEG) * share
    angle = deviation * np.where(np.arange(COUNT) % 2, 1, -1)
    evidence = spoilt(agreement=agreed(0.1), labels=labels(angle))
    assert ('no_agreement' in kinds(evidence)) == warned


def clock(topic, offset_s, stamps):
    offset_s = np.broadcast_to(np.float64(offset_s), len(stamps))
    return Clock(topic, stamps, offset_s)


@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_clocks_apart(spoilt, share, warned):
    times = spoilt().frames_ns
    apart_s = share * module.CLOCKS_APART_S
    clocks = [clock('/camera', -0.03, times), clock('/steering', -0.03 + apart_s, times)]
    assert kinds(spoilt(clocks=clocks)) == ['clocks_apart'] * warned


@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_clock_drift(spoilt, share, warned):
    # The middle of the last tenth is 0.9 of the way behind that of the first.
    slope = np.linspace(0, share * module.CLOCK_DRIFT_S / 0.9, COUNT)
    found = kinds(spoilt(clocks=[clock('/camera', slope, spoilt().frames_ns)]))
    assert found == ['clock_drift'] * warned


def test_clocks_of_topics_that_are_not_read_do_not_matter(spoilt):
    times = spoilt().frames_ns
    assert kinds(spoilt(clocks=[clock('/camera', 0, times), clock('/gps', 99, times)])) == []


def test_zero_stamps(spoilt):
    times = spoilt().frames_ns
    some = Clock.of('/camera', np.where(np.arange(COUNT) < 3, 0, times), times)
    assert text(spoilt(clocks=[some]), 'zero_stamps') == '3 of 800 stamps on /camera are 0'
    every = Clock.of('/camera', 0 * times, times)
    assert kinds(spoilt(clocks=[every, clock('/steering', 9, times)]))[0] == 'zero_stamps'


def test_no_overlap(spoilt):
    sound = spoilt().steering
    nothing = labels(np.nan)
    later = replace(sound, stamp_ns=sound.stamp_ns + 100 * S)
    evidence = spoilt(steering=later, labels=nothing)
    assert '60 s apart' in text(evidence, 'no_overlap')
    earlier = replace(sound, stamp_ns=sound.stamp_ns - 1000 * S)
    assert 'no_overlap' in kinds(spoilt(steering=earlier, labels=nothing))
    touching = replace(sound, stamp_ns=sound.stamp_ns + 39 * S)
    assert 'no_overlap' not in kinds(spoilt(steering=touching, labels=nothing))


@pytest.mark.parametrize(('less', 'warned'), [(1, True), (0, False)])
def test_few_labels(spoilt, less, warned):
    known = int(COUNT * module.LABELLED_SHARE) - less
    angle = np.where(np.arange(COUNT) < known, labels().steering_angle, np.nan)
    assert ('few_labels' in kinds(spoilt(labels=labels(angle)))) == warned
    assert ('few_labels' in kinds(spoilt(labels=labels(angle), speed=None))) == warned


def test_steering_without_any_usable_speed_gives_no_label(spoilt):
    nothing = labels(curvature=np.nan)
    assert text(spoilt(labels=nothing), 'few_labels') == 'only 0% of the frames have a label'
    assert kinds(spoilt(labels=nothing, speed=None)) == ['no_speed']


def test_no_speed(spoilt):
    assert kinds(spoilt(speed=None)) == ['no_speed']
    unknown = series('speed', np.nan, spoilt().frames_ns)
    assert kinds(spoilt(speed=unknown)) == ['no_speed']
    assert kinds(spoilt(speed=None, labels=replace(labels(), speed_assumed=True))) == []
    assert 'no_speed' not in kinds(spoilt(speed=None, steering=None, agreement=None))


@pytest.mark.parametrize(('more', 'warned'), [(0.01, True), (-0.01, False)])
def test_curvature_that_no_tyre_holds(spoilt, more, warned):
    curvature = np.where(np.arange(COUNT) < 100, (module.LATERAL + more) / 20**2, 0.001)
    found = kinds(spoilt(labels=labels(speed=20, curvature=curvature)))
    assert found == ['implausible_curvature'] * warned


@pytest.mark.parametrize(
    ('speed', 'curvature', 'warned'),
    [
        (module.MOVING + 0.1, module.TIGHTEST_PER_M + 0.01, True),
        (module.MOVING + 0.1, module.TIGHTEST_PER_M - 0.01, False),
        (module.MOVING, module.TIGHTEST_PER_M + 0.01, False),
    ],
)
def test_curvature_that_no_car_turns(spoilt, speed, curvature, warned):
    found = kinds(spoilt(labels=labels(speed=speed, curvature=curvature)))
    assert found == ['implausible_curvature'] * warned


@pytest.mark.parametrize(('count', 'warned'), [(1, True), (0, False)])
def test_implausible_curvature_counts_from_a_share_on(spoilt, monkeypatch, count, warned):
    assert module.IMPLAUSIBLE_SHARE < 1 / COUNT
    curvature = np.where(np.arange(COUNT) < count, 0.3, 0.001)
    assert ('implausible_curvature' in kinds(spoilt(labels=labels(curvature=curvature)))) == warned
    monkeypatch.setattr(module, 'IMPLAUSIBLE_SHARE', 2 / COUNT)
    assert kinds(spoilt(labels=labels(curvature=curvature))) == []


def at_rate(spoilt, rate_hz):
    times = spoilt().frames_ns[0] + (np.arange(400) / rate_hz * S).astype(np.int64)
    return spoilt(images_stamps_ns=times, images_repeats=np.zeros(400, bool))


def test_camera_rate(spoilt):
    ten, share = module.LEAST_RATE_HZ, module.LEAST_RATE_SHARE
    assert kinds(at_rate(spoilt, ten - 0.1)) == ['rate_below_10_hz']
    assert kinds(at_rate(spoilt, ten + 0.1)) == ['slow_camera']
    assert kinds(at_rate(spoilt, share * 20 - 0.1)) == ['slow_camera']
    (slow,) = findings(at_rate(spoilt, share * 20 - 0.1))
    assert slow.remedy.endswith('or convert and drive at --rate 16')
    assert kinds(at_rate(spoilt, share * 20 + 0.1)) == []


@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_uneven_rate(spoilt, share, warned):
    way_ns = int(share * module.JITTER_SHARE * STEP_NS)
    steps = STEP_NS + way_ns * np.tile([-1, 0, 1, 0], COUNT // 4)
    times = spoilt().frames_ns[0] + np.cumsum(steps)
    assert kinds(spoilt(images_stamps_ns=times)) == ['uneven_rate'] * warned


def without(spoilt, lost):
    kept = np.delete(spoilt().frames_ns, lost)
    return spoilt(images_stamps_ns=kept, images_repeats=np.zeros(len(kept), bool))


def test_lost_images(spoilt):
    fewest = int(module.LOST_SHARE * COUNT)
    assert kinds(without(spoilt, np.arange(fewest) * 20 + 5)) == []
    assert kinds(without(spoilt, np.arange(fewest + 1) * 20 + 5)) == ['lost_images']


@pytest.mark.parametrize(('share', 'warned'), [(1.02, True), (0.98, False)])
def test_a_step_that_is_little_longer_loses_no_image(spoilt, share, warned):
    steps = np.full(COUNT, STEP_NS)
    steps[::10] = int(share * module.LOST_STEP * STEP_NS)
    times = spoilt().frames_ns[0] + np.cumsum(steps)
    assert ('lost_images' in kinds(spoilt(images_stamps_ns=times))) == warned


@pytest.mark.parametrize(('lost', 'warned'), [(10, True), (9, False)])
def test_gaps(spoilt, lost, warned):
    evidence = without(spoilt, slice(100, 100 + lost))
    assert ('gaps' in kinds(evidence)) == warned


def test_backward_and_repeated_stamps(spoilt):
    times = spoilt().frames_ns.copy()
    times[100] = times[99]
    assert kinds(spoilt(images_stamps_ns=times)) == ['repeated_stamps']
    times[100] = times[99] - 1
    assert text(spoilt(images_stamps_ns=times), 'backward_stamps') == (
        'stamps go backwards: camera in 1 place'
    )
    steering = replace(spoilt().steering, stamp_ns=times)
    evidence = spoilt(steering=steering, images_stamps_ns=times)
    assert text(evidence, 'backward_stamps').endswith('camera in 1 place, steering in 1 place')


def test_one_stamp_far_in_the_future_makes_no_gap(spoilt):
    times = spoilt().frames_ns.copy()
    times[100] += 10**6 * S
    assert kinds(spoilt(images_stamps_ns=times)) == ['backward_stamps']


def shown(count, **changes):
    sound = {'stamp_ns': 1_479_400_002_000_000_000, 'height': 480, 'width': 640}
    sound |= {'brightness': 0.5, 'black': 0.0, 'white': 0.0}
    return [Picture(**sound | changes)] * count + [Picture(**sound)] * (100 - count)


@pytest.mark.parametrize(
    ('kind', 'name', 'limit', 'more'),
    [
        ('dark', 'brightness', module.DARK, -0.01),
        ('bright', 'brightness', module.BRIGHT, 0.01),
        ('black_clipped', 'black', module.CLIPPED_SHARE, 0.01),
        ('white_clipped', 'white', module.CLIPPED_SHARE, 0.01),
    ],
)
def test_exposure(spoilt, kind, name, limit, more):
    assert kinds(spoilt(images_pictures=shown(6, **{name: limit + more}))) == [kind]
    assert kinds(spoilt(images_pictures=shown(6, **{name: limit}))) == []
    most = int(module.EXPOSURE_SHARE * 100)
    assert kinds(spoilt(images_pictures=shown(most, **{name: limit + more}))) == []


@pytest.mark.parametrize(('limit', 'more'), [(module.DARK, -0.01), (module.BRIGHT, 0.01)])
def test_what_is_dark_or_bright_is_not_said_to_be_clipped_too(spoilt, limit, more):
    for share in ('black', 'white'):
        found = kinds(spoilt(images_pictures=shown(6, brightness=limit, **{share: 0.9})))
        assert found == [f'{share}_clipped']
        found = kinds(spoilt(images_pictures=shown(6, brightness=limit + more, **{share: 0.9})))
        assert found == ['dark' if more < 0 else 'bright']


def test_exposure_says_when(spoilt):
    evidence = spoilt(images_pictures=shown(6, brightness=0.01))
    assert text(evidence, 'dark') == (
        '6 of 100 sampled pictures are nearly black, the first at 2.0 s'
    )


def test_unreadable(spoilt):
    evidence = spoilt(images_unreadable=['a.jpg: cut off', 'b.jpg: cut off'])
    assert text(evidence, 'unreadable') == (
        '2 of 100 sampled pictures cannot be read, the first: a.jpg: cut off'
    )


@pytest.mark.parametrize(('more', 'warned'), [(1, True), (0, False)])
def test_frozen(spoilt, more, warned):
    repeats = np.arange(COUNT) < COUNT * module.REPEATS_SHARE + more
    assert kinds(spoilt(images_repeats=repeats)) == ['frozen'] * warned
    assert kinds(spoilt(images_repeats=repeats, speed=None)) == ['no_speed'] + ['frozen'] * warned


@pytest.mark.parametrize(('more', 'warned'), [(0.01, True), (-0.01, False)])
def test_a_car_that_stands_sees_the_same(spoilt, more, warned):
    slow = series('speed', module.STANDING + more, spoilt().frames_ns)
    found = kinds(spoilt(images_repeats=np.ones(COUNT, bool), speed=slow))
    assert found == ['frozen'] * warned


def test_mixed_sizes(spoilt):
    evidence = spoilt(images_pictures=shown(2, height=240, width=320))
    assert text(evidence, 'mixed_sizes').endswith('320×240, 640×480')


@pytest.mark.parametrize('direction', [1, -1])
@pytest.mark.parametrize(('share', 'warned'), [(1.01, True), (0.99, False)])
def test_aspect_ratio(spoilt, direction, share, warned):
    ratio = module.ASPECT * (1 + direction * share * module.ASPECT_SHARE)
    assert kinds(spoilt(aspect_ratio=ratio)) == ['aspect_ratio'] * warned
    assert kinds(spoilt(aspect_ratio=None)) == []


@pytest.mark.parametrize(
    ('ratio', 'crop'),
    [(16 / 9, '--crop-left 0.125 --crop-right 0.125'), (1.0, '--crop-top 0.250')],
)
def test_the_remedy_of_an_aspect_ratio_is_a_crop_to_4_3(spoilt, ratio, crop):
    (found,) = findings(spoilt(aspect_ratio=ratio))
    assert f'alike: {crop};' in found.remedy


def test_a_recording_without_images_is_no_crash(spoilt):
    nothing = np.zeros(0, np.int64)
    empty = np.zeros(0)
    evidence = spoilt(
        images_stamps_ns=nothing,
        images_repeats=np.zeros(0, bool),
        images_pictures=[],
        frames_ns=nothing,
        labels=Labels(empty, empty, empty),
        agreement=None,
    )
    assert kinds(evidence) == []
