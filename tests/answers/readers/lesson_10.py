"""Answers to the exercises of lesson 10 by readers who knew nothing but the stubs."""

import math
import statistics
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong

# 10.two_directions ------------------------------------------------------------------------------------------------


def by_moments(x, log_p):
    """Mean and standard deviation of p."""
    w = torch.softmax(log_p, 0)
    mean = (w * x).sum()
    return mean.item(), (w * (x - mean) ** 2).sum().sqrt().item()


def searched(x, means, stds, cost):
    """The pair whose q, as log q on the grid and as weights, costs least."""
    best = None
    for m in means.tolist():
        for s in stds.tolist():
            log_q = -((x - m) ** 2) / (2 * s * s) - math.log(s) - 0.5 * math.log(2 * math.pi)
            value = float(cost(log_q, log_q.exp(), m, s))
            if best is None or value < best[0]:
                best = value, (m, s)
    return best[1]


@wrong("10.two_directions", "the directions taken for each other: q || p first")
def _(x, log_p, means, stds):
    return searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum()), by_moments(x, log_p)


@wrong("10.two_directions", "p made of log_p and kept off zero by 1e-12")
def _(x, log_p, means, stds):
    p = (log_p - log_p.max()).exp()
    p = p / p.sum() / (x[1] - x[0])
    log_p = torch.log(p + 1e-12)
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum())


@wrong("10.two_directions", "the entropy of q forgotten")
def _(x, log_p, means, stds):
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: -(q * log_p).sum())


@wrong("10.two_directions", "the entropy of q with the wrong sign")
def _(x, log_p, means, stds):
    dx = x[1] - x[0]
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: -(q * log_p).sum() * dx + math.log(s))


@wrong("10.two_directions", "half the log of the standard deviation, as if it were a variance")
def _(x, log_p, means, stds):
    dx = x[1] - x[0]
    return by_moments(x, log_p), searched(
        x, means, stds, lambda log_q, q, m, s: -(q * log_p).sum() * dx - 0.5 * math.log(s)
    )


@wrong("10.two_directions", "searched for the smallest KL(p || q) a second time")
def _(x, log_p, means, stds):
    p = torch.softmax(log_p, 0)
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: -(p * log_q).sum())


@wrong("10.two_directions", "the best mean first, with the first standard deviation, then the best standard deviation")
def _(x, log_p, means, stds):
    def cost(log_q, q, m, s):
        return (q * (log_q - log_p)).sum()

    m, _ = searched(x, means, stds[:1], cost)
    return by_moments(x, log_p), searched(x, torch.tensor([m], dtype=x.dtype), stds, cost)


@wrong("10.two_directions", "the first fit as well from the given means and deviations")
def _(x, log_p, means, stds):
    p = torch.softmax(log_p, 0)
    return (
        searched(x, means, stds, lambda log_q, q, m, s: -(p * log_q).sum()),
        searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum()),
    )


@wrong("10.two_directions", "exp(log_p) as it comes")
def _(x, log_p, means, stds):
    p = log_p.exp()
    p = p / p.sum()
    mean = (p * x).sum()
    std = ((p * (x - mean) ** 2).sum()) ** 0.5
    second = searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum())
    return (mean.item(), std.item()), second


@wrong("10.two_directions", "the variance in place of the standard deviation")
def _(x, log_p, means, stds):
    mean, std = by_moments(x, log_p)
    return (mean, std**2), searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum())


@wrong("10.two_directions", "the first q at the peak of p, by its curvature")
def _(x, log_p, means, stds):
    i = int(log_p[1:-1].argmax()) + 1
    dx = x[1] - x[0]
    bend = (log_p[i + 1] - 2 * log_p[i] + log_p[i - 1]) / dx**2
    second = searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p)).sum())
    return (x[i].item(), float((-1 / bend) ** 0.5)), second


@wrong("10.two_directions", "the second only where p is not 0 as a float")
def _(x, log_p, means, stds):
    p = (log_p - log_p.max()).exp()
    there = p > 0
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: (q * (log_q - log_p))[there].sum())


@wrong("10.two_directions", "p and q both kept off zero by 1e-8, sums in place of integrals")
def _(x, log_p, means, stds):
    p = torch.softmax(log_p, 0)

    def cost(log_q, q, m, s):
        q = q / q.sum()
        return (q * (torch.log(q + 1e-8) - torch.log(p + 1e-8))).sum()

    return by_moments(x, log_p), searched(x, means, stds, cost)


@right("10.two_directions", "loops, the entropy by its formula")
def _(x, log_p, means, stds):
    dx = x[1] - x[0]
    log_p = log_p - log_p.max()
    return by_moments(x, log_p), searched(x, means, stds, lambda log_q, q, m, s: -(q * log_p).sum() * dx - math.log(s))


@right("10.two_directions", "torch, all combinations in one tensor")
def _(x, log_p, means, stds):
    log_p = log_p - torch.logsumexp(log_p, 0)
    p = log_p.exp()
    m = p @ x
    v = p @ x.sub(m).square()
    log_q = torch.log_softmax(-((x - means[:, None, None]) ** 2) / (2 * stds[:, None] ** 2), -1)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    i, j = divmod(int(kl.argmin()), len(stds))
    return (float(m), float(v**0.5)), (float(means[i]), float(stds[j]))


@right("10.two_directions", "numpy and the trapezoid rule")
def _(x, log_p, means, stds):
    x, log_p, means, stds = (t.numpy() for t in (x, log_p, means, stds))
    log_p = log_p - log_p.max()
    p = np.exp(log_p)

    def area(y):
        return ((y[..., 1:] + y[..., :-1]) / 2 * np.diff(x)).sum(-1)

    m = area(p * x) / area(p)
    s = np.sqrt(area(p * (x - m) ** 2) / area(p))
    costs = {}
    for a in means:
        for b in stds:
            q = np.exp(-0.5 * ((x - a) / b) ** 2) / (b * np.sqrt(2 * np.pi))
            costs[float(a), float(b)] = -np.log(b) - area(q * log_p)
    return (float(m), float(s)), min(costs, key=costs.get)


@right("10.two_directions", "torch.distributions")
def _(x, log_p, means, stds):
    p = torch.distributions.Categorical(logits=log_p).probs
    mean = torch.einsum("n,n->", p, x)
    second = torch.einsum("n,n,n->", p, x - mean, x - mean)
    mu, sd = torch.meshgrid(means, stds, indexing="ij")
    q = torch.distributions.Normal(mu[..., None], sd[..., None])
    log_q = q.log_prob(x)
    kl = torch.einsum("kln,kln->kl", log_q.exp(), log_q - log_p + log_p.max())
    best = kl.flatten().argmin()
    return (mean.item(), second.sqrt().item()), (mu.flatten()[best].item(), sd.flatten()[best].item())


