"""Euler ancestral, the most used entry of the menus, in the package's protocol."""

from collections.abc import Callable

import torch

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises.lesson_04._samplers import UNCHANGED, Drawn, fresh, level, seen
from diffcourse.samplers import DDIM


class EulerAncestral:
    """Euler a: a straight step down to *less* noise than `to` has, then fresh noise up to it.

    In y = x/alpha noise is only added: y_t = y_0 + u_t·eps, u = nsr = sigma/alpha. The fresh
    noise has the standard deviation u_up of q(y_s | y_t, y_0), to be derived from
    y_s = y_0 + u_s·e and y_t = y_s + more noise. What is kept of the old noise, u_down·eps,
    makes u_s² full.
    now is an Estimate (.x, .at, .x0, .eps); now.at and to are Levels (.alpha, .nsr: numbers;
    nsr is 0 at the clean image).
    noise() draws fresh noise of now.x's shape: one call, none in the step to the clean image.
    Returns x at the level `to`.
    """

    history = 0

    def step(self, now, to, past=(), denoise=None, noise=None):
        u, u_to = now.at.nsr, to.nsr
        u_up = u_to * (u**2 - u_to**2) ** 0.5 / u
        u_down = (u_to**2 - u_up**2) ** 0.5
        y = now.x / now.at.alpha + (u_down - u) * now.eps
        return to.alpha * (y + u_up * noise() if u_up > 0 else y)


class FromTheImage:
    history = 0

    def step(self, now, to, past=(), denoise=None, noise=None):
        u, s = now.at.nsr, to.nsr
        x = to.alpha * (now.x0 + s**2 / u * now.eps)  # u_down = u_s²/u_t
        if to.nsr == 0:
            return x
        return x + to.alpha * torch.tensor(s**2 * (1 - s**2 / u**2)).sqrt() * noise()


class ByPrecisions:
    """1/variance = 1/u_s² + 1/(u_t² - u_s²): two looks at y_s."""

    history = 0

    def step(self, now, to, past=(), denoise=None, noise=None):
        u, s = now.at.nsr, to.nsr
        if s == 0:
            return now.x0 * to.alpha
        variance = 1 / (1 / s**2 + 1 / (u**2 - s**2))
        y = now.x0 + (s**2 - variance) ** 0.5 * now.eps + variance**0.5 * noise()
        return y * to.alpha


class InThePackage:
    history = 0

    def step(self, now, to, past=(), denoise=None, noise=None):
        return DDIM(eta=1.0).step(now, to, noise=noise)


def _up(u: float, s: float) -> float:
    return s * (u**2 - s**2) ** 0.5 / u


def _wrong(
    up: Callable = _up,
    down: Callable = lambda u, s, up: max(0.0, s**2 - up**2) ** 0.5,
    finish: Callable = lambda now, to, y: to.alpha * y,
    scale: Callable = lambda now: now.x / now.at.alpha,
    weight: Callable = lambda up: up,
) -> type:
    """A sampler with one part of its own."""

    class Wrong:
        history = 0

        def step(self, now, to, past=(), denoise=None, noise=None):
            u, s = now.at.nsr, to.nsr
            u_up = up(u, s)
            y = scale(now) + (down(u, s, u_up) - u) * now.eps
            return finish(now, to, y + weight(u_up) * noise() if u_up > 0 else y)

    return Wrong


def lands_on_the_image(cls: type) -> bool:
    """Without a call of noise()."""
    now, noise = seen(torch.Generator().manual_seed(0), 1.5, 2, 3), Drawn(torch.ones(2, 3))
    return close(cls().step(now, level(0.0), (), None, noise), now.x0) and noise.calls == 0


def fills_up(cls: type) -> bool:
    """From eps and z of variance 1 comes noise of variance u_s² about the image."""
    now = seen(torch.Generator().manual_seed(1), 2.0, 1, 1)
    one = torch.ones(1, 1)
    now = now._replace(x=now.at.sigma * one, x0=0 * one, eps=one)
    quiet = cls().step(now, level(0.7), (), None, Drawn(0 * one)) / level(0.7).alpha
    both = cls().step(now, level(0.7), (), None, Drawn(one)) / level(0.7).alpha
    return close(quiet**2 + (both - quiet) ** 2, torch.full((1, 1), 0.49))


