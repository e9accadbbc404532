"""Answers to the exercises of lesson 05c."""

import math

import torch
import torch.nn.functional as F
from learn_answers import right, wrong

from diffcourse import DDIM, DPMSolverPP, guided, sample


def level(alpha_bars, t):
    return alpha_bars[t].view(-1, 1, 1, 1)


def noised(bars, z, eps):
    return bars.sqrt() * z + (1 - bars).sqrt() * eps


def latents(prompts, text, denoiser, side, guidance, steps, seed, sampler=DPMSolverPP(), first=0):
    shape = (len(prompts), 4, side, side)
    model = guided(denoiser, text(prompts), guidance)
    return sample(model, denoiser.schedule, shape, sampler, steps=steps, seed=seed, first=first)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def predictions(z, t, prompts, negatives, text, unet):
    return unet(z, t, text(prompts)), unet(z, t, text(negatives))


def shares(a, b):
    """How often each attribute agrees, and how often all five do."""
    equal = (a == b).double()
    return torch.cat([equal.mean(0), equal.prod(1).mean()[None]])


def drawn(cond, null, noise, times, w, unet, step, after=None):
    """The latents after all times; `after` is where the last step leads."""
    z = noise
    for t, to in zip(times, [*times[1:], after]):
        at = torch.full((2 * len(z),), float(t))
        eps_null, eps_cond = unet(torch.cat([z, z]), at, torch.cat([null, cond])).chunk(2)
        z = step(z, eps_null + w * (eps_cond - eps_null), t, to)
    return z


# -- 05c.ldm_loss ----------------------------------------------------------------------------------------------------


@wrong("05c.ldm_loss", "no roots")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(a * z + (1 - a) * eps, t, c), eps)


@wrong("05c.ldm_loss", "the pixels noised, then encoded")
def _(images, c, t, eps, alpha_bars, encode, unet):
    a = level(alpha_bars, t)
    e = F.interpolate(eps.mean(1, keepdim=True).expand(-1, images.shape[1], -1, -1), size=images.shape[2:])
    return F.mse_loss(unet(encode(noised(a, images, e)), t, c), eps)


@wrong("05c.ldm_loss", "the latents as the target")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(a, z, eps), t, c), z)


@wrong("05c.ldm_loss", "the clean latents go in")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    return F.mse_loss(unet(z, t, c), eps)


@wrong("05c.ldm_loss", "signal and noise interchanged")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(1 - a, z, eps), t, c), eps)


@wrong("05c.ldm_loss", "absolute errors")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.l1_loss(unet(noised(a, z, eps), t, c), eps)


@wrong("05c.ldm_loss", "the product once more")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars.cumprod(0), t)
    return F.mse_loss(unet(noised(a, z, eps), t, c), eps)


@wrong("05c.ldm_loss", "1 - sqrt(alpha_bar) for the noise")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(a.sqrt() * z + (1 - a.sqrt()) * eps, t, c), eps)


# Nothing can be trained with it.
@wrong("05c.ldm_loss", "the U-Net under no_grad")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    with torch.no_grad():
        p = unet(noised(a, z, eps), t, c)
    return F.mse_loss(p, eps)


@wrong("05c.ldm_loss", "noise of its own")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(a, z, torch.randn_like(eps)), t, c), eps)


@wrong("05c.ldm_loss", "t as a share of the chain for the U-Net")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(a, z, eps), t / len(alpha_bars), c), eps)


@wrong("05c.ldm_loss", "scaled once more")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = 0.18215 * encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(a, z, eps), t, c), eps)


@wrong("05c.ldm_loss", "the root of the mean")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = level(alpha_bars, t)
    return F.mse_loss(unet(noised(a, z, eps), t, c), eps).sqrt()


@wrong("05c.ldm_loss", "summed over a latent")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    return (unet(noised(level(alpha_bars, t), z, eps), t, c) - eps).square().sum((1, 2, 3)).mean()


@wrong("05c.ldm_loss", "t as floats")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    return F.mse_loss(unet(noised(level(alpha_bars, t), z, eps), t.float(), c), eps)


@wrong("05c.ldm_loss", "the prediction is made a NumPy array")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    p = unet(noised(level(alpha_bars, t), z, eps), t, c).detach().numpy()
    return torch.tensor(((p - eps.numpy()) ** 2).mean())


