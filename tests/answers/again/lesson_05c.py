import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong


# ---- ldm_loss
@wrong("05c.ldm_loss", "roots forgotten")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return ((eps - unet(a * z + (1 - a) * eps, t, c)) ** 2).mean()


@wrong("05c.ldm_loss", "own noise")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    eps = torch.randn_like(z)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return ((eps - unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c)) ** 2).mean()


@wrong("05c.ldm_loss", "t divided by T")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return ((eps - unet(a.sqrt() * z + (1 - a).sqrt() * eps, t / len(alpha_bars), c)) ** 2).mean()


@wrong("05c.ldm_loss", "network under no_grad")
def _(images, c, t, eps, alpha_bars, encode, unet):
    with torch.no_grad():
        z = encode(images)
        a = alpha_bars[t].view(-1, 1, 1, 1)
        out = unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c)
    return ((eps - out) ** 2).mean()


@wrong("05c.ldm_loss", "prompts detached")
def _(images, c, t, eps, alpha_bars, encode, unet):
    with torch.no_grad():
        z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return ((eps - unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c.detach())) ** 2).mean()


@wrong("05c.ldm_loss", "sum of an image, mean over the batch")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    e = eps - unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c)
    return e.pow(2).flatten(1).sum(1).mean()


@wrong("05c.ldm_loss", "one time for all")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t[0]]
    return F.mse_loss(unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c), eps)


@wrong("05c.ldm_loss", "compared with the latents")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return F.mse_loss(unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c), z)


@wrong("05c.ldm_loss", "index t - 1")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t - 1].view(-1, 1, 1, 1)
    return F.mse_loss(unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c), eps)


@wrong("05c.ldm_loss", "multiplied out over the steps once more")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = torch.cumprod(alpha_bars, 0)[t].view(-1, 1, 1, 1)
    return F.mse_loss(unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c), eps)


@wrong("05c.ldm_loss", "absolute difference")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return (eps - unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c)).abs().mean()


@wrong("05c.ldm_loss", "scaled once more, again")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images) * 0.18215
    a = alpha_bars[t].view(-1, 1, 1, 1)
    return F.mse_loss(unet(a.sqrt() * z + (1 - a).sqrt() * eps, t, c), eps)


@right("05c.ldm_loss", "mse_loss, encoder without graph")
def _(images, c, t, eps, alpha_bars, encode, unet):
    with torch.no_grad():
        z = encode(images)
    signal = alpha_bars[t].sqrt()[:, None, None, None].to(z.dtype)
    noise = (1 - alpha_bars[t]).sqrt()[:, None, None, None].to(z.dtype)
    return F.mse_loss(unet(signal * z + noise * eps, t, c), eps)


@right("05c.ldm_loss", "noised image by image")
def _(images, c, t, eps, alpha_bars, encode, unet):
    z = encode(images)
    rows = []
    for i in range(len(z)):
        a = float(alpha_bars[int(t[i])])
        rows.append(math.sqrt(a) * z[i] + math.sqrt(1 - a) * eps[i])
    out = unet(torch.stack(rows), t, c)
    return torch.sum((eps - out).square()) / eps.numel()


# ---- draw_latents
@wrong("05c.draw_latents", "variance in the place of std")
def _(mean, log_var, eps, scale):
    return scale * (mean + log_var.exp() * eps)


@wrong("05c.draw_latents", "only the mean scaled")
def _(mean, log_var, eps, scale):
    return scale * mean + (0.5 * log_var).exp() * eps


@wrong("05c.draw_latents", "divided by the factor")
def _(mean, log_var, eps, scale):
    return (mean + (0.5 * log_var).exp() * eps) / scale


@wrong("05c.draw_latents", "own noise")
def _(mean, log_var, eps, scale):
    return scale * (mean + (0.5 * log_var).exp() * torch.randn_like(mean))


@wrong("05c.draw_latents", "mean alone")
def _(mean, log_var, eps, scale):
    return scale * mean


@wrong("05c.draw_latents", "log variance under the root")
def _(mean, log_var, eps, scale):
    return scale * (mean + log_var.abs().sqrt() * eps)


@wrong("05c.draw_latents", "log variance taken for log std")
def _(mean, log_var, eps, scale):
    return scale * (mean + torch.exp(2 * log_var) * eps)


@wrong("05c.draw_latents", "Stable Diffusion's factor")
def _(mean, log_var, eps, scale):
    return 0.18215 * (mean + (0.5 * log_var).exp() * eps)


@wrong("05c.draw_latents", "log variance clamped at 0")
def _(mean, log_var, eps, scale):
    return scale * (mean + (0.5 * log_var.clamp(max=0)).exp() * eps)


