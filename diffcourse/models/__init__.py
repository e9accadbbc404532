"""Networks only: each is called `network(x, t)` or `network(x, t, cond)`. They import nothing of the package but each other and what
lies below: the ground that everything stands on, and how files are read.

Beside them: `TextEncoder` makes a text `cond` out of words, by a `TextTransformer`; `CLIP`, with a `VisionTransformer`, is what teaches
it to; `cost` counts what they cost.
"""

from diffcourse.models.autoencoder import AutoencoderKL
from diffcourse.models.classifier import DigitClassifier, LeNet
from diffcourse.models.clip import CLIP, TextEncoder, contrastive_loss
from diffcourse.models.gan import GAN, DigitDiscriminator, DigitGenerator
from diffcourse.models.layers import SinusoidalPositionEmbeddings
from diffcourse.models.mlp import MLP, Dense
from diffcourse.models.text import TextTransformer
from diffcourse.models.unet import SimpleUNet
from diffcourse.models.unet_condition import CrossAttention, UNet2DCondition, attention_maps
from diffcourse.models.vae import VAE, PointVAE
from diffcourse.models.vision import VisionTransformer

__all__ = [
    "CLIP",
    "GAN",
    "MLP",
    "AutoencoderKL",
    "CrossAttention",
    "Dense",
    "DigitClassifier",
    "DigitDiscriminator",
    "DigitGenerator",
    "LeNet",
    "PointVAE",
    "SimpleUNet",
    "SinusoidalPositionEmbeddings",
    "TextEncoder",
    "TextTransformer",
    "UNet2DCondition",
    "VAE",
    "VisionTransformer",
    "attention_maps",
    "contrastive_loss",
]