@right("05c.ldm_loss", "einsum, with a keyword argument")
def _(images, c, t, eps, alpha_bars, encode, unet, weight=None):
    z = encode(images)
    at = alpha_bars[t]
    s, n = at.sqrt(), torch.sqrt(1 - at)
    z_t = torch.einsum("b,bchw->bchw", s, z) + torch.einsum("b,bchw->bchw", n, eps)
    return torch.mean(torch.square(unet(z_t, t, c) - eps))


@right("05c.ldm_loss", "the encoder without a graph, in float64")
def _(images, c, t, eps, alpha_bars, encode, unet):
    with torch.no_grad():
        z = encode(images)
    return F.mse_loss(unet(noised(level(alpha_bars, t), z, eps), t, c).double(), eps.double())


# -- 05c.drop_text ---------------------------------------------------------------------------------------------------


@wrong("05c.drop_text", "forgets above")
def _(c, null, u, drop_prob):
    return torch.where((u > drop_prob)[:, None, None], null, c)


@wrong("05c.drop_text", "at most instead of below")
def _(c, null, u, drop_prob):
    return torch.where((u <= drop_prob)[:, None, None], null, c)


@wrong("05c.drop_text", "in place")
def _(c, null, u, drop_prob):
    c[u < drop_prob] = null
    return c


@wrong("05c.drop_text", "every token by itself")
def _(c, null, u, drop_prob):
    m = torch.rand(c.shape[:2], generator=torch.Generator().manual_seed(0)) < drop_prob
    return torch.where(m[..., None], null, c)


@wrong("05c.drop_text", "draws of its own")
def _(c, null, u, drop_prob):
    return torch.where((torch.rand(len(c)) < drop_prob)[:, None, None], null, c)


@wrong("05c.drop_text", "all or none")
def _(c, null, u, drop_prob):
    return null.expand_as(c).clone() if u[0] < drop_prob else c.clone()


@wrong("05c.drop_text", "the first ones, as many as expected")
def _(c, null, u, drop_prob):
    o = c.clone()
    o[: round(drop_prob * len(c))] = null
    return o


@wrong("05c.drop_text", "the smallest ones, as many as expected")
def _(c, null, u, drop_prob):
    o = c.clone()
    o[u.argsort()[: round(drop_prob * len(c))]] = null
    return o


@wrong("05c.drop_text", "what is kept is scaled up")
def _(c, null, u, drop_prob):
    return torch.where((u < drop_prob)[:, None, None], null, c / (1 - drop_prob))


@right("05c.drop_text", "a copy, by index")
def _(c, null, u, drop_prob):
    o = c.clone()
    o[u < drop_prob] = null
    return o


@right("05c.drop_text", "a loop, with a keyword argument")
def _(c, null, u, drop_prob, generator=None):
    return torch.stack([null if p < drop_prob else r for r, p in zip(c, u)])


@right("05c.drop_text", "in float64")
def _(c, null, u, drop_prob):
    return torch.where((u < drop_prob)[:, None, None], null.double(), c.double())


# -- 05c.draw_latents ------------------------------------------------------------------------------------------------


@wrong("05c.draw_latents", "var instead of std")
def _(mean, log_var, eps, scale):
    return scale * (mean + log_var.exp() * eps)


@wrong("05c.draw_latents", "exp(2·log_var)")
def _(mean, log_var, eps, scale):
    return scale * (mean + (2 * log_var).exp() * eps)


@wrong("05c.draw_latents", "log_var instead of std")
def _(mean, log_var, eps, scale):
    return scale * (mean + log_var * eps)


@wrong("05c.draw_latents", "a spread of 1")
def _(mean, log_var, eps, scale):
    return scale * (mean + eps)


@wrong("05c.draw_latents", "the mean alone")
def _(mean, log_var, eps, scale):
    return scale * mean


@wrong("05c.draw_latents", "the root of log_var")
def _(mean, log_var, eps, scale):
    return scale * (mean + log_var.abs().sqrt() * eps)


@wrong("05c.draw_latents", "a power of 10")
def _(mean, log_var, eps, scale):
    return scale * (mean + 10 ** (log_var / 2) * eps)


@wrong("05c.draw_latents", "the noise scaled twice")
def _(mean, log_var, eps, scale):
    return scale * mean + scale**2 * (log_var / 2).exp() * eps


@wrong("05c.draw_latents", "the factor written down")
def _(mean, log_var, eps, scale):
    return 0.18215 * (mean + (log_var / 2).exp() * eps)


