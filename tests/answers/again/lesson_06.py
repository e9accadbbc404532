import torch
from learn_answers import right, wrong
from torch import nn


# ---- guide
@wrong("06.guide", "branches swapped")
def _(eps_uncond, eps_cond, w):
    return eps_cond + w * (eps_uncond - eps_cond)


@wrong("06.guide", "the paper's s")
def _(eps_uncond, eps_cond, w):
    return (1 + w) * eps_cond - w * eps_uncond


@wrong("06.guide", "brackets forgotten")
def _(eps_uncond, eps_cond, w):
    return eps_uncond + w * eps_cond - eps_uncond


@wrong("06.guide", "w held in [0, 1]")
def _(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, min(max(float(w), 0.0), 1.0))


@wrong("06.guide", "added in place")
def _(eps_uncond, eps_cond, w):
    eps_uncond += w * (eps_cond - eps_uncond)
    return eps_uncond


@wrong("06.guide", "unconditional one detached")
def _(eps_uncond, eps_cond, w):
    eps_uncond = eps_uncond.detach()
    return eps_uncond + w * (eps_cond - eps_uncond)


@wrong("06.guide", "no_grad")
def _(eps_uncond, eps_cond, w):
    with torch.no_grad():
        return eps_uncond + w * (eps_cond - eps_uncond)


@wrong("06.guide", "7.5 hard-coded")
def _(eps_uncond, eps_cond, w):
    return eps_uncond + 7.5 * (eps_cond - eps_uncond)


@wrong("06.guide", "sign of the difference")
def _(eps_uncond, eps_cond, w):
    return eps_uncond - w * (eps_cond - eps_uncond)


@wrong("06.guide", "difference without gradient")
def _(eps_uncond, eps_cond, w):
    return eps_uncond + w * (eps_cond - eps_uncond).detach()


@right("06.guide", "lerp")
def _(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, float(w))


@right("06.guide", "weights of both")
def _(eps_uncond, eps_cond, w):
    return eps_cond * w + eps_uncond * (1 - w)


@right("06.guide", "add with alpha")
def _(eps_uncond, eps_cond, w):
    return torch.add(eps_uncond, torch.sub(eps_cond, eps_uncond), alpha=float(w))


# ---- LabelEmbedding
@wrong("06.LabelEmbedding", "None adds nothing")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            return emb
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "row for none forgotten")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            return emb
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "row 0 is none")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.zeros(len(emb), dtype=torch.long)
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "labels shifted by one")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            return emb + self.table.weight[0]
        return emb + self.table((labels + 1) % (self.num_classes + 1))


@wrong("06.LabelEmbedding", "padding_idx: none is never learned")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.null = num_classes
        self.table = nn.Embedding(num_classes + 1, dim, padding_idx=num_classes)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), self.null)
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "time embedding forgotten")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.null = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), self.null)
        return self.table(labels)


@wrong("06.LabelEmbedding", "multiplied, again")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.null = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), self.null)
        return emb * self.table(labels)


@wrong("06.LabelEmbedding", "last class in the place of none")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.null = num_classes - 1
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), self.null)
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "None not handled")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "none handled only as None")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            return emb + self.table.weight[self.num_classes]
        return emb + self.table(labels.clamp(0, self.num_classes - 1))


@wrong("06.LabelEmbedding", "ten classes hard-coded")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(11, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), 10)
        return emb + self.table(labels)


@wrong("06.LabelEmbedding", "table detached")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.null = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((len(emb),), self.null)
        return emb + self.table.weight.data[labels]


@right("06.LabelEmbedding", "last row broadcast")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_embeddings=num_classes + 1, embedding_dim=dim)

    def forward(self, emb, labels=None):
        rows = self.table.weight[-1] if labels is None else self.table.weight[labels]
        return emb + rows


@right("06.LabelEmbedding", "null labels filled in")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((emb.shape[0],), self.num_classes, dtype=torch.long, device=emb.device)
        return torch.add(emb, self.table(labels))


