import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


# ---- mixture_elbo
@wrong("01.mixture_elbo", "entropy forgotten")
def _(log_joint, q):
    return (q * log_joint).sum(1)


@wrong("01.mixture_elbo", "log q added")
def _(log_joint, q):
    return (q * (log_joint + q.log())).sum(1)


@wrong("01.mixture_elbo", "summed over the points")
def _(log_joint, q):
    return (q * (log_joint - q.log())).sum(0)


@wrong("01.mixture_elbo", "one number")
def _(log_joint, q):
    return (q * (log_joint - q.log())).sum()


@wrong("01.mixture_elbo", "mean over the labels")
def _(log_joint, q):
    return (q * (log_joint - q.log())).mean(1)


@wrong("01.mixture_elbo", "log of p(x)")
def _(log_joint, q):
    return torch.logsumexp(log_joint, 1)


@wrong("01.mixture_elbo", "log of the ratio of densities")
def _(log_joint, q):
    return (q * torch.log(log_joint.exp() / q)).sum(1)


@wrong("01.mixture_elbo", "q not as weight")
def _(log_joint, q):
    return (log_joint - q.log()).sum(1)


@wrong("01.mixture_elbo", "negative, as a loss")
def _(log_joint, q):
    return -(q * (log_joint - q.log())).sum(1)


@wrong("01.mixture_elbo", "log_joint normalised first")
def _(log_joint, q):
    return (q * (log_joint.log_softmax(1) - q.log())).sum(1)


@wrong("01.mixture_elbo", "bits for the entropy")
def _(log_joint, q):
    return (q * (log_joint - torch.log2(q))).sum(1)


@right("01.mixture_elbo", "einsum and entr")
def _(log_joint, q):
    return torch.einsum("bk,bk->b", q, log_joint) + torch.special.entr(q).sum(dim=-1)


@right("01.mixture_elbo", "numpy in float64")
def _(log_joint, q):
    lj = log_joint.detach().numpy().astype(np.float64)
    qq = q.detach().numpy().astype(np.float64)
    return torch.from_numpy(np.sum(qq * (lj - np.log(qq)), axis=1)).to(q.dtype)


@right("01.mixture_elbo", "a loop over labels")
def _(log_joint, q):
    total = torch.zeros_like(log_joint[:, 0])
    for k in range(q.shape[1]):
        total = total + q[:, k] * (log_joint[:, k] - torch.log(q[:, k]))
    return total


# ---- gap
@wrong("01.gap", "posterior by exp, underflow")
def _(log_joint, q):
    p = log_joint.exp()
    p = p / p.sum(1, keepdim=True)
    return (q * (q.log() - p.log())).sum(1)


@wrong("01.gap", "not normalised")
def _(log_joint, q):
    return (q * (q.log() - log_joint)).sum(1)


@wrong("01.gap", "the other way round")
def _(log_joint, q):
    lp = log_joint.log_softmax(1)
    return (lp.exp() * (lp - q.log())).sum(1)


@wrong("01.gap", "normalised over the points, again")
def _(log_joint, q):
    lp = log_joint.log_softmax(0)
    return (q * (q.log() - lp)).sum(1)


@wrong("01.gap", "sign")
def _(log_joint, q):
    return (q * (log_joint.log_softmax(1) - q.log())).sum(1)


@wrong("01.gap", "F.kl_div with its default mean")
def _(log_joint, q):
    return F.kl_div(log_joint.log_softmax(1), q)


@wrong("01.gap", "one number, batchmean")
def _(log_joint, q):
    return F.kl_div(log_joint.log_softmax(1), q, reduction="batchmean")


@wrong("01.gap", "cross entropy")
def _(log_joint, q):
    return -(q * log_joint.log_softmax(1)).sum(1)


@wrong("01.gap", "small number inside the logarithm")
def _(log_joint, q):
    p = log_joint.softmax(1)
    return (q * (q.log() - (p + 1e-8).log())).sum(1)


@wrong("01.gap", "posterior clamped")
def _(log_joint, q):
    p = log_joint.softmax(1).clamp_min(1e-6)
    return (q * (q.log() - p.log())).sum(1)


@wrong("01.gap", "total variation")
def _(log_joint, q):
    return 0.5 * (q - log_joint.softmax(1)).abs().sum(1)


@wrong("01.gap", "mean over the labels")
def _(log_joint, q):
    return (q * (q.log() - log_joint.log_softmax(1))).mean(1)


