"""What a CameraInfo says about the lens."""

from sensor_msgs.msg import CameraInfo

from signattn.projection import Lens

STRAIGHT, FISHEYE = ('', 'plumb_bob', 'rational_polynomial'), 'equidistant'


def camera_info_topic(image_topic: str) -> str:
    """Where the calibration of a camera is published: beside its images, as ROS has it.

    Args:
        image_topic: Resolved name of the raw images.

    Returns:
        The topic.
    """
    return image_topic.rpartition('/')[0] + '/camera_info'


def is_rectified(image_topic: str) -> bool:
    """Whether images come straightened, by the names that image_proc gives (``image_rect…``)."""
    return image_topic.rpartition('/')[2].startswith('image_rect')


def lens_of(info: CameraInfo, *, rectified: bool) -> Lens | None:
    """The lens of a calibrated camera, for images as they are published.

    Args:
        info: The calibration.
        rectified: Whether the images were straightened by it.

    Returns:
        The lens; None if the camera is not calibrated.

    Raises:
        ValueError: If its distortion is of an unknown model.
    """
    fx, _, cx, _, fy, cy = info.k[:6]
    distortion: tuple[float, ...] = tuple(info.d)
    if rectified:
        fx, cx, fy, cy = (info.p[i] for i in (0, 2, 5, 6))
        distortion = ()
    elif info.distortion_model not in (*STRAIGHT, FISHEYE):
        known = ', '.join((*STRAIGHT[1:], FISHEYE))
        raise ValueError(f'distortion_model must be one of {known}, got {info.distortion_model!r}')
    width = info.roi.width or info.width
    height = info.roi.height or info.height
    if not (fx > 0 and fy > 0 and width and height):  # zeros: not calibrated
        return None
    # Calibrated is the whole sensor; published is a part of it, of which pixels may be merged.
    centre = cx - info.roi.x_offset, cy - info.roi.y_offset
    fisheye = bool(distortion) and info.distortion_model == FISHEYE
    return Lens(int(width), int(height), (float(fx), float(fy)), centre, distortion, fisheye)
