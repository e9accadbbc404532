"""Answers to the exercises of lesson 06."""

import numpy as np
import torch
from learn_answers import right, wrong
from torch import nn


class LabelEmbedding(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        return emb + self.table(self.filled(emb, labels))

    def filled(self, emb, labels):
        """The labels, or "no label" for all."""
        return torch.full((len(emb),), self.num_classes) if labels is None else labels


def both_branches(network, x, t, labels, null):
    doubled = torch.cat([torch.full_like(labels, null), labels])
    return network(torch.cat([x, x]), torch.cat([t, t]), doubled).chunk(2)


def guided(network, x, t, labels, null, w):
    eps_uncond, eps_cond = both_branches(network, x, t, labels, null)
    return eps_uncond + w * (eps_cond - eps_uncond)


def at(t, x):
    return torch.full((len(x),), float(t))


def pairs(times):
    """Each time with the next one; None after the last."""
    return list(zip(times, [*times[1:], None]))


def right_share(probabilities, labels):
    return (probabilities.argmax(-1) == labels).float().mean(1)


def sharp_share(images):
    return (images.abs() > 0.9).float().flatten(1).mean(1)


def nearest(scales, distance):
    return scales[distance.index(min(distance))]


def obeyed(scales, right, target):
    reached = [scale for scale, share in zip(scales, right) if share >= target]
    if not reached:
        raise ValueError("no scale reaches the target")
    return reached[0]


def rescale(output, cond_output, share):
    dims = tuple(range(1, output.dim()))
    ratio = cond_output.std(dims, keepdim=True) / output.std(dims, keepdim=True)
    return share * output * ratio + (1 - share) * output


# -- 06.guide --------------------------------------------------------------------------------------------------------


@wrong("06.guide", "the paper's convention")
def _(eps_uncond, eps_cond, w):
    return (1 + w) * eps_cond - w * eps_uncond


@wrong("06.guide", "counted from the conditional prediction")
def _(eps_uncond, eps_cond, w):
    return eps_cond + w * (eps_cond - eps_uncond)


@wrong("06.guide", "the shares interchanged")
def _(eps_uncond, eps_cond, w):
    return (1 - w) * eps_cond + w * eps_uncond


@wrong("06.guide", "the difference alone")
def _(eps_uncond, eps_cond, w):
    return w * (eps_cond - eps_uncond)


@wrong("06.guide", "the difference made a unit vector")
def _(eps_uncond, eps_cond, w):
    return eps_uncond + w * (eps_cond - eps_uncond) / (eps_cond - eps_uncond).norm()


@wrong("06.guide", "cut off at ±1")
def _(eps_uncond, eps_cond, w):
    return (eps_uncond + w * (eps_cond - eps_uncond)).clamp(-1, 1)


@wrong("06.guide", "the conditional prediction up to w = 1")
def _(eps_uncond, eps_cond, w):
    return eps_cond if w <= 1 else eps_uncond + w * (eps_cond - eps_uncond)


@wrong("06.guide", "brought back to the conditional spread")
def _(eps_uncond, eps_cond, w):
    g = eps_uncond + w * (eps_cond - eps_uncond)
    return g * eps_cond.std() / g.std()


@wrong("06.guide", "in place")
def _(eps_uncond, eps_cond, w):
    return eps_uncond.add_(w * (eps_cond - eps_uncond))


@right("06.guide", "torch.lerp")
def _(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, w)


@right("06.guide", "w and 1 - w")
def _(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


# -- 06.conventions --------------------------------------------------------------------------------------------------


wrong("06.conventions", "w = s - 1")((2, 6.5, 1, 0))
wrong("06.conventions", "all interchanged")((2, 8.5, 0, 1))
wrong("06.conventions", "s = w + 1")((4, 8.5, 1, 0))
wrong("06.conventions", "s = -1 for the plain model")((4, 6.5, 1, -1))
wrong("06.conventions", "s = 1 for the plain model")((4, 6.5, 1, 1))
wrong("06.conventions", "the last two interchanged")((4, 6.5, 0, 1))
wrong("06.conventions", "a dictionary")({"a": 4})
wrong("06.conventions", "three numbers")((4, 6.5, 1))
right("06.conventions", "a list of floats")([4.0, 6.5, 1.0, 0.0])
right("06.conventions", "a tensor that holds all four")(torch.tensor([4, 6.5, 1, 0]))


# -- 06.LabelEmbedding -----------------------------------------------------------------------------------------------


@wrong("06.LabelEmbedding", "nothing is added without labels")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        return emb if labels is None else emb + self.table(labels)


@wrong("06.LabelEmbedding", 'the last label for "no label"')
class _(LabelEmbedding):
    def filled(self, emb, labels):
        return torch.full((len(emb),), self.num_classes - 1) if labels is None else labels


@wrong("06.LabelEmbedding", "put side by side")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        return torch.cat([emb, self.table(self.filled(emb, labels))], 1)


# The stub says learned.
@wrong("06.LabelEmbedding", "padding_idx: the last row never learns")
class _(LabelEmbedding):
    def __init__(self, num_classes, dim):
        super().__init__(num_classes, dim)
        self.table = nn.Embedding(num_classes + 1, dim, padding_idx=num_classes)


@wrong("06.LabelEmbedding", "10 written down")
class _(LabelEmbedding):
    def filled(self, emb, labels):
        return torch.full((len(emb),), 10) if labels is None else labels


@wrong("06.LabelEmbedding", "multiplied")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        return emb * self.table(self.filled(emb, labels))


@wrong("06.LabelEmbedding", "the mean row for all")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        return emb + self.table(self.filled(emb, labels)).mean(0)


# Whoever called it finds another time embedding afterwards.
@wrong("06.LabelEmbedding", "in place")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        emb += self.table(self.filled(emb, labels))
        return emb


@wrong("06.LabelEmbedding", 'a parameter of its own for "no label"')
class _(LabelEmbedding):
    def __init__(self, num_classes, dim):
        super().__init__(num_classes, dim)
        self.table = nn.Embedding(num_classes, dim)
        self.null = nn.Parameter(torch.zeros(dim))

    def forward(self, emb, labels=None):
        if labels is None:
            return emb + self.null
        return emb + torch.cat([self.table.weight, self.null[None]])[labels]


@right("06.LabelEmbedding", "the last row, broadcast")
class _(LabelEmbedding):
    def forward(self, emb, labels=None):
        return emb + (self.table.weight[-1] if labels is None else self.table(labels))


@right("06.LabelEmbedding", "another start, with a keyword argument")
class _(LabelEmbedding):
    def __init__(self, num_classes, dim, init_std=0.02):
        super().__init__(num_classes, dim)
        nn.init.normal_(self.table.weight, std=init_std)


@right("06.LabelEmbedding", "straight from the docstring")
class _(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        if labels is None:
            labels = torch.full((emb.shape[0],), self.num_classes, dtype=torch.long, device=emb.device)
        return emb + self.table(labels)


# -- 06.drop_labels --------------------------------------------------------------------------------------------------


@wrong("06.drop_labels", "in place")
def _(labels, drop_prob, null, generator):
    return labels.masked_fill_(torch.rand(len(labels), generator=generator) < drop_prob, null)


@wrong("06.drop_labels", "the first ones, as many as expected")
def _(labels, drop_prob, null, generator):
    return torch.where(torch.arange(len(labels)) < drop_prob * len(labels), torch.full_like(labels, null), labels)


@wrong("06.drop_labels", "random ones, exactly as many as expected")
def _(labels, drop_prob, null, generator):
    o = labels.clone()
    i = torch.randperm(len(labels), generator=generator)[: round(drop_prob * len(labels))]
    return o.index_fill(0, i, null)


@wrong("06.drop_labels", "the generator is ignored")
def _(labels, drop_prob, null, generator):
    return torch.where(torch.rand(len(labels)) < drop_prob, torch.full_like(labels, null), labels)


@wrong("06.drop_labels", "floats")
def _(labels, drop_prob, null, generator):
    return torch.where(
        torch.rand(len(labels), generator=generator) < drop_prob, torch.tensor(float(null)), labels.float()
    )


@wrong("06.drop_labels", "normal in the place of uniform numbers")
def _(labels, drop_prob, null, generator):
    return torch.where(torch.randn(len(labels), generator=generator) < drop_prob, torch.full_like(labels, null), labels)


@wrong("06.drop_labels", "-1 in the place of null")
def _(labels, drop_prob, null, generator):
    return torch.where(torch.rand(len(labels), generator=generator) < drop_prob, torch.full_like(labels, -1), labels)


@wrong("06.drop_labels", "a random label in the place of null")
def _(labels, drop_prob, null, generator):
    return torch.where(
        torch.rand(len(labels), generator=generator) < drop_prob,
        torch.randint(0, 10, (len(labels),), generator=generator),
        labels,
    )


# The stub says u < drop_prob.
@wrong("06.drop_labels", "at most instead of below")
def _(labels, drop_prob, null, generator):
    return torch.where(torch.rand(len(labels), generator=generator) <= drop_prob, torch.full_like(labels, null), labels)


@right("06.drop_labels", "a copy, by mask")
def _(labels, drop_prob, null, generator):
    result = labels.clone()
    result[torch.rand(len(labels), generator=generator) < drop_prob] = null
    return result


@right("06.drop_labels", "masked_fill")
def _(labels, drop_prob, null, generator):
    return labels.masked_fill(torch.rand(labels.shape, generator=generator) < drop_prob, null)


# -- 06.both_branches ------------------------------------------------------------------------------------------------


@wrong("06.both_branches", "the conditional rows first")
def _(network, x, t, labels, null):
    return network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, torch.full_like(labels, null)])).chunk(2)


