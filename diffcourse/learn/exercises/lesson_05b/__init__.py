"""Exercises of lesson 05b: text and attention."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import models
from diffcourse.learn.exercise import Case, Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.models import cost

# -- to a fixed length --------------------------------------------------------------------------------------------------


def pad_ids(
    ids: list[int],
    length: int,
    start: int = 49406,
    end: int = 49407,
) -> tuple[list[int], list[int]]:
    """The token numbers of a prompt as CLIP's text half gets them.

    That is: start, the prompt, end, then padding with `end`. ids: of the prompt alone. If
    start, prompt and end are more than `length`, the last of the *prompt* are cut off.
    Returns (numbers, mask), two lists of `length` entries; the mask is 1 from start to the
    first end, 0 at the padding.
    """
    row = [start, *ids[: length - 2], end]
    rest = length - len(row)
    return row + [end] * rest, [1] * len(row) + [0] * rest


def pad_ids_by_filling(ids, length, start=49406, end=49407):
    row, mask = [end] * length, [0] * length
    kept = list(ids)[: length - 2]
    for i, number in enumerate([start, *kept, end]):
        row[i], mask[i] = number, 1
    return row, mask


def pad_ids_in_numbers(ids, length, start=49406, end=49407):
    kept = list(ids)
    while len(kept) + 2 > length:
        kept.pop()
    n = len(kept) + 2
    return [start] + kept + [end] * (length - n + 1), [int(i < n) for i in range(length)]


def _row(ids, length, start, end, pad):
    row = [start, *ids[: length - 2], end]
    rest = length - len(row)
    return row + [pad] * rest, [1] * len(row) + [0] * rest


PAD_IDS = Exercise(
    name="05b.pad_ids",
    title="To a fixed length",
    minutes=4,
    level=1,
    reference=pad_ids,
    alternatives=[pad_ids_by_filling, pad_ids_in_numbers],
    cases=[
        ([320, 1929], 6),
        ([320, 1929, 3309, 3801], 77),
        ([], 4),
        ([5, 6, 7, 8, 9], 5),
        ([5, 6, 7], 5),
        ([4], 5, 1, 2),
        ([0, 9, 9, 8], 3, 7, 6),
        (list(range(1000, 1090)), 77),
        (list(range(100, 180)), 90),
    ],
    invariants=[
        Invariant(
            "as long as asked for",
            lambda f: [len(part) for n in (0, 3, 100) for part in f([7] * n, 77)] == [77] * 6,
            "Numbers and mask must have exactly `length` entries, for an empty prompt and for a prompt of 100 tokens too.",
        ),
        Invariant(
            "no room for words",
            lambda f: [list(part) for part in f([5], 2)] == [[49406, 49407], [1, 1]],
            "Where `length` is 2, only start and end have room. (In Python, row[-0:] is the whole row.)",
        ),
        Invariant(
            "there is always an end",
            lambda f: int(f([7] * 100, 77)[0][-1]) == 49407,
            "A prompt of 100 tokens must still end with the end token: CLIP reads the whole sentence off there.",
        ),
    ],
    mistakes=[
        Mistake(
            "padded with 0",
            lambda ids, length, start=49406, end=49407: _row(ids, length, start, end, 0),
            "You pad with 0. In CLIP's table 0 is a token like others (an exclamation mark). open_clip pads so; "
            "Stable Diffusion was trained with another padding.",
        ),
        Mistake(
            "the end is cut off",
            lambda ids, length, start=49406, end=49407: (
                (r := [start, *ids, end][:length]) + [end] * (length - len(r)),
                [1] * len(r) + [0] * (length - len(r)),
            ),
            "You put start and end around the prompt and cut afterwards: a long prompt loses its end token. Cut the "
            "prompt first.",
        ),
        Mistake(
            "the first words are cut off",
            lambda ids, length, start=49406, end=49407: _row(
                ids[max(0, len(ids) - length + 2) :], length, start, end, end
            ),
            "You keep the last tokens of a long prompt and drop the first. The tokenizer keeps the beginning.",
        ),
        Mistake(
            "all ones",
            lambda ids, length, start=49406, end=49407: (pad_ids(ids, length, start, end)[0], [1] * length),
            "Your mask is 1 everywhere, so it does not tell the prompt from the padding.",
        ),
        Mistake(
            "a mask by comparison",
            lambda ids, length, start=49406, end=49407: (
                (row := pad_ids(ids, length, start, end)[0]),
                [int(number != end) for number in row],
            ),
            "You mask every number that equals `end`. The padding *is* the end token, so the true end falls out with it.",
        ),
        Mistake(
            "no start",
            lambda ids, length, start=49406, end=49407: (
                (r := [*ids[: length - 1], end]) + [end] * (length - len(r)),
                [1] * len(r) + [0] * (length - len(r)),
            ),
            "The start token is missing: every sentence begins with it.",
        ),
        Mistake(
            "always 77",
            lambda ids, length, start=49406, end=49407: pad_ids(ids, 77, start, end),
            "Yours has 77 entries, whatever `length` says.",
        ),
        Mistake(
            "CLIP's start and end",
            lambda ids, length, start=49406, end=49407: pad_ids(ids, length),
            "You write 49406 and 49407 down. Another tokenizer has other numbers: they are the arguments start and end.",
        ),
        Mistake(
            "padding in front",
            lambda ids, length, start=49406, end=49407: tuple(
                part[n:] + part[:n] for n in [min(len(ids) + 2, length)] for part in pad_ids(ids, length, start, end)
            ),
            "Your padding stands in front. The sentence comes first, and what is left is filled behind it.",
        ),
        Mistake(
            "one token too few",
            lambda ids, length, start=49406, end=49407: pad_ids(ids[: max(0, length - 3)], length, start, end),
            "From a long prompt you keep one token less than fits. Beside it stand two others, start and one end.",
        ),
        Mistake(
            "not cut",
            lambda ids, length, start=49406, end=49407: (
                [start, *ids, end] + [end] * (length - len(ids) - 2),
                [1] * (len(ids) + 2) + [0] * (length - len(ids) - 2),
            ),
            "A long prompt makes your lists longer than `length`. What is too much of the prompt has to go.",
        ),
        Mistake(
            "only the prompt",
            lambda ids, length, start=49406, end=49407: (
                pad_ids(ids, length, start, end)[0],
                [int(1 <= i < min(len(ids) + 1, length - 1)) for i in range(length)],
            ),
            "Your mask is 1 at the words alone. Start and the first end belong to the sentence too.",
        ),
        Mistake(
            "the mask turned round",
            lambda ids, length, start=49406, end=49407: (
                pad_ids(ids, length, start, end)[0],
                [1 - m for m in pad_ids(ids, length, start, end)[1]],
            ),
            "Your mask is 1 at the padding. 1 means: this belongs to the sentence.",
        ),
    ],
    gradients=[],  # whole numbers
    hints=[
        "Three parts have a fixed size: one start, one end, and what is left of `length` for the prompt. How much?",
        "Cut the prompt to length − 2 first. Then start + prompt + end is never too long.",
        "What is missing to `length` is filled: the numbers with `end`, the mask with 0.",
    ],
    insight="The end token does two jobs: the first one is the sentence's summary, all others are filling.",
)


# -- byte-pair encoding ---------------------------------------------------------------------------------------------------


def bpe(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """The pieces of a word, by byte-pair encoding (Sennrich et al. 2016).

    Begin with its letters; the last one carries the mark </w>, as in ["h", "a", "t</w>"].
    Again and again: of all pairs of neighbours, take the one that comes first in `merges`, and
    join it wherever it stands (from the left). Stop when no pair is in `merges`. They are as
    learned: a pair stands behind the pairs that make its parts.
    """
    rank = {pair: i for i, pair in enumerate(merges)}
    pieces = [*word[:-1], word[-1] + "</w>"]
    while True:
        known = [pair for pair in pairwise(pieces) if pair in rank]
        if not known:
            return pieces
        first = min(known, key=rank.get)
        joined = []
        for piece in pieces:
            if joined and (joined[-1], piece) == first:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined


def bpe_by_index(word, merges):
    pieces = list(word)
    pieces[-1] += "</w>"
    while len(pieces) > 1:
        ranks = [merges.index(pair) if pair in merges else len(merges) for pair in pairwise(pieces)]
        if min(ranks) == len(merges):
            break
        a, b = merges[min(ranks)]
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == (a, b):
                pieces[i : i + 2] = [a + b]
            i += 1
    return pieces


def bpe_once_through_the_merges(word, merges):
    """One pass in order of rank is the same: a merge makes pieces that only later merges can join."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    for a, b in merges:
        i = 0
        while i < len(pieces) - 1:
            if pieces[i] == a and pieces[i + 1] == b:
                pieces = pieces[:i] + [a + b] + pieces[i + 2 :]
            else:
                i += 1
    return pieces


