"""The building blocks that the networks share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import told, whole


class SinusoidalPositionEmbeddings(nn.Module):
    """e(t) = [sin(t·w_k), cos(t·w_k)] for k = 0..dim/2-1, with w_k = 10000^(-k/(dim/2-1)): (B,) -> (B, dim).

    Vaswani et al. 2017, section 3.5, as used by Ho et al. 2020: slow waves tell early from late, fast ones neighbours apart.
    dim must be even and at least 4 (with dim = 2 the exponent would be 0/0, an odd dim would lose a column).
    """

    def __init__(self, dim: int):
        super().__init__()
        dim = whole("dim", dim)
        if dim < 4 or dim % 2:
            raise ValueError(f"dim must be even and at least 4, got {dim}")
        self.dim = dim

    def forward(self, time: Tensor) -> Tensor:
        if not isinstance(time, Tensor) or time.ndim != 1:
            raise TypeError(f"time must be a tensor (B,), got {told(time)}")
        half = self.dim // 2
        frequencies = torch.exp(
            -math.log(10000) * torch.arange(half, device=time.device, dtype=time.dtype) / (half - 1)
        )
        angles = time[:, None] * frequencies[None, :]
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class ResBlock(nn.Module):
    """Two convolutions around a skip; the embedding of time and label enters as scale and shift (Dhariwal & Nichol 2021, "AdaGN").

    x (B, in_channels, H, W), emb (B, emb_dim) -> (B, out_channels, H, W). The last convolution starts at zero, so a new block is its skip.
    """

    def __init__(self, in_channels: int, out_channels: int, emb_dim: int, groups: int = 8):
        super().__init__()
        check_channels("in_channels", in_channels, groups)
        check_channels("out_channels", out_channels, groups)
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class ResnetBlock(nn.Module):
    """Stable Diffusion's residual block: two convolutions around a skip, x (B, in_channels, H, W) -> (B, out_channels, H, W).

    Its denoiser has them with a time, emb (B, emb_dim), added to every position between the convolutions; its autoencoder, to which an
    image is all there is, has the same ones with emb_dim=None, and smaller `eps` (Rombach et al. 2022, appendix E). Parameters have the
    names of diffusers' ResnetBlock2D.
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int, emb_dim: int | None = None, eps: float = 1e-5):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = None if emb_dim is None else nn.Linear(emb_dim, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.conv_shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            h = h + self.time_emb_proj(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.conv_shortcut(x) + h


class SelfAttention(nn.Module):
    """Every position looks at every other: x (B, C, H, W) -> same shape. The output projection starts at zero."""

    def __init__(self, channels: int, heads: int = 4, groups: int = 8):
        super().__init__()
        check_channels("channels", channels, groups)
        check_channels("channels", channels, heads)
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x)).view(B, 3, self.heads, C // self.heads, H * W)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # each (B, heads, H·W, C/heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, C, H, W))


def check_channels(name: str, channels: int, share: int) -> None:
    """A multiple of the groups or heads that share them."""
    if whole(name, channels, 1) % whole("groups and heads", share, 1):
        raise ValueError(f"{name} must be a multiple of {share}, got {channels}")


def zero(layer: nn.Module) -> nn.Module:
    """Set all parameters of a layer to zero: its branch starts silent and learns to speak."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
