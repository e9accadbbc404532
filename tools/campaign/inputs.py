"""Arguments that are wrong, in Python: each is refused in a sentence that names it; and odd ones that are right, with what must come.

Most cases are lines of Python, evaluated with the names below; behind the arrow, what the sentence must hold.
"""

import copy
import math
import pickle
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from campaign import case, holds, refused
from diffcourse import data, denoiser, editing, elbo, gaussian, guidance, models, rng, samplers, schedule
from diffcourse import mixture as mixtures
from diffcourse.denoiser import Denoiser
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.models import VAE, SimpleUNet, cost, layers
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

NAN, INF = math.nan, math.inf


class Points(nn.Module):
    """A small network for points (B, 2), with labels."""

    def __init__(self):
        super().__init__()
        self.layer, self.label = nn.Linear(3, 2), nn.Embedding(11, 2)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        out = self.layer(torch.cat([x, (t / 1000).to(x)[:, None]], dim=1))
        return out if cond is None else out + self.label(cond)


class Straight:
    """A path with no more than it must have."""

    def at(self, t, like=None):
        t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
        return Level(t, 1 - t, t)

    def levels(self, steps):
        return [*(self.at(1 - i / steps) for i in range(steps)), CLEAN]


class Own:
    """A sampler whose step returns what it is told to."""

    history = 0

    def __init__(self, out, history=0):
        self.out, self.history = out, history

    def step(self, now, to, *, past=(), denoise=None, noise=None):
        return self.out(now)


class Forgetful:
    def step(self, now, to, *, past=(), denoise=None, noise=None):
        return now.x


def min_snr(at):
    """The weight of noise errors of Hang et al. 2023, min(snr, 5)/snr, as it is usually written."""
    snr = (at.alpha / at.sigma) ** 2
    return snr.clamp(max=5) / snr


with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    net, unet = Points(), SimpleUNet(channels=8, time_dim=8, num_classes=10)
    nn.init.normal_(unet.conv_out.weight, std=0.1)
    vae, fresh = VAE(2, "mlp", hidden=8), SimpleUNet(channels=8, time_dim=8, num_classes=10)
    X, PIX = torch.randn(4, 2), torch.randn(2, 1, 8, 8)
S, ZERO, COSINE = DiffusionSchedule.linear(), DiffusionSchedule.linear().zero_terminal_snr(), DiffusionSchedule.cosine()
model, plain, images = Denoiser(net, S, null=10), Denoiser(net, S), Denoiser(unet, S, null=10)
mixture, bumps = GaussianMixture.ring(3), two_bumps()
exact, AT, MANY = mixture.denoise, S.at(500), S.at(torch.tensor([1, 2, 3, 4]), like=X)
NOW, LEVELS, G = exact(X, AT), S.levels(4), torch.Generator().manual_seed(0)
THREE, ONE_D = S.at(torch.tensor([1, 2, 3]), like=X[:3]), torch.randn(5, 1, generator=G)
fresh = Denoiser(fresh, S, null=10)
guided_model, clipped_images = guidance.guided(model, 1, 2.0), guidance.clipped(guidance.guided(images, 1, 2.0))
META, AT_DATA, straight = torch.device("meta"), Level(0.0, 1.0, 0.0), Denoiser(net, Straight(), "flow")

