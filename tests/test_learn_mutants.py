"""Wrong answers that are made of a reference, by its arguments and by its source; and what they are good for."""

import inspect

import learn_exercises as ours
import pytest
import torch
from learn_home import home  # noqa: F401
from torch import Tensor, nn

from diffcourse.learn.audit import audit_exercise
from diffcourse.learn.diagnosis import accepts, diagnose
from diffcourse.learn.exercise import Case, Exercise
from diffcourse.learn.mutants import mutants


def reference(x: Tensor, t: int, null: int = 10) -> Tensor:
    """Something of everything: x (B, D), t counts from 0. Differentiable in x."""
    if t < 3:
        return -x.exp()
    return torch.where(x > 0, x * 2.0, x - null).sum(dim=1, keepdim=True)


def exercise(*cases, **more) -> Exercise:
    return Exercise(name="98.reference", title="x", reference=reference, cases=cases, hints=ours.HINTS, **more)


X = torch.tensor([[1.0, -2.0, 0.0], [0.5, 1.5, -1.0]])


def test_a_mutant_for_every_kind_of_change():
    names = {mutant.name for mutant in mutants(exercise((X, 2, 10), (X, 5, 10)))}
    assert {
        "t always 2", "null always 10", "x ignored", "x negated", "x its first row for all", "x detached", "x changed in place",
        "t and null interchanged", "t one more", "seeds the global generator", "its result detached",
    } <= names  # fmt: skip
    assert {
        "t < 3 -> t <= 3", "t < 3 -> t >= 3", "x > 0 -> x >= 0", "-x.exp() -> x.exp()", "x.exp() -> x", "x * 2.0 -> x / 2.0",
        "x * 2.0 -> x", "x - null -> x + null", "3 -> 4", "never: if t < 3", "always: if t < 3", "True -> False", "t -> null",
    } <= names  # fmt: skip


def test_each_mutant_is_another_function_and_the_reference_stays_as_it_is():
    before = inspect.getsource(reference), reference(X, 5)
    made = [mutant.answer for mutant in mutants(exercise((X, 5, 10))) if mutant.name.startswith("x * 2.0 ->")]
    assert sum(not torch.equal(answer(X.clone(), 5, 10), before[1]) for answer in made) >= 2
    assert torch.equal(reference(X, 5), before[1]) and torch.equal(
        X, torch.tensor([[1.0, -2.0, 0.0], [0.5, 1.5, -1.0]])
    )


def passing(*cases, **more) -> set[str]:
    item = exercise(*cases, **more)
    return {mutant.name for mutant in mutants(item) if accepts(item, mutant.answer)}


@pytest.mark.parametrize("item", [ours.NOISED, ours.MOMENTS, ours.BLOCK], ids=lambda item: item.name)
def test_the_short_way_to_a_verdict_is_the_long_one_s(item):
    answers = [item.reference, *item.alternatives, *(mutant.answer for mutant in mutants(item)[::5])]
    told = [diagnose(item, answer).status == "right" for answer in answers]
    assert [accepts(item, answer) for answer in answers] == told and True in told and False in told


def test_cases_that_share_a_property_let_mutants_pass():
    alike = passing((X, 5, 10), (X.flip(0), 6, 10))
    assert {"null always 10", "t < 3 -> t <= 3", "never: if t < 3"} <= alike
    unlike = passing((X, 5, 10), (X, 2, 7), (X, 3, 4))
    assert not {"null always 10", "t < 3 -> t <= 3", "never: if t < 3"} & unlike


def test_the_audit_names_a_mutant_that_passes_and_a_permission_that_is_not_needed():
    told = "\n".join(audit_exercise(exercise((X, 5, 10), (X.flip(0), 6, 10))).defects)
    assert "the mutant 'null always 10' passes" in told
    told = "\n".join(
        audit_exercise(exercise((X, 5, 10), (X.flip(0), 6, 10), allowed={"null *": "for this test"})).defects
    )
    assert "the mutant 'null always 10' passes" not in told
    told = "\n".join(audit_exercise(exercise((X, 5, 10), (X, 5, 7), allowed={"null *": "for this test"})).defects)
    assert "no mutant that passes is called 'null *'" in told


def test_classes_have_mutants_of_what_builds_them_and_of_what_is_called():
    found = {mutant.name: mutant.answer for mutant in mutants(ours.BLOCK)}
    assert {"x ignored", "width always 3", "torch.tanh(self.linear(x)) -> self.linear(x)"} <= found.keys()
    assert all(issubclass(answer, nn.Module) for answer in found.values())