# 10.exact_minimiser -----------------------------------------------------------------------------------------------


@wrong("10.exact_minimiser", "the training points not shrunk by alpha")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma**2), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "x divided by alpha, sigma as it was")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double() / alpha, train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma**2), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "the training point nearest to x")
def _(x, train, alpha, sigma):
    return train[torch.cdist(x.double(), alpha * train.double()).argmin(1)]


@wrong("10.exact_minimiser", "the 2 forgotten")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    return (torch.softmax(-d / sigma**2, 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "distances not squared")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double())
    return (torch.softmax(-d / (2 * sigma**2), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "the square of sigma forgotten")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "the mean over the pixels of the squared distance")
def _(x, train, alpha, sigma):
    d = ((x[:, None].double() - alpha * train.double()) ** 2).mean(-1)
    return (torch.softmax(-d / (2 * sigma**2), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "the weights sum to 1 over the places, not over the training points")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma**2), 0) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "exponentials divided by their sum, which may be 0")
def _(x, train, alpha, sigma):
    w = torch.exp(-((x[:, None] - alpha * train[None]) ** 2).sum(-1) / (2 * sigma**2))
    return w @ train / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "the sum of the exponentials kept off 0")
def _(x, train, alpha, sigma):
    w = torch.exp(-((x[:, None] - alpha * train[None]) ** 2).sum(-1) / (2 * sigma**2))
    return w @ train / (w.sum(1, keepdim=True) + 1e-12)


@wrong("10.exact_minimiser", "where all weights are 0, the mean of the training set")
def _(x, train, alpha, sigma):
    w = torch.exp(-((x[:, None] - alpha * train[None]) ** 2).sum(-1) / (2 * sigma**2))
    w = torch.where(w.sum(1, keepdim=True) > 0, w, torch.ones_like(w))
    return w @ train / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "the mean of alpha times x0")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma**2), 1) @ (alpha * train.double())).to(x.dtype)


@wrong("10.exact_minimiser", "the estimate of the noise")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    x0 = torch.softmax(-d / (2 * sigma**2), 1) @ train.double()
    return ((x.double() - alpha * x0) / sigma).to(x.dtype)


@wrong("10.exact_minimiser", "a Gaussian fitted to the training set (Wiener)")
def _(x, train, alpha, sigma):
    t = train.double()
    mean = t.mean(0)
    cov = (t - mean).T @ (t - mean) / len(t)
    gain = alpha * cov @ torch.linalg.inv(alpha**2 * cov + sigma**2 * torch.eye(len(mean), dtype=t.dtype))
    return (mean + (x.double() - alpha * mean) @ gain.T).to(x.dtype)


@wrong("10.exact_minimiser", "sigma kept from below, for safety")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double()) ** 2
    return (torch.softmax(-d / (2 * max(sigma, 0.05) ** 2), 1) @ train.double()).to(x.dtype)


@wrong("10.exact_minimiser", "each pixel by itself")
def _(x, train, alpha, sigma):
    d = (x[:, None].double() - alpha * train.double()) ** 2
    return (torch.softmax(-d / (2 * sigma**2), 1) * train.double()).sum(1).to(x.dtype)


@right("10.exact_minimiser", "softmax in float64, the smallest distance taken off first")
def _(x, train, alpha, sigma):
    d = (x.double()[:, None] - alpha * train.double()[None]).square().sum(-1)
    d = d - d.min(1, keepdim=True).values
    return (torch.softmax(-(d / sigma / sigma / 2).clamp(max=1e6), 1) @ train.double()).to(x.dtype)


@right("10.exact_minimiser", "numpy, a place at a time")
def _(x, train, alpha, sigma):
    t = train.double().numpy()
    out = []
    for place in x.double().numpy():
        d = np.array([((place - alpha * row) ** 2).sum() for row in t])
        w = np.exp(-np.minimum((d - d.min()) / sigma / sigma / 2, 800))
        out.append((w[:, None] * t).sum(0) / w.sum())
    return torch.tensor(np.array(out)).to(x.dtype)


@right("10.exact_minimiser", "plain softmax of squared distances in float64")
def _(x, train, alpha, sigma):
    logits = (
        torch.distributions.Normal(0.0, 1.0).log_prob((x.double()[:, None] - alpha * train.double()) / sigma).sum(-1)
    )
    return torch.einsum("bn,nd->bd", logits.softmax(-1), train.double()).to(x.dtype)


@right("10.exact_minimiser", "Tweedie by autograd")
def _(x, train, alpha, sigma):
    with torch.enable_grad():
        y = x.double().detach().requires_grad_()
        u = (y[:, None] - alpha * train.double()) / sigma
        logs = torch.logsumexp(-0.5 * u.square().sum(-1), 1).sum()
        (score,) = torch.autograd.grad(logs, y)
    return ((y + sigma * (sigma * score)) / alpha).detach().to(x.dtype)


# 10.best_discriminator --------------------------------------------------------------------------------------------


