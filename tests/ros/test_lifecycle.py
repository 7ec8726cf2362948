"""The drive node as a managed node: every way through its states, and what goes wrong there."""

import random
import subprocess
import sys
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

import torch  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import Vector3Stamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from signattn.nodes.drive_node import DriveNode  # noqa: E402
from signattn.nodes.messages import image_message, set_stamp  # noqa: E402
from signattn.nodes.process import NodeError  # noqa: E402

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000
NO_MEMORY = 'CUDA out of memory. Tried to allocate 2.00 GiB.'
ILLEGAL = 'CUDA error: an illegal memory access was encountered'


def state(node):
    return node._state_machine.current_state[1]


def camera_image(tick):
    header = Header(frame_id='center_camera')
    set_stamp(header, START_NS + tick * TICK_NS)
    return image_message(np.full((12, 24, 3), 40, np.uint8), 'rgb8', header)


def test_what_goes_wrong_in_a_transition_is_said(bench, capfd):
    def fail(*_):
        raise RuntimeError('no such network')

    named = [Parameter('model', value='known')]
    node = bench.add(DriveNode(fail, context=bench.context, parameter_overrides=named))
    assert not node.start()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'configure failed: no such network' in capfd.readouterr().err
    assert node._state_machine.current_state[1] == 'unconfigured'


def test_a_transition_that_fails_half_way_leaves_nothing(bench, known_engine, monkeypatch):
    named = [Parameter('model', value='known'), Parameter('autostart', value=False)]
    node = bench.add(
        DriveNode(lambda *_: known_engine(), context=bench.context, parameter_overrides=named)
    )

    def fail(*_, **__):
        raise RuntimeError('no topics left')

    with monkeypatch.context() as patch:
        patch.setattr(node, '_advertise', fail)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node._engine is None
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    with monkeypatch.context() as patch:
        patch.setattr(node, '_subscribe', fail)
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert node._state_machine.current_state[1] == 'inactive'
    assert not node._outputs._curvature.is_activated
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_an_activation_that_fails_half_way_listens_to_nothing(bench, known_engine, capfd):
    wrong = 'qos_overrides./image.subscription.reliability'
    values = {'model': 'known', wrong: 'as_it_comes'}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = DriveNode(
        lambda *_: known_engine(), context=bench.context, parameter_overrides=overrides
    )
    bench.add(node)
    before = len(list(node.subscriptions))
    assert not node.start()
    assert state(node) == 'inactive'
    assert len(list(node.subscriptions)) == before
    assert 'activate failed: ' in capfd.readouterr().err


def test_without_autostart_it_waits(bench, known_engine):
    waiting = [Parameter('autostart', value=False)]
    node = bench.add(
        DriveNode(lambda *_: known_engine(), context=bench.context, parameter_overrides=waiting)
    )
    assert node.start()
    assert node._state_machine.current_state[1] == 'unconfigured'


AFTER = {
    'configure': ('unconfigured', 'inactive'),
    'activate': ('inactive', 'active'),
    'deactivate': ('active', 'inactive'),
    'cleanup': ('inactive', 'unconfigured'),
}


def open_files():
    return len(list(Path('/proc/self/fd').iterdir()))


def test_any_order_of_transitions_leaves_nothing_behind(bench, known_engine):
    engines = []

    def load(*_):
        engine = known_engine()
        engines.append(weakref.ref(engine))
        return engine

    named = [Parameter('model', value='known'), Parameter('autostart', value=False)]
    node = bench.add(DriveNode(load, context=bench.context, parameter_overrides=named))

    def counts():
        entities = node.publishers, node.subscriptions, node.timers, node.services
        return [len(list(each)) for each in entities] + [len(node._managed_entities)]

    def go(transition):
        before, after = AFTER[transition]
        assert state(node) == before
        assert getattr(node, f'trigger_{transition}')() == TransitionCallbackReturn.SUCCESS
        assert state(node) == after

    def home():
        for transition in ('deactivate', 'cleanup'):
            if state(node) == AFTER[transition][0]:
                go(transition)

    for transition in ('configure', 'activate'):  # what opens with the first subscription
        go(transition)
    home()
    entities, files = counts(), open_files()
    draw = random.Random(0)
    for _ in range(50):
        go(draw.choice([name for name, (before, _) in AFTER.items() if before == state(node)]))
        bench.executor.spin_once(timeout_sec=0)
    home()
    assert len(engines) > 5
    assert not [engine for engine in engines if engine() is not None]
    assert counts() == entities
    assert open_files() <= files
    assert node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS
    assert state(node) == 'finalized'


