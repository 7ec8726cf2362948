"""What /diagnostics says of counts that are given."""

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from signattn.nodes.diagnostics import (  # noqa: E402
    Thresholds,
    drive_status,
    problems,
    values,
    worst,
)
from signattn.nodes.tally import Tally  # noqa: E402
from signattn.preprocess import NS_PER_S, Preprocessing  # noqa: E402

OK, WARN, ERROR, STALE = (bytes([level]) for level in range(4))
START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000
NOW_NS = 10 * NS_PER_S


@pytest.fixture
def tally(monkeypatch):
    """Ten seconds after the clock began."""
    monkeypatch.setattr('time.monotonic_ns', lambda: NOW_NS)
    return Tally()


def answer(tally, count, pipeline_ms=10, step_ns=TICK_NS):
    """Images that come now, each with an answer."""
    for i in range(count):
        tally.receive(START_NS + i * step_ns, NOW_NS)
        tally.answer(pipeline_ms * 1_000_000, 1)


def test_levels_are_those_of_ros():
    levels = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    assert (*levels, DiagnosticStatus.STALE) == (OK, WARN, ERROR, STALE)


def test_the_worst_problem_gives_the_level():
    assert worst([]) == OK
    status = drive_status('/car', 'active', [(WARN, 'slow'), (ERROR, 'blind')], [('a', '1')])
    assert (status.name, status.level) == ('/car: steering curvature', ERROR)
    assert status.message == 'slow; blind'
    assert [(value.key, value.value) for value in status.values] == [('a', '1')]
    assert drive_status('/car', 'inactive', [], []).message == 'inactive'


def test_diagnostics_of_images_that_are_not_answered(known_engine, tally):
    engine, now_ns = known_engine(), NOW_NS

    def status():
        return drive_status('/signattn', 'active', problems(tally, engine, Thresholds()), [])

    for i in range(50):
        tally.receive(START_NS + i * TICK_NS, now_ns - 3 * NS_PER_S)
        tally.answer(1, 1)
    for i in range(50, 100):
        tally.receive(START_NS + i * TICK_NS, now_ns - 2 * NS_PER_S)
        tally.drop('too old' if i % 5 else 'unusable')
    assert (status().level, status().message) == (DiagnosticStatus.STALE, 'no image for 2.0 s')
    tally.receive(START_NS + 100 * TICK_NS, now_ns)
    said = status()
    assert said.level == DiagnosticStatus.ERROR
    assert said.message == 'images come, none was answered for 2.0 s: 40 dropped, too old'
    engine.preprocessing = Preprocessing(rate_hz=0.5)
    assert status().level == DiagnosticStatus.OK  # a step every 2 s
    engine.preprocessing = Preprocessing()
    tally.answer(1, 1)
    assert status().level == DiagnosticStatus.OK


@pytest.mark.parametrize(
    ('silence_s', 'found'), [(2.0, []), (2.1, [(STALE, 'no image for 2.1 s')])]
)
def test_no_image_for_longer_than_allowed(known_engine, tally, silence_s, found):
    tally.receive(START_NS, NOW_NS - round(silence_s * NS_PER_S))
    tally.answer(1, 1)
    assert list(problems(tally, known_engine(), Thresholds(stale_after=2.0))) == found


@pytest.mark.parametrize(('waited_s', 'found'), [(3.0, False), (3.1, True)])
def test_no_answer_for_longer_than_allowed(known_engine, tally, waited_s, found):
    answer(tally, 1)
    tally.receive(START_NS, NOW_NS - round(waited_s * NS_PER_S))
    tally.receive(START_NS, NOW_NS)
    said = list(problems(tally, known_engine(), Thresholds(error_after=3.0)))
    assert said == [(ERROR, 'images come, none was answered for 3.1 s')] * found


OLD = (
    'image stamps are 300000000 s old: set use_sim_time and play with --clock, '
    "or mend the camera's clock"
)
AHEAD = (
    'image stamps are 70 s ahead: with use_sim_time play with --clock, '
    "else mend the camera's clock"
)


@pytest.mark.parametrize(
    ('ages_s', 'said'),
    [
        ([61.0] * 9, []),
        ([61.0] * 9 + [60.0], []),
        ([0.0] + [61.0] * 9 + [300_000_000.4], [OLD]),
        ([-61.0] * 9 + [-60.0], []),
        ([-61.0] * 9 + [-70.0], [AHEAD]),
    ],
)
def test_stamps_of_another_clock(known_engine, tally, ages_s, said):
    answer(tally, 1)
    tally.ages_s.extend(ages_s)
    engine = known_engine()
    assert list(problems(tally, engine, Thresholds())) == [(ERROR, text) for text in said]
    assert list(problems(tally, engine, Thresholds(max_age=0))) == []


@pytest.mark.parametrize(('count', 'latency_ms'), [(99, 51), (100, 50), (100, 51)])
def test_answers_that_take_long(known_engine, tally, count, latency_ms):
    answer(tally, count, latency_ms)
    said = list(problems(tally, known_engine(), Thresholds(warn_latency=0.05)))
    text = '99 % of the answers must take at most 50 ms, take 51 ms'
    assert said == [(WARN, text)] * (count == 100 and latency_ms == 51)


@pytest.mark.parametrize(('share', 'said'), [(0.5, False), (0.51, True)])
def test_a_slow_camera_is_one_below_the_share(known_engine, tally, share, said):
    answer(tally, 20, step_ns=2 * TICK_NS)  # 10 Hz for a model of 20
    text = 'camera must give at least 10.2 images/s, gives 10.0'
    found = list(problems(tally, known_engine(), Thresholds(warn_rate=share)))
    assert found == [(WARN, text)] * said


@pytest.mark.parametrize(('tolerance', 'said'), [(0.51, False), (0.49, True)])
def test_another_aspect_ratio_is_one_beyond_the_tolerance(known_engine, tally, tolerance, said):
    answer(tally, 1)
    tally.aspect_ratio = 2.0
    engine = known_engine(Preprocessing(aspect_ratio=4 / 3))
    found = list(problems(tally, engine, Thresholds(warn_aspect=tolerance)))
    assert found == [(WARN, 'aspect ratio must be 1.333 as in training, is 2.000')] * said


def test_limits_that_act_are_flagged_and_counted(known_engine, tally):
    answer(tally, 1)
    tally.limit('rate', NOW_NS - NS_PER_S)
    tally.limit('curvature', NOW_NS - NS_PER_S - 1)
    found = list(problems(tally, known_engine(), Thresholds()))
    assert found == [(WARN, 'safety limits act: rate')]
    shown = dict(values(tally, None))
    assert (shown['limited: rate'], shown['limited: curvature']) == ('1', '1')