@right("06.LabelEmbedding", "one-hot times table")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        n = self.table.num_embeddings
        if labels is None:
            labels = torch.full((len(emb),), n - 1, dtype=torch.int64)
        hot = nn.functional.one_hot(labels, n).to(self.table.weight.dtype)
        return emb + hot @ self.table.weight


# ---- both_branches
@wrong("06.both_branches", "conditional rows first")
def _(network, x, t, labels, null):
    out = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, torch.full_like(labels, null)]))
    cond, uncond = out.chunk(2)
    return uncond, cond


@wrong("06.both_branches", "returned the wrong way round")
def _(network, x, t, labels, null):
    out = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.full_like(labels, null), labels]))
    return out[len(x) :], out[: len(x)]


@wrong("06.both_branches", "two calls, again")
def _(network, x, t, labels, null):
    return network(x, t, torch.full_like(labels, null)), network(x, t, labels)


@wrong("06.both_branches", "label 0 in the place of null")
def _(network, x, t, labels, null):
    out = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.zeros_like(labels), labels]))
    return tuple(out.chunk(2))


@wrong("06.both_branches", "rows interleaved")
def _(network, x, t, labels, null):
    y = torch.stack([torch.full_like(labels, null), labels], 1).flatten()
    out = network(x.repeat_interleave(2, 0), t.repeat_interleave(2), y)
    return out[0::2], out[1::2]


@wrong("06.both_branches", "images interleaved, labels not")
def _(network, x, t, labels, null):
    y = torch.cat([torch.full_like(labels, null), labels])
    out = network(x.repeat_interleave(2, 0), t.repeat_interleave(2), y)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "labels overwritten in place")
def _(network, x, t, labels, null):
    y = torch.cat([labels.fill_(null), labels])
    out = network(torch.cat([x, x]), torch.cat([t, t]), y)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "times not doubled")
def _(network, x, t, labels, null):
    y = torch.cat([torch.full_like(labels, null), labels])
    out = network(torch.cat([x, x]), t, y)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "first time for all rows")
def _(network, x, t, labels, null):
    y = torch.cat([torch.full_like(labels, null), labels])
    out = network(torch.cat([x, x]), t[:1].expand(2 * len(x)), y)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "None for all")
def _(network, x, t, labels, null):
    out = network(torch.cat([x, x]), torch.cat([t, t]), None)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "null is -1")
def _(network, x, t, labels, null):
    y = torch.cat([torch.full_like(labels, -1), labels])
    out = network(torch.cat([x, x]), torch.cat([t, t]), y)
    return out[: len(x)], out[len(x) :]


@wrong("06.both_branches", "halved along the channels")
def _(network, x, t, labels, null):
    y = torch.cat([torch.full_like(labels, null), labels])
    out = network(torch.cat([x, x]), torch.cat([t, t]), y)
    a, b = out.tensor_split(2, dim=1)
    return a, b


@right("06.both_branches", "repeat and split")
def _(network, x, t, labels, null):
    B = x.shape[0]
    y = labels.new_full((2 * B,), null)
    y[B:] = labels
    out = network(x.repeat(2, *([1] * (x.dim() - 1))), t.repeat(2), y)
    uncond, cond = torch.split(out, B)
    return uncond, cond


@right("06.both_branches", "stacked and flattened")
def _(network, x, t, labels, null):
    xx = torch.stack((x, x)).flatten(0, 1)
    tt = torch.stack((t, t)).flatten()
    yy = torch.stack((torch.ones_like(labels) * null, labels)).flatten()
    out = network(xx, tt, yy).unflatten(0, (2, len(x)))
    return out[0], out[1]


# ---- observe
@wrong("06.observe", "white pixels only")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return right_, (images > 0.9).float().mean((1, 2, 3, 4))


@wrong("06.observe", "at least 0.9")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return right_, (images.abs() >= 0.9).float().mean((1, 2, 3, 4))


