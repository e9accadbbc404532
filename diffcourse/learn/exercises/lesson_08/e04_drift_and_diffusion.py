"""The SDE of any path."""

from diffcourse.learn.exercise import Exercise


def drift_and_diffusion(
    alpha: float,
    sigma: float,
    d_alpha: float,
    d_sigma: float,
) -> tuple[float, float]:
    """The f and the g at one time t for which dx = f·x·dt + g·dw runs along a path.

    The path: x_t = alpha(t)·x0 + sigma(t)·eps, for any data x0. alpha and sigma are the values
    at t, d_alpha and d_sigma their rates of change, d/dt; all are numbers, alpha and sigma > 0.
    Ask what a short step of the SDE does to the mean of x, and what to its variance, at a given
    x0. Returns (f, g), g >= 0; no path comes here whose noise would have to be taken out again.
    """
    f = d_alpha / alpha
    return f, (2 * sigma * (d_sigma - f * sigma)) ** 0.5


EXERCISE = Exercise(
    name="08.drift_and_diffusion",
    title="Every path has an SDE",
    minutes=8,
    level=2,
    reference=drift_and_diffusion,
)
