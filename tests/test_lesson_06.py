"""Figures and the explorer of lesson 06, without a browser, and the facts that its prose states, against independent oracles."""

import base64
import io

import pytest
import torch
from PIL import Image
from torch import nn

from diffcourse import plot, recipes, widgets
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import clipped, guided
from diffcourse.learn.exercises import lesson_06
from diffcourse.mixture import GaussianMixture
from diffcourse.models import SimpleUNet
from diffcourse.samplers import DDIM, DDPM, DPMSolverPP, sample, trajectory

SCALED = recipes.digit_denoiser(channels=8).schedule  # as mnist-ddpm has it
ROWS = [
    {
        "kind": kind,
        "guidance": w,
        "clipped": clip,
        "right": 0.9 + w / 100,
        "times_floor": 1 + w,
        "precision": 0.8,
        "recall": 0.7 - w / 20,
    }
    for kind in ("curve", "equal")
    for w in (3.0, 1.0, 0.0)
    for clip in (True, False)
]
SERIES = {"clipped": ([0, 1, 3], [0.1, 0.95, 0.99], [0.01, None, 0.02])}
METHODS = {
    "everywhere": [
        {"guidance": 1.0, "right": 0.98, "change": 0.0, "change_95": 0.0},
        {"guidance": 1.5, "right": 0.998, "change": 0.4, "change_95": 0.1},
        {"guidance": 3.0, "right": 1.0, "change": 1.5, "change_95": None},
    ],
    "low": [{"guidance": 2.0, "right": 0.995, "change": -0.05, "change_95": 0.03}],
}
PICTURES = {
    "measured": lambda: plot.measured({"right": SERIES, "distance": SERIES}, mark=1.0, levels={"right": 1.0}),
    "pulls": lambda: plot.pulls(
        {
            f"t = {t}": (
                torch.zeros(2, 2),
                {name: torch.full((2, 2), w) for name, w in {"none": 0.5, "label": 1.0}.items()},
            )
            for t in (100, 500)
        },
        ground=torch.randn(5, 2),
    ),
    "trade_off": lambda: plot.trade_off(METHODS),
    "guidance_row": lambda: plot.guidance_row(
        torch.linspace(-1, 1, 3 * 784).view(3, 1, 28, 28),
        {"right": ([0, 1, 3], [0.1, 0.9, 1.0])},
        1.0,
        "w = 1",
        "x" * 30,
    ),
}


class Labels(nn.Module):
    """A network with labels that counts its calls."""

    def __init__(self):
        super().__init__()
        self.scale, self.calls = nn.Parameter(torch.tensor(0.3)), 0

    def forward(self, x, t, cond):
        self.calls += 1
        return torch.tanh(self.scale * x) + cond.view(-1, 1, 1, 1) / 20


def test_measured_values_have_a_picture_and_words():
    picture = PICTURES["measured"]()
    data, metadata = picture._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "right: clipped 0.1, 0.95, 0.99" in metadata["image/png"]["alt"]
    assert [ax.get_yscale() for ax in picture.axes] == ["linear", "linear"]
    assert [ax.get_yscale() for ax in plot.measured({"right": SERIES, "distance": SERIES}, log=["distance"]).axes] == [
        "linear",
        "log",
    ]
    with pytest.raises(ValueError, match="panels must hold"):
        plot.measured({})


def test_the_trade_off_shows_few_wrong_digits_at_the_right_and_intervals_of_95_percent():
    picture = PICTURES["trade_off"]()
    (ax,) = picture.axes
    left, right = ax.get_xlim()
    assert left > 20 and -0.1 < right < 0  # 20 in a thousand are wrong where 98 % are right
    everywhere, low = ax.containers
    assert everywhere.lines[0].get_xdata() == pytest.approx([20, 2, 0])
    (bars,) = everywhere.lines[2]
    assert [height for bar in bars.get_segments() for height in bar[:, 1]] == pytest.approx([0, 0, 0.3, 0.5, 1.5, 1.5])
    assert low.lines[0].get_ydata() == pytest.approx([-0.05])
    assert "everywhere 1: +0.00, 1.5: +0.40, 3: +1.50; low 2: -0.05" in picture.alt


