"""Answers to the exercises of lesson 05b."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


def letters(word):
    return [*word[:-1], word[-1] + "</w>"]


def merged(parts, merges, choose):
    """Byte-pair encoding of `parts`; choose(pairs, merges) is the pair to join next."""
    while pairs := [pair for pair in zip(parts, parts[1:]) if pair in merges]:
        best, joined, i = choose(pairs, merges), [], 0
        while i < len(parts):
            if tuple(parts[i : i + 2]) == best:
                joined.append(parts[i] + parts[i + 1])
                i += 2
            else:
                joined.append(parts[i])
                i += 1
        parts = joined
    return parts


def first_in_merges(pairs, merges):
    return min(pairs, key=merges.index)


def unit(v):
    return F.normalize(v, dim=1)


def scores(u, v, tau):
    return unit(u) @ unit(v).T / tau


def own(u):
    return torch.arange(len(u))


def both_ways(s):
    return (F.cross_entropy(s, own(s)) + F.cross_entropy(s.T, own(s))) / 2


class CrossAttention(nn.Module):
    """The stub's, with queries, keys and values of all heads."""

    def __init__(self, query_dim, context_dim, heads=8, dim_head=64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def split(self, y):
        return y.unflatten(2, (self.heads, self.dim_head)).transpose(1, 2)

    def qkv(self, x, context):
        return self.split(self.to_q(x)), self.split(self.to_k(context)), self.split(self.to_v(context))


# -- 05b.pad_ids -----------------------------------------------------------------------------------------------------


@wrong("05b.pad_ids", "cut after the end is put")
def _(ids, length, start=49406, end=49407):
    r = ([start] + ids + [end] + [end] * length)[:length]
    n = min(len(ids) + 2, length)
    return r, [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "the end is lost, padding with 0")
def _(ids, length, start=49406, end=49407):
    r = ([start] + ids + [end])[:length]
    n = len(r)
    return r + [0] * (length - n), [1] * n + [0] * (length - n)


@wrong("05b.pad_ids", "a length of 77 written down")
def _(ids, length, start=49406, end=49407):
    ids = ids[:75]
    r = [start] + ids + [end]
    return r + [end] * (77 - len(r)), [1] * len(r) + [0] * (77 - len(r))


@wrong("05b.pad_ids", "start and end written down")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    r = [49406] + ids + [49407]
    return r + [49407] * (length - len(r)), [1] * len(r) + [0] * (length - len(r))


@wrong("05b.pad_ids", "keeps the end of the prompt")
def _(ids, length, start=49406, end=49407):
    ids = ids[-(length - 2) :]
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [1] * len(r) + [0] * (length - len(r))


@wrong("05b.pad_ids", "a mask of ones")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [1] * length


@wrong("05b.pad_ids", "padding in front")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    r = [start] + ids + [end]
    return [end] * (length - len(r)) + r, [0] * (length - len(r)) + [1] * len(r)


@wrong("05b.pad_ids", "one token less than fits")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 3]
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [1] * len(r) + [0] * (length - len(r))


# The stub says 1 and 0.
@wrong("05b.pad_ids", "a mask of True and False")
def _(ids, length, start=49406, end=49407):
    ids = ids[: length - 2]
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [True] * len(r) + [False] * (length - len(r))


# The stub says lists.
@wrong("05b.pad_ids", "tensors")
def _(ids, length, start=49406, end=49407):
    n = min(len(ids), length - 2) + 2
    r = torch.full((length,), end)
    r[0] = start
    r[1 : n - 1] = torch.tensor(ids[: n - 2])
    return r, (torch.arange(length) < n).long()


@wrong("05b.pad_ids", "nothing is cut")
def _(ids, length, start=49406, end=49407):
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [1] * len(r) + [0] * (length - len(r))


@wrong("05b.pad_ids", "changes the prompt")
def _(ids, length, start=49406, end=49407):
    del ids[length - 2 :]
    r = [start] + ids + [end]
    return r + [end] * (length - len(r)), [1] * len(r) + [0] * (length - len(r))


@right("05b.pad_ids", "NumPy, made lists")
def _(ids, length, start=49406, end=49407):
    n = min(len(ids), length - 2) + 2
    r = np.full(length, end)
    r[0] = start
    r[1 : n - 1] = ids[: n - 2]
    return r.tolist(), (np.arange(length) < n).astype(int).tolist()


@right("05b.pad_ids", "tuples")
def _(ids, length, start=49406, end=49407):
    kept = tuple(ids)[: length - 2]
    rest = length - 2 - len(kept)
    return (start, *kept, end) + (end,) * rest, (1,) * (2 + len(kept)) + (0,) * rest


