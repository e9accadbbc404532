"""Arguments that are wrong, in Python: each is refused in a sentence that names it."""

from pathlib import Path

from campaign import case, refused
from diffcourse import data


@case("data.mnist of a split that does not exist")
def _(folder: Path) -> None:
    refused(lambda: data.mnist("validation"), "split", "validation", "train")