# The stub gives the order of the rows.
@wrong("06.both_branches", "the conditional rows first, interchanged afterwards")
def _(network, x, t, labels, null):
    doubled = torch.cat([labels, torch.full_like(labels, null)])
    eps_cond, eps_uncond = network(torch.cat([x, x]), torch.cat([t, t]), doubled).chunk(2)
    return eps_uncond, eps_cond


@wrong("06.both_branches", "two calls")
def _(network, x, t, labels, null):
    return network(x, t, torch.full_like(labels, null)), network(x, t, labels)


# The stub gives the order of the rows.
@wrong("06.both_branches", "row by row")
def _(network, x, t, labels, null):
    o = network(
        x.repeat_interleave(2, 0),
        t.repeat_interleave(2, 0),
        torch.stack([torch.full_like(labels, null), labels], 1).flatten(),
    )
    return o[0::2], o[1::2]


@wrong("06.both_branches", "t is not doubled")
def _(network, x, t, labels, null):
    return network(torch.cat([x, x]), t, torch.cat([torch.full_like(labels, null), labels])).chunk(2)


@wrong("06.both_branches", 'None for "no label"')
def _(network, x, t, labels, null):
    return network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([None, labels])).chunk(2)


@wrong("06.both_branches", "rows and labels in different orders")
def _(network, x, t, labels, null):
    return network(
        x.repeat_interleave(2, 0), t.repeat_interleave(2, 0), torch.cat([torch.full_like(labels, null), labels])
    ).chunk(2)