# -- 05b.bpe ---------------------------------------------------------------------------------------------------------


@wrong("05b.bpe", "the mark as a letter of its own")
def _(word, merges):
    return merged([*word, "</w>"], merges, first_in_merges)


@wrong("05b.bpe", "the first pair of the word that merges holds")
def _(word, merges):
    return merged(letters(word), merges, lambda pairs, merges: pairs[0])


@wrong("05b.bpe", "the longest known piece, from the left")
def _(word, merges):
    known, pieces, i = {a + b for a, b in merges}, [], 0
    while i < len(word):
        for j in range(len(word), i, -1):
            piece = word[i:j] + ("</w>" if j == len(word) else "")
            if piece in known or j == i + 1:
                break
        pieces.append(piece)
        i = j
    return pieces


@wrong("05b.bpe", "the mark is taken away in the end")
def _(word, merges):
    return [part.replace("</w>", "") for part in merged(letters(word), merges, first_in_merges)]


@wrong("05b.bpe", "the most frequent pair of the word")
def _(word, merges):
    return merged(letters(word), merges, lambda pairs, merges: max(pairs, key=pairs.count))


@wrong("05b.bpe", "one pass through merges, one join for each")
def _(word, merges):
    parts = list(word[:-1]) + [word[-1] + "</w>"]
    for a, b in merges:
        for i in range(len(parts) - 1):
            if (parts[i], parts[i + 1]) == (a, b):
                parts[i : i + 2] = [a + b]
                break
    return parts


@right("05b.bpe", "straight from the docstring")
def _(word, merges):
    return merged(letters(word), merges, first_in_merges)


# The stub says that merges are as learned: a pair comes after its parts.
@right("05b.bpe", "one pass through merges")
def _(word, merges):
    parts = list(word[:-1]) + [word[-1] + "</w>"]
    for a, b in merges:
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == (a, b):
                parts[i : i + 2] = [a + b]
            else:
                i += 1
    return parts


# The stub says that merges are as learned, so no join makes an earlier pair.
@right("05b.bpe", "one join a round")
def _(word, merges):
    parts = list(word[:-1]) + [word[-1] + "</w>"]
    rank = {m: i for i, m in enumerate(merges)}
    while len(parts) > 1:
        r, i = min((rank.get((a, b), math.inf), i) for i, (a, b) in enumerate(zip(parts, parts[1:])))
        if r == math.inf:
            break
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts


@right("05b.bpe", "a tuple")
def _(word, merges):
    return tuple(merged(letters(word), merges, first_in_merges))


# -- 05b.contrastive_loss --------------------------------------------------------------------------------------------


@wrong("05b.contrastive_loss", "not normalised")
def _(u, v, tau):
    return both_ways(u @ v.T / tau)


@wrong("05b.contrastive_loss", "images only")
def _(u, v, tau):
    return F.cross_entropy(scores(u, v, tau), own(u))


@wrong("05b.contrastive_loss", "captions only")
def _(u, v, tau):
    return F.cross_entropy(scores(v, u, tau), own(u))


@wrong("05b.contrastive_loss", "the sum of both")
def _(u, v, tau):
    return 2 * both_ways(scores(u, v, tau))


@wrong("05b.contrastive_loss", "times tau")
def _(u, v, tau):
    return both_ways(unit(u) @ unit(v).T * tau)


@wrong("05b.contrastive_loss", "times exp(tau)")
def _(u, v, tau):
    return both_ways(unit(u) @ unit(v).T * math.exp(tau))


@wrong("05b.contrastive_loss", "the same direction twice")
def _(u, v, tau):
    s = scores(u, v, tau)
    return (-s.log_softmax(1).diag().mean() - s.T.log_softmax(0).diag().mean()) / 2


@wrong("05b.contrastive_loss", "the partner is missing among the rivals")
def _(u, v, tau):
    s = scores(u, v, tau)
    rivals = s.masked_fill(torch.eye(len(u)).bool(), -torch.inf)
    return ((rivals.logsumexp(1) - s.diag()).mean() + (rivals.logsumexp(0) - s.diag()).mean()) / 2


@wrong("05b.contrastive_loss", "softmax twice")
def _(u, v, tau):
    s = scores(u, v, tau)
    return (F.cross_entropy(s.softmax(1), own(u)) + F.cross_entropy(s.T.softmax(1), own(u))) / 2


@wrong("05b.contrastive_loss", "the logarithm of the mean probability")
def _(u, v, tau):
    s = scores(u, v, tau)
    return (-s.softmax(1).diag().mean().log() - s.softmax(0).diag().mean().log()) / 2


