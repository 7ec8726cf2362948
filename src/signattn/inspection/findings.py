"""What will go wrong with a recording or a drive, and what to do about it."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from signattn.bag import Series
from signattn.inspection.evidence import Agreement, Evidence, Picture
from signattn.inspection.report import Finding
from signattn.preprocess import NS_PER_S
from signattn.statistics import time_statistics

LEAST_RATE_HZ = 10.0
LEAST_RATE_SHARE = 0.8
"""Of the rate that the network learns."""
JITTER_SHARE = 0.3
"""Of the median interval."""
LOST_STEP = 1.5
"""Median intervals; where a step is longer an image is missing."""
LOST_SHARE = 0.02
LABELLED_SHARE = 0.9
CONSTANT_DEG = 0.2
"""Standard deviation at the wheel; an almost straight minute of a real road has 2."""
LARGEST = {'steering_angle': 20.0, 'tyre_angle': 1.5, 'yaw_rate': 3.0, 'curvature': 1.0}
"""rad at the wheel, rad at the tyre, rad/s, 1/m: more is not the unit that it is taken for."""
FASTEST = 70.0
"""m/s."""
MOVING = 3.0
"""m/s; below, a car may turn on the spot as tightly as it can."""
TIGHTEST_PER_M = 0.2
LATERAL = 9.81
"""m/s²; tyres hold no more."""
IMPLAUSIBLE_SHARE = 0.001
DARK, BRIGHT = 0.1, 0.9
"""Mean brightness, 0 to 1."""
CLIPPED_SHARE = 0.7
"""Of a picture's pixels; more that are black, or white, is no picture."""
EXPOSURE_SHARE = 0.05
"""Of the sample."""
STANDING = 0.5
"""m/s; a picture that repeats while the car stands may be right."""
REPEATS_SHARE = 0.01
ASPECT, ASPECT_SHARE = 4 / 3, 0.05
CLOCKS_APART_S = 0.2
CLOCK_DRIFT_S = 0.1
AGREE = 0.7
"""Correlation of motion and turn; from here on sign and lag are believed."""
AGREE_SPAN_S = 20.0
"""s of recording; chance correlates shorter ones."""
LAG_S = 0.3
DISAGREE, DISAGREE_SPAN_S = 0.5, 30.0
DISAGREE_DEG = 5.0
"""Standard deviation at the wheel; with less there is too little motion to miss."""


def findings(evidence: Evidence) -> list[Finding]:
    """Check everything.

    Args:
        evidence: Of a recording or a drive.

    Returns:
        What will go wrong, the worst first.
    """
    checks: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
        _steering,
        _units,
        _agreement,
        _clocks,
        _overlap,
        _speed,
        _curvature,
        _rate,
        _stamps,
        _exposure,
        _repeats,
        _sizes,
    )
    return [finding for check in checks for finding in check(evidence)]


def _steering(evidence: Evidence) -> Iterator[Finding]:
    if evidence.steering is None or not np.isfinite(evidence.steering.values).any():
        yield Finding(
            'no_steering',
            'no steering was found',
            'name it with --steering /TOPIC:FIELD --unit UNIT if it is there under another type; '
            'without it the recording can be replayed and rendered, not trained or scored on',
        )
        return
    degrees = np.degrees(evidence.labels.steering_angle)
    known = degrees[np.isfinite(degrees)]
    if known.size and known.std() < CONSTANT_DEG:
        yield Finding(
            'constant_steering',
            f'the steering is constant: {known.mean():.1f}° with a standard deviation of '
            f'{known.std():.2f}°',
            'check the topic with --steering; a straight road alone teaches nothing',
        )


def _units(evidence: Evidence) -> Iterator[Finding]:
    steering, speed = _most(evidence.steering), _most(evidence.speed)
    if evidence.steering and steering > LARGEST[evidence.steering.quantity]:
        yield Finding(
            'steering_unit',
            f'the {evidence.steering.quantity.replace("_", " ")} reaches {steering:.1f}, which '
            'looks like degrees, not radians',
            f'name the field and its unit: {_named(evidence, "steering")} --unit deg',
        )
    if speed > FASTEST:
        yield Finding(
            'speed_unit',
            f'the speed reaches {speed:.0f} m/s, which looks like km/h',
            f'name the field and its unit: {_named(evidence, "speed")} --speed-unit km/h',
        )