@wrong("06.both_branches", "one tensor")
def _(network, x, t, labels, null):
    return network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.full_like(labels, null), labels]))


@right("06.both_branches", "repeat, a list")
def _(network, x, t, labels, null):
    return list(
        network(
            x.repeat(2, *[1] * (x.dim() - 1)), t.repeat(2), torch.cat([labels.new_full(labels.shape, null), labels])
        ).chunk(2)
    )


@right("06.both_branches", "slices")
def _(network, x, t, labels, null=10):
    B = len(x)
    o = network(
        torch.cat([x, x], 0), torch.cat([t, t], 0), torch.cat([torch.full((B,), null, dtype=torch.int64), labels])
    )
    return o[:B], o[B:]


@right("06.both_branches", "unflatten and unbind")
def _(network, x, t, labels, null):
    return (
        network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.full_like(labels, null), labels]))
        .unflatten(0, (2, len(x)))
        .unbind(0)
    )


# -- 06.guided_sample ------------------------------------------------------------------------------------------------


@wrong("06.guided_sample", "the graph is kept")
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, to)
    return x


@wrong("06.guided_sample", "to t - 1 instead of the next entry")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t in times:
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, t - 1 if t > 0 else None)
    return x


@wrong("06.guided_sample", "the last step to 0")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in zip(times, [*times[1:], 0]):
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, to)
    return x