def _bpe(word, merges, choose=min, mark="</w>", everywhere=True, rounds=100):
    """Byte-pair encoding with a fault: another choice among the known pairs, no mark, one place only, few rounds."""
    rank = {pair: i for i, pair in enumerate(merges)}
    pieces = [*word[:-1], word[-1] + mark]
    for _ in range(rounds):
        pairs = list(pairwise(pieces))
        known = [pair for pair in pairs if pair in rank]
        if not known:
            break
        chosen = known[0] if choose is None else choose(known, key=rank.get)
        i, joined = 0, []
        while i < len(pieces):
            if (
                i + 1 < len(pieces)
                and (pieces[i], pieces[i + 1]) == chosen
                and (everywhere or chosen[0] + chosen[1] not in joined)
            ):
                joined.append(pieces[i] + pieces[i + 1])
                i += 2
            else:
                joined.append(pieces[i])
                i += 1
        pieces = joined
        if not everywhere:
            rank.pop(chosen)
    return pieces


def _longest(word, merges):
    made, pieces, i = {a + b for a, b in merges}, [], 0
    while i < len(word):
        ends = (j for j in range(len(word), i, -1) if j == i + 1 or word[i:j] + "</w>" * (j == len(word)) in made)
        j = next(ends)
        pieces.append(word[i:j] + "</w>" * (j == len(word)))
        i = j
    return pieces


MERGES = [
    ("i", "n"),
    ("t", "h"),
    ("a", "n"),
    ("th", "e</w>"),
    ("in", "g</w>"),
    ("h", "a"),
    ("a", "t</w>"),
    ("th", "in"),
]
MERGES += [
    ("b", "an"),
    ("an", "a</w>"),
    ("h", "at</w>"),
    ("s", "in"),
    ("th", "at</w>"),
    ("g", "ing</w>"),
    ("sin", "ging</w>"),
    ("n", "o"),
    ("o", "n"),
]

BPE = Exercise(
    name="05b.bpe",
    title="Sub-words by byte-pair encoding",
    minutes=10,
    level=2,
    reference=bpe,
    alternatives=[bpe_by_index, bpe_once_through_the_merges],
    cases=[
        *((w, MERGES) for w in ("zebras", "hat", "the", "a", "thing", "banana", "singing", "that", "hha", "thinning")),
        ("inonot", MERGES),
        ("that", MERGES[:4]),
        ("aaaaa", [("a", "a"), ("aa", "aa"), ("aa", "a</w>")]),
        ("hat", [("a", "t"), ("h", "a")]),
    ],
    invariants=[
        Invariant(
            "no letter is lost",
            lambda f: all("".join(f(w, MERGES)) == w + "</w>" for w in ("hat", "zebra", "banana")),
            "The pieces, put together, must be the word and its mark again.",
        ),
        Invariant(
            "without merges, letters",
            lambda f: list(f("ant", [])) == ["a", "n", "t</w>"],
            "Where no merge is known the word stays in its letters, the last with its mark.",
        ),
    ],
    mistakes=[
        Mistake(
            "from left to right",
            lambda word, merges: _bpe(word, merges, choose=None),
            "You join the first known pair from the left. The order of `merges` decides: it is the order in which the "
            "pairs were learned.",
        ),
        Mistake(
            "the last rank first",
            lambda word, merges: _bpe(word, merges, choose=max),
            "You take the known pair that stands last in `merges`. Those learned first go first.",
        ),
        Mistake(
            "no mark",
            lambda word, merges: _bpe(word, merges, mark=""),
            "The mark </w> is missing. The vocabulary has two letters for each: inside a word and at its end.",
        ),
        Mistake(
            "one merge only",
            lambda word, merges: _bpe(word, merges, rounds=1),
            "You stop after one merge. Go on until no pair of neighbours is known.",
        ),
        Mistake(
            "one place only",
            lambda word, merges: _bpe(word, merges, everywhere=False),
            "A pair that stands twice in the word is joined once only. Join it wherever it stands.",
        ),
        Mistake(
            "the mark as a piece of its own",
            lambda word, merges: _bpe(word + "\0", merges, mark="")[:-1] + ["</w>"],
            "Your mark is a piece of its own. It belongs to the last letter: t</w> is one piece.",
        ),
        Mistake(
            "the most frequent pair of the word",
            lambda word, merges: _bpe(word, merges, choose=lambda known, key: max(known, key=known.count)),
            "You join the known pair that is most frequent in this word. Frequencies were counted when `merges` was learned; now its order "
            "decides.",
        ),
        Mistake(
            "the longest known piece",
            _longest,
            "You take the longest piece that some merge makes, from the left, as BERT does. Here the merges are done one by one, "
            "in their order.",
        ),
        Mistake(
            "the mark taken away",
            lambda word, merges: [piece.replace("</w>", "") for piece in bpe(word, merges)],
            "You take the mark off in the end. It is part of the last piece: the vocabulary tells pieces at a word's end from others.",
        ),
        Mistake(
            "letters",
            lambda word, merges: [*word[:-1], word[-1] + "</w>"],
            "These are the letters; nothing has been joined yet.",
        ),
    ],
    gradients=[],  # words
    hints=[
        "Write the word as a list of letters, the last with its mark. Which pairs of neighbours does it have?",
        "A dictionary from pair to its place in `merges` tells which of the known pairs goes first.",
        "Join that pair wherever it stands: build a new list from the left. Repeat until no pair is in the dictionary.",
    ],
    insight="Frequent words end up as one piece, rare words as several. No word is ever impossible.",
)


# -- the contrastive loss -----------------------------------------------------------------------------------------------


def contrastive_loss(u: Tensor, v: Tensor, tau: float) -> Tensor:
    """CLIP's loss of N images and their N captions: each is to find its partner.

    u (N, P) vectors of images, v (N, P) of captions, of any length; row i of u belongs to row i
    of v. sim(u, v) is the cosine. For images: the mean over i of
    -log softmax_j(sim(u_i, v_j)/tau) at j = i; for captions the same with u and v interchanged.
    Returns the mean of both, a scalar tensor.
    tau is positive and may be as small as 0.01, CLIP's smallest. Differentiable in u and v.
    """
    u, v = F.normalize(u, dim=1), F.normalize(v, dim=1)
    logits = u @ v.T / tau
    own = torch.arange(len(u))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def contrastive_loss_by_logsumexp(u, v, tau):
    logits = (u @ v.T) / (u.norm(dim=1)[:, None] * v.norm(dim=1)) / tau
    own = logits.diagonal()
    return ((logits.logsumexp(dim=1) - own).mean() + (logits.logsumexp(dim=0) - own).mean()) / 2


def contrastive_loss_in_a_loop(u, v, tau):
    N, total = len(u), 0.0
    sim = [[F.cosine_similarity(a, b, dim=0) / tau for b in v] for a in u]
    for i in range(N):
        row, column = torch.stack(sim[i]), torch.stack([sim[j][i] for j in range(N)])
        total = total - torch.log_softmax(row, dim=0)[i] - torch.log_softmax(column, dim=0)[i]
    return total / (2 * N)


def _logits(u, v, tau):
    return F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau


def _both(logits):
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def pairs(tau: float, N: int, P: int):
    return lambda g: ((u := normal(g, N, P)) * 3, u + normal(g, N, P), tau)


