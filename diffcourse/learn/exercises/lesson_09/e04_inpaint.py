"""Inpainting: the loop that puts back what is known."""

from collections.abc import Callable
from itertools import groupby, pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from diffcourse.denoiser import Estimate, estimate
from diffcourse.editing import Inpainted
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_09._cases import SD, bent, gaussian, straight, walk
from diffcourse.samplers import trajectory
from diffcourse.schedule import CLEAN, Level


def inpaint(
    denoise,
    x: Tensor,
    levels: list[Level],
    step,
    x0: Tensor,
    noise: Tensor,
    mask: Tensor,
) -> Tensor:
    """Walk down all levels; draw a picture anew inside a mask, and keep it outside.

    levels: the noisiest first, the last one clean; each has .alpha and .sigma, two numbers.
    From each level `at` to the next, `to`: now = denoise(x, at) is the model's estimate, an
    object (no tensor) that is handed to step as it is, and step(now, to) is x at the level
    `to`. After every step, the last one too, what is known is put back where mask is false:
    the picture x0, as it looks at the level at which x then stands.
    x (B, C, h, w) is the start at levels[0]; nothing is put back before the first step. x0
    is the picture and noise standard Gaussian, both of x's shape: the known part carries
    this noise at every level, no other is drawn. mask (B, 1, h, w), bool, is true where x
    is drawn anew.
    Returns x at the last level; no argument is changed. No gradient is needed.
    """
    for at, to in pairwise(levels):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, to.alpha * x0 + to.sigma * noise)
    return x


def by_products(denoise, x, levels, step, x0, noise, mask):
    m = mask.to(x.dtype)
    for i in range(len(levels) - 1):
        drawn = step(denoise(x, levels[i]), levels[i + 1])
        known = levels[i + 1].noised(x0, noise)
        x = m * drawn + (1 - m) * known
    return x


def by_index(denoise, x, levels, step, x0, noise, mask):
    kept = ~mask.expand(x.shape)
    with torch.no_grad():
        at = levels[0]
        for to in levels[1:]:
            y = step(denoise(x, at), to).clone()
            y[kept] = (to.alpha * x0 + to.sigma * noise)[kept]
            x, at = y, to
    return x


def put_back_before(denoise, x, levels, step, x0, noise, mask):
    """Before each step but the first, and once at the end."""
    for i, (at, to) in enumerate(pairwise(levels)):
        if i:
            x = x.masked_fill(~mask, 0) + (at.alpha * x0 + at.sigma * noise).masked_fill(mask, 0)
        x = step(denoise(x, at), to)
    return torch.where(mask, x, x0)


def in_package(denoise, x, levels, step, x0, noise, mask):
    sampler = SimpleNamespace(step=lambda now, to, **asked: step(now, to), history=0)
    *_, end = trajectory(denoise, x, levels, Inpainted(sampler, x0, noise, mask))
    return end.x


def _wrong(
    known: Callable = lambda now, to, x0, noise: to.noised(x0, noise),
    joined: Callable = torch.where,
    guess: Callable = lambda now, x0, mask, noise: now,
    start: Callable = lambda x, at, x0, noise, mask: x,
    put_back: Callable = lambda i, n: True,
    asked: Callable = lambda x, first: x,
    end: Callable = lambda x, now, x0, mask: x,
) -> Callable:
    """inpaint with a part of its own."""

    def wrong(denoise, x, levels, step, x0, noise, mask):
        first, n = x, len(levels) - 1
        x = start(x, levels[0], x0, noise, mask)
        for i, (at, to) in enumerate(pairwise(levels)):
            now = guess(denoise(asked(x, first), at), x0, mask, noise)
            x = step(now, to)
            if put_back(i, n):
                x = joined(mask, x, known(now, to, x0, noise))
        return end(x, now, x0, mask)

    return wrong


def _before_only(denoise, x, levels, step, x0, noise, mask):
    for at, to in pairwise(levels):
        x = step(denoise(torch.where(mask, x, at.noised(x0, noise)), at), to)
    return x


def _fresh(denoise, x, levels, step, x0, noise, mask):
    for at, to in pairwise(levels):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, to.noised(x0, torch.randn_like(x0)))
    return x


