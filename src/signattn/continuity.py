"""Whether an image continues the one before, so that the network's memory may be used for it."""

from signattn.preprocess import NS_PER_S


class Continuity:
    """Watches the stamps, frame_ids and sizes of a camera's images."""

    def __init__(self) -> None:
        """Before the first image."""
        self.last_stamp_ns: int | None = None
        self._used_ns: int | None = None
        self._frame_id: str | None = None
        self._size: tuple[int, int] | None = None

    def stamped(self, stamp_ns: int, frame_id: str, max_gap_s: float) -> str:
        """Look at an image's header, in the order in which the images come.

        Args:
            stamp_ns: ns, the image's stamp.
            frame_id: The camera's frame.
            max_gap_s: s; a longer gap is a break.

        Returns:
            Why the image doesn't continue the one before; empty if it does.
        """
        last_ns, self.last_stamp_ns = self.last_stamp_ns, stamp_ns
        last_id, self._frame_id = self._frame_id, frame_id
        reason = ''
        if last_ns is not None and stamp_ns < last_ns:
            reason = f'stamp went back by {(last_ns - stamp_ns) / NS_PER_S:.3f} s'
        elif last_id not in (None, frame_id):
            reason = f'frame_id changed from {last_id!r} to {frame_id!r}'
        elif self._used_ns is not None and stamp_ns - self._used_ns > max_gap_s * NS_PER_S:
            gap_s = (stamp_ns - self._used_ns) / NS_PER_S
            reason = f'gap of {gap_s:.3f} s is longer than max_gap, {max_gap_s:g} s'
        if reason:
            self._used_ns = None
        return reason

    def use(self) -> None:
        """Note that the image was answered; gaps are counted from one such to the next."""
        self._used_ns = self.last_stamp_ns

    def decoded(self, height: int, width: int) -> str:
        """Look at a decoded image.

        Args:
            height: Rows.
            width: Pixels in a row.

        Returns:
            Why it doesn't continue the one before; empty if it does.
        """
        last, self._size = self._size, (height, width)
        if last in (None, self._size):
            return ''
        return f'size changed from {last[0]}×{last[1]} to {height}×{width}'