@wrong("05c.draw_latents", "softplus")
def _(mean, log_var, eps, scale):
    return scale * (mean + F.softplus(log_var) * eps)


@right("05c.draw_latents", "the root of the variance")
def _(mean, log_var, eps, scale):
    return (mean + log_var.exp().sqrt() * eps) * scale


@right("05c.draw_latents", "torch.lerp")
def _(mean, log_var, eps, scale):
    return scale * torch.lerp(mean, mean + eps, (log_var / 2).exp())


@right("05c.draw_latents", "in float64")
def _(mean, log_var, eps, scale):
    return scale * (mean.double() + log_var.double().div(2).exp() * eps)


# -- 05c.text_to_image -----------------------------------------------------------------------------------------------


@wrong("05c.text_to_image", "not clamped")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance, steps, seed))


@wrong("05c.text_to_image", "the seed is ignored")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance, steps, 0)).clamp(-1, 1)


@wrong("05c.text_to_image", "20 steps written down")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance, 20, seed)).clamp(-1, 1)


@wrong("05c.text_to_image", "a guidance of 1")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, 1.0, steps, seed)).clamp(-1, 1)


@wrong("05c.text_to_image", "another sampler")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance, steps, seed, DDIM())).clamp(-1, 1)


@wrong("05c.text_to_image", "the sampler of first order")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    sampler = DPMSolverPP(order=1)
    return decode(latents(prompts, text, denoiser, side, guidance, steps, seed, sampler)).clamp(-1, 1)


@wrong("05c.text_to_image", "noise of its own")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    x = torch.randn(len(prompts), 4, side, side, generator=torch.Generator().manual_seed(seed))
    model = guided(denoiser, text(prompts), guidance)
    return decode(sample(model, denoiser.schedule, x.shape, DPMSolverPP(), steps=steps, x=x)).clamp(-1, 1)


@wrong("05c.text_to_image", "divided by 0.18215")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance, steps, seed) / 0.18215).clamp(-1, 1)


@wrong("05c.text_to_image", "guidance less 1")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts, text, denoiser, side, guidance - 1, steps, seed)).clamp(-1, 1)


@wrong("05c.text_to_image", "the first prompt for all")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return decode(latents(prompts[:1] * len(prompts), text, denoiser, side, guidance, steps, seed)).clamp(-1, 1)


@wrong("05c.text_to_image", "not decoded")
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    return latents(prompts, text, denoiser, side, guidance, steps, seed)


@right("05c.text_to_image", "prompt by prompt, each from its own noise")
@torch.no_grad()
def _(prompts, text, denoiser, decode, side, guidance, steps, seed):
    pictures = []
    for i, prompt in enumerate(prompts):
        z = latents([prompt], text, denoiser, side, guidance, steps, seed, first=i)
        pictures.append(decode(z).clamp(-1, 1))
    return torch.cat(pictures)


# -- 05c.noises ------------------------------------------------------------------------------------------------------


@wrong("05c.noises", "seeds without the factor 1000")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=generator(seed + i)) for i in range(first, first + n)])


@wrong("05c.noises", "first is ignored")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=generator(1000 * seed + i)) for i in range(n)])


@wrong("05c.noises", "up to n instead of first + n")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=generator(1000 * seed + i)) for i in range(first, n)])


@wrong("05c.noises", "1000 times seed and number")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=generator(1000 * (seed + i))) for i in range(first, first + n)])


@wrong("05c.noises", "a list")
def _(seed, first, n, shape):
    return [torch.randn(shape, generator=generator(1000 * seed + i)) for i in range(first, first + n)]


@wrong("05c.noises", "joined, not stacked")
def _(seed, first, n, shape):
    return torch.cat([torch.randn(shape, generator=generator(1000 * seed + i)) for i in range(first, first + n)])


@wrong("05c.noises", "drawn in float64")
def _(seed, first, n, shape):
    return torch.stack(
        [torch.randn(shape, generator=generator(1000 * seed + i), dtype=torch.float64) for i in range(first, first + n)]
    )


@wrong("05c.noises", "the second draw of each generator")
def _(seed, first, n, shape):
    rows = []
    for i in range(first, first + n):
        own = generator(1000 * seed + i)
        torch.randn(shape, generator=own)
        rows.append(torch.randn(shape, generator=own))
    return torch.stack(rows)