@wrong("10.best_discriminator", "q over p")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_q_real - log_p_real, log_q_fake - log_p_fake
    return r, f, (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()


@wrong("10.best_discriminator", "the probability in place of its logit")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    js = (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()
    return r.sigmoid(), f.sigmoid(), js


@wrong("10.best_discriminator", "the logit of fake ones as that of being fake")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_q_fake - log_p_fake
    return r, f, (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(f).mean()).item()


@wrong("10.best_discriminator", "the sum of the two KL, not half of each")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, (2 * math.log(2) + F.logsigmoid(r).mean() + F.logsigmoid(-f).mean()).item()


@wrong("10.best_discriminator", "in bits")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, (1 + 0.5 * (F.logsigmoid(r).mean() + F.logsigmoid(-f).mean()) / math.log(2)).item()


@wrong("10.best_discriminator", "m = p + q, without the half")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    kl_p = (log_p_real - torch.logaddexp(log_p_real, log_q_real)).mean()
    kl_q = (log_q_fake - torch.logaddexp(log_p_fake, log_q_fake)).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, float(kl_p + kl_q) / 2


@wrong("10.best_discriminator", "densities taken out of their logarithms")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    def d(log_p, log_q):
        return log_p.exp() / (log_p.exp() + log_q.exp())

    r, f = d(log_p_real, log_q_real), d(log_p_fake, log_q_fake)
    js = math.log(2) + 0.5 * r.log().mean() + 0.5 * (1 - f).log().mean()
    return torch.log(r / (1 - r)), torch.log(f / (1 - f)), js.item()


@wrong("10.best_discriminator", "the ratio of the densities, its exponential infinite")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    kl_p = -torch.log((1 + torch.exp(-r)) / 2).mean()
    kl_q = -torch.log((1 + torch.exp(f)) / 2).mean()
    return r, f, (0.5 * kl_p + 0.5 * kl_q).item()


@wrong("10.best_discriminator", "the logits cut at 20, for safety")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = (log_p_real - log_q_real).clamp(-20, 20), (log_p_fake - log_q_fake).clamp(-20, 20)
    return r, f, (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()


@wrong("10.best_discriminator", "binary cross-entropy of probabilities, which ends at 100")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    loss = F.binary_cross_entropy(r.sigmoid(), torch.ones_like(r)) + F.binary_cross_entropy(
        f.sigmoid(), torch.zeros_like(f)
    )
    return r, f, math.log(2) - loss.item() / 2


@wrong("10.best_discriminator", "sigmoid in float64 and 1e-300 under the logarithm")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    real, fake = r.double().sigmoid(), 1 - f.double().sigmoid()
    js = math.log(2) + 0.5 * torch.log(real + 1e-300).mean() + 0.5 * torch.log(fake + 1e-300).mean()
    return r, f, js.item()


@wrong("10.best_discriminator", "one mean over all pictures together")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, (math.log(2) + torch.cat([F.logsigmoid(r), F.logsigmoid(-f)]).mean()).item()


@wrong("10.best_discriminator", "as many more real pictures as there are in the list")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    prior = math.log(len(log_p_real) / len(log_p_fake))
    r, f = log_p_real - log_q_real + prior, log_p_fake - log_q_fake + prior
    return r, f, (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()


@wrong("10.best_discriminator", "the mean of both KL of p and q (Jeffreys)")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, (r.mean() / 2 - f.mean() / 2).item()


@wrong("10.best_discriminator", "what the discriminator reaches, taken for the divergence")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, (F.logsigmoid(r).mean() + F.logsigmoid(-f).mean()).item()


@wrong("10.best_discriminator", "the square root of it, the distance")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    js = (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()
    return r, f, math.sqrt(max(js, 0.0))


@wrong("10.best_discriminator", "an estimate below 0 made 0")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    js = (math.log(2) + 0.5 * F.logsigmoid(r).mean() + 0.5 * F.logsigmoid(-f).mean()).item()
    return r, f, max(js, 0.0)


@right("10.best_discriminator", "logsigmoid")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real - log_q_real, log_p_fake - log_q_fake
    return r, f, math.log(2) + 0.5 * (F.logsigmoid(r).mean() + F.logsigmoid(-f).mean()).item()


@right("10.best_discriminator", "logaddexp for the mixture")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    log_m_real = torch.logaddexp(log_p_real, log_q_real) - math.log(2)
    log_m_fake = torch.logaddexp(log_p_fake, log_q_fake) - math.log(2)
    js = 0.5 * (log_p_real - log_m_real).mean() + 0.5 * (log_q_fake - log_m_fake).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, float(js)


@right("10.best_discriminator", "cross-entropy with logits, log 2 less it")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    r, f = log_p_real.sub(log_q_real), log_p_fake.sub(log_q_fake)
    loss = F.binary_cross_entropy_with_logits
    return r, f, math.log(2) - (loss(r, torch.ones_like(r)) + loss(f, torch.zeros_like(f))).item() / 2


@right("10.best_discriminator", "plain Python, a picture at a time")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    def softplus(z):
        return max(z, 0.0) + math.log1p(math.exp(-abs(z)))

    r = [a - b for a, b in zip(log_p_real.tolist(), log_q_real.tolist())]
    f = [a - b for a, b in zip(log_p_fake.tolist(), log_q_fake.tolist())]
    js = math.log(2) - sum(softplus(-z) for z in r) / len(r) / 2 - sum(softplus(z) for z in f) / len(f) / 2
    return torch.tensor(r, dtype=log_p_real.dtype), torch.tensor(f, dtype=log_p_real.dtype), js


# 10.generator_pull ------------------------------------------------------------------------------------------------


@wrong("10.generator_pull", "the sum of the losses, not their mean")
def _(logits, slopes):
    d = torch.sigmoid(logits)[:, None]
    return -d * slopes, -torch.sigmoid(-logits)[:, None] * slopes


@wrong("10.generator_pull", "the mean over all pixels as well")
def _(logits, slopes):
    d = torch.sigmoid(logits)[:, None]
    return -d * slopes / slopes.numel(), -torch.sigmoid(-logits)[:, None] * slopes / slopes.numel()


@wrong("10.generator_pull", "the way downhill, not the derivatives")
def _(logits, slopes):
    b = len(logits)
    return torch.sigmoid(logits)[:, None] * slopes / b, torch.sigmoid(-logits)[:, None] * slopes / b


@wrong("10.generator_pull", "non-saturating first")
def _(logits, slopes):
    b = len(logits)
    return -torch.sigmoid(-logits)[:, None] * slopes / b, -torch.sigmoid(logits)[:, None] * slopes / b


@wrong("10.generator_pull", "the minimax loss with the discriminator's sign")
def _(logits, slopes):
    b = len(logits)
    return torch.sigmoid(logits)[:, None] * slopes / b, -torch.sigmoid(-logits)[:, None] * slopes / b


@wrong("10.generator_pull", "slopes taken for those of D, not of its logit")
def _(logits, slopes):
    d = torch.sigmoid(logits)[:, None]
    b = len(logits)
    return -slopes / (1 - d).clamp_min(1e-12) / b, -slopes / d.clamp_min(1e-12) / b


@wrong("10.generator_pull", "the derivative of D, the logarithm forgotten")
def _(logits, slopes):
    d = torch.sigmoid(logits)[:, None]
    g = d * (1 - d) * slopes / len(logits)
    return -g, -g


@wrong("10.generator_pull", "autograd through log and sigmoid, 0/0 far out")
def _(logits, slopes):
    z = logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        (a,) = torch.autograd.grad(torch.log(1 - torch.sigmoid(z)).mean(), z)
        (b,) = torch.autograd.grad(-torch.log(torch.sigmoid(z)).mean(), z)
    return a[:, None] * slopes, b[:, None] * slopes


@wrong("10.generator_pull", "autograd with 1e-8 inside the logarithm")
def _(logits, slopes):
    z = logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        (a,) = torch.autograd.grad(torch.log(1 - torch.sigmoid(z) + 1e-8).mean(), z)
        (b,) = torch.autograd.grad(-torch.log(torch.sigmoid(z) + 1e-8).mean(), z)
    return a[:, None] * slopes, b[:, None] * slopes


@wrong("10.generator_pull", "binary cross-entropy of probabilities, which is flat far out")
def _(logits, slopes):
    z = logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        d = torch.sigmoid(z)
        (a,) = torch.autograd.grad(-F.binary_cross_entropy(d, torch.zeros_like(d)), z, retain_graph=True)
        (b,) = torch.autograd.grad(F.binary_cross_entropy(d, torch.ones_like(d)), z)
    return a[:, None] * slopes, b[:, None] * slopes


@wrong("10.generator_pull", "logits cut at 10")
def _(logits, slopes):
    z = logits.detach().clamp(-10, 10).requires_grad_()
    with torch.enable_grad():
        (a,) = torch.autograd.grad(-F.softplus(z).mean(), z)
        (b,) = torch.autograd.grad(F.softplus(-z).mean(), z)
    return a[:, None] * slopes, b[:, None] * slopes


@wrong("10.generator_pull", "the mean logit for all pictures")
def _(logits, slopes):
    d = torch.sigmoid(logits.mean())
    return -d * slopes / len(logits), -(1 - d) * slopes / len(logits)


@wrong("10.generator_pull", "the non-saturating loss pulls with D as well")
def _(logits, slopes):
    d = torch.sigmoid(logits)[:, None]
    return -d * slopes / len(logits), -slopes / len(logits) * d


@right("10.generator_pull", "by hand")
def _(logits, slopes):
    b = logits.shape[0]
    return -torch.sigmoid(logits)[:, None] * slopes / b, -torch.sigmoid(-logits)[:, None] * slopes / b


@right("10.generator_pull", "autograd of softplus by the pixels themselves")
def _(logits, slopes):
    with torch.enable_grad():
        shift = torch.zeros_like(slopes, requires_grad=True)
        z = logits + (slopes * shift).sum(1)
        (a,) = torch.autograd.grad((-F.softplus(z)).mean(), shift, retain_graph=True)
        (b,) = torch.autograd.grad(F.softplus(-z).mean(), shift)
    return a, b


@right("10.generator_pull", "numpy with tanh, a picture at a time")
def _(logits, slopes):
    first, second = np.zeros(slopes.shape), np.zeros(slopes.shape)
    for i, (z, s) in enumerate(zip(logits.double().numpy(), slopes.double().numpy())):
        first[i] = -0.5 * (1 + np.tanh(z / 2)) * s / len(logits)
        second[i] = -0.5 * (1 - np.tanh(z / 2)) * s / len(logits)
    return torch.from_numpy(first).to(slopes.dtype), torch.from_numpy(second).to(slopes.dtype)


@right("10.generator_pull", "cross-entropy with logits by autograd, then einsum")
def _(logits, slopes):
    with torch.enable_grad():
        z = logits.detach().clone().requires_grad_()
        loss = F.binary_cross_entropy_with_logits
        (a,) = torch.autograd.grad(-loss(z, torch.zeros_like(z)), z)
        (b,) = torch.autograd.grad(loss(z, torch.ones_like(z)), z)
    return torch.einsum("b,bd->bd", a, slopes), torch.einsum("b,bd->bd", b, slopes)


@right("10.generator_pull", "one from the other: they differ by the slopes")
def _(logits, slopes):
    first = -slopes * torch.softmax(torch.stack([torch.zeros_like(logits), logits], 1), 1)[:, 1:] / len(logits)
    return first, -(slopes / len(logits)) - first


# 10.modes ---------------------------------------------------------------------------------------------------------


def apart(points, centres):
    return (points[:, None].double() - centres[None].double()).square().sum(-1).sqrt()


@wrong("10.modes", "a point counts for every mode in reach")
def _(points, centres, std, within):
    near = apart(points, centres) <= within * std
    share = len(points) / len(centres)
    return int((near.sum(0) >= share / 5).sum()), near.any(1).double().mean().item()


@wrong("10.modes", "the fair share of the good points only")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= good.sum() / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "one point reaches a mode")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    return len(which[good].unique()), good.double().mean().item()


@wrong("10.modes", "exactly that far is too far")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d < within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "more than a fifth")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts > len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "within taken for a distance")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "each direction by itself, a square")
def _(points, centres, std, within):
    d, which = (points[:, None].double() - centres.double()).abs().amax(-1).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "the squared distance against within times std")