# NaN at tau = 0.01, the smallest that CLIP allows.
@wrong("05b.contrastive_loss", "exponentials that overflow")
def _(u, v, tau):
    e = scores(u, v, tau).exp()
    return (-(e.diag() / e.sum(1)).log().mean() - (e.diag() / e.sum(0)).log().mean()) / 2


@wrong("05b.contrastive_loss", "only the images normalised")
def _(u, v, tau):
    return both_ways(unit(u) @ v.T / tau)


@wrong("05b.contrastive_loss", "divided by the root of tau")
def _(u, v, tau):
    return both_ways(unit(u) @ unit(v).T / tau**0.5)


@wrong("05b.contrastive_loss", "the vectors are detached")
def _(u, v, tau):
    return both_ways(scores(u.detach(), v, tau))


@right("05b.contrastive_loss", "the diagonals of log_softmax")
def _(u, v, tau):
    s = F.cosine_similarity(u[:, None], v[None], dim=2) / tau
    return -(s.log_softmax(0).diag() + s.log_softmax(1).diag()).mean() / 2


@right("05b.contrastive_loss", "float64, logsumexp, with a keyword argument")
def _(u, v, tau, eps=1e-12):
    a = u.double()
    b = v.double()
    s = a / a.norm(dim=1, keepdim=True).clamp(min=eps) @ (b / b.norm(dim=1, keepdim=True).clamp(min=eps)).T / tau
    return ((s.logsumexp(0) + s.logsumexp(1)) / 2 - s.diag()).mean()


# -- 05b.zero_shot ---------------------------------------------------------------------------------------------------


@wrong("05b.zero_shot", "the mean keeps its length")
def _(images, texts):
    return (images @ texts.mean(1).T).argmax(1)


@wrong("05b.zero_shot", "the first caption alone")
def _(images, texts):
    return (images @ texts[:, 0].T).argmax(1)


@wrong("05b.zero_shot", "a vote of the captions")
def _(images, texts):
    return torch.einsum("np,cmp->nmc", images, texts).argmax(2).mode(1).values


@wrong("05b.zero_shot", "the farthest class")
def _(images, texts):
    return (images @ F.normalize(texts.mean(1), dim=1).T).argmin(1)


@wrong("05b.zero_shot", "the best image of each class")
def _(images, texts):
    return (images @ F.normalize(texts.mean(1), dim=1).T).argmax(0)


@wrong("05b.zero_shot", "the nearest point to a mean that keeps its length")
def _(images, texts):
    return torch.cdist(images, texts.mean(1)).argmin(1)


@wrong("05b.zero_shot", "the best single caption, by its number")
def _(images, texts):
    return (images @ texts.flatten(0, 1).T).argmax(1) // texts.shape[1]


@wrong("05b.zero_shot", "the median")
def _(images, texts):
    return (images @ F.normalize(texts.median(1).values, dim=1).T).argmax(1)


@wrong("05b.zero_shot", "a list")
def _(images, texts):
    return (images @ F.normalize(texts.mean(1), dim=1).T).argmax(1).tolist()


@right("05b.zero_shot", "the sum normalised, topk")
def _(images, texts):
    s = texts.sum(1)
    s = s / s.norm(dim=-1, keepdim=True)
    return (images @ s.mT).topk(1).indices.squeeze(1)


@right("05b.zero_shot", "int32")
def _(images, texts):
    return (images @ F.normalize(texts.mean(1), dim=1).T).argmax(1).int()


# -- 05b.attention ---------------------------------------------------------------------------------------------------


@wrong("05b.attention", "the root of e")
def _(q, k, v, mask=None):
    s = q @ k.mT / v.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


@wrong("05b.attention", "the root of L")
def _(q, k, v, mask=None):
    s = q @ k.mT / k.shape[1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


@wrong("05b.attention", "the mask upside down")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(mask, -torch.inf)
    return s.softmax(-1) @ v


@wrong("05b.attention", "softmax over the queries")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(1) @ v


@wrong("05b.attention", "the mask added as a number")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s + mask
    return s.softmax(-1) @ v


@wrong("05b.attention", "-10 in the place of minus infinity")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -10)
    return s.softmax(-1) @ v


@wrong("05b.attention", "divided by d")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1]
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


@wrong("05b.attention", "divided after softmax")
def _(q, k, v, mask=None):
    s = q @ k.mT
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v / q.shape[-1] ** 0.5


@wrong("05b.attention", "the mask asked for its truth value")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


@wrong("05b.attention", "almost 0 in the place of minus infinity")
def _(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, 1e-09)
    return s.softmax(-1) @ v


