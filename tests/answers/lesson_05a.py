"""Answers to the exercises of lesson 05a."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong


def on_grid(z, intervals, reach):
    """Rounded to `intervals` + 1 values from -reach to reach."""
    return ((z.clamp(-reach, reach) + reach) / (2 * reach) * intervals).round() / intervals * 2 * reach - reach


def alpha(nsr):
    return (1 + nsr * nsr) ** -0.5


def angles(a, b):
    """Of each pair, (B, 1, 1, 1)."""
    return F.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-1, 1).acos().view(-1, 1, 1, 1)


def slerp(a, b, w):
    th = angles(a, b)
    arc = ((1 - w) * th).sin() / th.sin() * a + (w * th).sin() / th.sin() * b
    return torch.where(th.sin() < 1e-4, torch.lerp(a, b, w), arc)


# -- 05a.compression -------------------------------------------------------------------------------------------------


@wrong("05a.compression", "the channels are forgotten")
def _(image, latent, latent_bits):
    n, m = math.prod(image[1:]), math.prod(latent[1:])
    return n / m, n * 8 / (m * latent_bits)


@wrong("05a.compression", "bits of a latent taken for an eighth")
def _(image, latent, latent_bits):
    n, m = math.prod(image), math.prod(latent)
    return n / m, n * 8 / (m * latent_bits / 8)


@wrong("05a.compression", "the picture's values counted as 32 bits")
def _(image, latent, latent_bits):
    n, m = math.prod(image), math.prod(latent)
    return n / m, n * 32 / (m * latent_bits)


@wrong("05a.compression", "8 bits for all three channels together")
def _(image, latent, latent_bits):
    n, m = math.prod(image), math.prod(latent)
    return n / m, image[1] * image[2] * 8 / (m * latent_bits)


@wrong("05a.compression", "the numbers of the lesson")
def _(image, latent, latent_bits):
    return 48.0, 48 * 8 / latent_bits


@wrong("05a.compression", "the bits upside down")
def _(image, latent, latent_bits):
    n, m = math.prod(image), math.prod(latent)
    return n / m, n / m * latent_bits / 8


# Neither is a whole number in general.
@wrong("05a.compression", "rounded")
def _(image, latent, latent_bits):
    r = math.prod(image) / math.prod(latent)
    return round(r), round(8 * r / latent_bits)


@right("05a.compression", "tensors")
def _(image, latent, latent_bits):
    r = torch.tensor(image).prod() / torch.tensor(latent).prod()
    return r, 8 * r / latent_bits


@right("05a.compression", "NumPy, with a keyword argument")
def _(image, latent, latent_bits, pixel_bits=8):
    r = np.prod(image) / np.prod(latent)
    return r, pixel_bits * r / latent_bits


@right("05a.compression", "one tensor of two numbers")
def _(image, latent, latent_bits):
    r = math.prod(image) / math.prod(latent)
    return torch.tensor([r, 8 * r / latent_bits])


# -- 05a.latent_shape ------------------------------------------------------------------------------------------------


@wrong("05a.latent_shape", "refuses by the area")
def _(height, width):
    if height * width % 64:
        raise ValueError
    return 4, height // 8, width // 8


@wrong("05a.latent_shape", "assert, which raises another error")
def _(height, width):
    assert height % 8 == 0 and width % 8 == 0
    return 4, height // 8, width // 8


@wrong("05a.latent_shape", "refuses all but multiples of 64")
def _(height, width):
    if height % 64 or width % 64:
        raise ValueError
    return 4, height // 8, width // 8


@wrong("05a.latent_shape", "width before height")
def _(height, width):
    if height % 8 or width % 8:
        raise ValueError
    return 4, width // 8, height // 8


@wrong("05a.latent_shape", "looks at the height alone")
def _(height, width):
    if height % 8:
        raise ValueError
    return 4, height // 8, width // 8


@wrong("05a.latent_shape", "channels last")
def _(height, width):
    if height % 8 or width % 8:
        raise ValueError
    return height // 8, width // 8, 4


@wrong("05a.latent_shape", "a batch dimension")
def _(height, width):
    if height % 8 or width % 8:
        raise ValueError
    return 1, 4, height // 8, width // 8


# The stub says whole numbers.
@wrong("05a.latent_shape", "fractions")
def _(height, width):
    if height % 8 or width % 8:
        raise ValueError
    return 4, height / 8, width / 8


@right("05a.latent_shape", "torch.Size")
def _(height, width):
    if max(height % 8, width % 8):
        raise ValueError("multiples of 8 please")
    return torch.Size((4, height >> 3, width >> 3))


@right("05a.latent_shape", "a tensor")
def _(height, width):
    size = torch.tensor([height, width])
    if (size % 8).any():
        raise ValueError("multiples of 8")
    return torch.cat([torch.tensor([4]), size // 8])


# -- 05a.quantise ----------------------------------------------------------------------------------------------------


@wrong("05a.quantise", "one value too many")
def _(z, bits, reach):
    return on_grid(z, 2**bits, reach)


@wrong("05a.quantise", "rounded down")
def _(z, bits, reach):
    n = 2**bits - 1
    return ((z.clamp(-reach, reach) + reach) / (2 * reach) * n).floor() / n * 2 * reach - reach


@wrong("05a.quantise", "nothing is held at the ends")
def _(z, bits, reach):
    n = 2**bits - 1
    return ((z + reach) / (2 * reach) * n).round() / n * 2 * reach - reach


@wrong("05a.quantise", "in place")
def _(z, bits, reach):
    n = 2**bits - 1
    z.clamp_(-reach, reach)
    return ((z + reach) / (2 * reach) * n).round() / n * 2 * reach - reach


@wrong("05a.quantise", "the numbers of the values")
def _(z, bits, reach):
    n = 2**bits - 1
    return ((z.clamp(-reach, reach) + reach) / (2 * reach) * n).round()


@wrong("05a.quantise", "the middles of 2^bits bins")
def _(z, bits, reach):
    n = 2**bits
    s = 2 * reach / n
    i = ((z + reach) / s).floor().clamp(0, n - 1)
    return -reach + (i + 0.5) * s


@wrong("05a.quantise", "cut to whole numbers")
def _(z, bits, reach):
    n = 2**bits - 1
    return ((z.clamp(-reach, reach) + reach) / (2 * reach) * n).int() / n * 2 * reach - reach


@wrong("05a.quantise", "what lies beyond an end becomes 0")
def _(z, bits, reach):
    return torch.where(z.abs() > reach, torch.zeros_like(z), on_grid(z, 2**bits - 1, reach))


@wrong("05a.quantise", "a power written with ^")
def _(z, bits, reach):
    return on_grid(z, 2 ^ bits - 1, reach)


@wrong("05a.quantise", "multiples of the step")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return ((z / step).round() * step).clamp(-reach, reach)


@right("05a.quantise", "the nearest by argmin")
def _(z, bits, reach):
    v = torch.linspace(-reach, reach, 2**bits, dtype=z.dtype)
    return v[(z.unsqueeze(-1) - v).abs().argmin(-1)]


@right("05a.quantise", "float64, floor of v + 0.5")
def _(z, bits, reach):
    n = 2**bits - 1
    u = (z.double().clamp(-reach, reach) / reach + 1) / 2 * n
    return ((u + 0.5).floor() / n * 2 - 1).mul(reach).to(z.dtype)


@right("05a.quantise", "in float64")
def _(z, bits, reach):
    return on_grid(z.double(), 2**bits - 1, reach)


# -- 05a.unit_scale --------------------------------------------------------------------------------------------------


@wrong("05a.unit_scale", "one over the variance")
def _(batches):
    return 1 / torch.cat(batches).var().item()


@wrong("05a.unit_scale", "the spread itself")
def _(batches):
    return torch.cat(batches).std().item()


@wrong("05a.unit_scale", "about 0, not about the mean")
def _(batches):
    return 1 / torch.cat(batches).square().mean().sqrt().item()


@wrong("05a.unit_scale", "the first batch alone")
def _(batches):
    return 1 / batches[0].std().item()


@wrong("05a.unit_scale", "the mean of the channels' spreads")
def _(batches):
    return 1 / torch.cat(batches).std(dim=(0, 2, 3)).mean().item()


@wrong("05a.unit_scale", "the mean of the batches' variances")
def _(batches):
    return 1 / torch.stack([b.var() for b in batches]).mean().sqrt().item()


@wrong("05a.unit_scale", "each batch about its own mean")
def _(batches):
    n = sum(b.numel() for b in batches)
    return 1 / (sum(((b - b.mean()) ** 2).sum() for b in batches) / n).sqrt().item()


@wrong("05a.unit_scale", "the mean of the batches' factors")
def _(batches):
    return sum(1 / b.std().item() for b in batches) / len(batches)


@wrong("05a.unit_scale", "the last batch alone")
def _(batches):
    for b in batches:
        n, total, squares = b.numel(), b.sum().item(), b.square().sum().item()
    return (squares / n - (total / n) ** 2) ** -0.5


@right("05a.unit_scale", "the spread with n")
def _(batches):
    return float(1 / torch.cat([b.reshape(-1) for b in batches]).std(unbiased=False))


@right("05a.unit_scale", "a tensor without dimensions")
def _(batches):
    return 1 / torch.cat(batches).std()


@right("05a.unit_scale", "NumPy")
def _(batches):
    return 1 / np.concatenate([b.numpy() for b in batches]).std()


@right("05a.unit_scale", "a tensor of one number")
def _(batches):
    return 1 / torch.cat(batches).std().view(1)


# -- 05a.there_and_back ----------------------------------------------------------------------------------------------


@wrong("05a.there_and_back", "the bare latents")
def _(x, encode, decode, scale):
    z = encode(x)
    return z, decode(z)


@wrong("05a.there_and_back", "decoded as they are")
def _(x, encode, decode, scale):
    z = encode(x) * scale
    return z, decode(z)


@wrong("05a.there_and_back", "a spread of its own")
def _(x, encode, decode, scale):
    z = encode(x)
    s = z.std()
    return z / s, decode(z)


@wrong("05a.there_and_back", "the two interchanged")
def _(x, encode, decode, scale):
    z = encode(x) * scale
    return decode(z / scale), z


@wrong("05a.there_and_back", "the picture scaled instead of the latents")
def _(x, encode, decode, scale):
    z = encode(x * scale)
    return z, decode(z / scale)


@wrong("05a.there_and_back", "the bare latents scaled in place before they are decoded")
def _(x, encode, decode, scale):
    z = encode(x)
    s = z.mul_(scale)
    return s, decode(z)


# Where encode draws, the picture is of other latents.
@wrong("05a.there_and_back", "encoded twice")
def _(x, encode, decode, scale):
    return encode(x) * scale, decode(encode(x))


@wrong("05a.there_and_back", "the picture clamped")
def _(x, encode, decode, scale):
    z = encode(x)
    return z * scale, decode(z).clamp(-1, 1)


@right("05a.there_and_back", "decoded first, a list")
def _(x, encode, decode, scale):
    b = encode(x)
    p = decode(b)
    return [b.mul(scale), p]


@right("05a.there_and_back", "without a graph")
@torch.no_grad()
def _(x, encode, decode, scale):
    z = scale * encode(x)
    return z, decode(z / scale)


# -- 05a.weighted_loss -----------------------------------------------------------------------------------------------


@wrong("05a.weighted_loss", "the ground counts nothing")
def _(recon, x, ink, weight):
    e = recon - x
    return (weight * ink * (e.abs() + e**2)).mean()


@wrong("05a.weighted_loss", "1 + weight where there is ink")
def _(recon, x, ink, weight):
    e = recon - x
    return ((1 + weight * ink) * (e.abs() + e**2)).mean()


@wrong("05a.weighted_loss", "divided by the weights")
def _(recon, x, ink, weight):
    e = recon - x
    w = (1 + (weight - 1) * ink).expand_as(x)
    return (w * (e.abs() + e**2)).sum() / w.sum()


@wrong("05a.weighted_loss", "the full weight for any ink")
def _(recon, x, ink, weight):
    e = recon - x
    return (torch.where(ink > 0, weight, 1.0) * (e.abs() + e**2)).mean()


@wrong("05a.weighted_loss", "the full weight from half ink on")
def _(recon, x, ink, weight):
    e = recon - x
    return (torch.where(ink > 0.5, weight, 1.0) * (e.abs() + e**2)).mean()


@wrong("05a.weighted_loss", "|e| alone is weighted")
def _(recon, x, ink, weight):
    e = recon - x
    return ((1 + (weight - 1) * ink) * e.abs() + e**2).mean()


@wrong("05a.weighted_loss", "summed over a picture")
def _(recon, x, ink, weight):
    e = recon - x
    return ((1 + (weight - 1) * ink) * (e.abs() + e**2)).sum((1, 2, 3)).mean()


@wrong("05a.weighted_loss", "the mean weight times the mean loss")
def _(recon, x, ink, weight):
    return (1 + (weight - 1) * ink).mean() * (F.l1_loss(recon, x) + F.mse_loss(recon, x))


@wrong("05a.weighted_loss", "a weight of 9 written down")
def _(recon, x, ink, weight):
    e = recon - x
    return ((1 + 8 * ink) * (e.abs() + e**2)).mean()


# Nothing can be trained with it.
@wrong("05a.weighted_loss", "the error is detached")
def _(recon, x, ink, weight):
    e = (recon - x).detach()
    return ((1 + (weight - 1) * ink) * (e.abs() + e**2)).mean()


@wrong("05a.weighted_loss", "the ground counts more")
def _(recon, x, ink, weight):
    e = recon - x
    return ((ink + weight * (1 - ink)) * (e.abs() + e**2)).mean()


@right("05a.weighted_loss", "the parts by F, with a keyword argument")
def _(recon, x, ink, weight, reduction="mean"):
    w = weight * ink + (1 - ink)
    return getattr(w * (F.l1_loss(recon, x, reduction="none") + F.mse_loss(recon, x, reduction="none")), reduction)()


@right("05a.weighted_loss", "in float64")
def _(recon, x, ink, weight):
    e = (recon.double() - x).abs()
    return ((1 + (weight - 1) * ink) * (e + e * e)).mean()


# -- 05a.decoder_steps -----------------------------------------------------------------------------------------------

wrong("05a.decoder_steps", "rounded down")(29)
wrong("05a.decoder_steps", "not rounded")(19 * 1257 / 804)
wrong("05a.decoder_steps", "without guidance")(60)
wrong("05a.decoder_steps", "a twentieth of the U-Net's part")(32)
wrong("05a.decoder_steps", "both")(63)
wrong("05a.decoder_steps", "as much as the decoder")(2)
right("05a.decoder_steps", "written down")(30)
right("05a.decoder_steps", "searched")(next(n for n in range(1, 99) if 1257 / (2 * 402 * n + 1257) < 0.05))
right("05a.decoder_steps", "a float")(30.0)


# -- 05a.enough_bits -------------------------------------------------------------------------------------------------

wrong("05a.enough_bits", "the spacing itself")(8)
wrong("05a.enough_bits", "half a spacing")(7)
wrong("05a.enough_bits", "rounded down")(5)
wrong("05a.enough_bits", "the variance")(4)
wrong("05a.enough_bits", "not rounded")(math.log2(6 / 12**0.5 / 0.04 + 1))
wrong("05a.enough_bits", "log2 of spread by noise")(math.log2(1 / 0.04))
right("05a.enough_bits", "written down")(6)
right("05a.enough_bits", "searched")(next(b for b in range(1, 20) if 6 / (2**b - 1) / 12**0.5 < 0.04))
right("05a.enough_bits", "a tensor")(torch.tensor(6))


# -- 05a.train_step --------------------------------------------------------------------------------------------------


wrong("05a.train_step", "the index itself")(40)
wrong("05a.train_step", "every twentieth")(200)
wrong("05a.train_step", "fiftyfirsts of 999")(999 * (1 - 40 / 51))
wrong("05a.train_step", "steps of 1000/51")(1000 - 40 * 1000 / 51)
wrong("05a.train_step", "upwards, steps of 1000/51")(40 / 51 * 1000)
wrong("05a.train_step", "one index too far")(999 - 41 * 999 / 50)
# The stub asks for a number.
wrong("05a.train_step", "a list of one number")([199.8])
wrong("05a.train_step", "rounded down")(199)
wrong("05a.train_step", "50 points")(np.linspace(999, 0, 50)[40])
right("05a.train_step", "from linspace")(torch.linspace(999, 0, 51)[40].item())
right("05a.train_step", "a tensor without dimensions")(torch.linspace(999, 0, 51, dtype=torch.float64)[40])
right("05a.train_step", "a NumPy number")(np.linspace(999, 0, 51)[40])
right("05a.train_step", "written down")(199.8)
right("05a.train_step", "a tensor of one number")(torch.linspace(999, 0, 51)[40:41])


# -- 05a.one_step ----------------------------------------------------------------------------------------------------


@wrong("05a.one_step", 'the form "sigma" for both')
def _(x, eps, nsr, form):
    return x - nsr * eps


@wrong("05a.one_step", "not divided by alpha")
def _(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    return x - nsr * alpha(nsr) * eps


@wrong("05a.one_step", "alpha = 1/(1 + nsr)")
def _(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    a = 1 / (1 + nsr)
    return (x - nsr * a * eps) / a


@wrong("05a.one_step", "alpha² = 1/(1 + nsr)")
def _(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    a = (1 / (1 + nsr)) ** 0.5
    s = (1 - a * a) ** 0.5
    return (x - s * eps) / a


@wrong("05a.one_step", 'the form "vp" for both')
def _(x, eps, nsr, form):
    return (x - nsr * alpha(nsr) * eps) / alpha(nsr)


@wrong("05a.one_step", 'the form "sigma" scaled by alpha')
def _(x, eps, nsr, form):
    if form == "sigma":
        return (x - nsr * eps) * alpha(nsr)
    return (x - nsr * alpha(nsr) * eps) / alpha(nsr)


@wrong("05a.one_step", "the forms interchanged")
def _(x, eps, nsr, form):
    if form == "vp":
        return x - nsr * eps
    return (x - nsr * alpha(nsr) * eps) / alpha(nsr)


@wrong("05a.one_step", "another spelling of the form")
def _(x, eps, nsr, form):
    if form == "VP":
        return (x - nsr * alpha(nsr) * eps) / alpha(nsr)
    return x - nsr * eps


@wrong("05a.one_step", "in place")
def _(x, eps, nsr, form):
    if form == "vp":
        x /= alpha(nsr)
    x -= nsr * eps
    return x


@wrong("05a.one_step", "alpha = 1 - sigma")
def _(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    a = 1 / (1 + nsr)
    s = 1 - a
    return (x - s * eps) / a


@wrong("05a.one_step", "alpha without the root")
def _(x, eps, nsr, form):
    a = 1.0 if form == "sigma" else 1 / (1 + nsr**2)
    return (x - a * nsr * eps) / a


@right("05a.one_step", 'brought to the form "sigma" first')
def _(x, eps, nsr, form):
    if form == "vp":
        x = x * math.sqrt(1 + nsr**2)
    return torch.sub(x, eps, alpha=nsr)


@right("05a.one_step", "straight from the docstring")
def _(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    return (x - nsr * alpha(nsr) * eps) / alpha(nsr)


@right("05a.one_step", "in float64, with torch's functions")
def _(x, eps, nsr, form):
    angle = torch.atan(torch.tensor(nsr, dtype=torch.float64))
    return x - nsr * eps.double() if form == "sigma" else (x - angle.sin() * eps) / angle.cos()


# -- 05a.slerp -------------------------------------------------------------------------------------------------------


@wrong("05a.slerp", "one angle for the batch")
def _(a, b, w):
    th = F.cosine_similarity(a.flatten(), b.flatten(), dim=0).acos()
    s = th.sin()
    return ((1 - w) * th).sin() / s * a + (w * th).sin() / s * b


# NaN for equal latents whose cosine is rounded up.
@wrong("05a.slerp", "the cosine is not held below 1")
def _(a, b, w):
    th = (F.normalize(a.flatten(1)) * F.normalize(b.flatten(1))).sum(1).acos().view(-1, 1, 1, 1)
    s = th.sin()
    return torch.where(s < 0.0001, (1 - w) * a + w * b, ((1 - w) * th).sin() / s * a + (w * th).sin() / s * b)


@wrong("05a.slerp", "along the line")
def _(a, b, w):
    return torch.lerp(a, b, w)


@wrong("05a.slerp", "the shares interchanged")
def _(a, b, w):
    return slerp(b, a, w)


@wrong("05a.slerp", "all along the line if one pair is parallel")
def _(a, b, w):
    th = angles(a, b)
    if (th.sin() < 1e-4).any():
        return torch.lerp(a, b, w)
    return ((1 - w) * th).sin() / th.sin() * a + (w * th).sin() / th.sin() * b


@wrong("05a.slerp", "a small number in the denominator")
def _(a, b, w):
    th = angles(a, b)
    s = th.sin() + 1e-4
    return ((1 - w) * th).sin() / s * a + (w * th).sin() / s * b


# Wrong for opposite latents, which the stub's rule covers.
@wrong("05a.slerp", "the cosine held inside ±(1 - 1e-7), and no special case")
def _(a, b, w):
    th = F.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-1 + 1e-07, 1 - 1e-07).acos().view(-1, 1, 1, 1)
    s = th.sin()
    return ((1 - w) * th).sin() / s * a + (w * th).sin() / s * b


# The stub's rule covers them: there sin(theta) is 0 as well.
@wrong("05a.slerp", "opposite latents are not treated")
def _(a, b, w):
    th = angles(a, b)
    arc = ((1 - w) * th).sin() / th.sin() * a + (w * th).sin() / th.sin() * b
    return torch.where(th < 1e-4, torch.lerp(a, b, w), arc)


@wrong("05a.slerp", "flat")
def _(a, b, w):
    return slerp(a, b, w).flatten(1)


@wrong("05a.slerp", "the absolute value of the cosine")
def _(a, b, w):
    th = F.cosine_similarity(a.flatten(1), b.flatten(1)).abs().clamp(max=1).acos().view(-1, 1, 1, 1)
    arc = ((1 - w) * th).sin() / th.sin() * a + (w * th).sin() / th.sin() * b
    return torch.where(th.sin() < 1e-4, torch.lerp(a, b, w), arc)


@right("05a.slerp", "a loop, float64")
def _(a, b, w):
    out = []
    for p, q in zip(a, b):
        P, Q = p.double().flatten(), q.double().flatten()
        th = math.acos(max(-1, min(1, float(P @ Q / (P.norm() * Q.norm())))))
        if math.sin(th) < 0.0001:
            out.append(torch.lerp(p, q, w))
            continue
        out.append(((math.sin((1 - w) * th) * P + math.sin(w * th) * Q) / math.sin(th)).view_as(p).to(p.dtype))
    return torch.stack(out)


@right("05a.slerp", "in float64")
def _(a, b, w):
    return slerp(a.double(), b.double(), w)
