"""Heatmap and overlay, drawn for whoever looks."""

import math
import time

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from geometry_msgs.msg import TwistStamped, Vector3Stamped  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from signattn.heatmap import (  # noqa: E402
    DRIVEN,
    PREDICTED,
    colour,
    draw_numbers,
    draw_steering,
    heatmap,
    overlay,
)
from signattn.nodes import overlay_node  # noqa: E402
from signattn.nodes.answers import arc, attention_message, curvature_message  # noqa: E402
from signattn.nodes.messages import image_message, set_stamp  # noqa: E402
from signattn.nodes.overlay_node import OverlayNode  # noqa: E402
from signattn.projection import (  # noqa: E402
    Lens,
    Mount,
    draw_ribbon,
    ribbon,
    straight_lens,
)
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


def expected(speed=15.0, driven=None, arcs=lambda blended: blended):
    """What is drawn of a curvature of 0.01 1/m; at another speed than 15 m/s it was measured."""
    car = load_vehicle()
    angles = [float(steering_from_curvature(0.01, speed, car)), None]
    numbers = ['predicted +0.0100 1/m']
    if driven is not None:
        angles[1] = float(steering_from_curvature(driven, speed, car))
        numbers.append(f'driven {driven:+.4f} 1/m')
    numbers.append('at 15.0 m/s, assumed' if speed == 15 else f'at {speed:.1f} m/s')
    blended = arcs(overlay(picture(), heatmap(weights(), 48, 64), 0.6))
    return draw_numbers(draw_steering(blended, *angles), '   '.join(numbers))


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
    alone = colour(heatmap(weights(), 48, 64))
    for message, drawn in ((overlays[0], expected()), (heatmaps[0], alone)):
        assert message.encoding == 'bgr8'
        assert message.header == header(START_NS)
        np.testing.assert_array_equal(pixels(message)[..., ::-1], drawn)


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
    monkeypatch.setattr('signattn.nodes.speed.HOLDS_S', math.inf)
    for value in (25.0, math.nan):  # what is no number is passed over
        speed.publish(made(value))
    bench.spin_until(shown.node._speed.current)
    bench.spin_for(0.1)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    monkeypatch.setattr('signattn.nodes.speed.HOLDS_S', 0.0)  # too old at once
    shown.send(START_NS + 50_000_000)
    bench.spin_until(lambda: len(overlays) == 2)
    for message, at in zip(overlays, (25.0, 15.0), strict=True):
        np.testing.assert_array_equal(pixels(message)[..., ::-1], expected(at), f'at {at} m/s')


def test_a_car_that_goes_backwards_is_drawn_too(overlaid, bench):
    shown = overlaid()
    overlays = shown.listen('overlay')
    shown.connect()
    speed = bench.talk(shown.tester, TwistStamped, 'speed')
    speed.publish(twist(-25.0))
    bench.spin_until(shown.node._speed.current)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], expected(25.0))


def test_what_was_driven_is_drawn_where_it_is_there(overlaid, bench):
    shown = overlaid()
    overlays = shown.listen('overlay')
    shown.connect()
    driven = bench.talk(shown.tester, Vector3Stamped, 'driven')
    shown.send(START_NS)
    driven.publish(curvature_message(header(START_NS), -0.02))
    time.sleep(0.2)  # a node that is late finds all of them waiting
    bench.spin_until(lambda: overlays)
    shown.send(START_NS + 50_000_000)
    bench.spin_until(lambda: len(overlays) == 2)
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], expected(driven=-0.02))
    np.testing.assert_array_equal(pixels(overlays[1])[..., ::-1], expected())


SEEN = {'camera_height': 1.4, 'camera_pitch_deg': 2.0, 'camera_yaw_deg': -1.0}


def arcs_through(lens, *curvatures, **place):
    mount = Mount(1.4, math.radians(2), math.radians(-1), **place)

    def drawn(image):
        for curvature, paint in curvatures:
            edges = ribbon(*arc(curvature, 20.0, overlay_node.ARC_POINTS))
            image = draw_ribbon(image, edges, mount, lens, paint)
        return image

    return drawn


def test_arcs_are_drawn_where_height_pitch_and_field_of_view_are_given(overlaid, bench):
    given = {'camera_fov_deg': 60, 'camera_x': 1.5, 'camera_y': 0.3, 'path_length': 20}
    shown = overlaid(**SEEN, **given)
    overlays = shown.listen('overlay')
    shown.connect()
    driven = bench.talk(shown.tester, Vector3Stamped, 'driven')
    driven.publish(curvature_message(header(START_NS), -0.02))
    bench.spin_for(0.1)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    lens = straight_lens(math.radians(60), 64, 48)
    arcs = arcs_through(lens, (-0.02, DRIVEN), (0.01, PREDICTED), x=1.5, y=0.3)
    want = expected(driven=-0.02, arcs=arcs)
    assert (want != expected(driven=-0.02)).any()
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], want)