@wrong("06.guided_sample", "the last step to -1")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in zip(times, [*times[1:], -1]):
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, to)
    return x


@wrong("06.guided_sample", "the paper's convention")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, at(t, x), labels, null, w + 1), t, to)
    return x


# The stub says a float tensor.
@wrong("06.guided_sample", "whole numbers for t")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, torch.full((len(x),), int(t)), labels, null, w), t, to)
    return x


@wrong("06.guided_sample", "one t for all rows")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, torch.tensor([float(t)]), labels, null, w), t, to)
    return x


@wrong("06.guided_sample", "in place")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x.copy_(step(x, guided(network, x, at(t, x), labels, null, w), t, to))
    return x


@wrong("06.guided_sample", "the noise predicted once")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    eps = guided(network, x, at(times[0], x), labels, null, w)
    for t, to in pairs(times):
        x = step(x, eps, t, to)
    return x


@wrong("06.guided_sample", "cut off at ±1 after every step")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, to).clamp(-1, 1)
    return x


@right("06.guided_sample", "inference_mode, two calls a step")
@torch.inference_mode()
def _(network, x, times, labels, null, w, step):
    for t, to in zip(times, [*times[1:], None]):
        tt = x.new_full((x.shape[0],), t)
        x = step(x, torch.lerp(network(x, tt, torch.full_like(labels, null)), network(x, tt, labels), w), t, to)
    return x


@right("06.guided_sample", "ones times t, with keyword arguments")
@torch.no_grad()
def _(network, x, times, labels, null, w, step, **more):
    for k, t in enumerate(times):
        to = None if k == len(times) - 1 else times[k + 1]
        eps_uncond, eps_cond = both_branches(network, x, torch.ones(len(x)) * t, labels, null)
        x = step(x, eps_uncond + w * (eps_cond - eps_uncond), t, to)
    return x


@right("06.guided_sample", "no_grad around the network alone")
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        with torch.no_grad():
            eps = guided(network, x, at(t, x), labels, null, w)
        x = step(x, eps, t, to)
    return x


# Nothing is kept from one step to the next.
@right("06.guided_sample", "detached after every step")
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, at(t, x), labels, null, w), t, to).detach()
    return x


# The network takes it.
@right("06.guided_sample", "t in float64")
@torch.no_grad()
def _(network, x, times, labels, null, w, step):
    for t, to in pairs(times):
        x = step(x, guided(network, x, at(t, x).double(), labels, null, w), t, to)
    return x


# -- 06.observe ------------------------------------------------------------------------------------------------------


@wrong("06.observe", "the probability of the label")
def _(probabilities, images, labels):
    return probabilities.gather(-1, labels.expand(len(probabilities), -1)[..., None])[..., 0].mean(1), sharp_share(
        images
    )


@wrong("06.observe", "white alone")
def _(probabilities, images, labels):
    return right_share(probabilities, labels), (images > 0.9).float().flatten(1).mean(1)


@wrong("06.observe", "at least 0.9 instead of more")
def _(probabilities, images, labels):
    return right_share(probabilities, labels), (images.abs() >= 0.9).float().flatten(1).mean(1)


@wrong("06.observe", "over all scales")
def _(probabilities, images, labels):
    return (probabilities.argmax(-1) == labels).float().mean(), (images.abs() > 0.9).float().mean()


@wrong("06.observe", "the mean absolute value")
def _(probabilities, images, labels):
    return right_share(probabilities, labels), images.abs().flatten(1).mean(1)


@wrong("06.observe", "the two interchanged")
def _(probabilities, images, labels):
    return sharp_share(images), right_share(probabilities, labels)


@wrong("06.observe", "the likeliest image instead of the likeliest class")
def _(probabilities, images, labels):
    return (probabilities.argmax(1)[:, :1] == labels).float().mean(1), sharp_share(images)


@wrong("06.observe", "in per cent")
def _(probabilities, images, labels):
    return 100 * right_share(probabilities, labels), 100 * sharp_share(images)


@wrong("06.observe", "for each image instead of each scale")
def _(probabilities, images, labels):
    return (probabilities.argmax(-1) == labels).float().mean(0), (images.abs() > 0.9).float().mean((0, 2, 3, 4))


