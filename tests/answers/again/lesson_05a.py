import math

import numpy as np
import torch
from learn_answers import right, wrong


# ---- compression
@wrong("05a.compression", "both stored in 8 bits")
def _(image, latent, latent_bits):
    a = image[0] * image[1] * image[2]
    b = latent[0] * latent[1] * latent[2]
    return a / b, a * 8 / (b * 8)


@wrong("05a.compression", "channels forgotten")
def _(image, latent, latent_bits):
    n = image[1] * image[2] / (latent[1] * latent[2])
    return n, n * 8 / latent_bits


@wrong("05a.compression", "bits the wrong way up")
def _(image, latent, latent_bits):
    n = math.prod(image) / math.prod(latent)
    return n, n * latent_bits / 8


@wrong("05a.compression", "whole division")
def _(image, latent, latent_bits):
    n = math.prod(image) // math.prod(latent)
    return n, n * 8 / latent_bits


@wrong("05a.compression", "Stable Diffusion's 48 hard-coded")
def _(image, latent, latent_bits):
    return 48.0, 48.0 * 8 / latent_bits


@wrong("05a.compression", "latents over picture")
def _(image, latent, latent_bits):
    n = math.prod(latent) / math.prod(image)
    return n, n * latent_bits / 8


@wrong("05a.compression", "picture in 3 x 8 bits a value")
def _(image, latent, latent_bits):
    n = math.prod(image) / math.prod(latent)
    return n, n * 24 / latent_bits


@wrong("05a.compression", "returned the other way round")
def _(image, latent, latent_bits):
    n = math.prod(image) / math.prod(latent)
    return n * 8 / latent_bits, n


@right("05a.compression", "by math.prod")
def _(image, latent, latent_bits):
    a, b = math.prod(image), math.prod(latent)
    return a / b, (8 * a) / (latent_bits * b)


@right("05a.compression", "loop over the axes")
def _(image, latent, latent_bits):
    times = 1.0
    for i, l in zip(image, latent):
        times *= i / l
    return times, times / (latent_bits / 8)


@right("05a.compression", "NumPy")
def _(image, latent, latent_bits):
    n = float(np.prod(np.array(image, dtype=np.float64)) / np.prod(np.array(latent, dtype=np.float64)))
    return n, n * 8.0 / latent_bits


# ---- quantise
@wrong("05a.quantise", "2^bits steps, one value too many")
def _(z, bits, reach):
    step = 2 * reach / 2**bits
    return torch.round((z.clamp(-reach, reach) + reach) / step) * step - reach


@wrong("05a.quantise", "clamp forgotten")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return torch.round((z + reach) / step) * step - reach


@wrong("05a.quantise", "floor in the place of round")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return torch.floor((z.clamp(-reach, reach) + reach) / step) * step - reach


@wrong("05a.quantise", "grid through zero")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return (torch.round(z / step) * step).clamp(-reach, reach)


@wrong("05a.quantise", "bits as number of values")
def _(z, bits, reach):
    step = 2 * reach / max(bits - 1, 1)
    return torch.round((z.clamp(-reach, reach) + reach) / step) * step - reach


@wrong("05a.quantise", "reach taken for the whole width")
def _(z, bits, reach):
    step = reach / (2**bits - 1)
    return torch.round((z.clamp(-reach, reach) + reach) / step) * step - reach


@wrong("05a.quantise", "reach from the data")
def _(z, bits, reach):
    reach = z.abs().max()
    step = 2 * reach / (2**bits - 1)
    return torch.round((z + reach) / step) * step - reach


@wrong("05a.quantise", "the codes, not the values")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return torch.round((z.clamp(-reach, reach) + reach) / step)


@wrong("05a.quantise", "clamped at one end only")
def _(z, bits, reach):
    step = 2 * reach / (2**bits - 1)
    return torch.round((z.clamp(max=reach) + reach) / step) * step - reach


@right("05a.quantise", "NumPy in float64")
def _(z, bits, reach):
    n = 2**bits - 1
    a = z.detach().cpu().double().numpy()
    k = np.clip(np.rint((a / reach + 1) / 2 * n), 0, n)
    return torch.tensor((2 * k / n - 1) * reach).to(z.dtype)


