"""How much work a notebook does: a quick pass for the tests, minutes on a laptop, more on a GPU.

The environment variable `DIFFCOURSE_PROFILE` chooses; only numbers of steps and samples depend on it, never the code that runs.
"""

import os
from typing import TypeVar

PROFILES = ("smoke", "laptop", "gpu")
T = TypeVar("T")


def name() -> str:
    """The profile in force: `smoke`, `laptop` (the default) or `gpu`. ValueError if `DIFFCOURSE_PROFILE` is anything else."""
    chosen = os.environ.get("DIFFCOURSE_PROFILE") or "laptop"
    if chosen not in PROFILES:
        raise ValueError(f"DIFFCOURSE_PROFILE is {chosen!r}; it must be one of {', '.join(PROFILES)}")
    return chosen


def pick(*, smoke: T, laptop: T, gpu: T | None = None) -> T:
    """The value for the profile in force; `gpu` defaults to the laptop's. `steps = pick(smoke=20, laptop=1500, gpu=20_000)`."""
    return {"smoke": smoke, "laptop": laptop, "gpu": laptop if gpu is None else gpu}[name()]