def test_arrows_end_where_predictions_aim():
    picture = PICTURES["pulls"]()
    for ax in picture.axes:
        none, label = (c for c in ax.collections if hasattr(c, "U"))
        assert none.U.tolist() == [0.5, 0.5] and label.V.tolist() == [1.0, 1.0]
        assert label.scale == 1 and label.angles == label.scale_units == "xy"
    with pytest.raises(ValueError, match=r"named\['t'\]\['none'\] must be \(2, 2\), got \(3, 2\)"):
        plot.pulls({"t": (torch.zeros(2, 2), {"none": torch.zeros(3, 2)})}, ground=torch.zeros(1, 2))


@pytest.mark.slow
def test_the_explorer_draws_the_same_noises_at_every_scale_once():
    network = Labels()
    model = Denoiser(network, SCALED, "v", null=10)
    explorer = widgets.GuidanceExplorer(model, ROWS, labels=[1, 2, 3], steps=2, guidance=2.5)
    handle, clip, seen = explorer.controls["guidance"], explorer.controls["clip"], set()
    assert handle.options == (0.0, 1.0, 3.0) and handle.value == 3.0 and len(explorer.images) == 1
    for w in handle.options:
        handle.value = w
        seen.add(bytes(explorer.image.value))
        assert f"guidance {w:g}: {0.9 + w / 100:.1%} right digits" in explorer.text.value
        alone = sample(clipped(guided(model, 2, w)), SCALED, (1, 1, 28, 28), DPMSolverPP(), 2, seed=0, first=1)
        torch.testing.assert_close(explorer.images[w, True][1:2], alone, rtol=1e-4, atol=1e-4)
    clip.value = "no"
    seen.add(bytes(explorer.image.value))
    assert "guidance 3, not clipped: " in explorer.text.value and "precision 80%" in explorer.text.value
    calls = network.calls
    clip.value = "yes"
    assert network.calls == calls and len(seen) == 4
    Image.open(io.BytesIO(bytes(explorer.image.value))).verify()
    only = widgets.GuidanceExplorer(model, [r for r in ROWS if r["clipped"]], labels=[1], steps=2)
    assert list(only.controls) == ["guidance"]  # no switch for what was not measured
    with pytest.raises(ValueError, match="rows must hold lines of kind 'curve'"):
        widgets.GuidanceExplorer(model, [])
    with pytest.raises(TypeError, match="model must be a Denoiser with labels"):
        widgets.GuidanceExplorer(network, ROWS)


# -- facts that the prose states ---------------------------------------------------------------------------------------

WORLD, PANEL = GaussianMixture.ring(3, std=0.35), 401


def tempered(w):
    """Mean (2,) and standard deviations (2,) of p(x)·p(0 | x)^w on a fine grid."""
    ticks = torch.linspace(-3, 4, PANEL, dtype=torch.float64)
    points = torch.cartesian_prod(ticks, ticks)
    p = (WORLD.log_prob(points) + w * WORLD.responsibilities(points)[:, 0].log()).softmax(dim=0)
    mean = (p[:, None] * points).sum(dim=0)
    return mean, (p[:, None] * (points - mean) ** 2).sum(dim=0).sqrt()


def guided_points(w, sampler, n=4000, steps=100):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    denoise = guided(WORLD.denoise_labelled, 0, w, uncond=3)
    *_, end = trajectory(denoise, x, SCALED.levels(steps), sampler, torch.Generator().manual_seed(1))
    return end.x


