"""An SDE, step by step."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from diffcourse import sde
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import Drawn


def euler_maruyama(
    drift: Callable[[Tensor, float], Tensor],
    diffusion: Callable[[float], float],
    x: Tensor,
    times: list[float],
    noise: Callable[[], Tensor],
) -> Tensor:
    """Follow dx = drift(x, t)·dt + diffusion(t)·dw from x at times[0] through all times.

    Over a step, drift and diffusion are held at what they are at its start; dw is the increment
    of Brownian motion over it. times (K + 1 numbers) rise, or fall: then dt < 0, and dw has the
    variance |dt|.
    drift(x, t) returns x's shape, diffusion(t) a number, noise() standard Gaussian noise of x's
    shape, another at each call: one call a step. x (B, …). Returns (K + 1, B, …), x at each
    time, the start first; the caller's x stays as it is. No gradient is needed.
    """
    xs = [x]
    for t, to in pairwise(times):
        dt = to - t
        x = x + drift(x, t) * dt + diffusion(t) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


def by_index(drift, diffusion, x, times, noise):
    xs = torch.zeros(len(times), *x.shape, dtype=x.dtype)
    xs[0] = x
    for k in range(len(times) - 1):
        dt = times[k + 1] - times[k]
        dw = math.sqrt(math.fabs(dt)) * noise()
        xs[k + 1] = xs[k].clone() + dt * drift(xs[k].clone(), times[k]) + diffusion(times[k]) * dw
    return xs


def by_hand(drift, diffusion, x, times, noise):
    found, now = [x.clone()], x
    widths = torch.tensor(times, dtype=torch.float64).diff()
    for t, dt in zip(times, widths.tolist(), strict=False):
        slope, g = drift(now, t), diffusion(t)
        now = now + slope * dt
        now = now + g * (dt**2) ** 0.25 * noise()
        found += [now]
    return torch.stack(found, dim=0)


def _step(
    slope: Callable = lambda drift, x, t, to: drift(x, t),
    strength: Callable = lambda diffusion, t, to: diffusion(t),
    width: Callable = lambda dt: dt,
    spread: Callable = lambda dt: abs(dt) ** 0.5,
    kept: Callable = torch.stack,
    fresh: bool = True,
) -> Callable:
    """Euler-Maruyama with one part of its own."""

    def wrong(drift, diffusion, x, times, noise):
        xs, z = [x], None
        for t, to in pairwise(times):
            z = noise() if fresh or z is None else z
            x = x + slope(drift, x, t, to) * width(to - t) + strength(diffusion, t, to) * spread(to - t) * z
            xs.append(x)
        return kept(xs)

    return wrong


def _drift_by_itself(drift, diffusion, x, times, noise):
    start, xs = x, [x]
    for t, to in pairwise(times):
        x = x + drift(start, t) * (to - t) + diffusion(t) * abs(to - t) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


def _equal_widths(drift, diffusion, x, times, noise):
    xs, dt = [x], (times[-1] - times[0]) / (len(times) - 1)
    for t in times[:-1]:
        x = x + drift(x, t) * dt + diffusion(t) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


def _noise_inside(drift, diffusion, x, times, noise):
    """The drift is asked at the place where the noise has led to."""
    xs = [x]
    for t, to in pairwise(times):
        x = x + diffusion(t) * abs(to - t) ** 0.5 * noise()
        x = x + drift(x, t) * (to - t)
        xs.append(x)
    return torch.stack(xs)


def _heun(drift, diffusion, x, times, noise):
    xs = [x]
    for t, to in pairwise(times):
        dw = diffusion(t) * abs(to - t) ** 0.5 * noise()
        there = x + drift(x, t) * (to - t) + dw
        x = x + (drift(x, t) + drift(there, to)) / 2 * (to - t) + dw
        xs.append(x)
    return torch.stack(xs)


def _in_place(drift, diffusion, x, times, noise):
    for t, to in pairwise(times):
        x += drift(x, t) * (to - t) + diffusion(t) * abs(to - t) ** 0.5 * noise()
    return torch.stack([x for _ in times])


def pull(x: Tensor, t: float) -> Tensor:
    """A drift that knows place and time, and is not linear in either."""
    return -(1 + t) * x + torch.sin(2 * x)


def rising(t: float) -> float:
    return 0.5 + t**2


def walk(times: list[float], *shape: int, drift: Callable = pull, seed: int = 0):
    return lambda g: (drift, rising, normal(g, *shape), times, Drawn(*shape, seed=seed))


def one_call_a_step(f) -> bool:
    noise = Drawn(2, 1)
    f(pull, rising, torch.ones(2, 1), [0.0, 0.2, 0.7, 0.8], noise)
    return noise.calls == 3


def variance(f) -> bool:
    """Of dx = dw, from 0: the time."""
    noise = Drawn(20_000, 1)
    xs = f(lambda x, t: 0 * x, lambda t: 1.0, torch.zeros(20_000, 1), [0.0, 0.5, 2.5], noise)
    return close(torch.as_tensor(xs).var(dim=(1, 2)), torch.tensor([0.0, 0.5, 2.5]), 0.04)


def in_package(drift, diffusion, x, times, noise):
    """The package draws for itself: its walk without noise, a step at a time, and this noise."""
    xs = [x]
    for t, to in pairwise(times):
        *_, mean = sde.euler_maruyama(drift, 0.0, xs[-1], [t, to])
        xs.append(mean + diffusion(t) * abs(to - t) ** 0.5 * noise())
    return torch.stack(xs)


EXERCISE = Exercise(
    name="08.euler_maruyama",
    title="Follow an SDE",
    minutes=6,
    level=2,
    reference=euler_maruyama,
    alternatives=[by_index, by_hand],
    cases=[
        walk([0.0, 0.25, 0.5], 2, 1),
        walk([0.0, 0.1, 0.4, 0.5, 1.2], 3, 2, seed=1),
        walk([1.0, 0.9, 0.5, 0.2], 2, 3, seed=2),
        walk([0.3, 0.7], 1, 2, 2, seed=3),
        walk([0.0, 0.5, 0.6], 4, 2, drift=lambda x, t: 0 * x + t, seed=4),
    ],
    invariants=[
        Invariant(
            "one call of noise a step",
            one_call_a_step,
            "Three steps need three draws, a fresh one each. Yours calls noise() another number of times.",
        ),
        Invariant(
            "variance of Brownian motion",
            variance,
            "With drift 0 and diffusion 1 this is Brownian motion, whose variance is the time that has passed. Yours has another one.",
        ),
    ],
    mistakes=[
        Mistake(
            "dt for its root",
            _step(spread=abs),
            "Your noise is multiplied by |dt|, so its variance is dt²: with many small steps nothing of it is left. An increment of "
            "Brownian motion has the variance |dt|.",
        ),
        Mistake(
            "dt for its root, with its sign",
            _step(spread=lambda dt: dt),
            "Your noise is multiplied by dt, so its variance is dt². An increment of Brownian motion has the variance |dt|.",
        ),
        Mistake(
            "root of a negative number",
            _step(spread=math.sqrt),
            "Where times fall you take the root of a negative dt. The variance of an increment is |dt|.",
        ),
        Mistake(
            "root of a negative number, without an error",
            _step(spread=lambda dt: dt**0.5),
            "Where times fall you take the root of a negative dt: Python makes a complex number of it. The variance of an increment is "
            "|dt|.",
        ),
        Mistake(
            "NaN for the root of a negative number",
            _step(spread=lambda dt: torch.tensor(dt).sqrt()),
            "Where times fall you take the root of a negative dt: torch makes NaN of it. The variance of an increment is |dt|.",
        ),
        Mistake(
            "noise without time",
            _step(spread=lambda dt: 1.0),
            "Every step gets the same noise, however short it is: with twice as many steps the path is twice as wild. What is the spread "
            "of an increment over dt?",
        ),
        Mistake(
            "root of two dt",
            _step(spread=lambda dt: (2 * abs(dt)) ** 0.5),
            "Your increments have the variance 2·|dt|. That is Langevin's step, whose diffusion is √2; here `diffusion` says it all.",
        ),
        Mistake(
            "drift with the root",
            _step(width=lambda dt: dt / abs(dt) ** 0.5),
            "Your drift is multiplied by the root of |dt| too. Only the noise has a root: the drift's moves all go the same way and add "
            "up.",
        ),
        Mistake(
            "|dt| for the drift",
            _step(width=abs),
            "You take the width of a step for dt. Where times fall dt is negative, and the drift is walked backwards.",
        ),
        Mistake(
            "nothing where times fall",
            _step(spread=lambda dt: max(0.0, dt) ** 0.5),
            "Where times fall your noise is gone. An increment has the variance |dt|, whichever way time runs.",
        ),
        Mistake(
            "diffusion squared",
            _step(strength=lambda diffusion, t, to: diffusion(t) ** 2),
            "You multiply the noise by the square of the diffusion, which is a variance. dw stands beside diffusion(t) itself.",
        ),
        Mistake(
            "the end of the step",
            _step(slope=lambda drift, x, t, to: drift(x, to), strength=lambda diffusion, t, to: diffusion(to)),
            "You ask drift and diffusion at the time at which the step ends. They are held at what they are at its start.",
        ),
        Mistake(
            "diffusion at the end of the step",
            _step(strength=lambda diffusion, t, to: diffusion(to)),
            "You ask the diffusion at the time at which the step ends, and the drift where it starts. Both are held at the start.",
        ),
        Mistake(
            "the drift of the start",
            _drift_by_itself,
            "You ask the drift at the place where the whole walk began. It pulls at where x is now.",
        ),
        Mistake(
            "equal widths",
            _equal_widths,
            "All your steps are equally wide. The times need not be evenly spaced: each step has its own dt.",
        ),
        Mistake(
            "one draw for all",
            _step(fresh=False),
            "You draw once and use that noise in every step, so all increments go the same way. They are independent: draw in each.",
        ),
        Mistake(
            "noise before drift",
            _noise_inside,
            "You add the noise first and ask the drift where it has led to. Both are taken at the start of the step.",
        ),
        Mistake(
            "only the end",
            _step(kept=lambda xs: xs[-1]),
            "You return where the walk ends. All places are wanted, the start first: (K + 1, B, …).",
        ),
        Mistake(
            "a list",
            _step(kept=list),
            "The places are right, and in a list. One tensor is asked for, (K + 1, B, …): stack them.",
        ),
        Mistake(
            "without the start",
            _step(kept=lambda xs: torch.stack(xs[1:])),
            "The start is missing: K steps join K + 1 places.",
        ),
        Mistake(
            "in place",
            _in_place,
            "You change x in place, so all your places are one tensor, which shows the last one, and the caller's x is another one "
            "afterwards. Make a new tensor in each step.",
        ),
        Mistake(
            "no drift",
            _step(slope=lambda drift, x, t, to: 0 * x),
            "This is the noise alone: nothing pulls. The drift is missing.",
        ),
        Mistake(
            "no noise",
            _step(strength=lambda diffusion, t, to: 0.0),
            "This is Euler's method for the ODE dx/dt = drift, without any noise.",
        ),
        Mistake(
            "the middle of the step",
            _step(
                slope=lambda drift, x, t, to: drift(x, (t + to) / 2),
                strength=lambda diffusion, t, to: diffusion((t + to) / 2),
            ),
            "You ask drift and diffusion at the middle of the step. They are held at what they are at its start.",
        ),
        Mistake(
            "Heun's step",
            _heun,
            "This is Heun's step: the mean of two drifts, at both ends. In Euler and Maruyama's one drift, that of the start, holds for "
            "the whole step.",
        ),
        Mistake(
            "diffusion under the root",
            _step(strength=lambda diffusion, t, to: diffusion(t) ** 0.5),
            "Your diffusion stands under the root with |dt|, as if it were a variance. Here it multiplies dw as it is.",
        ),
        Mistake(
            "noise without diffusion",
            _step(strength=lambda diffusion, t, to: 1.0),
            "Your noise is dw itself, of strength 1 at every time. It has a factor, diffusion(t).",
        ),
        Mistake(
            "dw with the sign of dt",
            _step(spread=lambda dt: math.copysign(abs(dt) ** 0.5, dt)),
            "Where times fall you subtract the noise. It is as likely as its opposite, so your walks have the right distribution; to be "
            "compared with others that get the same noise, add it whichever way time runs.",
        ),
    ],
    hints=[
        "A step goes from one of the times to the next. What are dt and the spread of dw there? Mind the sign of dt.",
        "Three terms: where x is, what the drift does in dt, what the noise does in it. Only one of them has a root.",
        "A loop over pairs of times; drift and diffusion asked at the first of the two; each new x appended to a list; torch.stack at the "
        "end.",
    ],
    package=InPackage(
        "sde.euler_maruyama(drift, diffusion, x, times, generator=…), which draws for itself", in_package
    ),
    gradients=[],
    allowed={"d* called twice": "drift and diffusion depend on their arguments alone"},
    insight="All that moves in this lesson goes through this loop, forward and back, with noise and without: only drift, diffusion and the "
    "direction of time change.",
)
