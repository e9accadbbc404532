"""Exercises of lesson 05c: latent diffusion with CLIP."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffcourse import gaussian, metrics
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import guided
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.samplers import DDIM, DPMSolverPP, sample
from diffcourse.schedule import DiffusionSchedule, Level

# -- small things that stand for the large ones, so that a check takes no time -------------------------------------------

PROMPTS = ["a red 7 on white", "blue on black, a small 2", "top left"]


def a_text_encoder(prompts: list[str] | str) -> Tensor:
    """Stands for a text encoder: B texts -> (B, 3, 2), each text its own numbers, the empty one too; one text is a list of one."""
    prompts = [prompts] if isinstance(prompts, str) else prompts
    codes = [[1.0, *map(ord, text)] for text in prompts]
    rows = [[math.sin((k + 1) * sum((i + 1) * c for i, c in enumerate(code)) / 50) for k in range(6)] for code in codes]
    return torch.tensor(rows).view(-1, 3, 2)


def an_encoder(images: Tensor) -> Tensor:
    """Stands for an autoencoder's encode: images (B, 3, H, W) -> scaled latents (B, 4, H/2, W/2)."""
    small = nn.functional.avg_pool2d(images, 2)
    return torch.cat([small, small.mean(dim=1, keepdim=True)], dim=1) * 1.5


def a_unet(z: Tensor, t: Tensor, text: Tensor) -> Tensor:
    """Stands for a U-Net: latents (B, 4, h, w), times (B,), text (B, 3, 2) -> predicted noise; each row minds its own."""
    c = text.mean(dim=2)[:, :1, None, None] + 2 * text[:, -1:, -1:, None]
    return torch.tanh(z * (1 + c)) + t.view(-1, 1, 1, 1) / 500 - c


def a_decoder(z: Tensor) -> Tensor:
    """Stands for an autoencoder's decode: latents (B, 4, h, w) -> images (B, 3, 2h, 2w), not linear, not kept in [-1, 1]."""
    return 0.7 * torch.asinh(nn.functional.interpolate(z[:, :3] - 0.5 * z[:, 3:], scale_factor=2.0)) + 0.1


