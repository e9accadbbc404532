"""hypothesis: the same examples every time, and no files left in the working tree."""

import os
import tempfile

_storage = tempfile.TemporaryDirectory(prefix="diffcourse-hypothesis-")  # kept until pytest ends
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = _storage.name

from hypothesis import settings  # noqa: E402

settings.register_profile("diffcourse", deadline=None, database=None, derandomize=True, max_examples=60)
settings.load_profile("diffcourse")
