"""What tests and notebooks share: a temporary home for progress and caches, the quick profile, no network, one thread a kernel."""

import os
import tempfile

_home = tempfile.TemporaryDirectory(prefix="diffcourse-test-")  # kept until pytest ends
os.environ["DIFFCOURSE_HOME"] = _home.name
os.environ["DIFFCOURSE_TEST"] = "1"
os.environ.setdefault("DIFFCOURSE_PROFILE", "smoke")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("DIFFCOURSE_DATA", None)  # no test needs the full MNIST