def strangers(tau: float, N: int, P: int):
    """Every image looks like its neighbour's caption."""
    return lambda g: ((u := normal(g, N, P)) * 3, u.roll(1, dims=0) + 0.1 * normal(g, N, P), tau)


def _by_exponentials(u, v, tau):
    e = _logits(u, v, tau).exp()
    return -((e.diag() / e.sum(1)).log().mean() + (e.diag() / e.sum(0)).log().mean()) / 2


CONTRASTIVE = Exercise(
    name="05b.contrastive_loss",
    title="The contrastive loss",
    minutes=5,
    level=2,
    reference=contrastive_loss,
    alternatives=[contrastive_loss_by_logsumexp, contrastive_loss_in_a_loop],
    cases=[
        pairs(0.5, 2, 3),
        pairs(1.0, 4, 3),
        pairs(0.1, 5, 2),
        pairs(2.0, 3, 6),
        strangers(0.01, 3, 4),
        strangers(0.003, 4, 3),
    ],
    package=InPackage(
        "models.contrastive_loss(F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / tau)",
        lambda u, v, tau: models.contrastive_loss(_logits(u, v, tau)),
    ),
    invariants=[
        Invariant(
            "nothing known, ln N",
            lambda f: close(f(torch.ones(8, 3), torch.ones(8, 3), 0.07), math.log(8)),
            "If all vectors are equal, each of N = 8 is as likely as any other, and the loss is ln 8. Yours is not.",
        ),
        Invariant(
            "lengths do not count",
            lambda f: close(
                f(2 * torch.eye(3) + 0.1, torch.eye(3), 0.5), f(torch.eye(3) * 2 + 0.1, 9 * torch.eye(3), 0.5)
            ),
            "Captions nine times as long must not change the loss: the cosine looks at directions only.",
        ),
    ],
    mistakes=[
        Mistake(
            "no unit length",
            lambda u, v, tau: _both(u @ v.T / tau),
            "You use inner products of vectors of any length. The cosine divides by both lengths.",
        ),
        Mistake(
            "images only",
            lambda u, v, tau: F.cross_entropy(_logits(u, v, tau), torch.arange(len(u))),
            "Only the images look for their captions. Captions look for images as well, along the columns.",
        ),
        Mistake(
            "the first is always right",
            lambda u, v, tau: (
                (
                    F.cross_entropy(_logits(u, v, tau), torch.zeros(len(u), dtype=torch.long))
                    + F.cross_entropy(_logits(u, v, tau).T, torch.zeros(len(u), dtype=torch.long))
                )
                / 2
            ),
            "You take the first caption as right for every image. The right one of image i stands in place i.",
        ),
        Mistake(
            "one length for all",
            lambda u, v, tau: _both((u / u.norm()) @ (v / v.norm()).T / tau),
            "You divide by the length of the whole batch. Each vector has a length of its own: a norm along dimension 1.",
        ),
        Mistake(
            "captions only",
            lambda u, v, tau: F.cross_entropy(_logits(u, v, tau).T, torch.arange(len(u))),
            "Only the captions look for their images. The rows are missing.",
        ),
        Mistake(
            "times tau",
            lambda u, v, tau: _both(_logits(u, v, 1 / tau)),
            "You multiply by tau. A small temperature has to make differences larger.",
        ),
        Mistake(
            "sum of both directions",
            lambda u, v, tau: 2 * contrastive_loss(u, v, tau),
            "You add both directions. The loss is their mean.",
        ),
        Mistake(
            "sum over the batch",
            lambda u, v, tau: len(u) * contrastive_loss(u, v, tau),
            "You add the terms of the batch. Take their mean, else the loss depends on the size of the batch.",
        ),
        Mistake(
            "a softmax too many",
            lambda u, v, tau: (
                (
                    (F.cross_entropy(_logits(u, v, tau).softmax(1), (own := torch.arange(len(u)))))
                    + F.cross_entropy(_logits(u, v, tau).T.softmax(1), own)
                )
                / 2
            ),
            "cross_entropy takes a softmax itself; you give it probabilities, so it is taken twice.",
        ),
        Mistake(
            "sign",
            lambda u, v, tau: -contrastive_loss(u, v, tau),
            "The sign is turned round: a loss must fall when partners come closer.",
        ),
        Mistake(
            "times exp(tau)",
            lambda u, v, tau: _both(_logits(u, v, 1 / math.exp(tau))),
            "You multiply by exp(tau). CLIP stores a logarithm, of 1/tau; tau itself divides.",
        ),
        Mistake(
            "the root of tau",
            lambda u, v, tau: _both(_logits(u, v, tau**0.5)),
            "You divide by the root of tau. A root belongs to attention; the temperature divides as it is.",
        ),
        Mistake(
            "the logarithm of the mean",
            lambda u, v, tau: -sum(_logits(u, v, tau).softmax(d).diag().mean().log() for d in (0, 1)) / 2,
            "You average the probabilities and take the logarithm of that. Take the logarithm of each, and average those.",
        ),
        Mistake(
            "exponentials too large",
            _by_exponentials,
            "You form the exponentials by themselves. With tau = 0.01 that is e¹⁰⁰, more than float32 holds. log_softmax, logsumexp and "
            "cross_entropy take the largest off first.",
        ),
        Mistake(
            "the partner is no rival",
            lambda u, v, tau: (
                lambda s: (
                    sum(s.masked_fill(torch.eye(len(s)).bool(), -torch.inf).logsumexp(d) for d in (0, 1)).mean() / 2
                    - s.diag().mean()
                )
            )(_logits(u, v, tau)),
            "The sum in your softmax leaves the partner out, so these are no probabilities. It runs over all N, the partner among them.",
        ),
        Mistake(
            "only the images have length 1",
            lambda u, v, tau: _both(F.normalize(u, dim=1) @ v.T / tau),
            "You bring the images to length 1 and leave the captions as they are. The cosine divides by both lengths.",
        ),
        Mistake(
            "only the captions have length 1",
            lambda u, v, tau: _both(u @ F.normalize(v, dim=1).T / tau),
            "You bring the captions to length 1 and leave the images as they are. The cosine divides by both lengths.",
        ),
        Mistake(
            "unit length along the batch",
            lambda u, v, tau: _both(F.normalize(u, dim=0) @ F.normalize(v, dim=0).T / tau),
            "You normalise the columns, over the batch. Each *vector*, a row, gets length 1.",
        ),
        Mistake(
            "the partners alone",
            lambda u, v, tau: -F.cosine_similarity(u, v, dim=1).mean() / tau,
            "You pull the partners together and never push strangers apart. Then one point for everything is best.",
        ),
    ],
    allowed={
        "* doubled": "the cosine does not mind the length",
        "* halved": "the cosine does not mind the length",
        "u and v interchanged": "the loss treats both sides alike",
        "F.normalize(*, dim=1) -> F.normalize(*)": "1 is the default",
        "u -> v (3)": "both have the same length",
    },
    hints=[
        "First the matrix of all N² cosines, divided by tau. Where in it do the partners stand?",
        "Each row is a guess among N captions whose right answer is its own number: that is a cross-entropy.",
        "cross_entropy of the matrix and of its transpose, with the targets 0, 1, …, N − 1; then the mean of both.",
    ],
    insight="N guesses among N, twice. Nobody labelled anything: the captions of the others serve as wrong answers.",
)