def _asked_at_the_end(denoise, x, levels, step, x0, noise, mask):
    for _, to in pairwise(levels):
        x = torch.where(mask, step(denoise(x, to), to), to.noised(x0, noise))
    return x


def _stays(denoise, x, levels, step, x0, noise, mask):
    for at, to in pairwise(levels):
        x = torch.where(mask, step(denoise(x, at), at), to.noised(x0, noise))
    return x


def _its_guess_replaced(now: Estimate, x0: Tensor, mask: Tensor, noise: Tensor) -> Estimate:
    return now._replace(x0=torch.where(mask, now.x0, x0))


def _both_replaced(now: Estimate, x0: Tensor, mask: Tensor, noise: Tensor) -> Estimate:
    return now._replace(x0=torch.where(mask, now.x0, x0), eps=torch.where(mask, now.eps, noise))


def _its_guess_replaced_and_the_noise(now: Estimate, x0: Tensor, mask: Tensor, noise: Tensor) -> Estimate:
    return estimate(torch.where(mask, now.x0, x0), now.x, now.at, "x0")


def ddim(now: Estimate, to: Level) -> Tensor:
    """From x0 and eps to x."""
    return to.alpha * now.x0 + to.sigma * now.eps


def clipping(now: Estimate, to: Level) -> Tensor:
    """From x and x0, which is cut off at 0.5: as with `clipped`, eps is what is left of x."""
    x0 = now.x0.clamp(-0.5, 0.5)
    return to.alpha * x0 + to.sigma * (now.x - now.at.alpha * x0) / now.at.sigma


def hole(g: torch.Generator, *shape: int) -> Tensor:
    """About half of the places, another half in each picture."""
    return torch.rand(shape[0], 1, *shape[2:], generator=g) < 0.5


def job(levels: list[Level], *shape: int, step: Callable = ddim, mask: Callable = hole) -> Callable:
    return lambda g: (
        bent,
        normal(g, *shape),
        levels,
        step,
        0.5 * normal(g, *shape),
        normal(g, *shape),
        mask(g, *shape),
    )


HALF = torch.tensor([[[[True, True, False]] * 2]])
X0, NOISE, START = (gaussian(1, 2, 2, 3, seed=seed) for seed in (1, 2, 3))


