"""The comparison of answers: what is tolerated, and what never is."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffcourse.learn.compare import difference, not_whole
from diffcourse.learn.patterns import pattern
from diffcourse.learn.words import a_kind, both, short

values = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8).filter(lambda v: max(map(abs, v)) > 1e-3)


@settings(max_examples=50, deadline=None)
@given(values, st.sampled_from([torch.float32, torch.float64]))
def test_rounding_is_tolerated_and_errors_are_not(entries, dtype):
    x = torch.tensor(entries, dtype=torch.float64)
    assert difference(x, x.to(dtype), 1e-4) is None
    assert difference(x.to(dtype), x, 1e-4) is None
    assert difference(x, x.to(dtype) * (1 + 1e-6), 1e-4) is None
    for wrong in (1.02 * x, x / 1.02, -x):
        assert difference(x, wrong.to(dtype), 1e-4).kind == "value"
    if max(map(abs, entries)) < 99:
        assert difference(x, (x + 0.01).to(dtype), 1e-4).kind == "value"


@settings(max_examples=50, deadline=None)
@given(st.floats(-99, 99), st.sampled_from([float, torch.tensor, np.float64, np.float32]))
def test_single_numbers(value, kind):
    if abs(value) < 1e-3:
        value = 1.0
    for expected in (value, torch.tensor(value, dtype=torch.float64)):
        assert difference(expected, kind(value), 1e-4) is None
        assert difference(expected, kind(1.02 * value), 1e-4) is not None
        assert difference(expected, kind(value + 0.01), 1e-4) is not None


def test_cancellation_next_to_large_entries_is_tolerated():
    expected = torch.tensor([1.0, 0.0])
    assert difference(expected, torch.tensor([1.0, 5e-7]), 1e-4) is None
    assert difference(expected, torch.tensor([1.0, 1e-5]), 1e-4) is not None
    large = torch.tensor([1e4, 1e-2])
    assert difference(large, large + 0.01, 1e-4) is not None


@pytest.mark.parametrize(
    "expected, got, kind",
    [
        (torch.ones(2), torch.ones(2, 1), "shape"),
        (torch.ones(2), torch.ones(2).half(), "dtype"),
        (torch.ones(2), torch.ones(2).int(), "dtype"),
        (torch.ones(2), torch.ones(2).bool(), "dtype"),
        (torch.ones(2).long(), torch.ones(2, dtype=torch.complex64), "dtype"),
        (torch.ones(2).long(), torch.ones(2), "dtype"),
        (torch.ones(2).long(), torch.ones(2).bool(), "dtype"),
        (torch.ones(2).bool(), torch.ones(2).long(), "dtype"),
        (torch.ones(2).long(), torch.tensor([1, 2]), "value"),
        (torch.ones(2), torch.tensor([1.0, math.nan]), "nan"),
        (torch.ones(2), torch.tensor([1.0, math.inf]), "inf"),
        (torch.tensor([1.0, math.inf]), torch.tensor([1.0, -math.inf]), "value"),
        (torch.tensor([1.0, math.inf]), torch.tensor([1.0, 3.0]), "value"),
        (torch.tensor([1.0, math.nan]), torch.tensor([1.0, 3.0]), "value"),
        (torch.ones(2), [1.0, 1.0], "type"),
        (torch.tensor(1.0), torch.ones(1), "shape"),
        (torch.tensor(True), 1, "type"),
        (1.0, True, "type"),
        (1.0, None, "type"),
        (1.0, [1.0], "type"),
        (1.0, torch.tensor(1.0, requires_grad=True), "graph"),
        ((1.0, 2.0), torch.ones(3), "shape"),
        ([1.0, 2.0], torch.tensor([1.0, 2.0]), "type"),
        (1.0, torch.tensor(1.0, dtype=torch.half), "dtype"),
        (1.0, math.nan, "nan"),
        (3, 4, "value"),
        (3, torch.tensor(True), "dtype"),
        (True, 1, "type"),
        (True, False, "value"),
        ("cosine", "linear", "value"),
        ("cosine", 3, "value"),
        ((1.0, 2.0), (1.0, 2.5), "value"),
        ((1.0, 2.0), (1.0,), "shape"),
        ((1.0, 2.0), 1.0, "type"),
        ((1.0, torch.ones(2)), (1.5, torch.ones(3)), "shape"),
        ({"a": 1.0}, {"b": 1.0}, "shape"),
        ({"a": 1.0}, {"a": 2.0}, "value"),
        ({"a": 1.0}, [1.0], "type"),
        (None, 1.0, "type"),
    ],
)
def test_what_is_not_tolerated(expected, got, kind):
    found = difference(expected, got, 1e-4)
    assert found is not None and found.kind == kind and found.sentence.endswith(".")


@pytest.mark.parametrize(
    "expected, got",
    [
        (torch.tensor([1.0, math.inf]), torch.tensor([1.0, math.inf])),
        (torch.tensor([1.0, math.nan]), torch.tensor([1.0, math.nan])),
        (torch.ones(2).long(), torch.ones(2).int()),
        (torch.tensor(True), True),
        (torch.tensor(3), 3),
        (True, torch.tensor(True)),
        (True, np.True_),
        (3, torch.tensor(3)),
        (3, 3.0),
        (2.0, 2),
        (0.0, 1e-9),
        (math.inf, math.inf),
        (1.0, torch.tensor([1.0])),
        (1.0, torch.tensor(1)),
        ((1.0, 2.0), torch.tensor([1.0, 2.0])),
        ((1, 2), np.array([1, 2])),
        (torch.ones(2), torch.ones(2, requires_grad=True)),
        ("cosine", " Cosine"),
        ((1.0, torch.ones(2)), [1.0, torch.ones(2)]),
        ({"a": 1.0}, {"a": 1.0}),
        (None, None),
    ],
)
def test_what_is_tolerated(expected, got, recwarn):
    assert difference(expected, got, 1e-4) is None
    assert not recwarn.list


def test_the_part_that_is_wrong_is_named():
    assert "value 2 of 2" in difference((1.0, torch.ones(2)), (1.0, torch.zeros(2)), 1e-4).sentence
    assert (
        "most at [1]: 5, where 2 is expected"
        in difference(torch.tensor([1.0, 2.0]), torch.tensor([1.1, 5.0]), 1e-4).sentence
    )


def test_patterns():
    e = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert pattern([(e, e.T)]) == "Yours is the expected value with its last two dimensions swapped."
    assert pattern([(e, e.sqrt())]) == "Yours is the square root of the expected value."
    assert pattern([((1.0, e), (1.0, 3 * e))]) == "Yours is 3 times the expected value, in value 2 of 2."
    assert pattern([(e, 2 * e), (e, 3 * e)]) is None
    thirds = torch.arange(1, 7) / 3
    for digits, place in ((0, "whole numbers"), (1, "1 digit behind the point"), (3, "3 digits behind the point")):
        for rounded in (thirds.round(decimals=digits), torch.tensor([round(x, digits) for x in thirds.tolist()])):
            assert pattern([(thirds, rounded)]) == f"Yours is the expected value rounded to {place}."
    assert pattern([(thirds, (thirds + 0.02).round(decimals=2))]) is None and pattern([(0.333, 0.3)]) is None
    assert pattern([(e, [1])]) is None and pattern([(e, e / 0)]) is None and pattern([]) is None
    assert pattern([(5.0, 2.5)]) == "Yours is 0.5 times the expected value." and pattern([(5.0, 2.6)]) is None


def test_short_text():
    assert short(torch.tensor([[1.0, 0.123456]])) == "[[1, 0.1235]]"
    assert short(torch.ones(2, dtype=torch.float64)) == "[1, 1] (float64)"
    assert short(torch.zeros(3, 4)) == "float32 tensor of shape (3, 4) that starts with 0, 0, 0, 0, …"
    assert short(torch.tensor([True])) == "[True]" and short(torch.tensor(2)) == "2"
    assert short((1, 2.5, None)) == "(1, 2.5, None)" and short(list(range(20))) == "[0, 1, 2, 3, 4, 5, 6, 7, …]"
    assert short(object()) == "an object" and len(short("x" * 500)) <= 100
    assert short(torch.Generator().manual_seed(3)) == "a generator, seed 3"
    assert both(1.00001, 1.00002) == ("1.00001", "1.00002")
    assert a_kind(np.zeros(2)) == "a NumPy array" and a_kind(None) == "None"


def test_a_float_where_a_whole_number_is_expected_is_found_wherever_it_stands():
    for expected, whole, got in [
        (3, np.int64(3), 3.0),
        ((1, 2.5), (1, 2.5), (1.0, 2.5)),
        ({"a": (4, 0.5), "b": 2}, {"b": 2, "a": [4, 0.5]}, {"a": (4.0, 0.5), "b": 2}),
    ]:
        assert not_whole(expected, whole) is None
        assert "with a decimal point" in not_whole(expected, got).sentence
