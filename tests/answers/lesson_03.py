"""Answers to the exercises of lesson 03."""

import contextlib
import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


def refuse(dim):
    if dim < 4 or dim % 2:
        raise ValueError("dim must be even and at least 4")


def frequencies(t, dim):
    return 10000 ** (-torch.arange(dim // 2, dtype=t.dtype) / (dim // 2 - 1))


class ResBlock(nn.Module):
    """The stub's, with the two halves of the embedding's layer."""

    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def halves(self, emb):
        return self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, 1)


class Trainer(nn.Module):
    """A right answer in parts, each of which an entry may replace."""

    def __init__(self, network, alpha_bars, lr=1e-3):
        super().__init__()
        self.network, self.alpha_bars = network, alpha_bars
        self.optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def forward(self, batches, generator):
        return [self.train_on(x0, generator) for x0 in batches]

    def train_on(self, x0, generator):
        t, noise = self.draw(x0, generator)
        loss = self.loss(x0, t, noise)
        self.update(loss)
        return loss.item()

    def draw(self, x0, generator):
        t = torch.randint(0, len(self.alpha_bars), (len(x0),), generator=generator)
        return t, torch.randn(x0.shape, generator=generator)

    def noised(self, x0, t, noise):
        bars = self.alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
        return bars.sqrt() * x0 + (1 - bars).sqrt() * noise

    def loss(self, x0, t, noise):
        return F.mse_loss(self.network(self.noised(x0, t, noise), t), noise)

    def update(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def mean_and_variance(x_t, eps_pred, t, betas):
    """Of the step back, with the posterior's variance, 0 at t = 0."""
    bars = torch.cumprod(1 - betas, 0)
    previous = bars[t - 1] if t > 0 else torch.ones_like(bars[0])
    mean = (x_t - betas[t] / (1 - bars[t]).sqrt() * eps_pred) / (1 - betas[t]).sqrt()
    return mean, betas[t] * (1 - previous) / (1 - bars[t])


def modes(network):
    return [part.training for part in network.modules()]


def give_back(network, before):
    for part, mode in zip(network.modules(), before):
        part.training = mode


# -- 03.time_embedding -----------------------------------------------------------------------------------------------


@wrong("03.time_embedding", "sines and cosines in turn")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * frequencies(t, dim)
    return torch.stack([a.sin(), a.cos()], -1).flatten(1)


@wrong("03.time_embedding", "cosines first")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * frequencies(t, dim)
    return torch.cat([a.cos(), a.sin()], 1)


@wrong("03.time_embedding", "divided by dim/2")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * 10000 ** (-torch.arange(dim // 2, dtype=t.dtype) / (dim // 2))
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "as in the transformer: divided by dim/2, sines and cosines in turn")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * 10000 ** (-torch.arange(dim // 2, dtype=t.dtype) / (dim / 2))
    return torch.stack([a.sin(), a.cos()], -1).flatten(1)


@wrong("03.time_embedding", "refuses nothing")
def _(t, dim):
    a = t[:, None] * frequencies(t, dim)
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "assert, which raises another error")
def _(t, dim):
    assert dim % 2 == 0 and dim >= 4
    a = t[:, None] * frequencies(t, dim)
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "the sign of the exponent")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * 10000 ** (torch.arange(dim // 2, dtype=t.dtype) / (dim // 2 - 1))
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "divided by dim - 1")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * 10000 ** (-torch.arange(dim // 2, dtype=t.dtype) / (dim - 1))
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "e instead of 10000")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * math.e ** (-torch.arange(dim // 2, dtype=t.dtype) / (dim // 2 - 1))
    return torch.cat([a.sin(), a.cos()], 1)


@wrong("03.time_embedding", "2π in the angle")
def _(t, dim):
    refuse(dim)
    a = 2 * math.pi * t[:, None] * frequencies(t, dim)
    return torch.cat([a.sin(), a.cos()], 1)


@right("03.time_embedding", "by exp and log")
def _(t, dim):
    if dim % 2 or dim < 4:
        raise ValueError("dim")
    h = dim // 2
    w = torch.exp(-math.log(10000) * torch.arange(h) / (h - 1))
    a = torch.einsum("b,k->bk", t, w.to(t.dtype))
    return torch.hstack((torch.sin(a), torch.cos(a)))


@right("03.time_embedding", "powers of 10000")
def _(t, dim):
    refuse(dim)
    a = t[:, None] * frequencies(t, dim)
    return torch.cat([a.sin(), a.cos()], 1)


# -- 03.ResBlock -----------------------------------------------------------------------------------------------------


@wrong("03.ResBlock", "shift and scale interchanged")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        shift, scale = self.halves(emb)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


@wrong("03.ResBlock", "scale without the 1")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * scale + shift))


@wrong("03.ResBlock", "no silu before the embedding's layer")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(emb)[:, :, None, None].chunk(2, 1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


@wrong("03.ResBlock", "the second norm after scale and shift")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h * (1 + scale) + shift)))


@wrong("03.ResBlock", "no skip")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


@wrong("03.ResBlock", "no silu before the second convolution")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return self.skip(x) + self.conv2(self.norm2(h) * (1 + scale) + shift)


@wrong("03.ResBlock", "ReLU")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.relu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return self.skip(x) + self.conv2(F.relu(self.norm2(h) * (1 + scale) + shift))


@wrong("03.ResBlock", "every other channel for scale and shift")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        e = self.emb_layer(F.silu(emb))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + e[:, 0::2]) + e[:, 1::2]))