@wrong("05b.attention", "in place")
def _(q, k, v, mask=None):
    q *= q.shape[-1] ** (-0.5)
    s = q @ k.mT
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


# NaN for scores of 200, which the stub names.
@wrong("05b.attention", "exponentials that overflow")
def _(q, k, v, mask=None):
    e = (q @ k.mT / q.shape[2] ** 0.5).exp()
    if mask is not None:
        e = e * mask
    return e / e.sum(2, keepdim=True) @ v


@wrong("05b.attention", "the keys under no_grad")
def _(q, k, v, mask=None):
    s = q @ k.detach().mT / q.shape[2] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


@right("05b.attention", "einsum, with a keyword argument")
def _(q, k, v, mask=None, dropout=0.0):
    s = torch.einsum("bnd,bld->bnl", q, k) * q.size(2) ** (-0.5)
    if mask is not None:
        s = torch.where(mask, s, torch.tensor(-1000000000.0))
    return torch.einsum("bnl,ble->bne", F.softmax(s, dim=-1), v)


@right("05b.attention", "masked after softmax, then made to sum to 1")
def _(q, k, v, mask=None):
    w = (torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[2])).softmax(2)
    if mask is not None:
        w = w * mask
        w = w / w.sum(2, keepdim=True)
    return torch.bmm(w, v)


@right("05b.attention", "in float64, with a softmax by hand")
def _(q, k, v, mask=None):
    s = (q.double() @ k.double().mT) / math.sqrt(q.shape[2])
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    e = (s - s.max(2, keepdim=True).values).exp()
    return e / e.sum(2, keepdim=True) @ v.double()


# -- 05b.split_heads -------------------------------------------------------------------------------------------------


@wrong("05b.split_heads", "every so many columns")
def _(x, heads):
    B, N, D = x.shape
    return x.view(B, N, D // heads, heads).permute(0, 3, 1, 2)


@wrong("05b.split_heads", "not transposed")
def _(x, heads):
    return x.unflatten(2, (heads, -1))


@wrong("05b.split_heads", "heads in front")
def _(x, heads):
    return torch.stack(x.chunk(heads, 2))


@wrong("05b.split_heads", "the last two dimensions interchanged")
def _(x, heads):
    return x.unflatten(2, (heads, -1)).permute(0, 2, 3, 1)


@wrong("05b.split_heads", "transposed before it is cut")
def _(x, heads):
    B, N, D = x.shape
    return x.transpose(1, 2).reshape(B, heads, N, D // heads)


@wrong("05b.split_heads", "every so many columns, by slices")
def _(x, heads):
    return torch.stack([x[..., h::heads] for h in range(heads)], 1)


@right("05b.split_heads", "reshape and permute, with a keyword argument")
def _(x, heads, dim_head=None):
    b, n, hd = x.shape
    return x.reshape(b, n, heads, hd // heads).permute(0, 2, 1, 3).contiguous()


# -- 05b.CrossAttention ----------------------------------------------------------------------------------------------


@wrong("05b.CrossAttention", "the root of the inner width")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / (self.heads * self.dim_head) ** 0.5).softmax(-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "to_out is forgotten")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)


@wrong("05b.CrossAttention", "softmax over the positions")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-2)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "x is added")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return x + self.to_out((weights @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "one head")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        return self.to_out((q @ k.mT / self.dim_head**0.5).softmax(-1) @ v)


@wrong("05b.CrossAttention", "cut and put together by reshape")
class _(CrossAttention):
    def split(self, y):
        return y.reshape(y.shape[0], self.heads, y.shape[1], self.dim_head)

    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return self.to_out((weights @ v).reshape(x.shape[0], x.shape[1], -1))


@wrong("05b.CrossAttention", "the mean of the heads' weights for all")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1).mean(1, keepdim=True)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "every so many columns a head")
class _(CrossAttention):
    def split(self, y):
        return y.unflatten(2, (self.dim_head, self.heads)).permute(0, 3, 1, 2)

    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return self.to_out((weights @ v).permute(0, 2, 3, 1).flatten(2))


@wrong("05b.CrossAttention", "the sum of the heads, repeated")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return self.to_out((weights @ v).sum(1).repeat(1, 1, self.heads))


@wrong("05b.CrossAttention", "causal")
class _(CrossAttention):
    def forward(self, x, context):
        mixed = F.scaled_dot_product_attention(*self.qkv(x, context), is_causal=True)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "values from the keys' layer")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, _ = self.qkv(x, context)
        weights = (q @ k.mT / self.dim_head**0.5).softmax(-1)
        return self.to_out((weights @ k).transpose(1, 2).flatten(2))


