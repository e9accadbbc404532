"""Running a diffusers scheduler as its users do, and the grid of ours that it stands for."""

import torch

from diffcourse.denoiser import estimate
from diffcourse.samplers import trajectory
from diffcourse.schedule import CLEAN, DiffusionSchedule

SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LINEAR = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
COSINE = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"}
KINDS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}

_generator = torch.Generator().manual_seed(0)
_W = torch.randn(2, 16, generator=_generator, dtype=torch.float64)
_V = 0.3 * torch.randn(16, 2, generator=_generator, dtype=torch.float64)
X_T = torch.randn(64, 2, generator=_generator, dtype=torch.float64)


def network(x, t):
    """A smooth random function of x and t in float64."""
    return torch.tanh(x @ _W + float(t) / 1000) @ _V + 0.5 * x


def run_theirs(scheduler, x=X_T, seed=0, **step_options):
    """`scheduler` with its steps already set; x is standard noise, scaled here as their pipelines do."""
    generator = torch.Generator().manual_seed(seed)
    if "generator" in scheduler.step.__code__.co_varnames:
        step_options["generator"] = generator
    x = x * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x, **step_options).prev_sample
    return x


def start_of(scheduler, at, x=X_T):
    """The image that their scheduler starts from, in our coordinates: theirs are x/alpha where they scale the model's input."""
    if type(scheduler).__name__.startswith(("DDIM", "DDPM", "DPM")):
        return x
    return at.alpha * (x * float(scheduler.init_noise_sigma))


def grid_of(scheduler, schedule, last=CLEAN):
    """Levels from their own `timesteps`; Heun's lists every inner one twice."""
    times = scheduler.timesteps.tolist()
    if type(scheduler).__name__.startswith("Heun"):
        times = times[:1] + times[1::2]
    return [*map(schedule.at, times), last]


def run_ours(sampler, scheduler, predicts="eps", last=CLEAN, schedule=None, seed=0):
    schedule = DiffusionSchedule.from_diffusers(scheduler) if schedule is None else schedule
    levels = grid_of(scheduler, schedule, last)

    def denoise(x, at):
        return estimate(network(x, at.t), x, at, predicts)

    start = start_of(scheduler, levels[0])
    *_, end = trajectory(denoise, start, levels, sampler, torch.Generator().manual_seed(seed))
    return end.x


def deviation(ours, theirs, relative=False):
    assert theirs.dtype == torch.float64 and ours.shape == theirs.shape
    difference = (ours - theirs).abs()
    return float((difference / theirs.abs().clamp(min=1.0)).max() if relative else difference.max())


def with_their_table(scheduler):
    """Our schedule on their own float32 alpha_bars: what then still differs is not the rounding of the table."""
    bars = scheduler.alphas_cumprod.double()
    return DiffusionSchedule(1 - bars / torch.cat([torch.ones(1, dtype=bars.dtype), bars[:-1]]))
