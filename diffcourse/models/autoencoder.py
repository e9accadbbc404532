"""Stable Diffusion's autoencoder at any width, its parameters named as in diffusers: images to latents an eighth as large, and back."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.gaussian import reparameterize, standard_kl
from diffcourse.models.layers import ResnetBlock

EPS = 1e-6  # of every group normalisation here; PyTorch's default is 1e-5

# diffusers' config.json: what is built in here, what says nothing about the network, and their defaults where ours are Stable Diffusion's
BUILT_IN = {
    "down_block_types": "DownEncoderBlock2D",
    "up_block_types": "UpDecoderBlock2D",
    "act_fn": "silu",
    "use_quant_conv": True,
    "use_post_quant_conv": True,
    "mid_block_add_attention": True,
    "shift_factor": None,
    "latents_mean": None,
    "latents_std": None,
}
IGNORED = ("sample_size", "force_upcast")
DEFAULTS = {"block_out_channels": (64,), "layers_per_block": 1}

OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # of the attention, before 2023


class AutoencoderKL(nn.Module):
    """q(z | x) = N(mean(x), diag exp(log_var(x))) over small images z, and a decoder back to pixels (Rombach et al. 2022, section 3.1).

        x (B, 3, H, W) ── encoder ── quant_conv ── mean, log_var ──┐
        x̂ (B, 3, H, W) ── decoder ── post_quant_conv ───────────── z (B, 4, H/8, W/8)

    `encode` takes images in [-1, 1] to latents of standard deviation 1 or so, `decode` brings them back. The two own `scaling_factor` =
    1/std of the bare latents (appendix G): encode multiplies by it, decode divides, and nobody else ever does.

    The arguments have diffusers' names and Stable Diffusion's values. block_out_channels: widths from full resolution down, each a multiple
    of norm_num_groups; every further one halves the image, 8 = `factor` times in all. layers_per_block: residual blocks at each resolution
    of the encoder; the decoder has one more. initial_log_var: added to the log-variance of a new posterior (-6: it starts narrow, with a
    standard deviation of about 0.05).
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        latent_channels: int = 4,
        norm_num_groups: int = 32,
        scaling_factor: float = 0.18215,
        *,
        initial_log_var: float = 0.0,
    ):
        super().__init__()
        widths, layers, groups = list(block_out_channels), layers_per_block, norm_num_groups
        if not widths or any(width < 1 or width % groups for width in widths):
            raise ValueError(f"block_out_channels must be multiples of norm_num_groups = {groups}, got {widths}")
        self.config = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "block_out_channels": widths,
            "layers_per_block": layers,
            "latent_channels": latent_channels,
            "norm_num_groups": groups,
        }
        self.scaling_factor = scaling_factor
        self.in_channels, self.latent_channels, self.factor = in_channels, latent_channels, 2 ** (len(widths) - 1)
        self.encoder = Encoder(in_channels, 2 * latent_channels, widths, layers, groups)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1)
        self.decoder = Decoder(latent_channels, out_channels, widths[::-1], layers + 1, groups)
        with torch.no_grad():
            self.quant_conv.bias[latent_channels:] += initial_log_var
        self.to(memory_format=torch.channels_last)  # measured on one core: training is a tenth faster

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> "AutoencoderKL":
        """The network that diffusers' config.json describes; ValueError if it is built otherwise than Stable Diffusion's."""
        if not isinstance(config, Mapping):
            raise TypeError(f"config must be a dict, the content of config.json, got {type(config).__name__}")
        if (kind := config.get("_class_name", "AutoencoderKL")) != "AutoencoderKL":
            raise ValueError(f"config: _class_name must be 'AutoencoderKL', got {kind!r}")
        config = {k: v for k, v in config.items() if not k.startswith("_") and k not in IGNORED}
        for name, ours in BUILT_IN.items():
            theirs = config.pop(name, ours)
            if any(part != ours for part in (theirs if isinstance(theirs, (list, tuple)) else [theirs])):
                raise ValueError(f"config: {name} must be {ours!r}, got {theirs!r}")
        if unknown := config.keys() - inspect.signature(cls).parameters.keys():
            raise ValueError(f"config: this network has no {', '.join(sorted(unknown))}")
        return cls(**DEFAULTS | config)

    def to_diffusers(self) -> dict[str, Any]:
        """The config.json with which diffusers builds the same network."""
        types = {
            key: [BUILT_IN[key]] * len(self.config["block_out_channels"])
            for key in ("down_block_types", "up_block_types")
        }
        return {"_class_name": "AutoencoderKL", **self.config, **types}

    @property
    def scaling_factor(self) -> float:
        """1/std of the bare latents: measured after training, and kept in `config`, so that it travels with the weights."""
        return self.config["scaling_factor"]

    @scaling_factor.setter
    def scaling_factor(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError(f"scaling_factor must be positive, got {value}")
        self.config["scaling_factor"] = float(value)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), bare (not scaled): each (B, latent_channels, H/f, W/f), the log-variance within [-30, 20]."""
        self._check(x)
        mean, log_var = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return mean, log_var.clamp(-30.0, 20.0)

    def encode(self, x: Tensor, generator: torch.Generator | None = None, *, sample: bool = True) -> Tensor:
        """Latents scaling_factor·z with z = mean + exp(log_var/2)·noise, or z = mean with sample=False: (B, latent_channels, H/f, W/f)."""
        mean, log_var = self.posterior(x)
        return self.scaling_factor * (reparameterize(mean, log_var, generator=generator) if sample else mean)

    def decode(self, z: Tensor) -> Tensor:
        """The image (B, out_channels, f·h, f·w) of latents (B, latent_channels, h, w) as `encode` returns them; about in [-1, 1]."""
        if z.ndim != 4 or z.shape[1] != self.latent_channels or not z.is_floating_point():
            raise ValueError(f"z must be floats (B, {self.latent_channels}, h, w), got {z.dtype} {tuple(z.shape)}")
        return self.decoder(self.post_quant_conv(z / self.scaling_factor))

    def forward(self, x: Tensor, generator: torch.Generator | None = None, *, sample: bool = True) -> Tensor:
        """The reconstruction of x: encoded and decoded."""
        return self.decode(self.encode(x, generator, sample=sample))

    def loss(
        self,
        x: Tensor,
        weight: Tensor | None = None,
        generator: torch.Generator | None = None,
        *,
        kl_weight: float = 1e-6,
    ) -> Tensor:
        """mean of weight·(|x̂ - x| + (x̂ - x)²) over all numbers, plus kl_weight times KL(q(z | x) || N(0, I)) in nats an image.

        weight: None, or what broadcasts to x, such as (B, 1, H, W): how much a pixel counts. kl_weight only keeps the latents from growing.
        Rombach et al. (appendix G) add a perceptual and an adversarial loss.
        """
        mean, log_var = self.posterior(x)
        error = (self.decode(self.scaling_factor * reparameterize(mean, log_var, generator=generator)) - x).abs()
        error = error + error.square() if weight is None else weight * (error + error.square())
        return error.mean() + kl_weight * standard_kl(mean, log_var).mean().to(error.dtype)

    def _check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ValueError(f"x must be floats in [-1, 1], got {x.dtype}; whole numbers 0..255 become x / 127.5 - 1")
        if x.ndim != 4 or x.shape[1] != self.in_channels or x.shape[2] % self.factor or x.shape[3] % self.factor:
            raise ValueError(
                f"x must be (B, {self.in_channels}, H, W) with H and W multiples of {self.factor}, got {tuple(x.shape)}"
            )
        if x.numel() and not x.is_meta and not (x.min() >= -1.001 and x.max() <= 1.001):
            raise ValueError(f"x must lie in [-1, 1], got values from {x.min():g} to {x.max():g}")


class Encoder(nn.Module):
    """(B, in, H, W) -> (B, out, H/f, W/f): residual blocks at each resolution and a step down between two, attention at the lowest."""

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownBlock(widths[max(0, i - 1)], width, layers, groups, i < last) for i, width in enumerate(widths)
        )
        self.mid_block = MidBlock(widths[last], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[last], eps=EPS)
        self.conv_out = nn.Conv2d(widths[last], out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for block in self.down_blocks:
            h = block(h)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(h))))


class Decoder(nn.Module):
    """(B, in, h, w) -> (B, out, f·h, f·w): the mirror image, with `widths` from the lowest resolution up."""

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], groups)
        self.up_blocks = nn.ModuleList(
            UpBlock(widths[max(0, i - 1)], width, layers, groups, i < last) for i, width in enumerate(widths)
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[last], eps=EPS)
        self.conv_out = nn.Conv2d(widths[last], out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            h = block(h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


class DownBlock(nn.Module):
    """The residual blocks of one resolution, then a convolution that halves it (not in the last block)."""

    def __init__(self, in_channels: int, channels: int, layers: int, groups: int, down: bool):
        super().__init__()
        self.resnets = resnets(in_channels, channels, layers, groups)
        self.downsamplers = nn.ModuleList([Downsample(channels)] if down else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return x


class UpBlock(nn.Module):
    """The residual blocks of one resolution, then doubling and a convolution (not in the last block)."""

    def __init__(self, in_channels: int, channels: int, layers: int, groups: int, up: bool):
        super().__init__()
        self.resnets = resnets(in_channels, channels, layers, groups)
        self.upsamplers = nn.ModuleList([Upsample(channels)] if up else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x


def resnets(in_channels: int, channels: int, layers: int, groups: int) -> nn.ModuleList:
    """`layers` residual blocks in a row, of which the first changes the width."""
    return nn.ModuleList(
        ResnetBlock(in_channels if i == 0 else channels, channels, groups, eps=EPS) for i in range(layers)
    )


class MidBlock(nn.Module):
    """Where the image is smallest: a residual block, attention, a residual block."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.resnets = resnets(channels, channels, 2, groups)
        self.attentions = nn.ModuleList([Attention(channels, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Attention(nn.Module):
    """Every position looks at every other, with one head: x (B, C, H, W) -> x + softmax(q kᵀ/√C) v, projected."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.register_load_state_dict_pre_hook(self._rename)

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        h = self.group_norm(x).flatten(2).transpose(1, 2)  # (B, H·W, C)
        h = F.scaled_dot_product_attention(self.to_q(h), self.to_k(h), self.to_v(h))
        return x + self.to_out[0](h).transpose(1, 2).reshape(B, C, H, W)

    @staticmethod
    def _rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
        """Files from before 2023, Stable Diffusion's own among them, have other names, and some hold each weight as a 1x1 convolution's."""
        for old, new in OLD_NAMES.items():
            for kind in ("weight", "bias"):
                if (name := f"{prefix}{old}.{kind}") in state:
                    state[f"{prefix}{new}.{kind}"] = state.pop(name)
            if (weight := state.get(f"{prefix}{new}.weight")) is not None:
                state[f"{prefix}{new}.weight"] = weight.flatten(1)


class Downsample(nn.Module):
    """Half the size. One row and one column of zeros, below and to the right only, as in the network that these weights come from."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the size: every pixel becomes four, and a convolution smooths them."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
