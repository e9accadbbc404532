"""Small parts that are trained beside a frozen model, and taken away again: LoRA, a new word, ControlNet.

    learnt = add_lora(model.denoiser.network, rank=4)        a correction in each attention layer; fit trains these alone
    row = add_word(model.text, "<violet>", like="blue")      a word more; its row of the table of embeddings is what is learnt
    control = ControlNet(model.denoiser.network)             reads an outline; controlled(model, control, outlines) draws along it

Each starts as no change at all.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import number, told, whole
from diffcourse.denoiser import Denoiser
from diffcourse.latent import LatentDiffusion
from diffcourse.models import TextEncoder, UNet2DCondition
from diffcourse.models.layers import zero
from diffcourse.models.unet_condition import CrossAttention

Model = TypeVar("Model", bound=LatentDiffusion)

# -- LoRA ---------------------------------------------------------------------------------------------------------------


class LoRA(nn.Module):
    """A frozen linear layer W and a correction of low rank: W x + scale·B A x, `up` = B at zero (Hu et al. 2022, equation 3).

    (…, in) -> (…, out). down = A (rank, in) is Gaussian with standard deviation 1/rank. The paper's alpha is scale·rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float = 1.0):
        super().__init__()
        if not isinstance(linear, nn.Linear):
            raise TypeError(f"linear must be an nn.Linear, got {told(linear)}")
        most = min(linear.in_features, linear.out_features)
        rank, weight = whole("rank", rank, 1, most), linear.weight
        self.linear, self.scale = linear.requires_grad_(False), number("scale", scale)
        self.down = nn.Parameter(torch.randn(rank, linear.in_features).to(weight) / rank)
        self.up = nn.Parameter(weight.new_zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.down), self.up)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that does the same, frozen: W + scale·B A."""
        layer = copy.deepcopy(self.linear)
        layer.weight += self.scale * self.up @ self.down
        return layer


def add_lora(
    module: nn.Module, rank: int, scale: float = 1.0, *, seed: int = 0, kind: Callable[..., Any] = LoRA
) -> list[nn.Parameter]:
    """A `LoRA` in the place of every linear layer of the module's attention, to_q, to_k, to_v and to_out; all else is frozen.

    In place. Returns what is to be learnt, down and up of each; `fit(module, …)` trains just that. kind: a class of your own, called as
    `LoRA` is, whose objects have its `linear`, `down`, `up` and `merged`. ValueError where there is no attention, where LoRA is already,
    and for a rank that does not fit into each layer: then nothing has changed.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a network, or what holds one, got {told(module)}")
    if any(_loras(module)):
        raise ValueError("module has a LoRA already: merge_lora(module) first, or drop_lora(module)")
    places: list[tuple[nn.Module, str, Any]] = []
    for layer in (part for part in module.modules() if isinstance(part, CrossAttention)):
        places += [(layer, name, getattr(layer, name)) for name in ("to_q", "to_k", "to_v")]
        places += [(layer.to_out, "0", layer.to_out[0])]
    if not places:
        raise ValueError(f"module must hold attention layers of a UNet2DCondition, got {told(module)}")
    rank = whole("rank", rank, 1, min(min(linear.weight.shape) for _, _, linear in places))
    scale, seed = number("scale", scale), whole("seed", seed)
    module.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for owner, name, linear in places:
            owner._modules[name] = kind(linear, rank, scale)
    return [part for _, _, lora in _loras(module) for part in (lora.down, lora.up)]


def set_scale(module: nn.Module, scale: float) -> None:
    """Set the scale of every `LoRA` in module: 0 is the model without, 1 as it was trained, and anything between, or beyond."""
    for _, _, lora in _found(module):
        lora.scale = number("scale", scale)


def merge_lora(module: nn.Module) -> None:
    """Put plain linear layers of the same function in the place of every `LoRA`, in place: a network as before, that saves as before."""
    for owner, name, lora in _found(module):
        owner._modules[name] = lora.merged()


def drop_lora(module: nn.Module) -> None:
    """Put the layer that was there before in the place of every `LoRA`, in place: to the last bit the network without it."""
    for owner, name, lora in _found(module):
        owner._modules[name] = lora.linear


