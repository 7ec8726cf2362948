"""The tables of an inspection, from what was measured."""

import math
from collections import Counter
from typing import Any

import numpy as np

from signattn.bag import Series
from signattn.inspection.evidence import Evidence, Images
from signattn.preprocess import NS_PER_S
from signattn.statistics import distribution, label_statistics, time_statistics

Row = dict[str, Any]


def row(evidence: Evidence) -> Row:
    """The numbers that ``convert`` shows of a drive, without converting.

    Args:
        evidence: Of a recording or a drive.

    Returns:
        Counts, and the statistics of the frames that convert keeps. ``unreadable`` counts only
        the ``sampled`` pictures.
    """
    images, labels = evidence.images, evidence.labels
    height, width = size(images)
    out_of_order = len(images.stamps_ns) - len(images.ordered_ns)
    return {
        'images': len(images.stamps_ns),
        'frames': len(evidence.frames_ns),
        'skipped': len(images.stamps_ns) - len(evidence.frames_ns) - out_of_order,
        'out_of_order': out_of_order,
        'sampled': images.sampled,
        'unreadable': len(images.unreadable),
        **time_statistics(evidence.frames_ns, evidence.max_gap_s),
        **label_statistics(labels.steering_angle, labels.speed, labels.curvature),
        'height_px': height,
        'width_px': width,
    }


def size(images: Images) -> tuple[int | None, int | None]:
    """Height and width of most pictures of the sample; None without any."""
    sizes = Counter((it.height, it.width) for it in images.pictures)
    return sizes.most_common(1)[0][0] if sizes else (None, None)


def camera(evidence: Evidence) -> Row:
    """Of all images of the camera, before any is left out.

    Args:
        evidence: Of a recording or a drive.

    Returns:
        Format, size, times, and brightness of the sample (0 to 1).
    """
    images = evidence.images
    height, width = size(images)
    brightness = np.array([it.brightness for it in images.pictures])
    return {
        'format': ', '.join(images.encodings),
        'height_px': height,
        'width_px': width,
        'aspect_ratio': evidence.aspect_ratio and round(evidence.aspect_ratio, 4),
        'images': len(images.stamps_ns),
        **time_statistics(images.stamps_ns, evidence.max_gap_s),
        'identical': int(images.repeats.sum()),
        'sampled': images.sampled,
        'unreadable': len(images.unreadable),
        **distribution('brightness', brightness, 3),
    }


def signal(series: Series, evidence: Evidence) -> Row:
    """Of steering or speed as recorded.

    Args:
        series: Of the one or the other.
        evidence: With the camera that it is compared with.

    Returns:
        Quantity, times, and by how much it begins and ends behind the camera.
    """
    stamps, images = series.stamp_ns, evidence.images.stamps_ns
    both = bool(len(stamps) and len(images))
    return {
        'quantity': series.quantity,
        'values': int(np.isfinite(series.values).sum()),
        'unknown': int(np.sum(~np.isfinite(series.values))),
        **time_statistics(stamps, evidence.max_gap_s),
        'begins_behind_camera_s': _seconds(stamps[0] - images[0]) if both else None,
        'ends_behind_camera_s': _seconds(stamps[-1] - images[-1]) if both else None,
    }


def _seconds(nanoseconds: np.int64) -> float:
    return round(float(nanoseconds) / NS_PER_S, 3)


def milliseconds(seconds: float) -> float | None:
    """For a table; None where unknown."""
    return round(seconds * 1000, 3) if math.isfinite(seconds) else None