# Seeds everybody's generator; the stub gives each picture one of its own.
@wrong("05c.noises", "torch.manual_seed")
def _(seed, first, n, shape):
    out = []
    for i in range(first, first + n):
        torch.manual_seed(1000 * seed + i)
        out.append(torch.randn(shape))
    return torch.stack(out)


@wrong("05c.noises", "a global seed, and a generator")
def _(seed, first, n, shape):
    own = torch.default_generator
    return torch.stack([torch.randn(shape, generator=own.manual_seed(1000 * seed + first + i)) for i in range(n)])


@right("05c.noises", "normal_ in place")
def _(seed, first, n, shape):
    out = torch.empty(n, *shape)
    for k in range(n):
        out[k].normal_(generator=generator(1000 * seed + first + k))
    return out


@right("05c.noises", "straight from the docstring")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=generator(1000 * seed + i)) for i in range(first, first + n)])


# -- 05c.guided_noise ------------------------------------------------------------------------------------------------


@wrong("05c.guided_noise", "the two interchanged")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, negatives, text, unet)
    return p + w * (n - p)


@wrong("05c.guided_noise", "the empty text in the place of the negative")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, [""] * len(prompts), text, unet)
    return n + w * (p - n)


@wrong("05c.guided_noise", "the sign")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, negatives, text, unet)
    return n - w * (p - n)


@wrong("05c.guided_noise", "three terms")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, negatives, text, unet)
    e = unet(z, t, text([""] * len(prompts)))
    return e + w * (p - e) - w * (n - e)


@wrong("05c.guided_noise", "the halves interchanged")
def _(z, t, prompts, negatives, w, text, unet):
    n, p = unet(torch.cat([z, z]), torch.cat([t, t]), text(prompts + negatives)).chunk(2)
    return n + w * (p - n)


@wrong("05c.guided_noise", "the difference of the embeddings")
def _(z, t, prompts, negatives, w, text, unet):
    return unet(z, t, text(prompts) - text(negatives))


@wrong("05c.guided_noise", "the first negative for all")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, [negatives[0]] * len(prompts), text, unet)
    return n + w * (p - n)


@wrong("05c.guided_noise", "w less 1")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, negatives, text, unet)
    return n + (w - 1) * (p - n)


@wrong("05c.guided_noise", "the negative alone at w = 1")
def _(z, t, prompts, negatives, w, text, unet):
    p, n = predictions(z, t, prompts, negatives, text, unet)
    return n if w == 1 else n + w * (p - n)


@wrong("05c.guided_noise", "zeros in the place of the empty text")
def _(z, t, prompts, negatives, w, text, unet):
    cn = text(negatives)
    cn = torch.stack([c if s else torch.zeros_like(c) for c, s in zip(cn, negatives)])
    p, n = unet(z, t, text(prompts)), unet(z, t, cn)
    return n + w * (p - n)


@wrong("05c.guided_noise", "the rows of the doubled batch interleaved")
def _(z, t, prompts, negatives, w, text, unet):
    both = unet(z.repeat_interleave(2, 0), t.repeat_interleave(2), text(negatives + prompts))
    n, p = both.chunk(2)
    return n + w * (p - n)


@right("05c.guided_noise", "one call")
def _(z, t, prompts, negatives, w, text, unet):
    n, p = unet(z.repeat(2, 1, 1, 1), t.repeat(2), text([*negatives, *prompts])).chunk(2)
    return torch.lerp(n, p, w)


# -- 05c.relative_accuracy -------------------------------------------------------------------------------------------


@wrong("05c.relative_accuracy", "upside down")
def _(shown, asked, ceiling):
    return shares(ceiling, asked) / shares(shown, asked)


@wrong("05c.relative_accuracy", "the mean of the five")
def _(shown, asked, ceiling):
    five = (shares(shown, asked) / shares(ceiling, asked))[:5]
    return torch.cat([five, five.mean()[None]])


@wrong("05c.relative_accuracy", "the smallest of the five")
def _(shown, asked, ceiling):
    five = (shares(shown, asked) / shares(ceiling, asked))[:5]
    return torch.cat([five, five.min()[None]])


@wrong("05c.relative_accuracy", "only where the ceiling is right")
def _(shown, asked, ceiling):
    ok, c = shown == asked, ceiling == asked
    a = torch.stack([ok[:, k][c[:, k]].double().mean() for k in range(5)])
    return torch.cat([a, ok.all(1)[c.all(1)].double().mean()[None]])