LEAST_LOSS = Exercise(
    name="05b.least_loss",
    title="The least possible loss",
    kind="value",
    minutes=4,
    level=2,
    reference=3 * math.log(3) / 64,
    tolerance=2e-3,
    stub="# A batch has 64 pairs. Three captions say word for word the same, each of another image; all\n"
    "# others differ. tau may be as small as one likes. Which is the least loss in this batch, of any\n"
    "# model, were it the best that can be imagined? To three digits.\n"
    "least_loss = ...",
    mistakes=[
        Mistake(
            "nothing",
            0.0,
            "Equal captions have equal vectors, so each of the three images has three scores that are equal. What is the best probability "
            "then?",
        ),
        Mistake(
            "of these three alone",
            math.log(3),
            "That is the loss of *one* of the three. The other 61 can have a loss of 0, and the mean is over all 64.",
        ),
        Mistake(
            "of all three",
            3 * math.log(3),
            "That is the sum. The loss is a mean over the 64 of the batch.",
        ),
        Mistake(
            "one of them",
            math.log(3) / 64,
            "You count one of the three. Each has two others like it.",
        ),
        Mistake(
            "one direction of two",
            1.5 * math.log(3) / 64,
            "You let only one direction suffer. An image cannot tell its caption from the other two; nor can a caption, equal to two "
            "others, find its own among three images.",
        ),
        Mistake(
            "one of the three right",
            2 * math.log(3) / 64,
            "You let two of the three suffer, as if the third could be right for certain. Its caption is equal to the two others, too.",
        ),
        Mistake(
            "both directions added",
            6 * math.log(3) / 64,
            "You add the two directions. The loss is their mean.",
        ),
        Mistake(
            "three equal pairs as three times two",
            3 * math.log(2) / 64,
            "You take ln 2, that of two equal captions. Here each has three to choose from.",
        ),
        Mistake(
            "two equal pairs",
            2 * math.log(2) / 64,
            "That is the answer for *two* equal captions. Here there are three.",
        ),
        Mistake(
            "bits",
            3 * math.log2(3) / 64,
            "You take the logarithm to the base 2. Losses count in nats: the natural logarithm, as `cross_entropy` does.",
        ),
        Mistake(
            "one who guesses",
            math.log(64),
            "That is the loss of one who knows nothing. The best imaginable model knows 61 pairs for certain.",
        ),
    ],
    hints=[
        "Which of the 64 guesses can be perfect, and which not?",
        "Among three equal scores the best that all three can have is a probability of 1/3.",
        "Three losses of ln 3 among 64, in both directions alike: the mean over all.",
    ],
    insight="A floor above 0 that no training lowers. In batches of 32,768 pictures from the web such captions are common; in ours the "
    "recipe leaves them out.",
)


# -- zero-shot classification ------------------------------------------------------------------------------------------


def zero_shot(images: Tensor, texts: Tensor) -> Tensor:
    """Classify without training: of each image, the class whose captions lie nearest.

    images (N, P), unit vectors. texts (C, M, P), unit vectors: for each of C classes, M
    captions that name it.
    The M vectors of a class are averaged, the mean gets length 1 again; nearest by the cosine.
    Returns class numbers (N,).
    """
    classes = F.normalize(texts.mean(dim=1), dim=1)
    return (images @ classes.T).argmax(dim=1)


def zero_shot_by_distance(images, texts):
    classes = texts.sum(dim=1)
    classes = classes / classes.norm(dim=1, keepdim=True)
    return torch.cdist(images, classes).argmin(dim=1)


def zero_shot_in_a_loop(images, texts):
    names = [F.normalize(captions.mean(dim=0), dim=0) for captions in texts]
    return torch.tensor([max(range(len(names)), key=lambda c: float(image @ names[c])) for image in images])


def shot_case(N: int, C: int, M: int, P: int, spread: float = 1.0):
    def build(g):
        centre = F.normalize(normal(g, C, 1, P), dim=2)
        width = spread * torch.rand(C, 1, 1, generator=g) * 2
        texts = F.normalize(centre + width * normal(g, C, M, P), dim=2)
        return F.normalize(normal(g, N, P), dim=1), texts

    return build


ZERO_SHOT = Exercise(
    name="05b.zero_shot",
    title="Zero-shot classification",
    minutes=3,
    level=2,
    reference=zero_shot,
    alternatives=[zero_shot_by_distance, zero_shot_in_a_loop],
    cases=[
        shot_case(12, 3, 4, 5),
        shot_case(20, 5, 2, 3),
        shot_case(9, 4, 1, 6),
        shot_case(25, 2, 6, 4, 2.0),
        shot_case(30, 6, 5, 4),
        shot_case(1, 3, 3, 2),
    ],
    invariants=[
        Invariant(
            "a caption is its own class",
            lambda f: close(f(torch.eye(4), torch.eye(4)[[2, 0, 3, 1]][:, None]), torch.tensor([1, 3, 0, 2])),
            "An image that equals the caption of a class must get that class. Yours does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "no new unit length",
            lambda i, t: (i @ t.mean(dim=1).T).argmax(dim=1),
            "You do not bring the means to length 1. A class whose captions agree has a longer mean, and wins by that.",
        ),
        Mistake(
            "the farthest",
            lambda i, t: (i @ F.normalize(t.mean(dim=1), dim=1).T).argmin(dim=1),
            "You take the smallest cosine: that is the class that fits least.",
        ),
        Mistake(
            "the best single caption",
            lambda i, t: torch.einsum("np,cmp->ncm", i, t).amax(dim=2).argmax(dim=1),
            "You take the class with the single nearest caption. One lucky wording decides then; average first.",
        ),
        Mistake(
            "an image for each class",
            lambda i, t: (i @ F.normalize(t.mean(dim=1), dim=1).T).argmax(dim=0),
            "Your result has one entry a class: the image that fits it best. Wanted is the class of each image.",
        ),
        Mistake(
            "mean over the classes",
            lambda i, t: (i @ F.normalize(t.mean(dim=0), dim=1).T).argmax(dim=1),
            "You average over classes: what is left are M wordings that name no class.",
        ),
        Mistake(
            "the first caption alone",
            lambda i, t: (i @ t[:, 0].T).argmax(dim=1),
            "You read the first caption of each class only. All M of them are averaged.",
        ),
        Mistake(
            "a vote",
            lambda i, t: torch.einsum("np,cmp->nmc", i, t).argmax(dim=2).mode(dim=1).values,
            "You let the captions vote, one class each. Average their vectors first: then one comparison is left.",
        ),
        Mistake(
            "the nearest mean",
            lambda i, t: torch.cdist(i, t.mean(dim=1)).argmin(dim=1),
            "You take the nearest mean, and the means are shorter than 1. They get length 1 first; then distance and cosine agree.",
        ),
        Mistake(
            "the mean cosine",
            lambda i, t: torch.einsum("np,cmp->ncm", i, t).median(dim=2).values.argmax(dim=1),
            "You take the class whose captions have the highest median cosine. Average the *vectors*, and compare with the mean.",
        ),
        Mistake(
            "the median",
            lambda i, t: (i @ F.normalize(t.median(dim=1).values, dim=1).T).argmax(dim=1),
            "You take the median of the vectors. Asked is their mean.",
        ),
        Mistake(
            "length 1 along the classes",
            lambda i, t: (i @ F.normalize(t.mean(dim=1), dim=0).T).argmax(dim=1),
            "You normalise over the classes. Each class has a vector, and that one gets length 1.",
        ),
        Mistake(
            "the number of the caption",
            lambda i, t: (i @ t.flatten(0, 1).T).argmax(dim=1),
            "You return the number of a caption, from 0 to C·M − 1. Which class does it belong to?",
        ),
        Mistake(
            "probabilities",
            lambda i, t: (i @ F.normalize(t.mean(dim=1), dim=1).T).softmax(dim=1),
            "These are probabilities (N, C). One more step gives the class.",
        ),
    ],
    gradients=[],  # numbers of classes
    allowed={
        "* doubled": "the cosine does not mind the length",
        "* halved": "the cosine does not mind the length",
        "F.normalize(texts.mean(dim=1), dim=1) -> F.normalize(texts.mean(dim=1))": "1 is the default",
        "texts.mean(dim=1) -> texts.sum(dim=1)": "they point the same way",
    },
    hints=[
        "One vector for each class: which dimension of texts are the wordings?",
        "Mean over dimension 1, then divide by the length. All cosines of images and classes are one product.",
        "Cosines (N, C): the largest of each row, and of that the place.",
    ],
    insight="A classifier made of sentences. New classes cost a sentence, and no training.",
)