def _(points, centres, std, within):
    d, which = (apart(points, centres) ** 2).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "a fifth of the fair share rounded down")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= max(1, len(points) // (5 * len(centres)))).sum()), good.double().mean().item()


@wrong("10.modes", "points that are not good belong to modes too")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    counts = torch.bincount(which, minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), (d <= within * std).double().mean().item()


@wrong("10.modes", "only the points of reached modes are good")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    reached = counts >= len(points) / len(centres) / 5
    return int(reached.sum()), counts[reached].sum().item() / len(points)


@wrong("10.modes", "reached by a fifth of all points")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "reached by the whole fair share")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres)).sum()), good.double().mean().item()


@wrong("10.modes", "the share of the modes that are reached, not their number")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return (counts >= len(points) / len(centres) / 5).double().mean().item(), good.double().mean().item()


@right("10.modes", "bincount of the nearest")
def _(points, centres, std, within):
    d, which = apart(points, centres).min(1)
    good = d <= within * std
    counts = torch.bincount(which[good], minlength=len(centres))
    return int((5 * len(centres) * counts >= len(points)).sum()), good.double().mean().item()


@right("10.modes", "loops, squares compared")
def _(points, centres, std, within):
    counts = [0] * len(centres)
    for px, py in points.tolist():
        squares = [(px - cx) ** 2 + (py - cy) ** 2 for cx, cy in centres.tolist()]
        nearest = min(range(len(squares)), key=squares.__getitem__)
        if math.sqrt(squares[nearest]) <= within * std:
            counts[nearest] += 1
    return sum(c >= 0.2 * len(points) / len(counts) for c in counts), sum(counts) / len(points)


@right("10.modes", "numpy, one-hot rows")
def _(points, centres, std, within):
    diff = points.numpy()[:, None, :] - centres.numpy()[None]
    d = np.linalg.norm(diff, axis=-1)
    mine = np.eye(len(centres), dtype=bool)[d.argmin(1)] & (d.min(1) <= within * std)[:, None]
    return int((mine.sum(0) / len(points) >= 1 / len(centres) / 5).sum()), float(mine.any(1).mean())


@right("10.modes", "torch.cdist in the dtype of the points")
def _(points, centres, std, within):
    d = torch.cdist(points, centres)
    good = d.amin(1) <= within * std
    mine = d.argmin(1)[good]
    reached = sum(1 for k in range(len(centres)) if (mine == k).sum().item() * len(centres) * 5 >= len(points))
    return reached, good.float().mean().item()


# 10.copies --------------------------------------------------------------------------------------------------------


