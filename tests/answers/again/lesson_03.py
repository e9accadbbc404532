import contextlib
import copy
import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn

# ---- ResBlock


@wrong("03.ResBlock", "scale and shift swapped")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        shift, scale = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "scale without the one")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * scale + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "no silu on the embedding")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "x itself as the skip")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


@wrong("03.ResBlock", "no skip, again")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.conv2(F.silu(h))


@wrong("03.ResBlock", "modulated before the norm")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h * (1 + scale) + shift)
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "every second channel is a scale")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        e = self.emb_layer(F.silu(emb))[:, :, None, None]
        scale, shift = e[:, ::2], e[:, 1::2]
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "relu for silu")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.relu(self.norm1(x)))
        scale, shift = self.emb_layer(F.relu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.relu(h))


@wrong("03.ResBlock", "no silu before conv2")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(h)


@wrong("03.ResBlock", "silu before norm1")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(self.norm1(F.silu(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "adds onto the identity in place")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        out = self.skip(x)
        out += self.conv2(F.silu(h))
        return out


@wrong("03.ResBlock", "silu of the embedding in place")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb, inplace=True))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "embedding detached")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb.detach()))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "only the first embedding of the batch")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb[:1]))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@wrong("03.ResBlock", "only the shift")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) + shift
        return self.skip(x) + self.conv2(F.silu(h))


@right("03.ResBlock", "slices and silu by sigmoid")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        e = self.emb_layer(emb * torch.sigmoid(emb))
        c = e.shape[1] // 2
        scale = e[:, :c].unsqueeze(-1).unsqueeze(-1)
        shift = e[:, c:].unsqueeze(-1).unsqueeze(-1)
        h = self.norm1(x)
        h = self.conv1(h * torch.sigmoid(h))
        h = self.norm2(h)
        h = h + h * scale + shift
        h = self.conv2(h * torch.sigmoid(h))
        return h + self.skip(x)


@right("03.ResBlock", "group norm by hand, addcmul")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        def norm(v, layer):
            b, c, height, width = v.shape
            g = v.reshape(b, layer.num_groups, -1)
            g = (g - g.mean(-1, keepdim=True)) / torch.sqrt(g.var(-1, keepdim=True, unbiased=False) + layer.eps)
            return g.reshape(b, c, height, width) * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)

        h = self.conv1(F.silu(norm(x, self.norm1)))
        halves = self.emb_layer(F.silu(emb)).view(x.shape[0], 2, -1, 1, 1)
        h = torch.addcmul(halves[:, 1], norm(h, self.norm2), 1 + halves[:, 0])
        return torch.add(self.conv2(F.silu(h)), self.skip(x))


