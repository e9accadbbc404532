"""Two small digit classifiers: the judge of generated digits, the eye behind the Fréchet distance; and another, to be asked as well."""

import torch
from torch import Tensor, nn


class DigitClassifier(nn.Module):
    """28x28 grey images in [-1, 1] -> scores for ten digits.

    features(x): (B, 1, 28, 28) -> (B, width·4), the activations before the last layer; forward(x): (B, 10) logits.
    """

    def __init__(self, width: int = 32, num_classes: int = 10):
        super().__init__()
        self.config = {"width": width, "num_classes": num_classes}
        W = width
        self.blocks = nn.Sequential(
            conv(1, W),  # (B, W, 28, 28)
            conv(W, 2 * W, stride=2),  # (B, 2W, 14, 14)
            conv(2 * W, 2 * W),
            conv(2 * W, 4 * W, stride=2),  # (B, 4W, 7, 7)
            conv(4 * W, 4 * W),
        )
        self.head = nn.Linear(4 * W, num_classes)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        check_digits(x)
        return self.blocks(x).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling (LeCun et al. 1998, figure 2): 28x28 grey images in [-1, 1] -> scores for ten digits.

    It shares no kind of layer with `DigitClassifier` but the convolution: 5x5 in place of 3x3, no normalisation, pooling in place of
    strides, and features that know where they are seen. features(x): (B, 1, 28, 28) -> (B, 84), none negative; forward(x): (B, 10) logits.
    """

    def __init__(self, width: int = 32, num_classes: int = 10):
        super().__init__()
        self.config = {"width": width, "num_classes": num_classes}
        W = width
        self.body = nn.Sequential(
            nn.Conv2d(1, W, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # (B, W, 14, 14)
            nn.Conv2d(W, 2 * W, 5), nn.ReLU(), nn.MaxPool2d(2),  # (B, 2W, 5, 5)
            nn.Flatten(),
            nn.Linear(50 * W, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(84, num_classes)

    def features(self, x: Tensor) -> Tensor:
        check_digits(x)
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def check_digits(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[1:] != (1, 28, 28):
        raise ValueError(f"x must be (B, 1, 28, 28), got {tuple(x.shape)}")


def conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Convolution, GroupNorm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(8, out_channels),
        nn.SiLU(),
    )