@right("05a.quantise", "to [0, 1] and back")
def _(z, bits, reach):
    n = 2**bits - 1
    unit = ((z + reach) / (2 * reach)).clamp(0, 1)
    return (unit * n).round() / n * (2 * reach) - reach


@right("05a.quantise", "two neighbours on the list of values")
def _(z, bits, reach):
    values = torch.linspace(-reach, reach, 2**bits, dtype=torch.float64)
    zz = z.double().contiguous()
    above = torch.searchsorted(values, zz).clamp(1, len(values) - 1)
    lo, hi = values[above - 1], values[above]
    return torch.where(zz - lo <= hi - zz, lo, hi).to(z.dtype)


# ---- there_and_back
@wrong("05a.there_and_back", "scaled latents decoded")
def _(x, encode, decode, scale):
    z = encode(x) * scale
    return z, decode(z)


@wrong("05a.there_and_back", "divided on the way in")
def _(x, encode, decode, scale):
    z = encode(x) / scale
    return z, decode(z * scale)


@wrong("05a.there_and_back", "encoded twice, again")
def _(x, encode, decode, scale):
    return encode(x) * scale, decode(encode(x))


@wrong("05a.there_and_back", "bare latents returned")
def _(x, encode, decode, scale):
    z = encode(x)
    return z, decode(z)


@wrong("05a.there_and_back", "multiplied in place before decoding")
def _(x, encode, decode, scale):
    z = encode(x)
    latents = z
    latents *= scale
    return latents, decode(z)


@wrong("05a.there_and_back", "own standard deviation of this batch")
def _(x, encode, decode, scale):
    z = encode(x)
    return z / z.std(), decode(z)


@wrong("05a.there_and_back", "picture first")
def _(x, encode, decode, scale):
    z = encode(x)
    return decode(z), z * scale


@wrong("05a.there_and_back", "picture scaled, not the latents")
def _(x, encode, decode, scale):
    z = encode(x * scale)
    return z, decode(z) / scale


@wrong("05a.there_and_back", "multiplied twice")
def _(x, encode, decode, scale):
    z = encode(x) * scale
    return z, decode(z * scale)


@right("05a.there_and_back", "bare ones kept")
def _(x, encode, decode, scale):
    bare = encode(x)
    picture = decode(bare)
    return torch.mul(bare, scale), picture


@right("05a.there_and_back", "scaled and divided again")
def _(x, encode, decode, scale):
    latents = scale * encode(x)
    return latents, decode(latents / scale)


@right("05a.there_and_back", "by the standard deviation")
def _(x, encode, decode, scale):
    std = 1.0 / scale
    latents = encode(x) / std
    return latents, decode(latents * std)


# ---- slerp
@wrong("05a.slerp", "one angle for the whole batch")
def _(a, b, w):
    cos = (a * b).sum() / (a.norm() * b.norm())
    theta = torch.acos(cos.clamp(-1, 1))
    s = torch.sin(theta)
    if s < 1e-4:
        return (1 - w) * a + w * b
    return torch.sin((1 - w) * theta) / s * a + torch.sin(w * theta) / s * b


@wrong("05a.slerp", "angle of every pixel's channels")
def _(a, b, w):
    x, y = a.double(), b.double()
    cos = (x * y).sum(1, keepdim=True) / (x.norm(dim=1, keepdim=True) * y.norm(dim=1, keepdim=True))
    theta = torch.acos(cos.clamp(-1, 1))
    s = torch.sin(theta)
    arc = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    return torch.where(s < 1e-4, (1 - w) * x + w * y, arc).to(a.dtype)


