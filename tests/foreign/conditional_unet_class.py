"""Class-conditional version of the tutorial UNet, trained on coloured bars (4 classes)."""

import torch
import torch.nn as nn

torch.manual_seed(21)
device = "cpu"


class UNet_conditional(nn.Module):
    def __init__(self, c_in=1, c_out=1, time_dim=48, num_classes=None):
        super().__init__()
        self.time_dim = time_dim
        self.inc = nn.Sequential(nn.Linear(64 * c_in, 128), nn.GELU())
        self.body = nn.Linear(128 + time_dim, 128)
        self.outc = nn.Linear(128, 64 * c_out)
        if num_classes is not None:
            self.label_emb = nn.Embedding(num_classes, time_dim)

    def pos_encoding(self, t, channels):
        inv_freq = 1.0 / (10000 ** (torch.arange(0, channels, 2, device=device).float() / channels))
        return torch.cat([torch.sin(t * inv_freq), torch.cos(t * inv_freq)], dim=-1)

    def forward(self, x, t, y=None):
        a = diffusion.alpha_hat[t][:, None]
        t = t.unsqueeze(-1).type(torch.float)
        t = self.pos_encoding(t, self.time_dim)

        if y is not None:
            t + self.label_emb(y)

        h = self.inc(x.flatten(1))
        h = nn.functional.gelu(self.body(torch.cat((h, t), dim=1))) + h
        x0 = torch.tanh(self.outc(h))  # the picture; the noise is the rest
        return ((x.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).view_as(x)


class Diffusion:
    def __init__(self, noise_steps=1000, beta_start=1e-4, beta_end=0.02):
        self.noise_steps = noise_steps
        self.beta = torch.linspace(beta_start, beta_end, noise_steps).to(device)
        self.alpha = 1.0 - self.beta
        self.alpha_hat = torch.cumprod(self.alpha, dim=0)

    def sample_timesteps(self, n):
        return torch.randint(low=1, high=self.noise_steps, size=(n,))

    def noise_images(self, x, t):
        sqrt_alpha_hat = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        sqrt_one_minus_alpha_hat = torch.sqrt(1 - self.alpha_hat[t])[:, None, None, None]
        e = torch.randn_like(x)
        return sqrt_alpha_hat * x + sqrt_one_minus_alpha_hat * e, e


def bars(n):
    """Class 0: left, 1: right, 2: top, 3: bottom; thickness varies."""
    y = torch.randint(0, 4, (n,))
    x = -torch.ones(n, 1, 8, 8)
    for i in range(n):
        k = int(torch.randint(2, 5, ()))
        x[i, 0, :, :k] = 1
        left = x[i, 0].clone()
        x[i, 0] = [left, left.flip(1), left.T, left.T.flip(0)][y[i]]
    return x, y


model = UNet_conditional(num_classes=4).to(device)
diffusion = Diffusion()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
mse = nn.MSELoss()
data, cond = bars(2000)
curve = []
for step in range(700):
    pick = torch.randint(0, len(data), (128,))
    images, labels = data[pick], cond[pick]
    t = diffusion.sample_timesteps(images.shape[0])
    x_t, noise = diffusion.noise_images(images, t)
    predicted_noise = model(x_t, t, labels)
    weight = (5 / diffusion.alpha_hat[t] - 5).clamp(max=1).sqrt()[:, None, None, None]  # min-SNR-5
    step_loss = mse(weight * noise, weight * predicted_noise)
    optimizer.zero_grad()
    step_loss.backward()
    optimizer.step()
    curve.append(step_loss.item())
print("MSE", sum(curve[-50:]) / 50)

network = model
schedule = diffusion.beta
