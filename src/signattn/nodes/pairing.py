"""Messages of one stamp that come on several topics."""

from collections import OrderedDict
from typing import Any

CACHED = 10
"""Messages of each topic that wait for the others."""


class Pairing:
    """Waits until every part of the same stamp is there, however they come."""

    def __init__(self, *parts: str, optional: tuple[str, ...] = ()) -> None:
        """Wait for nothing yet.

        Args:
            *parts: Names of what belongs together.
            optional: Names of what belongs to it too, where it came before the last part.
        """
        self._parts = parts
        self._cached: dict[str, OrderedDict[int, Any]] = {
            part: OrderedDict() for part in (*parts, *optional)
        }

    def add(self, part: str, stamp_ns: int, message: Any) -> dict[str, Any] | None:
        """Take one part.

        Args:
            part: Which one.
            stamp_ns: ns, its stamp.
            message: What it is.

        Returns:
            All parts of the stamp by name, once the last one is there.
        """
        cache = self._cached[part]
        cache[stamp_ns] = message
        cache.move_to_end(stamp_ns)
        while len(cache) > CACHED:
            cache.popitem(last=False)
        if any(stamp_ns not in self._cached[name] for name in self._parts):
            return None
        return {
            name: cache.pop(stamp_ns) for name, cache in self._cached.items() if stamp_ns in cache
        }