class AnyUNet(nn.Module):
    """Stands for a U-Net that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([1.0, 0.9, 1.1, 0.8]).view(4, 1, 1))

    def forward(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return self.gain * a_unet(z, t, text)


# -- captions are dropped -----------------------------------------------------------------------------------------------


def drop_text(c: Tensor, null: Tensor, u: Tensor, drop_prob: float) -> Tensor:
    """Forget prompts, each with probability drop_prob: they become the empty text's embedding.

    c (B, L, D): the embeddings of B prompts; null (L, D): that of ""; u (B,): uniform numbers
    in [0, 1). Prompt i is forgotten, as a whole, where u[i] < drop_prob.
    Returns a new (B, L, D). Differentiable in c.
    """
    return torch.where((u < drop_prob).view(-1, 1, 1), null, c)


def drop_text_by_mask(c, null, u, drop_prob):
    kept = c.clone()
    kept[u < drop_prob] = null
    return kept


def drop_text_in_a_loop(c, null, u, drop_prob):
    return torch.stack([null if float(ui) < drop_prob else row for row, ui in zip(c, u, strict=True)])


def _drop(write: Callable) -> Callable:
    """drop_text with another last line: a function of (c, null, forgotten (B, 1, 1))."""
    return lambda c, null, u, drop_prob: write(c, null, (u < drop_prob).view(-1, 1, 1))


def drop_case(drop_prob: float, B: int, L: int, D: int):
    return lambda g: (normal(g, B, L, D), normal(g, L, D), torch.rand(B, generator=g), drop_prob)


def _ends(f: Callable) -> bool:
    g = torch.Generator().manual_seed(0)
    c, null, u = normal(g, 3, 2, 4), normal(g, 2, 4), torch.tensor([0.0, 0.5, 0.99])
    return close(f(c, null, u, 0.0), c) and close(f(c, null, u, 1.0), null.expand_as(c))


DROP_TEXT = Exercise(
    name="05c.drop_text",
    title="Prompts are forgotten",
    minutes=2,
    level=1,
    reference=drop_text,
    alternatives=[drop_text_by_mask, drop_text_in_a_loop],
    cases=[
        (torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.tensor([[-1.0, 0.5]]), torch.tensor([0.9, 0.05]), 0.2),
        drop_case(0.4, 7, 3, 2),
        drop_case(0.7, 5, 2, 3),
        drop_case(0.5, 6, 4, 2),
        drop_case(0.6, 1, 2, 5),
        drop_case(1.0, 3, 1, 2),
        lambda g: (normal(g, 3, 2, 2), normal(g, 2, 2), torch.tensor([0.25, 0.0, 0.75]), 0.25),
    ],
    gradients=["c"],
    invariants=[
        Invariant(
            "both ends",
            _ends,
            "With drop_prob = 0 nothing may be forgotten, not even where u is exactly 0; with drop_prob = 1 all must be.",
        ),
    ],
    mistakes=[
        Mistake(
            "the others forgotten",
            _drop(lambda c, null, gone: torch.where(gone, c, null)),
            "The wrong way round: you keep the share drop_prob and forget all others. The model would hardly learn to read.",
        ),
        Mistake(
            "zeros for the empty text",
            _drop(lambda c, null, gone: c * ~gone),
            "What is forgotten becomes zero with you. The empty text has an embedding, and it is not zero: start, end and padding are "
            "read too.",
        ),
        Mistake(
            "nothing forgotten",
            _drop(lambda c, null, gone: c.clone()),
            "Nothing is ever forgotten. The model would not learn what it draws unasked, and guidance had nothing to go away from.",
        ),
        Mistake(
            "all or none",
            _drop(lambda c, null, gone: null.expand_as(c).clone() if gone[0] else c.clone()),
            "The first number decides for the whole batch. Each prompt has its own.",
        ),
        Mistake(
            "taken out",
            _drop(lambda c, null, gone: c[~gone.flatten()]),
            "You take the forgotten ones out of the batch. The images are still B, and each needs a condition, if the empty one.",
        ),
        Mistake(
            "another prompt",
            _drop(lambda c, null, gone: torch.where(gone, c.roll(1, dims=0), c)),
            "What is forgotten becomes the prompt of another image. Then the model learns that prompts lie.",
        ),
        Mistake(
            "the mean prompt",
            _drop(lambda c, null, gone: torch.where(gone, c.mean(dim=0), c)),
            "What is forgotten becomes the mean of the batch: another “nothing” in every batch. One fixed embedding is needed, and it is "
            "handed to you.",
        ),
        Mistake(
            "a single token",
            _drop(lambda c, null, gone: torch.cat([torch.where(gone, null, c)[:, :1], c[:, 1:]], dim=1)),
            "Only the first token is exchanged; the words behind it can still be read. The whole row of tokens is to be forgotten.",
        ),
        Mistake(
            "faded",
            lambda c, null, u, p: (1 - p) * c + p * null,
            "You fade every prompt a little. Forgetting is all or nothing, by chance, for each prompt.",
        ),
        Mistake(
            "up to drop_prob",
            lambda c, null, u, p: torch.where((u <= p).view(-1, 1, 1), null, c),
            "You forget where u equals drop_prob as well. u can be exactly 0, and with drop_prob = 0 nothing is to be forgotten.",
        ),
        Mistake(
            "a fixed number of them",
            lambda c, null, u, p: torch.where((torch.arange(len(c)) < round(p * len(c))).view(-1, 1, 1), null, c),
            "You forget the first ones of the batch, always as many as expected. Each prompt has its own chance: look at its u.",
        ),
        Mistake(
            "a fixed number, those of the smallest u",
            lambda c, null, u, p: torch.where((u.argsort().argsort() < round(p * len(c))).view(-1, 1, 1), null, c),
            "You forget a fixed number of prompts, those of the smallest u. Each has its own chance, whatever the others drew.",
        ),
        Mistake(
            "scaled up, as in dropout",
            lambda c, null, u, p: torch.where((u < p).view(-1, 1, 1), null, c / (1 - p)),
            "You scale up what is kept, as dropout does. Here a prompt is either read as it is, or not at all.",
        ),
        Mistake(
            "drop_prob is what is kept",
            lambda c, null, u, p: drop_text(c, null, u, 1 - p),
            "You compare with 1 − drop_prob. The docstring compares u with drop_prob itself.",
        ),
    ],
    hints=[
        "One number decides for a whole prompt, that is for L·D numbers at once.",
        "u < drop_prob is (B,); seen as (B, 1, 1) it stretches over tokens and channels.",
        "torch.where(forgotten, null, c), with `forgotten` of shape (B, 1, 1): null stretches over the batch by itself.",
    ],
    insight="The same null embedding is stored with the denoiser, and is what guidance starts from.",
)


# -- latents from a cache -----------------------------------------------------------------------------------------------


def draw_latents(mean: Tensor, log_var: Tensor, eps: Tensor, scale: float) -> Tensor:
    """Latents for one visit of a batch whose posteriors were worked out long ago.

    The encoder said: each bare latent is a Gaussian with this mean and the logarithm log_var of
    its variance, both (B, 4, h, w). eps, of their shape, is standard normal. Returns what the
    denoiser sees, (B, 4, h, w): a draw from that Gaussian made of eps, as scaled latents.
    scale: the autoencoder's scaling factor.
    """
    return scale * (mean + (0.5 * log_var).exp() * eps)


def draw_latents_with_root(mean, log_var, eps, scale):
    return mean * scale + log_var.exp().sqrt() * scale * eps


def draw_latents_one_by_one(mean, log_var, eps, scale):
    rows = zip(mean, log_var, eps, strict=True)
    return torch.stack([scale * (m + e * torch.exp(v / 2)) for m, v, e in rows])


def posterior_case(scale: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape) - 1, normal(g, *shape), scale)


def _no_noise(f: Callable) -> bool:
    mean = torch.arange(8.0).view(1, 4, 1, 2)
    return close(f(mean, torch.ones_like(mean), torch.zeros_like(mean), 0.5), 0.5 * mean)


def _spread(f: Callable) -> bool:
    g = torch.Generator().manual_seed(0)
    shape = (4000, 1, 1, 2)
    drawn = f(torch.zeros(shape), torch.full(shape, math.log(0.25)), normal(g, *shape), 3.0)
    return abs(float(drawn.std()) - 1.5) < 0.05


def _reparameterized(mean: Tensor, log_var: Tensor, eps: Tensor, scale: float) -> Tensor:
    return scale * gaussian.reparameterize(mean, log_var, noise=eps)


DRAW_LATENTS = Exercise(
    name="05c.draw_latents",
    title="Latents out of the cache",
    minutes=4,
    level=1,
    reference=draw_latents,
    alternatives=[draw_latents_with_root, draw_latents_one_by_one],
    cases=[
        (torch.full((1, 4, 1, 1), 2.0), torch.full((1, 4, 1, 1), math.log(0.25)), torch.ones(1, 4, 1, 1), 0.5),
        posterior_case(0.3, 2, 4, 2, 3),
        posterior_case(1.7, 3, 4, 1, 2),
        lambda g: (
            normal(g, 2, 4, 1, 1),
            torch.tensor([-30.0, -2.0, 0.0, 3.0]).view(4, 1, 1).repeat(2, 1, 1, 1),
            normal(g, 2, 4, 1, 1),
            0.9,
        ),
    ],
    gradients=[],  # what comes out of a cache has no graph
    package=InPackage("scale * gaussian.reparameterize(mean, log_var, noise=eps)", _reparameterized),
    invariants=[
        Invariant("no noise", _no_noise, "With eps = 0 what is left is the mean, scaled. With yours it is not."),
        Invariant(
            "spread",
            _spread,
            "Drawn many times, the latents must spread by scale·std, with std = exp(log_var/2). Yours spread by something else.",
        ),
    ],
    mistakes=[
        Mistake(
            "variance for standard deviation",
            lambda m, v, e, s: s * (m + v.exp() * e),
            "You multiply the noise by the *variance*. The encoder gives its logarithm; what multiplies noise is a standard deviation.",
        ),
        Mistake(
            "logarithm for standard deviation",
            lambda m, v, e, s: s * (m + v * e),
            "You multiply the noise by log_var itself, which can be negative. It is a logarithm.",
        ),
        Mistake(
            "half of the logarithm",
            lambda m, v, e, s: s * (m + 0.5 * v * e),
            "Half the logarithm of the variance is the logarithm of the standard deviation. The logarithm is still to be undone.",
        ),
        Mistake(
            "scale forgotten",
            lambda m, v, e, s: m + (0.5 * v).exp() * e,
            "You return the autoencoder's own latents. The denoiser wants them at a standard deviation near 1: the scale is missing.",
        ),
        Mistake(
            "divided by the scale",
            lambda m, v, e, s: (m + (0.5 * v).exp() * e) / s,
            "You divide by the scale. After encoding one multiplies (lesson 05a); dividing is for the way back.",
        ),
        Mistake(
            "only the mean scaled",
            lambda m, v, e, s: s * m + (0.5 * v).exp() * e,
            "You scale the mean and not the noise. The scale is for the drawn latent as a whole.",
        ),
        Mistake(
            "scaled twice",
            lambda m, v, e, s: s * s * (m + (0.5 * v).exp() * e),
            "The scale is in there twice. In a cache that holds *scaled* means this happens when it is applied again at each visit.",
        ),
        Mistake(
            "the mean alone",
            lambda m, v, e, s: s * m,
            "You return the mean. It is a fine latent; the docstring asks for a draw, so that each visit shows another one.",
        ),
        Mistake(
            "noise of strength 1",
            lambda m, v, e, s: s * (m + e),
            "Your noise has strength 1 everywhere. The encoder said how uncertain each number is: log_var.",
        ),
        Mistake(
            "one noise for the batch",
            lambda m, v, e, s: s * (m + (0.5 * v).exp() * e[:1]),
            "All latents of the batch get the noise of the first.",
        ),
    ],
    hints=[
        "Lesson 01: z = mean + std·eps. Here two things are added: std is hidden in log_var, and the result is scaled.",
        "log_var = log(std²) = 2·log(std). Solve for std.",
        "std is the exponential of half of log_var; mean plus std times eps, and all of that times scale.",
    ],
    insight="The costly part, the encoder, ran once for each scene. What is left for a visit is a multiplication and an addition.",
)


# -- the objective ------------------------------------------------------------------------------------------------------


def ldm_loss(
    images: Tensor,
    c: Tensor,
    t: Tensor,
    eps: Tensor,
    alpha_bars: Tensor,
    encode,
    unet,
) -> Tensor:
    """The latent-diffusion objective on one batch: the mean over all entries of
    (eps - eps_theta(z_t, t, c))².

    images (B, 3, H, W); c (B, L, D): the prompts, read; t int64 (B,); alpha_bars (T,); eps
    standard normal, (B, 4, h, w). encode(images) -> scaled latents z (B, 4, h, w);
    unet(z_t, t, c) -> predicted noise, t as it is, whole numbers.
    Returns a scalar tensor, differentiable in c and in the parameters of unet.
    """
    z = encode(images)
    alpha_bar = alpha_bars[t].view(-1, 1, 1, 1)
    z_t = alpha_bar.sqrt() * z + (1 - alpha_bar).sqrt() * eps
    return (unet(z_t, t, c) - eps).square().mean()


def ldm_loss_by_mse(images, c, t, eps, alpha_bars, encode, unet):
    a = alpha_bars[t][:, None, None, None]
    return nn.functional.mse_loss(unet(a**0.5 * encode(images) + (1 - a) ** 0.5 * eps, t, c), eps)


def ldm_loss_image_by_image(images, c, t, eps, alpha_bars, encode, unet):
    total = 0.0
    for i, z in enumerate(encode(images)):
        a = alpha_bars[t[i]]
        z_t = a.sqrt() * z + (1 - a).sqrt() * eps[i]
        total = total + (unet(z_t[None], t[i : i + 1], c[i : i + 1])[0] - eps[i]).square().mean()
    return total / len(images)


def _ldm(
    target: Callable = lambda z, eps: eps,
    noised: Callable = lambda z, eps, a: a.sqrt() * z + (1 - a).sqrt() * eps,
    end: Callable = lambda error: error.square().mean(),
    time: Callable = lambda t: t,
    latents: Callable = lambda encode, images: encode(images),
    index: Callable = lambda t: t,
) -> Callable:
    """ldm_loss with one of its parts exchanged."""

    def loss(images, c, t, eps, alpha_bars, encode, unet):
        z = latents(encode, images)
        z_t = noised(z, eps, alpha_bars[index(t)].view(-1, 1, 1, 1))
        return end(unet(z_t, time(t), c) - target(z, eps))

    return loss


class ATableUNet(AnyUNet):
    """Looks the time up in a table."""

    def forward(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return super().forward(z, torch.linspace(0, 1000, 1001).to(z)[t], text)


def ldm_case(B: int, H: int, L: int = 3, D: int = 2, T: int = 1000):
    """Times from the first to the last."""

    def build(g):
        images = torch.rand(B, 3, H, H + 2, generator=g) * 2 - 1
        t = torch.randint(1, T - 1, (B,), generator=g)
        t[0], t[-1] = (0, T - 1) if B > 2 else (T // 3, T // 2)
        eps = normal(g, B, 4, H // 2, (H + 2) // 2)
        alpha_bars = DiffusionSchedule.scaled_linear(T, 0.85 / T, 12 / T).alpha_bars.float()
        return images, normal(g, B, L, D), t, eps, alpha_bars, an_encoder, ATableUNet()

    return build


def _denoisers(images, c, t, eps, alpha_bars, encode, unet):
    before = torch.cat([alpha_bars.new_ones(1), alpha_bars[:-1]])
    schedule = DiffusionSchedule(1 - alpha_bars.double() / before.double())
    unet.register_forward_pre_hook(
        lambda unet, args: (args[0], args[1].long(), args[2])
    )  # a denoiser tells the time as a float
    return Denoiser(unet, schedule, "eps").loss(encode(images), c, t=t, noise=eps)


LDM_LOSS = Exercise(
    name="05c.ldm_loss",
    title="The objective, in latents",
    minutes=8,
    level=2,
    reference=ldm_loss,
    alternatives=[ldm_loss_by_mse, ldm_loss_image_by_image],
    cases=[ldm_case(2, 4), ldm_case(3, 6, 2, 4, T=50), ldm_case(3, 2), ldm_case(1, 8, 1, 3, T=300)],
    gradients=["c", "unet"],  # the encoder is frozen, and may be called without a graph
    package=InPackage("denoiser.loss(vae.encode(images), text(captions))", _denoisers),
    mistakes=[
        Mistake(
            "images are noised",
            _ldm(latents=lambda encode, images: images),
            "You noise the *images*. That is the pixel objective; the noise has the shape of latents, and does not even fit. Who makes "
            "latents of images?",
        ),
        Mistake(
            "the latents are the target",
            _ldm(target=lambda z, eps: z),
            "You compare with the clean latents. The network predicts the noise; the clean latents follow from it.",
        ),
        Mistake(
            "nothing to compare with",
            _ldm(target=lambda z, eps: 0.0),
            "You square the prediction itself. The formula as it stands in the copied excerpt (lesson 05b): a network that always answers "
            "0 is best. What is missing?",
        ),
        Mistake(
            "no roots",
            _ldm(noised=lambda z, eps, a: a * z + (1 - a) * eps),
            "You mix with ᾱ and 1 − ᾱ. These are shares of the *variance*; what multiplies a signal is a root.",
        ),
        Mistake(
            "latents not noised",
            _ldm(noised=lambda z, eps, a: z),
            "The network is shown clean latents and asked for noise that was never added. What is z_t?",
        ),
        Mistake(
            "noise added, nothing taken",
            _ldm(noised=lambda z, eps, a: z + (1 - a).sqrt() * eps),
            "You add noise to the full latent. In the variance-preserving form the latent shrinks by √ᾱ as the noise grows.",
        ),
        Mistake(
            "roots swapped",
            _ldm(noised=lambda z, eps, a: (1 - a).sqrt() * z + a.sqrt() * eps),
            "Your two roots are exchanged: at t = 0, where ᾱ is nearly 1, you would show pure noise.",
        ),
        Mistake(
            "scaled again",
            _ldm(latents=lambda encode, images: 0.18215 * encode(images)),
            "You multiply by 0.18215. `encode` has scaled its latents already, and by its own factor.",
        ),
        Mistake(
            "a sum",
            _ldm(end=lambda error: error.square().sum()),
            "You add up the squares. The papers write ‖·‖², all code takes the *mean*: the same minimum, but another size, and so "
            "another learning rate.",
        ),
        Mistake(
            "a sum in each latent",
            _ldm(end=lambda error: error.square().sum(dim=(1, 2, 3)).mean()),
            "You add up the squares of each latent, the ‖·‖² of the papers, and take the mean over the batch only. All code takes it "
            "over all entries: the same minimum, but another size.",
        ),
        Mistake(
            "the root",
            _ldm(end=lambda error: error.square().mean().sqrt()),
            "You take the root of the mean. The objective is the mean square itself.",
        ),
        Mistake(
            "the running product once more",
            lambda images, c, t, eps, alpha_bars, encode, unet: ldm_loss(
                images, c, t, eps, alpha_bars.cumprod(dim=0), encode, unet
            ),
            "You multiply alpha_bars up once more. The bar says that it is a running product already.",
        ),
        Mistake(
            "one minus the root",
            _ldm(noised=lambda z, eps, a: a.sqrt() * z + (1 - a.sqrt()) * eps),
            "Your noise is multiplied by 1 − √ᾱ. The *squares* of the two factors add up to 1.",
        ),
        Mistake(
            "one index below",
            _ldm(index=lambda t: t - 1),
            "You look up ᾱ one step below t (and at t = 0 the last of the table). In code index t is the level itself.",
        ),
        Mistake(
            "one index above",
            _ldm(index=lambda t: t + 1),
            "You look up ᾱ one step above t, and at the last t there is none.",
        ),
        Mistake(
            "time as floats",
            lambda images, c, t, eps, alpha_bars, encode, unet: ldm_loss(
                images, c, t, eps, alpha_bars, encode, lambda z, t, c: unet(z, t.float(), c)
            ),
            "The network is told t as floats, and this one looks t up in a table. Give it t as it is: whole numbers, 0 … T − 1.",
        ),
        Mistake(
            "the conditions of the neighbours",
            lambda images, c, t, eps, alpha_bars, encode, unet: ldm_loss(
                images, c[:1].expand_as(c), t, eps, alpha_bars, encode, unet
            ),
            "Every image gets the first prompt. Row i of c belongs to image i.",
        ),
        Mistake(
            "distance, not its square",
            _ldm(end=lambda error: error.abs().mean()),
            "You take absolute values. The objective is squared: its best answer is the *mean* of the possible noises, which the "
            "derivation needs.",
        ),
        Mistake(
            "papers' time for code's",
            _ldm(time=lambda t: t + 1),
            "The network is told t + 1. In code the index t = 0 … T−1 is used for the table and for the network alike.",
        ),
    ],
    allowed={"* called twice": "the same loss at twice the price, which the stub does not forbid"},
    hints=[
        "Three things, in order: latents; noised latents; what the network says, compared with what it should say.",
        "alpha_bars[t] has one number an image; view(-1, 1, 1, 1) lets it multiply latents.",
        "z from encode; z_t with the two roots; then the mean of the squared difference between the network's answer and eps.",
    ],
    insight="Beside the pixel objective two words are new: encode, and c. Autoencoder and text encoder are not trained here.",
)


# -- noise from a seed --------------------------------------------------------------------------------------------------


def noises(seed: int, first: int, n: int, shape: tuple[int, int, int]) -> Tensor:
    """The starting noises of pictures first, …, first + n - 1: the same alone as in any batch.

    Picture i has a generator of its own: torch.Generator().manual_seed(1000 * seed + i), and
    its noise is the first torch.randn(shape, generator=...) of it. Returns (n, *shape).
    """
    generators = [torch.Generator().manual_seed(1000 * seed + first + i) for i in range(n)]
    return torch.stack([torch.randn(shape, generator=g) for g in generators])


def noises_in_a_loop(seed, first, n, shape):
    out = torch.empty(n, *shape)
    for number in range(first, first + n):
        g = torch.Generator()
        g.manual_seed(1000 * seed + number)
        out[number - first] = torch.randn(*shape, generator=g)
    return out


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _own(number: Callable) -> Callable:
    """noises with other seeds: a function of (seed, first, place in the batch, n)."""
    return lambda seed, first, n, shape: torch.stack(
        [torch.randn(shape, generator=_generator(number(seed, first, i, n))) for i in range(n)]
    )


def _alone(f: Callable) -> bool:
    together = f(3, 0, 4, (4, 2, 3))
    return all(close(f(3, i, 1, (4, 2, 3))[0], together[i]) for i in range(4))


def _leaves_torch_alone(f: Callable) -> bool:
    before = torch.get_rng_state()
    f(3, 0, 2, (4, 2, 3))
    return torch.equal(before, torch.get_rng_state())


def _second(seed: int, shape: tuple[int, ...]) -> Tensor:
    g = _generator(seed)
    torch.randn(shape, generator=g)
    return torch.randn(shape, generator=g)


NOISES = Exercise(
    name="05c.noises",
    title="The same picture, alone and in a batch",
    minutes=5,
    level=1,
    reference=noises,
    alternatives=[noises_in_a_loop],
    cases=[
        (1, 0, 2, (4, 1, 2)),
        (5, 3, 3, (4, 2, 3)),
        (0, 7, 4, (2, 3, 1)),
        (2, 1, 1, (4, 2, 2)),
        (3, 2, 5, (1, 4, 4)),
    ],
    invariants=[
        Invariant(
            "nobody else's generator",
            _leaves_torch_alone,
            "The numbers are right, but torch's own generator, which everybody draws from, is not as it was. Give a picture its own.",
            only_if_right=True,
        ),
        Invariant(
            "alone as in a batch",
            _alone,
            "Picture 2 of a batch must start from the same noise as picture 2 drawn alone. With yours it does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "one generator for the batch",
            lambda seed, first, n, shape: torch.randn(n, *shape, generator=_generator(1000 * seed + first)),
            "One generator serves the whole batch. Then what picture 2 gets depends on where the batch began: give each picture its own.",
        ),
        Mistake(
            "one generator, asked in turn",
            lambda seed, first, n, shape: torch.stack(
                [torch.randn(shape, generator=g) for g in [_generator(1000 * seed + first)] * n]
            ),
            "You make one generator and ask it n times. Picture 2 alone would get what picture 0 gets here.",
        ),
        Mistake(
            "first forgotten",
            _own(lambda seed, first, i, n: 1000 * seed + i),
            "Your count starts at 0 in every batch: the second batch would repeat the pictures of the first. Where does `first` come in?",
        ),
        Mistake(
            "all the same",
            _own(lambda seed, first, i, n: 1000 * seed + first),
            "All pictures of the batch get one noise: with one prompt that is n times the same picture.",
        ),
        Mistake(
            "seed not multiplied",
            _own(lambda seed, first, i, n: seed + first + i),
            "You add seed and number. Then picture 1 of seed 0 is picture 0 of seed 1. The docstring keeps the seeds a thousand apart.",
        ),
        Mistake(
            "counted from one",
            _own(lambda seed, first, i, n: 1000 * seed + first + i + 1),
            "Your pictures are counted from 1: off by one.",
        ),
        Mistake(
            "counted backwards",
            _own(lambda seed, first, i, n: 1000 * seed + first + n - 1 - i),
            "The order is reversed: the last picture of your batch has the noise of the first.",
        ),
        Mistake(
            "up to n",
            lambda seed, first, n, shape: torch.stack(
                [torch.randn(shape, generator=_generator(1000 * seed + i)) for i in range(first, n)]
            ),
            "Your numbers run from first to n − 1. There are n pictures, the last of them first + n − 1.",
        ),
        Mistake(
            "the number multiplied too",
            _own(lambda seed, first, i, n: 1000 * (seed + first + i)),
            "You multiply the number by 1000 too: then picture 1 of seed 0 is picture 0 of seed 1.",
        ),
        Mistake(
            "the number of the picture alone",
            _own(lambda seed, first, i, n: first + i),
            "Your pictures do not depend on the seed.",
        ),
        Mistake(
            "joined",
            lambda seed, first, n, shape: torch.cat(list(noises(seed, first, n, shape))),
            "You join the noises along their first axis. The pictures need an axis of their own: (n, *shape).",
        ),
        Mistake(
            "in float64",
            lambda seed, first, n, shape: torch.stack(
                [
                    torch.randn(shape, generator=_generator(1000 * seed + first + i), dtype=torch.float64)
                    for i in range(n)
                ]
            ),
            "You draw in float64. A generator gives other numbers then; the docstring's call names no dtype.",
        ),
        Mistake(
            "the second draw",
            lambda seed, first, n, shape: torch.stack([_second(1000 * seed + first + i, shape) for i in range(n)]),
            "Yours is the second draw of each generator. Something drew from it before.",
        ),
        Mistake(
            "uniform numbers",
            lambda seed, first, n, shape: torch.stack(
                [torch.rand(shape, generator=_generator(1000 * seed + first + i)) for i in range(n)]
            ),
            "torch.rand gives uniform numbers in [0, 1). Noise is normal: mean 0, variance 1.",
        ),
    ],
    gradients=[],  # noise depends on nothing
    hints=[
        "How many generators are needed for n pictures?",
        "Picture number first + i, for i = 0 … n−1, has the generator of the docstring with that number.",
        "A list with one torch.randn(shape, generator=…) for each number; torch.stack makes (n, *shape) of it.",
    ],
    insight="The package does the same with a hash in the place of 1000·seed + i, so that no two seeds ever share pictures.",
)


# -- the pipeline -------------------------------------------------------------------------------------------------------


def text_to_image(
    prompts: list[str],
    text,
    denoiser: Denoiser,
    decode,
    side: int,
    guidance: float,
    steps: int,
    seed: int,
) -> Tensor:
    """One picture a prompt: read, guide, sample, decode.

    text(prompts) -> (B, L, D); denoiser, of latents (B, 4, side, side), with schedule and null;
    decode(latents) -> images. Starts from the noise that belongs to `seed` (see `sample`), with
    the sampler DPMSolverPP() and `steps` steps.
    Returns images (B, 3, H, W), clamped to [-1, 1].
    """
    denoise = guided(denoiser, text(prompts), guidance)
    shape = (len(prompts), 4, side, side)
    z = sample(denoise, denoiser.schedule, shape, DPMSolverPP(), steps, seed=seed)
    return decode(z).clamp(-1, 1)


def text_to_image_one_by_one(prompts, text, denoiser, decode, side, guidance, steps, seed):
    pictures = []
    for i, prompt in enumerate(prompts):
        denoise = guided(denoiser, text([prompt]), guidance)
        z = sample(denoise, denoiser.schedule, (1, 4, side, side), DPMSolverPP(), steps, seed=seed, first=i)
        pictures.append(decode(z))
    return torch.cat(pictures).clamp(min=-1, max=1)


def _pipeline(
    condition: Callable = lambda text, prompts: text(prompts),
    wrap: Callable = lambda denoiser, cond, w: guided(denoiser, cond, w),
    sampler: Callable = DPMSolverPP,
    more_steps: int = 0,
    channels: int = 4,
    other_seed: int = 0,
    end: Callable = lambda decode, z: decode(z).clamp(-1, 1),
    start: Callable | None = None,
) -> Callable:
    """text_to_image with one of its parts exchanged."""

    def run(prompts, text, denoiser, decode, side, guidance, steps, seed):
        denoise = wrap(denoiser, condition(text, prompts), guidance)
        shape = (len(prompts), channels, side, side)
        x = start(shape, seed) if start else None
        z = sample(denoise, denoiser.schedule, shape, sampler(), steps + more_steps, seed=seed + other_seed, x=x)
        return end(decode, z)

    return run


def pipeline_case(B: int, side: int, guidance: float, steps: int, seed: int, schedule: DiffusionSchedule | None = None):
    def build(g):
        path = schedule or DiffusionSchedule.scaled_linear()
        denoiser = Denoiser(AnyUNet(), path, null=a_text_encoder([""])[0])
        return PROMPTS[:B], a_text_encoder, denoiser, a_decoder, side, guidance, steps, seed

    return build


TEXT_TO_IMAGE = Exercise(
    name="05c.text_to_image",
    title="The pipeline, assembled",
    minutes=10,
    level=2,
    reference=text_to_image,
    alternatives=[text_to_image_one_by_one],
    cases=[
        pipeline_case(2, 2, 3.0, 3, 1),
        pipeline_case(3, 3, 2.0, 4, 5),
        pipeline_case(1, 2, 1.0, 3, 0),
        pipeline_case(2, 1, 0.5, 6, 2, DiffusionSchedule.linear(200)),
    ],
    gradients=[],  # pictures are drawn, nothing is trained
    invariants=[
        Invariant(
            "in range",
            lambda f: float(f(*pipeline_case(2, 2, 9.0, 2, 3)(None)).abs().max()) <= 1,
            "Images must lie in [-1, 1]; a decoder may give a little more.",
        ),
    ],
    mistakes=[
        Mistake(
            "no guidance",
            _pipeline(wrap=lambda denoiser, cond, w: denoiser.given(cond)),
            "`guidance` has no effect with you: this is the plain conditional model. Who mixes the two predictions?",
        ),
        Mistake(
            "the prompt unread",
            _pipeline(wrap=lambda denoiser, cond, w: denoiser.given(denoiser.null)),
            "Whatever the prompt, you sample from the empty one. Where does text(prompts) go?",
        ),
        Mistake(
            "one more than guidance",
            _pipeline(wrap=lambda denoiser, cond, w: guided(denoiser, cond, w + 1)),
            "You guide with w + 1. That is the papers' convention, where 0 is the plain model; here 1 is.",
        ),
        Mistake(
            "one noise for all",
            _pipeline(start=lambda shape, seed: sample_start((1, *shape[1:]), seed).expand(shape)),
            "All pictures start from the same noise. Each place of the batch has its own; `sample` sees to it.",
        ),
        Mistake(
            "noise of the batch",
            _pipeline(start=lambda shape, seed: torch.randn(shape, generator=_generator(seed))),
            "You draw the noise of the whole batch from one generator. Leave it to `sample(…, seed=seed)`: it gives each picture its own, "
            "so that it is the same alone and in a batch.",
        ),
        Mistake(
            "another seed",
            _pipeline(other_seed=1),
            "Your noise belongs to another seed than the one asked for: off by one.",
        ),
        Mistake(
            "DDIM",
            _pipeline(sampler=DDIM),
            "That is DDIM, the sampler that `sample` takes if it is told none. The docstring names another, which needs fewer steps.",
        ),
        Mistake(
            "a step too many",
            _pipeline(more_steps=1),
            "You take steps + 1 steps. `sample` counts steps, not levels; it adds the last level by itself.",
        ),
        Mistake(
            "three channels",
            _pipeline(channels=3),
            "You start from noise with three channels, that of a picture. Which shape has the space in which the denoiser works?",
        ),
        Mistake(
            "not decoded",
            _pipeline(end=lambda decode, z: z),
            "You return latents. The autoencoder's second half has not been called.",
        ),
        Mistake(
            "clamped, not decoded",
            _pipeline(end=lambda decode, z: z.clamp(-1, 1)),
            "You clamp the latents and return them. The autoencoder's second half has not been called.",
        ),
        Mistake(
            "seed 0",
            lambda prompts, text, denoiser, decode, side, guidance, steps, seed: text_to_image(
                prompts, text, denoiser, decode, side, guidance, steps, 0
            ),
            "Your noise is that of seed 0, whatever the seed: every call draws the same pictures.",
        ),
        Mistake(
            "20 steps",
            lambda prompts, text, denoiser, decode, side, guidance, steps, seed: text_to_image(
                prompts, text, denoiser, decode, side, guidance, 20, seed
            ),
            "You take 20 steps, whatever `steps` says.",
        ),
        Mistake(
            "guidance 5",
            lambda prompts, text, denoiser, decode, side, guidance, steps, seed: text_to_image(
                prompts, text, denoiser, decode, side, 5.0, steps, seed
            ),
            "You guide with 5, whatever `guidance` says.",
        ),
        Mistake(
            "one less than guidance",
            _pipeline(wrap=lambda denoiser, cond, w: guided(denoiser, cond, w - 1)),
            "You guide with guidance − 1. `guided` counts as the docstring does: 1 is the plain model.",
        ),
        Mistake(
            "unscaled once more",
            _pipeline(end=lambda decode, z: decode(z / 0.18215).clamp(-1, 1)),
            "You divide by 0.18215 before decoding. That is Stable Diffusion's factor; `decode` takes latents as the denoiser sees them.",
        ),
        Mistake(
            "the first prompt for all",
            _pipeline(condition=lambda text, prompts: text(prompts[:1] * len(prompts))),
            "All pictures get the first prompt. Each has its own.",
        ),
        Mistake(
            "no seed, no generator",
            _pipeline(start=lambda shape, seed: torch.randn(shape)),
            "You draw noise of your own, which does not depend on seed. `sample(…, seed=seed)` finds the noise that belongs to it.",
        ),
        Mistake(
            "decoded without the last step",
            _pipeline(more_steps=-1),
            "You take steps − 1 steps. `sample` counts steps, not levels.",
        ),
        Mistake(
            "not clamped",
            _pipeline(end=lambda decode, z: decode(z)),
            "Some of your pixels lie outside [-1, 1]. The decoder knows no bounds; a picture has them.",
        ),
        Mistake(
            "latents clamped",
            _pipeline(end=lambda decode, z: decode(z.clamp(-1, 1))),
            "You clamp the latents. They reach to ±3 and mean something there; what has bounds is the *picture*.",
        ),
    ],
    allowed={
        "* called twice": "the same at twice the price, which the stub does not forbid",
        "denoiser in the other mode": "sample sets the mode for drawing itself",
    },
    hints=[
        "Five stations: text, guided denoiser, shape of the latents, sample, decode. Each is one call.",
        "guided(denoiser, condition, guidance) goes where a plain denoiser would go: first argument of sample.",
        "sample(guided…, denoiser.schedule, (B, 4, side, side), DPMSolverPP(), steps, seed=seed); then decode, then clamp.",
    ],
    insight="Text once, U-Net at every step, decoder once. The autoencoder's encoder does not occur: it is for training, and for pictures "
    "that one starts from.",
)


def sample_start(shape: tuple[int, ...], seed: int) -> Tensor:
    """The noise that `sample` starts from."""
    from diffcourse.rng import draw, image_generators

    return draw(torch.empty(shape), image_generators(shape[0], seed, 0))


# -- a negative prompt --------------------------------------------------------------------------------------------------


def guided_noise(
    z: Tensor,
    t: Tensor,
    prompts: list[str],
    negatives: list[str],
    w: float,
    text,
    unet,
) -> Tensor:
    """The guided prediction, with a negative prompt in the place of the empty one.

    w = 1 gives what the network says with the prompt, w = 0 what it says with the negative, and
    all other w lie on the straight line through these two, beyond the prompt for w > 1.
    z (B, 4, h, w); t (B,); B prompts and B negatives ("" for none); text(list of B texts) ->
    (B, L, D); unet(z, t, c) -> predicted noise. Returns (B, 4, h, w).
    """
    eps_prompt, eps_neg = unet(z, t, text(prompts)), unet(z, t, text(negatives))
    return eps_neg + w * (eps_prompt - eps_neg)


def guided_noise_in_one_call(z, t, prompts, negatives, w, text, unet):
    both = unet(torch.cat([z, z]), torch.cat([t, t]), text([*negatives, *prompts]))
    return torch.lerp(*both.chunk(2), w)


def guided_noise_by_weights(z, t, prompts, negatives, w, text, unet):
    return w * unet(z, t, text(prompts)) - (w - 1) * unet(z, t, text(negatives))


def _negative(mix: Callable) -> Callable:
    """guided_noise with another mixture: a function of (eps of the prompt, of the negative, of the empty text, w)."""

    def run(z, t, prompts, negatives, w, text, unet):
        said = [unet(z, t, text(texts)) for texts in (prompts, negatives, [""] * len(prompts))]
        return mix(*said, w)

    return run


def _glued(z, t, prompts, negatives, w, text, unet):
    away = [f"{p}, no {n}" for p, n in zip(prompts, negatives, strict=True)]
    return guided_noise(z, t, away, [""] * len(prompts), w, text, unet)


def _embeddings_mixed(z, t, prompts, negatives, w, text, unet):
    c, n = text(prompts), text(negatives)
    return unet(z, t, n + w * (c - n))


def negative_case(w: float, B: int, h: int, negatives: list[str]):
    return lambda g: (
        normal(g, B, 4, h, h + 1),
        torch.randint(1000, (B,), generator=g).float(),
        PROMPTS[:B],
        negatives,
        w,
        a_text_encoder,
        a_unet,
    )


def _empty_is_plain(f: Callable) -> bool:
    z, t, prompts, negatives, w, text, unet = negative_case(4.0, 2, 2, ["", ""])(_generator(1))
    cond, null = unet(z, t, text(prompts)), unet(z, t, text([""] * 2))
    return close(f(z, t, prompts, negatives, w, text, unet), null + w * (cond - null))


def _guided(z, t, prompts, negatives, w, text, unet):
    class Network(nn.Module):
        def forward(self, z, t, c):
            return unet(z, t, c)

    at = Level(
        t.view(-1, 1, 1, 1), torch.full_like(t, 0.8).view(-1, 1, 1, 1), torch.full_like(t, 0.6).view(-1, 1, 1, 1)
    )
    denoiser = Denoiser(Network(), DiffusionSchedule.scaled_linear(), "eps")
    return guided(denoiser, text(prompts), w, uncond=text(negatives))(z, at).eps


def _interleaved(z, t, prompts, negatives, w, text, unet):
    eps_neg, eps_prompt = unet(
        z.repeat_interleave(2, dim=0), t.repeat_interleave(2), text([*negatives, *prompts])
    ).chunk(2)
    return eps_neg + w * (eps_prompt - eps_neg)


GUIDED_NOISE = Exercise(
    name="05c.guided_noise",
    title="A negative prompt",
    minutes=5,
    level=2,
    reference=guided_noise,
    alternatives=[guided_noise_in_one_call, guided_noise_by_weights],
    cases=[
        negative_case(3.0, 2, 2, ["black", "small"]),
        negative_case(5.0, 3, 1, ["", "left", "white"]),
        negative_case(1.0, 2, 1, ["red", ""]),
        negative_case(0.5, 1, 2, ["blue"]),
        negative_case(0.0, 3, 2, ["top left", "blue", ""]),
        negative_case(-1.5, 2, 1, ["white", "red"]),
    ],
    gradients=[],  # guidance is for drawing, where no graph is kept
    package=InPackage("guided(denoiser, text(prompts), w, uncond=text(negatives))", _guided),
    invariants=[
        Invariant(
            "empty is plain guidance",
            _empty_is_plain,
            "With empty negatives this must be plain guidance. With yours it is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "the negative ignored",
            _negative(lambda c, n, e, w: e + w * (c - e)),
            "The negatives have no effect: this is plain guidance, away from the empty text.",
        ),
        Mistake(
            "towards the negative",
            _negative(lambda c, n, e, w: c + w * (n - c)),
            "The branches are swapped: you go away from the prompt, towards the negative.",
        ),
        Mistake(
            "three predictions",
            _negative(lambda c, n, e, w: e + w * (c - e) - w * (n - e)),
            "You take the negative's direction off plain guidance, counted from the empty text. A fine method (lesson 06 has it), but it "
            "costs a third prediction; here the negative *replaces* the empty text.",
        ),
        Mistake(
            "started at the prompt",
            _negative(lambda c, n, e, w: c + w * (c - n)),
            "You start at the prompt: that is guidance w + 1, the papers' convention.",
        ),
        Mistake(
            "the negative subtracted",
            _negative(lambda c, n, e, w: w * c - n),
            "You subtract the whole negative prediction, noise and all. The weights must sum to 1: w for the prompt, and for the other …?",
        ),
        Mistake(
            "a longer prompt",
            _glued,
            "You write “no …” into the prompt. CLIP reads words, hardly negations: naming a thing is the surest way to see it drawn.",
        ),
        Mistake(
            "mixed too early",
            _embeddings_mixed,
            "You mix the *embeddings* and call the network once. The network is not linear: what is mixed are its two answers.",
        ),
        Mistake(
            "the sign",
            _negative(lambda c, n, e, w: n - w * (c - n)),
            "You start at the negative and go away from the prompt: the sign before w is turned round.",
        ),
        Mistake(
            "w less 1",
            _negative(lambda c, n, e, w: n + (w - 1) * (c - n)),
            "You go w − 1 times the way. Started at the negative, w = 1 has to end at the prompt.",
        ),
        Mistake(
            "the difference alone",
            _negative(lambda c, n, e, w: w * (c - n)),
            "Yours is the way alone. It starts somewhere: at w = 1 it has to end at the prompt.",
        ),
        Mistake(
            "rows interleaved",
            _interleaved,
            "In your doubled batch each latent stands twice in a row, and the texts stand otherwise: all negatives, then all prompts. "
            "Latents meet texts of others.",
        ),
        Mistake(
            "one time for all",
            lambda z, t, p, n, w, text, unet: guided_noise(z, t[:1].expand_as(t), p, n, w, text, unet),
            "The network is told the first t for all latents. Each has its own.",
        ),
        Mistake(
            "zeros for no negative",
            lambda z, t, p, n, w, text, unet: guided_noise(
                z, t, p, n, w, lambda texts: torch.stack([text([s])[0] * (s != "") for s in texts]), unet
            ),
            "Where there is no negative you put zeros. The empty text has an embedding of its own, which the network was trained with.",
        ),
        Mistake(
            "one negative for all",
            lambda z, t, p, n, w, text, unet: guided_noise(z, t, p, [n[0]] * len(p), w, text, unet),
            "The first negative is used for all pictures. Each prompt has its own.",
        ),
    ],
    hints=[
        "Two predictions. Which text does each of them read?",
        "Start at the one you want to leave, and go w times the way to the one you want.",
        "eps of the negatives, plus w times the difference of eps of the prompts and eps of the negatives.",
    ],
    insight="A negative prompt costs nothing: the second call was made anyway, with the empty text.",
    allowed={"* called twice": "the same at twice the price, which the stub does not forbid"},
)


# -- what a picture costs -----------------------------------------------------------------------------------------------


def picture_cost(unet: int, decoder: int, steps: int, guidance: float) -> int:
    """Multiply-adds of one picture by latent diffusion.

    unet: of one call of the U-Net; decoder: of one decoding. A step makes as few calls as it
    can: the guided prediction is eps_null + guidance·(eps_cond - eps_null), and an answer whose
    weight is exactly 0 is not asked for. The text encoder's share is left out.
    """
    calls = steps * (1 if guidance in (0, 1) else 2)
    return calls * unet + decoder


def picture_cost_in_a_loop(unet, decoder, steps, guidance):
    total = decoder
    for _ in range(steps):
        total += unet
        if guidance != 0 and guidance != 1:
            total += unet
    return total


PICTURE_COST = Exercise(
    name="05c.picture_cost",
    title="What a picture costs",
    minutes=4,
    level=1,
    reference=picture_cost,
    alternatives=[picture_cost_in_a_loop],
    cases=[
        (10, 7, 20, 5.0),
        (1_000, 333, 50, 7.5),
        (10, 7, 20, 1.0),
        (12, 100, 3, 0.0),
        (10, 4, 1, 1.5),
        (100, 7, 2, 1.05),
        (30, 5, 4, -2.0),
        (30, 5, 2, -1.0),
        (10, 4, 6, 0.5),
        (20, 9, 5, 1),
        (20, 8, 7, 0),
    ],
    mistakes=[
        Mistake(
            "one call a step",
            lambda u, d, s, w: s * u + d,
            "You count one call a step. Guidance needs two answers, one with the prompt and one without.",
        ),
        Mistake(
            "always two calls",
            lambda u, d, s, w: 2 * s * u + d,
            "With guidance 1 the empty text has the weight 0, and with 0 the prompt has: one call is enough there.",
        ),
        Mistake(
            "only 1 is plain",
            lambda u, d, s, w: s * (1 if w == 1 else 2) * u + d,
            "Guidance 1 you have. What is eps_null + w·(eps_cond − eps_null) at w = 0, and which call does it not need?",
        ),
        Mistake(
            "decoded at every step",
            lambda u, d, s, w: s * ((1 if w in (0, 1) else 2) * u + d),
            "You decode at every step. Between the steps nobody looks: the decoder runs once, at the end.",
        ),
        Mistake(
            "decoder forgotten",
            lambda u, d, s, w: s * (1 if w in (0, 1) else 2) * u,
            "The latents still have to become a picture: the decoder is missing.",
        ),
        Mistake(
            "decoded twice",
            lambda u, d, s, w: (1 if w in (0, 1) else 2) * (s * u + d),
            "You decode twice. The two branches are mixed at every step; only one latent is left at the end.",
        ),
        Mistake(
            "a step too many",
            lambda u, d, s, w: (s + 1) * (1 if w in (0, 1) else 2) * u + d,
            "You count steps + 1 steps: there are steps + 1 *levels*, and a step leads from one to the next.",
        ),
        Mistake(
            "no call at 0",
            lambda u, d, s, w: s * (0 if w == 0 else 1 if w == 1 else 2) * u + d,
            "At guidance 0 you call nothing. The empty text's answer has the weight 1 there, so it is needed.",
        ),
        Mistake(
            "only 0 is plain",
            lambda u, d, s, w: s * (1 if w == 0 else 2) * u + d,
            "Guidance 0 you have. At 1 the empty text has the weight 0: one call is enough there too.",
        ),
        Mistake(
            "cut to a whole number",
            lambda u, d, s, w: s * (1 if int(w) in (0, 1) else 2) * u + d,
            "You cut the guidance to a whole number, so 1.5 counts as 1. Only *exactly* 0 and 1 need one call.",
        ),
        Mistake(
            "up to 1",
            lambda u, d, s, w: s * (1 if w <= 1 else 2) * u + d,
            "You count one call for everything up to 1. Below 1 both answers have a weight, except at exactly 0.",
        ),
        Mistake(
            "near 0 and 1",
            lambda u, d, s, w: s * (1 if min(abs(w), abs(w - 1)) < 0.1 else 2) * u + d,
            "You count one call where guidance is near 0 or 1. Near them both answers have a weight still.",
        ),
        Mistake(
            "0 or less",
            lambda u, d, s, w: s * (1 if w <= 0 or w == 1 else 2) * u + d,
            "You count one call below 0 as well. Both answers have a weight there, the prompt's a negative one.",
        ),
        Mistake(
            "twice as many",
            lambda u, d, s, w: 2 * s * (1 if w in (0, 1) else 2) * u + d,
            "You count twice as many calls: one a step for each answer, two answers with guidance.",
        ),
        Mistake(
            "guidance as a factor",
            lambda u, d, s, w: s * u * w + d,
            "You multiply by the guidance. A larger scale is a larger number in a formula, not more work.",
        ),
    ],
    gradients=[],  # counts
    allowed={
        "guidance one minus it": "0 and 1 change places",
        "unet and steps interchanged": "a product does not mind the order of its factors",
    },
    hints=[
        "What runs at every step, and what runs once?",
        "How many answers of the U-Net does one step mix? For which scales does one of them have the weight 0?",
        "steps times calls a step (one or two) times unet, plus the decoder once.",
    ],
    insight="With 20 steps and guidance the U-Net runs 40 times, the decoder once. So the U-Net is where a small space pays.",
)


# -- reading the result -------------------------------------------------------------------------------------------------


def relative_accuracy(shown: Tensor, asked: Tensor, ceiling: Tensor) -> Tensor:
    """How often pictures show what was asked for, relative to what the autoencoder keeps.

    int64 (N, 5), five attributes each: asked, what the prompts say; shown, what is read in the
    drawn pictures; ceiling, what is read in the autoencoder's reconstructions of true scenes
    with exactly these attributes. Returns a tensor of six, share / share of the ceiling: the
    five attributes, then "all five right in one picture".
    """
    right, best = shown == asked, ceiling == asked
    right, best = (torch.cat([r, r.all(dim=1, keepdim=True)], dim=1).float().mean(dim=0) for r in (right, best))
    return right / best


def relative_accuracy_in_a_loop(shown, asked, ceiling):
    rows = []
    for k in range(6):
        pick = (lambda r: r.all(dim=1)) if k == 5 else (lambda r, k=k: r[:, k])
        rows.append(pick(shown == asked).double().sum() / pick(ceiling == asked).double().sum())
    return torch.stack(rows)


def _accuracy(last: Callable, end: Callable = lambda right, best: right / best) -> Callable:
    """relative_accuracy with another last entry, a function of right (N, 5), or another end."""

    def run(shown, asked, ceiling):
        shares = []
        for read in (shown, ceiling):
            right = (read == asked).float()
            shares.append(torch.cat([right.mean(dim=0), last(right).view(1)]))
        return end(*shares)

    return run


def _all_five(right: Tensor) -> Tensor:
    return right.all(dim=1).float().mean()


def table_case(N: int, errors: float, ceiling: float | None = None):
    """Shares of errors in the drawn pictures and under the ceiling (a third of those), growing from attribute to attribute."""

    def build(g):
        asked = torch.randint(8, (N, 5), generator=g)
        shares = torch.tensor([errors, errors / 3 if ceiling is None else ceiling]).view(2, 1, 1)
        wrong = torch.rand(2, N, 5, generator=g) < shares * torch.linspace(0.5, 1.5, 5)
        shown, best = (torch.where(w, (asked + 1) % 8, asked) for w in wrong)
        return shown, asked, best

    return build


def _relative(shown, asked, ceiling):
    drawn, best = (
        metrics.PromptAccuracy(
            *(read == asked).double().mean(dim=0).tolist(),
            _all_five(read == asked).item(),
            len(asked),
            (len(asked),) * 6,
        )
        for read in (shown, ceiling)
    )
    return torch.tensor(list(drawn.relative_to(best).values()))


def _of_five(last: Callable) -> Callable:
    """The five ratios, and a last number made of them."""

    def run(shown, asked, ceiling):
        five = relative_accuracy(shown, asked, ceiling)[:5]
        return torch.cat([five, last(five).view(1)])

    return run


def _where_legible(shown, asked, ceiling):
    right, best = shown == asked, ceiling == asked
    five = [right[best[:, k], k].float().mean() for k in range(5)]
    return torch.stack([*five, right.all(dim=1)[best.all(dim=1)].float().mean()])


RELATIVE_ACCURACY = Exercise(
    name="05c.relative_accuracy",
    title="Right, relative to the ceiling",
    minutes=6,
    level=2,
    reference=relative_accuracy,
    alternatives=[relative_accuracy_in_a_loop],
    cases=[
        table_case(40, 0.3),
        table_case(60, 0.2),
        table_case(25, 0.4),
        table_case(30, 0.1, 0.3),
        table_case(7, 0.2, 0.1),
    ],
    package=InPackage("metrics.prompt_accuracy(pictures, attributes).relative_to(ceiling)", _relative),
    invariants=[
        Invariant(
            "as good as the ceiling",
            lambda f: close(f(*(table_case(30, 0.0)(_generator(0)))), torch.ones(6)),
            "Pictures that show all that was asked for, under a ceiling that does, have six ones. Yours do not.",
        ),
    ],
    mistakes=[
        Mistake(
            "the ceiling forgotten",
            _accuracy(_all_five, lambda right, best: right),
            "These are plain shares. What the autoencoder blurs, no prompt can bring back: divide by what it leaves.",
        ),
        Mistake(
            "upside down",
            _accuracy(_all_five, lambda right, best: best / right),
            "Your fraction is upside down: the ceiling is the measure, the drawn pictures are measured.",
        ),
        Mistake(
            "a difference",
            _accuracy(_all_five, lambda right, best: right - best),
            "You subtract. Relative is a ratio: 0.90 of a ceiling of 0.95 is 0.95 of what is possible.",
        ),
        Mistake(
            "compared with the ceiling",
            lambda shown, asked, ceiling: _accuracy(_all_five, lambda right, best: right)(shown, ceiling, asked),
            "You compare pictures with *reconstructions*. Both are compared with what was asked; the two shares are then divided.",
        ),
        Mistake(
            "the mean for the whole",
            _accuracy(lambda right: right.mean()),
            "Your last number is the mean over attributes. “All five right in one picture” is stricter: one error spoils the picture.",
        ),
        Mistake(
            "the product for the whole",
            _accuracy(lambda right: right.mean(dim=0).prod()),
            "You multiply the five shares. That would do if errors were independent; often one picture has several. Count pictures.",
        ),
        Mistake(
            "the worst for the whole",
            _accuracy(lambda right: right.mean(dim=0).min()),
            "Your last number is the worst attribute. All five together are right even less often.",
        ),
        Mistake(
            "the mean of the five ratios",
            _of_five(lambda five: five.mean()),
            "Your last number is the mean of the five. “All five right in one picture” is counted by itself: an error spoils the picture.",
        ),
        Mistake(
            "the smallest of the five ratios",
            _of_five(lambda five: five.min()),
            "Your last number is the smallest of the five. All five right in one picture is rarer still: count such pictures.",
        ),
        Mistake(
            "the five alone",
            lambda shown, asked, ceiling: relative_accuracy(shown, asked, ceiling)[:5],
            "Yours are five numbers, one an attribute. The sixth is missing: how often all five are right in one picture.",
        ),
        Mistake(
            "the whole first",
            lambda shown, asked, ceiling: relative_accuracy(shown, asked, ceiling).roll(1),
            "“All five right” stands first with you. It is the last of the six.",
        ),
        Mistake(
            "multiplied",
            _accuracy(_all_five, lambda right, best: right * best),
            "You multiply by the share of the ceiling. What it leaves is the measure, so one divides by it.",
        ),
        Mistake(
            "cut at 1",
            lambda shown, asked, ceiling: relative_accuracy(shown, asked, ceiling).clamp(max=1),
            "You cut at 1. Drawn pictures may be easier to read than reconstructions, and then the ratio says so.",
        ),
        Mistake(
            "in per cent",
            lambda shown, asked, ceiling: 100 * relative_accuracy(shown, asked, ceiling),
            "Yours are per cent. A share of the whole is 1.",
        ),
        Mistake(
            "each where the ceiling is right",
            _where_legible,
            "You count only where the reconstruction is right. Drawn pictures are no reconstructions: take both shares over all.",
        ),
        Mistake(
            "any for all",
            _accuracy(lambda right: right.any(dim=1).float().mean()),
            "You count pictures with *any* attribute right. All five must be.",
        ),
        Mistake(
            "ratio a picture",
            lambda shown, asked, ceiling: torch.cat(
                [(shown == asked).float(), (shown == asked).all(dim=1, keepdim=True).float()], dim=1
            )[(ceiling == asked).all(dim=1)].mean(dim=0),
            "You count only the pictures whose reconstruction is right. Drawn pictures are not pictures *of* these scenes: take the shares "
            "first, over all, and divide then.",
        ),
    ],
    gradients=[],  # counted
    allowed={"torch.cat(* -> torch.cat(*": "the numbers of pictures cancel"},
    hints=[
        "First two tables of True and False, (N, 5): the drawn pictures against what was asked, and the reconstructions against it.",
        "A sixth column: .all(dim=1). The mean of each column is a share.",
        "Six shares of the drawn pictures, divided by the six of the reconstructions.",
    ],
    insight="A relative share can exceed 1: drawn digits are often clearer than those people write.",
)


PROMPTS_NEEDED = Exercise(
    name="05c.prompts_needed",
    title="How many prompts?",
    kind="value",
    minutes=10,
    level=2,
    reference=685.0,
    tolerance=1e-5,
    stub="# One model follows 99.5 % of all prompts, another 98.4 %. You draw n pictures with each, of\n"
    "# prompts of their own, and compare the two shares that you count. What is the smallest whole n\n"
    "# at which the true difference is at least twice the standard error of the one you measure?\n"
    "prompts_needed = ...",
    mistakes=[
        Mistake(
            "not whole",
            4 * 0.020719 / 0.011**2,
            "That is right, but for the last step: n is a whole number, so go up to the next.",
        ),
        Mistake(
            "rounded down",
            684.0,
            "Nearly: at 684 the difference is still a little less than two errors. Go up, not down.",
        ),
        Mistake(
            "once, not twice",
            172.0,
            "At that n the difference is *one* standard error. Asked is two, and the error falls with √n.",
        ),
        Mistake(
            "twice the prompts",
            343.0,
            "That is half of it: you doubled n for half the error, which falls with √n, or took the mean of the variances, which add.",
        ),
        Mistake(
            "the better one alone",
            165.0,
            "You count the error of the better share only. Both are measured, and the variances add.",
        ),
        Mistake(
            "the other one alone",
            521.0,
            "You count the error of the lower share only. Both are measured, and the variances add.",
        ),
        Mistake(
            "errors added",
            1271.0,
            "You add the two standard errors. Independent errors add in squares: their variances do.",
        ),
        Mistake(
            "twice the mean's",
            687.0,
            "Nearly: you gave both the error of their mean, 98.95 %. Take p(1 − p) of each.",
        ),
        Mistake(
            "the difference not squared",
            8.0,
            "You divide by the difference. In (2·error)² = difference² it stands squared.",
        ),
        Mistake("a 95 % interval", 658.0, "You take 1.96 errors, those of a 95 % interval. Asked is two."),
    ],
    hints=[
        "A share p counted in n pictures has the variance p(1 − p)/n.",
        "The variance of a difference of two independent counts is the sum of theirs.",
        "0.011 = 2·√((0.995·0.005 + 0.984·0.016)/n). Solve for n, and go up to the next whole number.",
    ],
    insight="Nearly 700 for one point in a hundred: a hundred pictures cannot tell good models apart. It is cheaper to give both models "
    "the same prompts and noises, and to count where they differ.",
)


# -- find the bugs ------------------------------------------------------------------------------------------------------


def mended(
    prompts: list[str],
    noise: Tensor,
    times: list[int],
    w: float,
    text,
    unet,
    step,
    decoder,
    scale: float,
) -> Tensor:
    """The pipeline of the notes, put right.

    noise (B, 4, h, w); times, falling; text(B texts, or one) -> (B, L, D); unet(z, t, c) ->
    eps, t a (B,) tensor; step(z, eps, t, to) -> z at the time `to`, which is None after the
    last step. decoder: the bare network, which wants unscaled latents; those of the U-Net are
    scaled, by the factor scale. Returns decoder's images.
    """
    cond, null = text(prompts), text([""] * len(prompts))
    z = noise
    for t, to in zip(times, [*times[1:], None], strict=True):
        at = torch.full((2 * len(z),), float(t))
        eps_null, eps_cond = unet(torch.cat([z, z]), at, torch.cat([null, cond])).chunk(2)
        z = step(z, eps_null + w * (eps_cond - eps_null), t, to)
    return decoder(z / scale)


def mended_in_two_calls(prompts, noise, times, w, text, unet, step, decoder, scale):
    z, nothing = noise, text([""]).expand(len(prompts), -1, -1)
    for i, t in enumerate(times):
        at = torch.ones(len(z)) * t
        eps = torch.lerp(unet(z, at, nothing), unet(z, at, text(prompts)), w)
        z = step(z, eps, t, times[i + 1] if i + 1 < len(times) else None)
    return decoder(z * (1 / scale))


def _notes(empty: bool, branch: bool, scaled: bool, end: Callable | None = None) -> Callable:
    """The notes' pipeline with some of its three bugs mended."""

    def run(prompts, noise, times, w, text, unet, step, decoder, scale):
        cond = text(prompts)
        null = text([""] * len(prompts)) if empty else torch.zeros_like(cond)
        z = noise
        for t, to in zip(times, [*times[1:], None], strict=True):
            at = torch.full((2 * len(z),), float(t))
            first, second = unet(torch.cat([z, z]), at, torch.cat([null, cond])).chunk(2)
            eps_null, eps_cond = (first, second) if branch else (second, first)
            z = step(z, eps_null + w * (eps_cond - eps_null), t, to)
        return decoder(end(z, scale) if end else z / scale if scaled else z)

    return run


