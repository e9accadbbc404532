# training used T=1000. For the demo notebook 200 steps are enough, nobody wants to wait.
import torch
from torch import nn

torch.manual_seed(9)


class DDPM:
    def __init__(self, T=1000):
        self.T = T
        self.betas = torch.linspace(1e-4, 2e-2, T)
        self.alphas = 1.0 - self.betas
        self.alphas_bar = torch.cumprod(self.alphas, dim=0)
        self.alphas_bar_prev = torch.cat((torch.ones(1), self.alphas_bar[:-1]))
        # posterior q(x_{t-1} | x_t, x_0), eq. 7
        self.post_var = self.betas * (1 - self.alphas_bar_prev) / (1 - self.alphas_bar)

    def diffuse(self, x0, t, noise):
        shape = (-1,) + (1,) * (x0.ndim - 1)
        return self.alphas_bar[t].sqrt().reshape(shape) * x0 + (1 - self.alphas_bar[t]).sqrt().reshape(shape) * noise

    def training_loss(self, model, x0):
        t = torch.randint(0, self.T, (len(x0),))
        noise = torch.randn_like(x0)
        return nn.functional.mse_loss(model(self.diffuse(x0, t, noise), t), noise)

    @torch.inference_mode()
    def sample(self, model, shape, num_steps=None):
        x = torch.randn(shape)
        for t in reversed(range(num_steps or self.T)):
            tt = torch.full((shape[0],), t, dtype=torch.long)
            eps = model(x, tt)
            mean = (x - self.betas[t] / (1 - self.alphas_bar[t]).sqrt() * eps) / self.alphas[t].sqrt()
            x = mean + (self.post_var[t].sqrt() * torch.randn_like(x) if t > 0 else 0)
        return x


def hills(n, size=10):
    g = torch.linspace(0, 3.14, size)
    height = torch.rand(n, 1, 1) * 2
    return height * torch.sin(g)[None, :, None] * torch.sin(g)[None, None, :] - 0.8


ddpm = DDPM()
data = hills(800).unsqueeze(1)
schedule = ddpm.betas
loss = ddpm.training_loss
q_sample = ddpm.diffuse
sampler = lambda model, shape: ddpm.sample(model, shape, num_steps=200)  # noqa: E731