@wrong("03.ResBlock", "the skip starts after the first convolution")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        return h + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


@wrong("03.ResBlock", "the batch halved instead of the channels")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb)).chunk(2)
        h = self.norm2(h) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(h))


@right("03.ResBlock", "straight from the docstring")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.halves(emb)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@right("03.ResBlock", "halves by index")
class _(ResBlock):
    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        e = self.emb_layer(F.silu(emb))
        channels = h.shape[1]
        scale = e[:, :channels].reshape(len(x), channels, 1, 1)
        shift = e[:, channels:].reshape(len(x), channels, 1, 1)
        return self.skip(x) + self.conv2(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale)))


# -- 03.sizes --------------------------------------------------------------------------------------------------------


wrong("03.sizes", "7 halved to 4")((28, 14, 7, 4, 8, 16, 32))
wrong("03.sizes", "without the start")((14, 7, 3, 6, 12, 24))
wrong("03.sizes", "a half")((28, 14, 7, 3.5, 7, 14, 28))
wrong("03.sizes", "one step more")((28, 14, 7, 3, 6, 12, 24, 48))
wrong("03.sizes", "the 1 of the formula is forgotten")((28, 13, 6, 2, 4, 8, 16))
wrong("03.sizes", "one step less")([28, 14, 7, 3, 6, 12])
right("03.sizes", "a list")([28, 14, 7, 3, 6, 12, 24])
# Right: a tensor is taken for a tuple of numbers.
right("03.sizes", "a tensor that holds all seven")(torch.tensor([28, 14, 7, 3, 6, 12, 24]))


# -- 03.skip_channels ------------------------------------------------------------------------------------------------


wrong("03.skip_channels", "from below alone")((256, 256, 128))
wrong("03.skip_channels", "shallowest first")((192, 384, 512))
wrong("03.skip_channels", "the last skip of the level below")((512, 384, 256))
wrong("03.skip_channels", "the skips alone")((256, 128, 64))
wrong("03.skip_channels", "twice what comes from below")((512, 512, 256))
right("03.skip_channels", "worked out")((256 + 256, 256 + 128, 128 + 64))
# Right: a tensor is taken for a tuple of numbers.
right("03.skip_channels", "a tensor that holds all three")(torch.tensor([512, 384, 192]))


# -- 03.Trainer ------------------------------------------------------------------------------------------------------


@wrong("03.Trainer", "gradients are never cleared")
class _(Trainer):
    def update(self, loss):
        loss.backward()
        self.optimizer.step()


@wrong("03.Trainer", "index 0 is never drawn")
class _(Trainer):
    def draw(self, x0, generator):
        t = torch.randint(1, len(self.alpha_bars), (len(x0),), generator=generator)
        return t, torch.randn(x0.shape, generator=generator)


@wrong("03.Trainer", "index T - 1 is never drawn")
class _(Trainer):
    def draw(self, x0, generator):
        t = torch.randint(0, len(self.alpha_bars) - 1, (len(x0),), generator=generator)
        return t, torch.randn(x0.shape, generator=generator)


@wrong("03.Trainer", "the noise is drawn first")
class _(Trainer):
    def draw(self, x0, generator):
        noise = torch.randn(x0.shape, generator=generator)
        return torch.randint(0, len(self.alpha_bars), (len(x0),), generator=generator), noise


@wrong("03.Trainer", "the generator is ignored")
class _(Trainer):
    def draw(self, x0, generator):
        return torch.randint(0, len(self.alpha_bars), (len(x0),)), torch.randn(x0.shape)


@wrong("03.Trainer", "randn_like, which ignores the generator")
class _(Trainer):
    def draw(self, x0, generator):
        t = torch.randint(0, len(self.alpha_bars), (len(x0),), generator=generator)
        return t, torch.randn_like(x0)