@wrong("05c.draw_latents", "not scaled")
def _(mean, log_var, eps, scale):
    return mean + (0.5 * log_var).exp() * eps


@wrong("05c.draw_latents", "brackets: sign of half")
def _(mean, log_var, eps, scale):
    return scale * (mean + torch.exp(-0.5 * log_var) * eps)


@right("05c.draw_latents", "root of the variance")
def _(mean, log_var, eps, scale):
    std = torch.sqrt(torch.exp(log_var.double()))
    return ((mean.double() + std * eps.double()) * scale).to(mean.dtype)


@right("05c.draw_latents", "addcmul")
def _(mean, log_var, eps, scale):
    return torch.addcmul(mean, torch.exp(log_var / 2), eps).mul(scale)


@right("05c.draw_latents", "NumPy")
def _(mean, log_var, eps, scale):
    m, l, e = (a.detach().cpu().double().numpy() for a in (mean, log_var, eps))
    return torch.tensor(scale * m + scale * np.exp(0.5 * l) * e).to(mean.dtype)


# ---- noises
@wrong("05c.noises", "one generator for all")
def _(seed, first, n, shape):
    g = torch.Generator().manual_seed(1000 * seed + first)
    return torch.randn((n, *shape), generator=g)


@wrong("05c.noises", "one generator, drawn picture by picture")
def _(seed, first, n, shape):
    g = torch.Generator().manual_seed(1000 * seed + first)
    return torch.stack([torch.randn(shape, generator=g) for _ in range(n)])


@wrong("05c.noises", "first forgotten")
def _(seed, first, n, shape):
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(n)])


@wrong("05c.noises", "seed + i")
def _(seed, first, n, shape):
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(first, first + n)]
    )


@wrong("05c.noises", "one picture too many")
def _(seed, first, n, shape):
    return torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i))
            for i in range(first, first + n + 1)
        ]
    )


@wrong("05c.noises", "counted from first + 1")
def _(seed, first, n, shape):
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + first + i)) for i in range(1, n + 1)]
    )


@wrong("05c.noises", "uniform numbers")
def _(seed, first, n, shape):
    return torch.stack(
        [torch.rand(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(first, first + n)]
    )


@wrong("05c.noises", "generator made but not handed over")
def _(seed, first, n, shape):
    out = []
    for i in range(first, first + n):
        g = torch.Generator().manual_seed(1000 * seed + i)
        out.append(torch.randn(shape))
    return torch.stack(out)


@wrong("05c.noises", "the brackets: 1000 * (seed + i)")
def _(seed, first, n, shape):
    return torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(1000 * (seed + i)))
            for i in range(first, first + n)
        ]
    )


@wrong("05c.noises", "side by side as channels")
def _(seed, first, n, shape):
    return torch.cat(
        [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(first, first + n)]
    )


@right("05c.noises", "written into an empty tensor")
def _(seed, first, n, shape):
    out = torch.empty((n, *shape))
    for j in range(n):
        g = torch.Generator()
        g.manual_seed(1000 * seed + first + j)
        out[j] = torch.randn(shape, generator=g)
    return out


@right("05c.noises", "batches of one, joined")
def _(seed, first, n, shape):
    generators = [torch.Generator(device="cpu").manual_seed(seed * 1000 + i) for i in range(first, first + n)]
    return torch.cat([torch.randn(*shape, generator=g).unsqueeze(0) for g in generators], dim=0)


# ---- relative_accuracy
@wrong("05c.relative_accuracy", "compared with the ceiling's readings")
def _(shown, asked, ceiling):
    ok = shown == ceiling
    return torch.cat([ok.float().mean(0), ok.all(1).float().mean()[None]])


@wrong("05c.relative_accuracy", "not divided by the ceiling")
def _(shown, asked, ceiling):
    ok = shown == asked
    return torch.cat([ok.float().mean(0), ok.all(1).float().mean()[None]])


@wrong("05c.relative_accuracy", "all five as the product")
def _(shown, asked, ceiling):
    r = (shown == asked).float().mean(0) / (ceiling == asked).float().mean(0)
    return torch.cat([r, r.prod()[None]])


@wrong("05c.relative_accuracy", "all five as the mean")
def _(shown, asked, ceiling):
    r = (shown == asked).float().mean(0) / (ceiling == asked).float().mean(0)
    return torch.cat([r, r.mean()[None]])


@wrong("05c.relative_accuracy", "only pictures that the ceiling reads")
def _(shown, asked, ceiling):
    top = ceiling == asked
    ok = (shown == asked) & top
    one = ok.float().sum(0) / top.float().sum(0)
    return torch.cat([one, (ok.all(1).sum() / top.all(1).sum())[None]])


