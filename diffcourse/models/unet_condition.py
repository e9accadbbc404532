"""The U-Net of Stable Diffusion 1.x, at any width: a noisy latent, a time and a text in; an image of the latent's shape out.

Parameters have the names that they have in Stable Diffusion's own files (diffusers' `UNet2DConditionModel`), so the small network of the
lessons and the one with 860 million parameters are the same code (Rombach et al. 2022, section 3.3 and appendix E.2.1).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.models.layers import ResnetBlock, zero


class CrossAttention(nn.Module):
    """Q = x W_Q, K = c W_K, V = c W_V; out = softmax(Q Kᵀ/√d) V W_O + b, for each of `heads` heads of width d = dim_head.

    x (B, N, query_dim) asks, context c (B, L, context_dim) answers: every position of an image reads from every word. Without a context x
    asks itself (self-attention). -> (B, N, query_dim). Vaswani et al. 2017, equation 1; Rombach et al. 2022, section 3.3.
    """

    def __init__(self, query_dim: int, context_dim: int | None = None, heads: int = 8, dim_head: int = 64):
        super().__init__()
        self.query_dim, self.context_dim = query_dim, query_dim if context_dim is None else context_dim
        self.heads, self.dim_head = heads, dim_head
        self.to_q = nn.Linear(self.query_dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(self.context_dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(self.context_dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, query_dim))  # its parameters are called to_out.0

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        c = self._context(x, context)
        q, k, v = self._split(self.to_q(x)), self._split(self.to_k(c)), self._split(self.to_v(c))
        h = F.scaled_dot_product_attention(q, k, v)  # softmax(Q Kᵀ/√d) V, without ever holding all of the softmax
        return self.to_out(h.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """softmax(Q Kᵀ/√d), (B, heads, N, L): how much position n looks at word l. Each row sums to 1."""
        q, k = self._split(self.to_q(x)), self._split(self.to_k(self._context(x, context)))
        return (q @ k.transpose(-1, -2) * self.dim_head**-0.5).softmax(dim=-1)

    def _split(self, h: Tensor) -> Tensor:
        return h.view(len(h), -1, self.heads, self.dim_head).transpose(1, 2)  # (B, heads, N, dim_head)

    def _context(self, x: Tensor, context: Tensor | None) -> Tensor:
        context = x if context is None else context
        if x.ndim != 3 or x.shape[2] != self.query_dim:
            raise ValueError(f"x must be (B, N, {self.query_dim}), got {tuple(x.shape)}")
        if context.ndim != 3 or len(context) != len(x) or context.shape[2] != self.context_dim:
            raise ValueError(f"context must be ({len(x)}, L, {self.context_dim}), got {tuple(context.shape)}")
        return context


class GEGLU(nn.Module):
    """x W + b in two halves, a and g: a·gelu(g), a linear layer that another opens and closes (Shazeer 2020)."""

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        a, gate = self.proj(x).chunk(2, dim=-1)
        return a * F.gelu(gate)


class FeedForward(nn.Module):
    """Each position by itself: (…, dim) -> four times as wide -> (…, dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.net = nn.Sequential(
            GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim)
        )  # net.1 is dropout in the original

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Positions look at each other, then at the words, then think: h (B, H·W, dim), text (B, L, context_dim) -> h."""

    def __init__(self, dim: int, context_dim: int, heads: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn1 = CrossAttention(dim, None, heads, dim // heads)
        self.attn2 = CrossAttention(dim, context_dim, heads, dim // heads)
        self.ff = FeedForward(dim)

    def forward(self, h: Tensor, text: Tensor) -> Tensor:
        h = h + self.attn1(self.norm1(h))
        h = h + self.attn2(self.norm2(h), text)
        return h + self.ff(self.norm3(h))


class SpatialTransformer(nn.Module):
    """An image as a row of positions, through a transformer and back: x (B, C, H, W), text (B, L, context_dim) -> (B, C, H, W)."""

    def __init__(self, channels: int, context_dim: int, heads: int, groups: int, linear: bool):
        super().__init__()
        layer = nn.Linear if linear else partial(nn.Conv2d, kernel_size=1)  # Stable Diffusion 2.x, 1.x
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = layer(channels, channels)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_dim, heads)])
        self.proj_out = zero(layer(channels, channels))

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        B, C, H, W = x.shape
        h = self.norm(x).permute(0, 2, 3, 1).reshape(B, H * W, C)  # no copy: channels lie last in memory
        h = everywhere(self.proj_in, h)
        for block in self.transformer_blocks:
            h = block(h, text)
        return x + everywhere(self.proj_out, h).view(B, H, W, C).permute(0, 3, 1, 2)


def everywhere(layer: nn.Linear | nn.Conv2d, h: Tensor) -> Tensor:
    """A 1x1 convolution is a linear layer at every position: h (B, H·W, C) -> the same shape."""
    return F.linear(h, layer.weight.flatten(1), layer.bias)


class Downsample(nn.Module):
    """Half the sides, rounded up."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Every position doubled, up to the size of the skip that comes next; then a convolution over the blocks."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class Block(nn.Module):
    """Residual blocks, each with a transformer after it or none."""

    def __init__(self, resnets: Sequence[nn.Module], attentions: Sequence[nn.Module]):
        super().__init__()
        self.attentions, self.resnets = nn.ModuleList(attentions), nn.ModuleList(resnets)

    def layers(self) -> Iterator[tuple[nn.Module, nn.Module | None]]:
        return zip_longest(self.resnets, self.attentions)