@wrong("03.Trainer", "the noise of the first image for all")
class _(Trainer):
    def draw(self, x0, generator):
        t, noise = super().draw(x0, generator)
        return t, noise[:1].expand_as(x0)


@wrong("03.Trainer", "no roots")
class _(Trainer):
    def noised(self, x0, t, noise):
        bars = self.alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
        return bars * x0 + (1 - bars) * noise


@wrong("03.Trainer", "the clean image goes in")
class _(Trainer):
    def noised(self, x0, t, noise):
        return x0


@wrong("03.Trainer", "the sum of the squares")
class _(Trainer):
    def loss(self, x0, t, noise):
        return F.mse_loss(self.network(self.noised(x0, t, noise), t), noise, reduction="sum")


@wrong("03.Trainer", "no step")
class _(Trainer):
    def update(self, loss):
        self.optimizer.zero_grad()
        loss.backward()


@wrong("03.Trainer", "the guess is detached")
class _(Trainer):
    def loss(self, x0, t, noise):
        return F.mse_loss(self.network(self.noised(x0, t, noise), t).detach().requires_grad_(), noise)


@wrong("03.Trainer", "the first batch alone")
class _(Trainer):
    def forward(self, batches, generator):
        for x0 in batches:
            return [self.train_on(x0, generator)]


@wrong("03.Trainer", "t as a share of the chain for the network")
class _(Trainer):
    def loss(self, x0, t, noise):
        return F.mse_loss(self.network(self.noised(x0, t, noise), t / len(self.alpha_bars)), noise)


@wrong("03.Trainer", "gradients are clipped")
class _(Trainer):
    def update(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()


# Wrong: the stub asks for a list.
@wrong("03.Trainer", "the losses as a tensor")
class _(Trainer):
    def forward(self, batches, generator):
        return torch.tensor(super().forward(batches, generator))


# Wrong: the network trains in train mode.
@wrong("03.Trainer", "trains in eval mode")
class _(Trainer):
    def loss(self, x0, t, noise):
        self.network.eval()
        return super().loss(x0, t, noise)


# Wrong: the network gets t as it is, in whole numbers.
@wrong("03.Trainer", "t as a float for the network")
class _(Trainer):
    def loss(self, x0, t, noise):
        return F.mse_loss(self.network(self.noised(x0, t, noise), t.float()), noise)


# Wrong: plain numbers are asked for.
@wrong("03.Trainer", "detached losses, still tensors")
class _(Trainer):
    def train_on(self, x0, generator):
        loss = self.loss(x0, *self.draw(x0, generator))
        self.update(loss)
        return loss.detach()


# Wrong: x_t must have x0's dtype, and the table is float64.
@wrong("03.Trainer", "the table as it comes")
class _(Trainer):
    def noised(self, x0, t, noise):
        bars = self.alpha_bars[t].view(-1, 1, 1, 1)
        return bars.sqrt() * x0 + (1 - bars).sqrt() * noise


@right("03.Trainer", "gradients set to None by hand")
class _(Trainer):
    def update(self, loss):
        loss.backward()
        self.optimizer.step()
        for parameter in self.network.parameters():
            parameter.grad = None


@right("03.Trainer", "einsum, with a keyword argument")
class _(Trainer):
    def train_on(self, x0, generator):
        t = torch.randint(len(self.alpha_bars), x0.shape[:1], generator=generator)
        noise = torch.empty(x0.shape).normal_(generator=generator)
        bars = self.alpha_bars.float()[t]
        x = torch.einsum("b,bchw->bchw", bars.sqrt(), x0) + torch.einsum("b,bchw->bchw", (1 - bars).sqrt(), noise)
        loss = (self.network(x, t) - noise).pow(2).mean()
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        self.optimizer.step()
        return float(loss)

    def forward(self, batches, generator, verbose=False):
        return [self.train_on(x0, generator) for x0 in batches]


@right("03.Trainer", "straight from the docstring")
class _(Trainer):
    def forward(self, batches, generator):
        losses = []
        for x0 in batches:
            t = torch.randint(0, len(self.alpha_bars), (len(x0),), generator=generator)
            noise = torch.randn(x0.shape, generator=generator)
            bars = self.alpha_bars[t].view(-1, 1, 1, 1).to(x0)
            guess = self.network(bars.sqrt() * x0 + (1 - bars).sqrt() * noise, t)
            loss = F.mse_loss(guess, noise)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses


# -- 03.stratified_times ---------------------------------------------------------------------------------------------


@wrong("03.stratified_times", "frac is forgotten")
def _(u, B, T):
    return (T * (u + torch.arange(B, dtype=torch.float64) / B)).long()


@wrong("03.stratified_times", "held at T - 1 instead of frac")
def _(u, B, T):
    return (T * (u + torch.arange(B, dtype=torch.float64) / B)).long().clamp(max=T - 1)


@wrong("03.stratified_times", "a stratum for each, with frac nowhere")
def _(u, B, T):
    return (T * (torch.arange(B, dtype=torch.float64) + u) / B).long()


@wrong("03.stratified_times", "rounded instead of floor")
def _(u, B, T):
    return (T * ((u + torch.arange(B, dtype=torch.float64) / B) % 1)).round().long()


@wrong("03.stratified_times", "floats")
def _(u, B, T):
    return (T * ((u + torch.arange(B, dtype=torch.float64) / B) % 1)).floor()


@wrong("03.stratified_times", "sorted")
def _(u, B, T):
    return (T * ((u + torch.arange(B, dtype=torch.float64) / B) % 1)).long().sort().values


@wrong("03.stratified_times", "linspace with both ends")
def _(u, B, T):
    return (T * ((u + torch.linspace(0, 1, B, dtype=torch.float64)) % 1)).long()


@wrong("03.stratified_times", "i from 1")
def _(u, B, T):
    return (T * ((u + torch.arange(1, B + 1, dtype=torch.float64) / B) % 1)).long()


@wrong("03.stratified_times", "one time for all")
def _(u, B, T):
    return torch.full((B,), int(T * u))


@wrong("03.stratified_times", "random times")
def _(u, B, T):
    return torch.randint(T, (B,))


@right("03.stratified_times", "float32")
def _(u, B, T):
    return (T * ((u + torch.arange(B) / B) % 1)).long()


@right("03.stratified_times", "torch.frac")
def _(u, B, T):
    return torch.floor(T * torch.frac(u + torch.arange(B) / B)).to(torch.int64)


@right("03.stratified_times", "NumPy")
def _(u, B, T):
    return torch.from_numpy(np.floor(T * np.modf(u + np.arange(B) / B)[0]).astype(np.int64))


@right("03.stratified_times", "the remainder of T")
def _(u, B, T):
    return torch.remainder(T * u + T * torch.arange(B, dtype=torch.float64) / B, T).long()


# Right: any integer type will do.
@right("03.stratified_times", "int32")
def _(u, B, T):
    return (T * ((u + torch.arange(B) / B) % 1)).int()


# -- 03.denoise ------------------------------------------------------------------------------------------------------


@wrong("03.denoise", "noise of variance beta at t = 0")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t, eps_pred, t, betas)
    return mean + (var if t > 0 else betas[0]).sqrt() * noise


