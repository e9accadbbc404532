"""What the exercises of lesson 10 are checked with is right: what fresh points score, and what the references do."""

import math

import pytest
import torch
from scipy import stats

from diffcourse.learn import exercises
from diffcourse.learn.exercises.lesson_10._cases import JUDGES
from diffcourse.metrics import covered, populated


@pytest.mark.parametrize("n", JUDGES)
def test_fresh_points_cover_what_theory_says_and_are_no_copies(n):
    """Of n fresh and m - 1 other real points the k nearest are all real by chance: Naeem et al. 2020, equation 8."""
    judge = JUDGES[n]
    m, k = len(judge.real), 5
    expected = 1 - math.prod((m - j) / (n + m - j) for j in range(1, k + 1))
    assert judge.fresh[1] == pytest.approx(expected, abs=0.04)
    fresh = judge.draw(n, torch.Generator().manual_seed(9))
    assert judge.worth(fresh)[1:] == ("half or more", "none", "none")
    assert judge.fresh[0] == pytest.approx(covered(fresh, judge.real).precision, abs=0.1)


def test_the_reference_fools_precision_by_far():
    for judge in JUDGES.values():
        points = exercises()["10.fool"].reference(judge.real, judge.n, torch.Generator().manual_seed(5))
        assert covered(points, judge.real).precision == 1 > judge.fresh[0]
        assert populated(points, judge.real).coverage < 0.5 * judge.fresh[1]


def test_the_verdict_has_the_interval_of_scipy_and_claims_what_it_may():
    g = torch.Generator().manual_seed(1)
    claims, verdict = 0, exercises()["10.verdict"].reference
    for draw in torch.randn(200, 6, generator=g, dtype=torch.float64).tolist():
        word, low, high = verdict(draw[:3], draw[3:], True, lambda p, nu: float(stats.t.ppf(p, nu)))
        ends = stats.ttest_ind(draw[:3], draw[3:], equal_var=False).confidence_interval()
        assert (low, high) == pytest.approx((ends.low, ends.high))
        claims += word != "undecided"
    assert 0.01 < claims / 200 < 0.08