REFUSED = """
# the schedule
S.at([1, 2])                                                    -> t, [1, 2]
S.at(np.array([1, 2]))                                          -> t, array
S.at("5")                                                       -> t, '5'
S.at(True)                                                      -> t, True
S.at(None)                                                      -> t, None
S.at(5 + 1j)                                                    -> t
S.at(torch.tensor(True))                                        -> t
S.at(torch.tensor([True, False]))                               -> t, bool
S.at(torch.tensor([0.5]))                                       -> t
S.at(torch.tensor(5, device=META))                              -> t, meta
S.at(torch.tensor([5, 6], device=META))                         -> t, meta
S.at(INF)                                                       -> t, inf
S.at(NAN)                                                       -> t, nan
S.at(1000)                                                      -> t, 999, 1000
S.at(-1)                                                        -> t, -1
S.at(torch.tensor([0, 1000]))                                   -> t, 1000
S.at(torch.tensor([1, 2]), like=[1, 2])                         -> like, list
S.at(torch.tensor([1, 2]), like=X)                              -> t, 2, 4
S.snr([1, 2])                                                   -> t
S.snr("5")                                                      -> t
S.times([0.1, 0.2])                                             -> u, list
S.times(0.5)                                                    -> u, float
S.times(torch.tensor([1, 0]))                                   -> u, int64
S.times(torch.tensor([0.5, 7.0]))                               -> u, 7
S.times(torch.tensor([0.5, -0.1]))                              -> u, -0.1
S.times(torch.tensor([NAN]))                                    -> u, nan
S.time_of(-1.0)                                                 -> nsr, -1
S.time_of(NAN)                                                  -> nsr, nan
S.time_of("1")                                                  -> nsr, '1'
S.time_of(1e9)                                                  -> nsr, 1e+09
S.time_of(0.0)                                                  -> nsr, 0
ZERO.time_of(1e9)                                               -> nsr, 1e+09
S.levels("20")                                                  -> steps, '20'
S.levels(True)                                                  -> steps, True
S.levels(20.5)                                                  -> steps, 20.5
S.levels(0)                                                     -> steps, 0
S.levels(1001)                                                  -> steps, 1000, 1001
S.levels(5, "even")                                             -> spacing, even, karras
S.levels(5, None)                                               -> spacing, None
S.levels(5, "karras", rho="7")                                  -> rho, '7'
S.levels(5, "karras", rho=NAN)                                  -> rho, nan
S.levels(5, "karras", rho=-7)                                   -> rho, -7
S.levels(5, "karras", rho=1e-4)                                 -> rho, 0.0001
ZERO.levels(5, "karras")                                        -> karras
S.levels(5, last=0)                                             -> last, int
S.levels(5, last=Level(0, NAN, NAN))                            -> last, nan
S.levels(5, last=Level(0, 1.0, -0.5))                           -> last, -0.5
S.levels(5, last=S.at(999))                                     -> last, 999
S.q_sample([1.0], 5)                                            -> x0, list
S.q_sample(np.zeros((2, 2)), 5)                                 -> x0, ndarray
S.q_sample(X, "5")                                              -> t, '5'
S.q_sample(X, [5, 5, 5, 5])                                     -> t, [5, 5, 5, 5]
S.q_sample(X, 5, np.zeros((4, 2)))                              -> noise, ndarray
S.q_sample(X, 5, torch.zeros(4, 2, dtype=torch.int64))          -> noise, int64
S.q_sample(X, 5, torch.zeros(2))                                -> noise, (4, 2), (2,)
S.q_sample(X, 5, generator=5)                                   -> generator, int
S.q_sample(X, 5, generator="cpu")                               -> generator, str
S.q_sample(X, 5, generator=[1, 2, 3, 4])                        -> generator, int
S.q_sample(X, 5, generator=[G])                                 -> generator, 1, 4
S.posterior(X, X, "5")                                          -> t, '5'
S.posterior(X, X, None)                                         -> t, None
S.posterior(X, X, NAN)                                          -> t, nan
S.posterior(X, X, 2.5)                                          -> t, 2.5
S.posterior(X, X, [1, 2, 3, 4])                                 -> t
S.posterior(X, [1.0], 5)                                        -> x_t, list
S.posterior(X, X[:2], 5)                                        -> x_t, (4, 2), (2, 2)
DiffusionSchedule("linear")                                     -> betas, linear
DiffusionSchedule(None)                                         -> betas, None
DiffusionSchedule({"a": 1})                                     -> betas, dict
DiffusionSchedule(["a"])                                        -> betas
DiffusionSchedule([0.1, None])                                  -> betas
DiffusionSchedule(torch.tensor([True]))                         -> betas, bool
DiffusionSchedule(torch.tensor([0.1 + 0j]))                     -> betas, complex
DiffusionSchedule([0.1, NAN])                                   -> betas
DiffusionSchedule([[0.1]])                                      -> betas, (1, 1)
DiffusionSchedule.linear(0)                                     -> T, 0
DiffusionSchedule.linear("10")                                  -> T, '10'
DiffusionSchedule.linear(10.0)                                  -> T, 10.0
DiffusionSchedule.linear(10**12)                                -> T, 1000000000000
DiffusionSchedule.linear(10, "a", 0.1)                          -> beta_start, 'a'
DiffusionSchedule.linear(10, 0.2, 0.1)                          -> beta_start, 0.2, 0.1
DiffusionSchedule.linear(10, 0.1, None)                         -> beta_end, None
DiffusionSchedule.scaled_linear(10, NAN, 0.1)                   -> beta_start, nan
DiffusionSchedule.cosine(True)                                  -> T, True
DiffusionSchedule.cosine(10, "s")                               -> s, 's'
DiffusionSchedule.cosine(10, -1)                                -> s, -1
DiffusionSchedule.linear(1).zero_terminal_snr()                 -> zero_terminal_snr, 1
DiffusionSchedule.from_config(None)                             -> config, None
DiffusionSchedule.from_config("linear")                         -> config, str
DiffusionSchedule.from_config([1, 2])                           -> config, list
DiffusionSchedule.from_config({})                               -> config, None
DiffusionSchedule.from_config({"name": "linear", "T": 5, "q": 1}) -> q
DiffusionSchedule.from_diffusers(None)                          -> config, None
DiffusionSchedule.from_diffusers({"beta_schedule": "linear", "num_train_timesteps": None}) -> T, None
linear_beta_schedule(None)                                      -> timesteps, None
cosine_beta_schedule(5, INF)                                    -> s, inf
jump(CLEAN, S.at(5))                                            -> 5, -1
jump(S.at(5), S.at(50))                                         -> 5, 50
jump(5, 4)                                                      -> now, int
jump(ZERO.at(999), ZERO.at(999))                                -> alpha, 999
posterior_coefficients(CLEAN, CLEAN)                            -> sigma, -1
posterior_coefficients(S.at(5), 4)                              -> to, int

# the denoiser
Denoiser(S, net)                                                -> schedule, order
Denoiser(SimpleUNet, S)                                         -> network, class
Denoiser("net", S)                                              -> network, str
Denoiser(net, DiffusionSchedule)                                -> schedule, class
Denoiser(net, None)                                             -> schedule, None
Denoiser(net, 1000)                                             -> schedule, int
Denoiser(net, S, "epsilon")                                     -> predicts, 'epsilon', 'eps'
Denoiser(net, S, "v_prediction")                                -> predicts, 'v_prediction', 'v'
Denoiser(net, S, "sample")                                      -> predicts, 'sample', 'x0'
Denoiser(net, S, "flow_prediction")                             -> predicts, 'flow_prediction', 'flow'
Denoiser(net, S, "noise")                                       -> predicts, 'noise', eps, x0, v, flow
Denoiser(net, S, None)                                          -> predicts, None
Denoiser(net, S, ["eps"])                                       -> predicts, ['eps']
Denoiser(net, S, null="none")                                   -> null, none
Denoiser(net, S, null=True)                                     -> null, True
Denoiser(net, S, null=1.5)                                      -> null, 1.5
Denoiser(net, S, null=[1, 2])                                   -> null
Denoiser(net, S, null={"a": 1})                                 -> null, dict
model(X, 500)                                                   -> at, 500, schedule.at(500)
model(X, 0.5)                                                   -> at, 0.5
model(X, torch.tensor([500] * 4))                               -> at, Tensor
model(X, None)                                                  -> at, None
model(X, (1, 0.5, 0.5))                                         -> at, tuple
model(X, Level("5", 0.5, 0.5))                                  -> at
model(X, Level(5, 0.5, -0.5))                                   -> at, -0.5
model(X, Level(5, -0.5, 0.5))                                   -> at, -0.5
model(X, Level(5, NAN, 0.5))                                    -> at, nan
model(X, Level(5, 0.5, NAN))                                    -> at, nan
model(X, Level(NAN, 0.5, 0.5))                                  -> at, nan
model(X, Level(5, 0.0, 0.0))                                    -> at, 0
model(X, CLEAN)                                                 -> CLEAN
model(X, THREE)                                                 -> at, 3, 4
model(X, S.at(torch.tensor([1, 2, 3, 4])))                      -> at, (4,), like
model(X.tolist(), AT)                                           -> x, list
model(X.numpy(), AT)                                            -> x, ndarray
model(X.long(), AT)                                             -> x, int64
model(AT, X)                                                    -> x, Level
model(torch.tensor(1.0), AT)                                    -> x, ()
model(X.double(), AT)                                           -> float64, float32
model(X.half(), AT)                                             -> float16, float32
copy.deepcopy(model).double()(X, AT)                            -> float32, float64
copy.deepcopy(images).half()(PIX, AT)                           -> float32, float16
copy.deepcopy(images).bfloat16()(PIX, AT)                       -> float32, bfloat16
copy.deepcopy(images).double().loss(PIX)                        -> float32, float64
model.loss(mixture.sample(4))                                   -> float64, float32
copy.deepcopy(model).to(META)(X, AT)                            -> cpu, meta
model(X, AT, "seven")                                           -> cond, str
model(X, AT, ["a", "b", "c", "d"])                              -> cond
model(X, AT, {"label": 1})                                      -> cond, dict
model(X, AT, 3.0)                                               -> cond, 3
model(X, AT, True)                                              -> cond, bool
model(X, AT, [1, 2, 3])                                         -> cond, 3, 4
model(X, AT, [])                                                -> cond, []
model(X, AT, torch.tensor([1 + 1j]))                            -> cond, complex
images(PIX, AT, 11)                                             -> cond, 10, 11
images(PIX, AT, -1)                                             -> cond, -1
images(PIX, AT, [[1], [2]])                                     -> cond, (2, 1)
Denoiser(lambda x, t: None, S)(X, AT)                           -> network, None
Denoiser(lambda x, t: x[:1], S)(X, AT)                          -> network, (4, 2), (1, 2)
Denoiser(lambda x, t: x.numpy(), S)(X, AT)                      -> network, ndarray
Denoiser(lambda x, t: Estimate(x, AT, x, x), S)(X, AT)          -> network, Estimate
Denoiser(lambda x, t: x.long(), S)(X, AT)                       -> network, int64
Denoiser(net, ZERO)(X, ZERO.at(999))                            -> alpha, 999
model.loss(X[:0])                                               -> x0, (0, 2)
images.loss(PIX[:0])                                            -> x0, (0, 1, 8, 8)
model.loss(X.tolist())                                          -> x0, list
model.loss(X.numpy())                                           -> x0, ndarray
model.loss(PIX.to(torch.uint8))                                 -> x0, uint8
model.loss(torch.tensor(1.0))                                   -> x0, ()
model.loss(X, t=[1, 2, 3, 4])                                   -> t, [1, 2, 3, 4]
model.loss(X, t=torch.tensor([1, 2]))                           -> t, 2, 4
model.loss(X, t=torch.rand(4))                                  -> t, float32
model.loss(X, t=torch.tensor([0, 1, 2, 1000]))                  -> t, 1000
model.loss(X, noise=X.numpy())                                  -> noise, ndarray
model.loss(X, noise=X[:1])                                      -> noise, (4, 2), (1, 2)
model.loss(X, drop_prob="0.1")                                  -> drop_prob, '0.1'
model.loss(X, drop_prob=NAN)                                    -> drop_prob, nan
model.loss(X, 1, drop_prob=-0.1)                                -> drop_prob, -0.1
plain.loss(X, 1, drop_prob=0.1)                                 -> null
model.loss(X, generator=5)                                      -> generator, int
model.loss(X, generator=[G, G, G, G])                           -> generator, list
model.loss(X, weight=2.0)                                       -> weight, float
model.loss(X[:2], weight=lambda at: at.alpha.flatten())         -> weight, (2,), (2, 1)
model.loss(X, weight=lambda at: None)                           -> weight, None
model.loss(X, weight=lambda at: at.alpha * NAN)                 -> weight, nan
Denoiser(net, ZERO, "v").loss(X, t=torch.tensor([0, 1, 2, 999]), weight=min_snr) -> weight, 999
Estimate(X, CLEAN, X, X).score                                  -> score, CLEAN
model.given("x")(X, AT)                                         -> cond, str

# guidance
guided(net, [1, 2, 3, 4], 2.0, uncond=10)(X, AT)                -> Denoiser
guided(unet, 1, 2.0, uncond=10)(PIX, AT)                        -> Denoiser
guided(None, 1, 2.0, uncond=10)                                 -> denoiser, None
guided(S, 1, 2.0, uncond=10)                                    -> denoiser, DiffusionSchedule
guided(Denoiser, 1, 2.0, uncond=10)                             -> denoiser, class
guided(lambda x, at, c: x, 1, 2.0, uncond=10)(X, AT)            -> Estimate, Tensor
guided(model, None, 2.0)                                        -> cond, None
guided(model, "seven", 2.0)(X, AT)                              -> cond, str
guided(model, {}, 2.0)                                          -> cond, dict
guided(model, 1, "2")                                           -> guidance, '2'
guided(model, 1, None)                                          -> guidance, None
guided(model, 1, True)                                          -> guidance, True
guided(model, 1, [2.0])                                         -> guidance, [2.0]
guided(model, 1, NAN)                                           -> guidance, nan
guided(model, 1, INF)                                           -> guidance, inf
guided(model, 1, 1e300)                                         -> guidance, 1e+300
guided(model, 1, 2 + 1j)                                        -> guidance
guided(model, 1, torch.tensor([1.0, 2.0]))                      -> guidance
guided(model, 1, 2.0, uncond="none")(X, AT)                     -> uncond, str
guided(model, 1, 2.0, uncond=[1, 2])(X, AT)                     -> uncond, 2, 4
guided(plain, 1, 2.0)                                           -> uncond
guided(model, 1, 2.0, interval=5)                               -> interval, 5
guided(model, 1, 2.0, interval=(1,))                            -> interval, (1,)
guided(model, 1, 2.0, interval=(0, 1, 2))                       -> interval, (0, 1, 2)
guided(model, 1, 2.0, interval="ab")                            -> interval, 'ab'
guided(model, 1, 2.0, interval=(2, 1))                          -> interval, (2, 1)
guided(model, 1, 2.0, interval=(NAN, 1))                        -> interval, nan
guided(model, 1, 2.0, rescale="0.7")                            -> rescale, '0.7'
guided(model, 1, 2.0, rescale=True)                             -> rescale, True
guided(model, 1, 2.0, rescale=NAN)                              -> rescale, nan
guided(model, 1, 2.0, rescale=1.5)                              -> rescale, 1.5
guided(GaussianMixture([0.0, 1.0]).denoise_labelled, 0, 2.0, uncond=2, rescale=0.7)(ONE_D, AT) -> spread, (5, 1)
rescaled([1.0], [2.0])                                          -> output, list
rescaled(X, X[:2])                                              -> output, (4, 2), (2, 2)
rescaled(X.flatten(), X.flatten())                              -> output, (8,)
rescaled(X.long(), X.long())                                    -> output, int64
rescaled(X, X, share="1")                                       -> share, '1'
rescaled(X, X, share=2)                                         -> share, 2
rescaled(X[:, :1], X[:, :1])                                    -> output, (4, 1)
from_weight("1")                                                -> weight, '1'
from_weight(NAN)                                                -> weight, nan
clipped(5)                                                      -> denoise, int
clipped(net)(X, AT)                                             -> Denoiser
clipped(S)                                                      -> denoise, DiffusionSchedule
clipped(model, "a", 1)                                          -> low, 'a'
clipped(model, 1, -1)                                           -> low, 1, -1
clipped(model, -1, NAN)                                         -> high, nan
clipped(model, None, 1)                                         -> low, None
autoguided(model, None, 2.0)                                    -> weak, None
autoguided(5, model, 2.0)                                       -> denoise, int
autoguided(model, net, 2.0)(X, AT)                              -> Denoiser
autoguided(model, lambda x, at: 5, 2.0)(X, AT)                  -> Estimate, int
autoguided(model, model, "2")                                   -> guidance, '2'
autoguided(model, model, 2.0, interval=(1, 2, 3))               -> interval

# samplers and their loop
sample(S, model, (4, 2))                                        -> order
sample(None, S, (4, 2))                                         -> order, None
sample(model, None, (4, 2))                                     -> order, None
sample(model, DiffusionSchedule, (4, 2))                        -> schedule, class
sample(net, S, (4, 2), steps=2)                                 -> Denoiser
sample(Denoiser, S, (4, 2), steps=2)                            -> denoise, class
sample(model, S, 4)                                             -> shape, 4
sample(model, S, "42")                                          -> shape, '42'
sample(model, S, None)                                          -> shape, None
sample(model, S, (4,))                                          -> shape, (4,)
sample(model, S, (4, -2))                                       -> shape, -2
sample(model, S, (0, 2))                                        -> shape, 0
sample(model, S, (4.0, 2))                                      -> shape, 4.0
sample(model, S, ("4", 2))                                      -> shape, '4'
sample(model, S, (True, 2))                                     -> shape, True
sample(model, S, (None, 2))                                     -> shape, None
sample(images, S, (10**11, 1, 28, 28))                          -> shape, 100000000000
sample(images, S, (2, 3, 8, 8), steps=1)                        -> x, (2, 3, 8, 8)
sample(model, S, (4, 2), DDIM)                                  -> sampler, DDIM
sample(model, S, (4, 2), "ddim")                                -> sampler, ddim
sample(model, S, (4, 2), None)                                  -> sampler, None
sample(model, S, (4, 2), Forgetful(), 2)                        -> sampler, history
sample(model, S, (4, 2), Own(lambda now: now.x, None), 2)       -> history, None
sample(model, S, (4, 2), Own(lambda now: now.x, -1), 2)         -> history, -1
sample(model, S, (4, 2), Own(lambda now: now.x, 1.5), 2)        -> history, 1.5
sample(model, S, (4, 2), Own(lambda now: now.x[:1]), 2)         -> step, (4, 2), (1, 2)
sample(model, S, (4, 2), Own(lambda now: None), 2)              -> step, None
sample(model, S, (4, 2), Own(lambda now: now), 2)               -> step, Estimate
sample(model, S, (4, 2), Own(lambda now: now.x.numpy()), 2)     -> step, ndarray
sample(model, S, (4, 2), Own(lambda now: (now.x,)), 2)          -> step, tuple
sample(model, S, (4, 2), Own(lambda now: now.x.T), 2)           -> step, (4, 2), (2, 4)
sample(model, S, (4, 2), Own(lambda now: now.x.long()), 2)      -> step, int64
sample(model, S, (4, 2), Own(lambda now: now.x * NAN), 2)       -> finite, 999
sample(model, S, (4, 2), Own(lambda now: now.x / 0), 2)         -> finite, 999
sample(Denoiser(lambda x, t: x * NAN, S), S, (4, 2), steps=2)   -> finite, 999
sample(model, S, (4, 2), steps="20")                            -> steps, '20'
sample(model, S, (4, 2), steps=2.5)                             -> steps, 2.5
sample(model, S, (4, 2), steps=0)                               -> steps, 0
sample(model, S, (4, 2), steps=None)                            -> steps, None
sample(model, S, (4, 2), steps=1, seed="a")                     -> seed, 'a'
sample(model, S, (4, 2), steps=1, seed=1.0)                     -> seed, 1.0
sample(model, S, (4, 2), steps=1, seed=True)                    -> seed, True
sample(model, S, (4, 2), steps=1, seed=torch.tensor([1, 2]))    -> seed
sample(model, S, (4, 2), steps=1, seed=G)                       -> seed
sample(model, S, (4, 2), steps=1, first="a")                    -> first, 'a'
sample(model, S, (4, 2), steps=1, first=-1)                     -> first, -1
sample(model, S, (4, 2), steps=1, batch="2")                    -> batch, '2'
sample(model, S, (4, 2), steps=1, batch=1.5)                    -> batch, 1.5
sample(model, S, (4, 2), steps=1, batch=0)                      -> batch, 0
sample(model, S, (4, 2), steps=1, x=X.numpy())                  -> x, ndarray
sample(model, S, (4, 2), steps=1, x=X.tolist())                 -> x, list
sample(model, S, (4, 2), steps=1, x=X.long())                   -> x, int64
sample(model, S, (4, 2), steps=1, x=X[:2])                      -> x, (4, 2), (2, 2)
sample(model, S, (4, 2), steps=1, x=X / 0)                      -> x, finite
sample(model, S, (4, 2), steps=1, x=X.double())                 -> float64, float32
sample(model, S, (4, 2), steps=1, device="meta")                -> device, meta
sample(copy.deepcopy(model).to(META), S, (4, 2), steps=1)       -> meta
sample(model, S, (4, 2), levels=[999, 500, 0])                  -> levels, int
sample(model, S, (4, 2), levels=5)                              -> levels, int
sample(model, S, (4, 2), levels=None or "ab")                   -> levels, str
sample(model, S, (4, 2), levels=AT)                             -> levels, Level
sample(model, S, (4, 2), levels=MANY)                           -> levels
sample(model, S, (4, 2), levels=torch.tensor([999, 500]))       -> levels, Tensor
sample(model, S, (4, 2), levels=iter(LEVELS))                   -> levels, iterator
sample(model, S, (4, 2), levels=[])                             -> levels, 0
sample(model, S, (4, 2), levels=[CLEAN])                        -> levels, 1
sample(model, S, (4, 2), levels=LEVELS[::-1])                   -> CLEAN
sample(model, S, (4, 2), levels=[*LEVELS, CLEAN])               -> CLEAN
sample(model, S, (4, 2), levels=[S.at(999), MANY])              -> levels, Tensor
sample(model, S, (4, 2), levels=[S.at(999), Level(5, NAN, 1.0), CLEAN]) -> levels, nan
sample(model, S, (4, 2), levels=[S.at(999), Level(5, 1.0, -1.0), CLEAN]) -> levels, -1
sample(model, S, (4, 2), levels=COSINE.levels(3))               -> schedule
sample(model, COSINE, (4, 2), steps=3)                          -> schedule
sample(model, S, (4, 2), DDPM(), levels=[S.at(5), S.at(500)])   -> 5, 500
sample(model, S, (4, 2), DDIM(1.0), levels=[S.at(5), S.at(500)]) -> 5, 500
sample(model, S, (4, 2), DPMSolverPP(stochastic=True), levels=[S.at(5), S.at(500)]) -> 5, 500
sample(exact, ZERO, (4, 2), Euler(), levels=[ZERO.at(5), ZERO.at(999)])  -> Euler, 999, alpha
sample(exact, ZERO, (4, 2), Heun(), levels=[ZERO.at(5), ZERO.at(999)])   -> Heun, 999, alpha
sample(exact, ZERO, (4, 2), LMS(), levels=[ZERO.at(5), ZERO.at(999)])    -> LMS, 999, alpha
sample(exact, ZERO, (4, 2), Euler(), 3)                         -> Euler, alpha, DDIM
sample(straight, Straight(), (4, 2), DPMSolverPP(), levels=[AT_DATA, Level(0.5, 0.5, 0.5)]) -> DPMSolverPP, sigma
sample(straight, Straight(), (4, 2), DDPM(), levels=[AT_DATA, CLEAN]) -> sigma
DDPM("small")                                                   -> variance, small
DDPM(["beta"])                                                  -> variance
DDIM("1")                                                       -> eta, '1'
DDIM(True)                                                      -> eta, True
DDIM(1.5)                                                       -> eta, 1.5
DDIM(NAN)                                                       -> eta, nan
DDIM(None)                                                      -> eta, None
LMS(0)                                                          -> order, 0
LMS("4")                                                        -> order, '4'
LMS(True)                                                       -> order, True
LMS(2.0)                                                        -> order, 2.0
DPMSolverPP(3)                                                  -> order, 3
EulerAncestral(2)                                               -> eta, 2
EulerAncestral("no")                                            -> eta, no
sample(model, S, (4, 2), EulerAncestral(), levels=[S.at(5), S.at(500)]) -> 5, 500
DPMSolverPP([2])                                                -> order, [2]
DPMSolverPP(True)                                               -> order, True
DPMSolverPP(2, "no")                                            -> stochastic, no
trajectory(X, model, LEVELS)                                    -> denoise, x, levels
trajectory(model, X.numpy(), LEVELS)                            -> x, ndarray
trajectory(model, X * NAN, LEVELS)                              -> x, finite
trajectory(model, X, 5)                                         -> levels, int
trajectory(model, X, [5, 4])                                    -> levels, int
trajectory(model, X, AT)                                        -> levels, Level
trajectory(model, X, LEVELS, DDIM)                              -> sampler
trajectory(model, X, LEVELS, Forgetful())                       -> history
trajectory(model, X, LEVELS, DDPM(), 5)                         -> generator, int
trajectory(model, X, LEVELS, DDPM(), "cpu")                     -> generator, str
trajectory(model, X, LEVELS, DDPM(), [G])                       -> generator, 1, 4
trajectory(model, X, LEVELS, DDPM(), [1, 2, 3, 4])              -> generator, int
list(trajectory(lambda x, at: x, X, LEVELS))                    -> Estimate, Tensor
list(trajectory(net, X, LEVELS))                                -> Denoiser
list(trajectory(lambda x, at: exact(x[:1], at), X, LEVELS))     -> Estimate, (4, 2), (1, 2)
sample_ddpm(None, S, (4, 2))                                    -> order
sample_ddpm(model, Straight(), (4, 2))                          -> schedule, Straight
sample_ddim(net, S, (4, 2), num_inference_steps="5")            -> steps, '5'
sample_ddim(net, S, (4, 2), eta="0")                            -> eta, '0'
classifier_free_guidance_sample(model, S, (4, 2), 1, "7")       -> guidance, '7'
classifier_free_guidance_sample(net, S, (4, 2), 1, 3.0)         -> uncond
samplers.denoise(X, X, 5.0, S)                                          -> t, float
samplers.denoise(X, X, True, S)                                         -> t, bool
samplers.denoise(X, X.numpy(), 5, S)                                    -> eps_pred, ndarray
samplers.denoise(X.tolist(), X, 5, S)                                   -> x_t, list
samplers.denoise(X, X, 5, 1000)                                         -> schedule, int
samplers.denoise(X, X, 5, S, noise=X[:1])                               -> noise, (4, 2), (1, 2)
samplers.denoise(X, X, 5, S, noise=1.0)                                 -> noise, float

# randomness
counter_seed(1.5)                                               -> 1.5
counter_seed(None)                                              -> None
counter_seed(torch.tensor(3.0))                                 -> counter, float32
image_generators("4")                                           -> n, '4'
image_generators(-1)                                            -> n, -1
image_generators(2.0)                                           -> n, 2.0
image_generators(2, seed="a")                                   -> seed, 'a'
image_generators(2, seed=0.5)                                   -> seed, 0.5
image_generators(2, 0, first=-1)                                -> first, -1
draw([1.0])                                                     -> like, list
draw(X.long())                                                  -> like, int64
draw(X, 5)                                                      -> generator, int
draw(X, [None] * 4)                                             -> generator, None

# mixtures
GaussianMixture("ab")                                           -> means, str
GaussianMixture(None)                                           -> means, None
GaussianMixture([])                                             -> means
GaussianMixture([[0.0], [1.0, 2.0]])                            -> means
GaussianMixture([0.0, NAN])                                     -> means, nan
GaussianMixture([0.0, INF])                                     -> means, inf
GaussianMixture([1j, 0])                                        -> means
GaussianMixture([0.0, 1.0], "a")                                -> stds
GaussianMixture([0.0, 1.0], [0.1])                              -> stds, 2
GaussianMixture([0.0, 1.0], NAN)                                -> stds, nan
GaussianMixture([0.0, 1.0], 1.0, "ab")                          -> weights
GaussianMixture([0.0, 1.0], 1.0, [0.5, NAN])                    -> weights, nan
GaussianMixture([0.0, 1.0], 1.0, [0.0, 0.0])                    -> weights, 0
GaussianMixture.ring(0)                                         -> K, 0
GaussianMixture.ring("8")                                       -> K, '8'
GaussianMixture.ring(3, radius="1")                             -> radius, '1'
GaussianMixture.ring(3, std=-1)                                 -> std, -1
modes(torch.zeros(3, 3), mixture)                               -> points, (B, 2), (3, 3)
modes(torch.zeros(3, 2), "ring")                                -> mixture, 'ring'
modes(torch.zeros(3, 2), mixture, within=0)                     -> within, 0
two_bumps((0.0, 1.0), (0.1, 0.2), (0.5,))                       -> weights
mixture.component("0")                                          -> k, '0'
mixture.component(1.0)                                          -> k, 1.0
mixture.component(True)                                         -> k, True
mixture.component(3)                                            -> k, 2, 3
mixture.sample("5")                                             -> n, '5'
mixture.sample(2.5)                                             -> n, 2.5
mixture.sample(0)                                               -> n, 0
mixture.sample(True)                                            -> n, True
mixture.sample(5, level=5)                                      -> level, int
mixture.sample(5, level=MANY)                                   -> level
mixture.sample(5, level=Level(5, 0.5, NAN))                     -> level, nan
mixture.sample(5, generator=5)                                  -> generator, int
mixture.sample(5, generator=[G])                                -> generator, list
mixture.log_prob([[0.0, 1.0]])                                  -> points, list
mixture.log_prob(np.zeros((3, 2)))                              -> points, ndarray
mixture.log_prob(torch.zeros(3))                                -> points, (3,)
mixture.log_prob(torch.zeros(3, 3))                             -> points, (3, 3)
mixture.log_prob(torch.zeros(3, 2), 5)                          -> level, int
mixture.log_prob(torch.zeros(3, 2), Level(5, 0.5, -0.5))        -> level, -0.5
mixture.score(X, MANY)                                          -> level
mixture.posterior(X, None)                                      -> level, None
mixture.denoise(X, 500)                                         -> at, 500
mixture.denoise(X.long(), AT)                                   -> x, int64
mixture.denoise(X.numpy(), AT)                                  -> x, ndarray
mixture.denoise(X, CLEAN)                                       -> CLEAN
mixture.denoise(X, MANY)                                        -> level
mixture.denoise_labelled(X, AT, "0")                            -> labels, str
mixture.denoise_labelled(X, AT, 0.5)                            -> labels
mixture.denoise_labelled(X, AT, [0.0, 1.0, 2.0, 3.0])           -> labels, float
mixture.denoise_labelled(X, AT, 4)                              -> labels, 3, 4
mixture.denoise_labelled(X, AT, [0, 1])                         -> labels, 2, 4
GaussianMixture([0.0, 1.0], 0.0).log_prob(ONE_D)                -> std
GaussianMixture([0.0, 1.0], 0.0).posterior(ONE_D, CLEAN)        -> std

# Gaussians
gaussian.gaussian_kl("a", 1.0, 0.0, 1.0)                        -> mean_q, str
gaussian.gaussian_kl(X, 1.0, None, 1.0)                         -> mean_p, None
gaussian.gaussian_kl(X, -1.0, 0.0, 1.0)                         -> var_q, -1
gaussian.gaussian_kl(X, NAN, 0.0, 1.0)                          -> var_q, nan
gaussian.gaussian_kl(X, 1.0, 0.0, 0.0)                          -> var_p, 0
gaussian.gaussian_kl(X, 1.0, 0.0, NAN)                          -> var_p, nan
gaussian.gaussian_nll(X, 0.0, 0.0)                              -> var, 0
gaussian.gaussian_nll(X, 0.0, NAN)                              -> var, nan
gaussian.gaussian_nll(X.tolist(), 0.0, 1.0)                     -> x, list
gaussian.standard_kl(X, X[:, :1])                               -> log_var, (4, 2), (4, 1)
gaussian.standard_kl(X, 0.0)                                    -> log_var, float
gaussian.standard_kl(X.tolist(), X)                             -> mu, list
gaussian.reparameterize(X, X[:, 0])                             -> log_var, (4, 2), (4,)
gaussian.reparameterize(X, X, noise=X[:1])                      -> noise, (4, 2), (1, 2)
gaussian.reparameterize(X, X, noise=1.0)                        -> noise, float
gaussian.reparameterize(X, X, generator=5)                      -> generator, int
gaussian.reparameterize(X, X, generator=[G])                    -> generator, list
gaussian.reparameterize(X.long(), X.long())                     -> mean, int64
gaussian.slerp(X, X[:2], 0.5)                                   -> a, (4, 2), (2, 2)
gaussian.slerp(X.tolist(), X, 0.5)                              -> a, list
gaussian.slerp(X, X, "0.5")                                     -> w, '0.5'
gaussian.slerp(X, X, NAN)                                       -> w, nan
gaussian.slerp(X.long(), X.long(), 0.5)                         -> a, int64
editing.left(LEVELS, 1.5)                                       -> strength, 1.5
editing.left(LEVELS, "half")                                    -> strength, 'half'
editing.left(5, 0.5)                                            -> levels, int
editing.edited(model, X.numpy(), LEVELS)                        -> x0, ndarray
editing.edited(model, X[:0], LEVELS)                            -> x0, (0, 2)
editing.edited(model, X, 5)                                     -> levels, int
editing.edited(model, X, LEVELS, DDIM)                          -> sampler
editing.edited(model, X, LEVELS, strength=NAN)                  -> strength, nan
editing.edited(model, X, LEVELS, strength=-1)                   -> strength, -1
editing.edited(model, X, LEVELS, mask=X)                        -> mask, bool
editing.edited(model, X, LEVELS, mask=True)                     -> mask, bool
editing.edited(model, X, LEVELS, mask=X[:3] > 0)                -> mask, (4, 2), (3, 2)
editing.edited(model, X, LEVELS, noise=X[:1])                   -> noise, (4, 2), (1, 2)
editing.edited(model, X, LEVELS, generator=5)                   -> generator, int
editing.noise_walk(X, X[:2], 3)                                 -> b, (4, 2), (2, 2)
editing.noise_walk(X.long(), X, 3)                              -> a, int64
editing.noise_walk(X, X, 1)                                     -> n, 1
editing.noise_walk(X, X, 2.5)                                   -> n, 2.5
editing.prompt_walk(len, "a red 3", None, 3)                    -> other, None
editing.prompt_walk(len, 3, "a red 3", 3)                       -> one, 3
gaussian.mean_se([1.0, 2.0])                                    -> each, list
gaussian.mean_se(torch.tensor([1, 2]))                          -> each, int64
gaussian.share_se(1.2, 10)                                      -> share, 1.2
gaussian.share_se(NAN, 10)                                      -> share, nan
gaussian.share_se(0.5, -10)                                     -> n, -10
gaussian.share_se("a", 10)                                      -> share, 'a'

# bounds
elbo.prior_kl(Straight(), X)                                    -> schedule, Straight
elbo.prior_kl(S, X.numpy())                                     -> x0, ndarray
elbo.transition(exact, S, X, 1.5)                               -> t, 1.5
elbo.transition(exact, S, X, "5")                               -> t, '5'
elbo.transition(exact, S, X, 1000)                              -> t, 1000
elbo.transition(exact, S, X, -1)                                -> t, -1
elbo.transition(exact, Straight(), X, 5)                        -> schedule, Straight
elbo.transition(exact, S, X.tolist(), 5)                        -> x_t, list
elbo.transition(exact, S, X, 5, "large")                        -> variance, large
elbo.transition(net, S, X, 5)                                   -> Denoiser
elbo.transition(5, S, X, 5)                                     -> denoise, int
elbo.step_kl(exact, S, X, X, "5")                               -> t, '5'
elbo.step_kl(exact, S, X, X, 0)                                 -> t, 0
elbo.step_kl(exact, S, X, X, True)                              -> t, True
elbo.step_kl(exact, S, X[:1], X, 5)                             -> x_t, (1, 2), (4, 2)
elbo.last_step_nll(exact, S, X, X, 0.0)                         -> var, 0
elbo.last_step_nll(exact, S, X, X, "a")                         -> var, 'a'
elbo.last_step_nll(exact, S, X[:1], X)                          -> x_t, (1, 2), (4, 2)
elbo.diffusion_bound(exact, Straight(), X)                      -> schedule, Straight
elbo.diffusion_bound(exact, S, X.tolist())                      -> x0, list
elbo.diffusion_bound(exact, DiffusionSchedule.linear(3), X, variance=None)  -> variance, None
elbo.diffusion_bound(exact, DiffusionSchedule.linear(3), X, generator=5)    -> generator, int
elbo.diffusion_bound(exact, DiffusionSchedule.linear(3), X, last_var=-1.0)  -> var, -1
elbo.chain_log_ratio(exact, Straight(), X)                      -> schedule, Straight
elbo.chain_log_ratio(exact, DiffusionSchedule.linear(3), X[:0]) -> x0, (0, 2)
elbo.diffusion_bound(exact, DiffusionSchedule.linear(3), X[:0]) -> x0, (0, 2)
elbo.noise_weights(Straight())                                  -> schedule, Straight
elbo.noise_weights(S, "small")                                  -> variance, small
elbo.noise_weights(ZERO)                                        -> 999, alpha
elbo.bits_per_dim(1.0, "784")                                   -> dims, '784'
elbo.bits_per_dim(1.0, 0)                                       -> dims, 0
elbo.bits_per_dim(1.0, 2.5)                                     -> dims, 2.5
elbo.bits_per_dim(1.0, 784, NAN)                                -> bin_width, nan
elbo.bits_per_dim(1.0, 784, INF)                                -> bin_width, inf
elbo.bits_per_dim("1", 784)                                     -> nats, str
elbo.mixture_elbo(bumps, ONE_D, [0.5, 0.5])                     -> q, list
elbo.mixture_elbo(bumps, ONE_D, torch.tensor([0.5, NAN]))       -> q
elbo.mixture_elbo(bumps, ONE_D, torch.ones(3, 2) / 2)           -> q, (3, 2)
elbo.mixture_elbo(bumps, ONE_D, torch.ones(1, 1, 2) / 2)        -> q, (1, 1, 2)
elbo.mixture_elbo(exact, ONE_D, torch.ones(2) / 2)              -> mixture, method
elbo.vae_elbo(net, torch.zeros(2, 1, 28, 28))                   -> vae, Points
elbo.vae_elbo(vae, torch.zeros(2, 1, 28, 28), samples=0)        -> samples, 0
elbo.vae_elbo(vae, torch.zeros(2, 1, 28, 28), samples=True)     -> samples, True
elbo.vae_elbo(vae, torch.zeros(2, 1, 28, 28), generator=5)      -> generator, int
elbo.importance_bound(vae, torch.zeros(2, 1, 28, 28), samples="9") -> samples, '9'
elbo.importance_bound(vae, np.zeros((2, 1, 28, 28)))            -> x, ndarray

# networks
SimpleUNet(in_channels=0)                                       -> in_channels, 0
SimpleUNet(in_channels="1")                                     -> in_channels, '1'
SimpleUNet(out_channels=-1)                                     -> out_channels, -1
SimpleUNet(channels=10)                                         -> channels, 8, 10
SimpleUNet(channels=64.0)                                       -> channels, 64.0
SimpleUNet(time_dim=0)                                          -> time_dim, 0
SimpleUNet(num_classes=0)                                       -> num_classes, 0
SimpleUNet(num_classes=True)                                    -> num_classes, True
TextTransformer(vocab_size=0)                                   -> vocab_size, 0
TextTransformer(40, 30, num_attention_heads=4)                  -> hidden_size, 4, 30
TextTransformer(40, 16, 0, 1, 4)                                -> intermediate_size, 0
TextTransformer(40, 16, 8, 10.5, 4)                             -> num_hidden_layers, 10.5
TextTransformer(40, 16, 8, 1, 4, hidden_act="relu")             -> hidden_act, quick_gelu, 'relu'
TextTransformer(40, 16, 8, 1, 4, layer_norm_eps=NAN)            -> layer_norm_eps, nan
TextTransformer(40, 16, 8, 1, 4, 8)(torch.zeros(1, 4))          -> ids, float32
TextTransformer(40, 16, 8, 1, 4, 8)([[1, 2]])                   -> ids, list
TextTransformer(40, 16, 8, 1, 4, 8)(torch.ones(1, 9).long())    -> ids, 8, (1, 9)
TextTransformer(40, 16, 8, 1, 4, 8)(torch.tensor([[40]]))       -> ids, 39, 40
TextTransformer(40, 16, 8, 1, 4, 8).pooled(torch.tensor([[1]])) -> ids, 49407, row 0
TextTransformer(40, 16, 8, 1, 4, 8).resize_token_embeddings(0)  -> n, 0
VisionTransformer(16, 8, 1, 4, 3, 8, patch_size=0)              -> patch_size, 0
VisionTransformer(16, 8, 1, 4, 3, image_size=4, patch_size=8)   -> image_size, 8, 4
VisionTransformer(16, 8, 1, 4, num_channels=0)                  -> num_channels, 0
unet(PIX, AT)                                                   -> t, Level, Denoiser
unet(PIX, 500)                                                  -> t, int
unet(PIX, [1, 2])                                               -> t, list
unet(PIX, torch.tensor([1.0]))                                  -> t, (2,), (1,)
unet(PIX.numpy(), torch.ones(2))                                -> x, ndarray
unet(PIX.long(), torch.ones(2))                                 -> x, int64
unet(PIX[0], torch.ones(2))                                     -> x, (1, 8, 8)
unet(torch.zeros(2, 1, 30, 30), torch.ones(2))                  -> x, 30
unet(PIX[:0], torch.ones(0))                                     -> x, (0, 1, 8, 8)
unet(PIX, torch.ones(2), 3)                                     -> cond, int
unet(PIX, torch.ones(2), [1, 2])                                -> cond, list
unet(PIX, torch.ones(2), torch.tensor([1.0, 2.0]))              -> cond, float32
unet(PIX, torch.ones(2), torch.tensor([1, 11]))                 -> cond, 11
SinusoidalPositionEmbeddings(7)                                 -> dim, 7
SinusoidalPositionEmbeddings("8")                               -> dim, '8'
SinusoidalPositionEmbeddings(8.0)                               -> dim, 8.0
SinusoidalPositionEmbeddings(8)(500)                            -> time, int
SinusoidalPositionEmbeddings(8)(torch.ones(2, 1))               -> time, (2, 1)
ResBlock(10, 8, 4)                                              -> in_channels, 8, 10
ResBlock(8, 12, 4)                                              -> out_channels, 8, 12
SelfAttention(8, heads=3)                                       -> channels, 3, 8
SelfAttention(12)                                               -> channels, 8, 12
VAE(0)                                                          -> latent_dim, 0
VAE("2")                                                        -> latent_dim, '2'
VAE(2.5)                                                        -> latent_dim, 2.5
VAE(2, form=["mlp"])                                            -> form, mlp
VAE(2, likelihood=None)                                         -> likelihood, None
VAE(2, hidden=0)                                                -> hidden, 0
GAN("a", "b", 2)                                                -> generator, 'a'
GAN.points(latent_dim=0)                                        -> inputs, 0
GAN.points(loss="wgan")                                         -> loss, 'wgan'
GAN.points(r1=NAN)                                              -> r1, nan
GAN.points().loss(torch.zeros(4, 3))                            -> x, (4, 3)
GAN.points().generate(2, noise=torch.zeros(3, 2))               -> noise, (3, 2)
VAE(2, channels=-1)                                             -> channels, -1
vae(torch.zeros(2, 784))                                        -> x, (2, 784)
vae([[0.0]])                                                    -> x, list
vae(torch.full((1, 1, 28, 28), NAN))                            -> x, nan
vae(torch.zeros(2, 1, 28, 28, dtype=torch.int64))               -> x, int64
vae(torch.zeros(2, 1, 28, 28), generator=5)                     -> generator, int
vae.decode(torch.zeros(2, 3))                                   -> z, (2, 3)
vae.decode([[0.0, 0.0]])                                        -> z, list
vae.nll(torch.zeros(1, 1, 28, 28), torch.zeros(2, 1, 28, 28))   -> recon_x, (1, 1, 28, 28)
vae.nll(torch.full((1, 1, 28, 28), 2.0), torch.zeros(1, 1, 28, 28)) -> recon_x, 2
vae.loss_function(torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28), X[:1], X[:1], "1") -> kl_weight, '1'
operations(5, (1, 2))                                           -> network, int
operations(net, 5)                                              -> inputs, 5
operations(net, "ab")                                           -> inputs, 'ab'
operations(net, (-1, 2), (4,))                                  -> inputs, -1
kept(5)                                                         -> function, int
"""