@wrong("03.denoise", "beta for the variance")
def _(x_t, eps_pred, t, betas, noise):
    mean, _ = mean_and_variance(x_t, eps_pred, t, betas)
    return mean + betas[t].sqrt() * noise if t > 0 else mean


@wrong("03.denoise", "beta for the variance, at t = 0 as well")
def _(x_t, eps_pred, t, betas, noise):
    mean, _ = mean_and_variance(x_t, eps_pred, t, betas)
    return mean + betas[t].sqrt() * noise


@wrong("03.denoise", "the variance times the noise")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t, eps_pred, t, betas)
    return mean + var * noise


@wrong("03.denoise", "the sign of the prediction")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t, -eps_pred, t, betas)
    return mean + var.sqrt() * noise


@wrong("03.denoise", "noise of its own")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t, eps_pred, t, betas)
    return mean + var.sqrt() * torch.randn_like(x_t)


@wrong("03.denoise", "alpha_bar in the place of alpha")
def _(x_t, eps_pred, t, betas, noise):
    bars = torch.cumprod(1 - betas, 0)
    mean = (x_t - betas[t] / (1 - bars[t]).sqrt() * eps_pred) / bars[t].sqrt()
    if t == 0:
        return mean
    return mean + (betas[t] * (1 - bars[t - 1]) / (1 - bars[t])).sqrt() * noise


@wrong("03.denoise", "alpha_bars[-1] at t = 0")
def _(x_t, eps_pred, t, betas, noise):
    bars = torch.cumprod(1 - betas, 0)
    mean = (x_t - betas[t] / (1 - bars[t]).sqrt() * eps_pred) / (1 - betas[t]).sqrt()
    return mean + (betas[t] * (1 - bars[t - 1]) / (1 - bars[t])).sqrt() * noise


@wrong("03.denoise", "no noise at t = 1")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t, eps_pred, t, betas)
    return mean if t <= 1 else mean + var.sqrt() * noise


@right("03.denoise", "float64")
def _(x_t, eps_pred, t, betas, noise):
    mean, var = mean_and_variance(x_t.double(), eps_pred.double(), t, betas.double())
    return mean + var.sqrt() * noise.double()


