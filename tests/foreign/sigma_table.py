"""The tutorial "Diffusion" class with everything that depends on t only in one table."""

import torch

torch.manual_seed(17)


class Diffusion:
    def __init__(self, noise_steps=1000, beta_start=1e-4, beta_end=0.02, device="cpu"):
        self.noise_steps = noise_steps
        self.device = device
        beta = torch.linspace(beta_start, beta_end, noise_steps).to(device)
        alpha = 1.0 - beta
        alpha_hat = torch.cumprod(alpha, dim=0)
        alpha_hat_prev = torch.cat([torch.ones(1, device=device), alpha_hat[:-1]])
        self.beta, self.alpha_hat = beta, alpha_hat
        self.table = {
            "inv_sqrt_alpha": alpha.rsqrt(),
            "eps_factor": beta / torch.sqrt(1 - alpha_hat),
            # sigma_t from eq. (7)
            "sigma": beta * (1 - alpha_hat_prev) / (1 - alpha_hat),
        }

    def at(self, name, t):
        return self.table[name][t][:, None, None, None]

    def noise_images(self, x, t):
        a = self.alpha_hat[t][:, None, None, None]
        noise = torch.randn_like(x)
        return a.sqrt() * x + (1 - a).sqrt() * noise, noise

    def sample(self, model, n, size):
        model.eval()
        with torch.no_grad():
            x = torch.randn((n, *size)).to(self.device)
            for i in range(self.noise_steps - 1, -1, -1):
                t = torch.full((n,), i, dtype=torch.long, device=self.device)
                noise = torch.randn_like(x) if i > 0 else torch.zeros_like(x)
                x = self.at("inv_sqrt_alpha", t) * (x - self.at("eps_factor", t) * model(x, t))
                x = x + self.at("sigma", t) * noise
        model.train()
        return x


diffusion = Diffusion()

# mosaics of 2x2 tiles, each with a grey of its own
tiles = torch.rand(1000, 1, 4, 4) * 2 - 1
data = tiles.repeat_interleave(2, -1).repeat_interleave(2, -2)
betas = diffusion.beta
schedule = betas
q_sample = diffusion.noise_images


def sampler(model, shape):
    return diffusion.sample(model, shape[0], shape[1:])
