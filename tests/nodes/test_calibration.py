"""CameraInfo messages and the lens they mean."""

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from sensor_msgs.msg import CameraInfo, RegionOfInterest  # noqa: E402

from signattn.nodes.calibration import camera_info_topic, is_rectified, lens_of  # noqa: E402


def info(**changes):
    made = CameraInfo(width=640, height=480, distortion_model='plumb_bob')
    made.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    made.k = [500.0, 0.0, 320.0, 0.0, 510.0, 230.0, 0.0, 0.0, 1.0]
    made.p = [400.0, 0.0, 310.0, 0.0, 0.0, 410.0, 220.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ('image', 'calibration'),
    [('/image', '/camera_info'), ('/car/front/image_raw', '/car/front/camera_info')],
)
def test_the_calibration_is_beside_the_images(image, calibration):
    assert camera_info_topic(image) == calibration


@pytest.mark.parametrize(
    ('topic', 'rectified'),
    [('/front/image_raw', False), ('/front/image_rect', True), ('/front/image_rect_color', True)],
)
def test_rectified_images_are_known_by_their_name(topic, rectified):
    assert is_rectified(topic) == rectified


def test_raw_images_have_the_lens_with_its_distortion():
    lens = lens_of(info(), rectified=False)
    assert (lens.width, lens.height, lens.fisheye) == (640, 480, False)
    assert (lens.focal, lens.centre) == ((500, 510), (320, 230))
    assert lens.distortion == (-0.3, 0.1, 0, 0, 0)


def test_rectified_images_have_a_straight_lens_whatever_the_model():
    lens = lens_of(info(distortion_model='spherical'), rectified=True)
    assert (lens.focal, lens.centre, lens.distortion) == ((400, 410), (310, 220), ())


def test_a_part_of_the_sensor():
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=240)
    lens = lens_of(info(roi=roi), rectified=False)
    assert (lens.width, lens.height, lens.centre) == (320, 240, (220, 190))


def test_a_fisheye():
    lens = lens_of(info(distortion_model='equidistant', d=[0.1, 0.0, 0.0, 0.0]), rectified=False)
    assert lens.fisheye
    assert lens.distortion == (0.1, 0, 0, 0)


@pytest.mark.parametrize('changes', [{'k': [0.0] * 9}, {'width': 0}, {'height': 0}])
def test_a_camera_that_is_not_calibrated_has_no_lens(changes):
    assert lens_of(info(**changes), rectified=False) is None


def test_an_unknown_model_is_refused():
    text = 'distortion_model must be one of plumb_bob, .*, equidistant, got .spherical.'
    with pytest.raises(ValueError, match=text):
        lens_of(info(distortion_model='spherical'), rectified=False)
