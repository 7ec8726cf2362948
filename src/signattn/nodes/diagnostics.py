"""One status of /diagnostics: what the drive node did with its frames, and what is wrong."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from signattn.nodes.tally import INFERENCE, PIPELINE, PREPARATION, Tally
from signattn.stream import Engine

STRANGE_AGE_S = 60.0
"""Images older than this, or as far ahead, don't come from a camera by the node's clock."""

STRANGE_IN_A_ROW = 10

_ANSWERS_FOR_P99 = 100

Problem = tuple[bytes, str]


@dataclass(frozen=True)
class Thresholds:
    """From where on something is a problem: parameters of the node.

    Attributes:
        max_age: s, of an image that is used; 0 where its age doesn't matter.
        stale_after: s without an image.
        error_after: s with images and no answer.
        warn_rate: Share of the model's rate that a camera must reach.
        warn_aspect: Relative difference from the training pictures' aspect ratio.
        warn_latency: s from an image's arrival to its curvature, of which 1 % may be longer.
    """

    max_age: float = 0.5
    stale_after: float = 1.0
    error_after: float = 1.0
    warn_rate: float = 0.8
    warn_aspect: float = 0.02
    warn_latency: float = 0.1


def drive_status(
    name: str, state: str, problems: Iterable[Problem], values: Iterable[tuple[str, str]]
) -> DiagnosticStatus:
    """The status of a drive node.

    Args:
        name: The node's full name.
        state: Its lifecycle state.
        problems: What is wrong, each with its level.
        values: What it counted and measured.

    Returns:
        The status: the worst level, all problems as its message, the numbers as values.
    """
    found = list(problems)
    status = DiagnosticStatus(name=f'{name}: steering curvature', hardware_id=name)
    status.level = worst(found)
    status.message = '; '.join(text for _, text in found) or state
    status.values = [KeyValue(key=key, value=value) for key, value in values]
    return status


def worst(problems: Iterable[Problem]) -> bytes:
    """The highest level of some problems; OK if there are none."""
    return max((level for level, _ in problems), default=DiagnosticStatus.OK)


def problems(tally: Tally, engine: Engine, thresholds: Thresholds) -> Iterator[Problem]:
    """What is wrong with the images and the answers of an active node.

    Args:
        tally: What was counted.
        engine: What answers.
        thresholds: From where on it is wrong.

    Yields:
        Level and sentence of each problem.
    """
    yield from _silence(tally, engine, thresholds)
    if thresholds.max_age:
        yield from _strange_age(tally)
    yield from _camera(tally, engine, thresholds)
    latency_ms = tally.latency_ms(PIPELINE, 99)
    enough = tally.counts['answered'] >= _ANSWERS_FOR_P99
    if enough and latency_ms is not None and latency_ms > 1000 * thresholds.warn_latency:
        limit_ms = 1000 * thresholds.warn_latency
        text = f'99 % of the answers must take at most {limit_ms:g} ms, take {latency_ms:.0f} ms'
        yield DiagnosticStatus.WARN, text
    acting = tally.limits_acting(time.monotonic_ns())
    if acting:
        yield DiagnosticStatus.WARN, f'safety limits act: {", ".join(acting)}'


def _silence(tally: Tally, engine: Engine, thresholds: Thresholds) -> Iterator[Problem]:
    now_ns = time.monotonic_ns()
    silence, unanswered = tally.silence_s(now_ns), tally.unanswered_s(now_ns)
    # A slow model skips images for longer; its next step but one is the limit.
    patience = max(thresholds.error_after, 2 / engine.preprocessing.rate_hz)
    if silence is None:
        yield DiagnosticStatus.STALE, 'no image yet'
    elif silence > thresholds.stale_after:
        yield DiagnosticStatus.STALE, f'no image for {silence:.1f} s'
    elif unanswered is not None and unanswered > patience:
        text = f'images come, none was answered for {unanswered:.1f} s'
        most = tally.most_dropped()
        yield DiagnosticStatus.ERROR, f'{text}: {most[1]} dropped, {most[0]}' if most else text
    elif not tally.counts['answered']:
        yield DiagnosticStatus.WARN, 'no image could be answered yet'


def _strange_age(tally: Tally) -> Iterator[Problem]:
    if len(tally.ages_s) < STRANGE_IN_A_ROW:
        return
    ages_s = [tally.ages_s[-i] for i in range(1, STRANGE_IN_A_ROW + 1)]
    mend = "mend the camera's clock"
    if min(ages_s) > STRANGE_AGE_S:
        text = f'image stamps are {ages_s[0]:.0f} s old: set use_sim_time and play with --clock'
        yield DiagnosticStatus.ERROR, f'{text}, or {mend}'
    elif max(ages_s) < -STRANGE_AGE_S:
        text = f'image stamps are {-ages_s[0]:.0f} s ahead: with use_sim_time play with --clock'
        yield DiagnosticStatus.ERROR, f'{text}, else {mend}'


def _camera(tally: Tally, engine: Engine, thresholds: Thresholds) -> Iterator[Problem]:
    rate, least = tally.camera_hz(), thresholds.warn_rate * engine.preprocessing.rate_hz
    if rate is not None and rate < least:
        text = f'camera must give at least {least:g} images/s, gives {rate:.1f}'
        yield DiagnosticStatus.WARN, text
    trained, seen = engine.preprocessing.aspect_ratio, tally.aspect_ratio
    if trained and seen and abs(seen / trained - 1) > thresholds.warn_aspect:
        text = f'aspect ratio must be {trained:.3f} as in training, is {seen:.3f}'
        yield DiagnosticStatus.WARN, text


def values(tally: Tally, engine: Engine | None) -> Iterator[tuple[str, str]]:
    """What is measured and counted.

    Args:
        tally: The counts.
        engine: What answers; None where nothing is loaded.

    Yields:
        Name with its unit, and value.
    """
    if engine is not None:
        yield 'model', engine.name
        yield 'checksum', engine.checksum
        yield 'device', str(engine.device)
        yield 'back end', engine.backend.name
        yield 'rate of the model [Hz]', f'{engine.preprocessing.rate_hz:g}'
    yield 'rate of the camera [Hz]', _shown(tally.camera_hz())
    for percent in (50, 99):
        yield f'age of the images p{percent} [ms]', _shown(tally.age_ms(percent))
    for part in (INFERENCE, PIPELINE, PREPARATION):
        for percent in (50, 99):
            yield f'{part} p{percent} [ms]', _shown(tally.latency_ms(part, percent))
    for key, count in tally.counts.items():
        yield key, str(count)
    for reason, count in tally.dropped.items():
        yield f'dropped: {reason}', str(count)
    for name, count in tally.limited.items():
        yield f'limited: {name}', str(count)


def _shown(value: float | None) -> str:
    return 'unknown' if value is None else f'{value:.2f}'
