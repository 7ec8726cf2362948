"""One status of /diagnostics: what the drive node did with its frames, and what is wrong."""

import time
from collections.abc import Iterator

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from signattn.nodes.tally import Tally
from signattn.stream import Engine

SILENCE_S = 1.0
"""Without an image for so long the status is STALE; with images and no answer it is ERROR."""

SLOWEST = 0.8
"""A camera slower than this share of the model's rate is a warning."""

ASPECT_TOLERANCE = 0.02
"""So much may the picture's aspect ratio differ from the training pictures', relatively."""

Problem = tuple[bytes, str]


def drive_status(name: str, state: str, tally: Tally, engine: Engine | None) -> DiagnosticStatus:
    """The status of a drive node.

    Args:
        name: The node's full name.
        state: Its lifecycle state.
        tally: What it counted.
        engine: What it runs; None where nothing is loaded.

    Returns:
        The status: the worst level, all problems as its message, the numbers as values.
    """
    found = list(_problems(tally, engine)) if state == 'active' and engine else []
    status = DiagnosticStatus(name=f'{name}: steering curvature', hardware_id=name)
    status.level = max((level for level, _ in found), default=DiagnosticStatus.OK)
    status.message = '; '.join(text for _, text in found) or state
    for key, value in _values(state, tally, engine):
        status.values.append(KeyValue(key=key, value=value))
    return status


def _problems(tally: Tally, engine: Engine) -> Iterator[Problem]:
    yield from _silence(tally, engine)
    rate, wanted = tally.camera_hz(), engine.preprocessing.rate_hz
    if rate is not None and rate < SLOWEST * wanted:
        text = f'camera must give at least {SLOWEST * wanted:g} images/s, gives {rate:.1f}'
        yield DiagnosticStatus.WARN, text
    trained = engine.preprocessing.aspect_ratio
    seen = tally.aspect_ratio
    if trained and seen and abs(seen / trained - 1) > ASPECT_TOLERANCE:
        text = f'aspect ratio must be {trained:.3f} as in training, is {seen:.3f}'
        yield DiagnosticStatus.WARN, text


def _silence(tally: Tally, engine: Engine) -> Iterator[Problem]:
    now_ns = time.monotonic_ns()
    silence, unanswered = tally.silence_s(now_ns), tally.unanswered_s(now_ns)
    # A slow model skips images for longer; its next step but one is the limit.
    patience = max(SILENCE_S, 2 / engine.preprocessing.rate_hz)
    if silence is None:
        yield DiagnosticStatus.STALE, 'no image yet'
    elif silence > SILENCE_S:
        yield DiagnosticStatus.STALE, f'no image for {silence:.1f} s'
    elif unanswered is not None and unanswered > patience:
        text = f'images come, none was answered for {unanswered:.1f} s'
        most = tally.most_dropped()
        yield DiagnosticStatus.ERROR, f'{text}: {most[1]} dropped, {most[0]}' if most else text
    elif not tally.counts['answered']:
        yield DiagnosticStatus.WARN, 'no image could be answered yet'


def _values(state: str, tally: Tally, engine: Engine | None) -> Iterator[tuple[str, str]]:
    yield 'state', state
    if engine is not None:
        yield 'model', engine.name
        yield 'checksum', engine.checksum
        yield 'device', str(engine.device)
        yield 'rate of the model [Hz]', f'{engine.preprocessing.rate_hz:g}'
    yield 'rate of the camera [Hz]', _shown(tally.camera_hz())
    yield 'latency p50 [ms]', _shown(tally.latency_ms(50))
    yield 'latency p99 [ms]', _shown(tally.latency_ms(99))
    for key, count in tally.counts.items():
        yield key, str(count)
    for reason, count in tally.dropped.items():
        yield f'dropped: {reason}', str(count)


def _shown(value: float | None) -> str:
    return 'unknown' if value is None else f'{value:.2f}'
