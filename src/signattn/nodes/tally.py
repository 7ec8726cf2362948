"""What became of the camera's frames: counts, latency, rates. Knows nothing of ROS."""

import math
from collections import Counter, deque

import numpy as np

NS_PER_S = 1_000_000_000
_KEPT = 1000
PIPELINE, INFERENCE, PREPARATION = 'pipeline', 'inference', 'preparation'


class Tally:
    """Counts of frames, and the latency and the rate of the last ones.

    Attributes:
        counts: How many frames were ``received``, ``answered`` and ``skipped`` (by the rate of the
            model), how many ``waited`` because they came before the network was ready for them,
            how many ``resets`` of the state there were; where the middleware numbers the frames,
            how many were sent and never seen here: ``missed``.
        dropped: How many frames couldn't be used, for each reason.
        limited: How many answers each safety limit acted on.
        ages_s: Ages of the last frames when they came, s.
        aspect_ratio: Width over height of the last picture; 0 before the first.
    """

    def __init__(self) -> None:
        """Start at zero."""
        names = ('received', 'answered', 'skipped', 'waited', 'resets')
        self.counts = Counter(dict.fromkeys(names, 0))
        self.dropped: Counter[str] = Counter()
        self.aspect_ratio = 0.0
        self._dropped_since: Counter[str] = Counter()
        self._waiting_since_ns: int | None = None
        self.limited: Counter[str] = Counter()
        self.ages_s: deque[float] = deque(maxlen=_KEPT)
        self._limited_ns: dict[str, int] = {}
        self._latencies_ms: dict[str, deque[float]] = {
            part: deque(maxlen=_KEPT) for part in (PIPELINE, INFERENCE, PREPARATION)
        }
        self._stamps_ns: deque[int] = deque(maxlen=100)
        self._paused = False
        self._number: int | None = None
        self._last_ns: int | None = None

    def restart(self) -> None:
        """Forget what can't be continued after a time without listening; counts stay."""
        self._stamps_ns.clear()
        self._dropped_since.clear()
        self._limited_ns.clear()
        self.ages_s.clear()
        self._waiting_since_ns = self._last_ns = self._number = None

    def receive(self, stamp_ns: int, now_ns: int, max_gap_s: float = math.inf) -> None:
        """Count a frame that came in.

        Args:
            stamp_ns: ns, its stamp.
            now_ns: ns, a clock that never stands still.
            max_gap_s: s; a longer gap between two stamps is a pause, which is no part of the
                rate, unless all gaps are so long.
        """
        self.counts['received'] += 1
        self._last_ns = now_ns
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        self._stamp(stamp_ns, max_gap_s)

    def follow(self, number: int) -> None:
        """Count the frames that were sent since the last one and didn't come in.

        Args:
            number: Which one it is, as its publisher counts; one that begins anew counts afresh.
        """
        last, self._number = self._number, number
        missed = 0 if last is None else number - last - 1
        self.counts['missed'] += max(0, missed)

    def _stamp(self, stamp_ns: int, max_gap_s: float) -> None:
        if self._stamps_ns:
            step_ns = stamp_ns - self._stamps_ns[-1]
            paused = step_ns > max_gap_s * NS_PER_S
            # The first step says what is usual.
            changed = len(self._stamps_ns) > 1 and paused != self._paused
            self._paused = paused
            if step_ns <= 0 or changed:
                self._stamps_ns.clear()
        self._stamps_ns.append(stamp_ns)

    def answer(self, pipeline_ns: int, inference_ns: int) -> None:
        """Count an answer.

        Args:
            pipeline_ns: ns from the frame's arrival to its published curvature.
            inference_ns: ns of that in the engine: preprocessing and network.
        """
        self.counts['answered'] += 1
        self._waiting_since_ns = None
        self._dropped_since.clear()
        self._latencies_ms[PIPELINE].append(pipeline_ns / 1e6)
        self._latencies_ms[INFERENCE].append(inference_ns / 1e6)

    def prepare(self, took_ns: int) -> None:
        """Note how long it took after an answer until the network was ready for the next frame.

        Args:
            took_ns: ns.
        """
        self._latencies_ms[PREPARATION].append(took_ns / 1e6)

    def limit(self, name: str, now_ns: int) -> None:
        """Count an answer that a safety limit changed.

        Args:
            name: The limit.
            now_ns: ns, a clock that never stands still.
        """
        self.limited[name] += 1
        self._limited_ns[name] = now_ns

    def limits_acting(self, now_ns: int, within_s: float = 1.0) -> list[str]:
        """Limits that acted in the last second, or another time."""
        return [
            name
            for name, then_ns in self._limited_ns.items()
            if now_ns - then_ns <= within_s * NS_PER_S
        ]

    def drop(self, reason: str) -> None:
        """Count a frame that couldn't be used.

        Args:
            reason: Why, in two words.
        """
        self.dropped[reason] += 1
        self._dropped_since[reason] += 1

    def unanswered_s(self, now_ns: int) -> float | None:
        """Seconds since the first frame after the last answer came in; None if there is none."""
        since_ns = self._waiting_since_ns
        return None if since_ns is None else (now_ns - since_ns) / NS_PER_S

    def most_dropped(self) -> tuple[str, int] | None:
        """Most frequent reason since the last answer, and how often; None if nothing was."""
        return next(iter(self._dropped_since.most_common(1)), None)

    def camera_hz(self) -> float | None:
        """Rate of the camera by its stamps; None before the tenth frame."""
        if len(self._stamps_ns) < 10:
            return None
        return (len(self._stamps_ns) - 1) * NS_PER_S / (self._stamps_ns[-1] - self._stamps_ns[0])

    def latency_ms(self, part: str, percent: float) -> float | None:
        """Percentile of the last 1,000 latencies, ms; None before the first.

        Args:
            part: ``pipeline``, ``inference`` or ``preparation``.
            percent: 50 for the median.
        """
        return _percentile(self._latencies_ms[part], percent)

    def age_ms(self, percent: float) -> float | None:
        """Percentile of the last 1,000 ages, ms; None before the first."""
        age_s = _percentile(self.ages_s, percent)
        return None if age_s is None else 1000 * age_s

    def silence_s(self, now_ns: int) -> float | None:
        """Seconds since the last frame came in; None before the first."""
        return None if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_S


def _percentile(values: deque[float], percent: float) -> float | None:
    return float(np.percentile(np.array(values), percent)) if values else None
