"""What ships with the course, by its name, for modules that stand below `weights`: the package puts here how it is found.

So a network can be asked for by the name of its weights, `TextEncoder.from_pretrained("tiny-clip")`, and know nothing of files and cards.

One rule holds wherever a name or a path will do: a string that is the name of shipped weights means those, whatever lies in the current
folder; every other string, and every `Path`, is a path. So `"./tiny-clip"` is a file of one's own, and nothing is saved as `"tiny-clip"`.
"""

from collections.abc import Callable, Collection
from typing import Any


def _nothing(name: str) -> Any:
    return None


find: Callable[[str], Any] = _nothing  # (name) -> the ready model of shipped weights
names: Callable[[], Collection[str]] = tuple  # () -> the names of all that ships


def is_name(name: object) -> bool:
    """Does this mean shipped weights? See the rule above."""
    return isinstance(name, str) and name in names()