@right("03.ResBlock", "functional, with einsum")
class _(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = F.group_norm(x, self.norm1.num_groups, self.norm1.weight, self.norm1.bias, eps=self.norm1.eps)
        h = F.conv2d(F.silu(h), self.conv1.weight, self.conv1.bias, padding=1)
        scale, shift = torch.tensor_split(F.linear(F.silu(emb), self.emb_layer.weight, self.emb_layer.bias), 2, dim=-1)
        h = torch.einsum("bchw,bc->bchw", self.norm2(h), scale + 1) + shift[..., None, None]
        return self.skip(x) + self.conv2(F.silu(h))


# ---- stratified_times


@wrong("03.stratified_times", "cut off at T - 1 instead of frac")
def _(u, B, T):
    return torch.tensor([min(T - 1, math.floor(T * (u + i / B))) for i in range(B)])


@wrong("03.stratified_times", "rounded")
def _(u, B, T):
    return torch.tensor([round(T * ((u + i / B) % 1)) for i in range(B)])


@wrong("03.stratified_times", "divided by B - 1")
def _(u, B, T):
    return torch.tensor([math.floor(T * ((u + i / max(B - 1, 1)) % 1)) for i in range(B)])


@wrong("03.stratified_times", "own uniform number for each")
def _(u, B, T):
    i = torch.arange(B)
    return (T * (torch.rand(B) / B + i / B)).floor().long()


@wrong("03.stratified_times", "u shrunk to one stratum")
def _(u, B, T):
    return torch.tensor([math.floor(T * (i + u) / B) for i in range(B)])


@wrong("03.stratified_times", "i from 1 to B")
def _(u, B, T):
    return torch.tensor([math.floor(T * ((u + i / B) % 1)) for i in range(1, B + 1)])


@wrong("03.stratified_times", "floats come back")
def _(u, B, T):
    i = torch.arange(B, dtype=torch.float64)
    return torch.floor(T * torch.frac(u + i / B))


@wrong("03.stratified_times", "T - 1 as the factor")
def _(u, B, T):
    i = torch.arange(B, dtype=torch.float64)
    return torch.floor((T - 1) * torch.frac(u + i / B)).long()


@wrong("03.stratified_times", "sorted, again")
def _(u, B, T):
    i = torch.arange(B, dtype=torch.float64)
    return torch.floor(T * torch.frac(u + i / B)).long().sort().values


@wrong("03.stratified_times", "whole-number stride T // B")
def _(u, B, T):
    return (math.floor(T * u) + torch.arange(B) * (T // B)) % T


@wrong("03.stratified_times", "T = 1000 by hand")
def _(u, B, T):
    i = torch.arange(B, dtype=torch.float64)
    return torch.floor(1000 * torch.frac(u + i / B)).long()


@wrong("03.stratified_times", "times 1 to T")
def _(u, B, T):
    i = torch.arange(B, dtype=torch.float64)
    return torch.ceil(T * torch.frac(u + i / B) + 1e-9).long()


@right("03.stratified_times", "loop with math.floor")
def _(u, B, T):
    times = []
    for i in range(B):
        z = u + i / B
        times.append(math.floor(T * (z - math.floor(z))))
    return torch.tensor(times, dtype=torch.long)


@right("03.stratified_times", "numpy, int32")
def _(u, B, T):
    z = u + np.arange(B) / B
    return torch.from_numpy(np.floor(T * np.mod(z, 1.0)).astype(np.int32))


@right("03.stratified_times", "exact with fractions")
def _(u, B, T):
    return torch.tensor([int(T * ((Fraction(u) + Fraction(i, B)) % 1)) for i in range(B)])


# ---- ema_update


@wrong("03.ema_update", "no warm-up")
def _(averages, values, decay, n):
    return [decay * a + (1 - decay) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "max instead of min")
def _(averages, values, decay, n):
    d = max(decay, (1 + n) / (10 + n))
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "decay on the value")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return [(1 - d) * a + d * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "n counted from 1")
def _(averages, values, decay, n):
    d = min(decay, n / (9 + n))
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "n one too high")
def _(averages, values, decay, n):
    n += 1
    d = min(decay, (1 + n) / (10 + n))
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "averages changed in place")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    with torch.no_grad():
        for a, v in zip(averages, values):
            a.mul_(d).add_(v, alpha=1 - d)
    return averages


@wrong("03.ema_update", "the old list refilled")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    for i in range(len(averages)):
        averages[i] = d * averages[i] + (1 - d) * values[i]
    return averages


@wrong("03.ema_update", "only the first tensor")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    new = list(averages)
    new[0] = d * averages[0] + (1 - d) * values[0]
    return new


@wrong("03.ema_update", "decay never reached")
def _(averages, values, decay, n):
    d = (1 + n) / (10 + n)
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "whole-number division")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) // (10 + n))
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "first update copies the values")
def _(averages, values, decay, n):
    if n == 0:
        return [v.clone() for v in values]
    d = min(decay, (1 + n) / (10 + n))
    return [d * a + (1 - d) * v for a, v in zip(averages, values)]


@wrong("03.ema_update", "a generator comes back")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return (d * a + (1 - d) * v for a, v in zip(averages, values))


@right("03.ema_update", "a step towards the value")
def _(averages, values, decay, n):
    warm = (n + 1.0) / (n + 10.0)
    rate = 1 - (warm if warm < decay else decay)
    new = []
    for i in range(len(averages)):
        new.append(averages[i] + rate * (values[i] - averages[i]))
    return new