@right("03.denoise", "a loop")
def _(x_t, eps_pred, t, betas, noise):
    rows = []
    for x, eps, z in zip(x_t, eps_pred, noise):
        mean, var = mean_and_variance(x, eps, t, betas)
        rows.append(mean + var.sqrt() * z)
    return torch.stack(rows)


# -- 03.ema_update ---------------------------------------------------------------------------------------------------


@wrong("03.ema_update", "decay from the start")
def _(averages, values, decay, n):
    return [decay * a + (1 - decay) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "the shares interchanged")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return [(1 - d) * a + d * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "decay is ignored")
def _(averages, values, decay, n):
    d = (1 + n) / (10 + n)
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "the first tensor alone")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return [d * averages[0] + (1 - d) * values[0]]


@wrong("03.ema_update", "the plain running mean")
def _(averages, values, decay, n):
    return [(n * a + v) / (n + 1) for a, v in zip(averages, values)]


@wrong("03.ema_update", "one number a tensor")
def _(averages, values, decay, n):
    return torch.stack([a.mean() for a in averages])


@wrong("03.ema_update", "the value is not weighted")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return [d * a + v for a, v in zip(averages, values)]


@wrong("03.ema_update", "the brackets of the ratio are missing")
def _(averages, values, decay, n):
    d = min(decay, 1 + n / 10 + n)
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@right("03.ema_update", "towards the value")
def _(averages, values, decay, n):
    return [a + (1 - min(decay, (1 + n) / (10 + n))) * (v - a) for a, v in zip(averages, values)]


@right("03.ema_update", "all tensors at once")
def _(averages, values, decay, n):
    return list(
        torch._foreach_add(
            torch._foreach_mul(averages, min(decay, (1 + n) / (10 + n))),
            torch._foreach_mul(values, 1 - min(decay, (1 + n) / (10 + n))),
        )
    )


# Right: a tuple is taken for a new list.
@right("03.ema_update", "a tuple")
def _(averages, values, decay, n):
    return tuple(torch.lerp(v, a, min(decay, (1 + n) / (10 + n))) for a, v in zip(averages, values))


# -- 03.drop_labels --------------------------------------------------------------------------------------------------


@wrong("03.drop_labels", "drops above")
def _(labels, u, drop_prob, null):
    return torch.where(u > drop_prob, null, labels)


@wrong("03.drop_labels", "in place")
def _(labels, u, drop_prob, null):
    return labels.masked_fill_(u < drop_prob, null)


@wrong("03.drop_labels", "10 instead of null")
def _(labels, u, drop_prob, null):
    return torch.where(u < drop_prob, 10, labels)


@wrong("03.drop_labels", "draws of its own")
def _(labels, u, drop_prob, null):
    return torch.where(torch.rand(len(labels)) < drop_prob, null, labels)


@wrong("03.drop_labels", "dropped labels leave the batch")
def _(labels, u, drop_prob, null):
    return labels[u >= drop_prob]


@wrong("03.drop_labels", "floats")
def _(labels, u, drop_prob, null):
    return torch.where(u < drop_prob, float(null), labels.float())


@wrong("03.drop_labels", "all or none")
def _(labels, u, drop_prob, null):
    return torch.full_like(labels, null) if u[0] < drop_prob else labels.clone()


@wrong("03.drop_labels", "the first ones, as many as should")
def _(labels, u, drop_prob, null):
    return torch.cat([torch.full((int((u < drop_prob).sum()),), null), labels[int((u < drop_prob).sum()) :]])


@wrong("03.drop_labels", "0 instead of null")
def _(labels, u, drop_prob, null):
    return labels * (u >= drop_prob)


@right("03.drop_labels", "a loop")
def _(labels, u, drop_prob, null):
    return torch.tensor([null if b < drop_prob else a for a, b in zip(labels.tolist(), u.tolist())])


@right("03.drop_labels", "masked_fill")
def _(labels, u, drop_prob, null):
    return labels.masked_fill(u < drop_prob, null)


@right("03.drop_labels", "arithmetic")
def _(labels, u, drop_prob, null):
    return labels * (u >= drop_prob) + null * (u < drop_prob)


# -- 03.to_pixels ----------------------------------------------------------------------------------------------------


@wrong("03.to_pixels", "nothing is cut off")
def _(images):
    return (images + 1) / 2


@wrong("03.to_pixels", "stretched from the smallest to the largest")
def _(images):
    return (images - images.min()) / (images.max() - images.min())


@wrong("03.to_pixels", "up to 255")
def _(images):
    return ((images + 1) * 127.5).clamp(0, 255)


@wrong("03.to_pixels", "absolute values")
def _(images):
    return images.abs().clamp(0, 1)


@wrong("03.to_pixels", "in place")
def _(images):
    return images.add_(1).div_(2).clamp_(0, 1)


