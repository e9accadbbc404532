"""Files that are written as a whole or not at all. Without torch: the command line and the progress file use it too."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Any]:
    """A binary file that becomes `path` when the block ends well; otherwise nothing changes and nothing is left behind."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {str(path)!r} ({error.strerror or error}); nothing was changed"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as a whole or not at all."""
    with atomic_write(path) as file:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        text = re.sub(
            r"\[[^][{}\"]*\]", lambda numbers: " ".join(numbers[0].split()), text
        )  # a list of numbers on one line
        file.write((text + "\n").encode())