def test_a_transition_that_the_state_does_not_allow_is_refused(bench, capfd):
    node = bench.drive_node()
    tester = bench.plain_node()
    client = tester.create_client(ChangeState, '/signattn/change_state')
    bench.spin_until(client.service_is_ready)
    for transition, succeeds in (
        (Transition.TRANSITION_CONFIGURE, False),
        (Transition.TRANSITION_CLEANUP, False),
        (Transition.TRANSITION_DEACTIVATE, True),
        (Transition.TRANSITION_ACTIVATE, True),
        (Transition.TRANSITION_ACTIVE_SHUTDOWN, True),
        (Transition.TRANSITION_CONFIGURE, False),
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = client.call_async(request)
        bench.spin_until(answer.done)
        assert answer.result().success == succeeds
    assert state(node) == 'finalized'
    # In the words of rclpy from Kilted on, before that in ours.
    assert capfd.readouterr().err.count('[ERROR]') == 3


@pytest.fixture
def failing(bench, known_engine):
    """A drive node whose engines raise ``errors``, one at each step, then answer; a camera."""

    class Failing:
        def __init__(self, *errors):
            self.errors, self.engines = list(errors), []
            named = [Parameter('model', value='known'), Parameter('max_age', value=0)]
            self.node = DriveNode(self.load, context=bench.context, parameter_overrides=named)
            bench.add(self.node)
            assert self.node.start()
            self.tester = bench.plain_node()
            self.curvatures = bench.listen(self.tester, Vector3Stamped, 'signattn/curvature')
            self.camera = bench.talk(self.tester, Image, 'image')

        def load(self, *_):
            failing = self

            class Engine(known_engine):
                def answer(self, image):
                    if failing.errors:
                        make = failing.errors.pop(0)
                        raise make()
                    return super().answer(image)

            engine = Engine()
            self.engines.append(weakref.ref(engine))
            return engine

    return Failing


def test_out_of_memory_gives_all_back_and_recovers(bench, failing, capfd):
    node = (driven := failing(partial(torch.cuda.OutOfMemoryError, NO_MEMORY))).node
    reports = bench.listen(driven.tester, DiagnosticArray, '/diagnostics')
    driven.camera.publish(camera_image(0))
    bench.spin_until(lambda: state(node) == 'unconfigured')
    reports.clear()
    bench.spin_until(lambda: reports)
    assert driven.engines[0]() is None
    assert driven.curvatures == []
    status = reports[-1].status[0]
    assert (status.level, status.message) == (
        DiagnosticStatus.ERROR,
        f'out of memory: {NO_MEMORY}',
    )
    said = capfd.readouterr().err
    assert said.count('out of memory; configure') == 0
    assert said.count(f'{NO_MEMORY}; configure the node again, and activate it') == 1

    for trigger in (node.trigger_configure, node.trigger_activate):
        assert trigger() == TransitionCallbackReturn.SUCCESS
    bench.spin_until(driven.camera.get_subscription_count)
    bench.spin_until(lambda: driven.tester.count_publishers('signattn/curvature'))
    bench.spin_for(0.1)
    driven.camera.publish(camera_image(1))
    bench.spin_until(lambda: driven.curvatures)
    reports.clear()
    bench.spin_until(lambda: reports)
    assert reports[-1].status[0].level == DiagnosticStatus.OK
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS


def test_out_of_memory_while_configuring_leaves_it_unconfigured(bench, known_engine):
    engines = []

    class Large(known_engine):
        def warm_up(self):
            engines.append(weakref.ref(self))
            if len(engines) == 1:
                raise torch.cuda.OutOfMemoryError(NO_MEMORY)

    named = [Parameter('model', value='known'), Parameter('autostart', value=False)]
    node = DriveNode(lambda *_: Large(), context=bench.context, parameter_overrides=named)
    bench.add(node)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert engines[0]() is None
    found = list(node._problems())
    assert found == [(DiagnosticStatus.ERROR, f'configure failed: {NO_MEMORY}')]
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert list(node._problems()) == []


def test_another_error_of_cuda_ends_the_node(bench, failing):
    driven = failing(partial(RuntimeError, ILLEGAL))
    driven.camera.publish(camera_image(0))
    with pytest.raises(NodeError, match=f'^the device is lost: {ILLEGAL}$'):
        bench.spin_until(lambda: False)


def test_another_error_of_cuda_while_configuring_ends_the_node(bench):
    def fail(*_):
        raise RuntimeError(ILLEGAL)

    waiting = [Parameter('autostart', value=False)]
    node = bench.add(DriveNode(fail, context=bench.context, parameter_overrides=waiting))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    with pytest.raises(NodeError, match=f'^configure failed: {ILLEGAL}$'):
        bench.spin_until(lambda: False)


LOSES_ITS_DEVICE = """
import sys
import numpy as np
from sensor_msgs.msg import Image
from signattn.nodes.drive_node import started
from signattn.nodes.messages import image_message
from signattn.nodes.process import run
from signattn.stream import Engine
from std_msgs.msg import Header

class Broken(Engine):
    def answer(self, image):
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

def make():
    node = started(Broken)
    camera = node.create_publisher(Image, 'image', 1)
    picture = image_message(np.zeros((12, 24, 3), np.uint8), 'rgb8', Header())
    node.create_timer(0.05, lambda: camera.publish(picture))
    return node

sys.exit(run('signattn', make))
"""


def test_the_process_ends_with_a_status_that_has_it_started_again(write_model):
    command = [
        sys.executable,
        '-c',
        LOSES_ITS_DEVICE,
        '--ros-args',
        '-p',
        f'model:={write_model()}',
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert f'the device is lost: {ILLEGAL}' in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize(
    ('kind', 'text'), [(RuntimeError, 'shapes do not fit'), (MemoryError, 'too large')]
)
def test_an_error_that_nobody_expects_costs_its_image(bench, failing, capfd, kind, text):
    driven = failing(partial(kind, text))
    for tick in range(2):
        driven.camera.publish(camera_image(tick))
        bench.spin_until(lambda tick=tick: driven.node._tally.counts['received'] > tick)
    bench.spin_until(lambda: driven.curvatures)
    assert driven.node._tally.dropped == {'failed': 1}
    assert f'can not be answered: {kind.__name__}: {text}' in capfd.readouterr().err