@wrong("05c.relative_accuracy", "capped at 1")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) / b.float().mean(0)
    every = a.all(1).float().mean() / b.all(1).float().mean()
    return torch.cat([one, every[None]]).clamp(max=1)


@wrong("05c.relative_accuracy", "all of a column, not of a row")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) / b.float().mean(0)
    every = a.all(0).float().mean() / b.all(0).float().mean()
    return torch.cat([one, every[None]])


@wrong("05c.relative_accuracy", "sixth not divided")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) / b.float().mean(0)
    return torch.cat([one, a.all(1).float().mean()[None]])


@wrong("05c.relative_accuracy", "difference to the ceiling")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) - b.float().mean(0)
    return torch.cat([one, (a.all(1).float().mean() - b.all(1).float().mean())[None]])


@wrong("05c.relative_accuracy", "any in the place of all")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) / b.float().mean(0)
    return torch.cat([one, (a.any(1).float().mean() / b.any(1).float().mean())[None]])


@wrong("05c.relative_accuracy", "all five first, again")
def _(shown, asked, ceiling):
    a, b = shown == asked, ceiling == asked
    one = a.float().mean(0) / b.float().mean(0)
    return torch.cat([(a.all(1).float().mean() / b.all(1).float().mean())[None], one])


@right("05c.relative_accuracy", "sixth column")
def _(shown, asked, ceiling):
    a = (shown == asked).double()
    b = (ceiling == asked).double()
    a = torch.cat([a, a.prod(1, keepdim=True)], dim=1)
    b = torch.cat([b, b.prod(1, keepdim=True)], dim=1)
    return (a.sum(0) / b.sum(0)).float()


@right("05c.relative_accuracy", "counted in a loop")
def _(shown, asked, ceiling):
    hits, tops = [0] * 6, [0] * 6
    for s, a, c in zip(shown.tolist(), asked.tolist(), ceiling.tolist()):
        for j in range(5):
            hits[j] += s[j] == a[j]
            tops[j] += c[j] == a[j]
        hits[5] += s == a
        tops[5] += c == a
    return torch.tensor(hits, dtype=torch.float32) / torch.tensor(tops, dtype=torch.float32)


# ---- mended
@wrong("05c.mended", "scaled once more before decoding")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for i, t in enumerate(times):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, times[i + 1] if i + 1 < len(times) else None)
    return decoder(z * scale)


@wrong("05c.mended", "scale forgotten")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for i, t in enumerate(times):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, times[i + 1] if i + 1 < len(times) else None)
    return decoder(z)


@wrong("05c.mended", "last step left out")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times[:-1], times[1:]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "last step to the time 0")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [0]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "prompt and empty text swapped")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e1 + w * (e0 - e1), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "counted from the prompt's prediction")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e1 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "zeros in the place of the empty text")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, z = text(prompts), noise
    n = torch.zeros_like(c)
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "stays at the first noise")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(noise, tt, n), unet(noise, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "times the wrong way round")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    up = sorted(times)
    for t, to in zip(up, up[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "noise scaled too")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise * scale
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "first prompt for all")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts[:1]), text([""]), noise
    c, n = c.expand(len(z), -1, -1), n.expand(len(z), -1, -1)
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "unet at the time to come")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), to if to is not None else 0)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return decoder(z / scale)


@wrong("05c.mended", "images clamped to [0, 1]")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    c, n, z = text(prompts), text([""] * len(prompts)), noise
    for t, to in zip(times, times[1:] + [None]):
        tt = torch.full((len(z),), t)
        e0, e1 = unet(z, tt, n), unet(z, tt, c)
        z = step(z, e0 + w * (e1 - e0), t, to)
    return (decoder(z / scale) / 2 + 0.5).clamp(0, 1)


@right("05c.mended", "one empty text, expanded")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    B = noise.shape[0]
    words = text(list(prompts))
    empty = text([""]).expand(B, -1, -1)
    z = noise.clone()
    for i in range(len(times)):
        now = times[i]
        then = None if i == len(times) - 1 else times[i + 1]
        t = torch.tensor([now] * B, device=noise.device)
        without = unet(z, t, empty)
        with_ = unet(z, t, words)
        z = step(z, torch.lerp(without, with_, float(w)), now, then)
    return decoder(z / scale)


@right("05c.mended", "pairs by zip, other form of guidance")
def _(prompts, noise, times, w, text, unet, step, decoder, scale):
    cond, null = text(prompts), text([""] * len(prompts))
    z = noise
    for t, to in zip(times, [*times[1:], None]):
        batch = torch.full((z.size(0),), t, dtype=torch.int64)
        eps = (1 - w) * unet(z, batch, null) + w * unet(z, batch, cond)
        z = step(z, eps, t, to)
    return decoder(z * (1 / scale))
