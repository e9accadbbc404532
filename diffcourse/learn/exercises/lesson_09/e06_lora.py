"""A low-rank correction beside a frozen linear layer."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffcourse import adapters
from diffcourse.learn.exercise import Case, Counts, Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


class LoRA(nn.Module):
    """A linear layer that stays as it is, and a small correction beside it that learns.

    linear is the layer, from `in` to `out` features, with a bias or without. It is kept under
    the name `linear`: the layer itself, no copy; none of its parameters may learn any longer.
    Two parameters are new: down (rank, in), which brings x to `rank` numbers, starts Gaussian
    with mean 0 and standard deviation 1/rank; up (out, rank), which brings these numbers to the
    outputs, starts at 0. What comes out is what `linear` gives, plus `scale` times what down,
    and then up, make of x.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float = 1.0):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in) -> (…, out)."""
        return self.linear(x) + self.scale * (x @ self.down.mT) @ self.up.mT  # Hu et al. 2021, eq. 3

    def merged(self) -> nn.Linear:
        """A new nn.Linear that does the same as this module, and knows nothing of it.

        It has a bias where `linear` has one. It shares no memory with `linear`, which stays as
        it is, as do down and up. Whether its parameters may learn is left to you.
        """
        plain = copy.deepcopy(self.linear)
        with torch.no_grad():
            plain.weight += self.scale * self.up @ self.down
        return plain


class ByOneWeight(nn.Module):
    """One product with the weight as it is after the correction."""

    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        for parameter in linear.parameters():
            parameter.requires_grad = False
        self.scale, self.linear = scale, linear
        self.up = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        self.down = nn.Parameter(torch.empty(rank, linear.in_features))
        nn.init.normal_(self.down, std=1 / rank)

    def weight(self):
        return torch.addmm(self.linear.weight, self.up, self.down, alpha=self.scale)

    def forward(self, x):
        return F.linear(x, self.weight(), self.linear.bias)

    def merged(self):
        plain = nn.Linear(self.linear.in_features, self.linear.out_features, bias=self.linear.bias is not None)
        state = {"weight": self.weight()} | ({} if self.linear.bias is None else {"bias": self.linear.bias})
        plain.load_state_dict(state)
        return plain.to(self.down)


class BySums(nn.Module):
    """Every sum written out."""

    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        self.rank, self.scale = rank, scale
        self.linear = linear
        self.linear.weight.requires_grad_(False)
        if self.linear.bias is not None:
            self.linear.bias.requires_grad_(False)
        down = torch.normal(torch.zeros(rank, linear.in_features), 1.0 / rank)
        self.register_parameter("down", nn.Parameter(down))
        self.register_parameter("up", nn.Parameter(0 * torch.ones(linear.out_features, rank)))

    def forward(self, x):
        inner = torch.einsum("...i,ri->...r", x, self.down)
        out = self.linear(x)
        for k in range(self.rank):
            out = out + self.scale * inner[..., k, None] * self.up[:, k]
        return out

    @torch.no_grad()
    def merged(self):
        plain = nn.Linear(self.linear.in_features, self.linear.out_features, self.linear.bias is not None)
        change = sum(torch.outer(self.up[:, k], self.down[k]) for k in range(self.rank))
        plain.weight = nn.Parameter(self.linear.weight + self.scale * change)
        if self.linear.bias is not None:
            plain.bias = nn.Parameter(self.linear.bias.clone())
        return plain


def _wrong(
    forward: Callable | None = None,
    weight: Callable | None = None,
    bias: Callable = lambda m: m.linear.bias,
    change: Callable = lambda m: m.scale * m.up @ m.down,
) -> type[nn.Module]:
    """LoRA with one part of its own: what comes out, the merged weight or bias, or, in both, the change of the weight."""

    class Wrong(LoRA):
        def forward(self, x):
            return forward(self, x) if forward else self.linear(x) + F.linear(x, change(self))

        def merged(self):
            at, of = (weight(self) if weight else self.linear.weight + change(self)), bias(self)
            plain = nn.Linear(at.shape[1], at.shape[0], of is not None)
            plain.weight.data = at.detach()
            if of is not None:
                plain.bias.data = of.detach().clone()
            return plain

    return Wrong


def layer(features: int, outputs: int, bias: bool = True) -> nn.Linear:
    with torch.random.fork_rng([]):
        torch.manual_seed(features + 10 * outputs)
        return nn.Linear(features, outputs, bias)


def forward_case(features: int, outputs: int, rank: int, *shape: int, bias: bool = True, **scale: float) -> Callable:
    """x (*shape, features) through a LoRA."""
    return lambda g: Case((layer(features, outputs, bias), rank), scale, (normal(g, *shape, features),))


def merged_case(features: int, outputs: int, rank: int, bias: bool = True, **scale: float) -> Case:
    return Case((layer(features, outputs, bias), rank), scale, method="merged")


def trained(cls: Any, scale: float = 0.5) -> Any:
    """A LoRA of 5 -> 3 features whose up has learnt something."""
    made = cls(layer(5, 3), 2, scale)
    made.up.data = torch.linspace(-1, 2, 6).view(3, 2)
    return made


X = torch.linspace(-1, 1, 20).view(4, 5)


def starts_as_the_layer(cls: Any) -> bool:
    made = trained(cls)
    made.up.data.zero_()
    return close(made(X), layer(5, 3)(X), 1e-5)


def is_the_layer_itself(cls: Any) -> bool:
    linear = layer(5, 3)
    return cls(linear, 2).linear is linear


def is_frozen(cls: Any) -> bool:
    return not any(p.requires_grad for p in cls(layer(5, 3), 2).linear.parameters())


def down_is_not_zero(cls: Any) -> bool:
    return bool((cls(layer(5, 3), 2).down != 0).any())


def up_is_zero(cls: Any) -> bool:
    return bool((cls(layer(5, 3), 2).up == 0).all())


def down_is_gaussian(cls: Any) -> bool:
    """Mean, spread, and the share beyond two standard deviations, of 8,000 numbers and more."""
    for rank in (2, 8):
        z = cls(layer(4000, 8), rank).down.detach().double() * rank
        beyond = (z.abs() > 2).double().mean()
        if abs(z.mean()) > 0.05 or abs(z.std() - 1) > 0.05 or abs(beyond - 0.0455) > 0.015:
            return False
    return True


def the_bias_stays(cls: Any) -> bool:
    made = trained(cls)
    without = cls(layer(5, 3, bias=False), 2)
    return without.merged().bias is None and close(made.merged().bias, layer(5, 3).bias, 1e-5)


def what_may_learn_stays(cls: Any) -> bool:
    """Which parameters ask for a gradient is the same after both methods were called."""
    made = trained(cls)
    before = [p.requires_grad for p in made.parameters()]
    made(X)
    made.merged()
    return [p.requires_grad for p in made.parameters()] == before


def merged_has_parameters(cls: Any) -> bool:
    plain = trained(cls).merged()
    return isinstance(plain.weight, nn.Parameter) and isinstance(plain.bias, nn.Parameter)


def is_left_alone(method: str) -> Callable:
    """The parameters of a module, and what it gives, are the same after a call of a method."""

    def holds(cls: Any) -> bool:
        made = trained(cls)
        before = copy.deepcopy(made.state_dict())
        made(X) if method == "forward" else made.merged()
        return all(torch.equal(value, before[key]) for key, value in made.state_dict().items())

    return holds


def shares_nothing(cls: Any) -> bool:
    made = trained(cls)
    before, plain = copy.deepcopy(made.state_dict()), made.merged()
    for parameter in plain.parameters():
        parameter.data += 1
    return all(torch.equal(value, before[key]) for key, value in made.state_dict().items())


EXERCISE = Exercise(
    name="09.LoRA",
    title="A low-rank correction beside a frozen layer",
    kind="class",
    minutes=10,
    level=2,
    reference=LoRA,
    alternatives=[ByOneWeight, BySums],
    package=InPackage("adapters.LoRA(linear, rank, scale)", adapters.LoRA),
    counts=Counts(
        "weight and bias",
        lambda out: (out.weight, out.bias) if isinstance(out, nn.Linear) else out,
        parts=("weight", "bias"),
    ),
    cases=[
        forward_case(3, 2, 1, 2),
        forward_case(4, 6, 2, 3, scale=0.5),
        forward_case(5, 3, 3, 2, 4, bias=False, scale=2.0),
        forward_case(4, 4, 2, 3, scale=-1.5),
        merged_case(3, 2, 1),
        merged_case(4, 6, 3, scale=0.5),
        merged_case(5, 3, 2, bias=False, scale=3.0),
        merged_case(4, 4, 2, scale=-1.5),
    ],
    invariants=[
        Invariant(
            "the bias stays",
            the_bias_stays,
            "The bias of the merged layer is to be that of `linear`, and none where `linear` has none. Yours is another one. nn.Linear "
            "makes a bias of its own, drawn at random, unless it is told not to.",
            before_form=True,
        ),
        Invariant(
            "the layer where up is 0",
            starts_as_the_layer,
            "With up at 0 there is no correction: what comes out must be what `linear` gives. Yours is something else.",
        ),
        Invariant(
            "forward leaves all as it is",
            is_left_alone("forward"),
            "forward changes the weights: called again with the same x, the module is another one. It should only compute.",
        ),
        Invariant(
            "merged leaves all as it is",
            is_left_alone("merged"),
            "merged() changes the module it is called on: its weights are others afterwards. The correction belongs into a new layer.",
        ),
        Invariant(
            "merged shares no memory",
            shares_nothing,
            "The layer that merged() gives shares memory with the module: whoever changes its weight or its bias changes the module's too.",
        ),
        Invariant(
            "up starts at 0",
            up_is_zero,
            "What comes out is right, but a new LoRA must change nothing, and yours does: up does not start at 0.",
            only_if_right=True,
        ),
        Invariant(
            "down does not start at 0",
            down_is_not_zero,
            "What comes out is right, but down starts at 0, as up does. The gradient of each has the other as a factor: neither would ever "
            "move.",
            only_if_right=True,
        ),
        Invariant(
            "how down starts",
            down_is_gaussian,
            "What comes out is right, but down does not start as it should: Gaussian, mean 0, standard deviation 1/rank. Yours is spread "
            "in another way. Look at it for a large layer, with rank 2 and with rank 8.",
            only_if_right=True,
        ),
        Invariant(
            "the layer itself",
            is_the_layer_itself,
            "What comes out is right, but `linear` is another layer than the one that was given: a copy takes its memory a second time.",
            only_if_right=True,
        ),
        Invariant(
            "frozen",
            is_frozen,
            "What comes out is right, but a parameter of `linear` still asks for a gradient: in training it would move too.",
            only_if_right=True,
        ),
        Invariant(
            "what may learn stays",
            what_may_learn_stays,
            "What comes out is right, but forward or merged() changes what may learn: afterwards a parameter of the module asks for a "
            "gradient that did not before, or no longer asks for one. The layer should stay frozen, and down and up should go on learning.",
            only_if_right=True,
        ),
        Invariant(
            "merged has parameters",
            merged_has_parameters,
            "The numbers are right, but the weight or the bias of your merged layer is no nn.Parameter. parameters() does not find it, and "
            "where it was computed from down and up it still hangs on their graph.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "no scale",
            _wrong(change=lambda m: m.up @ m.down),
            "Your correction has its full strength, whatever scale says.",
        ),
        Mistake(
            "no scale in forward",
            _wrong(forward=lambda m, x: m.linear(x) + F.linear(x, m.up @ m.down)),
            "Your merged layer is right. In forward the correction has its full strength, whatever scale says.",
        ),
        Mistake(
            "no scale when merged",
            _wrong(weight=lambda m: m.linear.weight + m.up @ m.down),
            "forward is right. In the merged layer the correction has its full strength, whatever scale says.",
        ),
        Mistake(
            "scale by the rank",
            _wrong(change=lambda m: m.scale / len(m.down) * m.up @ m.down),
            "You divide the scale by the rank, as the paper does with its alpha. Here scale itself is the factor.",
        ),
        Mistake(
            "all of it scaled",
            _wrong(
                forward=lambda m, x: m.scale * (m.linear(x) + F.linear(x, m.up @ m.down)),
                weight=lambda m: m.scale * (m.linear.weight + m.up @ m.down),
            ),
            "You scale what the layer gives too. Only the correction has a strength.",
        ),
        Mistake(
            "all of it scaled, bias too",
            _wrong(
                forward=lambda m, x: m.scale * (m.linear(x) + F.linear(x, m.up @ m.down)),
                weight=lambda m: m.scale * (m.linear.weight + m.up @ m.down),
                bias=lambda m: m.linear.bias if m.linear.bias is None else m.scale * m.linear.bias,
            ),
            "You scale what the layer gives too, weight and bias. Only the correction has a strength.",
        ),
        Mistake(
            "all of it scaled in forward",
            _wrong(forward=lambda m, x: m.scale * (m.linear(x) + F.linear(x, m.up @ m.down))),
            "Your merged layer is right. In forward you scale what the layer gives too: only the correction has a strength.",
        ),
        Mistake(
            "a mixture",
            _wrong(
                forward=lambda m, x: (1 - m.scale) * m.linear(x) + m.scale * F.linear(x, m.up @ m.down),
                weight=lambda m: (1 - m.scale) * m.linear.weight + m.scale * m.up @ m.down,
            ),
            "You mix the layer and the correction. The layer stays whole, and the correction is added.",
        ),
        Mistake(
            "only the correction",
            _wrong(forward=lambda m, x: F.linear(x, m.scale * m.up @ m.down)),
            "Your merged layer is right. forward gives the correction alone: what `linear` makes of x is missing.",
        ),
        Mistake(
            "only the correction, merged too",
            _wrong(forward=lambda m, x: F.linear(x, m.scale * m.up @ m.down), weight=lambda m: m.scale * m.up @ m.down),
            "Your module is the correction alone: what `linear` makes of x is missing.",
        ),
        Mistake(
            "only the layer",
            _wrong(forward=lambda m, x: m.linear(x)),
            "forward gives what `linear` gives, and nothing of down and up. At the start that is right, as up is 0; later it is not.",
        ),
        Mistake(
            "the bias twice",
            _wrong(forward=lambda m, x: m.linear(x) + F.linear(x, m.scale * m.up @ m.down, m.linear.bias)),
            "forward adds the bias twice, once with the layer and once with the correction.",
        ),
        Mistake(
            "no bias in forward",
            _wrong(forward=lambda m, x: F.linear(x, m.linear.weight + m.scale * m.up @ m.down)),
            "Your merged layer is right. In forward the bias is missing.",
        ),
        Mistake(
            "something in between",
            _wrong(forward=lambda m, x: m.linear(x) + m.scale * F.linear(F.linear(x, m.down).relu(), m.up)),
            "forward has a ReLU between down and up. Then it is no longer a matrix, and no merged layer can do the same.",
        ),
        Mistake(
            "a SiLU in between",
            _wrong(forward=lambda m, x: m.linear(x) + m.scale * F.linear(F.silu(F.linear(x, m.down)), m.up)),
            "forward has a SiLU between down and up. Then it is no longer a matrix, and no merged layer can do the same.",
        ),
        Mistake(
            "the wrong way",
            _wrong(change=lambda m: -m.scale * m.up @ m.down),
            "You take the correction away. It is added.",
        ),
        Mistake(
            "merged without the correction",
            _wrong(weight=lambda m: m.linear.weight.clone()),
            "forward is right. Your merged layer has the weight of `linear`: the correction is not in it.",
        ),
        Mistake(
            "merged without the layer",
            _wrong(weight=lambda m: m.scale * m.up @ m.down),
            "forward is right. Your merged layer is the correction alone: the weight of `linear` is not in it.",
        ),
        Mistake(
            "merged the other way",
            _wrong(weight=lambda m: m.linear.weight - m.scale * m.up @ m.down),
            "forward is right. Your merged layer takes the correction away, where forward adds it.",
        ),
        Mistake(
            "all of it scaled when merged",
            _wrong(weight=lambda m: m.scale * (m.linear.weight + m.up @ m.down)),
            "forward is right. In your merged layer the weight of `linear` is scaled too: only the correction has a strength.",
        ),
        Mistake(
            "merged with a bias of zeros",
            _wrong(bias=lambda m: None if m.linear.bias is None else 0 * m.linear.bias),
            "forward is right, and so is the weight of your merged layer. Its bias is 0, where it should be that of `linear`.",
        ),
        Mistake(
            "merged without a bias",
            _wrong(bias=lambda m: None),
            "forward is right, and so is the weight of your merged layer. It has no bias, where `linear` has one.",
        ),
        Mistake(
            "merged with the bias scaled",
            _wrong(bias=lambda m: None if m.linear.bias is None else m.scale * m.linear.bias),
            "forward is right, and so is the weight of your merged layer. Its bias is scaled: it belongs to the layer, not to the "
            "correction.",
        ),
        Mistake(
            "merged with a bias always",
            _wrong(bias=lambda m: torch.zeros(len(m.up)) if m.linear.bias is None else m.linear.bias),
            "forward is right, and so is your merged layer, where `linear` has a bias. Where it has none, yours has one.",
        ),
    ],
    hints=[
        "A matrix (out, in) of rank r is a product of one that is (out, r) and one that is (r, in). Which of down and up comes first when "
        "x is multiplied, and which when they are multiplied with each other?",
        "nn.Parameter makes a tensor learn; requires_grad_(False) makes a module's parameters stay. In forward: first to `rank` numbers, "
        "then to the outputs, then the strength, then the layer's own output.",
        "A linear layer is a weight and a bias. Both paths are linear in x, so their weights (out, in) add up, and the bias is the "
        "layer's. Put them into a new nn.Linear, or into a copy.deepcopy of the old one.",
    ],
    insight="up starts at 0, so the first step changes nothing that was learnt; down does not, so that up has a gradient. A layer of 320 "
    "to 320 features has 102,400 weights; a correction of rank 4 has 2,560. Merged, it costs nothing when pictures are drawn (Hu et al. "
    "2021).",
)
