"""The variational autoencoder: an encoder that returns a distribution over codes, and a decoder that returns one over images."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import check_alike, check_batch, check_floating, number, one_generator, one_of, whole
from diffcourse.gaussian import gaussian_nll, reparameterize, standard_kl
from diffcourse.models.mlp import Dense

LIKELIHOODS = {"bernoulli": (0.0, 1.0), "gaussian": (-1.0, 1.0)}  # and the range of their pixels
FORMS = ("mlp", "conv")
PIXELS = 28 * 28


class VAE(nn.Module):
    """q(z | x) = N(mu(x), diag exp(log_var(x))), prior p(z) = N(0, I), and a decoder p(x | z) (Kingma & Welling 2014).

    x (B, 1, 28, 28) -> encode: mu and log_var, each (B, latent_dim) -> reparameterize: z -> decode: the mean of p(x | z), shaped as x.

    likelihood "bernoulli": pixels are 0 or 1 (`data.binarise`), decode gives their probability. "gaussian": pixels lie in [-1, 1], decode
    gives their mean, and one standard deviation for all pixels is learned (`std`).
    form "mlp": two dense layers of `hidden` units on either side; "conv": two strided convolutions with `channels` and 2·channels channels
    before them, and their mirror image after.
    """

    def __init__(
        self,
        latent_dim: int = 20,
        form: str = "conv",
        likelihood: str = "bernoulli",
        hidden: int = 256,
        channels: int = 32,
    ):
        super().__init__()
        for name, size in {"latent_dim": latent_dim, "hidden": hidden, "channels": channels}.items():
            whole(name, size, 1)
        one_of("form", form, FORMS)
        one_of("likelihood", likelihood, tuple(LIKELIHOODS))
        self.config = {
            "latent_dim": latent_dim,
            "form": form,
            "likelihood": likelihood,
            "hidden": hidden,
            "channels": channels,
        }
        self.latent_dim, self.likelihood = latent_dim, likelihood
        self.encoder, self.decoder = (mlp if form == "mlp" else conv)(latent_dim, hidden, channels)
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.log_std = nn.Parameter(torch.zeros(())) if likelihood == "gaussian" else None

    @property
    def std(self) -> Tensor | None:
        """The learned standard deviation of a pixel under the Gaussian likelihood; None under the Bernoulli."""
        return None if self.log_std is None else self.log_std.exp()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each (B, latent_dim)."""
        self._check(x)
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(
        self, mu: Tensor, log_var: Tensor, noise: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """z = mu + exp(log_var/2)·noise, noise ~ N(0, I): a draw from q through which the gradient reaches mu and log_var (equation 10)."""
        return reparameterize(mu, log_var, noise, generator)

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), (B, 1, 28, 28): probabilities (Bernoulli) or grey values (Gaussian)."""
        check_floating("z", z)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        h = self.decoder(z)
        return torch.sigmoid(h) if self.likelihood == "bernoulli" else h

    def to_images(self, z: Tensor) -> Tensor:
        """`decode` as images in [-1, 1], whatever the range of the likelihood's pixels is (a Gaussian's mean may go a little beyond)."""
        images = self.decode(z)
        return 2 * images - 1 if self.likelihood == "bernoulli" else images

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(decoded image, mu, log_var), with one draw of z."""
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, generator=generator)), mu, log_var

    def nll(self, recon_x: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z) for each image, (B,), in nats: summed over pixels, recon_x = decode(z)."""
        self._check(x)
        check_alike("recon_x", recon_x, "x", x)
        if self.likelihood == "bernoulli":
            if not bool(((recon_x >= 0) & (recon_x <= 1)).all()):
                raise ValueError(
                    f"recon_x must be probabilities, got values from {recon_x.min():g} to {recon_x.max():g}"
                )
            each = F.binary_cross_entropy(recon_x, x, reduction="none")
        else:
            each = ((x - recon_x) / self.std) ** 2 / 2 + self.log_std + math.log(2 * math.pi) / 2
        return each.flatten(1).sum(dim=1)

    def loss_function(self, recon_x: Tensor, x: Tensor, mu: Tensor, log_var: Tensor, kl_weight: float = 1.0) -> Tensor:
        """The negative ELBO of the batch, summed over its images, in nats: -log p(x | z) + kl_weight·KL(q(z | x) || N(0, I)).

        Higgins et al. 2017 call kl_weight beta. Above 1 minus the loss is still a bound on log p(x), a looser one; below 1 it is none.
        Divide by the number of images before an optimiser step.
        """
        kl_weight = number("kl_weight", kl_weight)
        nll = self.nll(recon_x, x).sum()
        return nll + kl_weight * standard_kl(mu, log_var).sum().to(nll.dtype)

    def _check(self, x: Tensor) -> None:
        check_floating("x", x)
        if x.ndim != 4 or x.shape[1:] != (1, 28, 28):
            raise ValueError(f"x must be (B, 1, 28, 28), got {tuple(x.shape)}")
        low, high = LIKELIHOODS[self.likelihood]
        if x.numel() and not (low <= x.min() and x.max() <= high):
            told = "; data.binarise makes 0 or 1 out of images in [-1, 1]" if self.likelihood == "bernoulli" else ""
            raise ValueError(
                f"x must lie in [{low:g}, {high:g}] for the {self.likelihood} likelihood, "
                f"got values from {x.min():g} to {x.max():g}{told}"
            )


class PointVAE(nn.Module):
    """The same for points (B, dims), small: p(x | z) = N(m(z), std²·I) with one learned std, and two dense networks of the same size.

    std: where its learning starts. From the data's own, all may stay noise: the decoder says nothing and the encoder is not used.
    """

    def __init__(self, dims: int = 2, latent_dim: int = 2, width: int = 128, depth: int = 3, std: float = 0.3):
        super().__init__()
        self.encoder = Dense(dims, 2 * whole("latent_dim", latent_dim, 1), width, depth)
        self.decoder = Dense(latent_dim, dims, width, depth)
        self.log_std = nn.Parameter(torch.tensor(number("std", std, above=0)).log())
        self.config = {"dims": dims, "latent_dim": latent_dim, "width": width, "depth": depth, "std": std}

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The negative ELBO in nats a point, a scalar: mean of -log p(x | z) + KL(q(z | x) || N(0, I)), with one draw of z."""
        check_batch("x", x)
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        z = reparameterize(mu, log_var, generator=generator)
        nll = gaussian_nll(x, self.decoder(z), (2 * self.log_std).exp())
        return (nll + standard_kl(mu, log_var)).mean().to(x.dtype)

    @torch.no_grad()
    def generate(self, n: int, *, generator: torch.Generator | None = None, noisy: bool = True) -> Tensor:
        """n draws of p(x) (n, dims): z ~ N(0, I), then x ~ p(x | z), or with noisy=False its mean, which is no draw of the model's."""
        one_generator(generator)
        z, noise = (
            torch.randn(whole("n", n, 1), size, generator=generator)
            for size in (self.config["latent_dim"], self.config["dims"])
        )
        mean = self.decoder(z.to(self.log_std))
        return mean + self.log_std.exp() * noise.to(mean) if noisy else mean