# -- attention ------------------------------------------------------------------------------------------------------------


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(Q Kᵀ/√d) V: every query reads a mixture of the values, more where its key fits.

    q (B, N, d) queries, k (B, L, d) keys, v (B, L, e) values. mask (N, L), bool: True where
    query n may look at key l (at least one in each row); None: everywhere. Scores may be large,
    ±200. Returns (B, N, e).
    Differentiable in q, k and v.
    """
    scores = q @ k.transpose(1, 2) / q.shape[2] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=2) @ v


def attention_by_einsum(q, k, v, mask=None):
    scores = torch.einsum("bnd,bld->bnl", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, torch.full_like(scores, float("-inf")))
    weights = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return torch.einsum("bnl,ble->bne", weights / weights.sum(dim=-1, keepdim=True), v)


def attention_by_logsumexp(q, k, v, mask=None):
    scores = q @ k.mT / q.shape[2] ** 0.5
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf)
    return (scores - scores.logsumexp(2, keepdim=True)).exp() @ v


def attention_by_torch(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _attend(
    scale: Callable = lambda q, v: q.shape[2] ** -0.5,
    hide: Callable = lambda s, m: s.masked_fill(~m, -torch.inf),
    mix: Callable = lambda s: s.softmax(dim=2),
    after: Callable = lambda w, m: w,
    after_all: Callable = lambda x, q: x,
) -> Callable:
    def wrong(q, k, v, mask=None):
        scores = q @ k.transpose(1, 2) * scale(q, v)
        if mask is not None:
            scores = hide(scores, mask)
        weights = mix(scores)
        return after_all((weights if mask is None else after(weights, mask)) @ v, q)

    return wrong


FIRST = torch.tensor([[True, False]])  # scores of -199 and -102: whoever hides by -100, or by 100 less, shows


def heads_case(B: int, N: int, L: int, d: int, e: int, masked: bool = False):
    def build(g):
        q, k, v = 2 * normal(g, B, N, d), normal(g, B, L, d), normal(g, B, L, e)
        if not masked:
            return q, k, v
        mask = torch.rand(N, L, generator=g) > 0.4
        mask[torch.arange(N), torch.randint(L, (N,), generator=g)] = True
        return q, k, v, mask

    return build


def _hidden_if_true(q, k, v, mask=None):
    scores = q @ k.transpose(1, 2) * q.shape[2] ** -0.5
    if mask:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=2) @ v


ATTENTION = Exercise(
    name="05b.attention",
    title="Attention",
    minutes=8,
    level=2,
    reference=attention,
    alternatives=[attention_by_einsum, attention_by_logsumexp, attention_by_torch],
    cases=[
        heads_case(1, 2, 3, 2, 4),
        heads_case(2, 4, 3, 5, 2),
        heads_case(2, 3, 4, 6, 3, True),
        heads_case(1, 5, 5, 4, 4, True),
        heads_case(3, 1, 6, 1, 1, True),
        heads_case(2, 3, 1, 2, 2),
        # scores of 196 and 0, no two of them near: the gradient is 0, so how a right answer rounds does not count
        lambda g: (200 * torch.eye(3)[None], 1.7 * torch.eye(3)[None], normal(g, 1, 3, 2)),
        lambda g: (torch.full((1, 1, 1), 15.0), torch.tensor([[[-13.25], [-6.8]]]), normal(g, 1, 2, 3), FIRST),
        lambda g: (*heads_case(2, 2, 3, 4, 5)(g), torch.tensor([[True, True, True], [False, False, True]])),
    ],
    invariants=[
        Invariant(
            "a mixture",
            lambda f: close(
                f(
                    torch.linspace(-2, 2, 24).view(2, 3, 4),
                    torch.linspace(1, -1, 40).view(2, 5, 4),
                    torch.ones(2, 5, 6),
                ),
                torch.ones(2, 3, 6),
            ),
            "If all values are equal, every mixture of them is that value. Yours is not: do the weights sum to 1?",
        ),
        Invariant(
            "the order of the words does not count",
            lambda f: close(
                f(Q := torch.linspace(-1, 1, 6).view(1, 2, 3), K := torch.linspace(2, -1, 12).view(1, 4, 3), K),
                f(Q, K.flip(1), K.flip(1)),
            ),
            "Keys and values in another order, but together, must give the same result.",
        ),
    ],
    mistakes=[
        Mistake(
            "no scale",
            _attend(scale=lambda q, v: 1.0),
            "The root of d is missing. Inner products grow with d, and the softmax becomes a hard choice.",
        ),
        Mistake(
            "d for its root",
            _attend(scale=lambda q, v: 1 / q.shape[2]),
            "You divide by d. An inner product of d terms spreads like √d: dividing by d makes it too flat.",
        ),
        Mistake(
            "times the root",
            _attend(scale=lambda q, v: q.shape[2] ** 0.5),
            "You multiply by √d. The scale is there to take the growth away.",
        ),
        Mistake(
            "the width of the values",
            _attend(scale=lambda q, v: v.shape[2] ** -0.5),
            "Your d is the width of the values. The inner products are made of queries and keys.",
        ),
        Mistake(
            "softmax over the queries",
            _attend(mix=lambda s: s.softmax(dim=1)),
            "Your softmax runs over the queries. Each query shares its attention out among the keys: over L.",
        ),
        Mistake(
            "the mask turned round",
            _attend(hide=lambda s, m: s.masked_fill(m, -torch.inf)),
            "You hide where the mask is True. True means: may look. (PyTorch's nn.MultiheadAttention has it the "
            "other way round.) So a query that may look everywhere sees nothing with yours, and gets NaN.",
        ),
        Mistake(
            "zero for minus infinity",
            _attend(hide=lambda s, m: s.masked_fill(~m, 0.0)),
            "You set hidden scores to 0. e⁰ = 1: they still get a share. What has the exponential 0?",
        ),
        Mistake(
            "minus 10 for minus infinity",
            _attend(hide=lambda s, m: s.masked_fill(~m, -10.0)),
            "You set hidden scores to −10. What is visible may have a score as low as that: hidden keys still get a share.",
        ),
        Mistake(
            "a hundred less",
            _attend(hide=lambda s, m: s - 100.0 * (~m).to(s)),
            "You take a fixed amount off the hidden scores. One of them may lie 400 above all that is visible: it is still read then. "
            "Which number is below all others?",
        ),
        Mistake(
            "if mask",
            _hidden_if_true,
            "You ask for the truth value of a tensor with several entries (`if mask`). It has none: ask whether there is a mask at all.",
        ),
        Mistake(
            "the number of keys",
            lambda q, k, v, mask=None: _attend(scale=lambda q, v: k.shape[1] ** -0.5)(q, k, v, mask),
            "You divide by the root of L, the number of keys. The inner products are sums of d terms.",
        ),
        Mistake(
            "divided after the softmax",
            _attend(
                scale=lambda q, v: 1.0, mix=lambda s: s.softmax(dim=2), after_all=lambda x, q: x / q.shape[2] ** 0.5
            ),
            "You divide by √d after the softmax, so the weights do not sum to 1. The scores are divided, before it.",
        ),
        Mistake(
            "exponentials too large",
            _attend(mix=lambda s: s.exp() / s.exp().sum(dim=2, keepdim=True)),
            "You form the exponentials by themselves, and e²⁰⁰ is more than float32 holds. A softmax takes the largest score off first.",
        ),
        Mistake(
            "hidden after the softmax",
            _attend(hide=lambda s, m: s, after=lambda w, m: w * m),
            "You hide after the softmax: what is left does not sum to 1 any more.",
        ),
        Mistake(
            "the mask is added",
            _attend(hide=lambda s, m: s + m),
            "You add the mask, True as 1, to the scores. That is a small bonus, and hides nothing.",
        ),
        Mistake(
            "the mask is not used",
            _attend(hide=lambda s, m: s),
            "You do not use the mask: every query looks everywhere.",
        ),
    ],
    allowed={
        "k one *": "a shift of all keys shifts all scores of a query, and the softmax does not mind",
        "q -> k (2)": "queries and keys have the same width",
    },
    hints=[
        "Scores (B, N, L): every query with every key. Which of the two has to be transposed, and how?",
        "Divide by √d. Hide by setting scores to minus infinity. Then a softmax: over which dimension?",
        "The weights of a query sum to 1 over the keys; weights (B, N, L) times values (B, L, e) is the result.",
    ],
    insight="A dictionary that is asked softly: the answer is a mixture of all entries, weighted by how well each "
    "key fits. Being a mixture, it has a gradient.",
)


# -- heads ----------------------------------------------------------------------------------------------------------------


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut the last dimension into heads: x (B, N, heads·d) -> (B, heads, N, d).

    Head h gets the columns h·d to (h + 1)·d - 1 of every position. Differentiable in x.
    """
    B, N, width = x.shape
    return x.view(B, N, heads, width // heads).transpose(1, 2)


def split_heads_by_einops(x, heads):
    from einops import rearrange

    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def split_heads_by_chunks(x, heads):
    return torch.stack(x.chunk(heads, dim=2), dim=1)


SPLIT_HEADS = Exercise(
    name="05b.split_heads",
    title="Heads, without einops",
    minutes=4,
    level=2,
    reference=split_heads,
    alternatives=[split_heads_by_einops, split_heads_by_chunks],
    cases=[
        (torch.arange(12.0).view(1, 3, 4), 2),
        lambda g: (normal(g, 2, 3, 6), 3),
        lambda g: (normal(g, 3, 2, 8), 4),
        lambda g: (normal(g, 1, 4, 3), 3),
        lambda g: (normal(g, 2, 1, 6), 1),
    ],
    invariants=[
        Invariant(
            "one head is all",
            lambda f: close(f(torch.arange(6.0).view(1, 2, 3), 1), torch.arange(6.0).view(1, 1, 2, 3)),
            "With one head nothing is cut: only a dimension of size 1 comes in.",
        ),
    ],
    mistakes=[
        Mistake(
            "reshaped without moving",
            lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1),
            "The shape is right and the content is not: reshape reads the numbers in their old order, so positions "
            "and heads get mixed. First cut the last dimension, then exchange two dimensions.",
        ),
        Mistake(
            "not exchanged",
            lambda x, heads: x.view(*x.shape[:2], heads, -1),
            "The last dimension is cut well, but the heads stand behind the positions: (B, N, heads, d).",
        ),
        Mistake(
            "every h-th column",
            lambda x, heads: x.view(*x.shape[:2], -1, heads).permute(0, 3, 1, 2),
            "Head h gets every h-th column, not d neighbours: heads is the *outer* of the two.",
        ),
        Mistake(
            "exchanged before it is cut",
            lambda x, heads: x.transpose(1, 2).reshape(len(x), heads, x.shape[1], -1),
            "You exchange positions and columns first and cut then: the shape is right, and every head mixes positions. Cut first.",
        ),
        Mistake(
            "positions last",
            lambda x, heads: x.view(*x.shape[:2], heads, -1).permute(0, 2, 3, 1),
            "The last two dimensions are interchanged: (B, heads, d, N).",
        ),
        Mistake(
            "heads into the batch",
            lambda x, heads: x.view(*x.shape[:2], heads, -1).transpose(1, 2).flatten(0, 1),
            "Batch and heads have become one dimension. Keep four dimensions.",
        ),
        Mistake(
            "heads first",
            lambda x, heads: torch.stack(x.chunk(heads, dim=2)),
            "The heads stand before the batch: (heads, B, N, d).",
        ),
    ],
    hints=[
        "Two steps: cut the last dimension into two, then bring the heads to the front.",
        "view may cut one dimension into (heads, d). It may not exchange dimensions.",
        "view to (B, N, heads, d), then transpose dimensions 1 and 2.",
    ],
    insight="view renames places, transpose moves them. A wrong reshape has the right shape and fails silently.",
)


