"""The last things that were made, by what they were made from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Cache:
    """Keeps the things that were asked for last, as many as weigh `size` together, the newest in any case; each weighs
    1 unless `weight` says otherwise."""

    def __init__(self, size: int, weight: Callable[[Any], int] = lambda _: 1) -> None:
        self._size, self._weight = size, weight
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._total = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made under this key, or is now."""
        if key not in self._kept:
            self._kept[key] = make()
            self._total += self._weight(self._kept[key])
        self._kept.move_to_end(key)
        while self._total > self._size and len(self._kept) > 1:
            self._total -= self._weight(self._kept.popitem(last=False)[1])
        made: T = self._kept[key]
        return made