@wrong("05a.slerp", "vectors on one line forgotten")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    cos = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    theta = torch.acos(cos.clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    out = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    return out.view_as(a).to(a.dtype)


@wrong("05a.slerp", "opposite directions forgotten")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    cos = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    theta = torch.acos(cos.clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    arc = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    out = torch.where(theta < 1e-4, (1 - w) * x + w * y, arc)
    return out.view_as(a).to(a.dtype)


@wrong("05a.slerp", "w at the wrong end")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    cos = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    theta = torch.acos(cos.clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    arc = torch.sin(w * theta) / s * x + torch.sin((1 - w) * theta) / s * y
    out = torch.where(s < 1e-4, w * x + (1 - w) * y, arc)
    return out.view_as(a).to(a.dtype)


@wrong("05a.slerp", "unit vectors mixed, lengths lost")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    x, y = x / x.norm(dim=1, keepdim=True), y / y.norm(dim=1, keepdim=True)
    theta = torch.acos((x * y).sum(1).clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    arc = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    out = torch.where(s < 1e-4, (1 - w) * x + w * y, arc)
    return out.view_as(a).to(a.dtype)


@wrong("05a.slerp", "straight line")
def _(a, b, w):
    return torch.lerp(a, b, w)


@wrong("05a.slerp", "clamp forgotten, float32")
def _(a, b, w):
    x, y = a.flatten(1), b.flatten(1)
    theta = torch.acos((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).view(-1, 1)
    s = torch.sin(theta)
    arc = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    return torch.where(s < 1e-4, (1 - w) * x + w * y, arc).view_as(a)


@wrong("05a.slerp", "lerp for all as soon as one pair is on a line")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    cos = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    theta = torch.acos(cos.clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    if (s < 1e-4).any():
        return (1 - w) * a + w * b
    out = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    return out.view_as(a).to(a.dtype)


@wrong("05a.slerp", "dot product not divided by the lengths")
def _(a, b, w):
    x, y = a.flatten(1).double(), b.flatten(1).double()
    theta = torch.acos((x * y).sum(1).clamp(-1, 1)).view(-1, 1)
    s = torch.sin(theta)
    arc = torch.sin((1 - w) * theta) / s * x + torch.sin(w * theta) / s * y
    return torch.where(s < 1e-4, (1 - w) * x + w * y, arc).view_as(a).to(a.dtype)


@right("05a.slerp", "loop in NumPy, float64")
def _(a, b, w):
    out = np.empty(tuple(a.shape))
    for i in range(a.shape[0]):
        p = a[i].detach().double().numpy()
        q = b[i].detach().double().numpy()
        lengths = np.sqrt((p * p).sum()) * np.sqrt((q * q).sum())
        cos = (p * q).sum() / lengths if lengths > 0 else 1.0
        theta = math.acos(min(1.0, max(-1.0, cos)))
        if math.sin(theta) < 1e-4:
            out[i] = (1 - w) * p + w * q
        else:
            out[i] = (math.sin((1 - w) * theta) * p + math.sin(w * theta) * q) / math.sin(theta)
    return torch.from_numpy(out).to(a.dtype)


@right("05a.slerp", "half angle by atan2")
def _(a, b, w):
    x, y = a.double(), b.double()
    ux = x / torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True)
    uy = y / torch.linalg.vector_norm(y, dim=(1, 2, 3), keepdim=True)
    far = torch.linalg.vector_norm(ux - uy, dim=(1, 2, 3), keepdim=True)
    near = torch.linalg.vector_norm(ux + uy, dim=(1, 2, 3), keepdim=True)
    theta = 2 * torch.atan2(far, near)
    s = theta.sin()
    bent = s >= 1e-4
    safe = torch.where(bent, s, torch.ones_like(s))
    ca = torch.where(bent, ((1 - w) * theta).sin() / safe, torch.full_like(s, 1 - w))
    cb = torch.where(bent, (w * theta).sin() / safe, torch.full_like(s, w))
    return (ca * x + cb * y).to(a.dtype)


# ---- train_step (a value)
wrong("05a.train_step", "steps of 20 from 1000")(200)
wrong("05a.train_step", "divided by 51")(999 - 40 * 999 / 51)
wrong("05a.train_step", "counted from 1")(999 - 39 * 999 / 50)
wrong("05a.train_step", "one too far")(999 - 41 * 999 / 50)
wrong("05a.train_step", "counted from 0 upwards")(40 * 999 / 50)
wrong("05a.train_step", "steps of 20 from 999")(999 - 40 * 20)
right("05a.train_step", "by formula")(999 * (1 - 40 / 50))
right("05a.train_step", "by linspace")(torch.linspace(999, 0, 51, dtype=torch.float64)[40].item())