@right("01.gap", "F.kl_div without reduction")
def _(log_joint, q):
    log_post = F.log_softmax(log_joint.double(), dim=1)
    return F.kl_div(log_post, q.double(), reduction="none").sum(dim=1).to(q.dtype)


@right("01.gap", "log p(x) minus the ELBO, float64")
def _(log_joint, q):
    lj, qq = log_joint.double(), q.double()
    elbo = (qq * (lj - qq.log())).sum(1)
    # q may add up to 1 only to float32, so weigh the evidence by its sum
    return (torch.logsumexp(lj, 1) * qq.sum(1) - elbo).to(q.dtype)


@right("01.gap", "row by row in numpy")
def _(log_joint, q):
    out = []
    for lj, qq in zip(log_joint.detach().numpy(), q.detach().numpy()):
        lj = lj.astype(np.float64)
        qq = qq.astype(np.float64)
        log_post = lj - np.logaddexp.reduce(lj)
        out.append(float((qq * (np.log(qq) - log_post)).sum()))
    return torch.tensor(out, dtype=q.dtype)


# ---- standard_kl
@wrong("01.standard_kl", "mean over the coordinates")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).mean(1)


@wrong("01.standard_kl", "one number")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.standard_kl", "half forgotten")
def _(mu, log_var):
    return -(1 + log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "sign")
def _(mu, log_var):
    return 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.standard_kl", "log_var taken for log std")
def _(mu, log_var):
    return -0.5 * (1 + 2 * log_var - mu**2 - (2 * log_var).exp()).sum(1)


@wrong("01.standard_kl", "summed over the batch")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(0)


@wrong("01.standard_kl", "std for var")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - (0.5 * log_var).exp()).sum(1)


@wrong("01.standard_kl", "mu not squared")
def _(mu, log_var):
    return -0.5 * (1 + log_var - mu - log_var.exp()).sum(1)


@wrong("01.standard_kl", "1 once, not for each coordinate")
def _(mu, log_var):
    return -0.5 * (1 + (log_var - mu**2 - log_var.exp()).sum(1))


@wrong("01.standard_kl", "through numpy, no gradient")
def _(mu, log_var):
    m, lv = mu.detach().numpy(), log_var.detach().numpy()
    return torch.from_numpy(-0.5 * (1 + lv - m**2 - np.exp(lv)).sum(axis=1))


@wrong("01.standard_kl", "var detached")
def _(mu, log_var):
    var = log_var.exp().detach()
    return -0.5 * (1 + log_var - mu**2 - var).sum(1)


@wrong("01.standard_kl", "clamped at small values")
def _(mu, log_var):
    lv = log_var.clamp(-1, 1)
    return -0.5 * (1 + lv - mu**2 - lv.exp()).sum(1)


@right("01.standard_kl", "expm1")
def _(mu, log_var):
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var).sum(dim=-1)


@right("01.standard_kl", "a loop over coordinates")
def _(mu, log_var):
    total = 0.0
    for d in range(mu.shape[1]):
        m, lv = mu[:, d], log_var[:, d]
        total = total + 0.5 * (torch.exp(lv) + m * m - 1.0 - lv)
    return total


# ---- answers by one who read the lesson from its first cell to its last
@right("01.standard_kl", "two Normals, kl_divergence")
def _(mu, log_var):
    normal = torch.distributions.Normal
    q, p = normal(mu, torch.exp(0.5 * log_var)), normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(q, p).sum(-1)


@wrong("01.standard_kl", "log std inside the bracket")
def _(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var / 2).sum(1)


class Plain(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        nn.Module.__init__(self)
        bend = [nn.Linear(latent_dim, hidden), nn.SiLU()]
        self.fc_logvar, self.fc_mu = nn.Linear(hidden, latent_dim), nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(*bend, nn.Linear(hidden, pixels), nn.Sigmoid())
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())

    def encode(self, x):
        hidden = self.encoder(x)
        return self.fc_mu(hidden), self.fc_logvar(hidden)

    def reparameterize(self, mu, log_var, noise):
        return torch.addcmul(mu, log_var.exp().sqrt(), noise)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


right("01.VAE", "layers made in another order")(Plain)


@wrong("01.VAE", "one layer, two names")
class _(Plain):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.fc_logvar = self.fc_mu


@wrong("01.VAE", "ReLU in the encoder")
class _(Plain):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1] = nn.ReLU()