@wrong("05c.relative_accuracy", "a difference")
def _(shown, asked, ceiling):
    return shares(shown, asked) - shares(ceiling, asked)


@wrong("05c.relative_accuracy", "in per cent")
def _(shown, asked, ceiling):
    return 100 * shares(shown, asked) / shares(ceiling, asked)


@wrong("05c.relative_accuracy", "the mean over the attributes instead of all")
def _(shown, asked, ceiling):
    return torch.cat(
        [
            shares(shown, asked)[:5] / shares(ceiling, asked)[:5],
            ((shown == asked).double().mean() / (ceiling == asked).double().mean())[None],
        ]
    )


@wrong("05c.relative_accuracy", "a ratio for each picture")
def _(shown, asked, ceiling):
    return ((shown == asked).double() / (ceiling == asked).double().clamp(min=1e-09)).mean(0)


@wrong("05c.relative_accuracy", "multiplied")
def _(shown, asked, ceiling):
    return shares(shown, asked) * shares(ceiling, asked)


@wrong("05c.relative_accuracy", "all five first")
def _(shown, asked, ceiling):
    return (shares(shown, asked) / shares(ceiling, asked)).roll(1)


# The stub says Tensor.
@wrong("05c.relative_accuracy", "a list")
def _(shown, asked, ceiling):
    return (shares(shown, asked) / shares(ceiling, asked)).tolist()


@wrong("05c.relative_accuracy", "at most 1")
def _(shown, asked, ceiling):
    return (shares(shown, asked) / shares(ceiling, asked)).clamp(max=1)


@right("05c.relative_accuracy", "counts")
def _(shown, asked, ceiling):
    a, b = torch.eq(shown, asked), torch.eq(ceiling, asked)
    return torch.cat([a.sum(0) / b.sum(0), (a.all(1).sum() / b.all(1).sum()).view(1)])


# -- 05c.picture_cost ------------------------------------------------------------------------------------------------


@wrong("05c.picture_cost", "always two calls")
def _(unet, decoder, steps, guidance):
    return 2 * steps * unet + decoder


@wrong("05c.picture_cost", "always one call")
def _(unet, decoder, steps, guidance):
    return steps * unet + decoder


@wrong("05c.picture_cost", "no call at 0")
def _(unet, decoder, steps, guidance):
    return (0 if guidance == 0 else steps * (1 if guidance == 1 else 2) * unet) + decoder


@wrong("05c.picture_cost", "times the guidance")
def _(unet, decoder, steps, guidance):
    return int(steps * guidance * unet + decoder)


@wrong("05c.picture_cost", "without the decoder")
def _(unet, decoder, steps, guidance):
    return steps * (1 if guidance in (0, 1) else 2) * unet


@wrong("05c.picture_cost", "two decodings")
def _(unet, decoder, steps, guidance):
    return (1 if guidance in (0, 1) else 2) * (steps * unet + decoder)


@wrong("05c.picture_cost", "the guidance cut to a whole number")
def _(unet, decoder, steps, guidance):
    return steps * (1 if int(guidance) in (0, 1) else 2) * unet + decoder


@wrong("05c.picture_cost", "twice as many calls")
def _(unet, decoder, steps, guidance):
    return 2 * steps * (1 if guidance in (0, 1) else 2) * unet + decoder


# The stub says: exactly 0 or 1.
@wrong("05c.picture_cost", "one call near 0 and 1")
def _(unet, decoder, steps, guidance):
    return steps * (1 if min(abs(guidance), abs(guidance - 1)) < 0.1 else 2) * unet + decoder


# The stub says: exactly 0 or 1.
@wrong("05c.picture_cost", "one call below 0 as well")
def _(unet, decoder, steps, guidance):
    return steps * (1 if guidance in (0, 1) or guidance < 0 else 2) * unet + decoder


# The stub says int.
@wrong("05c.picture_cost", "a float")
def _(unet, decoder, steps, guidance):
    return float(decoder + unet * steps * (1 if guidance * (guidance - 1) == 0 else 2))


@wrong("05c.picture_cost", "one call up to 1")
def _(unet, decoder, steps, guidance):
    return steps * (2 if guidance > 1 else 1) * unet + decoder


@right("05c.picture_cost", "a truth value as a number")
def _(unet, decoder, steps, guidance):
    return decoder + unet * steps * (1 + (guidance not in (0.0, 1.0)))


