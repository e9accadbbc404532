"""The same arithmetic for three families."""

import math
from collections.abc import Callable

from diffcourse.learn.exercise import Exercise, Invariant, Mistake


def equal_cost(
    flops: dict[str, float], batch: int, budget: float, T: int, S: int, guided: bool
) -> dict[str, tuple[int, float]]:
    """Training steps that a budget pays for, and the price of an image, in three families.

    flops: what one image costs on its way forward through a network, by the network's name,
    "encoder" and "decoder" of a VAE, "generator" and "discriminator" of a GAN, "denoiser" of a
    diffusion model. The way back through a network costs twice as much where its weights are
    trained, and as much as the way forward where only its input needs a gradient; else there is
    none. Losses and noise are free.
    Training: a step takes `batch` images.
    - VAE: the images go through encoder and decoder, and both learn.
    - GAN: first the discriminator learns, from the images and from as many generated ones,
      through which no gradient flows. Then the generator learns, from as many newly generated
      ones; the discriminator's weights stay as they are.
    - Diffusion: the denoiser learns by the usual loss; there are noise levels 1 to T.
    Drawing: a sampler takes S steps and asks for one estimate in each; if guided, it is an
    estimate led by classifier-free guidance.
    Returns {"VAE": (steps, price), "GAN": …, "diffusion": …}: whole steps (int) that `budget`
    pays for in full, and the price of one image. Budget and prices are in the unit of flops.
    """
    trained = 3  # forward, and backward to inputs and weights
    step = {
        "VAE": trained * (flops["encoder"] + flops["decoder"]),
        "GAN": (1 + trained) * flops["generator"] + (2 * trained + 2) * flops["discriminator"],
        "diffusion": trained * flops["denoiser"],
    }
    image = {
        "VAE": flops["decoder"],
        "GAN": flops["generator"],
        "diffusion": (2 if guided else 1) * S * flops["denoiser"],
    }
    return {family: (int(budget // (batch * cost)), image[family]) for family, cost in step.items()}


def one_after_the_other(flops, batch, budget, T, S, guided):
    e, d, g, c, net = (flops[name] for name in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    spent = {"VAE": 0, "GAN": 0, "diffusion": 0}
    for _ in range(3):  # forward, input, weights
        spent["VAE"] += e + d
        spent["diffusion"] += net
    spent["GAN"] += g  # fakes for the discriminator
    spent["GAN"] += 3 * c + 3 * c  # real and fake
    spent["GAN"] += g + c + c + 2 * g  # forward through both, and back: to the input of the one, and through the other
    drawn = {"VAE": d, "GAN": g, "diffusion": S * net + (S * net if guided else 0)}
    return {name: (math.floor(budget / (batch * spent[name])), drawn[name]) for name in spent}


PASSES = {  # of each network, in a training step: on the way forward, back to its input, back to its weights
    "VAE": {"encoder": (1, 1, 1), "decoder": (1, 1, 1)},
    "GAN": {"generator": (2, 1, 1), "discriminator": (3, 3, 2)},
    "diffusion": {"denoiser": (1, 1, 1)},
}


def by_a_table(flops, batch, budget, T, S, guided):
    draws = {"VAE": flops["decoder"], "GAN": flops["generator"], "diffusion": flops["denoiser"] * S * (1 + guided)}
    costs = {family: sum(flops[net] * sum(n) for net, n in nets.items()) for family, nets in PASSES.items()}
    return {family: (int(budget / costs[family] / batch), draws[family]) for family in PASSES}


def _with(
    vae: Callable = lambda f: 3 * (f["encoder"] + f["decoder"]),
    gan: tuple[float, float] = (4, 8),
    net: Callable = lambda T, S: 3,
    drawn: Callable = lambda f, T, S, guided: (
        f["decoder"],
        f["generator"],
        (2 if guided else 1) * S * f["denoiser"],
    ),
    images: Callable = lambda batch: (batch, batch, batch),
    whole: Callable = int,
) -> Callable:
    """The reckoning with one part of its own."""

    def wrong(flops, batch, budget, T, S, guided):
        steps = (
            vae(flops),
            gan[0] * flops["generator"] + gan[1] * flops["discriminator"],
            net(T, S) * flops["denoiser"],
        )
        rows = zip(("VAE", "GAN", "diffusion"), steps, images(batch), drawn(flops, T, S, guided), strict=True)
        return {name: (whole(budget / (n * cost)), image) for name, cost, n, image in rows}

    return wrong


def nets(encoder: float, decoder: float, generator: float, discriminator: float, denoiser: float) -> dict[str, float]:
    return {
        "encoder": encoder,
        "decoder": decoder,
        "generator": generator,
        "discriminator": discriminator,
        "denoiser": denoiser,
    }


A, B, C = nets(2e6, 3e6, 3e6, 5e6, 40e6), nets(7e5, 2e5, 9e5, 4e5, 6e5), nets(11e6, 23e6, 5e6, 3e6, 90e6)


def training_knows_no_T(f: Callable) -> bool:
    few, many = f(A, 64, 1e13, 10, 20, False), f(A, 64, 1e13, 4000, 20, False)
    return few["diffusion"][0] == many["diffusion"][0]


def twice_the_budget(f: Callable) -> bool:
    once, twice = f(A, 100, 3e13, 1000, 20, True), f(A, 100, 6e13, 1000, 20, True)
    return all(0 <= twice[name][0] - 2 * once[name][0] <= 1 for name in once)


EXERCISE = Exercise(
    name="10.equal_cost",
    title="The same arithmetic for three families",
    minutes=10,
    level=2,
    reference=equal_cost,
    alternatives=[one_after_the_other, by_a_table],
    gradients=[],
    allowed={
        "T *": "training draws one noise level of T, and drawing takes S steps: T costs nothing",
        "budget // (batch * cost) -> budget / (batch * cost)": "int cuts the fraction off, too",
    },
    cases=[
        (nets(0.5, 1.5, 0.25, 0.5, 1.25), 2, 60.0, 8, 3, False),
        (nets(0.5, 1.5, 0.25, 0.5, 1.25), 2, 59.5, 6, 4, True),
        (nets(1e3, 2e3, 3e3, 5e3, 7e3), 10, 1e6, 8, 4, False),
        (A, 64, 1e13, 1000, 50, False),
        (A, 64, 1e13, 1000, 50, True),
        (B, 100, 3.3e12, 200, 25, True),
        (C, 32, 2e13, 500, 1, False),
        (nets(1e6, 1e6, 1e6, 1e6, 1e6), 50, 1.1e10, 100, 20, False),
        (B, 16, 7e7, 50, 10, True),
    ],
    invariants=[
        Invariant(
            "training does not know T",
            training_knows_no_T,
            "With more noise levels your diffusion model gets fewer training steps. How many levels does one image of a batch see in one "
            "step?",
        ),
        Invariant(
            "twice the budget",
            twice_the_budget,
            "Twice the budget does not pay for twice the steps in yours.",
        ),
    ],
    mistakes=[
        Mistake(
            "T passes a training step",
            _with(net=lambda T, S: 3 * T),
            "You let every image pass the denoiser once for each of the T noise levels. How many levels does one image see in a training "
            "step? It is drawing that goes step by step.",
        ),
        Mistake(
            "S passes a training step",
            _with(net=lambda T, S: 3 * S),
            "You let the denoiser draw while it trains: S passes an image. How many levels does one image see in a training step?",
        ),
        Mistake(
            "T steps to draw",
            _with(
                drawn=lambda f, T, S, guided: (f["decoder"], f["generator"], (2 if guided else 1) * T * f["denoiser"])
            ),
            "Your image is drawn through all T noise levels. The sampler takes S steps.",
        ),
        Mistake(
            "one pass to draw",
            _with(drawn=lambda f, T, S, guided: (f["decoder"], f["generator"], (2 if guided else 1) * f["denoiser"])),
            "Your diffusion model draws with one estimate. The sampler asks for one in each of its steps.",
        ),
        Mistake(
            "guidance free",
            _with(drawn=lambda f, T, S, guided: (f["decoder"], f["generator"], S * f["denoiser"])),
            "Guidance costs nothing in yours. Which two estimates does it combine?",
        ),
        Mistake(
            "guidance in training",
            lambda flops, batch, budget, T, S, guided: _with(net=lambda T, S: 6 if guided else 3)(
                flops, batch, budget, T, S, guided
            ),
            "You pay for guidance in training too. There a label is left out now and then, and each image still passes the denoiser once.",
        ),
        Mistake(
            "T passes, and T steps",
            _with(
                net=lambda T, S: 3 * T,
                drawn=lambda f, T, S, guided: (f["decoder"], f["generator"], (2 if guided else 1) * T * f["denoiser"]),
            ),
            "You go through all T noise levels, for every image of a training step and for every one that is drawn. How many levels does "
            "one image see in a training step? And who says how many steps the sampler takes?",
        ),
        Mistake(
            "always guided",
            _with(drawn=lambda f, T, S, guided: (f["decoder"], f["generator"], 2 * S * f["denoiser"])),
            "You pay for guidance also where there is none.",
        ),
        Mistake(
            "guidance by the discriminator",
            _with(
                drawn=lambda f, T, S, guided: (
                    f["decoder"],
                    f["generator"],
                    S * (f["denoiser"] + guided * f["discriminator"]),
                )
            ),
            "You let the GAN's discriminator guide. Classifier-free guidance asks the denoiser alone.",
        ),
        Mistake(
            "drawing through the encoder",
            _with(
                drawn=lambda f, T, S, guided: (
                    f["encoder"] + f["decoder"],
                    f["generator"],
                    (2 if guided else 1) * S * f["denoiser"],
                )
            ),
            "Your VAE draws through its encoder. Where does the code of a new image come from?",
        ),
        Mistake(
            "drawing judged",
            _with(
                drawn=lambda f, T, S, guided: (
                    f["decoder"],
                    f["generator"] + f["discriminator"],
                    (2 if guided else 1) * S * f["denoiser"],
                )
            ),
            "Your GAN asks its discriminator when it draws. Who needs its answer then?",
        ),
        Mistake(
            "drawing costs a step back",
            _with(
                drawn=lambda f, T, S, guided: (
                    3 * f["decoder"],
                    3 * f["generator"],
                    3 * (2 if guided else 1) * S * f["denoiser"],
                )
            ),
            "You pay for a way back when images are drawn. Which weights would learn?",
        ),
        Mistake(
            "forward only",
            _with(vae=lambda f: f["encoder"] + f["decoder"], gan=(2, 3), net=lambda T, S: 1),
            "You count the way forward alone. Training also goes back, which is the dearer part.",
        ),
        Mistake(
            "backward only",
            _with(vae=lambda f: 2 * (f["encoder"] + f["decoder"]), gan=(2, 5), net=lambda T, S: 2),
            "You count the way back alone. Before a gradient there is a way forward.",
        ),
        Mistake(
            "the decoder's weights free",
            _with(vae=lambda f: 3 * f["encoder"] + 2 * f["decoder"]),
            "Your VAE's decoder hands a gradient to the encoder and learns nothing itself. Both learn.",
        ),
        Mistake(
            "a fraction of a step",
            _with(whole=lambda steps: steps),
            "Your steps have fractions. Only whole ones can be taken.",
        ),
        Mistake(
            "back once",
            _with(vae=lambda f: 2 * (f["encoder"] + f["decoder"]), gan=(3, 6), net=lambda T, S: 2),
            "Your way back costs as much as the way forward, everywhere. Where weights are trained, there are two gradients to compute.",
        ),
        Mistake(
            "the discriminator trained twice",
            _with(gan=(4, 9)),
            "In the generator's step you pay for the gradient of the discriminator's weights. They stay as they are.",
        ),
        Mistake(
            "no way through the discriminator",
            _with(gan=(4, 7)),
            "In the generator's step nothing goes back through the discriminator in yours. How does the generator get its gradient?",
        ),
        Mistake(
            "the generator's step without the discriminator",
            _with(gan=(4, 6)),
            "Your generator's step does not pass the discriminator at all. What does it learn from?",
        ),
        Mistake(
            "real ones alone",
            _with(gan=(4, 5)),
            "Your discriminator is trained on the images or on generated ones, not on both.",
        ),
        Mistake(
            "everything goes back",
            _with(gan=(6, 9)),
            "You let gradients flow through everything that is computed: also through the generator while the discriminator is trained, "
            "and into the discriminator's weights while the generator is.",
        ),
        Mistake(
            "the generator trained twice",
            _with(gan=(6, 8)),
            "While the discriminator is trained, your gradients flow on through the generator. None does there.",
        ),
        Mistake(
            "one set of fakes",
            _with(gan=(3, 8)),
            "You draw generated images once a step, or forget what they cost while the discriminator is trained. Each of the two is "
            "trained on its own.",
        ),
        Mistake(
            "each network once",
            _with(gan=(3, 3)),
            "You count each of the GAN's networks once. How often does a step pass them, with what, and for whom?",
        ),
        Mistake(
            "each network once, the discriminator on both",
            _with(gan=(3, 6)),
            "You count the generator's training without the discriminator it goes through, and the discriminator's without the images that "
            "are generated for it.",
        ),
        Mistake(
            "only the decoder",
            _with(vae=lambda f: 3 * f["decoder"]),
            "Your VAE's step leaves the encoder out. Both are trained.",
        ),
        Mistake(
            "a single image",
            _with(images=lambda batch: (1, 1, 1)),
            "This is what steps of one image would cost. A step takes a batch.",
        ),
        Mistake(
            "two batches",
            _with(images=lambda batch: (batch, 2 * batch, batch)),
            "You double the GAN's batch, and everything in it with that. Only part of its step sees both the images and generated ones.",
        ),
        Mistake(
            "rounded up",
            _with(whole=math.ceil),
            "Your last step is not paid for in full.",
        ),
        Mistake(
            "rounded",
            _with(whole=round),
            "You round to the nearest whole number: sometimes the last step is not paid for in full.",
        ),
        Mistake(
            "a third of the budget",
            lambda flops, batch, budget, T, S, guided: equal_cost(flops, batch, budget / 3, T, S, guided),
            "You share the budget among the three. Each family gets all of it.",
        ),
    ],
    hints=[
        "For each family write down which network is passed in a training step, by which images, and which of them learn. Only drawing "
        "goes step by step.",
        "A network that learns pays its forward cost three times. One that only hands a gradient through pays twice, and one that "
        "nobody learns from pays once.",
        "The GAN: the generator is passed twice in a step, once to no gain of its own. The discriminator sees three batches: two to learn "
        "from, and one on behalf of the generator.",
    ],
    insight="In training all three families need a pass or a few for each image; that diffusion were slower to train because it is "
    "iterative is a mistake. It pays when it draws: S passes an image, 2·S with guidance, where the others pay one.",
)