def _mended_with(
    w: Callable = lambda w: w, times: Callable = lambda times: times, after: Callable = lambda times: None
) -> Callable:
    """mended with another guidance, or other times."""
    guidance, visited, last = w, times, after

    def run(prompts, noise, times, w, text, unet, step, decoder, scale):
        def to_the_end(z, eps, t, to):
            return step(z, eps, t, last(times) if to is None else to)

        return mended_in_two_calls(prompts, noise, visited(times), guidance(w), text, unet, to_the_end, decoder, scale)

    return run


def a_step(z: Tensor, eps: Tensor, t: int, to: int | None) -> Tensor:
    """Stands for a sampler's step."""
    return (
        0.8 * z - 0.02 * eps * (t - (-1 if to is None else to)) ** 0.5
    )  # from the time 0 it is one more step to the clean image


def notes_case(B: int, h: int, times: list[int], w: float, scale: float):
    return lambda g: (
        PROMPTS[:B],
        normal(g, B, 4, h, h + 1),
        times,
        w,
        a_text_encoder,
        a_unet,
        a_step,
        a_decoder,
        scale,
    )


def _which(*bugs: str) -> str:
    return " ".join(bugs)


_SCALE = "The *scale*: the decoder wants the autoencoder's own latents. Does `return decoder(z)` give it these?"
_BRANCH = "The *branch*: in which order were the two conditions put into the batch, and in which order are the answers taken out of it?"
_EMPTY = "The *empty text*: what did training show where a caption was dropped? Zeros are an embedding that the U-Net has never met."
_ONE, _TWO = "One bug is left.", "Two bugs are left."