@wrong("01.VAE", "ReLU in the decoder")
class _(Plain):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder[1] = nn.ReLU()


@wrong("01.VAE", "tanh of the mean")
class _(Plain):
    def encode(self, x):
        mu, log_var = super().encode(x)
        return torch.tanh(mu), log_var


@wrong("01.VAE", "sizes as by default, whatever is asked")
class _(Plain):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()


# ---- reparameterize
@wrong("01.reparameterize", "var for std")
def _(mu, log_var, noise):
    return mu + log_var.exp() * noise


@wrong("01.reparameterize", "log_var for std")
def _(mu, log_var, noise):
    return mu + log_var * noise


@wrong("01.reparameterize", "own noise")
def _(mu, log_var, noise):
    return mu + (0.5 * log_var).exp() * torch.randn_like(mu)


@wrong("01.reparameterize", "Normal.sample")
def _(mu, log_var, noise):
    return torch.distributions.Normal(mu, (0.5 * log_var).exp()).sample()


@wrong("01.reparameterize", "std detached")
def _(mu, log_var, noise):
    return mu + (0.5 * log_var).exp().detach() * noise


@wrong("01.reparameterize", "no_grad")
def _(mu, log_var, noise):
    with torch.no_grad():
        return mu + (0.5 * log_var).exp() * noise


@wrong("01.reparameterize", "root of log_var")
def _(mu, log_var, noise):
    return mu + log_var.abs().sqrt() * noise


@wrong("01.reparameterize", "exp of twice log_var")
def _(mu, log_var, noise):
    return mu + torch.exp(2 * log_var) * noise


@wrong("01.reparameterize", "the mean alone")
def _(mu, log_var, noise):
    return mu + 0 * log_var


@wrong("01.reparameterize", "mu scaled as well")
def _(mu, log_var, noise):
    return (mu + noise) * (0.5 * log_var).exp()


@wrong("01.reparameterize", "mu as plain data")
def _(mu, log_var, noise):
    return mu.data + (0.5 * log_var).exp() * noise


@right("01.reparameterize", "addcmul")
def _(mu, log_var, noise):
    return torch.addcmul(mu, torch.exp(log_var / 2), noise)


@right("01.reparameterize", "power of e")
def _(mu, log_var, noise):
    std = torch.pow(torch.tensor(math.e, dtype=torch.float64), 0.5 * log_var.double())
    return (mu.double() + std * noise.double()).to(mu.dtype)


# ---- pathwise_gradient
@wrong("01.pathwise_gradient", "gradient at mu")
def _(f, mu, std, noise):
    z = mu.detach().expand_as(noise).clone().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0]


@wrong("01.pathwise_gradient", "mean of f")
def _(f, mu, std, noise):
    z = (mu + std * noise).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).mean(), z)[0]


@wrong("01.pathwise_gradient", "averaged over the draws, again")
def _(f, mu, std, noise):
    z = (mu + std * noise).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0].mean(0)


@wrong("01.pathwise_gradient", "times noise, as for std")
def _(f, mu, std, noise):
    z = (mu + std * noise).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0] * noise


@wrong("01.pathwise_gradient", "times std, as for noise")
def _(f, mu, std, noise):
    z = (mu + std * noise).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0] * std


@wrong("01.pathwise_gradient", "gradient of mu itself, (D,)")
def _(f, mu, std, noise):
    m = mu.detach().clone().requires_grad_(True)
    return torch.autograd.grad(f(m + std * noise).sum(), m)[0]


@wrong("01.pathwise_gradient", "variance for std")
def _(f, mu, std, noise):
    z = (mu + std**2 * noise).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0]


@wrong("01.pathwise_gradient", "own noise")
def _(f, mu, std, noise):
    z = (mu + std * torch.randn_like(noise)).detach().requires_grad_(True)
    return torch.autograd.grad(f(z).sum(), z)[0]


@wrong("01.pathwise_gradient", "the score estimate")
def _(f, mu, std, noise):
    z = mu + std * noise
    return f(z)[:, None] * noise / std


@wrong("01.pathwise_gradient", "f as the sum of squares")
def _(f, mu, std, noise):
    return 2 * (mu + std * noise)


@right("01.pathwise_gradient", "a copy of mu for each draw")
def _(f, mu, std, noise):
    m = mu.detach().repeat(len(noise), 1).requires_grad_(True)
    values = f(m + std.detach() * noise.detach())
    return torch.autograd.grad(values, m, torch.ones_like(values))[0]


