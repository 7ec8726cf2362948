"""The angle of the tyres."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from std_msgs.msg import Header  # noqa: E402

from signattn.nodes.ackermann import ackermann_message, message_type, tyre_angle  # noqa: E402
from signattn.nodes.messages import nanoseconds, set_stamp  # noqa: E402


@pytest.mark.parametrize(
    ('curvature', 'speed', 'angle'),
    [(0.1, 0.0, 0.2), (0.1, 10.0, 0.4), (-0.1, 10.0, -0.4), (0.0, 10.0, 0.0)],
)
def test_the_angle_of_the_tyres(vehicle, curvature, speed, angle):
    # 2 m · curvature, and twice that at 10 m/s: 1 + 0.01 · 10².
    assert tyre_angle(curvature, speed, vehicle) == pytest.approx(angle)


def test_the_message():
    def kind(header):  # the package is no wheel
        return SimpleNamespace(header=header, drive=SimpleNamespace())

    image = Header(frame_id='camera')
    set_stamp(image, 1_479_424_215_880_976_321)
    message = ackermann_message(kind, image, -0.25, 12.0)
    assert nanoseconds(message.header.stamp) == 1_479_424_215_880_976_321
    assert message.header.frame_id == 'base_link'
    assert (message.drive.steering_angle, message.drive.speed) == (-0.25, 12.0)


def test_the_type_is_that_of_the_package(monkeypatch):
    package, kind = ModuleType('ackermann_msgs.msg'), object()
    package.AckermannDriveStamped = kind
    monkeypatch.setitem(sys.modules, 'ackermann_msgs', ModuleType('ackermann_msgs'))
    monkeypatch.setitem(sys.modules, 'ackermann_msgs.msg', package)
    assert message_type() is kind


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ackermann_msgs.msg', None)
    with pytest.raises(ValueError, match=r'^publish_ackermann needs the package ackermann_msgs'):
        message_type()