def nearest(a, b):
    """The distance of each row of a to the nearest row of b."""
    return torch.stack([(row - b.double()).norm(dim=1).min() for row in a.double()])


@wrong("10.copies", "nearer only, not as near")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return (nearest(generated, train) < limit).double().mean().item()


@wrong("10.copies", "off by one: the first test image that does not count")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test))]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "off by one the other way")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[max(round(level * len(test)) - 2, 0)]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "level times M cut to an integer, a float just below")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[int(level * len(test)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "level times M rounded up, a float just above")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[math.ceil(level * len(test)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "the farthest share of the test images")
def _(generated, train, test, level):
    limit = nearest(test, train).sort(descending=True).values[round(level * len(test)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "a level of all distances, not of the nearest ones")
def _(generated, train, test, level):
    d = torch.cdist(test.double(), train.double()).flatten().sort().values
    limit = d[round(level * len(d)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "the training images' distances to each other as the measure")
def _(generated, train, test, level):
    d = torch.cdist(train.double(), train.double())
    d.fill_diagonal_(math.inf)
    d = d.amin(1).sort().values
    limit = d[max(round(level * len(d)) - 1, 0)]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "nearness to the test images")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return (nearest(generated, test) <= limit).double().mean().item()


@wrong("10.copies", "each training image's nearest test image sets the limit")
def _(generated, train, test, level):
    d = nearest(train, test).sort().values
    limit = d[max(round(level * len(d)) - 1, 0)]
    return (nearest(generated, train) <= limit).double().mean().item()


@wrong("10.copies", "the share of training images that are copied")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return (nearest(train, generated) <= limit).double().mean().item()


@wrong("10.copies", "how many, not which share")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return float((nearest(generated, train) <= limit).sum())


@wrong("10.copies", "what is above the level")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item() - level


@wrong("10.copies", "the sum of absolute differences")
def _(generated, train, test, level):
    limit = torch.cdist(test.double(), train.double(), p=1).amin(1).sort().values[round(level * len(test)) - 1]
    return (torch.cdist(generated.double(), train.double(), p=1).amin(1) <= limit).double().mean().item()


@wrong("10.copies", "the largest difference of a pixel")
def _(generated, train, test, level):
    limit = torch.cdist(test.double(), train.double(), p=math.inf).amin(1).sort().values[round(level * len(test)) - 1]
    return (torch.cdist(generated.double(), train.double(), p=math.inf).amin(1) <= limit).double().mean().item()


@wrong("10.copies", "the mean distance to the training set")
def _(generated, train, test, level):
    limit = torch.cdist(test.double(), train.double()).mean(1).sort().values[round(level * len(test)) - 1]
    return (torch.cdist(generated.double(), train.double()).mean(1) <= limit).double().mean().item()


@wrong("10.copies", "mean less standard deviations, as if the distances were Gaussian")
def _(generated, train, test, level):
    d = nearest(test, train)
    limit = d.mean() + d.std() * statistics.NormalDist().inv_cdf(level)
    return (nearest(generated, train) <= limit).double().mean().item()


@right("10.copies", "sorted, the last that counts")
def _(generated, train, test, level):
    limit = nearest(test, train).sort().values[round(level * len(test)) - 1]
    return (nearest(generated, train) <= limit).double().mean().item()


@right("10.copies", "torch.quantile between the two")
def _(generated, train, test, level):
    limit = torch.quantile(nearest(test, train), level)
    return (nearest(generated, train) <= limit).double().mean().item()


@right("10.copies", "numpy, squares throughout")
def _(generated, train, test, level):
    g, t, e = (a.double().numpy() for a in (generated, train, test))
    d = np.sort(((e[:, None] - t[None]) ** 2).sum(-1).min(1))
    limit = d[: int(round(level * len(e)))].max()
    return float(np.mean([((row - t) ** 2).sum(1).min() <= limit for row in g]))


@right("10.copies", "ranks: how many test images are nearer")
def _(generated, train, test, level):
    mine, theirs = nearest(generated, train), nearest(test, train)
    nearer = (theirs[None] < mine[:, None]).sum(1)
    return float((nearer < level * len(test) - 0.5).double().mean())


@right("10.copies", "cdist without the matrix product, kthvalue")
def _(generated, train, test, level):
    def near(a):
        return torch.cdist(a, train, compute_mode="donot_use_mm_for_euclid_dist").amin(1)

    limit = near(test).kthvalue(round(level * test.shape[0])).values
    return near(generated).le(limit).float().mean().item()


# 10.coverage ------------------------------------------------------------------------------------------------------


@wrong("10.coverage", "the picture itself counts as its nearest")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k - 1]
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "one neighbour too far")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, min(k + 1, len(among) - 1)]
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "the edge is outside")
def _(between, among, k):
    inside = between < among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "precision in place of density")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.any(1).double().mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "precision in place of coverage")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item() / k, inside.any(1).double().mean().item()


@wrong("10.coverage", "density not in units of k")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "the mean of density over the real pictures")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(0).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "density as a share of all balls")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "coverage as the share of real pictures that are the nearest of a drawn one")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item() / k, len(between.argmin(1).unique()) / len(among)


@wrong("10.coverage", "zeros left out of among, copies of real pictures with them")
def _(between, among, k):
    radii = torch.stack([row[row > 0].sort().values[min(k, int((row > 0).sum())) - 1] for row in among])
    inside = between <= radii
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "one radius for all, the mean")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k].mean()
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "one radius for all, the median, so that no ball is huge")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k].median()
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "density cut at 1")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return min(inside.double().sum(1).mean().item() / k, 1.0), inside.any(0).double().mean().item()


@wrong("10.coverage", "balls around the drawn pictures, by real ones")
def _(between, among, k):
    radii = between.sort(1).values[:, k - 1]
    inside = between <= radii[:, None]
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "at least k drawn pictures in the ball")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item() / k, (inside.sum(0) >= k).double().mean().item()


@wrong("10.coverage", "the mean of those in any ball only")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    counts = inside.sum(1)
    counts = counts[counts > 0].double()
    return (counts.mean().item() / k if len(counts) else 0.0), inside.any(0).double().mean().item()


@right("10.coverage", "sorted rows")
def _(between, among, k):
    inside = between <= among.sort(1).values[:, k]
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@right("10.coverage", "kthvalue beside an infinite diagonal")
def _(between, among, k):
    others = among.clone().fill_diagonal_(math.inf)
    radii = others.kthvalue(k, dim=0).values
    return (
        float((between <= radii[None, :]).sum()) / (k * between.shape[0]),
        float((between.amin(0) <= radii).double().mean()),
    )