def _named(evidence: Evidence, part: str) -> str:
    """The option that names steering or speed; a column of a folder, or a topic with its field."""
    topic = evidence.topics.get(part, '/TOPIC')
    return f'--{part} {topic}:FIELD' if topic.startswith('/') else f'--{part} {topic}'


def _places(count: int) -> str:
    return f'{count} place' + 's' * (count != 1)


def _most(series: Series | None) -> float:
    values = np.zeros(0) if series is None else series.values
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _agreement(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.agreement
    if found is None or found.span_s < AGREE_SPAN_S:
        return
    if abs(found.correlation) < AGREE:
        yield from _disagreement(evidence, found)
        return
    measured = f'(correlation {found.correlation:.2f} at a lag of {found.lag_s:+.2f} s)'
    if found.correlation < 0:
        yield Finding(
            'reversed_steering',
            f'the picture turns against the steering {measured}: the sign looks reversed, right '
            'positive, or the picture is mirrored',
            f'left must be positive: {_named(evidence, "steering")} --unit rad_right (or '
            'deg_right)',
        )
    if abs(found.lag_s) > LAG_S:
        order = 'behind' if found.lag_s > 0 else 'before'
        yield Finding(
            'lag',
            f'the steering comes {abs(found.lag_s):.2f} s {order} the picture {measured}: the '
            'clocks look apart',
            'shift the stamps of one of the two by so much, and synchronise the clocks before '
            'the next recording',
        )


def _disagreement(evidence: Evidence, found: Agreement) -> Iterator[Finding]:
    degrees = np.degrees(evidence.labels.steering_angle)
    known = degrees[np.isfinite(degrees)]
    # Without speed, slow turns and fast bends look alike.
    if evidence.speed is None or not known.size or known.std() < DISAGREE_DEG:
        return
    if abs(found.correlation) < DISAGREE and found.span_s >= DISAGREE_SPAN_S:
        yield Finding(
            'no_agreement',
            f'the picture does not turn with the steering (correlation at best '
            f'{found.correlation:.2f} within ±5 s)',
            'look at the page of --plot: are both of the same drive, do the clocks agree, does '
            'the camera look ahead?',
        )


def _clocks(evidence: Evidence) -> Iterator[Finding]:
    topics = evidence.topics
    clocks = [clock for clock in evidence.clocks if clock.topic in topics.values()]
    camera = next((clock for clock in clocks if clock.topic == topics.get('camera')), None)
    for clock in clocks:
        if clock.zeros:
            yield Finding(
                'zero_stamps',
                f'{clock.zeros} of {clock.zeros + clock.offset_s.size} stamps on {clock.topic} '
                'are 0',
                'the times of receipt are used, which are late and uneven: let the driver stamp',
            )
        if abs(clock.drift_s) > CLOCK_DRIFT_S:
            yield Finding(
                'clock_drift',
                f'the stamps on {clock.topic} drift by {clock.drift_s:+.2f} s against the times '
                'of receipt',
                'synchronise the clocks (NTP, PTP) before the next recording',
            )
        if camera and abs(clock.median_s - camera.median_s) > CLOCKS_APART_S:
            yield Finding(
                'clocks_apart',
                f'the stamps on {clock.topic} and {camera.topic} are set by clocks '
                f'{abs(clock.median_s - camera.median_s):.2f} s apart, measured by the times of '
                'receipt',
                'synchronise the clocks (NTP, PTP) before the next recording; shift the stamps of '
                'this one',
            )


def _overlap(evidence: Evidence) -> Iterator[Finding]:
    steering, images = evidence.steering, evidence.images.stamps_ns
    if steering is None or not len(images) or not np.isfinite(steering.values).any():
        return
    first, last = steering.stamp_ns.min(), steering.stamp_ns.max()
    if last < images.min() or first > images.max():
        apart_s = max(int(images.min() - last), int(first - images.max())) / NS_PER_S
        yield Finding(
            'no_overlap',
            f'steering and camera are {apart_s:.0f} s apart: no image has a label',
            'their clocks count from different beginnings: record with synchronised clocks, or '
            'shift the stamps of one of the two',
        )
        return
    labels = evidence.labels
    known = labels.steering_angle if evidence.speed is None else labels.curvature
    share = np.isfinite(known).mean()
    if share < LABELLED_SHARE:
        yield Finding(
            'few_labels',
            f'only {share:.0%} of the frames have a label',
            'steering or speed begin late, end early, or have gaps above '
            f'{evidence.max_gap_s} s (--max-gap): see the page of --plot',
        )


def _speed(evidence: Evidence) -> Iterator[Finding]:
    none = evidence.speed is None or not np.isfinite(evidence.speed.values).any()
    if none and evidence.steering is not None and not evidence.labels.speed_assumed:
        yield Finding(
            'no_speed',
            'no speed was found, and the curvature depends on it',
            'give --assume-speed M_PER_S, or name a topic with --speed /TOPIC:FIELD',
        )


def _curvature(evidence: Evidence) -> Iterator[Finding]:
    curvature, speed = np.abs(evidence.labels.curvature), evidence.labels.speed
    known = np.isfinite(curvature) & np.isfinite(speed)
    tight = known & (speed > MOVING) & (curvature > TIGHTEST_PER_M)
    hard = known & (curvature * speed**2 > LATERAL)
    share = float(np.mean((tight | hard)[known])) if known.any() else 0.0
    if share > IMPLAUSIBLE_SHARE:
        lateral = float((curvature * speed**2)[known].max())
        yield Finding(
            'implausible_curvature',
            f'{share:.1%} of the frames are steered tighter than a car can drive: up to '
            f'{curvature[known].max():.3f} 1/m, {lateral:.1f} m/s² to the side',
            "check the unit of steering and speed, and the vehicle's steering ratio (--vehicle)",
        )


def _rate(evidence: Evidence) -> Iterator[Finding]:
    found = time_statistics(evidence.images.ordered_ns, evidence.max_gap_s)
    rate, wanted = found['rate_hz'], evidence.rate_hz
    if rate is None:
        return
    if rate < LEAST_RATE_HZ:
        yield Finding(
            'rate_below_10_hz',
            f'the camera gives {rate:.1f} Hz: too much happens between two images',
            'record at 20 Hz',
        )
    elif rate < LEAST_RATE_SHARE * wanted:
        yield Finding(
            'slow_camera',
            f'the camera gives {rate:.1f} Hz, the network learns steps of {1000 / wanted:.0f} ms',
            f'record at {wanted:g} Hz or faster; or convert and drive at --rate {rate:.0f}',
        )
    interval_ms = 1000 / rate
    if found['jitter_ms'] > JITTER_SHARE * interval_ms:
        yield Finding(
            'uneven_rate',
            f'the intervals between images vary by ±{found["jitter_ms"]:.0f} ms '
            f'around {interval_ms:.0f} ms',
            'stamp at exposure, not at receipt; look for a camera or disk that cannot keep up',
        )


def _stamps(evidence: Evidence) -> Iterator[Finding]:
    backwards = [
        f'{part} in {_places(count)}'
        for part, stamps in (('camera', evidence.images.stamps_ns), *_signals(evidence))
        if (count := int(np.sum(np.diff(stamps) < 0)))
    ]
    if backwards:
        yield Finding(
            'backward_stamps',
            f'stamps go backwards: {", ".join(backwards)}',
            'convert leaves out as few messages as possible; where two recordings are in one '
            'file, cut it there',
        )
    images = evidence.images.ordered_ns
    found = time_statistics(images, evidence.max_gap_s)
    if found['repeated_stamps']:
        yield Finding(
            'repeated_stamps',
            f'{found["repeated_stamps"]} images have the stamp of the one before',
            'they are skipped: check the driver of the camera',
        )
    if found['gaps']:
        yield Finding(
            'gaps',
            f'images are more than {evidence.max_gap_s} s apart in {_places(found["gaps"])}, at '
            f'most {found["longest_gap_s"]:g} s',
            'no training sequence crosses a gap: look for a disk or a network that cannot keep up',
        )
    lost = _lost_share(images, found['rate_hz'], evidence.max_gap_s)
    if lost > LOST_SHARE:
        yield Finding(
            'lost_images',
            f'{lost:.1%} of the images are missing between others',
            'the network sees jumps there: look for a disk or a network that cannot keep up',
        )


def _signals(evidence: Evidence) -> Iterator[tuple[str, NDArray[np.int64]]]:
    if evidence.steering is not None:
        yield 'steering', evidence.steering.stamp_ns
    if evidence.speed is not None:
        yield 'speed', evidence.speed.stamp_ns


def _lost_share(images: NDArray[np.int64], rate_hz: float | None, max_gap_s: float) -> float:
    if rate_hz is None:
        return 0.0
    steps = np.diff(images) / NS_PER_S * rate_hz
    long = steps[(steps > LOST_STEP) & (steps <= max_gap_s * rate_hz)]
    missing = float(np.sum(np.round(long) - 1))
    return missing / (len(images) + missing)


def _exposure(evidence: Evidence) -> Iterator[Finding]:
    failures: tuple[tuple[str, str, Callable[[Picture], bool]], ...] = (
        ('dark', 'nearly black', lambda it: it.brightness < DARK),
        ('bright', 'nearly white', lambda it: it.brightness > BRIGHT),
        ('black_clipped', 'mostly black, without detail', lambda it: _clipped(it, it.black)),
        ('white_clipped', 'mostly white, without detail', lambda it: _clipped(it, it.white)),
    )
    pictures = evidence.images.pictures
    for kind, what, fails in failures:
        failed = [it for it in pictures if fails(it)]
        if len(failed) > EXPOSURE_SHARE * len(pictures):
            first = _seconds_in(evidence, failed[0].stamp_ns)
            yield Finding(
                kind,
                f'{len(failed)} of {len(pictures)} sampled pictures are {what}, the first at '
                f'{first:.1f} s',
                "check the camera's exposure, and for a lens that is covered; such pictures "
                'teach nothing',
            )
    if evidence.images.unreadable:
        yield Finding(
            'unreadable',
            f'{len(evidence.images.unreadable)} of {evidence.images.sampled} sampled pictures '
            f'cannot be read, the first: {evidence.images.unreadable[0]}',
            'convert leaves them out and counts them; check the disk',
        )


def _clipped(picture: Picture, share: float) -> bool:
    """Unless it is dark or bright altogether, which is said already."""
    return share > CLIPPED_SHARE and DARK <= picture.brightness <= BRIGHT


def _seconds_in(evidence: Evidence, stamp_ns: int) -> float:
    return float(stamp_ns - evidence.images.ordered_ns[0]) / NS_PER_S


def _repeats(evidence: Evidence) -> Iterator[Finding]:
    images = evidence.images
    repeats = images.repeats & ~_standing(evidence)
    if repeats.sum() > REPEATS_SHARE * len(repeats):
        first = _seconds_in(evidence, int(images.stamps_ns[np.flatnonzero(repeats)[0]]))
        yield Finding(
            'frozen',
            f'{repeats.sum()} of {len(repeats)} images are the same as the one before, byte by '
            f'byte, though the car is not known to stand; the first at {first:.1f} s',
            'the camera or its driver hangs: cut these stretches out',
        )


def _standing(evidence: Evidence) -> NDArray[np.bool_]:
    stamps, speed = evidence.images.stamps_ns, evidence.speed
    if speed is None or not len(speed.stamp_ns):
        return np.zeros(len(stamps), bool)
    order = np.argsort(speed.stamp_ns, kind='stable')
    driven = np.interp(stamps, speed.stamp_ns[order], speed.values[order])
    return np.abs(driven) < STANDING


def _sizes(evidence: Evidence) -> Iterator[Finding]:
    sizes = list(dict.fromkeys((it.width, it.height) for it in evidence.images.pictures))
    if len(sizes) > 1:
        listed = ', '.join(f'{width}×{height}' for width, height in sizes)
        yield Finding(
            'mixed_sizes',
            f'the pictures change their size: {listed}',
            'the road jumps to another place in the picture: convert each part by itself',
        )
    ratio = evidence.aspect_ratio
    if ratio and abs(ratio / ASPECT - 1) > ASPECT_SHARE:
        yield Finding(
            'aspect_ratio',
            f'the pictures are {ratio:.2f}:1; the shipped model and the defaults expect 4:3',
            f'crop when converting and in the vehicle alike: {_crop(ratio)}; or train a model of '
            'your own',
        )


def _crop(ratio: float) -> str:
    if ratio > ASPECT:
        side = (1 - ASPECT / ratio) / 2
        return f'--crop-left {side:.3f} --crop-right {side:.3f}'
    return f'--crop-top {1 - ratio / ASPECT:.3f}'