@right("01.pathwise_gradient", "draw by draw, again")
def _(f, mu, std, noise):
    rows = []
    for n in range(noise.shape[0]):
        z = (mu + std * noise[n]).detach().unsqueeze(0).requires_grad_(True)
        rows.append(torch.autograd.grad(f(z).squeeze(), z)[0][0])
    return torch.stack(rows)


@right("01.pathwise_gradient", "functional jacobian of the sum")
def _(f, mu, std, noise):
    return torch.autograd.functional.jacobian(lambda z: f(z).sum(), (mu + std * noise).detach())


# ---- score_gradient
@wrong("01.score_gradient", "f forgotten")
def _(f_values, z, mu, std):
    return (z - mu) / std**2


@wrong("01.score_gradient", "std not squared")
def _(f_values, z, mu, std):
    return f_values[:, None] * (z - mu) / std


@wrong("01.score_gradient", "sign")
def _(f_values, z, mu, std):
    return f_values[:, None] * (mu - z) / std**2


@wrong("01.score_gradient", "averaged over the draws, again")
def _(f_values, z, mu, std):
    return (f_values[:, None] * (z - mu) / std**2).mean(0)


@wrong("01.score_gradient", "f along the wrong axis")
def _(f_values, z, mu, std):
    return f_values * (z - mu) / std**2


@wrong("01.score_gradient", "mean taken off f")
def _(f_values, z, mu, std):
    return (f_values - f_values.mean())[:, None] * (z - mu) / std**2


@wrong("01.score_gradient", "summed over the coordinates, again")
def _(f_values, z, mu, std):
    return f_values * ((z - mu) / std**2).sum(1)


@wrong("01.score_gradient", "mean of f for every draw")
def _(f_values, z, mu, std):
    return f_values.mean() * (z - mu) / std**2


@wrong("01.score_gradient", "times the log density")
def _(f_values, z, mu, std):
    logp = torch.distributions.Normal(mu, std).log_prob(z)
    return f_values[:, None] * logp


@wrong("01.score_gradient", "first std for all coordinates")
def _(f_values, z, mu, std):
    return f_values[:, None] * (z - mu) / std[0] ** 2


@wrong("01.score_gradient", "divided by N")
def _(f_values, z, mu, std):
    return f_values[:, None] * (z - mu) / std**2 / len(z)


@right("01.score_gradient", "autograd of the log density")
def _(f_values, z, mu, std):
    m = mu.detach().expand_as(z).clone().requires_grad_(True)
    logp = torch.distributions.Normal(m, std.detach()).log_prob(z.detach()).sum()
    return f_values.unsqueeze(1) * torch.autograd.grad(logp, m)[0]


@right("01.score_gradient", "transposed")
def _(f_values, z, mu, std):
    return (f_values * ((z - mu) / std / std).T).T


@right("01.score_gradient", "a loop over draws")
def _(f_values, z, mu, std):
    return torch.stack([f_values[n] * (z[n] - mu) / std.pow(2) for n in range(z.shape[0])])


# ---- loss_function
@wrong("01.loss_function", "mean of the cross-entropy")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x) - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "mean over the batch")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return (bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()) / len(x)


@wrong("01.loss_function", "KL forgotten")
def _(recon_x, x, mu, log_var):
    return F.binary_cross_entropy(recon_x, x, reduction="sum")


@wrong("01.loss_function", "KL taken off")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return bce + 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "mean of the KL")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).mean()


@wrong("01.loss_function", "squared error")
def _(recon_x, x, mu, log_var):
    return ((recon_x - x) ** 2).sum() - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "probabilities taken for logits, again")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy_with_logits(recon_x, x, reduction="sum")
    return bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "white pixels only")
def _(recon_x, x, mu, log_var):
    return -(x * recon_x.log()).sum() - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "one for each image")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="none").sum(1)
    return bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)


@wrong("01.loss_function", "plain number")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return (bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()).item()


@wrong("01.loss_function", "KL detached")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
    return bce + kl.detach()


@wrong("01.loss_function", "the ELBO itself")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return -bce + 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


@wrong("01.loss_function", "half of the KL forgotten")
def _(recon_x, x, mu, log_var):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    return bce - (1 + log_var - mu**2 - log_var.exp()).sum()


@right("01.loss_function", "nn.BCELoss and expm1")
def _(recon_x, x, mu, log_var):
    bce = nn.BCELoss(reduction="sum")(input=recon_x, target=x)
    return bce + 0.5 * torch.sum(torch.expm1(log_var) - log_var + mu.pow(2))