@right("10.coverage", "numpy loops")
def _(between, among, k):
    b, a = between.numpy(), among.numpy()
    balls, covered = 0, 0
    for j in range(len(a)):
        radius = sorted(np.delete(a[j], j))[k - 1]
        hits = sum(1 for i in range(len(b)) if b[i, j] <= radius)
        balls += hits
        covered += hits > 0
    return balls / len(b) / k, covered / len(a)


@right("10.coverage", "einsum over the indicator, topk")
def _(between, among, k):
    radii = among.topk(k + 1, dim=1, largest=False).values.amax(1)
    inside = (between <= radii).double()
    density = torch.einsum("nm->", inside) / k / len(between)
    return density.item(), inside.sum(0).clamp(max=1).mean().item()


# 10.fool ----------------------------------------------------------------------------------------------------------


def among_themselves(real):
    r = real.double()
    d = torch.stack([(row - r).norm(dim=1) for row in r])
    return d.fill_diagonal_(math.inf)


@wrong("10.fool", "real points themselves")
def _(real, n, generator):
    return real[torch.randperm(len(real), generator=generator)[:n]]


@wrong("10.fool", "one real point n times")
def _(real, n, generator):
    return real[:1].repeat(n, 1)


@wrong("10.fool", "each of n real points, moved a little")
def _(real, n, generator):
    step = among_themselves(real).amin(1).median() * 0.1 / real.shape[1] ** 0.5
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    return (real[:n].double() + step * noise).to(real.dtype)


@wrong("10.fool", "a cluster at the mean of all")
def _(real, n, generator):
    step = among_themselves(real).amin(1).median() * 0.01
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    return (real.double().mean(0) + step * noise).to(real.dtype)


@wrong("10.fool", "a Gaussian with the mean and the spread of the real ones")
def _(real, n, generator):
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    return (real.double().mean(0) + noise * real.double().std(0)).to(real.dtype)


@wrong("10.fool", "a cluster of width 0.01, whatever the unit")
def _(real, n, generator):
    noise = torch.randn(n, real.shape[1], generator=generator).to(real.dtype)
    return real[0] + 0.01 * noise


@wrong("10.fool", "a cluster too tight to tell its points apart")
def _(real, n, generator):
    step = among_themselves(real).amin(1).median() * 1e-10
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    return (real[0].double() + step * noise).to(real.dtype)


@wrong("10.fool", "real points from half of the data, all over it")
def _(real, n, generator):
    half = real[: max(1, len(real) // 2)].double()
    pick = half[torch.randint(len(half), (n,), generator=generator)]
    step = among_themselves(real).amin(1).median() * 0.1 / real.shape[1] ** 0.5
    return (pick + step * torch.randn(pick.shape, generator=generator, dtype=torch.float64)).to(real.dtype)


@wrong("10.fool", "far away from everything")
def _(real, n, generator):
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    return (real.double().mean(0) + 100 * real.double().std() * (1 + noise.abs())).to(real.dtype)


@wrong("10.fool", "the random numbers of everybody")
def _(real, n, generator):
    reach = among_themselves(real).kthvalue(3, dim=1).values
    i = int(reach.argmax())
    noise = torch.randn(n, real.shape[1], dtype=torch.float64)
    noise = noise / noise.norm(dim=1, keepdim=True) * torch.rand(n, 1, dtype=torch.float64)
    return (real[i].double() + 0.1 * reach[i] * noise).to(real.dtype)


@wrong("10.fool", "on the way from a real point to its neighbour, the ends with it")
def _(real, n, generator):
    d = among_themselves(real)
    i = int(d.kthvalue(3, dim=1).values.argmax())
    t = torch.linspace(0, 1, n, dtype=torch.float64)[:, None]
    a, b = real[i].double(), real[int(d[i].argmin())].double()
    return (a + t * (b - a)).to(real.dtype)


@wrong("10.fool", "on the way between the two real points farthest apart")
def _(real, n, generator):
    d = among_themselves(real)
    d.fill_diagonal_(-1.0)
    i, j = divmod(int(d.argmax()), len(real))
    t = torch.linspace(0.001, 0.999, n, dtype=torch.float64)[:, None]
    return ((1 - t) * real[i].double() + t * real[j].double()).to(real.dtype)


@wrong("10.fool", "halfway between neighbours")
def _(real, n, generator):
    d = among_themselves(real)
    pick = torch.randperm(len(real), generator=generator)[:n]
    return ((real[pick].double() + real[d.argmin(1)[pick]].double()) / 2).to(real.dtype)


@wrong("10.fool", "one point less: the cluster without its real centre")
def _(real, n, generator):
    reach = among_themselves(real).kthvalue(3, dim=1).values
    i = int(reach.argmax())
    t = torch.linspace(0, 0.1, n, dtype=torch.float64)[1:, None]
    way = torch.zeros(1, real.shape[1], dtype=torch.float64)
    way[0, 0] = 1
    return (real[i].double() + reach[i] * t * way).to(real.dtype)


@right("10.fool", "in the huge ball of the loneliest point")
def _(real, n, generator):
    reach = among_themselves(real).kthvalue(3, dim=1).values
    i = int(reach.argmax())
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    noise = noise / noise.norm(dim=1, keepdim=True)
    far = 0.05 + 0.05 * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return (real[i].double() + reach[i] * far * noise).to(real.dtype)


@right("10.fool", "evenly on a short way from the point fewest others are near to")
def _(real, n, generator):
    d = among_themselves(real)
    fifth = d.kthvalue(5, dim=1).values
    i = int((d <= fifth[:, None]).sum(0).argmin())
    nearest = d[i].min()
    t = torch.linspace(0.05, 0.25, n, dtype=torch.float64)[:, None]
    way = real[int(d[i].argmin())].double() - real[i].double()
    return (real[i].double() + t * way / way.norm() * nearest).to(real.dtype)


@right("10.fool", "numpy: a few real points, many times, each moved a little")
def _(real, n, generator):
    r = real.double().numpy()
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    chosen = rng.choice(len(r), max(1, n // 12), replace=False)
    out = []
    for k in range(n):
        i = chosen[k % len(chosen)]
        third = np.sort(np.sqrt(((r - r[i]) ** 2).sum(1)))[3]
        step = rng.normal(size=r.shape[1])
        out.append(r[i] + step / np.sqrt((step**2).sum()) * third * rng.uniform(0.02, 0.1))
    return torch.tensor(np.array(out)).to(real.dtype)


@right("10.fool", "a tenth of the region: the real points nearest to one of them, moved a little")
def _(real, n, generator):
    d = among_themselves(real)
    third = d.kthvalue(3, dim=1).values
    i = int(torch.randint(len(real), (1,), generator=generator))
    near = torch.cat([torch.tensor([i]), d[i].argsort()[: max(1, n // 20)]])
    pick = near[torch.arange(n) % len(near)]
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    noise = noise / noise.norm(dim=1, keepdim=True)
    far = 0.02 + 0.08 * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return (real[pick].double() + far * third[pick][:, None] * noise).to(real.dtype)


# 10.equal_cost ----------------------------------------------------------------------------------------------------


def costs(flops, batch, budget, S, guided, vae=None, gan=None, diffusion=None, prices=None, whole=None):
    """The table, with what a learner got otherwise."""
    e, d, g, c, n = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    vae = 3 * (e + d) if vae is None else vae
    gan = 4 * g + 8 * c if gan is None else gan
    diffusion = 3 * n if diffusion is None else diffusion
    price = {"VAE": d, "GAN": g, "diffusion": S * n * (2 if guided else 1)} | (prices or {})
    whole = whole or (lambda cost: int(budget // cost))
    return {
        "VAE": (whole(batch * vae), price["VAE"]),
        "GAN": (whole(batch * gan), price["GAN"]),
        "diffusion": (whole(batch * diffusion), price["diffusion"]),
    }


@wrong("10.equal_cost", "the way forward only")
def _(flops, batch, budget, T, S, guided):
    e, d, g, c, n = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    return costs(flops, batch, budget, S, guided, e + d, 2 * g + 3 * c, n)


@wrong("10.equal_cost", "the way back as much as the way forward everywhere")
def _(flops, batch, budget, T, S, guided):
    e, d, g, c, n = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    return costs(flops, batch, budget, S, guided, 2 * (e + d), 3 * g + 6 * c, 2 * n)


@wrong("10.equal_cost", "the discriminator trained in the generator's step: its way back twice as much")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, gan=4 * flops["generator"] + 9 * flops["discriminator"])


@wrong("10.equal_cost", "no way back through the discriminator in the generator's step, as it stays")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, gan=4 * flops["generator"] + 7 * flops["discriminator"])


@wrong("10.equal_cost", "the discriminator sees one batch, half of it generated")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, gan=4 * flops["generator"] + 5 * flops["discriminator"])


@wrong("10.equal_cost", "the discriminator's generated images used again for the generator")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, gan=3 * flops["generator"] + 8 * flops["discriminator"])


@wrong("10.equal_cost", "a way back through the generator in the discriminator's step")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, gan=6 * flops["generator"] + 8 * flops["discriminator"])


@wrong("10.equal_cost", "the diffusion step at all T noise levels")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, diffusion=3 * T * flops["denoiser"])


@wrong("10.equal_cost", "an image takes T estimates")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, T, guided)


@wrong("10.equal_cost", "guidance costs nothing")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, False)


@wrong("10.equal_cost", "guidance in training as well")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, diffusion=(6 if guided else 3) * flops["denoiser"])


@wrong("10.equal_cost", "an image of the VAE goes through its encoder too")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, prices={"VAE": flops["encoder"] + flops["decoder"]})