class DownBlock(Block):
    """One resolution on the way down. Everything that it computes is also put on the stack of skips."""

    def __init__(self, resnets: Sequence[nn.Module], attentions: Sequence[nn.Module], down: Sequence[nn.Module]):
        super().__init__(resnets, attentions)
        self.downsamplers = nn.ModuleList(down)

    def forward(self, x: Tensor, emb: Tensor, text: Tensor, skips: list[Tensor]) -> Tensor:
        for resnet, attention in self.layers():
            x = resnet(x, emb)
            x = x if attention is None else attention(x, text)
            skips.append(x)
        for down in self.downsamplers:
            x = down(x)
            skips.append(x)
        return x


class MidBlock(Block):
    """The lowest resolution: a residual block, a transformer, a residual block."""

    def forward(self, x: Tensor, emb: Tensor, text: Tensor) -> Tensor:
        first, last = self.resnets
        return last(self.attentions[0](first(x, emb), text), emb)


class UpBlock(Block):
    """One resolution on the way up: each residual block takes the last skip from the stack and reads it beside x."""

    def __init__(self, resnets: Sequence[nn.Module], attentions: Sequence[nn.Module], up: Sequence[nn.Module]):
        super().__init__(resnets, attentions)
        self.upsamplers = nn.ModuleList(up)

    def forward(self, x: Tensor, emb: Tensor, text: Tensor, skips: list[Tensor]) -> Tensor:
        for resnet, attention in self.layers():
            x = resnet(torch.cat([x, skips.pop()], dim=1), emb)
            x = x if attention is None else attention(x, text)
        for up in self.upsamplers:
            x = up(x, skips[-1].shape[2:])
        return x


