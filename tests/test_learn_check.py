"""check, hint and solution: what a learner hears for every kind of answer, what she gets back, and what is recorded."""

import contextlib
import dataclasses
import random
import signal
import subprocess
import sys
import threading
import time

import learn_exercises as ours
import numpy as np
import pytest
import torch
from learn_home import home  # noqa: F401  (a fixture)
from torch import nn

from diffcourse.learn import check, exercises, hint, registry, run, solution
from diffcourse.learn.diagnosis import diagnose
from diffcourse.learn.exercise import Case, Exercise, Mistake

pytestmark = pytest.mark.usefixtures("home")
NAME = "98.noised"


def said(capsys, answer, name=NAME):
    """What check prints for an answer."""
    capsys.readouterr()
    check(name, answer)
    out = capsys.readouterr()
    assert out.err == ""
    return out.out


def stub(x0, alpha_bar, eps):
    raise NotImplementedError


# -- the three verdicts -----------------------------------------------------------------------------------------------


def test_a_right_answer_is_returned_and_recorded(home, capsys):  # noqa: F811
    assert check(NAME, ours.noised_in_a_loop) is ours.noised_in_a_loop
    assert capsys.readouterr().out == "98.noised: right.\nOne step is enough for any time.\n"
    assert home.of(NAME)["solved"] and home.of(NAME)["attempts"] == 1


def test_the_stub_is_not_attempted_and_not_recorded(home, capsys):  # noqa: F811
    reference = check(NAME, stub)
    assert capsys.readouterr().out == "98.noised: not attempted yet.\nThe lesson goes on with the reference.\n"
    assert home.of(NAME) == {}
    x = torch.ones(2)
    assert torch.equal(reference(x, 0.5, x), ours.noised(x, 0.5, x)) and reference.__name__ == "noised"
    assert reference.__doc__ == ours.noised.__doc__


def test_a_named_mistake_hears_its_own_message(home, capsys):  # noqa: F811
    text = said(capsys, lambda x0, alpha_bar, eps: eps - eps * alpha_bar + alpha_bar**0.5 * x0)
    assert text.splitlines() == [
        "98.noised: not right yet.",
        ours.VARIANCE,
        'Until then the lesson goes on with the reference. hint("98.noised") helps.',
    ]
    assert home.of(NAME)["attempts"] == 1 and home.of(NAME)["solved"] is None


def test_a_mistake_in_double_precision_or_that_raises_is_recognised(capsys):
    assert ours.VARIANCE in said(capsys, lambda x0, a, eps: ours.noised_with_variance(x0.double(), a, eps.double()))
    assert "A tensor has no field" in said(capsys, lambda x0, a, eps: x0.alpha)


def test_an_unknown_mistake_gets_the_smallest_case(capsys):
    def worse_when_noisy(x0, alpha_bar, eps):
        return ours.noised(x0, alpha_bar, eps) + (0.25 if alpha_bar < 0.6 else 0)

    assert said(capsys, worse_when_noisy).splitlines()[1:-1] == [
        "It differs in 2 of 3 cases; this is the smallest of them.",
        "Yours is right where alpha_bar is 0.9, and differs where it is 0.3 or 0.5.",
        "  x0         [[1, 2]]",
        "  alpha_bar  0.5",
        "  eps        [[0.5, -1]]",
        "  expected   [[1.061, 0.7071]]",
        "  got        [[1.311, 0.9571]]",
    ]


@pytest.mark.parametrize(
    "change, looks",
    [
        (lambda y: 1.02 * y, "Yours is 1.02 times the expected value."),
        (lambda y: y + 0.01, "Yours is 0.01 more than the expected value."),
        (lambda y: y - 2, "Yours is 2 less than the expected value."),
        (lambda y: -y, "Yours is the expected value with the opposite sign."),
        (lambda y: y**2, "Yours is the square of the expected value."),
        (lambda y: 1 / y, "Yours is one divided by the expected value."),
        (lambda y: y.flip(-1), "Yours is the expected value in reversed order."),
        (lambda y: y * 0, "Yours is 0 everywhere."),
    ],
)
def test_simple_relations_to_the_expected_value_are_named(change, looks):
    bare = dataclasses.replace(ours.NOISED, invariants=[])
    verdict = diagnose(bare, lambda *args: change(ours.noised(*args)))
    assert verdict.status == "wrong" and verdict.says[-1] == looks