@wrong("06.observe", "mean probability of the label")
def _(probabilities, images, labels):
    n = torch.arange(len(labels))
    return probabilities[:, n, labels].mean(1), (images.abs() > 0.9).float().mean((1, 2, 3, 4))


@wrong("06.observe", "mean over the scales too")
def _(probabilities, images, labels):
    return (probabilities.argmax(-1) == labels).float().mean(), (images.abs() > 0.9).float().mean()


@wrong("06.observe", "beyond 1 not counted")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    a = images.abs()
    return right_, ((a > 0.9) & (a <= 1)).float().mean((1, 2, 3, 4))


@wrong("06.observe", "mean brightness")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return right_, images.abs().mean((1, 2, 3, 4))


@wrong("06.observe", "share for every image")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return right_, (images.abs() > 0.9).float().mean((2, 3, 4))


@wrong("06.observe", "probability above a half")
def _(probabilities, images, labels):
    n = torch.arange(len(labels))
    right_ = (probabilities[:, n, labels] > 0.5).float().mean(1)
    return right_, (images.abs() > 0.9).float().mean((1, 2, 3, 4))


@wrong("06.observe", "counts, not shares")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).sum(1).float()
    return right_, (images.abs() > 0.9).float().sum((1, 2, 3, 4))


@wrong("06.observe", "sharp before right")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return (images.abs() > 0.9).float().mean((1, 2, 3, 4)), right_


@wrong("06.observe", "images of the first scale only")
def _(probabilities, images, labels):
    right_ = (probabilities.argmax(-1) == labels).float().mean(1)
    return right_, (images[0].abs() > 0.9).float().mean().expand(len(images))


@right("06.observe", "loop over the scales")
def _(probabilities, images, labels):
    r, s = [], []
    for p, im in zip(probabilities, images):
        r.append((p.max(dim=1).indices == labels).sum() / len(labels))
        s.append(((im > 0.9) | (im < -0.9)).sum() / im.numel())
    return torch.stack(r), torch.stack(s)


@right("06.observe", "flattened, NumPy")
def _(probabilities, images, labels):
    p = probabilities.detach().numpy()
    right_ = (p.argmax(axis=2) == labels.numpy()[None, :]).mean(axis=1)
    sharp = images.detach().abs().gt(0.9).reshape(len(images), -1).numpy().mean(axis=1)
    return torch.tensor(right_, dtype=torch.float32), torch.tensor(sharp, dtype=torch.float32)


# ---- guide_interval
@wrong("06.guide_interval", "ends left out")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo < nsr < hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "lower end left out")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo < nsr <= hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "upper end left out")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo <= nsr < hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "both predictions everywhere")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    un = network(x, t, torch.full_like(labels, null))
    return un + w * (cond - un) if lo <= nsr <= hi else cond


@wrong("06.guide_interval", "unconditional outside")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    un = network(x, t, torch.full_like(labels, null))
    if lo <= nsr <= hi:
        return un + w * (network(x, t, labels) - un)
    return un


@wrong("06.guide_interval", "guided outside, plain inside")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if nsr < lo or nsr > hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "only the upper end looked at")
def _(network, x, t, nsr, labels, null, w, interval):
    cond = network(x, t, labels)
    if nsr <= interval[1]:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "time in the place of the noise level")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo <= float(t[0]) <= hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "w times the prediction outside")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo <= nsr <= hi:
        un = network(x, t, torch.full_like(labels, null))
        return un + w * (cond - un)
    return w * cond


@wrong("06.guide_interval", "labels not handed over inside")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    none = torch.full_like(labels, null)
    if lo <= nsr <= hi:
        un, cond = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, none])).chunk(2)
        return un + w * (cond - un)
    return network(x, t, labels)


@wrong("06.guide_interval", "conditional one computed again, 3B rows")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo <= nsr <= hi:
        y = torch.cat([torch.full_like(labels, null), labels])
        un, cond = network(torch.cat([x, x]), torch.cat([t, t]), y).chunk(2)
        return un + w * (cond - un)
    return cond