@wrong("06.observe", "mapped to [0, 1] first")
def _(probabilities, images, labels):
    return right_share(probabilities, labels), ((images + 1) / 2 > 0.9).float().flatten(1).mean(1)


@wrong("06.observe", "black alone")
def _(probabilities, images, labels):
    return right_share(probabilities, labels), (images < -0.9).float().flatten(1).mean(1)


@right("06.observe", "a list")
def _(probabilities, images, labels):
    return [right_share(probabilities, labels), sharp_share(images)]


@right("06.observe", "loops")
def _(probabilities, images, labels):
    return torch.stack([(q.argmax(1) == labels).float().mean() for q in probabilities]), torch.stack(
        [((v > 0.9) | (v < -0.9)).float().mean() for v in images]
    )


# -- 06.read_curve ---------------------------------------------------------------------------------------------------


@wrong("06.read_curve", "more than the target instead of at least")
def _(scales, right, distance, target):
    above = [scale for scale, share in zip(scales, right) if share > target]
    if not above:
        raise ValueError("no scale is above the target")
    return nearest(scales, distance), above[0]


@wrong("06.read_curve", "the most obedient scale")
def _(scales, right, distance, target):
    return nearest(scales, distance), scales[right.index(max(right))]


@wrong("06.read_curve", "the farthest scale")
def _(scales, right, distance, target):
    return scales[distance.index(max(distance))], obeyed(scales, right, target)


@wrong("06.read_curve", "None where the target is not reached")
def _(scales, right, distance, target):
    return nearest(scales, distance), next((a for a, b in zip(scales, right) if b >= target), None)


@wrong("06.read_curve", "the scale from which on all reach the target")
def _(scales, right, distance, target):
    if right[-1] < target:
        raise ValueError("the last scale does not reach the target")
    return nearest(scales, distance), next(s for k, s in enumerate(scales) if min(right[k:]) >= target)


@wrong("06.read_curve", "read off between two scales")
def _(scales, right, distance, target):
    return nearest(scales, distance), float(np.interp(target, right, scales))


@wrong("06.read_curve", "the nearest of the obedient scales")
def _(scales, right, distance, target):
    first = obeyed(scales, right, target)
    obedient = [k for k in range(len(scales)) if right[k] >= target]
    return scales[min(obedient, key=lambda k: distance[k])], first


@wrong("06.read_curve", "next, which raises another error")
def _(scales, right, distance, target):
    return nearest(scales, distance), next(a for a, b in zip(scales, right) if b >= target)


@wrong("06.read_curve", "the first of a list, which raises another error")
def _(scales, right, distance, target):
    return nearest(scales, distance), [a for a, b in zip(scales, right) if b >= target][0]


@right("06.read_curve", "min, which raises ValueError by itself")
def _(scales, right, distance, target):
    return min(zip(distance, scales))[1], min(a for a, b in zip(scales, right) if b >= target)


@right("06.read_curve", "argmin and index, a list")
def _(scales, right, distance, target):
    return [scales[int(np.argmin(distance))], scales[[b >= target for b in right].index(True)]]


# -- 06.guide_interval -----------------------------------------------------------------------------------------------


@wrong("06.guide_interval", "without the ends")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] < nsr < interval[1]
    return guided(network, x, t, labels, null, w) if inside else network(x, t, labels)


@wrong("06.guide_interval", "always doubled")
def _(network, x, t, nsr, labels, null, w, interval):
    eps_uncond, eps_cond = both_branches(network, x, t, labels, null)
    return eps_uncond + w * (eps_cond - eps_uncond) if interval[0] <= nsr <= interval[1] else eps_cond


@wrong("06.guide_interval", "the unconditional prediction elsewhere")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= nsr <= interval[1]
    return guided(network, x, t, labels, null, w) if inside else network(x, t, torch.full_like(labels, null))


@wrong("06.guide_interval", "t in the place of nsr")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= float(t[0]) <= interval[1]
    return guided(network, x, t, labels, null, w) if inside else network(x, t, labels)


@wrong("06.guide_interval", "doubled with w = 1 elsewhere")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= nsr <= interval[1]
    return guided(network, x, t, labels, null, w if inside else 1.0)