@right("03.ema_update", "torch.lerp")
def _(averages, values, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return [torch.lerp(v, a, d) for a, v in zip(averages, values)]


@right("03.ema_update", "clone, then in place on the copy")
def _(averages, values, decay, n):
    d = min((1 + n) / (10 + n), decay)
    new = [a.detach().clone() for a in averages]
    for a, v in zip(new, values):
        a.mul_(d).add_(v.detach(), alpha=1 - d)
    return new


# ---- to_pixels


@wrong("03.to_pixels", "to 255")
def _(images):
    return (((images + 1) / 2).clamp(0, 1) * 255).to(torch.uint8)


@wrong("03.to_pixels", "stretched between min and max")
def _(images):
    return (images - images.min()) / (images.max() - images.min())


@wrong("03.to_pixels", "not cut off")
def _(images):
    return (images + 1) / 2


@wrong("03.to_pixels", "only clamped")
def _(images):
    return images.clamp(0, 1)


@wrong("03.to_pixels", "clamped to [0, 1], then shifted")
def _(images):
    return (images.clamp(0, 1) + 1) / 2


@wrong("03.to_pixels", "sigmoid")
def _(images):
    return torch.sigmoid(images)


@wrong("03.to_pixels", "clamped in place")
def _(images):
    return images.clamp_(-1, 1) / 2 + 0.5


@wrong("03.to_pixels", "only the top cut off")
def _(images):
    return ((images + 1) / 2).clamp(max=1)


@wrong("03.to_pixels", "halved, then plus one")
def _(images):
    return (images / 2 + 1).clamp(0, 1)


@wrong("03.to_pixels", "black and white swapped")
def _(images):
    return ((1 - images) / 2).clamp(0, 1)


@wrong("03.to_pixels", "channels last, again")
def _(images):
    return ((images + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)


@wrong("03.to_pixels", "channel axis squeezed")
def _(images):
    return ((images + 1) / 2).clamp(0, 1)[:, 0]


@right("03.to_pixels", "hardtanh")
def _(images):
    return 0.5 * F.hardtanh(images) + 0.5


@right("03.to_pixels", "numpy clip")
def _(images):
    return torch.from_numpy(np.clip(images.detach().cpu().numpy() * 0.5 + 0.5, 0.0, 1.0))


@right("03.to_pixels", "where")
def _(images):
    y = (images + 1) / 2
    y = torch.where(y < 0, torch.zeros_like(y), y)
    return torch.where(y > 1, torch.ones_like(y), y)


# ---- modes_after


@wrong("03.modes_after", "train mode for all afterwards")
def _(network, draw):
    network.eval()
    try:
        draw(network)
    finally:
        network.train()
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "the network's own mode for all parts")
def _(network, draw):
    was = network.training
    network.eval()
    try:
        draw(network)
    finally:
        network.train(was)
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "lost when draw raises")
def _(network, draw):
    modes = [m.training for m in network.modules()]
    network.eval()
    draw(network)
    for m, mode in zip(network.modules(), modes):
        m.training = mode
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "on a copy")
def _(network, draw):
    twin = copy.deepcopy(network)
    twin.eval()
    draw(twin)
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "never in eval mode")
def _(network, draw):
    modes = [m.training for m in network.modules()]
    try:
        draw(network)
    finally:
        for m, mode in zip(network.modules(), modes):
            m.training = mode
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "only the outermost flag set to eval")
def _(network, draw):
    modes = [m.training for m in network.modules()]
    network.training = False
    try:
        draw(network)
    finally:
        for m, mode in zip(network.modules(), modes):
            m.training = mode
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "flags read before they are set back")
def _(network, draw):
    modes = [m.training for m in network.modules()]
    network.eval()
    try:
        draw(network)
        flags = torch.tensor([m.training for m in network.modules()])
    finally:
        for m, mode in zip(network.modules(), modes):
            m.training = mode
    return flags


@wrong("03.modes_after", "set back by train(mode), children too, innermost first")
def _(network, draw):
    parts = list(network.modules())
    modes = [m.training for m in parts]
    network.eval()
    try:
        draw(network)
    finally:
        for m, mode in reversed(list(zip(parts, modes))):
            m.train(mode)
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "only direct children set back")
def _(network, draw):
    was = network.training
    children = [(c, c.training) for c in network.children()]
    network.eval()
    try:
        draw(network)
    finally:
        network.training = was
        for c, mode in children:
            c.train(mode)
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "draw never called")
def _(network, draw):
    modes = [m.training for m in network.modules()]
    network.eval()
    for m, mode in zip(network.modules(), modes):
        m.training = mode
    return torch.tensor(modes)


@wrong("03.modes_after", "modes remembered after eval")
def _(network, draw):
    network.eval()
    modes = [m.training for m in network.modules()]
    try:
        draw(network)
    finally:
        for m, mode in zip(network.modules(), modes):
            m.training = mode
    return torch.tensor([m.training for m in network.modules()])