class Seen:
    """A model that notes what it is asked about."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Level]] = []

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        self.seen.append((x.detach().clone(), at))
        return bent(x, at)


def _kept(x: Any) -> Tensor:
    return torch.as_tensor(x)[..., 2:]


def untouched(f: Callable) -> bool:
    return close(_kept(f(bent, START, walk(3.0, 1.0, 0.3), ddim, X0, NOISE, HALF)), _kept(X0), 1e-4)


def drawn_inside(f: Callable) -> bool:
    """The place inside the mask depends on the start, not on x0 there."""
    other = torch.where(HALF, X0 + 1, X0)
    both = [torch.as_tensor(f(bent, START, walk(3.0, 1.0), ddim, x0, NOISE, HALF))[..., :2] for x0 in (X0, other)]
    return close(both[0], both[1], 1e-4)


def asked_from_the_first_level(f: Callable) -> bool:
    model, levels = Seen(), walk(3.0, 1.0, 0.3)
    f(model, START, levels, ddim, X0, NOISE, HALF)
    return [at for at, _ in groupby(at for _, at in model.seen)] == levels[:-1]


def noised_to_the_level(f: Callable) -> bool:
    model, levels = Seen(), walk(3.0, 1.0, 0.3)
    f(model, START, levels, ddim, X0, NOISE, HALF)
    return all(close(_kept(x), _kept(at.noised(X0, NOISE)), 1e-4) for x, at in model.seen if at != levels[0])


def everything_drawn(f: Callable) -> bool:
    x, levels = START, walk(3.0, 1.0, 0.3)
    for at, to in pairwise(levels):
        x = ddim(bent(x, at), to)
    return close(f(bent, START, levels, ddim, X0, NOISE, torch.ones_like(HALF)), x, 1e-4)


EXERCISE = Exercise(
    name="09.inpaint",
    title="Inpainting",
    minutes=7,
    level=2,
    reference=inpaint,
    alternatives=[by_products, by_index, put_back_before],
    cases=[
        job(walk(2.0), 1, 1, 1, 2, mask=lambda g, *shape: torch.tensor([[[[True, False]]]])),
        job(walk(3.0, 1.0), 2, 1, 2, 3),
        job(straight(0.9, 0.6, 0.2), 2, 3, 3, 2),
        job(SD.levels(4), 3, 2, 2, 4),
        job(walk(5.0, 2.0, 0.7), 1, 2, 3, 4, step=clipping),
        job([Level(2.0, 1.0, 3.0), Level(1.0, 1.0, 1.2), CLEAN], 2, 2, 4, 3, step=clipping),
        job(walk(2.0, 0.5), 1, 2, 2, 3, mask=lambda g, *shape: torch.ones(1, 1, 2, 3, dtype=torch.bool)),
    ],
    invariants=[
        Invariant(
            "what is known stays",
            untouched,
            "Outside the mask, where it is false, the result should be x0 itself. Yours is something else there.",
        ),
        Invariant(
            "all levels but the last are asked",
            asked_from_the_first_level,
            "The model should be asked at each level but the last, from the noisiest down. Yours asks it at others, or in another order.",
        ),
        Invariant(
            "everything drawn anew",
            everything_drawn,
            "With a mask that is true everywhere nothing is put back: this is the plain walk. Yours ends somewhere else.",
        ),
        Invariant(
            "the picture under the mask",
            drawn_inside,
            "What x0 is where the mask is true must not matter: that is the part to be drawn anew. In yours it does.",
        ),
        Invariant(
            "as it looks at the level",
            noised_to_the_level,
            "At each level but the first, the model should see what is known as alpha·x0 + sigma·noise of that very level. Yours shows it "
            "something else.",
        ),
    ],
    mistakes=[
        Mistake(
            "clean",
            _wrong(known=lambda now, to, x0, noise: x0),
            "You put the picture back clean. At every level but the last the model expects noise of that level, everywhere: it sees an "
            "island without any, and what it draws does not fit to it.",
        ),
        Mistake(
            "the level behind",
            _wrong(known=lambda now, to, x0, noise: now.at.noised(x0, noise)),
            "You noise the picture to the level from which the step went. After the step x stands at the next one, and at the end the "
            "known part is noisy still.",
        ),
        Mistake(
            "the mask turned round",
            _wrong(joined=lambda mask, x, known: torch.where(mask, known, x)),
            "You keep what should be drawn anew, and draw the rest. The mask is true where x is drawn anew.",
        ),
        Mistake(
            "only at the end",
            _wrong(put_back=lambda i, n: i == n - 1),
            "You put the picture back at the end only. The walk inside the mask has then never seen it, and the two parts do not fit.",
        ),
        Mistake(
            "all but the end",
            _wrong(put_back=lambda i, n: i < n - 1),
            "Nothing is put back after your last step. So what is known was drawn by the model in the end, and is x0 only nearly.",
        ),
        Mistake(
            "before each step",
            _before_only,
            "You put the picture back before each step and not after. The start is not to be changed, and after the last step nothing is "
            "put back: the known part is what the model has made of it.",
        ),
        Mistake(
            "the start too",
            _wrong(start=lambda x, at, x0, noise, mask: torch.where(mask, x, at.noised(x0, noise))),
            "You put the picture back before the first step as well. That is a matter of taste, and the stub says otherwise: the start is "
            "taken as it is.",
        ),
        Mistake(
            "in the model's guess",
            _wrong(guess=_its_guess_replaced, put_back=lambda i, n: False),
            "You put the picture into the model's estimate of it, now.x0. The noise, now.eps, is still what the model believes, so x does "
            "not carry the noise that was given. Let the step be made first.",
        ),
        Mistake(
            "in the model's guess, with its noise",
            _wrong(guess=_its_guess_replaced_and_the_noise, put_back=lambda i, n: False),
            "You put the picture into the model's estimate, and work out the noise that then belongs to x. So x goes on with the noise "
            "that it has, where the one that was given is asked for, and a step that changes x0 changes the picture.",
        ),
        Mistake(
            "in the model's estimate, picture and noise",
            _wrong(guess=_both_replaced, put_back=lambda i, n: False),
            "You put the picture and its noise into the model's estimate and then make the step. DDIM makes the same of it; a step that "
            "looks at now.x too, or cuts off x0, does not. Put back after the step.",
        ),
        Mistake(
            "the model's noise",
            _wrong(known=lambda now, to, x0, noise: to.noised(x0, now.eps)),
            "You noise the picture with now.eps, the noise that the model believes to see. The noise that was given is to be used.",
        ),
        Mistake(
            "fresh noise",
            _fresh,
            "You draw fresh noise at each level. Some do, and each level is right so; here the noise that was given is used at all of "
            "them, so that the result is determined.",
        ),
        Mistake(
            "the signal forgotten",
            _wrong(known=lambda now, to, x0, noise: x0 + to.sigma * noise),
            "You add noise to the picture at its full strength. At a level the picture is multiplied by alpha too.",
        ),
        Mistake(
            "only noise",
            _wrong(known=lambda now, to, x0, noise: to.sigma * noise),
            "You put noise back, without the picture in it.",
        ),
        Mistake(
            "picture and noise interchanged",
            _wrong(known=lambda now, to, x0, noise: to.sigma * x0 + to.alpha * noise),
            "alpha and sigma are interchanged: alpha belongs to the picture.",
        ),
        Mistake(
            "sigma from alpha",
            _wrong(known=lambda now, to, x0, noise: to.alpha * x0 + (1 - to.alpha**2) ** 0.5 * noise),
            "You work sigma out of alpha, as if alpha² + sigma² were 1. There are other paths; the Level says its sigma.",
        ),
        Mistake(
            "added on top",
            _wrong(joined=lambda mask, x, known: x + ~mask * known),
            "Outside the mask you add the known part to what the step has made. It takes the place of it.",
        ),
        Mistake(
            "everywhere",
            _wrong(joined=lambda mask, x, known: mask * x + known),
            "You add the known part inside the mask too. There x is what the step has made, and nothing else.",
        ),
        Mistake(
            "nothing put back",
            _wrong(put_back=lambda i, n: False),
            "This is the plain walk: nothing of x0 is in it.",
        ),
        Mistake(
            "asked at the level of the end",
            _asked_at_the_end,
            "You ask the model about x at the level to which the step goes. x stands at the level from which it goes.",
        ),
        Mistake(
            "a step to where x stands",
            _stays,
            "Your step goes to the level at which x stands already.",
        ),
        Mistake(
            "the start again and again",
            _wrong(asked=lambda x, first: first),
            "You ask the model about the start at every level. Each step begins where the last one has led.",
        ),
        Mistake(
            "the model's picture",
            _wrong(end=lambda x, now, x0, mask: now.x0),
            "You return the model's last estimate of the picture. Outside the mask that is x0 only nearly. x, after the last step, is "
            "asked for.",
        ),
        Mistake(
            "the model's picture inside",
            _wrong(end=lambda x, now, x0, mask: torch.where(mask, now.x0, x0)),
            "Inside the mask you return the model's last estimate of the picture. With DDIM that is where the last step leads; with "
            "another step, such as one that cuts x0 off, it is not.",
        ),
    ],
    gradients=[],
    allowed={
        "denoise called twice": "the model depends on its arguments alone",
        "step called twice": "the step depends on its arguments alone",
    },
    hints=[
        "First the plain walk: a loop over pairs of neighbouring levels, and two calls in it. It must be right where the mask is true "
        "everywhere.",
        "Then, in the loop, after the step: at which level does x stand now, and how does x0 look there with this noise?",
        "torch.where takes x where the mask is true and the noised picture elsewhere. At the last level alpha is 1 and sigma 0.",
    ],
    package=InPackage("Inpainted(DDIM(), x0, noise, mask), a sampler like any other", in_package),
    insight="What is known enters at every level with the noise of that level, so the model sees one picture and fits the hole to its "
    "surroundings. No training is needed. Outside the mask no number changes; where these are latents, the decoded pixels still differ a "
    "little from the picture that was encoded.",
)