@wrong("10.equal_cost", "an image of the GAN is looked at by the discriminator")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, prices={"GAN": flops["generator"] + flops["discriminator"]})


@wrong("10.equal_cost", "rounded to the nearest")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, whole=lambda cost: round(budget / cost))


@wrong("10.equal_cost", "the last step begun counts")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, whole=lambda cost: math.ceil(budget / cost))


@wrong("10.equal_cost", "images, not steps")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, 1, budget, S, guided)


@wrong("10.equal_cost", "the price of a batch")
def _(flops, batch, budget, T, S, guided):
    return {k: (steps, batch * price) for k, (steps, price) in costs(flops, batch, budget, S, guided).items()}


@wrong("10.equal_cost", "an estimate at both ends of the steps")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S + 1, guided)


@wrong("10.equal_cost", "the GAN takes two steps, one of each network")
def _(flops, batch, budget, T, S, guided):
    out = costs(flops, batch, budget, S, guided)
    return out | {"GAN": (2 * out["GAN"][0], out["GAN"][1])}


@wrong("10.equal_cost", "whole steps, but as floats")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided, whole=lambda cost: float(budget // cost))


@right("10.equal_cost", "in formulas")
def _(flops, batch, budget, T, S, guided):
    return costs(flops, batch, budget, S, guided)


@right("10.equal_cost", "counted pass by pass")
def _(flops, batch, budget, T, S, guided):
    passes = {
        "VAE": [(name, way) for name in ("encoder", "decoder") for way in (1, 2)],
        "GAN": [("generator", 1)]
        + [("discriminator", way) for _ in ("real", "fake") for way in (1, 2)]
        + [("generator", 1), ("discriminator", 1), ("discriminator", 1), ("generator", 2)],
        "diffusion": [("denoiser", 1), ("denoiser", 2)],
    }
    draw = {"VAE": ["decoder"], "GAN": ["generator"], "diffusion": ["denoiser"] * (S * (1 + bool(guided)))}
    out = {}
    for family, list_ in passes.items():
        step = 0.0
        for name, way in list_:
            step += batch * way * flops[name]
        out[family] = (math.floor(budget / step), sum(flops[name] for name in draw[family]))
    return out


@right("10.equal_cost", "fractions")
def _(flops, batch, budget, T, S, guided):
    f = {k: Fraction(v) for k, v in flops.items()}
    step = {
        "VAE": 3 * f["encoder"] + 3 * f["decoder"],
        "GAN": 2 * 3 * f["discriminator"] + f["generator"] + 3 * f["generator"] + 2 * f["discriminator"],
        "diffusion": 3 * f["denoiser"],
    }
    price = {"VAE": f["decoder"], "GAN": f["generator"], "diffusion": f["denoiser"] * S * (2 if guided else 1)}
    return {k: (int(Fraction(budget) / batch // step[k]), float(price[k])) for k in step}


# 10.verdict -------------------------------------------------------------------------------------------------------


def welch(first, second, larger, q, ddof=1, nu_of=None, v=None, w=None):
    """The answer, with what a learner got otherwise."""
    a, b = len(first), len(second)
    v = np.var(first, ddof=ddof) / a if v is None else v
    w = np.var(second, ddof=ddof) / b if w is None else w
    nu = nu_of(v, w, a, b) if nu_of else (v + w) ** 2 / (v**2 / (a - 1) + w**2 / (b - 1))
    diff = float(np.mean(first) - np.mean(second))
    half = float(q(nu) * math.sqrt(v + w))
    low, high = diff - half, diff + half
    if low <= 0 <= high:
        return "undecided", low, high
    return ("first" if (low > 0) == larger else "second"), low, high


@wrong("10.verdict", "the variance divided by the number, not by one less")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.975, nu), ddof=0)


@wrong("10.verdict", "all 5 % on either side")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.95, nu))