@right("01.loss_function", "image by image, logs by hand")
def _(recon_x, x, mu, log_var):
    total = 0.0
    for p, t, m, lv in zip(recon_x, x, mu, log_var):
        total = total - (t * torch.log(p) + (1 - t) * torch.log1p(-p)).sum()
        total = total + 0.5 * (lv.exp() + m**2 - 1 - lv).sum()
    return total


# ---- VAE
@wrong("01.VAE", "ReLU, again")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "Sigmoid forgotten")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels))

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "sizes hard-coded")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 256), nn.SiLU())
        self.fc_mu = nn.Linear(256, 2)
        self.fc_logvar = nn.Linear(256, 2)
        self.decoder = nn.Sequential(nn.Linear(2, 256), nn.SiLU(), nn.Linear(256, 784), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "var for std")
class _(nn.Module):
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
        return mu + torch.exp(log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "own noise in forward")
class _(nn.Module):
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
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, torch.randn_like(mu))), mu, log_var


@wrong("01.VAE", "mu decoded")
class _(nn.Module):
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
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(mu), mu, log_var


@wrong("01.VAE", "one head for both")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_mu(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "heads swapped")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_logvar(h), self.fc_mu(h)

    def reparameterize(self, mu, log_var, noise):
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "forward gives z in place of mu")
class _(nn.Module):
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
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var, noise)
        return self.decode(z), z, log_var


@wrong("01.VAE", "gradient cut at z")
class _(nn.Module):
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
        return (mu + torch.exp(0.5 * log_var) * noise).detach()

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "no draw in eval mode")
class _(nn.Module):
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
        if not self.training:
            return mu
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@wrong("01.VAE", "pixels rounded")
class _(nn.Module):
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
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z):
        return self.decoder(z).round()

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


@right("01.VAE", "plain, keyword arguments")
class _(nn.Module):
    def __init__(self, pixels: int = 784, hidden: int = 256, latent_dim: int = 2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(in_features=pixels, out_features=hidden), nn.SiLU())
        self.fc_mu = nn.Linear(in_features=hidden, out_features=latent_dim)
        self.fc_logvar = nn.Linear(in_features=hidden, out_features=latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(in_features=latent_dim, out_features=hidden),
            nn.SiLU(),
            nn.Linear(in_features=hidden, out_features=pixels),
            nn.Sigmoid(),
        )

    def encode(self, x):
        hidden = self.encoder(x)
        mu = self.fc_mu(hidden)
        log_var = self.fc_logvar(hidden)
        return mu, log_var

    def reparameterize(self, mu, log_var, noise):
        std = torch.exp(log_var / 2)
        return torch.addcmul(mu, std, noise)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu=mu, log_var=log_var, noise=noise)
        return self.decode(z=z), mu, log_var


@right("01.VAE", "modules appended, SiLU in place")
class _(nn.Module):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        nn.Module.__init__(self)
        enc = [nn.Linear(pixels, hidden), nn.SiLU(inplace=True)]
        self.encoder = nn.Sequential(*enc)
        self.fc_mu, self.fc_logvar = (nn.Linear(hidden, latent_dim) for _i in range(2))
        dec = []
        dec.append(nn.Linear(latent_dim, hidden))
        dec.append(nn.SiLU(inplace=True))
        dec.append(nn.Linear(hidden, pixels))
        dec.append(nn.Sigmoid())
        self.decoder = nn.Sequential(*dec)

    def encode(self, x):
        features = self.encoder(x)
        return tuple(head(features) for head in (self.fc_mu, self.fc_logvar))

    def reparameterize(self, mu, log_var, noise):
        return noise * log_var.mul(0.5).exp() + mu

    def decode(self, z):
        for layer in self.decoder:
            z = layer(z)
        return z

    def forward(self, x, noise):
        code = self.encode(x)
        return (self.decode(self.reparameterize(*code, noise)), *code)


# ---- objective
@wrong("01.objective", "decode called on (L, B, D)")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    z = mu + (0.5 * lv).exp() * noise
    p = decode(z)
    log_px = -F.binary_cross_entropy(p, x.expand_as(p), reduction="none").sum(-1)
    kl = 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)
    return -(log_px.mean(0) - kl).mean()