def mlp(latent_dim: int, hidden: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder body (B, 1, 28, 28) -> (B, hidden) and decoder (B, latent_dim) -> (B, 1, 28, 28), of dense layers; `channels` is not used."""
    encoder = [nn.Flatten(), nn.Linear(PIXELS, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()]
    decoder = [
        nn.Linear(latent_dim, hidden),
        nn.SiLU(),
        nn.Linear(hidden, hidden),
        nn.SiLU(),
        nn.Linear(hidden, PIXELS),
    ]
    return nn.Sequential(*encoder), nn.Sequential(*decoder, nn.Unflatten(1, (1, 28, 28)))


def conv(latent_dim: int, hidden: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The same with convolutions on the pixels' side of the dense layers."""
    C = channels
    encoder = [
        nn.Conv2d(1, C, 4, stride=2, padding=1),  # (B, C, 14, 14)
        nn.SiLU(),
        nn.Conv2d(C, 2 * C, 4, stride=2, padding=1),  # (B, 2C, 7, 7)
        nn.SiLU(),
        nn.Conv2d(2 * C, 2 * C, 3, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(2 * C * 49, hidden),
        nn.SiLU(),
    ]
    decoder = [
        nn.Linear(latent_dim, hidden),
        nn.SiLU(),
        nn.Linear(hidden, 2 * C * 49),
        nn.SiLU(),
        nn.Unflatten(1, (2 * C, 7, 7)),
        nn.Conv2d(2 * C, 2 * C, 3, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(2 * C, C, 4, stride=2, padding=1),  # (B, C, 14, 14)
        nn.SiLU(),
        nn.ConvTranspose2d(C, 1, 4, stride=2, padding=1),  # (B, 1, 28, 28)
    ]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)
