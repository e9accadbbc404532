import math

import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


# ---- pad_ids
@wrong("05b.pad_ids", "cut at the very end, end is lost")
def _(ids, length, start=49406, end=49407):
    numbers = ([start] + list(ids) + [end])[:length]
    n = len(numbers)
    return numbers + [end] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "mask 0 at the first end")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    numbers = [start] + ids + [end] * (length - 1 - len(ids))
    return numbers, [0 if n == end else 1 for n in numbers]


@wrong("05b.pad_ids", "padded with 0")
def _(ids, length, start=49406, end=49407):
    numbers = [start] + ids[: length - 2] + [end]
    n = len(numbers)
    return numbers + [0] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "room for start alone")
def _(ids, length, start=49406, end=49407):
    numbers = [start] + ids[: length - 1] + [end]
    n = len(numbers)
    return numbers + [end] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "CLIP's numbers hard-coded")
def _(ids, length, start=49406, end=49407):
    numbers = [49406] + ids[: length - 2] + [49407]
    n = len(numbers)
    return numbers + [49407] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "first of the prompt cut off")
def _(ids, length, start=49406, end=49407):
    over = max(0, len(ids) + 2 - length)
    numbers = [start] + ids[over:] + [end]
    n = len(numbers)
    return numbers + [end] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "cut one too many")
def _(ids, length, start=49406, end=49407):
    if len(ids) + 2 >= length:
        ids = ids[: max(length - 3, 0)]
    numbers = [start] + ids + [end]
    n = len(numbers)
    return numbers + [end] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "77 hard-coded")
def _(ids, length, start=49406, end=49407):
    numbers = [start] + ids[:75] + [end]
    n = len(numbers)
    return numbers + [end] * (77 - n), [1] * n + [0] * (77 - n)


@wrong("05b.pad_ids", "padding before the end")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    pad = length - 2 - len(ids)
    return [start] + ids + [end] * pad + [end], [1] * (1 + len(ids)) + [0] * pad + [1]


@right("05b.pad_ids", "filled row")
def _(ids, length, start=49406, end=49407):
    numbers, mask = [end] * length, [0] * length
    kept = min(len(ids), length - 2)
    numbers[0] = start
    for i in range(kept):
        numbers[i + 1] = ids[i]
    for i in range(kept + 2):
        mask[i] = 1
    return numbers, mask


@right("05b.pad_ids", "appended one by one")
def _(ids, length, start=49406, end=49407):
    numbers, mask = [start], [1]
    for n in ids:
        if len(numbers) == length - 1:
            break
        numbers.append(n)
        mask.append(1)
    numbers.append(end)
    mask.append(1)
    while len(numbers) < length:
        numbers.append(end)
        mask.append(0)
    return numbers, mask


# ---- contrastive_loss
@wrong("05b.contrastive_loss", "not normalised, again")
def _(u, v, tau):
    s = u @ v.T / tau
    n = torch.arange(len(u))
    return (F.cross_entropy(s, n) + F.cross_entropy(s.T, n)) / 2


@wrong("05b.contrastive_loss", "images only, again")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau
    return F.cross_entropy(s, torch.arange(len(u)))


@wrong("05b.contrastive_loss", "sum of both sides")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau
    n = torch.arange(len(u))
    return F.cross_entropy(s, n) + F.cross_entropy(s.T, n)


@wrong("05b.contrastive_loss", "times tau, again")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T * tau
    n = torch.arange(len(u))
    return (F.cross_entropy(s, n) + F.cross_entropy(s.T, n)) / 2


@wrong("05b.contrastive_loss", "bare exp overflows")
def _(u, v, tau):
    u, v = u / u.norm(dim=1, keepdim=True), v / v.norm(dim=1, keepdim=True)
    e = torch.exp(u.float() @ v.float().T / tau)
    d = e.diagonal()
    return (-torch.log(d / e.sum(1)).mean() - torch.log(d / e.sum(0)).mean()) / 2