@wrong("03.modes_after", "returns the old flags, all stay in eval")
def _(network, draw):
    modes = torch.tensor([m.training for m in network.modules()])
    network.eval()
    draw(network)
    return modes


@right("03.modes_after", "flags by hand")
def _(network, draw):
    parts = list(network.modules())
    before = [p.training for p in parts]
    for p in parts:
        p.training = False
    try:
        draw(network)
    finally:
        for i in range(len(parts)):
            parts[i].training = before[i]
    return torch.tensor([p.training for p in parts], dtype=torch.bool)


@right("03.modes_after", "an ExitStack sets back")
def _(network, draw):
    with contextlib.ExitStack() as stack:
        for part in network.modules():
            stack.callback(setattr, part, "training", part.training)
        network.eval()
        draw(network)
    return torch.tensor([part.training for part in network.modules()])


@right("03.modes_after", "pairs of part and mode")
def _(network, draw):
    modes = [(m, m.training) for m in network.modules()]
    network.train(mode=False)
    try:
        draw(network)
    finally:
        for m, mode in modes:
            setattr(m, "training", mode)
    return torch.as_tensor([bool(m.training) for m in network.modules()])


# ---- UNet


class Block(nn.Module):
    def __init__(self, in_channels, out_channels, emb_dim, groups=2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


def waves(t, dim):
    angle = t[:, None] * 10000 ** (-torch.arange(dim // 2) / (dim // 2 - 1))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Given(nn.Module):
    """What the stub gives of the U-Net, and a way through it whose lines the answers change."""

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
        return self.time(waves(t.float(), self.channels).to(x.dtype))

    def times(self, t, x):
        return [self.embed(t, x)] * 3

    def folded(self, x):
        return F.pixel_unshuffle(x, 2)

    def through(self, h, e):
        return self.middle2(self.middle1(h, e), e)

    def skips(self, d):
        return d

    def end(self, h, x):
        return torch.cat([F.silu(F.pixel_shuffle(h, 2)), x], 1)

    def forward(self, x, t):
        before, within, behind = self.times(t, x)
        d = self.down(self.first(self.folded(x)), before)
        h = self.grow(self.through(self.shrink(d), within))
        return self.out(self.end(self.last(self.up(torch.cat([h, self.skips(d)], 1), behind)), x))


def unet(label, **changed):
    wrong("03.UNet", label)(type("UNet", (Given,), changed))


right("03.UNet", "in parts")(Given)
unet("silu after the join", end=lambda m, h, x: F.silu(torch.cat([F.pixel_shuffle(h, 2), x], 1)))
unet("relu", end=lambda m, h, x: torch.cat([F.relu(F.pixel_shuffle(h, 2)), x], 1))
unet("not unfolded", end=lambda m, h, x: torch.cat([F.silu(h), x], 1))
unet("x joined as it was folded", end=lambda m, h, x: torch.cat([F.silu(F.pixel_shuffle(h, 2)), m.folded(x)], 1))
unet("x of zeros", end=lambda m, h, x: torch.cat([F.silu(F.pixel_shuffle(h, 2)), 0 * x], 1))
unet("no time before the skip", times=lambda m, t, x: [0 * m.embed(t, x), *[m.embed(t, x)] * 2])
unet("no time in the middle", times=lambda m, t, x: [m.embed(t, x), 0 * m.embed(t, x), m.embed(t, x)])
unet("no time in up", times=lambda m, t, x: [*[m.embed(t, x)] * 2, 0 * m.embed(t, x)])
unet("the first time for all", times=lambda m, t, x: [m.embed(t[:1], x).expand(len(x), -1)] * 3)
unet("t / 1000", times=lambda m, t, x: [m.embed(t / 1000, x)] * 3)
unet("silu over the embedding", times=lambda m, t, x: [F.silu(m.embed(t, x))] * 3)
unet("middle1 twice", through=lambda m, h, e: m.middle1(m.middle1(h, e), e))
unet("reshaped", folded=lambda m, x: x.reshape(len(x), 4, x.shape[2] // 2, x.shape[3] // 2))
unet("not folded", folded=lambda m, x: x)
unet("silu of the skip", skips=lambda m, d: F.silu(d))
unet("a skip of zeros", skips=lambda m, d: 0 * d)