# -- cross-attention --------------------------------------------------------------------------------------------------


class CrossAttention(nn.Module):
    """Image features ask, words answer: softmax(Q Kᵀ/√d) V in each head.

    Q = W_Q x, K = W_K c, V = W_V c; x (B, N, query_dim): N positions of an image; context c
    (B, L, context_dim): L words. d is dim_head. Head h of Q, K and V are the columns h·d to
    (h + 1)·d - 1; the heads' results stand side by side again before the last layer, to_out.
    Returns (B, N, query_dim).
    """

    def __init__(self, query_dim: int, context_dim: int, heads: int = 8, dim_head: int = 64):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (t.view(len(t), -1, self.heads, self.dim_head).transpose(1, 2) for t in (q, k, v))
        weights = (q @ k.transpose(2, 3) / self.dim_head**0.5).softmax(dim=3)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class _Variant(CrossAttention):
    """CrossAttention with one fault."""

    def source(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.to_q(x), self.to_k(context), self.to_v(context)

    def split(self, t: Tensor) -> Tensor:
        return t.view(len(t), -1, self.heads, self.dim_head).transpose(1, 2)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.transpose(2, 3) / self.dim_head**0.5

    def share(self, scores: Tensor) -> Tensor:
        return scores.softmax(dim=3)

    def merge(self, h: Tensor) -> Tensor:
        return h.transpose(1, 2).flatten(2)

    def out(self, h: Tensor, x: Tensor) -> Tensor:
        return self.to_out(h)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = (self.split(t) for t in self.source(x, context))
        return self.out(self.merge(self.share(self.scores(q, k)) @ v), x)


class CrossByTorch(_Variant):
    def forward(self, x, context):
        q, k, v = (self.split(t) for t in self.source(x, context))
        return self.to_out(self.merge(F.scaled_dot_product_attention(q, k, v)))


class CrossHeadByHead(_Variant):
    def forward(self, x, context):
        parts = [t.split(self.dim_head, dim=2) for t in self.source(x, context)]
        done = [(q @ k.mT * self.dim_head**-0.5).softmax(-1) @ v for q, k, v in zip(*parts, strict=True)]
        return self.to_out(torch.cat(done, dim=2))


class KeysForValues(_Variant):
    def source(self, x, context):
        return self.to_q(x), self.to_k(context), self.to_k(context)


class WordsAsk(_Variant):
    def source(self, x, context):
        return self.to_k(context), self.to_q(x), self.to_q(x)


class FullWidth(_Variant):
    def scores(self, q, k):
        return q @ k.transpose(2, 3) / (self.heads * self.dim_head) ** 0.5


class NoScale(_Variant):
    def scores(self, q, k):
        return q @ k.transpose(2, 3)


class OverPositions(_Variant):
    def share(self, scores):
        return scores.softmax(dim=2)


class OverHeads(_Variant):
    def share(self, scores):
        return scores.softmax(dim=1)


class SplitWithoutMoving(_Variant):
    def split(self, t):
        return t.reshape(len(t), self.heads, -1, self.dim_head)

    def merge(self, h):
        return h.reshape(len(h), -1, self.heads * self.dim_head)


class MergeWithoutMoving(_Variant):
    def merge(self, h):
        return h.reshape(len(h), h.shape[2], -1)


class OneHead(_Variant):
    def forward(self, x, context):
        q, k, v = self.source(x, context)
        return self.to_out((q @ k.mT / self.dim_head**0.5).softmax(-1) @ v)


class NoOut(_Variant):
    def out(self, h, x):
        return h


class WithResidual(_Variant):
    def out(self, h, x):
        return x + self.to_out(h)


class SharedWeights(_Variant):
    def share(self, scores):
        return scores.softmax(dim=3).mean(dim=1, keepdim=True)


class EveryHthColumn(_Variant):
    def split(self, t):
        return t.view(len(t), -1, self.dim_head, self.heads).permute(0, 3, 1, 2)

    def merge(self, h):
        return h.permute(0, 2, 3, 1).flatten(2)


class EveryHthColumnCut(EveryHthColumn):
    def merge(self, h):
        return h.transpose(1, 2).flatten(2)


class SumOfHeads(_Variant):
    def merge(self, h):
        return h.sum(dim=1).repeat(1, 1, self.heads)


class Causal(_Variant):
    def scores(self, q, k):
        ahead = torch.ones(q.shape[2], k.shape[2]).triu(1).bool()
        return super().scores(q, k).masked_fill(ahead, -torch.inf)


class ValuesForKeys(_Variant):
    def source(self, x, context):
        return self.to_q(x), self.to_v(context), self.to_v(context)


class ScaledTwice(_Variant):
    def scores(self, q, k):
        return super().scores(q, k) / self.dim_head**0.5


class MergedFeaturesFirst(_Variant):
    def merge(self, h):
        return h.permute(0, 2, 3, 1).flatten(2)


def cross_case(query: int, context: int, heads: int, d: int, B: int, N: int, L: int):
    def build(g):
        return Case(args=(query, context, heads, d), inputs=(3 * normal(g, B, N, query), 3 * normal(g, B, L, context)))

    return build


CROSS_ATTENTION = Exercise(
    name="05b.CrossAttention",
    title="Cross-attention",
    kind="class",
    minutes=10,
    level=3,
    reference=CrossAttention,
    given=["__init__"],
    alternatives=[CrossByTorch, CrossHeadByHead],
    cases=[
        cross_case(6, 4, 2, 3, 2, 5, 3),
        cross_case(4, 6, 3, 2, 1, 4, 7),
        cross_case(8, 8, 2, 5, 2, 6, 6),
        cross_case(3, 5, 1, 4, 1, 1, 2),
    ],
    package=InPackage("models.CrossAttention(query_dim, context_dim, heads, dim_head)", models.CrossAttention),
    mistakes=[
        Mistake(
            "keys for values",
            KeysForValues,
            "Your values are the keys. A word has two faces: what it is found by (K) and what it says (V).",
        ),
        Mistake(
            "the words ask",
            WordsAsk,
            "The words ask and the image answers: you get one row a word. The result must have one row a position.",
        ),
        Mistake(
            "the width of all heads",
            FullWidth,
            "You divide by the root of heads·dim_head. The inner product in a head has dim_head terms only.",
        ),
        Mistake(
            "no scale",
            NoScale,
            "The root of dim_head is missing.",
        ),
        Mistake(
            "softmax over positions",
            OverPositions,
            "Your softmax runs over the positions of the image. Each position shares its attention out among words.",
        ),
        Mistake(
            "softmax over heads",
            OverHeads,
            "Your softmax runs over the heads. They do not compete: each of them has weights that sum to 1 over words.",
        ),
        Mistake(
            "split without moving",
            SplitWithoutMoving,
            "You reshape straight to (B, heads, N, d). The shape fits, but positions and heads are mixed: cut, then "
            "exchange.",
        ),
        Mistake(
            "merged without moving",
            MergeWithoutMoving,
            "Before the last layer the heads must stand side by side *for each position*: exchange heads and "
            "positions first, then flatten.",
        ),
        Mistake(
            "one head",
            OneHead,
            "You computed one wide head. Cut queries, keys and values into `heads` parts that attend independently.",
        ),
        Mistake(
            "no last layer",
            NoOut,
            "The last layer to_out is missing: the heads' results are not mixed, and the width is heads·dim_head.",
        ),
        Mistake(
            "weights shared by the heads",
            SharedWeights,
            "All heads mix by the same weights, the mean of theirs. Each has its own.",
        ),
        Mistake(
            "every h-th column",
            EveryHthColumn,
            "Your head h gets every h-th column. It gets d neighbours, the columns h·d to (h + 1)·d − 1.",
        ),
        Mistake(
            "every h-th column, put together otherwise",
            EveryHthColumnCut,
            "Your head h gets every h-th column, where d neighbours belong together: heads is the *outer* of the two numbers.",
        ),
        Mistake(
            "put together feature by feature",
            MergedFeaturesFirst,
            "You cut the heads well, and put them together feature by feature. The d results of a head stay neighbours.",
        ),
        Mistake(
            "heads added",
            SumOfHeads,
            "You add the heads' results. They stand side by side before the last layer.",
        ),
        Mistake(
            "causal",
            Causal,
            "You hide words by their place, as in a language model. A position of an image may look at every word.",
        ),
        Mistake(
            "values for keys",
            ValuesForKeys,
            "Your keys are the values, and to_k has no effect.",
        ),
        Mistake(
            "scaled twice",
            ScaledTwice,
            "You divide by dim_head in the end: the root is there twice. (scaled_dot_product_attention divides by itself.)",
        ),
        Mistake(
            "with the residual",
            WithResidual,
            "You add x. The residual belongs to the block around this layer; added here it would count twice.",
        ),
    ],
    hints=[
        "What comes from x, what from the context? Write down the shapes of Q, K and V first.",
        "Your split_heads and attention are almost all of it; only that now there is a dimension for the heads.",
        "Split, attend with √dim_head, exchange heads and positions back, flatten the last two dimensions, to_out.",
    ],
    insight="The output has the shape of x, whatever the length of the text. That is why one network takes any prompt.",
)


# -- what it costs -----------------------------------------------------------------------------------------------------


def attention_operations(
    places: int,
    words: int,
    query_dim: int,
    context_dim: int,
    heads: int,
    dim_head: int,
) -> int:
    """Multiply-adds of one call of CrossAttention, for a batch of one.

    x (1, places, query_dim), context (1, words, context_dim). Counted are the matrix products
    alone: those of the four linear layers, and the two of attention in each head. What softmax,
    scale and bias take is left out.
    """
    inner = heads * dim_head
    layers = 2 * places * query_dim * inner + 2 * words * context_dim * inner
    return layers + 2 * places * words * inner


def attention_operations_by_counting(places, words, query_dim, context_dim, heads, dim_head):
    layer = CrossAttention(query_dim, context_dim, heads, dim_head)
    return cost.operations(layer, (1, places, query_dim), (1, words, context_dim))


def attention_operations_in_parts(places, words, query_dim, context_dim, heads, dim_head):
    product = lambda a, b, c: a * b * c  # noqa: E731, (a, b) times (b, c)
    inner = heads * dim_head
    q, out = product(places, query_dim, inner), product(places, inner, query_dim)
    k = v = product(words, context_dim, inner)
    of_a_head = product(places, dim_head, words) + product(places, words, dim_head)
    return q + k + v + out + heads * of_a_head


ATTENTION_OPERATIONS = Exercise(
    name="05b.attention_operations",
    title="What it costs",
    minutes=6,
    level=2,
    reference=attention_operations,
    alternatives=[attention_operations_by_counting, attention_operations_in_parts],
    cases=[
        (10, 3, 6, 4, 2, 5),
        (4096, 77, 320, 768, 8, 40),
        (64, 17, 64, 128, 4, 16),
        (1, 1, 1, 1, 1, 1),
        (7, 7, 12, 12, 3, 2),
        (5, 9, 3, 8, 1, 6),
    ],
    mistakes=[
        Mistake(
            "the linear layers alone",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c),
            "You count the four linear layers. The two products of attention itself are missing: queries with keys, weights with values.",
        ),
        Mistake(
            "attention alone",
            lambda n, l, q, c, h, d: 2 * n * l * h * d,
            "You count the two products of attention. The four linear layers are missing.",
        ),
        Mistake(
            "one product of attention",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c) + n * l * h * d,
            "One of attention's two products is missing: after QKᵀ, the weights are multiplied with the values.",
        ),
        Mistake(
            "two for a multiply-add",
            lambda n, l, q, c, h, d: 2 * attention_operations(n, l, q, c, h, d),
            "You count a multiplication and an addition as two. The unit here is the multiply-add: half of what some counters call FLOPs.",
        ),
        Mistake(
            "one head",
            lambda n, l, q, c, h, d: attention_operations(n, l, q, c, 1, d),
            "You count one head. There are `heads` of them, side by side in each matrix.",
        ),
        Mistake(
            "times the heads once more",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c) + 2 * n * l * h * h * d,
            "In attention's products you multiply by the heads twice. Each head works on its own dim_head columns only.",
        ),
        Mistake(
            "keys and values at every place",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + n * c) + 2 * n * l * h * d,
            "You make keys and values once for each *place*. They are made of the words: once for each word.",
        ),
        Mistake(
            "keys only",
            lambda n, l, q, c, h, d: h * d * (2 * n * q + l * c) + 2 * n * l * h * d,
            "The context is read twice, once for keys and once for values.",
        ),
        Mistake(
            "neither keys nor values",
            lambda n, l, q, c, h, d: 2 * h * d * n * q + 2 * n * l * h * d,
            "to_k and to_v are missing: they take each word from context_dim to heads·dim_head.",
        ),
        Mistake(
            "one layer of the places for each word",
            lambda n, l, q, c, h, d: h * d * (n * q + l * q + 2 * l * c) + 2 * n * l * h * d,
            "You count one of to_q and to_out for each *word*. Both work on the places: queries come from them, and the output goes "
            "back to them.",
        ),
        Mistake(
            "one product for two words",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c) + h * d * (n * l + l * l),
            "One of your products of attention is words by words. In both, places meet words.",
        ),
        Mistake(
            "one product for two places",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c) + h * d * (n * l + n * n),
            "One of your products of attention is places by places. In both, places meet words.",
        ),
        Mistake(
            "two for a multiply-add, in the layers",
            lambda n, l, q, c, h, d: 4 * h * d * (n * q + l * c) + 2 * n * l * h * d,
            "Your linear layers count twice: a multiplication and an addition are one multiply-add.",
        ),
        Mistake(
            "two for a multiply-add, in attention",
            lambda n, l, q, c, h, d: 2 * h * d * (n * q + l * c) + 4 * n * l * h * d,
            "Your two products of attention count twice: a multiplication and an addition are one multiply-add.",
        ),
        Mistake(
            "one layer of the places",
            lambda n, l, q, c, h, d: h * d * (n * q + 2 * l * c) + 2 * n * l * h * d,
            "One of to_q and to_out is missing: the one takes each place from query_dim to heads·dim_head, the other back.",
        ),
        Mistake(
            "self-attention",
            lambda n, l, q, c, h, d: attention_operations(n, n, q, q, h, d),
            "This is self-attention: places look at places. Here they look at words.",
        ),
        Mistake(
            "parameters",
            lambda n, l, q, c, h, d: 2 * h * d * (q + c) + q,
            "These are the parameters. Each of them is used once for every place, or for every word.",
        ),
        Mistake(
            "weights",
            lambda n, l, q, c, h, d: 2 * h * d * (q + c),
            "These are the weights of the four layers. Each of them is used once for every place, or for every word.",
        ),
        Mistake(
            "weights and attention",
            lambda n, l, q, c, h, d: 2 * h * d * (q + c) + 2 * n * l * h * d,
            "Your layers count their weights once. Each weight is used once for every place, or for every word.",
        ),
        Mistake(
            "additions less one",
            lambda n, l, q, c, h, d: (
                n * h * d * (2 * q - 1)
                + 2 * l * h * d * (2 * c - 1)
                + n * q * (2 * h * d - 1)
                + h * n * (l * (2 * d - 1) + d * (2 * l - 1))
            ),
            "You count multiplications, and additions on top. The unit here is the multiply-add, one for each multiplication.",
        ),
        Mistake(
            "with the bias",
            lambda n, l, q, c, h, d: attention_operations(n, l, q, c, h, d) + n * q,
            "You count the additions of the bias as well. Counted are matrix products alone.",
        ),
        Mistake(
            "with the softmax",
            lambda n, l, q, c, h, d: attention_operations(n, l, q, c, h, d) + h * n * l,
            "You count the softmax, or the scale, as well. Counted are matrix products alone.",
        ),
    ],
    gradients=[],  # whole numbers
    allowed={
        "heads and dim_head interchanged": "only their product counts",
    },
    hints=[
        "A product of (a, b) with (b, c) takes a·b·c multiply-adds. Write down the shapes of all six products.",
        "The inner width is heads·dim_head. to_q and to_out meet every place, to_k and to_v every word.",
        "In each head: (places, dim_head)·(dim_head, words), then (places, words)·(words, dim_head). Add all six.",
    ],
    insight="Put the places themselves in for the words, and you have self-attention: its two products grow with the square of the number "
    "of places, all else in step with it. That is what makes pixels dear.",
)