@wrong("01.objective", "first draw only")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    p = decode(mu + (0.5 * lv).exp() * noise[0])
    bce = F.binary_cross_entropy(p, x, reduction="none").sum(1)
    kl = 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)
    return (bce + kl).mean()


@wrong("01.objective", "draws summed")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1)
    kl = 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)
    return (total + kl).mean()


@wrong("01.objective", "KL divided by L as well")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1)
    kl = 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)
    return ((total + kl) / len(noise)).mean()


@wrong("01.objective", "summed over the images")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total + F.binary_cross_entropy(p, x, reduction="sum") / len(noise)
    return total + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum()


@wrong("01.objective", "images repeated in the wrong order")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    L, B, D = noise.shape
    z = (mu + (0.5 * lv).exp() * noise).reshape(L * B, D)
    xx = x.repeat_interleave(L, dim=0)
    bce = F.binary_cross_entropy(decode(z), xx, reduction="sum") / (L * B)
    return bce + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1).mean()


@wrong("01.objective", "noise averaged before decoding")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    p = decode(mu + (0.5 * lv).exp() * noise.mean(0))
    bce = F.binary_cross_entropy(p, x, reduction="none").sum(1)
    return (bce + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@wrong("01.objective", "probabilities averaged, then the logarithm")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    p = torch.stack([decode(mu + (0.5 * lv).exp() * e) for e in noise]).mean(0)
    bce = F.binary_cross_entropy(p, x, reduction="none").sum(1)
    return (bce + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@wrong("01.objective", "mean over pixels")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total + F.binary_cross_entropy(p, x) / len(noise)
    return total + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1).mean()


@wrong("01.objective", "the ELBO, not minus")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total - F.binary_cross_entropy(p, x, reduction="none").sum(1) / len(noise)
    return (total - 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@wrong("01.objective", "KL forgotten")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + (0.5 * lv).exp() * e)
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1) / len(noise)
    return total.mean()


@wrong("01.objective", "var for std")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode(mu + lv.exp() * e)
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1) / len(noise)
    return (total + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@wrong("01.objective", "encoder not trained by the draws")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for e in noise:
        p = decode((mu + (0.5 * lv).exp() * e).detach())
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1) / len(noise)
    return (total + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@wrong("01.objective", "own noise")
def _(encode, decode, x, noise):
    mu, lv = encode(x)
    total = 0
    for _i in range(len(noise)):
        p = decode(mu + (0.5 * lv).exp() * torch.randn_like(mu))
        total = total + F.binary_cross_entropy(p, x, reduction="none").sum(1) / len(noise)
    return (total + 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1)).mean()


@right("01.objective", "all draws in one batch")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    L, B, D = noise.shape
    z = torch.addcmul(mu, torch.exp(log_var / 2), noise)
    p = decode(z.flatten(0, 1))
    nll = F.binary_cross_entropy(p, x.repeat(L, 1), reduction="sum") / (L * B)
    kl = 0.5 * (torch.expm1(log_var) - log_var + mu.square()).sum() / B
    return nll + kl


@right("01.objective", "a loop over the draws")
def _(encode, decode, x, noise):
    mu, log_var = encode(x)
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)
    bounds = []
    for l in range(noise.shape[0]):
        p = decode(mu + torch.exp(0.5 * log_var) * noise[l])
        log_px = -F.binary_cross_entropy(p, x, reduction="none").sum(dim=1)
        bounds.append(log_px - kl)
    return -torch.stack(bounds).mean()


# ---- best_q
@wrong("01.best_q", "weight of 1 taken for granted")
def _(x, kl_weight):
    return x / 2, torch.full_like(x, 0.5)


@wrong("01.best_q", "var independent of the weight")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, 0.5)


@wrong("01.best_q", "var as 1/(1 + weight)")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, 1 / (1 + kl_weight))


@wrong("01.best_q", "weight on the wrong side")
def _(x, kl_weight):
    return kl_weight * x / (1 + kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


@wrong("01.best_q", "std")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, (kl_weight / (1 + kl_weight)) ** 0.5)


@wrong("01.best_q", "log var, again")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, math.log(kl_weight / (1 + kl_weight)))


@wrong("01.best_q", "the prior")
def _(x, kl_weight):
    return torch.zeros_like(x), torch.ones_like(x)


@wrong("01.best_q", "var as a plain number")
def _(x, kl_weight):
    return x / (1 + kl_weight), kl_weight / (1 + kl_weight)