@wrong("06.guide_interval", "the upper end alone")
def _(network, x, t, nsr, labels, null, w, interval):
    return guided(network, x, t, labels, null, w) if nsr <= interval[1] else network(x, t, labels)


@wrong("06.guide_interval", "the lower end alone")
def _(network, x, t, nsr, labels, null, w, interval):
    return guided(network, x, t, labels, null, w) if nsr >= interval[0] else network(x, t, labels)


@wrong("06.guide_interval", "zero elsewhere")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= nsr <= interval[1]
    return guided(network, x, t, labels, null, w) if inside else torch.zeros_like(x)


@wrong("06.guide_interval", "10 in the place of null")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= nsr <= interval[1]
    return guided(network, x, t, labels, 10, w) if inside else network(x, t, labels)


@right("06.guide_interval", "the conditional prediction first, torch.lerp, with keyword arguments")
def _(network, x, t, nsr, labels, null, w, interval, **more):
    if nsr < interval[0] or nsr > interval[1]:
        return network(x, t, labels)
    return torch.lerp(*both_branches(network, x, t, labels, null), w)


@right("06.guide_interval", "the smaller and the larger end")
def _(network, x, t, nsr, labels, null, w, interval):
    if min(interval) <= float(nsr) <= max(interval):
        eps_uncond, eps_cond = both_branches(network, x, t, labels, null)
        return (1 - w) * eps_uncond + w * eps_cond
    return network(x, t, labels)


@right("06.guide_interval", "straight from the docstring")
def _(network, x, t, nsr, labels, null, w, interval):
    lo, hi = interval
    return guided(network, x, t, labels, null, w) if lo <= nsr <= hi else network(x, t, labels)


# At most 2·B rows, says the stub.
@right("06.guide_interval", "the conditional prediction alone for w = 1 as well")
def _(network, x, t, nsr, labels, null, w, interval):
    inside = interval[0] <= nsr <= interval[1] and w != 1
    return guided(network, x, t, labels, null, w) if inside else network(x, t, labels)


# -- 06.at_equal -----------------------------------------------------------------------------------------------------


@wrong("06.at_equal", "the first measured point that obeys")
def _(right, change, target):
    for r, c in zip(right, change):
        if r >= target:
            return c
    raise ValueError("not reached")


@wrong("06.at_equal", "the cheapest measured point that obeys")
def _(right, change, target):
    found = [c for r, c in zip(right, change) if r >= target]
    if not found:
        raise ValueError("not reached")
    return min(found)


@wrong("06.at_equal", "numpy's interp, which knows no crossing and no end")
def _(right, change, target):
    return float(np.interp(target, right, change))


@wrong("06.at_equal", "the nearest point")
def _(right, change, target):
    i = min(range(len(right)), key=lambda i: abs(right[i] - target))
    return change[i]


@wrong("06.at_equal", "None where it is not reached")
def _(right, change, target):
    for i in range(len(right) - 1):
        if right[i] < target <= right[i + 1]:
            part = (target - right[i]) / (right[i + 1] - right[i])
            return change[i] + part * (change[i + 1] - change[i])
    return None


@wrong("06.at_equal", "the line upside down")
def _(right, change, target):
    for i in range(len(right) - 1):
        if right[i] < target <= right[i + 1]:
            return change[i] + (right[i + 1] - right[i]) / (change[i + 1] - change[i]) * (target - right[i])
    raise ValueError("not reached")


@right("06.at_equal", "two weights, with keyword arguments")
def _(right, change, target, **more):
    pairs = zip(zip(right, change), zip(right[1:], change[1:]))
    for (r0, c0), (r1, c1) in pairs:
        if r0 < target <= r1:
            b = (target - r0) / (r1 - r0)
            return (1 - b) * c0 + b * c1
    raise ValueError(f"{target} is out of reach")


@right("06.at_equal", "numpy's interp between the two")
def _(right, change, target):
    i = next((i for i in range(1, len(right)) if right[i - 1] < target <= right[i]), None)
    if i is None:
        raise ValueError("never crossed")
    return np.interp(target, right[i - 1 : i + 1], change[i - 1 : i + 1])


# -- 06.guide_away ---------------------------------------------------------------------------------------------------


