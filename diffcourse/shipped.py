"""What ships with the course, by its name, for modules that stand below `weights`: the package puts here how it is found.

So a network can be asked for by the name of its weights, `TextEncoder.from_pretrained("tiny-clip")`, and know nothing of files and cards.
"""

from collections.abc import Callable
from typing import Any


def _nothing(name: str) -> Any:
    return None


find: Callable[[str], Any] = _nothing  # (name) -> the ready model, or None if none of that name ships