MENDED = Exercise(
    name="05c.mended",
    title="Three bugs in one pipeline",
    minutes=6,
    level=3,
    reference=mended,
    alternatives=[mended_in_two_calls],
    cases=[
        notes_case(2, 2, [900, 500, 100], 3.0, 0.5),
        notes_case(3, 1, [999, 400], 5.0, 1.4),
        notes_case(1, 2, [700], 0.5, 0.18215),
    ],
    gradients=[],  # pictures are drawn, nothing is trained
    mistakes=[
        Mistake(
            "as in the notes",
            _notes(empty=False, branch=False, scaled=False),
            "This is the pipeline of the notes, with all its three bugs. Look at what is *decoded*, at what the *empty* prompt is, and at "
            "which answer is *which*.",
        ),
        Mistake("scale left", _notes(empty=True, branch=True, scaled=False), _which(_ONE, _SCALE)),
        Mistake("branch left", _notes(empty=True, branch=False, scaled=True), _which(_ONE, _BRANCH)),
        Mistake("empty text left", _notes(empty=False, branch=True, scaled=True), _which(_ONE, _EMPTY)),
        Mistake("only the scale mended", _notes(empty=False, branch=False, scaled=True), _which(_TWO, _BRANCH, _EMPTY)),
        Mistake("only the branch mended", _notes(empty=False, branch=True, scaled=False), _which(_TWO, _SCALE, _EMPTY)),
        Mistake(
            "only the empty text mended", _notes(empty=True, branch=False, scaled=False), _which(_TWO, _SCALE, _BRANCH)
        ),
        Mistake(
            "scaled the wrong way",
            _notes(empty=True, branch=True, scaled=True, end=lambda z, scale: z * scale),
            "You multiply by the scale before decoding. Encoding multiplies; decoding must undo it.",
        ),
        Mistake(
            "the picture divided",
            lambda prompts, noise, times, w, text, unet, step, decoder, scale: (
                mended(prompts, noise, times, w, text, unet, step, decoder, 1.0) / scale
            ),
            "You divide the *picture*. The decoder is not linear: its latents have to be right.",
        ),
        Mistake(
            "the noise divided",
            lambda prompts, noise, times, w, text, unet, step, decoder, scale: mended(
                prompts, noise / scale, times, w, text, unet, step, decoder, 1.0
            ),
            "You divide at the start. The U-Net works on scaled latents from the first step to the last; only the decoder wants others.",
        ),
        Mistake(
            "the empty text once",
            lambda prompts, noise, times, w, text, unet, step, decoder, scale: mended(
                prompts,
                noise,
                times,
                w,
                lambda texts: text([""] if set(texts) == {""} else texts),
                unet,
                step,
                decoder,
                scale,
            ),
            "Your empty text is a single row, and the batch has one a picture: the halves of the doubled batch do not fit any more.",
        ),
        Mistake(
            "counted from the prompt",
            _mended_with(w=lambda w: w + 1),
            "The three bugs are mended, but your guidance is w + 1: that is counted from the prompt, here from the empty text.",
        ),
        Mistake(
            "without the last step",
            _mended_with(times=lambda times: times[:-1], after=lambda times: times[-1]),
            "You stop one step early: after the last time there is another step, to the clean latents.",
        ),
        Mistake(
            "clamped",
            lambda prompts, noise, times, w, text, unet, step, decoder, scale: mended(
                prompts, noise, times, w, text, unet, step, decoder, scale
            ).clamp(-1, 1),
            "The three bugs are mended, but you clamp the pictures. Asked is what the decoder gives.",
        ),
        Mistake(
            "scaled twice",
            _notes(empty=True, branch=True, scaled=True, end=lambda z, scale: z / scale / scale),
            "You divide by the scale twice. Once: `decoder` is the bare network, and nobody else divides.",
        ),
    ],
    allowed={
        "* called twice": "the same at twice the price, which the stub does not forbid",
        "float(t) -> t": "a whole number of t is the same number",
        "prompts -> noise (2)": "there are as many prompts as noises",
    },
    hints=[
        "Three lines are to be mended: where null is made, where the answers are unpacked, and the last one.",
        "Which half of the doubled batch read the prompt? And which latents, scaled or not, did the decoder learn?",
        "null from the text encoder, of empty texts; the answers in the order of the conditions; z divided by scale before decoding.",
    ],
    insight="None of the three raises an error, and each leaves a picture of some kind. Only the right picture beside it shows them.",
)


