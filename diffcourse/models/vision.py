"""CLIP's image half, a vision transformer (Radford et al. 2021, section 2.4; Dosovitskiy et al. 2021), at any size.

Parameters and settings have the names that they have in transformers' `CLIPVisionModel`; the tower of layers is that of the text half,
in which here every position looks at every other.
"""

from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.checks import whole
from diffcourse.models.text import Encoder, drawn


class PatchEmbeddings(nn.Module):
    """A vector for each patch and one before them, with a vector for each place added: (B, C, H, W) -> (B, 1 + patches, D)."""

    def __init__(self, channels: int, image_size: int, patch_size: int, dim: int):
        super().__init__()
        whole("num_channels", channels, 1)
        self.image_size = whole("image_size", image_size, whole("patch_size", patch_size, 1))
        self.class_embedding = nn.Parameter(nn.init.normal_(torch.empty(dim), std=dim**-0.5))
        self.patch_embedding = drawn(nn.Conv2d(channels, dim, patch_size, stride=patch_size, bias=False), 0.02)
        self.position_embedding = drawn(nn.Embedding((image_size // patch_size) ** 2 + 1, dim), 0.02)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embedding(images).flatten(2).mT
        first = self.class_embedding.expand(len(images), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class VisionTransformer(nn.Module):
    """Images (B, num_channels, image_size, image_size) -> (B, D): patches look at each other; the one before them speaks for all.

    Without arguments it is the image half of OpenAI's ViT-L/14.
    """

    def __init__(
        self,
        hidden_size: int = 1024,
        intermediate_size: int = 4096,
        num_hidden_layers: int = 24,
        num_attention_heads: int = 16,
        num_channels: int = 3,
        image_size: int = 224,
        patch_size: int = 14,
        hidden_act: str = "quick_gelu",
        layer_norm_eps: float = 1e-5,
    ):
        super().__init__()
        tower = hidden_size, intermediate_size, num_hidden_layers, num_attention_heads
        picture, shape = (num_channels, image_size, patch_size), (hidden_act, layer_norm_eps)
        self.embeddings = PatchEmbeddings(*picture, whole("hidden_size", hidden_size, 1))
        self.pre_layrnorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)  # spelled so in all files
        self.encoder = Encoder(*tower, *shape, causal=False)
        self.post_layernorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.config: dict[str, Any] = dict(zip(VISION_SETTINGS, (*tower, *picture, *shape), strict=True))

    def forward(self, images: Tensor) -> Tensor:
        return self.post_layernorm(self.encoder(self.pre_layrnorm(self.embeddings(images)))[:, 0])

    def attention(self, images: Tensor) -> Tensor:
        """(layers, B, heads, 1 + patches, 1 + patches): how much each patch looked at each."""
        return self.encoder.attention(self.pre_layrnorm(self.embeddings(images)))


VISION_SETTINGS = tuple(signature(VisionTransformer).parameters)