@pytest.mark.parametrize(
    "answer, says",
    [
        (lambda x, t, null=10: reference(2 * x, t, null), "Yours is what comes out with twice x in its place."),
        (lambda x, t, null=10: reference(x, t, 10), "Yours is the same whatever null is."),
        (
            lambda x, t, null=10: reference(torch.randn_like(x), t, null),
            "Yours is another one each time: it draws random numbers",
        ),
        (lambda x, t, null=10: reference(x, t, null) * (1 if t > 2 else 1.5), "Yours is right where t is 5"),
    ],
)
def test_an_unforeseen_answer_hears_what_it_is(answer, says):
    verdict = diagnose(exercise((X, 5, 10), (X, 2, 7), (X + 0.1, 2, 4), (X, 5, 3)), answer)
    assert any(line.startswith(says) for line in verdict.says), verdict.says


# -- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, says",
    [
        (lambda x, t, null=10: reference(x.detach(), t, null), "no gradient reaches x"),
        (lambda x, t, null=10: reference(x, t, null).detach(), "no gradient reaches x"),
        (torch.no_grad()(reference), "no gradient reaches x"),
        (
            lambda x, t, null=10: reference(torch.cat([x[:1].detach(), x[1:]]), t, null),
            "the gradient in x is another one",
        ),
        (
            lambda x, t, null=10: 2 * reference(x, t, null) - reference(x, t, null).detach(),
            "the gradient in x is another one",
        ),
        (
            lambda x, t, null=10: torch.from_numpy(reference(x, t, null).numpy()),
            "with inputs that ask for a gradient it stops",
        ),
    ],
)
def test_right_values_without_the_right_derivative(answer, says):
    verdict = diagnose(exercise((X, 5, 10), (X, 2, 7)), answer)
    assert verdict.status == "wrong" and verdict.says[0].startswith("Yours is right in its values, but " + says)
    assert diagnose(exercise((X, 5, 10), (X, 2, 7), gradients=[]), answer).status == "right"


class Table(nn.Module):
    """A table with a row for each of 3 labels and one for none."""

    def __init__(self, rows: int, **more):
        super().__init__()
        self.table = nn.Embedding(rows, 2, **more)

    def forward(self, labels: Tensor) -> Tensor:
        """labels (B,) -> (B, 2)."""
        return self.table(labels)


class Frozen(Table):
    def __init__(self, rows):
        super().__init__(rows)
        self.table.weight.requires_grad_(False)


class Padded(Table):
    def __init__(self, rows):
        super().__init__(rows, padding_idx=rows - 1)


def table(*labels: int) -> Exercise:
    case = Case(args=(4,), inputs=(torch.tensor(labels),))
    return Exercise(name="98.Table", title="x", kind="class", reference=Table, cases=[case], hints=ours.HINTS)


def test_parameters_that_cannot_learn_are_told():
    assert diagnose(table(0, 3), Table).status == "right"
    assert "no gradient reaches the parameter table.weight" in diagnose(table(0, 3), Frozen).text
    assert "none reaches some of its entries" in diagnose(table(0, 3), Padded).text
    assert diagnose(table(0, 1), Padded).status == "right"  # a case without the last row does not see it


def test_the_stub_of_a_function_says_in_what_it_is_differentiable():
    def silent(x: Tensor) -> Tensor:
        """Twice x."""
        return 2 * x

    item = Exercise(name="98.silent", title="x", reference=silent, cases=[(X,)], hints=ours.HINTS)
    assert "the stub does not say so" in "\n".join(audit_exercise(item).defects)
    told = Exercise(name="98.silent", title="x", reference=silent, cases=[(X,)], hints=ours.HINTS, gradients=["y"])
    assert "gradients names y, which the reference does not take" in "\n".join(audit_exercise(told).defects)


def test_an_answer_that_seeds_the_global_generator_is_told():
    def seeded(x, t, null=10):
        torch.manual_seed(0)
        return reference(x, t, null)

    verdict = diagnose(exercise((X, 5, 10)), seeded)
    assert verdict.says[0].startswith("Yours is right in its values, but it seeds the global generator")


# -- check itself -----------------------------------------------------------------------------------------------------


class Raises:
    def __getattr__(self, name):
        raise RuntimeError("no attributes here")

    def __call__(self, x, t, null=10):
        return reference(x, t, null)


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("nothing to say")


def silent(x, t, null=10):
    raise Silent


def test_answers_and_errors_whose_own_methods_raise_are_judged(
    home,  # noqa: F811
    capsys,
    monkeypatch,
):
    from diffcourse.learn import check, registry

    monkeypatch.setitem(registry.EXTRA, "98.reference", exercise((X, 5, 10)))
    check("98.reference", Raises())
    check("98.reference", silent)
    text = capsys.readouterr().out
    assert "98.reference: right." in text and "with Silent" in text