RIGHT = """
S.at(np.int64(5)) == S.at(np.float32(5)) == S.at(torch.tensor(5)) == S.at(np.array(5)) == S.at(5)
S.at(Fraction(11, 2)) == S.at(5.5)
S.at(-0.0) == S.at(0)
S.levels(np.int64(5)) == S.levels(torch.tensor(5)) == S.levels(5)
[at.t for at in S.levels(1, "karras")] == [999, -1] and [at.t for at in S.levels(2, "karras")] == [999, 0, -1]
all(len(set(S.levels(n, "karras"))) == n + 1 for n in range(1, 40))
DiffusionSchedule.linear(1).levels(1) == DiffusionSchedule.linear(1).levels(1, "karras")
DiffusionSchedule(np.array([0.1, 0.2])).betas.tolist() == DiffusionSchedule((0.1, 0.2)).betas.tolist() == [0.1, 0.2]
DiffusionSchedule.linear(np.int64(10)).config == DiffusionSchedule.linear(10).config
ZERO.snr(999) == 0 and ZERO.at(999).nsr == INF and ZERO.time_of(INF) == 999
same(*ZERO.posterior(X, X, 999)[:1], ZERO.posterior(X, X, torch.full((4,), 999))[0])
same(S.q_sample(X, np.int64(5), X), S.q_sample(X, 5, X))
jump(S.at(5), S.at(5)) == (1, 0) and posterior_coefficients(S.at(5), S.at(5)) == (0, 1, 0)
elbo.noise_weights(DiffusionSchedule.linear(1)).shape == (0,)
elbo.transition(exact, S, X, np.int64(5))[1] == elbo.transition(exact, S, X, 5)[1]
alike(model(X.T.contiguous().T, AT), model(X, AT))
alike(model(X[:1].expand(4, 2), AT), model(X[:1].repeat(4, 1), AT))
alike(model(torch.stack([X, X], dim=2)[:, :, 0], AT), model(X, AT))
alike(images(PIX.to(memory_format=torch.channels_last), AT), images(PIX, AT))
alike(images(PIX.flip(-1).flip(-1), AT), images(PIX, AT))
alike(model(X, S.at(torch.tensor([7] * 4), like=X), 1), model(X, S.at(7), 1))
alike(model(X, S.at(torch.tensor([7]), like=X[:1]), 1), model(X, S.at(7), 1))
alike(model(X, AT, np.array([1, 2, 3, 4])), model(X, AT, torch.tensor([1, 2, 3, 4])))
alike(model(X, AT, (1, 2, 3, 4)), model(X, AT, [1, 2, 3, 4]))
alike(model(X, AT, np.int64(3)), model(X, AT, torch.tensor(3)))
alike(model(X, AT), model(X, AT, 10))
alike(pickle.loads(pickle.dumps(model))(X, AT), model(X, AT))
alike(copy.deepcopy(model)(X, AT), model(X, AT))
alike(pickle.loads(pickle.dumps(guided(model, 1, 2.0)))(X, AT), guided(model, 1, 2.0)(X, AT))
alike(copy.deepcopy(clipped(guided(model, 1, 2.0)))(X, AT), clipped(guided(model, 1, 2.0))(X, AT))
alike(pickle.loads(pickle.dumps(autoguided(model.given(1), plain, 2.0)))(X, AT), autoguided(model.given(1), plain, 2.0)(X, AT))
alike(nn.DataParallel(model)(X, AT), model(X, AT))
alike(copy.deepcopy(model).double()(X.double(), AT), model(X, AT))
alike(copy.deepcopy(images).bfloat16()(PIX.bfloat16(), AT), images(PIX, AT), 0.1)
copy.deepcopy(images).half()(PIX.half(), AT).x0.dtype == torch.float16
copy.deepcopy(model).to(META)(X.to(META), AT).x0.shape == (4, 2)
model(X.requires_grad_(False).clone().requires_grad_(), AT).x0.requires_grad
same(model.loss(X, t=5, noise=X), model.loss(X, t=torch.full((4,), 5), noise=X))
same(model.loss(X, t=MANY.t.flatten().long(), noise=X, weight=lambda at: 2), 2 * model.loss(X, t=MANY.t.flatten().long(), noise=X))
model.loss(X[:1], generator=G).isfinite()
model.loss(mixture.sample(4, dtype=torch.float32)).isfinite()
copy.deepcopy(model).double().loss(data.toy("rings", 4, dtype=torch.float64)).dtype == torch.float64
Denoiser(net, Straight(), "flow").loss(X).isfinite()
alike(guided(model, 1, np.float32(2))(X, AT), guided(model, 1, 2)(X, AT))
alike(guided(model, 1, 2.0, interval=[0, INF])(X, AT), guided(model, 1, 2.0)(X, AT))
alike(guided(model, np.int64(1), 2.0, uncond=np.int64(10))(X, AT), guided(model, 1, 2.0)(X, AT))
alike(guided(images, 1, 2.0, rescale=0)(PIX, AT), guided(images, 1, 2.0)(PIX, AT))
guided(fresh, [1, 2], 2.0, rescale=0.7)(PIX, AT).x0.isfinite().all()
sample(guided(fresh, [1, 2], 2.0, rescale=1), S, (2, 1, 8, 8), steps=3).isfinite().all()
guided(GaussianMixture([0.0, 1.0]).denoise_labelled, 0, 2.0, uncond=2)(ONE_D, AT).x0.isfinite().all()
same(rescaled(X * 0, X, 0.7), X * 0) and same(rescaled(X * 0 + 0.1, X), X * 0 + 0.1)
exact(X, AT).x0.dtype == torch.float32 and exact(X.double(), AT).x0.dtype == torch.float64
exact(X.half(), AT).x0.dtype == exact(X.half(), AT).eps.dtype == torch.float16
same(mixture.sample(9, generator=seeded(), dtype=torch.float32), mixture.sample(9, generator=seeded()).float())
alike(mixture.denoise_labelled(X, AT, torch.tensor([0, 1, 2, 3], dtype=torch.int32)), mixture.denoise_labelled(X, AT, [0, 1, 2, 3]))
same(drawn(model, shape=(np.int64(4), 2)), drawn(model))
same(drawn(model, shape=torch.Size([4, 2])), drawn(model)) and same(drawn(model, shape=[4, 2]), drawn(model))
same(drawn(model, seed=np.int64(0)), drawn(model)) and same(drawn(model, seed=torch.tensor(0)), drawn(model))
same(drawn(model, batch=np.int64(3)), drawn(model, batch=100)) and same(drawn(model, batch=1), drawn(model))
same(drawn(model, first=2, shape=(2, 2)), drawn(model)[2:])
same(drawn(model, steps=np.int64(3)), drawn(model))
same(drawn(model, x=X.clone().requires_grad_()), drawn(model, x=X)) and not drawn(model, x=X.clone().requires_grad_()).requires_grad
same(drawn(model, x=X.T.contiguous().T), drawn(model, x=X))
same(drawn(model, x=X[:1].expand(4, 2)), drawn(model, x=X[:1].repeat(4, 1)))
same(drawn(model, levels=tuple(LEVELS)), drawn(model, levels=LEVELS))
drawn(model, seed=-5).isfinite().all() and drawn(model, seed=2**80).isfinite().all()
drawn(copy.deepcopy(model).double()).dtype == torch.float64
drawn(copy.deepcopy(model).bfloat16()).dtype == torch.bfloat16 and drawn(copy.deepcopy(model).bfloat16()).isfinite().all()
drawn(copy.deepcopy(images).half(), shape=(2, 1, 8, 8)).dtype == torch.float16
same(drawn(nn.DataParallel(model)), drawn(model))
all(drawn(exact, sampler=one, levels=[S.at(900), S.at(900), S.at(500), S.at(500), CLEAN]).isfinite().all() for one in ALL)
all(drawn(exact, sampler=one, levels=[S.at(900), S.at(500), S.at(900), S.at(500), CLEAN]).isfinite().all() for one in BACK)
all(drawn(exact, sampler=one, levels=ZERO.levels(5)).isfinite().all() for one in FROM_NOISE)
drawn(exact, levels=[ZERO.at(5), ZERO.at(500), ZERO.at(999)]).isfinite().all()
drawn(straight, schedule=Straight()).isfinite().all()
all(drawn(exact, sampler=one, steps=n).isfinite().all() for one in ALL for n in (1, 2, 3))
list(trajectory(lambda x, at: Estimate(x, at, x, x), X[:0], LEVELS, DDIM()))[-1].x.shape == (0, 2)
len(image_generators(np.int64(2), seed=np.int64(1))) == 2 and image_generators(0) == []
counter_seed(np.int64(3), "a") == counter_seed(3, "a") == counter_seed(torch.tensor(3), "a")
draw(X[:0], []).shape == (0, 2)
same(draw(X, (seeded(), seeded(1), seeded(2), seeded(3))), draw(X, [seeded(i) for i in range(4)]))
editing.noise_walk(X, X, 3).sub(X).abs().max() < 1e-5 and len(list(editing.edited(model, X, LEVELS, strength=0))) == 1
gaussian.slerp(X * 0, X * 0, 0.5).eq(0).all() and math.isnan(gaussian.share_se(0.5, 0)) and math.isnan(gaussian.mean_se(X[:1, 0]))
same(gaussian.gaussian_kl(X, 1, 0, 1), gaussian.standard_kl(X, X * 0))
gaussian.gaussian_kl(X, 0.0, 0.0, 1.0).eq(INF).all()
unet(PIX, torch.ones(2, dtype=torch.int64)).shape == PIX.shape
cost.operations(net, (np.int64(1), 2), (1,)) == cost.operations(net, (1, 2), (1,)) > 0
"""