def test_the_right_part_of_two_is_named():
    verdict = diagnose(ours.MOMENTS, lambda x: (x.mean(0), 1.5 * x.var(0, correction=0)))
    assert verdict.says[1:] == [
        "Yours is right in value 1 of 2.",
        "Yours is 1.5 times the expected value, in value 2 of 2.",
    ]


@pytest.mark.parametrize("c", [1.0, -3.0])
def test_where_only_a_product_counts_any_factors_are_right(c):
    answer = lambda a: (c * torch.eye(len(a)), a / c)  # noqa: E731
    assert diagnose(ours.FACTORS, answer).status == "right"


def test_what_counts_is_what_is_compared_named_and_shown():
    verdict = diagnose(ours.FACTORS, lambda a: (2 * torch.eye(len(a)), a + 1))
    assert verdict.status == "wrong" and [label for label, _ in verdict.table] == [
        "a",
        "expected first @ second",
        "got first @ second",
    ]
    assert (
        "Your first @ second differs most at"
        in diagnose(
            dataclasses.replace(ours.FACTORS, cases=[(torch.rand(3, 4),)]), lambda a: (torch.eye(3), a.sin())
        ).says[1]
    )


def test_a_mistake_is_told_by_what_counts_whatever_its_factors():
    assert diagnose(ours.FACTORS, lambda a: (-2 * torch.eye(len(a)), a / 2)).mistake == "negative"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda a: (a.mT, a), "Your output, value 1 of 2, has shape (3, 2)"),
        (lambda a: (torch.eye(len(a)), a, 0), "Your output has 3 parts, where 2 are expected."),
        (lambda a: (torch.eye(len(a)).half(), a.half()), "Your output, value 1 of 2, is float16"),
        (lambda a: None, "Your function returns None"),
    ],
)
def test_the_form_of_an_output_counts_even_where_of_its_values_a_part_does(answer, says):
    verdict = diagnose(ours.FACTORS, answer)
    assert verdict.status == "wrong" and verdict.says[0].startswith(says)


def test_what_is_right_for_zeros_alone_is_told_so():
    verdict = diagnose(exercises()["04.ddim_std"], lambda t, s, eta: eta * (1 - s) * s**t)
    assert "Yours is right only where the expected value is 0." in verdict.says


def test_a_small_difference_is_shown_with_enough_digits():
    table = dict(diagnose(dataclasses.replace(ours.NOISED, invariants=[]), lambda *a: 1.0003 * ours.noised(*a)).table)
    assert table["expected"] != table["got"]


# -- invariants -------------------------------------------------------------------------------------------------------


def test_a_broken_invariant_is_said(capsys):
    assert "With alpha_bar = 1 no noise" in said(capsys, lambda x0, a, eps: ours.noised(x0, a, eps) + 0.1 * x0.sin())


def test_right_numbers_without_gradient_are_wrong(home, capsys):  # noqa: F811
    assert "Yours is right in its values, but no gradient reaches x0" in said(
        capsys, lambda x0, a, eps: ours.noised(x0.detach(), a, eps)
    )
    assert home.of(NAME)["solved"] is None


def test_an_invariant_that_never_returns_ends(monkeypatch, capsys):
    monkeypatch.setattr(run, "LIMIT", 0.3)

    def slow_at_the_end(x0, alpha_bar, eps):
        while alpha_bar == 1.0:
            pass
        return ours.noised(x0, alpha_bar, eps)

    assert "still running after 0.3 seconds" in said(capsys, slow_at_the_end)


# -- answers that misbehave -------------------------------------------------------------------------------------------


