"""The explorer of lesson 11: a sound network, and a sampler with the mistakes that you give it."""

from typing import Any

import torch

from diffcourse import metrics, plot
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import guided
from diffcourse.samplers import DDIM, sample
from diffcourse.schedule import CLEAN
from diffcourse.widgets.explorer import Explorer, check_kind, read_digits, slider


class ClinicExplorer(Explorer):
    """The digits 0 to 9 of a sound denoiser, drawn with too few steps, with any guidance, from too late a start, with noise at the end.

    Four numbers stand beside them: labels obeyed, grey pixels, pixels beyond ±1, and the standard deviation. Which mistake moves which?
    """

    def __init__(self, denoiser: Denoiser, *, seed: int = 0):
        check_kind("denoiser", denoiser, Denoiser)
        self._denoiser, self._labels = denoiser, torch.arange(10).repeat(2)
        controls = {
            "steps": slider("steps", [1, 2, 3, 4, 6, 10, 20, 50], 20, live=False),
            "guidance": slider("guidance w", [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0], 2.0, live=False),
            "start": slider("the walk begins at t", [200, 400, 600, 800, 900, 999], 999, live=False),
            "noise": slider("noise added at the end", [0.0, 0.05, 0.1, 0.2, 0.4], 0.0, live=False),
            "seed": slider("seed", range(10), seed, live=False),
        }
        super().__init__(controls, self.compute, self.draw)

    def compute(self, steps: int, guidance: float, start: int, noise: float, seed: int) -> dict[str, Any]:
        """Images (20, 1, 28, 28), two of each digit, and four numbers of them."""
        model, n, g = self._denoiser, len(self._labels), torch.Generator().manual_seed(seed)
        times = torch.linspace(start, 0, steps + 1)[:-1].round().tolist()
        levels = [*(model.schedule.at(t) for t in times), CLEAN]
        x, rest = torch.randn(2, n, 1, 28, 28, generator=g)
        drawn = sample(guided(model, self._labels, guidance), model.schedule, x.shape, DDIM(), levels=levels, x=x)
        images = drawn + noise * rest
        shown = images.clamp(-1, 1)
        read = read_digits(shown)
        return {
            "images": shown,
            "right": None if read is None else int((read.argmax(dim=1) == self._labels).sum()),
            "grey": metrics.look(images).grey,
            "beyond": (images.abs() > 1.05).double().mean().item(),
            "std": images.std().item(),
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Two rows of ten digits; beside them, what is measured."""
        n = len(a["images"])
        names = [
            f"{'no' if a['right'] is None else a['right']} of {n} right\n{a['grey']:.0%} grey",
            f"{a['beyond']:.0%} beyond ±1\ndeviation {a['std']:.2f}",
        ]
        frames = a["images"].view(2, 10, 1, 28, 28).unbind(1)
        picture = plot.strip(list(frames), names=names, scale=0.7)
        picture.alt = "two of each digit from 0 to 9; " + ", ".join(names).replace("\n", ", ")
        return picture