@right("05c.picture_cost", "a tensor")
def _(unet, decoder, steps, guidance):
    calls = torch.tensor(1 if guidance in (0, 1) else 2)
    return decoder + calls * steps * unet


# -- 05c.mended ------------------------------------------------------------------------------------------------------


@wrong("05c.mended", "nothing is mended")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond = text(prompts)
    return decoder(drawn(torch.zeros_like(cond), cond, noise, times, w, unet, step))


@wrong("05c.mended", "the branches interchanged")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(null, cond, noise, times, w, unet, step) / scale)


@wrong("05c.mended", "the scale is forgotten")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times, w, unet, step))


@wrong("05c.mended", "zeros for the empty text, the branches interchanged")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond = text(prompts)
    return decoder(drawn(torch.zeros_like(cond), cond, noise, times, w, unet, step) / scale)


@wrong("05c.mended", "the branches interchanged, the scale forgotten")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(null, cond, noise, times, w, unet, step))


# The same for a linear decoder only.
@wrong("05c.mended", "the picture divided instead of the latents")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times, w, unet, step)) / scale


@wrong("05c.mended", "the empty text once")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    return decoder(drawn(text(prompts), text([""]), noise, times, w, unet, step) / scale)


@wrong("05c.mended", "counted from the prompt")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times, w + 1, unet, step) / scale)


@wrong("05c.mended", "without the last step")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times[:-1], w, unet, step, after=times[-1]) / scale)


@wrong("05c.mended", "the pictures clamped")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times, w, unet, step) / scale).clamp(-1, 1)


@wrong("05c.mended", "the noise is changed")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    pictures = decoder(drawn(cond, null, noise, times, w, unet, step) / scale)
    noise.zero_()
    return pictures


@wrong("05c.mended", "the start divided by the scale")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise / scale, times, w, unet, step))


@right("05c.mended", "two calls a step")
@torch.no_grad()
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null, z = text(prompts), text([""] * len(prompts)), noise.clone()
    for t, to in zip(times, [*times[1:], None]):
        at = torch.full((len(z),), float(t))
        z = step(z, torch.lerp(unet(z, at, null), unet(z, at, cond), w), t, to)
    return decoder(z / scale)


@right("05c.mended", "straight from the docstring")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    return decoder(drawn(cond, null, noise, times, w, unet, step) / scale)


@right("05c.mended", 'the empty text read as text("")')
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond = text(prompts)
    return decoder(drawn(cond, text("").expand_as(cond), noise, times, w, unet, step) / scale)


@right("05c.mended", "a last time of its own")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    z, cond, null = noise, text(prompts), text("").repeat(len(prompts), 1, 1)
    for i in range(len(times)):
        at = noise.new_full((len(z),), times[i])
        a, b = unet(z, at, null), unet(z, at, cond)
        z = step(z, (1 - w) * a + w * b, times[i], None if i == len(times) - 1 else times[i + 1])
    return decoder(z / scale)


# -- 05c.prompts_needed ----------------------------------------------------------------------------------------------

V, W, GAP = 0.995 * 0.005, 0.984 * 0.016, 0.011
wrong("05c.prompts_needed", "one standard error")(math.ceil((V + W) / GAP**2))
wrong("05c.prompts_needed", "twice, not four times")(math.ceil(2 * (V + W) / GAP**2))
wrong("05c.prompts_needed", "of one share")(math.ceil(4 * W / GAP**2))
wrong("05c.prompts_needed", "of the other share")(math.ceil(4 * V / GAP**2))
wrong("05c.prompts_needed", "the mean share for both")(math.ceil(8 * 0.9895 * 0.0105 / GAP**2))
wrong("05c.prompts_needed", "not squared")(math.ceil(4 * (V + W) / GAP))
wrong("05c.prompts_needed", "errors added")(math.ceil(4 * (V**0.5 + W**0.5) ** 2 / GAP**2))
wrong("05c.prompts_needed", "not rounded")(4 * (V + W) / GAP**2)
wrong("05c.prompts_needed", "rounded down")(int(4 * (V + W) / GAP**2))
right("05c.prompts_needed", "worked out")(math.ceil((2 / GAP) ** 2 * (V + W)))
right("05c.prompts_needed", "looked for")(next(n for n in range(1, 3000) if GAP >= 2 * math.sqrt(V / n + W / n)))
right("05c.prompts_needed", "written down")(685)
right("05c.prompts_needed", "a tensor")(torch.tensor(685))
