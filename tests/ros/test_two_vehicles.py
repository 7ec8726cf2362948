"""Two vehicles on one machine, each in a namespace and with processes of its own."""

import contextlib
import signal
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import Vector3Stamped  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from signattn.nodes.messages import image_message, nanoseconds, set_stamp  # noqa: E402
from signattn.nodes.overlay_node import OverlayNode  # noqa: E402

STARTS_NS = {'left': 1_479_424_215_880_976_321, 'right': 1_600_000_000_000_000_000}
TICK_NS = 50_000_000
COUNT = 5


@contextlib.contextmanager
def drive_process(vehicle, model):
    """A drive node in the namespace of a vehicle."""
    command = [sys.executable, '-m', 'signattn.nodes.drive_node', '--ros-args']
    command += ['-r', f'__ns:=/{vehicle}', '-p', f'model:={model}', '-p', 'max_age:=0.0']
    with subprocess.Popen([*command, '-p', 'device:=cpu']) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def image(vehicle, i):
    header = Header(frame_id=vehicle)
    set_stamp(header, STARTS_NS[vehicle] + i * TICK_NS)
    return image_message(np.full((48, 64, 3), 40 * i, np.uint8), 'rgb8', header)


def test_they_do_not_hear_each_other(bench, write_model):
    model = write_model()
    tester = bench.plain_node()
    curvatures, overlays, cameras = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for vehicle in STARTS_NS:
            stack.enter_context(drive_process(vehicle, model))
        diagnostics = bench.listen(tester, DiagnosticArray, '/diagnostics', 100)
        for vehicle in STARTS_NS:
            bench.add(OverlayNode(context=bench.context, namespace=vehicle))
            own = f'/{vehicle}/signattn'
            overlays[vehicle] = bench.listen(tester, Image, f'{own}/overlay')
            curvatures[vehicle] = bench.listen(tester, Vector3Stamped, f'{own}/curvature')
            topic = f'/{vehicle}/image'
            cameras[vehicle] = bench.talk(tester, Image, topic)
            # Its drive node and its overlay, and nobody else.
            bench.spin_until(lambda topic=topic: tester.count_subscribers(topic) == 2)
            bench.spin_until(lambda own=own: tester.count_subscribers(f'{own}/attention') == 1)
        bench.spin_for(0.3)
        for i in range(COUNT):
            for vehicle, camera in cameras.items():
                camera.publish(image(vehicle, i))
            for heard in (*curvatures.values(), *overlays.values()):
                bench.spin_until(lambda heard=heard, i=i: len(heard) > i)
        named = set()
        while len(named) < len(STARTS_NS):
            bench.spin_until(lambda: diagnostics)
            named |= {status.hardware_id for status in diagnostics.pop().status}
    for vehicle, start_ns in STARTS_NS.items():
        expected = [start_ns + i * TICK_NS for i in range(COUNT)]
        for heard in (curvatures[vehicle], overlays[vehicle]):
            assert [nanoseconds(message.header.stamp) for message in heard] == expected
        assert {message.header.frame_id for message in overlays[vehicle]} == {vehicle}
    assert named == {'/left/signattn', '/right/signattn'}
