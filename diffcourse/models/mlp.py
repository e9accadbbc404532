"""The small networks of the two-dimensional lessons."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from diffcourse.checks import whole
from diffcourse.models.layers import SinusoidalPositionEmbeddings


class MLP(nn.Module):
    """A multilayer perceptron on points and times: (x (B, dims), t (B,)) -> (B, dims); `depth` hidden layers of `width`, SiLU between.

    t is seen as sines and cosines of 1000·t, so times in [0, 1], as those of `diffcourse.sde`, are told apart. What has no time of its own
    calls it without t, which is then 0.
    """

    def __init__(self, dims: int = 2, width: int = 128, depth: int = 3, time_dim: int = 32):
        super().__init__()
        self.config = {"dims": dims, "width": width, "depth": depth, "time_dim": time_dim}
        sizes = [whole("dims", dims, 1) + time_dim, *[whole("width", width, 1)] * whole("depth", depth, 1)]
        self.time = SinusoidalPositionEmbeddings(time_dim)
        self.hidden = nn.Sequential(*(layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())))
        self.out = nn.Linear(width, dims)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        t = x.new_zeros(len(x)) if t is None else t
        return self.out(self.hidden(torch.cat([x, self.time(1000 * t).to(x.dtype)], dim=1)))


class Dense(nn.Sequential):
    """A multilayer perceptron without a time, (B, inputs) -> (B, outputs); `depth` hidden layers of `width`.

    LeakyReLU between: what has edges, as the ring of Gaussians, is learned sooner than with SiLU, which is nearly linear at small inputs.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 128, depth: int = 3):
        sizes = [whole("inputs", inputs, 1), *[whole("width", width, 1)] * whole("depth", depth, 1)]
        hidden = (layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2)))
        super().__init__(*hidden, nn.Linear(width, whole("outputs", outputs, 1)))
        self.config = {"inputs": inputs, "outputs": outputs, "width": width, "depth": depth}