def test_an_error_names_type_message_and_her_line(capsys):
    def broken(x0, alpha_bar, eps):
        y = x0.clone()
        return torch.cat([y, torch.zeros(7, 7)])  # her line

    text = said(capsys, broken)
    line = broken.__code__.co_firstlineno + 2
    assert (
        f"It stopped in line {line} of your cell, `return torch.cat([y, torch.zeros(7, 7)])  # her line`, with RuntimeError: Sizes"
        in text
    )
    assert "Traceback" not in text and "diagnosis" not in text and "  x0 " in text


def test_an_error_inside_her_helper_names_the_helpers_line(capsys):
    def helper(x):
        return x / undefined  # noqa: F821

    assert f"line {helper.__code__.co_firstlineno + 1} of your cell" in said(capsys, lambda x0, a, eps: helper(x0))


def test_a_wrong_signature_is_explained(capsys):
    text = said(capsys, lambda x0: x0)
    assert (
        "could not be called the way the stub is: TypeError" in text
        and "takes 1 positional argument but 3 were given" in text
    )


def test_torchs_own_not_implemented_error_is_an_error(capsys):
    def unfinished(x0, alpha_bar, eps):
        raise NotImplementedError('"exp" not implemented for this type')

    assert "not right yet" in said(capsys, unfinished)


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError("too deep"), MemoryError(), Exception()])
def test_any_error_is_met(capsys, error):
    def raises(x0, alpha_bar, eps):
        raise error

    assert type(error).__name__ in said(capsys, raises)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda y: None, "Your function returns None: does it end with return"),
        (lambda y: y.tolist(), "Your output is a list, where a tensor is expected."),
        (lambda y: y.numpy(), "Your output is a NumPy array, where a tensor is expected."),
        (lambda y: (y, y), "Your output is a tuple, where a tensor is expected."),
        (lambda y: float(y[0, 0]), "Your output is a number, where a tensor is expected."),
        (lambda y: y[None], "has shape (1, 2, 3), where (2, 3) is expected."),
        (lambda y: y.mean(), "has shape (), where (2, 3) is expected."),
        (lambda y: y.half(), "Your output is float16: it keeps two or three digits only."),
        (lambda y: y.bfloat16(), "Your output is bfloat16"),
        (lambda y: y.long(), "of type int64, which cannot hold fractions"),
        (lambda y: y > 0, "of type bool, which cannot hold fractions"),
        (lambda y: y.where(y > 0, torch.nan), "holds NaN, which is not a number, in"),
        (lambda y: y * torch.nan, "which is not a number, in every entry."),
    ],
)
def test_answers_of_the_wrong_form(capsys, change, sentence):
    text = said(capsys, lambda *args: change(ours.noised(*args)))
    assert text.startswith("98.noised: not right yet.\n") and sentence in text