@wrong("01.best_q", "order swapped")
def _(x, kl_weight):
    return torch.full_like(x, kl_weight / (1 + kl_weight)), x / (1 + kl_weight)


@wrong("01.best_q", "var falls with x")
def _(x, kl_weight):
    return x / (1 + kl_weight), kl_weight / (1 + kl_weight + x**2)


@wrong("01.best_q", "var above 1, inverse")
def _(x, kl_weight):
    return x / (1 + kl_weight), torch.full_like(x, (1 + kl_weight) / kl_weight)


@wrong("01.best_q", "weight squared in the mean")
def _(x, kl_weight):
    return x / (1 + kl_weight**2), torch.full_like(x, kl_weight / (1 + kl_weight))


@right("01.best_q", "ones times the number")
def _(x, kl_weight):
    var = kl_weight / (kl_weight + 1.0)
    return x.mul(1.0 / (1.0 + kl_weight)), var * torch.ones_like(x)


@right("01.best_q", "a loop, from the precision")
def _(x, kl_weight):
    means, variances = [], []
    for v in x.tolist():
        precision = 1 + 1 / kl_weight
        means.append(v / kl_weight / precision)
        variances.append(1 / precision)
    return torch.tensor(means, dtype=x.dtype), torch.tensor(variances, dtype=x.dtype)


# ---- importance_bound
@wrong("01.importance_bound", "mean of the logs")
def _(log_weights):
    return log_weights.mean(0)


@wrong("01.importance_bound", "exp, mean, log")
def _(log_weights):
    return log_weights.exp().mean(0).log()


@wrong("01.importance_bound", "float64 is not enough")
def _(log_weights):
    return log_weights.double().exp().mean(0).log().to(log_weights.dtype)


@wrong("01.importance_bound", "log K forgotten")
def _(log_weights):
    return torch.logsumexp(log_weights, 0)


@wrong("01.importance_bound", "over the images, again")
def _(log_weights):
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


@wrong("01.importance_bound", "log B")
def _(log_weights):
    return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[1])


@wrong("01.importance_bound", "one maximum for all images")
def _(log_weights):
    m = log_weights.max()
    return (log_weights - m).exp().mean(0).log() + m


@wrong("01.importance_bound", "divided by K in logs")
def _(log_weights):
    return torch.logsumexp(log_weights, 0) / log_weights.shape[0]


@wrong("01.importance_bound", "one number")
def _(log_weights):
    return (torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[0])).mean()


@wrong("01.importance_bound", "best draw")
def _(log_weights):
    return log_weights.max(0).values


@wrong("01.importance_bound", "negative, as a loss")
def _(log_weights):
    return math.log(log_weights.shape[0]) - torch.logsumexp(log_weights, 0)


@wrong("01.importance_bound", "weighted mean of the logs")
def _(log_weights):
    return (log_weights.softmax(0) * log_weights).sum(0)


@wrong("01.importance_bound", "small number inside the logarithm")
def _(log_weights):
    return (log_weights.exp().mean(0) + 1e-20).log()


@right("01.importance_bound", "draw by draw with logaddexp")
def _(log_weights):
    total = log_weights[0]
    for k in range(1, log_weights.shape[0]):
        total = torch.logaddexp(total, log_weights[k])
    return total - math.log(log_weights.shape[0])


@right("01.importance_bound", "maximum of each image taken off")
def _(log_weights):
    top = log_weights.amax(dim=0, keepdim=True)
    return top.squeeze(0) + torch.log(torch.mean(torch.exp(log_weights - top), dim=0))


# ---- interpolate
@wrong("01.interpolate", "b left out")
def _(a, b, n):
    t = (torch.arange(n) / n)[:, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "one row too many")
def _(a, b, n):
    t = torch.linspace(0, 1, n + 1)[:, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "both ends left out")
def _(a, b, n):
    t = torch.linspace(0, 1, n + 2)[1:-1, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "from b to a, again")
def _(a, b, n):
    t = torch.linspace(0, 1, n)[:, None]
    return t * a + (1 - t) * b


@wrong("01.interpolate", "on a sphere")
def _(a, b, n):
    t = torch.linspace(0, 1, n)[:, None]
    cos = (a @ b / (a.norm() * b.norm())).clamp(-0.9999, 0.9999)
    om = torch.acos(cos)
    return (torch.sin((1 - t) * om) * a + torch.sin(t * om) * b) / torch.sin(om)