def _found(module: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    if not (found := list(_loras(module))):
        raise ValueError(f"module must hold a LoRA, got a {type(module).__name__} without: add_lora(module, rank)")
    return found


def _loras(module: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    for owner in module.modules():
        for name, part in owner._modules.items():
            if all(hasattr(part, name) for name in ("linear", "down", "up", "merged")):
                yield owner, name, part


# -- a new word ---------------------------------------------------------------------------------------------------------


def add_word(text: TextEncoder, word: str, like: str | None = None) -> int:
    """Give the encoder a word more, one token; in place. Returns its row in the table of embeddings, which is what there is to learn.

    Textual inversion (Gal et al. 2023): the row alone learns, all else stays. Written in a prompt, set off by blanks, it is this token.
    word: small letters and marks without blanks, such as "<violet>", that is no token yet. Best in marks: it is found inside of words, too.
    like: a word that is one token; the new row starts as a copy of its row. None: at the mean of all rows.
    """
    if not isinstance(text, TextEncoder):
        raise TypeError(f"text must be a TextEncoder, got {told(text)}")
    known = None if like is None else text.number_of(like)
    if like is not None and known is None:
        raise ValueError(f"like must be a word that is one token of this encoder, got {like!r}")
    row, table = text.add_token(word), text.text_model.embeddings.token_embedding.weight
    if known is not None:
        with torch.no_grad():
            table[row] = table[known]
    return row


# -- ControlNet -----------------------------------------------------------------------------------------------------------


class ControlNet(nn.Module):
    """A copy of a U-Net's encoder that reads a picture beside the noisy latent, and what it adds to the U-Net's skips and middle.

        y_k = F_k(x; W) + Z_k(F_k(x + hint; W'))     for each skip k and the middle, Z_k a 1x1 convolution that starts at zero

    Zhang et al. 2023, equation 2 and figure 3. The picture (B, channels, H, W), of `factor` times the latent's sides, comes in blocks of
    factor x factor pixels: each place of the latent sees its own.
    """

    def __init__(self, network: UNet2DCondition, channels: int = 1, factor: int = 8):
        super().__init__()
        if not isinstance(network, UNet2DCondition):
            raise TypeError(f"network must be a UNet2DCondition, got {told(network)}")
        self.channels, self.factor = whole("channels", channels, 1), whole("factor", factor, 1)
        self.encoder = copy.deepcopy(network).requires_grad_(True)
        del self.encoder.up_blocks, self.encoder.conv_norm_out, self.encoder.conv_out
        width = network.conv_in.out_channels
        self.hint = nn.Sequential(
            nn.PixelUnshuffle(factor),
            nn.Conv2d(channels * factor**2, 2 * width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * width, width, 3, padding=1),
        )
        widths = network.skip_channels
        self.zeros = nn.ModuleList([zero_convolution(width) for width in [*widths, widths[-1]]])

    def forward(self, x: Tensor, t: Tensor, cond: Tensor, picture: Tensor) -> list[Tensor]:
        """What is added to the skips, from the finest on, and last to the middle. Arguments as of the U-Net; picture, one a latent."""
        self.encoder._check(x, t, cond)
        wanted = (len(x), self.channels, *(self.factor * side for side in x.shape[2:]))
        if not isinstance(picture, Tensor) or picture.shape != wanted:
            raise ValueError(f"picture must be {wanted}, {self.factor} times the latent's sides, got {told(picture)}")
        skips, middle = self.encoder.encode(x, t, cond, self.hint(picture.to(x)))
        return [out(y) for out, y in zip(self.zeros, [*skips, middle], strict=True)]


def zero_convolution(channels: int) -> nn.Module:
    """A 1x1 convolution whose weights and biases are zero."""
    return zero(nn.Conv2d(channels, channels, 1))


class Controlled(nn.Module):
    """The U-Net with what a `ControlNet` makes of a picture: a network like any other. picture (B, C, H, W), or (1, C, H, W) for all.

        output = U-Net(x, t, cond, skips and middle + scale·control(x, t, cond, picture))

    Of a batch that holds the latents of the B pictures k times, as guidance asks, each copy sees the same pictures.
    """

    picture: Tensor

    def __init__(self, network: UNet2DCondition, control: ControlNet, picture: Tensor, scale: float = 1.0):
        super().__init__()
        self.network, self.control, self.scale = network, control, number("scale", scale)
        self.register_buffer("picture", picture, persistent=False)
        self.in_channels, self.cross_attention_dim = network.in_channels, network.cross_attention_dim

    @property
    def pictures(self) -> int:
        """How many there are; `LatentDiffusion` asks for as many prompts, unless there is one for all."""
        return len(self.picture)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        copies, rest = divmod(len(x), self.pictures)
        if rest:
            raise ValueError(
                f"picture must be one for all, or one for each of the {len(x)} that are drawn, got {self.pictures}"
            )
        added = self.control(x, t, cond, self.picture.repeat(copies, 1, 1, 1))
        return self.network(x, t, cond, [self.scale * y for y in added])


def controlled(model: Model, control: ControlNet, picture: Tensor, scale: float = 1.0) -> Model:
    """The same model, with the same parts, that draws along a picture (B, C, H, W): one a prompt, or one for all.

    scale 0 is the model without. Its `denoiser.loss` trains the control: freeze the network, and `fit(control, …)`. With a picture a
    prompt, all are drawn at once: more than fit into memory in parts, `controlled(model, control, pictures[:8]).generate(prompts[:8])`.
    """
    old = model.denoiser if isinstance(model, LatentDiffusion) else None
    network = old.network if old else model
    if not old or not isinstance(network, UNet2DCondition):
        raise TypeError(f"model must be a LatentDiffusion whose network is a UNet2DCondition, got {told(network)}")
    if not isinstance(control, ControlNet):
        raise TypeError(f"control must be a ControlNet, got {told(control)}")
    if control.encoder.config != network.config:
        raise ValueError(
            "control was made for another network than the model's: make ControlNet(model.denoiser.network)"
        )
    if not isinstance(picture, Tensor) or picture.ndim != 4 or picture.shape[1] != control.channels or not len(picture):
        raise ValueError(f"picture must be (B, {control.channels}, H, W), got {told(picture)}")
    twin = copy.copy(model)
    twin._modules = dict(model._modules)
    drawn = Controlled(network, control, picture, scale)
    twin.denoiser = Denoiser(drawn, old.schedule, old.predicts, null=old.null).train(model.training)
    return twin