EXERCISE = Exercise(
    name="04.EulerAncestral",
    title="A sampler of your own: Euler ancestral",
    kind="class",
    minutes=15,
    level=3,
    reference=EulerAncestral,
    alternatives=[FromTheImage, ByPrecisions],
    cases=[
        fresh(2.0, 1.0, 1, 2),
        fresh(9.0, 0.5, 2, 3),
        fresh(1.0, 0.9, 3, 1, 2),
        fresh(0.4, 0.0, 2, 2),
        fresh(0.08, 0.03, 2, 2),
        fresh(30.0, 25.0, 1, 3),
    ],
    invariants=[
        UNCHANGED,
        Invariant(
            "asks for no past",
            lambda cls: cls().history == 0,
            "The steps are right, but `history` asks for estimates that they never look at: 0 is enough.",
            only_if_right=True,
        ),
        Invariant(
            "fills the level",
            fills_up,
            "Old and fresh noise together must have the variance u_s² about the predicted image, the noise of the level you go to. Yours "
            "have not.",
        ),
        Invariant(
            "no noise on the clean image",
            lands_on_the_image,
            "The step to the clean image has to land on the predicted one, without a call of noise(): there is nothing to fill up.",
        ),
    ],
    mistakes=[
        Mistake(
            "the variance of what the jump adds",
            _wrong(up=lambda u, s: min((u**2 - s**2) ** 0.5, s)),
            "This fresh noise has the variance u_t² − u_s², all that lies between the levels. y_t *and* y_0 are known: both say something "
            "of y_s, and what is left is less.",
        ),
        Mistake(
            "DDIM's, in x",
            _wrong(up=lambda u, s: _up(u, s) / (1 + s**2) ** 0.5),
            "This is the standard deviation of the fresh noise in x, as in DDIM. Here it is added to y = x/alpha: divide it by the alpha "
            "of `to`.",
        ),
        Mistake(
            "squares forgotten",
            _wrong(up=lambda u, s: s * (1 - s / u) ** 0.5),
            "Variances, not standard deviations, stand in the precisions: u_s² and u_t², squared.",
        ),
        Mistake(
            "all noise fresh",
            _wrong(up=lambda u, s: s),
            "All noise at the new level is fresh here, and none of the old one is kept: that noises the predicted image anew. The "
            "posterior keeps a part.",
        ),
        Mistake(
            "no fresh noise",
            _wrong(up=lambda u, s: 0.0),
            "This is plain Euler: the old noise alone fills the level. Ancestral steps go further down, and fill up with fresh noise.",
        ),
        Mistake(
            "not taken off",
            _wrong(down=lambda u, s, up: s),
            "You go straight down to the level itself and add fresh noise on top. Old and fresh noise share u_s²: their squares add up.",
        ),
        Mistake(
            "standard deviations subtracted",
            _wrong(down=lambda u, s, up: s - up),
            "You take u_up off u_s. They are standard deviations of independent noises: it is the squares that add up.",
        ),
        Mistake(
            "x in the place of y",
            _wrong(scale=lambda now: now.x, finish=lambda now, to, y: y),
            "You walk in x, where the noise is not only added but the image shrinks too. Go over to y = x/alpha, and back at the end.",
        ),
        Mistake(
            "not brought back",
            _wrong(finish=lambda now, to, y: y),
            "You return y. The loop wants x at the level `to`, which is y times the alpha there.",
        ),
        Mistake(
            "back with the old alpha",
            _wrong(finish=lambda now, to, y: now.at.alpha * y),
            "You come back with the alpha of the level you left. After the step x stands at `to`.",
        ),
        Mistake(
            "variance for standard deviation",
            _wrong(weight=lambda up: up**2),
            "The fresh noise is multiplied by u_up², its variance. Multiplying by c gives a variance of c².",
        ),
        Mistake(
            "upside down",
            _wrong(up=lambda u, s: s * (u**2 - s**2) ** 0.5 * u / (u**2 + s**2)),
            "Your posterior's variance divides by u_t² + u_s². The variance of y_t about y_0 is u_t² alone: the "
            "noise of level s is a part of it.",
        ),
    ],
    gradients=[],
    allowed={
        "* in reversed order": "an Estimate and a Level have named parts, and stay as they are",
        "past always ()": "it asks for no past",
        "denoise always None": "it asks the network nothing more",
    },
    hints=[
        "Two looks at y_s: from y_0, with the variance u_s², and from y_t, with u_t² − u_s². Lesson 02 multiplied two such Gaussians.",
        "Precisions add: 1/u_up² = 1/u_s² + 1/(u_t² − u_s²). Bring it on one fraction. Then u_down² = u_s² − u_up².",
        "y = x/alpha, an Euler step from u_t to u_down with the slope eps, then u_up times noise() if u_up is not 0, then times the alpha "
        "of `to`.",
    ],
    package=InPackage("DDIM(eta=1.0), or DDPM()", InThePackage),
    insight="Written in x, this is DDIM with η = 1: the DDPM of the visited levels. The menus' favourite is the oldest sampler.",
)
