"""Heatmap and overlay, drawn for whoever looks."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from geometry_msgs.msg import TwistStamped, Vector3Stamped  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from signattn.heatmap import colour, draw_steering, heatmap, overlay  # noqa: E402
from signattn.nodes import overlay_node  # noqa: E402
from signattn.nodes.answers import attention_message, curvature_message  # noqa: E402
from signattn.nodes.messages import image_message, set_stamp  # noqa: E402
from signattn.nodes.overlay_node import CACHED, OverlayNode, Pairing  # noqa: E402
from signattn.vehicle import load_vehicle, steering_from_curvature  # noqa: E402

START_NS = 1_479_424_215_880_976_321


def header(stamp_ns):
    made = Header(frame_id='center_camera')
    set_stamp(made, stamp_ns)
    return made


def picture():
    return np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


def weights():
    attention = np.zeros((10, 20), np.float32)
    attention[7, 3] = 1
    return attention


def pixels(message):
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


@pytest.fixture
def overlaid(bench):
    """An overlay node and what it listens to."""

    class Overlaid:
        def __init__(self, **parameters):
            overrides = [Parameter(name, value=value) for name, value in parameters.items()]
            node = OverlayNode(context=bench.context, parameter_overrides=overrides)
            self.node = bench.add(node)
            self.tester = bench.plain_node()

        def listen(self, name):
            return bench.listen(self.tester, Image, f'signattn/{name}')

        def connect(self):
            self.image = bench.talk(self.tester, Image, 'image')
            self.attention = bench.talk(self.tester, Image, 'signattn/attention')
            self.curvature = bench.talk(self.tester, Vector3Stamped, 'signattn/curvature')

        def send(self, stamp_ns):
            self.image.publish(image_message(picture(), 'rgb8', header(stamp_ns)))
            self.curvature.publish(curvature_message(header(stamp_ns), 0.01))
            self.attention.publish(attention_message(header(stamp_ns), weights()))

    return Overlaid


def test_overlay_and_heatmap_belong_to_the_image(overlaid, bench):
    shown = overlaid()
    overlays, heatmaps = shown.listen('overlay'), shown.listen('heatmap')
    shown.connect()
    shown.send(START_NS)
    bench.spin_until(lambda: overlays and heatmaps)
    heat = heatmap(weights(), 48, 64)
    angle = float(steering_from_curvature(0.01, 15.0, load_vehicle()))
    drawn = draw_steering(overlay(picture(), heat, 0.6), angle)
    for message, expected in ((overlays[0], drawn), (heatmaps[0], colour(heat))):
        assert message.encoding == 'bgr8'
        assert message.header == header(START_NS)
        np.testing.assert_array_equal(pixels(message)[..., ::-1], expected)


def twist(speed):
    message = TwistStamped()
    message.twist.linear.x = speed
    return message


def odometry(speed):
    message = Odometry()
    message.twist.twist.linear.x = speed
    return message


@pytest.mark.parametrize(('kind', 'made'), [('twist', twist), ('odometry', odometry)])
def test_the_angle_is_drawn_at_the_measured_speed(overlaid, bench, monkeypatch, kind, made):
    shown = overlaid(speed_type=kind)
    overlays = shown.listen('overlay')
    shown.connect()
    speed = bench.talk(shown.tester, type(made(0.0)), 'speed')
    monkeypatch.setattr(overlay_node, 'SPEED_HOLDS_S', math.inf)
    for value in (25.0, math.nan):  # what is no number is passed over
        speed.publish(made(value))
    bench.spin_until(lambda: shown.node._speed)
    bench.spin_for(0.1)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    monkeypatch.setattr(overlay_node, 'SPEED_HOLDS_S', 0.0)  # too old at once
    shown.send(START_NS + 50_000_000)
    bench.spin_until(lambda: len(overlays) == 2)
    blended = overlay(picture(), heatmap(weights(), 48, 64), 0.6)
    for message, at in zip(overlays, (25.0, 15.0), strict=True):
        angle = float(steering_from_curvature(0.01, at, load_vehicle()))
        np.testing.assert_array_equal(
            pixels(message)[..., ::-1], draw_steering(blended, angle), f'at {at} m/s'
        )


def test_a_car_that_goes_backwards_is_drawn_too(overlaid, bench):
    shown = overlaid()
    overlays = shown.listen('overlay')
    shown.connect()
    speed = bench.talk(shown.tester, TwistStamped, 'speed')
    speed.publish(twist(-25.0))
    bench.spin_until(lambda: shown.node._speed)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    angle = float(steering_from_curvature(0.01, 25.0, load_vehicle()))
    expected = draw_steering(overlay(picture(), heatmap(weights(), 48, 64), 0.6), angle)
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], expected)


def test_images_without_stamp_are_not_drawn_on_and_the_log_says_so(overlaid, bench, capfd):
    shown = overlaid()
    heatmaps = shown.listen('heatmap')
    shown.connect()
    shown.send(0)
    shown.send(START_NS)
    bench.spin_until(lambda: heatmaps)
    assert heatmaps[0].header == header(START_NS)
    assert 'image stamp must be set to be drawn on, got 0' in capfd.readouterr().err


def test_wide_images_are_made_smaller(overlaid, bench):
    shown = overlaid(max_width=32)
    heatmaps = shown.listen('heatmap')
    shown.connect()
    shown.send(START_NS)
    bench.spin_until(lambda: heatmaps)
    assert (heatmaps[0].height, heatmaps[0].width) == (24, 32)


def test_it_subscribes_only_while_somebody_looks(overlaid, bench):
    shown = overlaid()
    bench.spin_for(0.6)
    assert shown.tester.count_subscribers('image') == 0
    looking = shown.tester.create_subscription(Image, 'signattn/overlay', lambda _: None, 10)
    bench.spin_until(lambda: shown.tester.count_subscribers('image') == 1)
    shown.tester.destroy_subscription(looking)
    bench.spin_until(lambda: shown.tester.count_subscribers('image') == 0)


def test_an_unusable_image_is_passed_over(overlaid, bench, capfd):
    shown = overlaid()
    heatmaps = shown.listen('heatmap')
    shown.connect()
    broken = image_message(picture(), 'thermal16', header(START_NS - 1))
    shown.image.publish(broken)
    shown.curvature.publish(curvature_message(broken.header, 0.01))
    shown.attention.publish(attention_message(broken.header, weights()))
    shown.send(START_NS)
    bench.spin_until(lambda: heatmaps)
    assert heatmaps[0].header == header(START_NS)
    assert 'can not be drawn on: encoding must be one of' in capfd.readouterr().err


def test_parts_pair_in_whatever_order_they_come():
    pairing = Pairing('image', 'attention')
    assert pairing.add('image', 1, 'a picture') is None
    assert pairing.add('attention', 2, 'a later map') is None
    assert pairing.add('attention', 1, 'a map') == {'image': 'a picture', 'attention': 'a map'}
    assert pairing.add('attention', 1, 'again') is None
    assert pairing.add('image', 2, 'late') == {'image': 'late', 'attention': 'a later map'}


def test_pairing_keeps_the_last_images():
    pairing = Pairing('image', 'attention')
    for stamp_ns in range(CACHED + 1):
        pairing.add('image', stamp_ns, f'picture {stamp_ns}')
    assert CACHED >= 10
    assert pairing.add('attention', 0, 'too late') is None
    assert pairing.add('attention', 1, 'just in time') is not None