@wrong("05b.contrastive_loss", "log of softmax underflows")
def _(u, v, tau):
    u, v = u / u.norm(dim=1, keepdim=True), v / v.norm(dim=1, keepdim=True)
    s = u.float() @ v.float().T / tau
    a = -s.softmax(1).diagonal().log().mean()
    b = -s.softmax(0).diagonal().log().mean()
    return (a + b) / 2


@wrong("05b.contrastive_loss", "normalised over the batch")
def _(u, v, tau):
    s = F.normalize(u, dim=0) @ F.normalize(v, dim=0).T / tau
    n = torch.arange(len(u))
    return (F.cross_entropy(s, n) + F.cross_entropy(s.T, n)) / 2


@wrong("05b.contrastive_loss", "captions detached")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v.detach(), dim=1).T / tau
    n = torch.arange(len(u))
    return (F.cross_entropy(s, n) + F.cross_entropy(s.T, n)) / 2


@wrong("05b.contrastive_loss", "rows twice, never the columns")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau
    a = -s.log_softmax(1).diagonal().mean()
    b = -s.T.log_softmax(0).diagonal().mean()
    return (a + b) / 2


@wrong("05b.contrastive_loss", "small number in the log")
def _(u, v, tau):
    u, v = u / u.norm(dim=1, keepdim=True), v / v.norm(dim=1, keepdim=True)
    s = u @ v.T / tau
    a = -(s.softmax(1).diagonal() + 1e-8).log().mean()
    b = -(s.softmax(0).diagonal() + 1e-8).log().mean()
    return (a + b) / 2


@wrong("05b.contrastive_loss", "item taken, no gradient")
def _(u, v, tau):
    s = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau
    n = torch.arange(len(u))
    return torch.tensor((F.cross_entropy(s, n).item() + F.cross_entropy(s.T, n).item()) / 2)


@right("05b.contrastive_loss", "logsumexp in float64")
def _(u, v, tau):
    a, b = u.double(), v.double()
    s = torch.einsum("ip,jp->ij", a, b) / (a.norm(dim=1)[:, None] * b.norm(dim=1)[None, :]) / tau
    own = torch.diagonal(s)
    loss = (torch.logsumexp(s, 1) - own).mean() / 2 + (torch.logsumexp(s, 0) - own).mean() / 2
    return loss.to(u.dtype)


@right("05b.contrastive_loss", "nll_loss of log_softmax")
def _(u, v, tau):
    u = u / u.norm(dim=-1, keepdim=True)
    v = v / v.norm(dim=-1, keepdim=True)
    s = torch.mm(u, v.t()).div(tau)
    i = torch.arange(s.shape[0], device=s.device)
    return 0.5 * (F.nll_loss(F.log_softmax(s, dim=1), i) + F.nll_loss(F.log_softmax(s.t(), dim=1), i))


@right("05b.contrastive_loss", "loop over the pairs")
def _(u, v, tau):
    u = u / u.pow(2).sum(1, keepdim=True).sqrt()
    v = v / v.pow(2).sum(1, keepdim=True).sqrt()
    total = 0.0
    for i in range(len(u)):
        image = (v @ u[i]) / tau
        caption = (u @ v[i]) / tau
        total = total - image.log_softmax(0)[i] - caption.log_softmax(0)[i]
    return total / (2 * len(u))


# ---- attention
@wrong("05b.attention", "root of d forgotten")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2)
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    return s.softmax(-1) @ v


@wrong("05b.attention", "d in the place of its root")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / q.shape[-1]
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    return s.softmax(-1) @ v


@wrong("05b.attention", "width of the values under the root")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(v.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    return s.softmax(-1) @ v


@wrong("05b.attention", "softmax over the queries, again")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    return s.softmax(1) @ v


@wrong("05b.attention", "mask the other way round")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(mask, float("-inf"))
    return s.softmax(-1) @ v


@wrong("05b.attention", "exp without the maximum")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    e = s.exp()
    if mask is not None:
        e = e * mask
    return e / e.sum(-1, keepdim=True) @ v


@wrong("05b.attention", "masked after the softmax, not normalised again")
def _(q, k, v, mask=None):
    a = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1)
    if mask is not None:
        a = a * mask
    return a @ v