@wrong("01.interpolate", "(D, n)")
def _(a, b, n):
    t = torch.linspace(0, 1, n)
    return a[:, None] * (1 - t) + b[:, None] * t


@wrong("01.interpolate", "steps not equal")
def _(a, b, n):
    t = (torch.linspace(0, 1, n) ** 2)[:, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "b added in full")
def _(a, b, n):
    t = torch.linspace(0, 1, n)[:, None]
    return a + t * b


@wrong("01.interpolate", "random positions")
def _(a, b, n):
    t = torch.rand(n).sort().values[:, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "t not as a column")
def _(a, b, n):
    t = torch.linspace(0, 1, n)
    return (1 - t) * a + t * b


@wrong("01.interpolate", "ten rows hard-coded")
def _(a, b, n):
    t = torch.linspace(0, 1, 10)[:, None]
    return (1 - t) * a + t * b


@wrong("01.interpolate", "smooth steps")
def _(a, b, n):
    t = torch.linspace(0, 1, n)[:, None]
    t = t * t * (3 - 2 * t)
    return (1 - t) * a + t * b


@right("01.interpolate", "a loop")
def _(a, b, n):
    rows = []
    for i in range(n):
        rows.append(((n - 1 - i) * a + i * b) / (n - 1))
    return torch.stack(rows)


@right("01.interpolate", "numpy linspace")
def _(a, b, n):
    line = np.linspace(a.detach().numpy(), b.detach().numpy(), num=n, axis=0)
    return torch.from_numpy(line).to(a.dtype)


@right("01.interpolate", "torch.lerp, again")
def _(a, b, n):
    t = torch.linspace(0, 1, n, dtype=a.dtype).unsqueeze(1)
    return torch.lerp(a.expand(n, -1), b.expand(n, -1), t.expand(n, a.shape[0]))


# ---- dead_latents


def dead(kl):
    """The indices at which kl(mu, log_var), (D,), is below 0.01."""
    return lambda mu, log_var: (kl(mu, log_var) < 0.01).nonzero().flatten()


def each_kl(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var)


for limit in (0.1, 0.05, 0.001, 1.0):
    wrong("01.dead_latents", f"{limit} for 0.01")(
        dead(lambda mu, v, limit=limit: each_kl(mu, v).mean(0) * 0.01 / limit)
    )
wrong("01.dead_latents", "half forgotten")(dead(lambda mu, v: 2 * each_kl(mu, v).mean(0)))
wrong("01.dead_latents", "means near 0")(dead(lambda mu, v: mu.abs().mean(0)))
wrong("01.dead_latents", "first image")(dead(lambda mu, v: each_kl(mu, v)[0]))
right("01.dead_latents", "a table")(dead(lambda mu, v: each_kl(mu, v).mean(0)))


# ---- refine


def refined(loss, mu, log_var, steps, lr, kind=torch.optim.Adam):
    """The codes before and after every step, and their losses."""
    m, v = mu.clone().requires_grad_(), log_var.clone().requires_grad_()
    optimizer = kind([m, v], lr=lr)
    for _ in range(steps + 1):
        optimizer.zero_grad()
        each = loss(m, v)
        yield m.detach().clone(), v.detach().clone(), each.detach()
        each.sum().backward()
        optimizer.step()


@wrong("01.refine", "the best of the steps")
def _(loss, mu, log_var, steps, lr):
    return min(refined(loss, mu, log_var, steps, lr), key=lambda codes: codes[2].sum())[:2]


@wrong("01.refine", "the best of each image")
def _(loss, mu, log_var, steps, lr):
    m, v, each = (torch.stack(part) for part in zip(*refined(loss, mu, log_var, steps, lr), strict=True))
    images = torch.arange(each.shape[1])
    return m[each.argmin(0), images], v[each.argmin(0), images]


@wrong("01.refine", "ends where the loss rises")
def _(loss, mu, log_var, steps, lr):
    last = math.inf
    for m, v, each in refined(loss, mu, log_var, steps, lr):
        found = m, v
        if each.sum() > last:
            break
        last = each.sum()
    return found


@wrong("01.refine", "AdamW")
def _(loss, mu, log_var, steps, lr):
    *_, (m, v, _) = refined(loss, mu, log_var, steps, lr, torch.optim.AdamW)
    return m, v


@right("01.refine", "copies without detach")
def _(loss, mu, log_var, steps, lr):
    *_, (m, v, _) = refined(loss, mu, log_var, steps, lr)
    return m, v