@wrong("06.guide_away", "towards both")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + w * (eps_cond - eps_null) + w_neg * (eps_neg - eps_null)


@wrong("06.guide_away", "the negative prompt, whatever w_neg")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_neg + w * (eps_cond - eps_neg)


@wrong("06.guide_away", "away, counted from the wanted condition")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + w * (eps_cond - eps_null) - w_neg * (eps_neg - eps_cond)


@wrong("06.guide_away", "away from the prediction itself")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + w * (eps_cond - eps_null) - w_neg * eps_neg


@wrong("06.guide_away", "the second direction turned round")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + w * (eps_cond - eps_null) - w_neg * (eps_null - eps_neg)


@wrong("06.guide_away", "the arguments in another order")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_neg + w * (eps_null - eps_neg) - w_neg * (eps_cond - eps_neg)


@wrong("06.guide_away", "the weights subtracted")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + (w - w_neg) * (eps_cond - eps_null) - w_neg * (eps_neg - eps_null)


@wrong("06.guide_away", "the weights interchanged")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return eps_null + w_neg * (eps_cond - eps_null) - w * (eps_neg - eps_null)


@right("06.guide_away", "einsum")
def _(eps_null, eps_cond, eps_neg, w, w_neg):
    return torch.einsum(
        "k,k...->...",
        torch.tensor([1 - w + w_neg, w, -w_neg], dtype=eps_null.dtype),
        torch.stack([eps_null, eps_cond, eps_neg]),
    )


@right("06.guide_away", "torch.add, with keyword arguments")
def _(eps_null, eps_cond, eps_neg, w, w_neg, **more):
    return torch.add(eps_null, eps_cond - eps_null, alpha=w) - w_neg * (eps_neg - eps_null)


# -- 06.rescale ------------------------------------------------------------------------------------------------------


@wrong("06.rescale", "mixed with the conditional output")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return share * output * cond_output.std(d, keepdim=True) / output.std(d, keepdim=True) + (1 - share) * cond_output


@wrong("06.rescale", "the shares interchanged")
def _(output, cond_output, share):
    return rescale(output, cond_output, 1 - share)


@wrong("06.rescale", "a ratio of variances")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return share * output * cond_output.var(d, keepdim=True) / output.var(d, keepdim=True) + (1 - share) * output


@wrong("06.rescale", "every channel by itself")
def _(output, cond_output, share):
    d = tuple(range(2, output.dim())) or (1,)
    return share * output * cond_output.std(d, keepdim=True) / output.std(d, keepdim=True) + (1 - share) * output


@wrong("06.rescale", "the mean is kept")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return (
        share
        * (
            (output - output.mean(d, keepdim=True)) * cond_output.std(d, keepdim=True) / output.std(d, keepdim=True)
            + output.mean(d, keepdim=True)
        )
        + (1 - share) * output
    )


@wrong("06.rescale", "about 0, not about the mean")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return (
        share * output * (cond_output**2).mean(d, keepdim=True).sqrt() / (output**2).mean(d, keepdim=True).sqrt()
        + (1 - share) * output
    )


@wrong("06.rescale", "the conditional output rescaled")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return share * cond_output * output.std(d, keepdim=True) / cond_output.std(d, keepdim=True) + (1 - share) * output


@wrong("06.rescale", "share is ignored")
def _(output, cond_output, share):
    return rescale(output, cond_output, 1.0)


@wrong("06.rescale", "the largest value in the place of the spread")
def _(output, cond_output, share):
    def largest(v):
        return v.abs().flatten(1).amax(1).view(-1, *[1] * (v.dim() - 1))

    return share * output * largest(cond_output) / largest(output) + (1 - share) * output


@right("06.rescale", "spreads with n")
def _(output, cond_output, share):
    d = tuple(range(1, output.dim()))
    return (
        share * output * cond_output.std(d, keepdim=True, correction=0) / output.std(d, keepdim=True, correction=0)
        + (1 - share) * output
    )


@right("06.rescale", "one factor an image")
def _(output, cond_output, share):
    return output * (share * (cond_output.flatten(1).std(1) / output.flatten(1).std(1)) + 1 - share).view(
        -1, *[1] * (output.dim() - 1)
    )