@wrong("05b.attention", "masked scores become 0")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s * mask
    return s.softmax(-1) @ v


@wrong("05b.attention", "masked scores become -100")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, -100.0)
    return s.softmax(-1) @ v


@wrong("05b.attention", "weights detached")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, float("-inf"))
    return s.softmax(-1).detach() @ v


@wrong("05b.attention", "None not thought of")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    return s.masked_fill(~mask, float("-inf")).softmax(-1) @ v


@wrong("05b.attention", "mask ignored")
def _(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v)


@right("05b.attention", "torch's own")
def _(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@right("05b.attention", "einsum, maximum taken off")
def _(q, k, v, mask=None):
    s = torch.einsum("bnd,bld->bnl", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        s = torch.where(mask[None], s, torch.full_like(s, -math.inf))
    e = torch.exp(s - s.amax(-1, keepdim=True).detach())
    return torch.einsum("bnl,ble->bne", e / e.sum(-1, keepdim=True), v)


@right("05b.attention", "query by query, only the keys allowed")
def _(q, k, v, mask=None):
    d = q.size(2)
    rows = []
    for n in range(q.size(1)):
        keep = torch.ones(k.size(1), dtype=torch.bool) if mask is None else mask[n]
        kk, vv = k[:, keep], v[:, keep]
        a = torch.softmax((kk @ q[:, n].unsqueeze(-1)).squeeze(-1) / d**0.5, dim=-1)
        rows.append((a.unsqueeze(-1) * vv).sum(1))
    return torch.stack(rows, dim=1)


@wrong("05b.attention", "hidden scores a hundred lower")
def _(q, k, v, mask=None):
    s = q @ k.mT
    if mask is not None:
        s = s + torch.where(mask, 0.0, -100.0).to(s)
    return (s / q.shape[-1] ** 0.5).softmax(-1) @ v


@wrong("05b.attention", "a hundred off after the scale")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    return (s if mask is None else s - 100 * (~mask).to(s)).softmax(-1) @ v


@right("05b.attention", "less the logarithm of the sum of exponentials")
def _(q, k, v, mask=None):
    s = q @ k.transpose(1, 2) * q.shape[2] ** -0.5
    if mask is not None:
        s = torch.where(mask, s, torch.tensor(float("-inf"), dtype=s.dtype))
    return (s - s.logsumexp(2, keepdim=True)).exp() @ v


# ---- CrossAttention
@wrong("05b.CrossAttention", "scaled by the whole width")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        a = (q @ k.transpose(-1, -2) / math.sqrt(self.heads * self.dim_head)).softmax(-1)
        return self.to_out((a @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "heads by view alone")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        B, N, _ = x.shape
        q = self.to_q(x).reshape(B, self.heads, N, self.dim_head)
        k = self.to_k(context).reshape(B, self.heads, -1, self.dim_head)
        v = self.to_v(context).reshape(B, self.heads, -1, self.dim_head)
        a = (q @ k.transpose(-1, -2) / math.sqrt(self.dim_head)).softmax(-1)
        return self.to_out((a @ v).reshape(B, N, -1))


@wrong("05b.CrossAttention", "heads joined without turning back")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        o = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(o.reshape(x.shape[0], x.shape[1], -1))


@wrong("05b.CrossAttention", "heads interleaved")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.dim_head, self.heads)).permute(0, 3, 1, 2) for y in (q, k, v))
        o = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(o.permute(0, 2, 3, 1).flatten(2))


@wrong("05b.CrossAttention", "one big head")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        a = (q @ k.transpose(-1, -2) / math.sqrt(self.dim_head)).softmax(-1)
        return self.to_out(a @ v)