ALL = [
    samplers.DDPM(),
    samplers.DDPM("beta"),
    samplers.DDIM(),
    samplers.DDIM(1.0),
    samplers.Euler(),
    samplers.Heun(),
    samplers.LMS(),
]
ALL += [samplers.DPMSolverPP(), samplers.DPMSolverPP(1), samplers.DPMSolverPP(stochastic=True)]
ALL += [samplers.PNDM(), samplers.EulerAncestral()]

BACK, FROM_NOISE = (ALL[2], ALL[5], ALL[6]), (ALL[0], ALL[2], *ALL[7:10])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: Tensor, b: Tensor, size: float = 1e-6) -> bool:
    return torch.allclose(a, b, rtol=size, atol=size)


def alike(a: denoiser.Estimate, b: denoiser.Estimate, size: float = 1e-5) -> bool:
    """Two estimates that agree, in whatever precision each was made."""
    return all(same(getattr(a, part).double(), getattr(b, part).double(), size) for part in ("x0", "eps"))


def drawn(
    denoise: Any,
    shape: Any = (4, 2),
    *,
    schedule: Any = S,
    sampler: Any = samplers.DDIM(),
    steps: Any = 3,
    **options: Any,
) -> Tensor:
    return samplers.sample(denoise, schedule, shape, sampler, steps, **{"seed": 0} | options)