@wrong("05b.CrossAttention", "scaled twice")
class _(CrossAttention):
    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        mixed = F.scaled_dot_product_attention(q / self.dim_head**0.5, k, v)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


@right("05b.CrossAttention", "a loop over the heads, with keyword arguments")
class _(CrossAttention):
    def forward(self, x, context=None, mask=None):
        context = x if context is None else context
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        results = []
        for h in range(self.heads):
            head = slice(h * self.dim_head, (h + 1) * self.dim_head)
            weights = (q[..., head] @ k[..., head].mT * self.dim_head**-0.5).softmax(-1)
            results.append(weights @ v[..., head])
        return self.to_out(torch.cat(results, -1))


@right("05b.CrossAttention", "einsum, with dropout as in Stable Diffusion")
class _(CrossAttention):
    def __init__(self, query_dim, context_dim, heads=8, dim_head=64, dropout=0.0):
        super().__init__(query_dim, context_dim, heads, dim_head)
        self.scale = dim_head**-0.5
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim), nn.Dropout(dropout))

    def forward(self, x, context):
        q, k, v = self.qkv(x, context)
        weights = torch.einsum("bhnd,bhld->bhnl", q * self.scale, k).softmax(-1)
        return self.to_out(torch.einsum("bhnl,bhld->bnhd", weights, v).flatten(2))


# -- 05b.attention_operations ----------------------------------------------------------------------------------------


@wrong("05b.attention_operations", "attention itself is forgotten")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return places * query_dim * width + 2 * words * context_dim * width + places * width * query_dim


@wrong("05b.attention_operations", "only QKᵀ, not the values")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * places * query_dim * width + 2 * words * context_dim * width + heads * places * words * dim_head


@wrong("05b.attention_operations", "FLOPs, two for each")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * (2 * places * query_dim * width + 2 * words * context_dim * width + 2 * places * words * width)


@wrong("05b.attention_operations", "keys and values for each place")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * places * width * (query_dim + context_dim) + 2 * places * words * width


@wrong("05b.attention_operations", "the number of parameters")
def _(places, words, query_dim, context_dim, heads, dim_head):
    return 2 * heads * dim_head * (query_dim + context_dim) + query_dim


@wrong("05b.attention_operations", "scores of all heads in the width of all heads")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * places * query_dim * width + 2 * words * context_dim * width + 2 * heads * places * words * width


@wrong("05b.attention_operations", "places squared")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * places * query_dim * width + 2 * words * context_dim * width + 2 * places * places * width


@wrong("05b.attention_operations", "the context read once")
def _(places, words, query_dim, context_dim, heads, dim_head):
    width = heads * dim_head
    return 2 * places * query_dim * width + words * context_dim * width + 2 * places * words * width


@right("05b.attention_operations", "product by product")
def _(places, words, query_dim, context_dim, heads, dim_head):
    i = heads * dim_head
    total = 0
    for rows, inside, columns in [
        (places, query_dim, i),
        (words, context_dim, i),
        (words, context_dim, i),
        (places, i, words),
        (places, words, i),
        (places, i, query_dim),
    ]:
        total += rows * inside * columns
    return total


@right("05b.attention_operations", "factored")
def _(places, words, query_dim, context_dim, heads, dim_head):
    return 2 * heads * dim_head * (places * query_dim + words * context_dim + places * words)


@right("05b.attention_operations", "head by head")
def _(places, words, query_dim, context_dim, heads, dim_head):
    of_one = 2 * dim_head * (places * query_dim + words * context_dim) + 2 * places * words * dim_head
    return sum(of_one for _ in range(heads))


# -- 05b.least_loss ---------------------------------------------------------------------------------------------------

wrong("05b.least_loss", "nothing is lost")(0)
wrong("05b.least_loss", "ln 3")(math.log(3))
wrong("05b.least_loss", "one of 64")(math.log(3) / 64)
wrong("05b.least_loss", "two equal")(2 * math.log(2) / 64)
wrong("05b.least_loss", "the sum of both directions")(2 * 3 * math.log(3) / 64)
wrong("05b.least_loss", "guessing")(math.log(64))
wrong("05b.least_loss", "log to the base 2")(3 * math.log2(3) / 64)
right("05b.least_loss", "worked out")(3 * math.log(3) / 64)
right("05b.least_loss", "written down")(0.0515)
right("05b.least_loss", "from a loss")(
    F.cross_entropy(torch.block_diag(torch.ones(3, 3), torch.eye(61)) * 1000, torch.arange(64))
)