@wrong("03.to_pixels", "a sigmoid")
def _(images):
    return torch.sigmoid(images)


@wrong("03.to_pixels", "the brackets are missing")
def _(images):
    return (images + 1 / 2).clamp(0, 1)


@wrong("03.to_pixels", "channels last")
def _(images):
    return ((images + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)


@wrong("03.to_pixels", "the other way")
def _(images):
    return (2 * images - 1).clamp(0, 1)


@wrong("03.to_pixels", "the negative")
def _(images):
    return ((1 - images) / 2).clamp(0, 1)


@wrong("03.to_pixels", "cut off below only")
def _(images):
    return ((images + 1) / 2).clamp(min=0)


@wrong("03.to_pixels", "by mean and spread")
def _(images):
    return ((images - images.mean()) / images.std() * 0.5 + 0.5).clamp(0, 1)


@right("03.to_pixels", "minimum and maximum")
def _(images):
    return torch.minimum(torch.maximum(images * 0.5 + 0.5, torch.tensor(0.0)), torch.tensor(1.0))


@right("03.to_pixels", "F.hardtanh, with keyword arguments")
def _(images, lo=-1, hi=1):
    return F.hardtanh(images).add(1).mul(0.5)


@right("03.to_pixels", "float64")
def _(images):
    return ((images.double() + 1) / 2).clip(0, 1)


# -- 03.epoch_loss ---------------------------------------------------------------------------------------------------


@wrong("03.epoch_loss", "the sum")
def _(losses, counts):
    return sum(loss * count for loss, count in zip(losses, counts))


@wrong("03.epoch_loss", "divided by each count")
def _(losses, counts):
    return sum(loss / count for loss, count in zip(losses, counts))


@wrong("03.epoch_loss", "as if all batches were full")
def _(losses, counts):
    return sum(loss * count for loss, count in zip(losses, counts)) / (len(counts) * counts[0])


@wrong("03.epoch_loss", "without the last batch")
def _(losses, counts):
    return sum(loss * count for loss, count in zip(losses[:-1], counts[:-1])) / sum(counts[:-1])


@wrong("03.epoch_loss", "the counts below only")
def _(losses, counts):
    return sum(losses) / sum(counts)


@wrong("03.epoch_loss", "divided by the number of batches")
def _(losses, counts):
    return sum(loss * count for loss, count in zip(losses, counts)) / len(losses)


@right("03.epoch_loss", "tensors")
def _(losses, counts):
    return (torch.tensor(losses) * torch.tensor(counts)).sum() / sum(counts)


@right("03.epoch_loss", "every image written out")
def _(losses, counts):
    return sum([loss for loss, count in zip(losses, counts) for _ in range(count)]) / sum(counts)


# -- 03.modes_after --------------------------------------------------------------------------------------------------


@wrong("03.modes_after", "the network's mode for all parts")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        network.train(before[0])
    return torch.tensor(modes(network))


@wrong("03.modes_after", "the modes stay where draw raises")
def _(network, draw):
    before = modes(network)
    network.eval()
    draw(network)
    give_back(network, before)
    return torch.tensor(modes(network))


@wrong("03.modes_after", "eval for the network without its parts")
def _(network, draw):
    before = modes(network)
    network.training = False
    try:
        draw(network)
    finally:
        give_back(network, before)
    return torch.tensor(modes(network))


@wrong("03.modes_after", "no eval")
def _(network, draw):
    before = modes(network)
    try:
        draw(network)
    finally:
        give_back(network, before)
    return torch.tensor(modes(network))


@wrong("03.modes_after", "a list")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        give_back(network, before)
    return modes(network)


@wrong("03.modes_after", "numbers")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        give_back(network, before)
    return torch.tensor([float(mode) for mode in modes(network)])


@wrong("03.modes_after", "draw is not called")
def _(network, draw):
    return torch.tensor(modes(network))


@wrong("03.modes_after", "train(mode) from the last part to the first, so that each overrules its parts")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        for part, mode in reversed(list(zip(network.modules(), before))):
            part.train(mode)
    return torch.tensor(modes(network))


# Wrong: draw gets the network itself.
@wrong("03.modes_after", "draws with a copy")
def _(network, draw):
    draw(copy.deepcopy(network).eval())
    return torch.tensor(modes(network))


@wrong("03.modes_after", "the flags of before, which nobody gives back")
def _(network, draw):
    before = modes(network)
    network.eval()
    draw(network)
    return torch.tensor(before)


@wrong("03.modes_after", "swallows the error")
def _(network, draw):
    before = modes(network)
    network.eval()
    with contextlib.suppress(Exception):
        draw(network)
    give_back(network, before)
    return torch.tensor(modes(network))


@right("03.modes_after", "train(mode) from the first part to the last")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        for part, mode in zip(network.modules(), before):
            part.train(mode)
    return torch.tensor(modes(network))


@right("03.modes_after", "the flags as noted before")
def _(network, draw):
    before = modes(network)
    network.eval()
    try:
        draw(network)
    finally:
        give_back(network, before)
    return torch.tensor(before)


# -- 03.short_betas --------------------------------------------------------------------------------------------------


@wrong("03.short_betas", "the betas of 1000 steps")
def _(T):
    return torch.linspace(0.0001, 0.02, T)


@wrong("03.short_betas", "the upper end alone is multiplied")
def _(T):
    return torch.linspace(0.0001, 0.02 * 1000 / T, T).clamp(max=0.999)


@wrong("03.short_betas", "multiplied by T/1000")
def _(T):
    return torch.linspace(0.0001 * T / 1000, 0.02 * T / 1000, T)


@wrong("03.short_betas", "cut off at 0.9999")
def _(T):
    return torch.linspace(0.1 / T, 20 / T, T).clamp(max=0.9999)


@wrong("03.short_betas", "the long chain, seen every so many steps")
def _(T):
    bars = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64), 0)
    seen = bars[1000 // T - 1 :: 1000 // T][:T]
    return 1 - seen / torch.cat([torch.ones(1, dtype=torch.float64), seen[:-1]])


@wrong("03.short_betas", "steps of 1/T")
def _(T):
    return torch.arange(T) * (20 / T - 0.1 / T) / T + 0.1 / T


@wrong("03.short_betas", "five times the betas")
def _(T):
    return 5 * torch.linspace(0.0001, 0.02, T)


@wrong("03.short_betas", "equal steps of the root")
def _(T):
    return torch.linspace((0.1 / T) ** 0.5, (20 / T) ** 0.5, T) ** 2


@right("03.short_betas", "a loop")
def _(T):
    return torch.tensor([min(0.999, (0.0001 + (0.02 - 0.0001) * i / max(T - 1, 1)) * 1000 / T) for i in range(T)])


@right("03.short_betas", "NumPy")
def _(T):
    return torch.from_numpy(np.minimum(np.linspace(0.1 / T, 20 / T, T), 0.999))


# -- 03.start_brightness ---------------------------------------------------------------------------------------------


@wrong("03.start_brightness", "true minus noise")
def _(alpha_bar, mean, pixels):
    return math.sqrt(alpha_bar) * mean * math.sqrt(pixels) / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "a size, without its sign")
