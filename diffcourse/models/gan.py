"""The generative adversarial network: a generator that draws, a discriminator that tells what is drawn from what is real."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import check_batch, number, one_generator, one_of, told, whole
from diffcourse.models.mlp import Dense
from diffcourse.rng import Generators, draw

# name -> (the discriminator's loss of a real logit, of a drawn one; the generator's of a drawn one)
LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "minimax": (lambda real: F.softplus(-real), F.softplus, lambda drawn: -F.softplus(drawn)),
    "non-saturating": (lambda real: F.softplus(-real), F.softplus, lambda drawn: F.softplus(-drawn)),
    "hinge": (lambda real: F.relu(1 - real), lambda drawn: F.relu(1 + drawn), lambda drawn: -drawn),
}


class Players(NamedTuple):
    """What each of the two minimises, as scalars; `penalty` is R1's part of the discriminator's loss."""

    discriminator: Tensor
    generator: Tensor
    penalty: Tensor


class GAN(nn.Module):
    """A generator z (B, latent_dim) -> x, z ~ N(0, I), and a discriminator x -> logits (B,) or (B, 1) (Goodfellow et al. 2014).

    With l(x) the logit and D = sigmoid(l), the discriminator minimises -log D(x) - log(1 - D(G(z))), equation 1; the best one is
    D = p_data/(p_data + p_drawn), proposition 1. What the generator minimises is chosen by `loss`:

        "minimax"         log(1 - D(G(z))), equation 1: flat where the discriminator is sure
        "non-saturating"  -log D(G(z)), section 3: the same fixed point, and steep there
        "hinge"           -l(G(z)), against a discriminator that minimises max(0, 1 - l(x)) + max(0, 1 + l(G(z))) (Lim & Ye 2017, section 2)

    r1: gamma of the penalty gamma/2·E|grad_x l(x)|² on real x, without which the walk of the two need not end (Mescheder et al. 2018,
    equation 9). penalised: how many of a batch it is taken of, its first ones, which is cheaper and right on average; None: all.

    One optimiser trains both, by `loss`. The networks judge and draw each entry of a batch by itself, so none may have a BatchNorm.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        loss: str = "non-saturating",
        r1: float = 0.0,
        penalised: int | None = None,
    ):
        super().__init__()
        self.latent_dim = whole("latent_dim", latent_dim, 1)
        for name, network in {"generator": generator, "discriminator": discriminator}.items():
            if not isinstance(network, nn.Module):
                raise TypeError(f"{name} must be a network, a torch module, got {told(network)}")
            if mixes := [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]:
                raise ValueError(
                    f"{name} must treat each entry of a batch by itself, which {type(mixes[0]).__name__} does not; "
                    "GroupNorm does"
                )
        self.generator, self.discriminator = generator, discriminator
        self.form, self.r1 = one_of("loss", loss, tuple(LOSSES)), number("r1", r1, 0)
        self.penalised = None if penalised is None else whole("penalised", penalised, 1)

    @classmethod
    def digits(cls, latent_dim: int = 64, channels: int = 32, hidden: int = 128, **settings: Any) -> "GAN":
        """A small one of convolutions, for digits (B, 1, 28, 28) in [-1, 1]; settings: loss, r1, penalised."""
        networks = DigitGenerator(latent_dim, channels, hidden), DigitDiscriminator(channels, hidden)
        return cls(*networks, latent_dim, **settings)

    @classmethod
    def points(cls, dims: int = 2, latent_dim: int = 2, width: int = 128, depth: int = 3, **settings: Any) -> "GAN":
        """One of dense layers, for points (B, dims); settings: loss, r1, penalised."""
        return cls(Dense(latent_dim, dims, width, depth), Dense(dims, 1, width, depth), latent_dim, **settings)

    def extra_repr(self) -> str:
        return f"latent_dim={self.latent_dim}, loss={self.form!r}, r1={self.r1:g}, penalised={self.penalised}"

    def forward(self, z: Tensor) -> Tensor:
        """What the generator makes of z (B, latent_dim)."""
        check_batch("z", z)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        return self.generator(z)

    @torch.no_grad()
    def generate(self, n: int, *, generator: Generators = None, noise: Tensor | None = None) -> Tensor:
        """n draws, one call of the generator each; generator: one, one a draw (`rng.image_generators`), or None for torch's own.

        noise (n, latent_dim) takes the place of what is drawn.
        """
        n, like = whole("n", n, 1), next(self.generator.parameters())
        if noise is None:
            return self(draw(like.new_empty(n, self.latent_dim), generator))
        if not isinstance(noise, Tensor) or noise.shape != (n, self.latent_dim):
            raise ValueError(f"noise must be a tensor ({n}, {self.latent_dim}), got {told(noise)}")
        return self(noise.to(like))

    def discriminate(self, x: Tensor) -> Tensor:
        """The logit of "this is real", (B,): log p_data/p_drawn, of a perfect discriminator (`minimax` and `non-saturating`)."""
        check_batch("x", x)
        return self._logits(self.discriminator(x), x)

    def players(self, x: Tensor, generator: torch.Generator | None = None) -> Players:
        """Both losses on real x (B, …) and as many draws, each with gradients for its own player's parameters alone.

        The discriminator sees drawn x without their past, the generator a discriminator whose parameters stand still: gradients of the sum
        are those of the two apart, and a step along them is one of simultaneous gradient descent (Mescheder et al. 2018, section 2).
        """
        check_batch("x", x)
        one_generator(generator)
        of_real, of_drawn, of_generator = LOSSES[self.form]
        z = draw(next(self.generator.parameters()).new_empty(len(x), self.latent_dim), generator)
        drawn = self(z)
        if drawn.shape != x.shape:
            raise ValueError(f"x must be like what is drawn, {tuple(drawn.shape)}, got {tuple(x.shape)}")
        still = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
        fooled = self._logits(torch.func.functional_call(self.discriminator, still, (drawn,)), drawn)
        penalty = self.penalty(x[: self.penalised]) if self.r1 else drawn.new_zeros(())
        told_apart = of_real(self.discriminate(x)).mean() + of_drawn(self.discriminate(drawn.detach())).mean()
        return Players(told_apart + penalty, of_generator(fooled).mean(), penalty)

    def penalty(self, x: Tensor) -> Tensor:
        """r1/2·E|grad_x l(x)|² of real x (B, …), a scalar."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.discriminate(x).sum(), x, create_graph=True)
        return self.r1 / 2 * slope.flatten(1).square().sum(dim=1).mean()

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The sum of both players' losses, a scalar to train by, whose value tells nothing: `players` tells them apart."""
        players = self.players(x, generator)
        return players.discriminator + players.generator

    def _logits(self, logits: Tensor, x: Tensor) -> Tensor:
        if logits.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(f"discriminator must return ({len(x)},) or ({len(x)}, 1), got {tuple(logits.shape)}")
        return logits.view(len(x))

    def spec(self, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What `from_spec` needs to make an empty twin, JSON values only; `describe` describes the networks."""
        return {
            "type": "GAN",
            "generator": describe(self.generator),
            "discriminator": describe(self.discriminator),
            "settings": {
                "latent_dim": self.latent_dim,
                "loss": self.form,
                "r1": self.r1,
                "penalised": self.penalised,
            },
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], build: Callable[[Mapping[str, Any]], nn.Module]) -> "GAN":
        """The empty twin that `spec` describes; `build` makes the networks."""
        return cls(build(spec["generator"]), build(spec["discriminator"]), **spec["settings"])


class DigitGenerator(nn.Sequential):
    """z (B, latent_dim) -> (B, 1, 28, 28) in (-1, 1): two dense layers to 7x7, and two convolutions that double the side.

    GroupNorm, which sees one image alone, keeps it from falling silent: in a trial without it, all images became black.
    """

    def __init__(self, latent_dim: int = 64, channels: int = 32, hidden: int = 128):
        C, H = whole("channels", channels, 1), whole("hidden", hidden, 1)
        super().__init__(
            nn.Linear(whole("latent_dim", latent_dim, 1), H),
            nn.LeakyReLU(0.2),
            nn.Linear(H, 4 * C * 49),
            nn.Unflatten(1, (4 * C, 7, 7)),
            nn.GroupNorm(4, 4 * C),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(4 * C, C, 4, stride=2, padding=1),  # (B, C, 14, 14)
            nn.GroupNorm(1, C),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(C, 1, 4, stride=2, padding=1),  # (B, 1, 28, 28)
            nn.Tanh(),
        )
        self.config = {"latent_dim": latent_dim, "channels": channels, "hidden": hidden}


class DigitDiscriminator(nn.Sequential):
    """Images (B, 1, 28, 28) -> logits (B, 1): two convolutions that halve the side, and two dense layers."""

    def __init__(self, channels: int = 32, hidden: int = 128):
        C, H = whole("channels", channels, 1), whole("hidden", hidden, 1)
        super().__init__(
            nn.Conv2d(1, C, 4, stride=2, padding=1),  # (B, C, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(C, 2 * C, 4, stride=2, padding=1),  # (B, 2C, 7, 7)
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * C * 49, H),
            nn.LeakyReLU(0.2),
            nn.Linear(H, 1),
        )
        self.config = {"channels": channels, "hidden": hidden}