@wrong("06.guide_interval", "the paper's w")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    cond = network(x, t, labels)
    if lo <= nsr <= hi:
        un = network(x, t, torch.full_like(labels, null))
        return cond + w * (cond - un)
    return cond


@right("06.guide_interval", "early return, doubled batch")
def _(network, x, t, nsr, labels, null, w, interval):
    if nsr < interval[0] or nsr > interval[1]:
        return network(x, t, labels)
    y = torch.cat((torch.full_like(labels, null), labels))
    un, cond = network(torch.cat((x, x)), torch.cat((t, t)), y).chunk(2)
    return (1 - w) * un + w * cond


@right("06.guide_interval", "two calls, lerp")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    out = network(x, t, labels)
    if nsr >= lo and nsr <= hi:
        nothing = torch.ones_like(labels) * null
        out = torch.lerp(network(x, t, nothing), out, float(w))
    return out


# ---- rescale
@wrong("06.rescale", "spread of the whole batch")
def _(output, cond_output, share):
    return share * output * cond_output.std() / output.std() + (1 - share) * output


@wrong("06.rescale", "ratio upside down")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = output.std(d, keepdim=True) / cond_output.std(d, keepdim=True)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "share at the wrong one")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
    return (1 - share) * output * r + share * output


@wrong("06.rescale", "lengths in the place of standard deviations")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = (cond_output.pow(2).sum(d, keepdim=True) / output.pow(2).sum(d, keepdim=True)).sqrt()
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "variances")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = cond_output.var(d, keepdim=True) / output.var(d, keepdim=True)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "mixed with the conditional one")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
    return share * output * r + (1 - share) * cond_output


@wrong("06.rescale", "each channel by itself")
def _(output, cond_output, share):
    d = tuple(range(2, output.dim())) or (1,)
    r = cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "for four axes only")
def _(output, cond_output, share):
    r = cond_output.std((1, 2, 3), keepdim=True) / output.std((1, 2, 3), keepdim=True)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "about the image's mean")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    m = output.mean(d, keepdim=True)
    r = cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
    return share * ((output - m) * r + m) + (1 - share) * output


@wrong("06.rescale", "share forgotten")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return output * cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)


@wrong("06.rescale", "0.7 hard-coded")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
    return 0.7 * output * r + 0.3 * output


@wrong("06.rescale", "only ever made smaller")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = (cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)).clamp(max=1)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "small number in the divisor")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    r = cond_output.std(d, keepdim=True) / (output.std(d, keepdim=True) + 0.1)
    return share * output * r + (1 - share) * output


@wrong("06.rescale", "one std with n, one with n - 1")
def _(output, cond_output, share):
    a, b = output.flatten(1), cond_output.flatten(1)
    r = b.std(1) / a.std(1, unbiased=False)
    return output * (1 - share + share * r).view(-1, *[1] * (output.dim() - 1))


@right("06.rescale", "image by image")
def _(output, cond_output, share):
    rows = []
    for o, c in zip(output, cond_output):
        rows.append(share * (o * (c.std() / o.std())) + (1 - share) * o)
    return torch.stack(rows)


@right("06.rescale", "one factor, population std, float64")
def _(output, cond_output, share):
    o = output.double().flatten(1)
    c = cond_output.double().flatten(1)
    ratio = c.std(1, unbiased=False, keepdim=True) / o.std(1, unbiased=False, keepdim=True)
    return (o * (1 + share * (ratio - 1))).view(output.shape).to(output.dtype)


@right("06.rescale", "lerp")
def _(output, cond_output, share):
    axes = list(range(1, output.ndim))
    rescaled = output * torch.std(cond_output, dim=axes, keepdim=True) / torch.std(output, dim=axes, keepdim=True)
    return torch.lerp(output, rescaled, float(share))
