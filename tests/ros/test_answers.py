"""The messages of an answer, by numbers worked out by hand."""

import math

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from std_msgs.msg import Header  # noqa: E402

from signattn.nodes.answers import PATH_POINTS, arc, path_message  # noqa: E402
from signattn.nodes.messages import nanoseconds, set_stamp  # noqa: E402


def test_straight_ahead():
    x, y, yaw = arc(0.0, 30.0)
    assert x.tolist() == pytest.approx([1.5 * i for i in range(21)])
    assert not y.any()
    assert not yaw.any()


def test_a_quarter_of_a_circle_to_the_left():
    # Radius 10 m: after a quarter of 20π m it is 10 m ahead, 10 m to the left, heading left.
    x, y, yaw = arc(0.1, 5 * math.pi)
    assert (x[-1], y[-1], yaw[-1]) == pytest.approx((10, 10, math.pi / 2))
    half = PATH_POINTS // 2
    assert (x[half], y[half]) == pytest.approx((10 * math.sqrt(0.5), 10 - 10 * math.sqrt(0.5)))


def test_right_is_the_mirror_of_left():
    left, right = arc(0.05, 20), arc(-0.05, 20)
    assert right[0].tolist() == left[0].tolist()
    assert right[1].tolist() == (-left[1]).tolist()


def test_the_path_looks_along_the_arc():
    header = Header(frame_id='camera')
    path = path_message(header, 0.1, 5 * math.pi)
    end = path.poses[-1].pose.orientation
    assert (end.z, end.w) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert {pose.header.frame_id for pose in path.poses} == {path.header.frame_id} == {'base_link'}


def test_stamps_keep_every_nanosecond():
    header = Header()
    set_stamp(header, 1_479_424_215_880_976_321)
    assert (header.stamp.sec, header.stamp.nanosec) == (1_479_424_215, 880_976_321)
    assert nanoseconds(header.stamp) == 1_479_424_215_880_976_321