def _(alpha_bar, mean, pixels):
    return abs(math.sqrt(alpha_bar) * mean) * math.sqrt(pixels) / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "the spread of one pixel")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "the sum of the pixels against the spread of one")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean * pixels / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "a spread that grows with the pixels")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean / (math.sqrt(1 - alpha_bar) * math.sqrt(pixels))


@wrong("03.start_brightness", "alpha_bar for its root")
def _(alpha_bar, mean, pixels):
    return -alpha_bar * mean * math.sqrt(pixels) / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "noise of size 1")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean * math.sqrt(pixels)


@wrong("03.start_brightness", "both without their roots")
def _(alpha_bar, mean, pixels):
    return -alpha_bar * mean * math.sqrt(pixels) / (1 - alpha_bar)


@wrong("03.start_brightness", "the difference alone")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean


@wrong("03.start_brightness", "the clean image's mean")
def _(alpha_bar, mean, pixels):
    return -mean * math.sqrt(pixels) / math.sqrt(1 - alpha_bar)


@wrong("03.start_brightness", "the spread of a difference of two draws")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean / math.sqrt((1 - alpha_bar) / pixels + 1 / pixels)


@wrong("03.start_brightness", "28 for the root of 784")
def _(alpha_bar, mean, pixels):
    return -math.sqrt(alpha_bar) * mean * 28 / math.sqrt(1 - alpha_bar)


@right("03.start_brightness", "step by step")
def _(alpha_bar, mean, pixels):
    mean_x_T = alpha_bar**0.5 * mean
    spread = (1 - alpha_bar) ** 0.5 / pixels**0.5
    return (0.0 - mean_x_T) / spread


@right("03.start_brightness", "a NumPy number")
def _(alpha_bar, mean, pixels):
    return np.float64(0 - np.sqrt(alpha_bar) * mean) / np.sqrt((1 - alpha_bar) / pixels)


@right("03.start_brightness", "a picture of one grey")
def _(alpha_bar, mean, pixels):
    picture = alpha_bar**0.5 * torch.full((pixels,), mean, dtype=torch.float64)
    return -picture.mean() / math.sqrt((1 - alpha_bar) / pixels)