# -- the lesson ---------------------------------------------------------------------------------------------------------

EXERCISES = [
    LDM_LOSS,
    DROP_TEXT,
    DRAW_LATENTS,
    TEXT_TO_IMAGE,
    NOISES,
    GUIDED_NOISE,
    RELATIVE_ACCURACY,
    PROMPTS_NEEDED,
    PICTURE_COST,
    MENDED,
]

QUIZZES = [
    Quiz(
        "05c.words",
        title="Right, or right only with a qualification?",
        questions=[
            Question(
                "“Latent diffusion gives better pictures, because the latent space is better.”",
                options=[
                    Option(
                        "Right: a learned space suits a network better than pixels",
                        "Decoding can only lose: what the autoencoder cannot draw, no latent model draws.",
                    ),
                    Option(
                        "Qualified: it is cheaper, and savings can buy quality",
                        "With what is saved, a larger model or a higher resolution becomes possible. At one budget that often means "
                        "better pictures. It is the budget that does it.",
                        right=True,
                    ),
                    Option(
                        "Wrong: pixel-space models are better, whatever the cost",
                        "At a given cost they usually are not. What does a cheaper step leave money for?",
                    ),
                ],
            ),
            Question(
                "“Diffusion needs 50 steps or more.”",
                options=[
                    Option(
                        "Right: with fewer, some noise is left at the end",
                        "That is how the plain chain goes. You have drawn with 20.",
                    ),
                    Option(
                        "Qualified: second-order solvers do with 10 to 20",
                        "It depends on the sampler, and on the model: distilled ones take one to four.",
                        right=True,
                    ),
                    Option(
                        "Wrong: one step of a trained network is enough",
                        "One step of this model gives the haze of part 5.",
                    ),
                ],
            ),
            Question(
                "“The model is built from PyTorch alone, plus CLIP for the text.”",
                options=[
                    Option(
                        "Right of ours: only text encoder and tokenizer are CLIP's",
                        "Autoencoder, U-Net, sampler and loop are PyTorch. So is the text "
                        "encoder, which has CLIP's architecture; tiny-clip was trained like OpenAI's.",
                        right=True,
                    ),
                    Option(
                        "Wrong: a latent model cannot be built without diffusers",
                        "diffusers has the same networks; here it only checks them.",
                    ),
                    Option(
                        "Qualified: CLIP has to be trained together with the U-Net",
                        "It is frozen. What is trained is the U-Net alone.",
                    ),
                ],
            ),
        ],
    ),
    Quiz(
        "05c.end",
        title="At the end of lesson 05c",
        questions=[
            Question(
                "Which part of a latent-diffusion model runs at every step of sampling?",
                options=[
                    Option(
                        "The text encoder",
                        "Once: the prompt does not change on the way.",
                    ),
                    Option(
                        "The U-Net",
                        "Twice with guidance.",
                        right=True,
                    ),
                    Option(
                        "The decoder",
                        "Once, at the end, unless somebody wants to watch.",
                    ),
                    Option(
                        "The encoder",
                        "Never, unless one starts from a picture. It makes the training data.",
                    ),
                ],
            ),
            Question(
                "Why is the text dropped now and then in training?",
                options=[
                    Option(
                        "So that the text encoder does not overfit",
                        "It is frozen; nothing of it can be regularised.",
                    ),
                    Option(
                        "So that it can also answer with no prompt",
                        'Guidance needs both answers of one network: the one to "" is what it goes away from.',
                        right=True,
                    ),
                    Option(
                        "So that a part of the steps costs less",
                        'A dropped caption costs as much as one that is read: "" is read, too.',
                    ),
                ],
            ),
            Question(
                "The picture comes out right in shape, with all colours far too pale or too loud. Which bug comes to mind first?",
                options=[
                    Option(
                        "The seed: it gave a rare kind of noise",
                        "Another seed is another picture, of the same quality.",
                    ),
                    Option(
                        "The scale: latents were off by a factor",
                        "Before decoding they were all too large, or too small.",
                        right=True,
                    ),
                    Option(
                        "The prompt: its last words were cut off",
                        "Then something of the prompt would be missing, colours would be right.",
                    ),
                ],
            ),
            Question(
                "A held-out combination, say a digit in an ink it never had, is drawn nearly as well as others. What follows?",
                options=[
                    Option(
                        "The test leaked: it had seen the combination after all",
                        "The combinations are left out by rule; a test makes sure of it.",
                    ),
                    Option(
                        "It learned the attributes apart, and puts them together",
                        "It has seen the digit, and the ink, with other partners.",
                        right=True,
                    ),
                    Option(
                        "It can draw whatever can be said in a prompt, seen or not",
                        "Attributes of training only. A zebra is none of them.",
                    ),
                ],
            ),
            Question(
                "Picture 3 of a batch differs visibly from the same picture drawn alone. Why?",
                options=[
                    Option(
                        "Its noise came from a generator of the batch",
                        "Give each picture a generator of its own.",
                        right=True,
                    ),
                    Option(
                        "Floating-point sums differ in larger batches",
                        "They do, in the sixth digit: nobody sees that.",
                    ),
                    Option(
                        "Group normalisation averages over the batch",
                        "It normalises within each image. BatchNorm would mix.",
                    ),
                ],
            ),
        ],
    ),
]
