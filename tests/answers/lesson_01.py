"""Answers to the exercises of lesson 01."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


def kl_terms(mu, log_var):
    """KL to N(0, 1) of each coordinate."""
    return -0.5 * (1 + log_var - mu**2 - log_var.exp())


def drawn(mu, std, noise):
    return (mu + std * noise).detach().requires_grad_(True)


def likelihoods(encode, decode, x, noise):
    """log p(x | z) of every draw and image, (L, B), and the KL of every image, (B,)."""
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    each = [-F.binary_cross_entropy(decode(z_l), x, reduction="none").sum(1) for z_l in z]
    return torch.stack(each), kl_terms(mu, log_var).sum(1)


class VAE(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + (log_var / 2).exp() * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


# -- 01.mixture_elbo -------------------------------------------------------------------------------------------------


@wrong("01.mixture_elbo", "without the entropy of q")
def _(log_joint, q):
    return (q * log_joint).sum(1)


@wrong("01.mixture_elbo", "the loss instead of the bound")
def _(log_joint, q):
    return -(q * (log_joint - q.log())).sum(1)


@wrong("01.mixture_elbo", "over the wrong dimension")
def _(log_joint, q):
    return (q * (log_joint - q.log())).sum(0)


@wrong("01.mixture_elbo", "summed over all points")
def _(log_joint, q):
    return (q * (log_joint - q.log())).sum()


@wrong("01.mixture_elbo", "not weighted by q")
def _(log_joint, q):
    return (log_joint - q.log()).sum(1)


@wrong("01.mixture_elbo", "a logarithm of a logarithm")
def _(log_joint, q):
    return (q * (log_joint.log() - q.log())).sum(1)


@wrong("01.mixture_elbo", "the joint is not logged")
def _(log_joint, q):
    return (q * (log_joint.exp() - q.log())).sum(1)


@wrong("01.mixture_elbo", "q is not logged")
def _(log_joint, q):
    return (q * (log_joint - q)).sum(1)


@wrong("01.mixture_elbo", "weighted by the joint")
def _(log_joint, q):
    return (log_joint.exp() * (log_joint - q.log())).sum(1)


@wrong("01.mixture_elbo", "the dimension is kept")
def _(log_joint, q):
    return (q * (log_joint - q.log())).sum(1, keepdim=True)


@wrong("01.mixture_elbo", "weighted by the posterior")
def _(log_joint, q):
    return (log_joint.softmax(1) * (log_joint - q.log())).sum(1)


@wrong("01.mixture_elbo", "the entropy is not weighted")
def _(log_joint, q):
    return (q * log_joint).sum(1) - q.log().sum(1)


@right("01.mixture_elbo", "einsum")
def _(log_joint, q):
    return torch.einsum("bk,bk->b", q, log_joint - q.log())


@right("01.mixture_elbo", "the entropy by torch.distributions")
def _(log_joint, q):
    return (q * log_joint).sum(-1) + torch.distributions.Categorical(probs=q).entropy()


@right("01.mixture_elbo", "a loop over plain numbers")
def _(log_joint, q):
    return torch.tensor(
        [
            sum(float(q[b, k]) * (float(log_joint[b, k]) - math.log(q[b, k])) for k in range(q.shape[1]))
            for b in range(len(q))
        ]
    )


@right("01.mixture_elbo", "float64, with a keyword argument")
def _(log_joint, q, eps=1e-12):
    return (q.double() * (log_joint.double() - q.double().log())).sum(1)


@right("01.mixture_elbo", "torch.xlogy")
def _(log_joint, q):
    return (q * log_joint).sum(1) - torch.xlogy(q, q).sum(1)


# Label corrected from wrong: it is never felt, at most 1e-8 a label.
@right("01.mixture_elbo", "a tiny number inside the logarithm")
def _(log_joint, q):
    return (q * (log_joint - (q + 1e-08).log())).sum(1)


# -- 01.gap ----------------------------------------------------------------------------------------------------------


@wrong("01.gap", "the joint in the place of the posterior")
def _(log_joint, q):
    return (q * (q.log() - log_joint)).sum(1)


@wrong("01.gap", "the other direction")
def _(log_joint, q):
    return (log_joint.softmax(1) * (log_joint.log_softmax(1) - q.log())).sum(1)


@wrong("01.gap", "the sign")
def _(log_joint, q):
    return (q * (log_joint.log_softmax(1) - q.log())).sum(1)


@wrong("01.gap", "normalised over the points")
def _(log_joint, q):
    return (q * (q.log() - log_joint.log_softmax(0))).sum(1)


@wrong("01.gap", "the posterior is not logged")
def _(log_joint, q):
    return (q * (q.log() - log_joint.softmax(1))).sum(1)


@wrong("01.gap", "not weighted by q")
def _(log_joint, q):
    return (q.log() - log_joint.log_softmax(1)).sum(1)


@wrong("01.gap", "the mean over the points")
def _(log_joint, q):
    return F.kl_div(log_joint.log_softmax(1), q, reduction="batchmean")


@wrong("01.gap", "p(x) as the sum of the logarithms")
def _(log_joint, q):
    return (q * (q.log() - (log_joint - log_joint.sum(1, keepdim=True)))).sum(1)


@wrong("01.gap", "without the entropy of q")
def _(log_joint, q):
    return torch.logsumexp(log_joint, 1) - (q * log_joint).sum(1)


@right("01.gap", "F.kl_div")
def _(log_joint, q):
    return F.kl_div(log_joint.log_softmax(1), q, reduction="none").sum(1)


@right("01.gap", "torch's kl_divergence")
def _(log_joint, q):
    return torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=q), torch.distributions.Categorical(logits=log_joint)
    )


# NaN below -104; the stub says as low as -1000.
@wrong("01.gap", "exponentials that underflow")
def _(log_joint, q):
    p = log_joint.exp()
    p = p / p.sum(1, keepdim=True)
    return (q * (q / p).log()).sum(1)


# Infinite where labels differ by more than 104; the stub says within 50.
@right("01.gap", "the row's largest taken out, then the logarithm of the posterior")
def _(log_joint, q):
    m = log_joint.max(1, keepdim=True).values
    p = (log_joint - m).exp()
    p = p / p.sum(1, keepdim=True)
    return (q * (q.log() - p.log())).sum(1)


# -- 01.standard_kl --------------------------------------------------------------------------------------------------


@wrong("01.standard_kl", "the sign")
def _(mu, log_var):
    return 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "1/2 is forgotten")
def _(mu, log_var):
    return -(1 + log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "the mean over the coordinates")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).mean(1)


@wrong("01.standard_kl", "summed over the codes")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.standard_kl", "the logarithm taken for the variance")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var).sum(1)


@wrong("01.standard_kl", "std instead of var")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - (log_var / 2).exp()).sum(1)


@wrong("01.standard_kl", "mu is not squared")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu - log_var.exp()).sum(1)


@wrong("01.standard_kl", "the argument taken for the variance")
def _(mu, log_var):
    return -0.5 * (1 + log_var.log() - mu**2 - log_var).sum(1)


@wrong("01.standard_kl", "the bracket closed too early")
def _(mu, log_var):
    return -0.5 * 1 + (log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "1 is forgotten")
def _(mu, log_var):
    return -0.5 * (log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "log_var is forgotten")
def _(mu, log_var):
    return -0.5 * (1 - mu**2 - log_var.exp()).sum(1)


# The lesson trains with it.
@wrong("01.standard_kl", "detached")
def _(mu, log_var):
    return kl_terms(mu, log_var).sum(1).detach()


@right("01.standard_kl", "torch's kl_divergence")
def _(mu, log_var):
    return torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, (log_var / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum(1)


@right("01.standard_kl", "the terms in another order")
def _(mu, log_var):
    return 0.5 * torch.sum(mu.pow(2) + log_var.exp() - 1 - log_var, -1)


@right("01.standard_kl", "loops")
def _(mu, log_var):
    o = []
    for i in range(len(mu)):
        s = 0
        for j in range(mu.shape[1]):
            s = s - 0.5 * (1 + log_var[i, j] - mu[i, j] ** 2 - torch.exp(log_var[i, j]))
        o.append(s)
    return torch.stack(o)


@right("01.standard_kl", "float64, with a keyword argument")
def _(mu, log_var, dim=1):
    return -0.5 * (1 + log_var.double() - mu.double() ** 2 - log_var.double().exp()).sum(dim)


# No gradient passes; the stub says differentiable.
@wrong("01.standard_kl", "a loop over plain numbers")
def _(mu, log_var):
    return torch.tensor(
        [sum(-0.5 * (1 + b - a * a - math.exp(b)) for a, b in zip(x.tolist(), y.tolist())) for x, y in zip(mu, log_var)]
    )


# -- 01.reparameterize -----------------------------------------------------------------------------------------------


@wrong("01.reparameterize", "var instead of std")
def _(mu, log_var, noise):
    return mu + log_var.exp() * noise


@wrong("01.reparameterize", "log_var instead of std")
def _(mu, log_var, noise):
    return mu + log_var * noise


@wrong("01.reparameterize", "noise of its own")
def _(mu, log_var, noise):
    return mu + (log_var / 2).exp() * torch.randn_like(mu)


@wrong("01.reparameterize", "mean and noise interchanged")
def _(mu, log_var, noise):
    return mu * (log_var / 2).exp() + noise


@wrong("01.reparameterize", "exp(2·log_var)")
def _(mu, log_var, noise):
    return mu + (2 * log_var).exp() * noise


@wrong("01.reparameterize", "no noise")
def _(mu, log_var, noise):
    return mu + (log_var / 2).exp()


@wrong("01.reparameterize", "std is forgotten")
def _(mu, log_var, noise):
    return mu + noise


@wrong("01.reparameterize", "the sign of the noise")
def _(mu, log_var, noise):
    return mu - (log_var / 2).exp() * noise


@wrong("01.reparameterize", "torch.normal, which draws for itself")
def _(mu, log_var, noise):
    return torch.normal(mu, (log_var / 2).exp())


@wrong("01.reparameterize", "0.01 added to the variance")
def _(mu, log_var, noise):
    return mu + (log_var.exp() + 0.01).sqrt() * noise


@wrong("01.reparameterize", "rsample, which draws for itself")
def _(mu, log_var, noise):
    return torch.distributions.Normal(mu, (log_var / 2).exp()).rsample()


@right("01.reparameterize", "torch.addcmul")
def _(mu, log_var, noise):
    return torch.addcmul(mu, log_var.exp().sqrt(), noise)


@right("01.reparameterize", "a power of e")
def _(mu, log_var, noise):
    return mu + torch.pow(math.e, log_var / 2) * noise


@right("01.reparameterize", "a loop")
def _(mu, log_var, noise):
    return torch.stack([mu[i] + (log_var[i] * 0.5).exp() * noise[i] for i in range(len(mu))])


@right("01.reparameterize", "float64, with a keyword argument")
def _(mu, log_var, noise, scale=1.0):
    return mu.double() + (log_var.double() * 0.5).exp() * noise.double() * scale


# -- 01.pathwise_gradient --------------------------------------------------------------------------------------------


@wrong("01.pathwise_gradient", "the mean instead of the sum")
def _(f, mu, std, noise):
    z = drawn(mu, std, noise)
    return torch.autograd.grad(f(z).mean(), z)[0]


@wrong("01.pathwise_gradient", "times std")
def _(f, mu, std, noise):
    z = drawn(mu, std, noise)
    return torch.autograd.grad(f(z).sum(), z)[0] * std


@wrong("01.pathwise_gradient", "the gradient by std")
def _(f, mu, std, noise):
    z = drawn(mu, std, noise)
    return torch.autograd.grad(f(z).sum(), z)[0] * noise


@wrong("01.pathwise_gradient", "averaged over the draws")
def _(f, mu, std, noise):
    mu = mu.clone().requires_grad_(True)
    return torch.autograd.grad(f(mu + std * noise).mean(), mu)[0]


@wrong("01.pathwise_gradient", "the score estimator")
def _(f, mu, std, noise):
    return f(mu + std * noise)[:, None] * noise / std


@wrong("01.pathwise_gradient", "at the noise")
def _(f, mu, std, noise):
    z = noise.clone().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0]


@wrong("01.pathwise_gradient", "at the mean")
def _(f, mu, std, noise):
    z = mu.expand_as(noise).clone().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0]


@wrong("01.pathwise_gradient", "every row the average")
def _(f, mu, std, noise):
    z = drawn(mu, std, noise)
    return torch.autograd.grad(f(z).sum(), z)[0].mean(0).expand_as(noise)


@right("01.pathwise_gradient", "torch.func.grad")
def _(f, mu, std, noise):
    return torch.func.grad(lambda z: f(z).sum())(mu + std * noise)


@right("01.pathwise_gradient", "draw by draw")
def _(f, mu, std, noise):
    rows = []
    for e in noise:
        z = drawn(mu, std, e)
        rows.append(torch.autograd.grad(f(z[None])[0], z)[0])
    return torch.stack(rows)


@right("01.pathwise_gradient", "vmap")
def _(f, mu, std, noise):
    return torch.vmap(torch.func.grad(lambda z: f(z[None])[0]))(mu + std * noise)


@right("01.pathwise_gradient", "grad_outputs of ones")
def _(f, mu, std, noise):
    z = mu + std * noise
    z.requires_grad_(True)
    return torch.autograd.grad(f(z), z, torch.ones(len(z)))[0]


# -- 01.score_gradient -----------------------------------------------------------------------------------------------


@wrong("01.score_gradient", "f is forgotten")
def _(f_values, z, mu, std):
    return (z - mu) / std**2


@wrong("01.score_gradient", "not broadcast")
def _(f_values, z, mu, std):
    return f_values * (z - mu) / std**2


@wrong("01.score_gradient", "averaged over the draws")
def _(f_values, z, mu, std):
    return (f_values[:, None] * (z - mu) / std**2).mean(0)


@wrong("01.score_gradient", "the logarithm of f")
def _(f_values, z, mu, std):
    return f_values.log()[:, None] * (z - mu) / std**2


@wrong("01.score_gradient", "a baseline taken away")
def _(f_values, z, mu, std):
    return (f_values - f_values.mean())[:, None] * (z - mu) / std**2


@wrong("01.score_gradient", "the fourth power of std")
def _(f_values, z, mu, std):
    return f_values[:, None] * (z - mu) / std**4


@wrong("01.score_gradient", "the difference squared")
def _(f_values, z, mu, std):
    return f_values[:, None] * (z - mu) ** 2 / std**2


@wrong("01.score_gradient", "the gradient of the density")
def _(f_values, z, mu, std):
    return f_values[:, None] * torch.exp(-((z - mu) ** 2) / 2 / std**2) * (z - mu) / std**2


@wrong("01.score_gradient", "mu is forgotten")
def _(f_values, z, mu, std):
    return f_values[:, None] * z / std**2


@wrong("01.score_gradient", "summed over the coordinates")
def _(f_values, z, mu, std):
    return f_values[:, None] * ((z - mu) / std**2).sum(1, keepdim=True)


@right("01.score_gradient", "einsum")
def _(f_values, z, mu, std):
    return torch.einsum("n,nd->nd", f_values, (z - mu) / std.square())


@right("01.score_gradient", "a loop")
def _(f_values, z, mu, std):
    return torch.stack([f_values[i] * (z[i] - mu) / std / std for i in range(len(f_values))])


@right("01.score_gradient", "float64, with a baseline of 0")
def _(f_values, z, mu, std, baseline=0.0):
    return (f_values.double() - baseline).unsqueeze(-1) * (z.double() - mu.double()) / std.double() ** 2


# -- 01.loss_function ------------------------------------------------------------------------------------------------


@wrong("01.loss_function", "means instead of sums")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x) + kl_terms(mu, log_var).mean()


@wrong("01.loss_function", "the KL subtracted")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") - kl_terms(mu, log_var).sum()


@wrong("01.loss_function", "divided by the batch size")
def _(recon_x, x, mu, log_var):
    return (F.binary_cross_entropy(recon_x, x, reduction="sum") + kl_terms(mu, log_var).sum()) / len(x)


@wrong("01.loss_function", "the mean of the KL")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl_terms(mu, log_var).mean()


@wrong("01.loss_function", "probabilities taken for logits")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy_with_logits(recon_x, x, reduction="sum") + kl_terms(mu, log_var).sum()


@wrong("01.loss_function", "the sign")
def _(recon_x, x, mu, log_var):
    return -(F.binary_cross_entropy(recon_x, x, reduction="sum") + kl_terms(mu, log_var).sum())


@wrong("01.loss_function", "one number an image")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)


@wrong("01.loss_function", "without the KL")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum")


@wrong("01.loss_function", "half of the cross-entropy")
def _(recon_x, x, mu, log_var):
    return -(x * recon_x.log()).sum() + kl_terms(mu, log_var).sum()


@wrong("01.loss_function", "without the 1/2 of the KL")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + 2 * kl_terms(mu, log_var).sum()


@wrong("01.loss_function", "the absolute value of a sum that is negative")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum().abs()


@wrong("01.loss_function", "the reconstruction made black and white")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy((recon_x > 0.5).float(), x, reduction="sum") + kl_terms(mu, log_var).sum()


@wrong("01.loss_function", "the KL is detached")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl_terms(mu, log_var).sum().detach()


@wrong("01.loss_function", "the KL as a plain number")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl_terms(mu, log_var).sum().item()


@right("01.loss_function", "the cross-entropy by hand")
def _(recon_x, x, mu, log_var):
    return -(x * recon_x.log() + (1 - x) * (1 - recon_x).log()).sum() + kl_terms(mu, log_var).sum()


@right("01.loss_function", "torch.distributions")
def _(recon_x, x, mu, log_var):
    return (
        -torch.distributions.Bernoulli(probs=recon_x).log_prob(x).sum()
        + torch.distributions.kl_divergence(
            torch.distributions.Normal(mu, (log_var / 2).exp()), torch.distributions.Normal(0.0, 1.0)
        ).sum()
    )


@right("01.loss_function", "nn.BCELoss")
def _(recon_x, x, mu, log_var):
    return nn.BCELoss(reduction="sum")(recon_x, x) + kl_terms(mu, log_var).sum()


@right("01.loss_function", "the mean times the count")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x) * x.numel() + kl_terms(mu, log_var).sum()


@right("01.loss_function", "torch.where")
def _(recon_x, x, mu, log_var):
    return -torch.where(x == 1, recon_x, 1 - recon_x).log().sum() + kl_terms(mu, log_var).sum()


# -- 01.VAE ----------------------------------------------------------------------------------------------------------


@wrong("01.VAE", "without super().__init__()")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())


@wrong("01.VAE", "no Sigmoid at the end")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder = self.decoder[:3]


@wrong("01.VAE", "ReLU")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1] = nn.ReLU()
        self.decoder[1] = nn.ReLU()


@wrong("01.VAE", "sizes written down")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(784, 256, 2)


@wrong("01.VAE", "the encoder is no Sequential")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder = nn.Linear(pixels, hidden)


@wrong("01.VAE", "names of its own")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.mu = nn.Linear(hidden, latent_dim)
        self.lv = nn.Linear(hidden, latent_dim)
        self.dec = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x):
        h = self.enc(x)
        return self.mu(h), self.lv(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + (log_var / 2).exp() * noise

    def decode(self, z):
        return self.dec(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "var instead of std")
class _(VAE):
    def reparameterize(self, mu, log_var, noise):
        return mu + log_var.exp() * noise


@wrong("01.VAE", "log_var instead of std")
class _(VAE):
    def reparameterize(self, mu, log_var, noise):
        return mu + log_var * noise


@wrong("01.VAE", "the encoder gives the variance")
class _(VAE):
    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h).exp()


@wrong("01.VAE", "the variance by softplus")
class _(VAE):
    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), F.softplus(self.fc_logvar(h)).log()


@wrong("01.VAE", "the image alone")
class _(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise))


@wrong("01.VAE", "the outputs in another order")
class _(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return mu, log_var, self.decode(self.reparameterize(mu, log_var, noise))


@wrong("01.VAE", "black and white instead of probabilities")
class _(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return (self.decode(self.reparameterize(mu, log_var, noise)) > 0.5).float(), mu, log_var


@wrong("01.VAE", "forward takes no noise")
class _(VAE):
    def forward(self, x):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, torch.randn_like(mu))), mu, log_var


@wrong("01.VAE", "SiLU at the end")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder[3] = nn.SiLU()


@wrong("01.VAE", "no SiLU in the encoder")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden))


# Its encoder learns nothing from the picture.
@wrong("01.VAE", "z is detached")
class _(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var, noise).detach()
        return self.decode(z), mu, log_var


# Its encoder never learns.
@wrong("01.VAE", "the encoder under no_grad")
class _(VAE):
    def encode(self, x):
        with torch.no_grad():
            h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)


@right("01.VAE", "images flattened first")
class _(VAE):
    def encode(self, x):
        h = self.encoder(x.flatten(1))
        return self.fc_mu(h), self.fc_logvar(h)


@right("01.VAE", "the noise is optional")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2, extra=None):
        super().__init__(pixels, hidden, latent_dim)
        self.latent_dim = latent_dim

    def forward(self, x, noise=None):
        mu, log_var = self.encode(x)
        if noise is None:
            noise = torch.randn_like(mu)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@right("01.VAE", "SiLU in place")
class _(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1] = nn.SiLU(inplace=True)


@right("01.VAE", "torch.addcmul")
class _(VAE):
    def reparameterize(self, mu, log_var, noise):
        return torch.addcmul(mu, (0.5 * log_var).exp(), noise)


# -- 01.objective ----------------------------------------------------------------------------------------------------


@wrong("01.objective", "the mean over the pixels")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    each = torch.stack([-F.binary_cross_entropy(decode(z_l), x, reduction="none").mean(1) for z_l in z])
    return -(each.mean(0) - kl_terms(mu, log_var).sum(1)).mean()


@wrong("01.objective", "half of the log-likelihood")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    each = torch.stack([(x * decode(z_l).log()).sum(1) for z_l in z])
    return -(each.mean(0) - kl_terms(mu, log_var).sum(1)).mean()


@wrong("01.objective", "the sum over the draws")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(each.sum(0) - kl).mean()


@wrong("01.objective", "the sign of the KL")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -each.mean() - kl.mean()


@wrong("01.objective", "the bound instead of the loss")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return (each.mean(0) - kl).mean()


@wrong("01.objective", "the sum over the images")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(each.mean(0) - kl).sum()


@wrong("01.objective", "the sum over the draws, the KL in each")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(each - kl).sum(0).mean()


@wrong("01.objective", "the logarithm of the mean likelihood")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(torch.logsumexp(each, 0) - math.log(len(noise)) - kl).mean()


@wrong("01.objective", "the best draw")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(each.max(0).values - kl).mean()


@wrong("01.objective", "every image pays the KL of all")
def _(encode, decode, x, noise):
    each, kl = likelihoods(encode, decode, x, noise)
    return -(each.mean(0) - kl.sum()).mean()


@wrong("01.objective", "the first draw alone")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    p = decode(mu + (log_var / 2).exp() * noise[0])
    return (F.binary_cross_entropy(p, x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)).mean()


@wrong("01.objective", "the noises averaged")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise.mean(0)
    p = decode(z)
    return (F.binary_cross_entropy(p, x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)).mean()


@wrong("01.objective", "the decoded images averaged")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    p = torch.stack([decode(mu + (log_var / 2).exp() * e) for e in noise]).mean(0)
    return (F.binary_cross_entropy(p, x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)).mean()


@wrong("01.objective", "the KL estimated from the draws")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    pr = torch.distributions.Normal(0.0, 1.0)
    z = q.loc + q.scale * noise
    return -torch.stack(
        [
            torch.distributions.Bernoulli(decode(zz)).log_prob(x).sum(1) + (pr.log_prob(zz) - q.log_prob(zz)).sum(1)
            for zz in z
        ]
    ).mean()


@wrong("01.objective", "a plain number")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    return (
        torch.stack(
            [
                (F.binary_cross_entropy(decode(zz), x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)).mean()
                for zz in z
            ]
        )
        .mean()
        .item()
    )


@wrong("01.objective", "under no_grad")
@torch.no_grad()
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    return torch.stack(
        [
            (F.binary_cross_entropy(decode(zz), x, reduction="none").sum(1) + kl_terms(mu, log_var).sum(1)).mean()
            for zz in z
        ]
    ).mean()


@right("01.objective", "all draws in one call")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    L, B, D = z.shape
    p = decode(z.reshape(L * B, D)).reshape(L, B, -1)
    return (
        F.binary_cross_entropy(p, x.expand_as(p), reduction="none").sum(-1).mean(0) + kl_terms(mu, log_var).sum(1)
    ).mean()


@right("01.objective", "the sum over everything, divided")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    L, B, D = z.shape
    p = decode(z.reshape(L * B, D))
    xx = x.repeat(L, 1)
    return (F.binary_cross_entropy(p, xx, reduction="sum") + L * kl_terms(mu, log_var).sum()) / (L * B)


@right("01.objective", "torch.distributions")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    pr = torch.distributions.Normal(0.0, 1.0)
    z = q.loc + q.scale * noise
    return -torch.stack(
        [
            torch.distributions.Bernoulli(decode(zz)).log_prob(x).sum(1)
            - torch.distributions.kl_divergence(q, pr).sum(1)
            for zz in z
        ]
    ).mean()


# The stub says that decode takes two dimensions only, as the package's does.
@wrong("01.objective", "decode called with (L, B, D)")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    z = mu + (log_var / 2).exp() * noise
    p = decode(z)
    return (F.binary_cross_entropy(p, x.expand_as(p), reduction="none").sum(-1) + kl_terms(mu, log_var).sum(1)).mean()


# -- 01.best_q -------------------------------------------------------------------------------------------------------


@wrong("01.best_q", "the weight taken as 1")
def _(x, kl_weight):
    return x / 2, torch.full_like(x, 0.5)


@wrong("01.best_q", "the mean is multiplied by the weight")
def _(x, kl_weight):
    return x * kl_weight / (1 + kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


@wrong("01.best_q", "std instead of var")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, (kl_weight / (1 + kl_weight)) ** 0.5)


@wrong("01.best_q", "one variance for all")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.tensor(kl_weight / (1 + kl_weight))


@wrong("01.best_q", "a sign in the mean")
def _(x, kl_weight):
    return x / (1 - kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


@wrong("01.best_q", "twice the weight")
def _(x, kl_weight):
    return x / (1 + 2 * kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


@wrong("01.best_q", "var = weight")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, kl_weight)


@wrong("01.best_q", "one over the weight")
def _(x, kl_weight):
    return x / (1 + 1 / kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


@wrong("01.best_q", "log var")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.log(torch.full_like(x, kl_weight / (1 + kl_weight)))


@right("01.best_q", "ones_like")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.ones_like(x) * kl_weight / (kl_weight + 1)


@right("01.best_q", "expanded")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.tensor(kl_weight / (1 + kl_weight)).expand(len(x))


@right("01.best_q", "a list")
def _(x, kl_weight):
    return [x / (1 + kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))]


@right("01.best_q", "minimised numerically")
def _(x, kl_weight):
    mean, log_var = (torch.zeros_like(x, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.LBFGS(
        [mean, log_var], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        kl = (mean**2 + log_var.exp() - 1 - log_var) / 2
        value = ((x - mean) ** 2 / 2 + log_var.exp() / 2 + kl_weight * kl).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return mean.detach(), log_var.detach().exp()


# It unpacks into mean and var, as a tuple does.
@right("01.best_q", "one tensor that holds both")
def _(x, kl_weight):
    return torch.stack([x / (1 + kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))])


# -- 01.importance_bound ---------------------------------------------------------------------------------------------


@wrong("01.importance_bound", "the bound of one draw")
def _(log_weights):
    return log_weights.mean(0)


@wrong("01.importance_bound", "the sum, not the mean")
def _(log_weights):
    return torch.logsumexp(log_weights, 0)


@wrong("01.importance_bound", "exponentials that underflow")
def _(log_weights):
    return log_weights.exp().mean(0).log()


@wrong("01.importance_bound", "over the images")
def _(log_weights):
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


@wrong("01.importance_bound", "the largest alone")
def _(log_weights):
    return log_weights.max(0).values


# -inf where one image is far below another.
@wrong("01.importance_bound", "shifted by the largest of all images")
def _(log_weights):
    return log_weights.max() + (log_weights - log_weights.max()).exp().mean(0).log()


@wrong("01.importance_bound", "a small number inside the logarithm")
def _(log_weights):
    return (log_weights.exp().mean(0) + 1e-12).log()


@wrong("01.importance_bound", "the mean weighted by softmax")
def _(log_weights):
    return (log_weights.softmax(0) * log_weights).sum(0)


@wrong("01.importance_bound", "the sign")
def _(log_weights):
    return -(torch.logsumexp(log_weights, 0) - math.log(len(log_weights)))


@wrong("01.importance_bound", "averaged over the images")
def _(log_weights):
    return (torch.logsumexp(log_weights, 0) - math.log(len(log_weights))).mean()


@wrong("01.importance_bound", "transposed")
def _(log_weights):
    return torch.logsumexp(log_weights.T, 0) - math.log(len(log_weights))


# Inf where the draws spread widely.
@wrong("01.importance_bound", "shifted by the image's smallest")
def _(log_weights):
    return log_weights.min(0).values + (log_weights - log_weights.min(0).values).exp().mean(0).log()


@right("01.importance_bound", "the log of K inside")
def _(log_weights):
    return torch.logsumexp(log_weights - math.log(log_weights.shape[0]), 0)


@right("01.importance_bound", "the largest of each image taken out")
def _(log_weights):
    m = log_weights.amax(0)
    return m + (log_weights - m).exp().mean(0).log()


@right("01.importance_bound", "logaddexp in a loop")
def _(log_weights):
    a = log_weights[0]
    for r in log_weights[1:]:
        a = torch.logaddexp(a, r)
    return a - math.log(len(log_weights))


# -- 01.interpolate --------------------------------------------------------------------------------------------------


@wrong("01.interpolate", "steps of 1/n, so that b is missing")
def _(a, b, n):
    return torch.stack([a + (b - a) * i / n for i in range(n)])


@wrong("01.interpolate", "inner points only")
def _(a, b, n):
    return torch.stack([a + (b - a) * (i + 1) / (n + 1) for i in range(n)])


@wrong("01.interpolate", "from b to a")
def _(a, b, n):
    return torch.stack([b + (a - b) * i / (n - 1) for i in range(n)])


@wrong("01.interpolate", "one point too many")
def _(a, b, n):
    return torch.linspace(0, 1, n + 1)[:, None] * (b - a) + a


@wrong("01.interpolate", "transposed")
def _(a, b, n):
    return (torch.linspace(0, 1, n)[:, None] * (b - a) + a).T


@wrong("01.interpolate", "along the arc")
def _(a, b, n):
    t = torch.linspace(0, 1, n)[:, None]
    o = torch.acos((a * b).sum() / a.norm() / b.norm())
    return torch.sin((1 - t) * o) / torch.sin(o) * a + torch.sin(t * o) / torch.sin(o) * b


@wrong("01.interpolate", "a is missing")
def _(a, b, n):
    return torch.stack([a + (b - a) * i / (n - 1) for i in range(1, n)])


@wrong("01.interpolate", "the mean of each end")
def _(a, b, n):
    return torch.linspace(a.mean(), b.mean(), n)[:, None].expand(n, len(a))


@right("01.interpolate", "torch.lerp")
def _(a, b, n):
    return torch.lerp(a, b, torch.linspace(0, 1, n, dtype=a.dtype)[:, None])


@right("01.interpolate", "np.linspace")
def _(a, b, n, endpoint=True):
    return torch.from_numpy(np.linspace(a.detach().numpy(), b.detach().numpy(), n))


@right("01.interpolate", "einsum and outer")
def _(a, b, n):
    return torch.einsum("n,d->nd", 1 - torch.arange(n) / (n - 1), a) + torch.outer(torch.arange(n) / (n - 1), b)


# Label corrected from wrong.
@right("01.interpolate", "torch.arange over n - 1")
def _(a, b, n):
    return (torch.arange(n) / (n - 1))[:, None] * (b - a) + a


# -- 01.train_vae ----------------------------------------------------------------------------------------------------


def bits(vae, x, noise):
    """The two terms of a batch, in nats an image."""
    recon, mu, log_var = vae(x, noise)
    return F.binary_cross_entropy(recon, x, reduction="sum") / len(x), kl_terms(mu, log_var).sum(1).mean()


@wrong("01.train_vae", "the vae that came is trained, no copy")
def _(vae, batches, lr):
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(vae, x, noise)
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append((rec.item(), kl.item()))
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "the optimizer holds the original's parameters")
def _(vae, batches, lr):
    copied = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(copied, x, noise)
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append((rec.item(), kl.item()))
    return copied.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "cross-entropy with its default mean")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        recon, mu, log_var = vae(x, noise)
        rec, kl = F.binary_cross_entropy(recon, x), kl_terms(mu, log_var).sum(1).mean()
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append([rec.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "noise of its own")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(vae, x, torch.randn_like(noise))
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append([rec.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "whole loss written down")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(vae, x, noise)
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append((rec + kl).item())
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "the terms summed over the batch")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        recon, mu, log_var = vae(x, noise)
        rec = F.binary_cross_entropy(recon, x, reduction="sum")
        kl = kl_terms(mu, log_var).sum()
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        record.append([rec.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "step before backward")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(vae, x, noise)
        opt.zero_grad()
        opt.step()
        (rec + kl).backward()
        record.append([rec.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


@wrong("01.train_vae", "half of the reconstruction")
def _(vae, batches, lr):
    vae = copy.deepcopy(vae)
    opt = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        rec, kl = bits(vae, x, noise)
        opt.zero_grad()
        (0.5 * rec + kl).backward()
        opt.step()
        record.append([rec.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


@right("01.train_vae", "an array filled, zero_grad at the end")
def _(vae, batches, lr):
    net = copy.deepcopy(vae)
    adam = torch.optim.Adam(net.parameters(), lr=lr)
    first, second = [], []
    for x, e in batches:
        p, m, v = net(x, e)
        likelihood = (x * torch.log(p) + (1 - x) * torch.log(1 - p)).sum(1).mean()
        price = 0.5 * (m.pow(2) + v.exp() - v - 1).sum(1).mean()
        elbo = likelihood - price
        (-elbo).backward()
        adam.step()
        adam.zero_grad()
        first.append(-float(likelihood.detach()))
        second.append(float(price.detach()))
    return net.state_dict(), torch.stack([torch.tensor(first), torch.tensor(second)], dim=1)


@right("01.train_vae", "a closure for step")
def _(vae, batches, lr):
    vae, record = copy.deepcopy(vae), []
    opt = torch.optim.Adam(vae.parameters(), lr)
    for x, noise in batches:

        def closure():
            opt.zero_grad(set_to_none=True)
            terms = torch.stack(bits(vae, x, noise))
            terms.sum().backward()
            record.append(terms.detach())
            return terms.sum()

        opt.step(closure)
    return vae.state_dict(), torch.stack(record)


# -- 01.dead_latents -------------------------------------------------------------------------------------------------


@wrong("01.dead_latents", "where the mean of mu is near 0")
def _(mu, log_var):
    return torch.where(mu.mean(0).abs() < 0.01)[0]


@wrong("01.dead_latents", "Burda's active units")
def _(mu, log_var):
    return (mu.var(0) < 0.01).nonzero().squeeze(1)


@wrong("01.dead_latents", "KL of the averages")
def _(mu, log_var):
    return (kl_terms(mu.mean(0), log_var.mean(0)) < 0.01).nonzero().squeeze(1)


@wrong("01.dead_latents", "summed over the images")
def _(mu, log_var):
    return torch.where(kl_terms(mu, log_var).sum(0) < 0.01)[0]


@wrong("01.dead_latents", "dead for all images")
def _(mu, log_var):
    return torch.where((kl_terms(mu, log_var) < 0.01).all(0))[0]


@wrong("01.dead_latents", "averaged over the latents")
def _(mu, log_var):
    return torch.where(kl_terms(mu, log_var).mean(1) < 0.01)[0]


@wrong("01.dead_latents", "boolean")
def _(mu, log_var):
    return kl_terms(mu, log_var).mean(0) < 0.01


@wrong("01.dead_latents", "the two smallest")
def _(mu, log_var):
    return kl_terms(mu, log_var).mean(0).argsort()[:2].sort().values


@right("01.dead_latents", "a list of plain numbers")
def _(mu, log_var):
    var = torch.exp(log_var)
    kl = (mu * mu + var - 1.0 - torch.log(var)) / 2
    return torch.tensor([i for i, k in enumerate(kl.mean(dim=0)) if k < 0.01], dtype=torch.int64)


@right("01.dead_latents", "argwhere")
def _(mu, log_var):
    return torch.argwhere(kl_terms(mu, log_var).sum(0) / mu.shape[0] < 1e-2).flatten()


# -- 01.refine -------------------------------------------------------------------------------------------------------


def moved(loss, mu, log_var, steps, lr, keep=lambda m, v: (m, v), value=lambda each: each.sum(), rate=None):
    m = mu.clone().requires_grad_()
    v = log_var.clone().requires_grad_()
    opt = torch.optim.Adam(list(keep(m, v)), lr=rate or lr)
    for _ in range(steps):
        opt.zero_grad()
        value(loss(m, v)).backward()
        opt.step()
    return m.detach(), v.detach()


@wrong("01.refine", "only the mean is optimised")
def _(loss, mu, log_var, steps, lr):
    return moved(loss, mu, log_var, steps, lr, keep=lambda m, v: (m,))


@wrong("01.refine", "the ELBO is minimised")
def _(loss, mu, log_var, steps, lr):
    return moved(loss, mu, log_var, steps, lr, value=lambda each: -each.sum())


@wrong("01.refine", "the lr of the lesson")
def _(loss, mu, log_var, steps, lr):
    return moved(loss, mu, log_var, steps, lr, rate=0.02)


@wrong("01.refine", "by hand, no Adam")
def _(loss, mu, log_var, steps, lr):
    m, v = mu.clone().requires_grad_(), log_var.clone().requires_grad_()
    for _ in range(steps):
        a, b = torch.autograd.grad(loss(m, v).sum(), (m, v))
        m, v = (m - lr * a).detach().requires_grad_(), (v - lr * b).detach().requires_grad_()
    return m.detach(), v.detach()


@wrong("01.refine", "gradients never cleared")
def _(loss, mu, log_var, steps, lr):
    m, v = mu.clone().requires_grad_(), log_var.clone().requires_grad_()
    opt = torch.optim.Adam([m, v], lr=lr)
    for _ in range(steps):
        loss(m, v).sum().backward()
        opt.step()
    return m.detach(), v.detach()


@wrong("01.refine", "the arguments themselves are moved")
def _(loss, mu, log_var, steps, lr):
    mu.requires_grad_(), log_var.requires_grad_()
    opt = torch.optim.Adam([mu, log_var], lr=lr)
    for _ in range(steps):
        opt.zero_grad()
        loss(mu, log_var).sum().backward()
        opt.step()
    return mu.detach(), log_var.detach()


@wrong("01.refine", "backward of a vector")
def _(loss, mu, log_var, steps, lr):
    return moved(loss, mu, log_var, steps, lr, value=lambda each: each)


@right("01.refine", "the mean of the losses")
def _(loss, mu, log_var, steps, lr):
    return moved(loss, mu, log_var, steps, lr, value=lambda each: each.mean())


@right("01.refine", "a class that holds the code")
def _(loss, mu, log_var, steps, lr):
    class Code(nn.Module):
        def __init__(self):
            super().__init__()
            self.m, self.v = nn.Parameter(mu.detach().clone()), nn.Parameter(log_var.detach().clone())

    code = Code()
    opt = torch.optim.Adam(code.parameters(), lr=lr)
    while steps:
        opt.zero_grad()
        loss(code.m, code.v).sum().backward()
        opt.step()
        steps -= 1
    return code.m.detach(), code.v.detach()