@pytest.mark.slow
def test_guidance_one_samples_the_class_and_three_does_not_sample_the_tempered_posterior():
    plain, se = guided_points(1.0, DDIM()), 0.35 / 4000**0.5
    torch.testing.assert_close(plain.mean(dim=0), WORLD.means[0], rtol=0, atol=5 * se + 0.005)
    mean, std = tempered(1.0)
    torch.testing.assert_close(mean, WORLD.means[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(std, torch.full((2,), 0.35, dtype=torch.float64), rtol=0, atol=1e-3)
    mean, std = tempered(3.0)
    for sampler in (DDIM(), DDPM()):
        x = guided_points(3.0, sampler)
        assert x[:, 0].mean() > mean[0] + 0.1 and (x.mean(dim=0) - mean).norm() > 20 * se  # farther out than it
        assert x[:, 1].std() < 0.9 * std[1]  # and narrower


def test_the_exercises_are_what_the_package_does():
    network = SimpleUNet(channels=8, num_classes=10).double()  # 1/alpha is up to 316: float32 rounding would show
    for parameter in network.conv_out.parameters():
        nn.init.normal_(parameter)
    model, labels = Denoiser(network, SCALED, "eps", null=10).eval(), torch.tensor([3, 1])
    x, levels, w = torch.randn(2, 1, 28, 28, dtype=torch.float64), SCALED.levels(4), 2.5
    at = dict(zip([int(level.t) for level in levels[:-1]], levels[:-1], strict=True))

    def step(x, eps, t, to):
        now, then = at[t], levels[-1] if to is None else at[to]
        return then.alpha * (x - now.sigma * eps) / now.alpha + then.sigma * eps

    mine = lesson_06.guided_sample(network, x, list(at), labels, 10, w, step)
    theirs = sample(guided(model, labels, w), SCALED, x.shape, DDIM(), x=x, levels=levels)
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)
    level, t = levels[2], torch.full((2,), levels[2].t, dtype=torch.float64)
    for interval in ((0.0, 1e9), (1e6, 1e7)):
        with torch.no_grad():
            mine = lesson_06.guide_interval(network, x, t, level.nsr, labels, 10, w, interval)
            e = guided(model, labels, w, interval=interval)(x, level)
        torch.testing.assert_close(mine, e.eps, rtol=1e-9, atol=1e-9)
    u, c = torch.randn(2, 2, 3)
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    torch.testing.assert_close(lesson_06.rescale(u, c, 0.7), rescale_noise_cfg(u, c, 0.7))


def test_her_embedding_fits_into_the_network_and_learns():
    """The lesson puts it in the place of SimpleUNet's own: what a row holds must reach the output, and gradients the row."""

    class Own(SimpleUNet):
        def __init__(self):
            super().__init__(channels=8, num_classes=10)
            self.label = lesson_06.LabelEmbedding(10, 256)

        def labelled(self, emb, cond):
            return self.label(emb, cond)

    network = Own()
    model = Denoiser(network, SCALED, "v", null=10)
    for parameter in network.parameters():  # the last layers start at zero, and would let nothing through
        nn.init.normal_(parameter, std=0.1)
    labels = lesson_06.drop_labels(torch.tensor([3, 4]), 1.0, 10, torch.Generator().manual_seed(0))
    model.loss(torch.randn(2, 1, 28, 28), labels, weight=recipes.middle, generator=torch.Generator()).backward()
    used = network.label.table.weight.grad.abs().sum(dim=1) > 0
    assert used.tolist() == [False] * 10 + [True]
    x, t, network = torch.randn(3, 1, 28, 28), torch.tensor([5.0, 5.0, 700.0]), network.eval()
    for cond in (None, torch.tensor([10, 3, 0])):  # the same sums as those of the network's own rows
        plain = SimpleUNet(channels=8, num_classes=10)
        rows = {name.replace("label.table", "label"): value for name, value in network.state_dict().items()}
        plain.load_state_dict(rows)
        torch.testing.assert_close(network(x, t, cond), plain(x, t, cond))