@wrong("05b.CrossAttention", "keys in the place of values")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_k(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        o = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(o.transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "image features added at the end")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        o = F.scaled_dot_product_attention(q, k, v)
        return x + self.to_out(o.transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "heads side by side, to_out forgotten")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


@wrong("05b.CrossAttention", "softmax over the positions, again")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        a = (q @ k.transpose(-1, -2) / math.sqrt(self.dim_head)).softmax(-2)
        return self.to_out((a @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "attention weights without gradient")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (y.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for y in (q, k, v))
        with torch.no_grad():
            a = (q @ k.transpose(-1, -2) / math.sqrt(self.dim_head)).softmax(-1)
        return self.to_out((a @ v).transpose(1, 2).flatten(2))


@right("05b.CrossAttention", "torch's attention")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        B, N, L = x.shape[0], x.shape[1], context.shape[1]
        q = self.to_q(x).view(B, N, self.heads, self.dim_head).transpose(1, 2)
        k = self.to_k(context).view(B, L, self.heads, self.dim_head).transpose(1, 2)
        v = self.to_v(context).view(B, L, self.heads, self.dim_head).transpose(1, 2)
        o = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(o.transpose(1, 2).reshape(B, N, self.heads * self.dim_head))


@right("05b.CrossAttention", "head by head")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x, context):
        d = self.dim_head
        Q, K, V = self.to_q(x), self.to_k(context), self.to_v(context)
        parts = []
        for h in range(self.heads):
            cols = slice(h * d, (h + 1) * d)
            s = torch.bmm(Q[..., cols], K[..., cols].transpose(1, 2)) / d**0.5
            parts.append(torch.bmm(torch.softmax(s, dim=2), V[..., cols]))
        return self.to_out(torch.cat(parts, dim=2))


@right("05b.CrossAttention", "einsum")
class _(nn.Module):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        inner = heads * dim_head
        self.to_q = nn.Linear(query_dim, inner, bias=False)
        self.to_k = nn.Linear(context_dim, inner, bias=False)
        self.to_v = nn.Linear(context_dim, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, query_dim))

    def forward(self, x, context):
        q = self.to_q(x).unflatten(2, (self.heads, -1))
        k = self.to_k(context).unflatten(2, (self.heads, -1))
        v = self.to_v(context).unflatten(2, (self.heads, -1))
        a = torch.einsum("bnhd,blhd->bhnl", q * self.dim_head**-0.5, k).softmax(dim=-1)
        return self.to_out(torch.einsum("bhnl,blhd->bnhd", a, v).flatten(2))


# ---- attention_operations


def counted(count):
    """count(places, words, query_dim, context_dim, inner, dim_head, heads)"""
    return lambda places, words, query_dim, context_dim, heads, dim_head: count(
        places, words, query_dim, context_dim, heads * dim_head, dim_head, heads
    )


NAME = "05b.attention_operations"
wrong(NAME, "without to_q")(counted(lambda n, l, q, c, i, d, h: i * n * q + 2 * i * l * c + 2 * i * n * l))
wrong(NAME, "weights once")(counted(lambda n, l, q, c, i, d, h: 2 * i * (q + c) + 2 * i * n * l))
wrong(NAME, "to_out at words")(counted(lambda n, l, q, c, i, d, h: i * (n * q + 2 * l * c + l * q) + 2 * i * n * l))
wrong(NAME, "words by words")(counted(lambda n, l, q, c, i, d, h: 2 * i * (n * q + l * c) + i * (n * l + l * l)))
wrong(NAME, "places by places")(counted(lambda n, l, q, c, i, d, h: 2 * i * (n * q + l * c) + i * (n * l + n * n)))
wrong(NAME, "layers doubled")(counted(lambda n, l, q, c, i, d, h: 4 * i * (n * q + l * c) + 2 * i * n * l))
wrong(NAME, "no context")(counted(lambda n, l, q, c, i, d, h: 2 * i * n * q + 2 * i * n * l))
right(NAME, "bracketed")(counted(lambda n, l, q, c, i, d, h: 2 * i * (n * q + l * c + n * l)))