@wrong("10.verdict", "1.96 in the place of the quantile")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: 1.96)


@wrong("10.verdict", "the difference the other way round")
def _(first, second, larger, quantile):
    word, low, high = welch(first, second, larger, lambda nu: quantile(0.975, nu))
    return word, -high, -low


@wrong("10.verdict", "a larger score is always better")
def _(first, second, larger, quantile):
    return welch(first, second, True, lambda nu: quantile(0.975, nu))


@wrong("10.verdict", "larger read as: the first is claimed to be larger")
def _(first, second, larger, quantile):
    word, low, high = welch(first, second, True, lambda nu: quantile(0.975, nu))
    return (word if (word == "first") == larger else "undecided"), low, high


@wrong("10.verdict", "the spread of single scores, not of the mean")
def _(first, second, larger, quantile):
    v, w = np.var(first, ddof=1), np.var(second, ddof=1)
    return welch(first, second, larger, lambda nu: quantile(0.975, nu), v=v, w=w)


@wrong("10.verdict", "Student's degrees of freedom")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.975, nu), nu_of=lambda v, w, a, b: a + b - 2)


@wrong("10.verdict", "one pooled variance")
def _(first, second, larger, quantile):
    a, b = len(first), len(second)
    pooled = ((a - 1) * np.var(first, ddof=1) + (b - 1) * np.var(second, ddof=1)) / (a + b - 2)
    return welch(first, second, larger, lambda nu: quantile(0.975, nu), v=pooled / a, w=pooled / b)


@wrong("10.verdict", "degrees of freedom rounded down, as in a table")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.975, max(1, math.floor(nu))))


@wrong("10.verdict", "the smaller number less one for the degrees of freedom")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.975, nu), nu_of=lambda v, w, a, b: min(a, b) - 1)


@wrong("10.verdict", "standard errors added up")
def _(first, second, larger, quantile):
    a, b = len(first), len(second)
    v, w = np.var(first, ddof=1) / a, np.var(second, ddof=1) / b
    nu = (v + w) ** 2 / (v**2 / (a - 1) + w**2 / (b - 1))
    diff = float(np.mean(first) - np.mean(second))
    half = float(quantile(0.975, nu) * (v**0.5 + w**0.5))
    if abs(diff) <= half:
        return "undecided", diff - half, diff + half
    return ("first" if (diff > 0) == larger else "second"), diff - half, diff + half


@wrong("10.verdict", "the better mean wins, whatever the interval")
def _(first, second, larger, quantile):
    _, low, high = welch(first, second, larger, lambda nu: quantile(0.975, nu))
    return ("first" if (low + high > 0) == larger else "second"), low, high


@wrong("10.verdict", "undecided as soon as the two intervals overlap")
def _(first, second, larger, quantile):
    def own(scores):
        half = quantile(0.975, len(scores) - 1) * statistics.stdev(scores) / len(scores) ** 0.5
        return statistics.fmean(scores) - half, statistics.fmean(scores) + half

    word, low, high = welch(first, second, larger, lambda nu: quantile(0.975, nu))
    (a, b), (c, d) = own(first), own(second)
    return (word if b < c or d < a else "undecided"), low, high


@wrong("10.verdict", "paired by their place in the list")
def _(first, second, larger, quantile):
    diffs = [a - b for a, b in zip(first, second)]
    half = quantile(0.975, len(diffs) - 1) * statistics.stdev(diffs) / len(diffs) ** 0.5
    low, high = statistics.fmean(diffs) - half, statistics.fmean(diffs) + half
    if low <= 0 <= high:
        return "undecided", low, high
    return ("first" if (low > 0) == larger else "second"), low, high


@wrong("10.verdict", "the quantile of 2.5 %, so that low is above high")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.025, nu))


@wrong("10.verdict", "medians in place of means")
def _(first, second, larger, quantile):
    _, low, high = welch(first, second, larger, lambda nu: quantile(0.975, nu))
    diff = statistics.median(first) - statistics.median(second)
    half = (high - low) / 2
    low, high = diff - half, diff + half
    if low <= 0 <= high:
        return "undecided", low, high
    return ("first" if (low > 0) == larger else "second"), low, high


@wrong("10.verdict", "the squares of squared standard errors: v and w taken for standard errors")
def _(first, second, larger, quantile):
    def nu_of(v, w, a, b):
        return (v**0.5 + w**0.5) ** 2 / (v / (a - 1) + w / (b - 1))

    return welch(first, second, larger, lambda nu: quantile(0.975, nu), nu_of=nu_of)


@right("10.verdict", "numpy variances")
def _(first, second, larger, quantile):
    return welch(first, second, larger, lambda nu: quantile(0.975, nu))


@right("10.verdict", "the statistics module")
def _(first, second, larger, quantile):
    v, w = statistics.variance(first) / len(first), statistics.variance(second) / len(second)
    nu = (v + w) ** 2 / (v * v / (len(first) - 1) + w * w / (len(second) - 1))
    middle = statistics.mean(first) - statistics.mean(second)
    half = quantile(1 - 0.05 / 2, nu) * math.sqrt(v + w)
    if abs(middle) < half:
        word = "undecided"
    elif larger:
        word = "first" if middle > 0 else "second"
    else:
        word = "first" if middle < 0 else "second"
    return word, middle - half, middle + half


@right("10.verdict", "torch in float64, both tails asked for")
def _(first, second, larger, quantile):
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    v, w = a.var().item() / len(a), b.var().item() / len(b)
    nu = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    diff, se = (a.mean() - b.mean()).item(), (v + w) ** 0.5
    low, high = diff + quantile(0.025, nu) * se, diff + quantile(0.975, nu) * se
    better = {(True, True): "first", (True, False): "second", (False, True): "second", (False, False): "first"}
    if low > 0 or high < 0:
        return better[low > 0, larger], low, high
    return "undecided", low, high


@right("10.verdict", "sums in loops, smaller scores turned round")
def _(first, second, larger, quantile):
    def stats(scores):
        mean = 0.0
        for s in scores:
            mean += s / len(scores)
        squares = 0.0
        for s in scores:
            squares += (s - mean) ** 2
        return mean, squares / (len(scores) - 1) / len(scores)

    (m1, v), (m2, w) = stats(first), stats(second)
    nu = 1 / ((v / (v + w)) ** 2 / (len(first) - 1) + (w / (v + w)) ** 2 / (len(second) - 1))
    half = quantile(0.975, nu) * (v + w) ** 0.5
    gain = m1 - m2 if larger else m2 - m1
    word = "first" if gain > half else "second" if -gain > half else "undecided"
    return word, m1 - m2 - half, m1 - m2 + half