class Spiteful:
    """An object that can neither be compared nor shown."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


ODD = {
    "complex": torch.ones(2, 3, dtype=torch.complex64),
    "sparse": torch.ones(2, 3).to_sparse(),
    "meta": torch.ones(2, 3, device="meta"),
    "empty": torch.ones(0),
    "huge": 10**400,
    "bytes": b"x",
    "a class": object,
    "a function": lambda: 1,
    "a module": nn.Linear(2, 3),
    "a generator": torch.Generator(),
    "an array": np.ones((2, 3)),
    "a set": {1, 2},
    "spiteful": Spiteful(),
    "spite in a list": [Spiteful()],
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["98.noised", "98.moments", "98.half"])
def test_no_answer_breaks_the_check(odd, name, capsys):
    answer = ODD[odd] if name == "98.half" else lambda *args: ODD[odd]
    text = said(capsys, answer, name)
    assert text.startswith(f"{name}: not right yet.") and " at 0x" not in text


@pytest.mark.parametrize("answer", [3, None, [1], torch.ones(2), "text"])
def test_the_result_instead_of_the_function(capsys, answer):
    assert 'where the function itself is expected, without calling it: check("98.noised", noised).' in said(
        capsys, answer
    )


def test_ellipsis_is_not_attempted(capsys):
    assert "not attempted yet" in said(capsys, ...)


def test_changing_the_arguments_is_found_and_does_no_harm(capsys):
    def in_place(x0, alpha_bar, eps):
        x0 *= alpha_bar**0.5
        return x0.add_((1 - alpha_bar) ** 0.5 * eps)

    without = dataclasses.replace(ours.NOISED, invariants=[])
    verdict = diagnose(without, in_place)
    assert verdict.status == "wrong" and "It changes its argument x0 in place" in verdict.says[0]
    assert diagnose(without, ours.noised).status == "right"


def test_the_cases_tensors_are_not_the_learners(capsys):
    kept = []

    def vandal(x0, alpha_bar, eps):
        kept.append(x0)
        x0.zero_()
        return x0

    said(capsys, vandal)
    assert torch.equal(ours.NOISED.build_cases()[2].args[0], torch.tensor([[1.0, 2.0]]))
    assert "right." in said(capsys, ours.noised_in_a_loop)


def test_printing_is_captured_and_shortened(capsys):
    def chatty(x0, alpha_bar, eps):
        for i in range(5000):
            print("line", i)
        print("also here", file=sys.stderr)
        return ours.noised(x0, alpha_bar, eps)

    text = said(capsys, chatty)
    assert "98.noised: right." in text and "It printed:\n  line 0\n" in text
    assert len(text.splitlines()) < 20 and "line 4000" not in text


@pytest.mark.filterwarnings("ignore:careful")
def test_warnings_of_her_code_do_not_reach_stderr(capsys):
    def warned(x0, alpha_bar, eps):
        import warnings

        warnings.warn("careful", stacklevel=1)
        return ours.noised(x0, alpha_bar, eps)

    assert "right." in said(capsys, warned)


def test_an_endless_loop_is_stopped(home, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(run, "LIMIT", 0.3)

    def endless(x0, alpha_bar, eps):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    began = time.monotonic()
    assert "It was still running after 0.3 seconds" in said(capsys, endless)
    assert time.monotonic() - began < 3
    assert home.of(NAME)["attempts"] == 1
    assert signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, None)


def test_a_bare_except_does_not_keep_a_loop_alive(monkeypatch):
    monkeypatch.setattr(run, "LIMIT", 0.2)

    def stubborn(*args):
        try:
            while True:
                pass
        except:  # noqa: E722
            while True:
                pass

    assert "still running" in diagnose(ours.NOISED, stubborn).says[0]


def test_all_cases_share_the_time(monkeypatch):
    monkeypatch.setattr(run, "LIMIT", 0.5)

    def slow(*args):
        time.sleep(0.3)
        return ours.noised(*args)

    assert "still running after 0.5 seconds" in diagnose(ours.NOISED, slow).says[0]


@pytest.mark.parametrize("profiler", [None, lambda *_: None], ids=["alone", "under a profiler"])
def test_the_limit_works_in_another_thread(profiler):
    found = []

    def endless():
        while True:
            pass

    def in_another_thread():
        sys.setprofile(profiler)  # as tools of coverage do, Python looks for what is pending at every call
        found.extend([run.Runner(0.3).call(endless), run.Runner(5.0).call(lambda: 7)])

    thread = threading.Thread(target=in_another_thread, daemon=True)
    thread.start()
    thread.join(10)
    assert len(found) == 2 and found[0].timed_out and found[1].value == 7


def test_a_limit_that_ends_with_the_work_leaves_nothing_behind():
    """The ring comes while the function returns: what counts is that nothing arrives afterwards."""
    found = []

    def close():
        for _ in range(20):
            outcome = run.Runner(0.01).call(time.sleep, 0.0099)
            sum(range(1000))  # a ring that came late would stop this thread here
            found.append(outcome)

    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    thread.join(10)
    assert len(found) == 20 and all(outcome.timed_out or outcome.error is None for outcome in found)


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"])
def test_the_limit_works_without_sigalrm(monkeypatch, handler):
    monkeypatch.delattr(signal, "setitimer")
    before = signal.signal(signal.SIGINT, handler)  # a shell's background jobs ignore SIGINT

    def endless():
        while True:
            pass

    try:
        assert run.Runner(0.3).call(endless).timed_out
        assert run.Runner(5.0).call(lambda: 7).value == 7
        time.sleep(0.05)  # nothing arrives late
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_readers_own_stop_comes_through():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.Runner(1.0).call(stopped)


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    random.seed(5)
    expected = torch.rand(3), random.random()
    torch.manual_seed(5)
    random.seed(5)
    diagnose(ours.NOISED, lambda *args: torch.manual_seed(1) and ours.noised(*args) + torch.randn(1) + random.random())
    assert torch.equal(torch.rand(3), expected[0]) and random.random() == expected[1]


def test_verdicts_are_deterministic(capsys):
    def noisy(x0, alpha_bar, eps):
        return ours.noised(x0, alpha_bar, eps) + torch.randn(x0.shape)

    assert said(capsys, noisy) == said(capsys, noisy)


# -- what is accepted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loops_and_both_precisions_pass(dtype):
    for answer in (ours.noised, ours.noised_in_a_loop, lambda x0, a, eps: ours.noised(x0.to(dtype), a, eps.to(dtype))):
        assert diagnose(ours.NOISED, answer, dtype).status == "right"


def test_an_exercise_may_pass_a_generator():
    exercise = Exercise(name="98.draw", title="x", reference=drawn, cases=[lambda g: (3, g)])
    assert diagnose(exercise, lambda n, generator: torch.empty(n).normal_(generator=generator)).status == "right"
    assert diagnose(exercise, lambda n, generator: torch.randn(n)).status == "wrong"


def drawn(n, generator):
    """n Gaussian numbers."""
    return torch.randn(n, generator=generator)


def counted(n):
    """The numbers below n."""
    return iter(range(n))


def test_a_generator_function_is_compared_by_what_it_yields():
    exercise = Exercise(name="98.counted", title="x", reference=counted, cases=[(3,)])
    assert diagnose(exercise, lambda n: (i for i in range(n))).status == "right"
    assert diagnose(exercise, lambda n: (i + 1 for i in range(n))).status == "wrong"


# -- classes ----------------------------------------------------------------------------------------------------------


def test_a_class_is_compared_on_the_references_parameters(capsys):
    assert check("98.Block", ours.ByHand) is ours.ByHand
    assert "98.Block: right." in capsys.readouterr().out
    assert "Your block has a scale and never uses it." in said(capsys, ours.NoScale, "98.Block")
    assert "Your layer has no bias." in said(capsys, ours.NoBias, "98.Block")


def test_other_parameter_names_are_said(capsys):
    class Renamed(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer, self.scale = nn.Linear(width, width), nn.Parameter(torch.ones(2))

    text = said(capsys, Renamed, "98.Block")
    assert "it lacks linear.weight, linear.bias; it has layer.weight, layer.bias" in text
    assert "scale has shape (2,) instead of (1,)" in text


def test_class_answers_that_are_no_module_or_no_class(capsys):
    class Plain:
        def __init__(self, width):
            pass

    assert "is not an nn.Module" in said(capsys, Plain, "98.Block")
    assert "the class itself is expected" in said(capsys, ours.Block(3), "98.Block")
    assert "the class itself is expected" in said(capsys, lambda width: ours.Block(width), "98.Block")


def test_a_class_stub_is_not_attempted(capsys):
    namespace = dict(vars(ours))
    exec(ours.BLOCK.stub, namespace)
    text = said(capsys, namespace["Block"], "98.Block")
    assert "not attempted yet" in text
    reference = check("98.Block", namespace["Block"])
    assert issubclass(reference, ours.Block) and reference.__name__ == "Block"


def test_an_unknown_mistake_in_a_class_shows_how_it_was_built(capsys):
    class Doubled(ours.Block):
        def forward(self, x):
            return 2 * super().forward(x)

    text = said(capsys, Doubled, "98.Block")
    assert (
        "  built with   3\n" in text and "  called with  [[" in text and "Yours is 2 times the expected value." in text
    )


class Stepper:
    """A plain class with a method."""

    def __init__(self, size: float):
        self.size = size

    def step(self, x: float) -> float:
        return x + self.size


def test_a_class_that_is_no_module_is_called_by_a_method():
    exercise = Exercise(
        name="98.Stepper",
        title="x",
        kind="class",
        reference=Stepper,
        cases=[Case(args=(0.5,), inputs=(1.0,), method="step")],
    )

    class Mine:
        def __init__(self, size):
            self.by = size

        def step(self, x):
            return self.by + x

    class Wrong(Mine):
        def step(self, x):
            return self.by - x

    assert diagnose(exercise, Mine).status == "right"
    verdict = diagnose(exercise, Wrong)
    assert verdict.status == "wrong" and ("called.step with", "1") in verdict.table


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [0.25, 1 / 4, torch.tensor(0.25), torch.tensor(0.25, dtype=torch.float64), np.float64(0.25), np.float32(0.25)],
)
def test_right_values(capsys, answer):
    assert "98.half: right." in said(capsys, answer, "98.half")


@pytest.mark.parametrize(
    "answer, sentence",
    [
        (0.5, "That is the amplitude"),
        (0.7071068, "That is a root too many."),
        (torch.tensor(0.75), "That is what is lost."),
        (0.26, "Your answer is 0.26.\nIt is not what is asked for"),
        (-0.25, "Yours is the expected value with the opposite sign."),
        (4, "Yours is one divided by the expected value."),
        (None, "Your answer is None, where a number is expected."),
        ("a quarter", "Your answer is text, where a number is expected."),
        (True, "Your answer is a truth value, where a number is expected."),
        (torch.ones(2), "a tensor of shape (2,), where a single number is expected."),
        (torch.tensor(0.25, dtype=torch.half), "Your answer is of type float16"),
        (float("nan"), "Your answer is NaN"),
    ],
)
def test_wrong_values(home, capsys, answer, sentence):  # noqa: F811
    text = said(capsys, answer, "98.half")
    assert "98.half: not right yet." in text and sentence in text
    assert "0.25" not in text.replace("Your answer is -0.25", "")
    assert home.of("98.half")["solved"] is None


def test_an_untouched_value_is_not_attempted(home, capsys):  # noqa: F811
    half = check("98.half", ...)
    assert half == 0.25 and isinstance(half, float) and f"{half * 2:.1f} {half}" == "0.5 0.25"
    check("98.half", half)
    assert "this is the reference" in capsys.readouterr().out
    assert home.of("98.half") == {}
    assert check("98.half", 0.25) == 0.25 and home.of("98.half")["solved"]


@pytest.mark.parametrize("value", [3, 0.5, "cosine", (1, 2.0), [1, 2], {"a": 1}, torch.ones(2), None], ids=str)
def test_values_of_every_type_are_marked(monkeypatch, capsys, value):
    monkeypatch.setitem(registry.EXTRA, "98.v", Exercise(name="98.v", title="x", kind="value", reference=value))
    given = check("98.v", ...)
    assert (torch.equal(given, value) if isinstance(value, torch.Tensor) else given == value) and repr(given) == repr(
        value
    )
    capsys.readouterr()
    check("98.v", given)
    assert "this is the reference" in capsys.readouterr().out


# -- the reference is never her own work ------------------------------------------------------------------------------


def test_wrong_and_then_rerun_twice_is_still_unsolved(home, capsys):  # noqa: F811
    noised = check(NAME, ours.noised_with_variance)
    noised = check(NAME, noised)
    noised = check(NAME, noised)
    assert "98.noised: this is the reference." in capsys.readouterr().out
    assert home.of(NAME)["solved"] is None and home.of(NAME)["attempts"] == 1
    assert callable(noised)


def test_the_reference_class_is_marked_too(home):  # noqa: F811
    check("98.Block", check("98.Block", ours.NoBias))
    assert home.of("98.Block")["solved"] is None


def test_the_packages_own_function_is_not_an_answer(home, capsys):  # noqa: F811
    assert "this is the reference" in said(capsys, ours.noised)
    assert home.of(NAME) == {}


def test_after_the_solution_a_right_answer_counts_as_read(home, capsys):  # noqa: F811
    solution(NAME)
    text = capsys.readouterr().out
    assert (
        "def noised(x0: Tensor, alpha_bar: float, eps: Tensor) -> Tensor:" in text
        and "from torch import Tensor" in text
    )
    check(NAME, ours.noised_in_a_loop)
    text = capsys.readouterr().out
    assert "98.noised: right." in text and "counts as read, not as solved" in text
    assert home.of(NAME)["solution"] == 1 and home.of(NAME)["solved"] is None


def test_the_solution_after_solving_changes_nothing(home, capsys):  # noqa: F811
    check(NAME, ours.noised_in_a_loop)
    when = home.of(NAME)["solved"]
    solution(NAME)
    assert "Compare it with yours." in capsys.readouterr().out
    check(NAME, ours.noised_in_a_loop)
    assert home.of(NAME)["solved"] == when and "counts as read" not in capsys.readouterr().out


# -- hints ------------------------------------------------------------------------------------------------------------


def test_hints_come_one_by_one_and_survive_a_restart(home, capsys, monkeypatch):  # noqa: F811
    from diffcourse.learn import record

    for i in range(3):
        hint(NAME)
        assert capsys.readouterr().out == f"98.noised, hint {i + 1} of 3.\n{ours.HINTS[i]}\n"
        monkeypatch.setattr(record, "STORE", record.Store())  # as after a restart
    hint(NAME)
    text = capsys.readouterr().out
    assert all(h in text for h in ours.HINTS) and 'solution("98.noised")' in text
    assert home.of(NAME)["hints"] == 3


@pytest.mark.parametrize("function", [hint, solution, lambda name: check(name, 1)])
def test_unknown_names_suggest_near_ones(function):
    with pytest.raises(KeyError, match=r"no exercise is called '98\.noise': did you mean 98\.noised"):
        function("98.noise")
    with pytest.raises(KeyError, match=r"did you mean 98\.noised"):
        function("noised")
    with pytest.raises(KeyError, match="no exercise is called"):
        function(None)


# -- data -------------------------------------------------------------------------------------------------------------


def test_stub_and_solution_of_a_class():
    assert ours.BLOCK.stub.splitlines() == [
        "class Block(nn.Module):",
        '    """A linear layer `linear` (width in, width out) with a residual connection and a scale `scale`, which starts at 1."""',
        "",
        "    def __init__(self, width: int):",
        "        raise NotImplementedError",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """x (B, width) -> (B, width)."""',
        "        raise NotImplementedError",
    ]
    assert ours.BLOCK.solution.startswith(
        "import torch\nfrom torch import Tensor, nn\n" if False else "import torch\nfrom torch import"
    )


def test_the_stub_of_a_class_keeps_the_methods_that_are_given():
    given = dataclasses.replace(ours.BLOCK, stub="", given=["__init__"])
    assert given.stub.splitlines() == [
        "class Block(nn.Module):",
        '    """A linear layer `linear` (width in, width out) with a residual connection and a scale `scale`, which starts at 1."""',
        "",
        "    def __init__(self, width: int):",
        "        super().__init__()",
        "        self.linear = nn.Linear(width, width)",
        "        self.scale = nn.Parameter(torch.ones(1))",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """x (B, width) -> (B, width)."""',
        "        raise NotImplementedError",
    ]
    assert given.solution == ours.BLOCK.solution
    assert diagnose(given, _defined(given.stub, "Block")).status == "not attempted"


def _defined(code: str, name: str):
    namespace = dict(vars(ours))
    exec(code, namespace)
    return namespace[name]


def helper(x, helper_offset=0):
    return x + OFFSET + helper_offset


OFFSET = 3


def _private_name(x: int, name: str = "offset") -> int:
    """x and a bit."""
    return helper(x, helper_offset=0) if x else _private_name(x + 1)


def test_a_solution_brings_its_helpers_and_its_own_name():
    exercise = Exercise(name="98.shifted", title="x", reference=_private_name, cases=[(1,)])
    namespace = {}
    exec(exercise.solution, namespace)
    assert namespace["shifted"](1) == 4 and "_private_name" not in exercise.solution
    assert {
        "_helper",
        "_OFFSET",
        "shifted",
    } <= namespace.keys()  # private: a lesson's own variables do not replace them
    assert (
        exercise.stub
        == 'def shifted(x: int, name: str = "offset") -> int:\n    """x and a bit."""\n    raise NotImplementedError'
    )


def test_a_reference_from_the_package_is_shown_with_its_imports():
    from diffcourse.schedule import linear_beta_schedule

    exercise = Exercise(name="98.betas", title="x", reference=linear_beta_schedule, cases=[(10,)])
    namespace = {}
    exec(exercise.solution, namespace)
    assert torch.equal(namespace["betas"](10), linear_beta_schedule(10))


def test_a_value_solution_runs():
    namespace = {}
    exec(ours.VALUE.solution, namespace)
    assert namespace["half"] == 0.25 and ours.VALUE.stub == "half = ..."
    exec(Exercise(name="98.v", title="x", kind="value", reference=torch.ones(2)).solution, namespace)
    assert torch.equal(namespace["v"], torch.ones(2))


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"name": "noised"}, "name must look like"),
        ({"kind": "thing"}, "kind must be one of"),
        ({"reference": lambda x: x}, None),
        ({"reference": 3}, "must be a function"),
        ({"kind": "class"}, "must be a class"),
        ({"hints": "one string"}, "list of sentences"),
        ({"given": "__init__"}, "list of names"),
        ({"given": ["__init__"]}, "only a class has methods"),
        ({"kind": "class", "reference": ours.Block, "given": ["build"]}, "x has no build"),
    ],
)
def test_data_that_cannot_work_is_refused(changes, error):
    with pytest.raises((ValueError, TypeError, SyntaxError), match=error):
        Exercise(**{"name": "98.x", "title": "x", "reference": ours.noised, **changes})


def test_cases_are_equal_at_every_call_and_share_nothing():
    first, second = ours.NOISED.build_cases(), ours.NOISED.build_cases()
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.args[0], b.args[0]) and a.args[0].data_ptr() != b.args[0].data_ptr()
    assert ours.NOISED.build_cases(torch.float64)[2].args[2].dtype == torch.float64


def test_lessons_are_found_without_being_listed():
    assert next(iter(exercises())).startswith("00.") and "98.noised" in exercises()


@pytest.mark.slow
def test_importing_is_light():
    code = "import sys, diffcourse.learn; print(*{'ipywidgets', 'matplotlib', 'IPython', 'torchvision', 'transformers'} & set(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, encoding="utf-8"
    ).stdout
    assert out.strip() == ""


def test_a_mistake_may_be_an_in_place_version():
    def in_place(x0, alpha_bar, eps):
        return x0.mul_(alpha_bar**0.5).add_((1 - alpha_bar) ** 0.5 * eps)

    exercise = dataclasses.replace(
        ours.NOISED, invariants=[], mistakes=[Mistake("adds in place", lambda *a: in_place(*a) + 1, "Here.")]
    )
    assert diagnose(exercise, lambda *a: 1 + in_place(*a)).mistake == "adds in place"


def moved(network, x):
    """What the network makes of x, (B, 2), which it leaves as it is. Differentiable in x."""
    return network(x)


def test_a_module_that_is_changed_beside_tensors_is_called_a_module():
    def changed(network, x):
        value = network(x)
        network.weight.data.add_(1)
        return value

    cases = [lambda g: (nn.Linear(2, 3), torch.randn(4, 2, generator=g))]
    exercise = Exercise(name="98.moved", title="x", reference=moved, cases=cases, gradients=["x"])
    says = diagnose(exercise, changed).says
    assert "changes its argument network in place" in says[0] and "copy.deepcopy" in says[1]


def test_infinity_is_called_infinity(capsys):
    text = said(capsys, lambda x0, a, eps: ours.noised(x0, a, eps) / 0)
    assert "inf, which is infinity" in text and "gradient" not in text


def test_a_readers_own_settings_do_not_count_and_stay():
    torch.set_default_dtype(torch.float64)
    try:
        answer = lambda x0, a, eps: torch.tensor(a).sqrt() * x0 + torch.tensor(1 - a).sqrt() * eps  # noqa: E731
        assert diagnose(ours.NOISED, answer).status == "right"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