class TimeEmbedding(nn.Module):
    """Two linear layers on the waves of a time: (B, dim) -> (B, 4·dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.linear_1 = nn.Linear(dim, 4 * dim)
        self.linear_2 = nn.Linear(4 * dim, 4 * dim)

    def forward(self, waves: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(waves)))


def time_waves(t: Tensor, dim: int) -> Tensor:
    """[cos(t·w_k), sin(t·w_k)] for k = 0..dim/2-1, w_k = 10000^(-k/(dim/2)): (B,) -> (B, dim).

    Cosines first and no -1 in the exponent's denominator, unlike `SinusoidalPositionEmbeddings`: trained weights know the difference.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=t.device, dtype=t.dtype) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class UNet2DCondition(nn.Module):
    """The denoising network of latent diffusion, conditioned on text.

        x ── conv_in ─┬─ down_blocks.0 ─┬─ down_blocks.1 ─ … ─ mid_block ─ … ─ up_blocks.n-2 ─┬─ up_blocks.n-1 ── conv_out
                      │                 └────────────── skips ────────────────────────────────┘      │
                      └─────────────────────────────────────────────────────────────────────────────┘

    forward(x, t, cond): x (B, in_channels, H, W), t (B,) float in 0..T-1, text cond (B, L, cross_attention_dim) -> (B, out_channels, H, W).
    Each block but the last halves the sides, rounding up; on the way back each takes the size of its skip, so any H and W will do.

    block_out_channels     channels at each resolution
    cross_attention_dim    width of the text embedding
    heads                  attention heads, one number or one for each resolution; diffusers' config calls it attention_head_dim
    attention              which resolutions look at the text; by default all but the lowest. The block in the middle always does
    use_linear_projection  the transformer's door is a linear layer (Stable Diffusion 2.x), not a 1x1 convolution (1.x): same function
    Outputs start at zero.
    """

    def __init__(
        self,
        block_out_channels: Sequence[int],
        cross_attention_dim: int,
        heads: int | Sequence[int] = 8,
        attention: Sequence[bool] | None = None,
        layers_per_block: int = 2,
        in_channels: int = 4,
        out_channels: int = 4,
        norm_num_groups: int = 32,
        use_linear_projection: bool = False,
    ):
        super().__init__()
        n = len(block_out_channels)
        self.config = {
            "block_out_channels": list(block_out_channels),
            "cross_attention_dim": cross_attention_dim,
            "heads": [heads] * n if isinstance(heads, int) else list(heads),
            "attention": [i < n - 1 for i in range(n)] if attention is None else list(attention),
            "layers_per_block": layers_per_block,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "norm_num_groups": norm_num_groups,
            "use_linear_projection": use_linear_projection,
        }
        _check_config(**self.config)
        self.in_channels, self.cross_attention_dim = in_channels, cross_attention_dim
        widths, heads, attention = (self.config[k] for k in ("block_out_channels", "heads", "attention"))
        first, last, L = widths[0], widths[-1], layers_per_block

        def res(in_channels: int, out_channels: int) -> ResnetBlock:
            block = ResnetBlock(in_channels, out_channels, norm_num_groups, emb_dim=4 * first)
            zero(block.conv2)  # a new block is its skip
            return block

        def look(i: int, layers: int) -> list[nn.Module]:
            settings = cross_attention_dim, heads[i], norm_num_groups, use_linear_projection
            return [SpatialTransformer(widths[i], *settings) for _ in range(layers)]

        self.conv_in = nn.Conv2d(in_channels, first, 3, padding=1)
        self.time_embedding = TimeEmbedding(first)
        channels, skips = first, [first]  # the stack that forward keeps: here of numbers of channels
        self.down_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            resnets = [res(c, width) for c in [channels] + [width] * (L - 1)]
            down = [Downsample(width)] if i < n - 1 else []
            self.down_blocks.append(DownBlock(resnets, look(i, L) if attention[i] else [], down))
            channels = width
            skips += [width] * (L + len(down))
        self.mid_block = MidBlock([res(last, last), res(last, last)], look(n - 1, 1))
        self.up_blocks = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):  # a layer more: conv_in and the downsamplers left skips too
            resnets = [res(c + skips.pop(), width) for c in [channels] + [width] * L]
            up = [Upsample(width)] if i > 0 else []
            self.up_blocks.append(UpBlock(resnets, look(i, L + 1) if attention[i] else [], up))
            channels = width
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, first, eps=1e-5)
        self.conv_out = zero(nn.Conv2d(first, out_channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # so that a position's channels are neighbours

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> "UNet2DCondition":
        """The network that a `config.json` of diffusers' UNet2DConditionModel describes, with fresh parameters.

        Keys that are missing have diffusers' defaults; what this class does not do is a ValueError that names the key.
        """
        return cls(**translate(config))

    from_config = from_diffusers  # as diffusers calls it, and lessons 05b and 05c

    def to_diffusers(self) -> dict[str, Any]:
        """The config.json with which diffusers builds the same network."""
        attention = {"down_block_types": self.config["attention"], "up_block_types": self.config["attention"][::-1]}
        types = {key: [next(n for n, v in TYPES[key].items() if v == each) for each in attention[key]] for key in TYPES}
        return {
            "_class_name": "UNet2DConditionModel",
            **{theirs: self.config[ours] for theirs, (ours, _) in NAMES.items()},
            **types,
        }

    def forward(
        self, x: Tensor, t: Tensor, cond: Tensor | None = None, added: Sequence[Tensor] | None = None
    ) -> Tensor:
        """added: of a ControlNet, a tensor for each skip, from the finest on, and one for the middle."""
        self._check(x, t, cond)
        emb, text = self._read(x, t, cond)
        skips, x = self._down(self.conv_in(x), emb, text)
        if added is not None:
            if len(added) != len(skips) + 1:
                raise ValueError(
                    f"added must be {len(skips)} tensors for the skips and one for the middle, got {len(added)}"
                )
            *more, last = added
            skips, x = [skip + y for skip, y in zip(skips, more, strict=True)], x + last
        for block in self.up_blocks:
            x = block(x, emb, text, skips)
        return self.conv_out(F.silu(self.conv_norm_out(x))).contiguous()

    def encode(self, x: Tensor, t: Tensor, cond: Tensor, hint: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """The way down: the skips, from the finest on, and what leaves the middle. hint: added to what `conv_in` puts out."""
        self._check(x, t, cond)
        h = self.conv_in(x)
        return self._down(h if hint is None else h + hint, *self._read(x, t, cond))

    def _down(self, x: Tensor, emb: Tensor, text: Tensor) -> tuple[list[Tensor], Tensor]:
        skips = [x]
        for block in self.down_blocks:
            x = block(x, emb, text, skips)
        return skips, self.mid_block(x, emb, text)

    @property
    def skip_channels(self) -> list[int]:
        """The channels of the skips, from the finest on; the middle has those of the last."""
        widths, L = self.config["block_out_channels"], self.config["layers_per_block"]
        n = len(widths)
        return [widths[0], *(w for i, w in enumerate(widths) for _ in range(L + (i < n - 1)))]

    def _read(self, x: Tensor, t: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """The time, as all residual blocks read it, through a SiLU; and the text."""
        waves = time_waves(t.to(torch.promote_types(x.dtype, torch.float32)), self.conv_in.out_channels)
        text = cond.to(x.dtype).contiguous()  # one text for all comes expanded
        return F.silu(self.time_embedding(waves.to(x.dtype))), text

    def _check(self, x: Tensor, t: Tensor, cond: Tensor | None) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"x must be (B, {self.in_channels}, H, W), got {tuple(x.shape)}")
        if t.shape != (len(x),):
            raise ValueError(f"t must be one time an image, shape ({len(x)},), got {tuple(t.shape)}")
        if cond is None:
            raise ValueError(
                "cond is missing: this network reads a text; for none give the embedding of '' (null=... of Denoiser)"
            )
        if cond.ndim != 3 or len(cond) != len(x) or cond.shape[2] != self.cross_attention_dim or not cond.shape[1]:
            raise ValueError(
                f"cond must be one text an image, ({len(x)}, L, {self.cross_attention_dim}), got {tuple(cond.shape)}"
            )


# -- attention maps ---------------------------------------------------------------------------------------------------


class AttentionMaps(dict[str, Tensor]):
    """Name of a cross-attention layer -> (B, heads, H·W, L): how much each position looked at each word in the network's last call."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[str, tuple[int, int]] = {}

    def words(self, size: tuple[int, int] | None = None, within: str = "") -> Tensor:
        """(B, L, H, W): for every word an image of where it is looked at, the mean over heads and layers; over words they sum to 1.

        size: (H, W), by default that of the finest layer; coarser ones are interpolated. within: only layers whose name holds this, such as
        "mid_block". Under guidance the batch is doubled, [uncond, cond]: the second half is the text's.
        """
        names = [name for name in self if within in name]
        if not names:
            told = (
                f"; recorded are {', '.join(self)}" if self else ": call the network inside `with attention_maps(...)`"
            )
            raise ValueError(f"no layer {within!r} has been recorded{told}")
        size = size or max(self.sizes[name] for name in names)
        images = [self[name].mean(dim=1).transpose(1, 2).unflatten(2, self.sizes[name]) for name in names]
        return torch.stack([F.interpolate(i, size=size, mode="bilinear", align_corners=False) for i in images]).mean(0)


@contextmanager
def attention_maps(module: nn.Module) -> Iterator[AttentionMaps]:
    """`with attention_maps(network) as maps: …` keeps what the cross-attention layers of each call looked at; the last call stays.

    module: a `UNet2DCondition`, or what holds one. Inside, a call costs one more softmax a layer; its output is the same. Outside, nothing.
    """
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, SpatialTransformer)}
    if not layers:
        raise TypeError(f"module must hold a UNet2DCondition, got {type(module).__name__}")
    maps, hooks = AttentionMaps(), []

    def keep_size(name: str, layer: SpatialTransformer, args: tuple[Tensor, ...]) -> None:
        maps.sizes[name] = tuple(args[0].shape[2:])

    @torch.no_grad()
    def keep_weights(name: str, layer: CrossAttention, args: tuple[Tensor, ...], out: Tensor) -> None:
        maps[name] = layer.weights(*args)

    try:
        for name, layer in layers.items():
            for i, block in enumerate(layer.transformer_blocks):
                full = f"{name}.transformer_blocks.{i}.attn2"
                hooks.append(layer.register_forward_pre_hook(partial(keep_size, full)))
                hooks.append(block.attn2.register_forward_hook(partial(keep_weights, full)))
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


# -- configurations ---------------------------------------------------------------------------------------------------

STABLE_DIFFUSION_1 = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
"""What the config.json of Stable Diffusion 1.1 to 1.5 says; the rest of it are constants."""

NAMES = {  # theirs: (ours, their default)
    "block_out_channels": ("block_out_channels", [320, 640, 1280, 1280]),
    "cross_attention_dim": ("cross_attention_dim", 1280),
    "attention_head_dim": ("heads", 8),  # a misnomer that old files keep alive: it is the number of heads
    "layers_per_block": ("layers_per_block", 2),
    "in_channels": ("in_channels", 4),
    "out_channels": ("out_channels", 4),
    "norm_num_groups": ("norm_num_groups", 32),
    "use_linear_projection": ("use_linear_projection", False),
}
TYPES = {
    "down_block_types": {"DownBlock2D": False, "CrossAttnDownBlock2D": True},
    "up_block_types": {"UpBlock2D": False, "CrossAttnUpBlock2D": True},
}
MOST_LAYERS = 100  # of a block; Stable Diffusion has 2
WITHOUT_EFFECT = ("sample_size", "upcast_attention")  # a default for pipelines; half precision only
CONSTANTS = {  # every other key must have this value; keys that are not here must be None or False
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "dropout": 0.0,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "transformer_layers_per_block": 1,
    "resnet_time_scale_shift": "default",
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "addition_embed_type_num_heads": 64,
}


def translate(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of a UNet2DConditionModel as arguments of `UNet2DCondition`."""
    if not isinstance(config, Mapping):
        raise TypeError(f"config must be a dict, the content of config.json, got {type(config).__name__}")
    kind = config.get("_class_name", "UNet2DConditionModel")
    if kind != "UNet2DConditionModel":
        raise ValueError(f"config: _class_name must be 'UNet2DConditionModel', got {kind!r}")
    for key, value in config.items():
        if key in NAMES or key in TYPES or key in WITHOUT_EFFECT or key.startswith("_"):
            continue
        wanted = CONSTANTS.get(key)
        if value != wanted and not (wanted is None and value is False):
            raise ValueError(f"config: {key}={value!r} is not supported, only {wanted!r}")
    ours = {name: config.get(key, default) for key, (name, default) in NAMES.items()}
    attention = {}
    for key, known in TYPES.items():
        types = config.get(key, STABLE_DIFFUSION_1[key])
        if len(types) != len(ours["block_out_channels"]) or not set(types) <= set(known):
            raise ValueError(
                f"config: {key} must name one of {', '.join(known)} for each of the {len(ours['block_out_channels'])} block_out_channels, "
                f"got {list(types)}"
            )
        attention[key] = [known[each] for each in types]
    if attention["up_block_types"] != attention["down_block_types"][::-1]:
        raise ValueError(
            f"config: up_block_types={list(types)} is not supported, only the mirror image of down_block_types"
        )
    return ours | {"attention": attention["down_block_types"]}


def _check_config(
    block_out_channels: list[int], heads: list[int], attention: list[bool], norm_num_groups: int, **numbers: int
) -> None:
    for name, value in {"norm_num_groups": norm_num_groups, **numbers}.items():
        if not isinstance(value, int) or value < (name != "use_linear_projection"):
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if numbers["layers_per_block"] > MOST_LAYERS:
        raise ValueError(f"layers_per_block must be at most {MOST_LAYERS}, got {numbers['layers_per_block']}")
    if not block_out_channels:
        raise ValueError("block_out_channels must have at least one entry, got none")
    for name, values in ("heads", heads), ("attention", attention):
        if len(values) != len(block_out_channels):
            raise ValueError(
                f"{name} must have one entry for each of the {len(block_out_channels)} block_out_channels, got {values}"
            )
    for width, h in zip(block_out_channels, heads, strict=True):
        if width % norm_num_groups:
            raise ValueError(f"block_out_channels must be multiples of norm_num_groups={norm_num_groups}, got {width}")
        if h < 1 or width % h:
            raise ValueError(f"heads must divide the channels of their resolution, got {h} heads for {width} channels")
    if block_out_channels[0] % 2:
        raise ValueError(f"block_out_channels must start with an even number, got {block_out_channels[0]}")