@right("03.start_brightness", "by the signal-to-noise ratio")
def _(alpha_bar, mean, pixels):
    return -mean * (pixels * alpha_bar / (1 - alpha_bar)) ** 0.5


class UNet(nn.Module):
    """The stub's, with the package's embedding and the ResBlock above in the place of the reader's own."""

    def __init__(self, channels=32, emb_dim=64):
        super().__init__()
        C, D, self.channels = channels, emb_dim, channels
        self.time = nn.Sequential(nn.Linear(C, D), nn.SiLU(), nn.Linear(D, D))
        self.first = nn.Conv2d(4, C, 3, padding=1)
        self.down = Block(C, C, D)
        self.shrink = nn.Conv2d(C, 2 * C, 3, stride=2, padding=1)
        self.middle1, self.middle2 = Block(2 * C, 2 * C, D), Block(2 * C, 2 * C, D)
        self.grow = nn.ConvTranspose2d(2 * C, C, 2, stride=2)
        self.up = Block(2 * C, C, D)
        self.last = nn.Conv2d(C, 64, 3, padding=1)
        self.out = nn.Conv2d(16 + 1, 1, 3, padding=1)

    def embed(self, t, x):
        angles = t[:, None] * frequencies(t.float(), self.channels)
        return self.time(torch.cat([angles.sin(), angles.cos()], 1).to(x.dtype))


class Block(ResBlock):
    def forward(self, x, emb):
        scale, shift = self.halves(emb)
        h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@right("03.UNet", "a name for each size")
class _(UNet):
    def forward(self, x, t):
        e = self.embed(t, x)
        x14 = self.down(self.first(F.pixel_unshuffle(x, 2)), e)
        x7 = self.shrink(x14)
        x7 = self.middle1(x7, e)
        x7 = self.middle2(x7, e)
        y14 = torch.cat((self.grow(x7), x14), 1)
        y14 = self.up(y14, e)
        y28 = F.pixel_shuffle(self.last(y14), 2)
        return self.out(torch.cat((F.silu(y28), x), 1))


@right("03.UNet", "one name for all, and a list")
class _(UNet):
    def forward(self, x, t):
        skips, emb = [x], self.embed(t, x)
        x = F.pixel_unshuffle(x, 2)
        x = self.first(x)
        x = self.down(x, emb)
        skips += [x]
        for layer in (self.shrink, self.middle1, self.middle2, self.grow):
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
        x = self.up(torch.cat([x, skips[1]], dim=1), emb)
        x = F.silu(F.pixel_shuffle(self.last(x), upscale_factor=2))
        return self.out(torch.cat([x, skips[0]], dim=1))


@wrong("03.UNet", "the skip is overwritten on its way")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        h = self.first(F.pixel_unshuffle(x, 2))
        skip = h
        h = self.down(h, emb)
        h = self.middle2(self.middle1(self.shrink(h), emb), emb)
        h = self.up(torch.cat([self.grow(h), skip], 1), emb)
        return self.out(torch.cat([F.silu(F.pixel_shuffle(self.last(h), 2)), x], 1))


@wrong("03.UNet", "kept after shrink")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        h = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = skip = self.shrink(h)
        h = self.middle2(self.middle1(h, emb), emb)
        h = self.up(torch.cat([self.grow(h), skip], 1), emb)
        return self.out(torch.cat([F.silu(F.pixel_shuffle(self.last(h), 2)), x], 1))


@wrong("03.UNet", "the skip added")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        skip = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = self.middle2(self.middle1(self.shrink(skip), emb), emb)
        h = self.up(self.grow(h) + skip, emb)
        return self.out(torch.cat([F.silu(F.pixel_shuffle(self.last(h), 2)), x], 1))


@wrong("03.UNet", "the skip in front")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        skip = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = self.middle2(self.middle1(self.shrink(skip), emb), emb)
        h = self.up(torch.cat([skip, self.grow(h)], 1), emb)
        return self.out(torch.cat([F.silu(F.pixel_shuffle(self.last(h), 2)), x], 1))


@wrong("03.UNet", "silu forgotten")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        skip = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = self.middle2(self.middle1(self.shrink(skip), emb), emb)
        h = self.up(torch.cat([self.grow(h), skip], 1), emb)
        return self.out(torch.cat([F.pixel_shuffle(self.last(h), 2), x], 1))


@wrong("03.UNet", "x left out at the end")
class _(UNet):
    def forward(self, x, t):
        emb = self.embed(t, x)
        skip = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = self.middle2(self.middle1(self.shrink(skip), emb), emb)
        h = self.up(torch.cat([self.grow(h), skip], 1), emb)
        return self.out(F.silu(F.pixel_shuffle(self.last(h), 2)))
