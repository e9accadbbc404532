"""Train an unconditional model with DDPMScheduler, draw with its 50-step inference schedule."""

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from diffusers.optimization import get_cosine_schedule_with_warmup
from torch import nn

torch.manual_seed(0)
noise_scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", clip_sample=True)


class Model(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.register_buffer("freqs", 2.0 ** torch.arange(0, 6) * 3.1416)
        self.time = nn.Sequential(nn.Linear(12, width), nn.SiLU(), nn.Linear(width, width))
        self.inp, self.mid, self.out = nn.Linear(64, width), nn.Linear(width, width), nn.Linear(width, 64)

    def forward(self, sample, timestep):
        arg = timestep.float()[:, None] / 1000 * self.freqs
        emb = self.time(torch.cat((arg.sin(), arg.cos()), -1))
        h = F.silu(self.inp(sample.flatten(1)) + emb)
        h = h + F.silu(self.mid(h) + emb)
        # the layers predict the clean image, and the noise follows from it
        ac = noise_scheduler.alphas_cumprod[timestep][:, None]
        clean = torch.tanh(self.out(h))
        return ((sample.flatten(1) - ac.sqrt() * clean) / (1 - ac).sqrt()).view_as(sample)


def train_loss(model, clean_images):
    noise = torch.randn(clean_images.shape)
    timesteps = torch.randint(0, noise_scheduler.config.num_train_timesteps, (clean_images.shape[0],))
    noisy_images = noise_scheduler.add_noise(clean_images, noise, timesteps)
    # min-SNR weighting, https://arxiv.org/abs/2303.09556
    ac = noise_scheduler.alphas_cumprod[timesteps]
    snr = ac / (1 - ac)
    mse_loss_weights = snr.clamp(max=5.0) / snr
    loss = F.mse_loss(model(noisy_images, timesteps), noise, reduction="none")
    return (loss.mean(dim=(1, 2, 3)) * mse_loss_weights).mean()


@torch.no_grad()
def pipeline(model, shape, num_inference_steps=50):
    image = torch.randn(shape)
    noise_scheduler.set_timesteps(num_inference_steps)
    for t in noise_scheduler.timesteps:
        # 1. predict noise model_output
        model_output = model(image, t.expand(shape[0]))
        # 2. compute previous image: x_t -> x_t-1
        image = noise_scheduler.step(model_output, t, image).prev_sample
    return (image / 2 + 0.5).clamp(0, 1) * 2 - 1


# twenty-four runes
runes = torch.randn(24, 1, 8, 8).sign()
data = runes[torch.randint(0, 24, (2000,))]
network = Model()
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
lr_scheduler = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=50, num_training_steps=1600)
curve = []
for step in range(1600):
    value = train_loss(network, data[torch.randint(0, 2000, (128,))])
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    lr_scheduler.step()
    optimizer.zero_grad()
    curve.append(value.detach().item())

schedule, loss, sampler = noise_scheduler, train_loss, pipeline