def camera_info(width, height, model='plumb_bob', distortion=()):
    info = CameraInfo(width=width, height=height, distortion_model=model, d=list(distortion))
    info.k = [80.0, 0.0, 60.0, 0.0, 80.0, 50.0, 0.0, 0.0, 1.0]
    return info


def test_a_camera_info_tells_the_lens_and_comes_before_the_field_of_view(overlaid, bench):
    shown = overlaid(**SEEN, camera_fov_deg=60, path_length=20)
    overlays = shown.listen('overlay')
    shown.connect()
    bench.talk(shown.tester, CameraInfo, 'camera_info').publish(camera_info(128, 96))
    bench.spin_until(lambda: shown.node._lens)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    lens = Lens(128, 96, (80, 80), (60, 50))
    want = expected(arcs=arcs_through(lens, (0.01, PREDICTED)))
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], want)


@pytest.mark.parametrize(
    ('parameters', 'info', 'said'),
    [
        ({'camera_fov_deg': 60}, None, None),  # no height
        (SEEN, None, None),  # no field of view
        ({}, camera_info(64, 48), None),  # a CameraInfo doesn't know the height
        (SEEN, camera_info(64, 24), 'images must have the proportions of their CameraInfo'),
        (SEEN, camera_info(64, 48, 'spherical'), 'distortion_model must be one of'),
        (SEEN, camera_info(64, 48, distortion=[0.1] * 3), 'distortion must have one of'),
    ],
)
def test_no_geometry_is_invented(overlaid, bench, capfd, parameters, info, said):
    shown = overlaid(**parameters)
    overlays = shown.listen('overlay')
    shown.connect()
    if info is not None:
        bench.talk(shown.tester, CameraInfo, 'camera_info').publish(info)
        bench.spin_for(0.2)
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    np.testing.assert_array_equal(pixels(overlays[0])[..., ::-1], expected())
    logged = capfd.readouterr().err
    assert said in logged if said else 'arc' not in logged


@pytest.mark.parametrize(
    ('size', 'heat'), [((1, 1), (1, 1)), ((1, 4000), (1, 640)), ((2160, 3840), (360, 640))]
)
def test_pictures_of_any_size_are_drawn_on(overlaid, bench, size, heat):
    shown = overlaid(**SEEN, camera_fov_deg=60)
    heatmaps, overlays = shown.listen('heatmap'), shown.listen('overlay')
    shown.connect()
    grey = image_message(np.full((*size, 3), 90, np.uint8), 'rgb8', header(START_NS))
    for sent in (Image(header=header(START_NS - 1), encoding='rgb8'), grey):
        shown.curvature.publish(curvature_message(sent.header, 0.01))
        shown.attention.publish(attention_message(sent.header, weights()))
        # Large ones get lost on the way: what a node does with them is asked here.
        shown.node._take('image', sent)
        bench.spin_for(0.3)
    bench.spin_until(lambda: heatmaps and overlays)
    assert (heatmaps[0].height, heatmaps[0].width) == heat
    assert (overlays[0].header, overlays[0].width) == (header(START_NS), heat[1])


def test_an_attention_that_is_none_is_passed_over(overlaid, bench, capfd):
    shown = overlaid()
    heatmaps = shown.listen('heatmap')
    shown.connect()
    before = header(START_NS - 1)
    shown.image.publish(image_message(picture(), 'rgb8', before))
    shown.curvature.publish(curvature_message(before, 0.01))
    shown.attention.publish(attention_message(before, weights() * np.nan))
    shown.send(START_NS)
    bench.spin_until(lambda: heatmaps)
    assert heatmaps[0].header == header(START_NS)
    assert 'can not be drawn on: attention must be finite' in capfd.readouterr().err


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


def test_the_strength_changes_while_it_draws(overlaid, bench):
    shown = overlaid()
    overlays = shown.listen('overlay')
    shown.connect()
    shown.send(START_NS)
    bench.spin_until(lambda: overlays)
    shown.node.set_parameters([Parameter('strength', value=0)])
    shown.send(START_NS + 1)
    bench.spin_until(lambda: len(overlays) == 2)
    assert (pixels(overlays[0])[:48] != picture()[..., ::-1]).any()
    np.testing.assert_array_equal(pixels(overlays[1])[:48], picture()[..., ::-1])


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