EXERCISES = [
    PAD_IDS,
    BPE,
    CONTRASTIVE,
    LEAST_LOSS,
    ZERO_SHOT,
    ATTENTION,
    SPLIT_HEADS,
    CROSS_ATTENTION,
    ATTENTION_OPERATIONS,
]


# -- quiz ---------------------------------------------------------------------------------------------------------------

QUIZZES = [
    Quiz(
        "05b.end",
        title="At the end of lesson 05b",
        questions=[
            Question(
                "“a dog wearing hat” becomes 77 numbers in Stable Diffusion 1.x. How many of them are 49407?",
                options=[
                    Option(
                        "1",
                        "That is the true end. What is the padding made of?",
                    ),
                    Option(
                        "71",
                        "These are the padding. Is there no other?",
                    ),
                    Option(
                        "72",
                        "Start and four words take five places; end and padding are the same number.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "In a batch of 256 pairs a CLIP has the loss 2.1. Is that good?",
                options=[
                    Option(
                        "No: guessing has about that loss in such a batch",
                        "Guessing among N gives ln N, and 2.1 is ln 8.",
                    ),
                    Option(
                        "Yes: it is far below what guessing has, 5.5",
                        "The loss is to be read beside ln N. Here ln 256 = 5.5, and 2.1 = ln 8: as if it guessed among eight.",
                        right=True,
                    ),
                    Option(
                        "That cannot be told without the value of τ",
                        "τ is part of the model. What counts is the quiz: N rivals.",
                    ),
                ],
            ),
            Question(
                "Why are attention's scores divided by √d?",
                options=[
                    Option(
                        "So that each query's weights sum to 1",
                        "The softmax sees to that, with any scale.",
                    ),
                    Option(
                        "So that the softmax keeps a slope at large d",
                        "Inner products of d terms spread like √d, and a softmax of large numbers has no slope: at d = 1024 it gave "
                        "nearly all to one key.",
                        right=True,
                    ),
                    Option(
                        "So that queries and keys have length 1",
                        "Their lengths still count: this is no cosine.",
                    ),
                ],
            ),
            Question(
                "In cross-attention of a U-Net, what shape does the output have for a prompt twice as long?",
                options=[
                    Option(
                        "Twice as many rows, one for each of the words",
                        "Who asks, the image or the text? There is a row for each query.",
                    ),
                    Option(
                        "The same: one row for each place of the image",
                        "Only the table of weights gets wider; the values are mixed into one vector a place.",
                        right=True,
                    ),
                    Option(
                        "None: more than 77 words are an error",
                        "The text encoder has 77 places. Cross-attention takes any number of words.",
                    ),
                ],
            ),
            Question(
                "Hardly any place of the image looks at the word “red”. Can “red” have an effect on the picture all the same?",
                options=[
                    Option(
                        "No: where nobody looks, nothing can come from",
                        "Nothing from that place. But did the word stay in its place, inside the text encoder?",
                    ),
                    Option(
                        "Yes: other tokens that are looked at know it",
                        "The text encoder mixes words, so the end token and the padding know about red. Exchange the word and see.",
                        right=True,
                    ),
                    Option(
                        "Yes: the map shows attention only roughly",
                        "The map is what attention did, to the last digit. It is not what the word did.",
                    ),
                ],
            ),
            Question(
                "What does the U-Net of Stable Diffusion 1.x get, and what does it give?",
                options=[
                    Option(
                        "Noise and a prompt; it gives the image, one call a picture",
                        "The image comes from the decoder, after many calls.",
                    ),
                    Option(
                        "Noisy latents, a time, a text embedding; it gives the noise",
                        "The scheduler uses the predicted noise to step to cleaner latents.",
                        right=True,
                    ),
                    Option(
                        "Noisy latents, a time, token numbers; it gives clean latents",
                        "Token numbers go into another network first. And what does one call hand to the scheduler?",
                    ),
                ],
            ),
        ],
    ),
]
