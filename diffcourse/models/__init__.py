"""Networks only: each is called `network(x, t)` or `network(x, t, cond)` and imports nothing of the package but `layers`."""

from diffcourse.models.autoencoder import AutoencoderKL
from diffcourse.models.classifier import DigitClassifier
from diffcourse.models.layers import SinusoidalPositionEmbeddings
from diffcourse.models.unet import SimpleUNet
from diffcourse.models.unet_condition import CrossAttention, UNet2DCondition, attention_maps
from diffcourse.models.vae import VAE

__all__ = [
    "AutoencoderKL",
    "CrossAttention",
    "DigitClassifier",
    "SimpleUNet",
    "SinusoidalPositionEmbeddings",
    "UNet2DCondition",
    "VAE",
    "attention_maps",
]