NAMES = {
    "np": np,
    "copy": copy,
    "pickle": pickle,
    "Fraction": Fraction,
    "elbo": elbo,
    "editing": editing,
    "gaussian": gaussian,
    "samplers": samplers,
}
for module in (rng, layers, cost, models, schedule, denoiser, guidance, mixtures, samplers):
    NAMES |= {name: value for name, value in vars(module).items() if name[0] != "_"}
NAMES |= {name: value for name, value in globals().items() if name[0] != "_"}


def lines(text: str) -> dict[str, list[str]]:
    """{expression: the words behind its arrow}."""
    rows = [line.split("->") for line in text.splitlines() if "->" in line]
    return {code.strip(): words_of(words) for code, words in rows}


def words_of(text: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    words, depth = [""], 0
    for sign in text.strip():
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            words.append("")
        else:
            words[-1] += sign
    return [word.strip() for word in words]


def refuse(code: str, words: list[str]) -> None:
    def attempt(folder: Path) -> None:
        refused(lambda: eval(code, NAMES), *words)

    case(code)(attempt)


def be_right(code: str) -> None:
    def attempt(folder: Path) -> None:
        holds(bool(eval(code, NAMES)), "came out wrong")

    case(f"right: {code}")(attempt)


for code, words in lines(REFUSED).items():
    refuse(code, words)
for code in RIGHT.strip().splitlines():
    be_right(code)


@case("data.mnist of a split that does not exist")
def _(folder: Path) -> None:
    refused(lambda: data.mnist("validation"), "split", "validation", "train")


@case("model(X.to(META), AT)", slow=True)  # torch takes seconds to load what it knows of this device
def _(folder: Path) -> None:
    refused(lambda: model(X.to(META), AT), "meta", "cpu")


# -- states of torch, and more than one at a time ----------------------------------------------------------------------


@case("right: in inference mode, with deterministic algorithms, under autocast")
def _(folder: Path) -> None:
    wanted = drawn(images, (2, 1, 8, 8))
    with torch.inference_mode():
        holds(same(drawn(images, (2, 1, 8, 8)), wanted), "inference mode changes the images")
    torch.use_deterministic_algorithms(True)
    try:
        holds(same(drawn(images, (2, 1, 8, 8)), wanted), "deterministic algorithms change the images")
        images.loss(PIX, 1, drop_prob=0.5).backward()
    finally:
        torch.use_deterministic_algorithms(False)
        images.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        holds(same(drawn(images, (2, 1, 8, 8)), wanted, 0.2), "autocast changes the images")
        images.loss(PIX)


@case("right: with float64 as the default dtype")
def _(folder: Path) -> None:
    wanted = [drawn(model), mixture.sample(4, generator=seeded()), data.toy("rings", 4)]
    torch.set_default_dtype(torch.float64)
    try:
        found = [drawn(model), mixture.sample(4, generator=seeded()), data.toy("rings", 4)]
        model.loss(X, 1, drop_prob=0.5)
    finally:
        torch.set_default_dtype(torch.float32)
    holds(all(a.dtype == b.dtype for a, b in zip(found, wanted, strict=True)), "dtypes follow the default")
    holds(same(found[0], wanted[0]) and same(found[1], wanted[1]), "numbers follow the default")


@case("right: four threads draw from one model")
def _(folder: Path) -> None:
    wanted, found = [drawn(guided_model, seed=i) for i in range(4)], {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: drawn(guided_model, seed=i)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holds(all(torch.equal(found[i], wanted[i]) for i in range(4)), "threads disturb each other")


@case("right: compiled without a compiler", slow=True)
def _(folder: Path) -> None:
    for made in (torch.compile(model, backend="eager"), Denoiser(torch.compile(net, backend="eager"), S, null=10)):
        holds(alike(made(X, AT, 1), model(X, AT, 1)) and same(drawn(made), drawn(model)), "compiled it differs")
        made.loss(X).backward()
    model.zero_grad()


@case("right: a model keeps its mode, its gradients and the generators of torch")
def _(folder: Path) -> None:
    state, modes = torch.get_rng_state(), [part.training for part in images.modules()]
    drawn(clipped_images, (2, 1, 8, 8), sampler=samplers.DDPM())
    holds(torch.equal(torch.get_rng_state(), state), "the generator of torch moved")
    holds([part.training for part in images.modules()] == modes, "modes changed")
    holds(all(p.grad is None for p in images.parameters()), "gradients were made")
