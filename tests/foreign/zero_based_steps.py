"""minDiffusion, but with time steps from 0 to n_T - 1 in place of 1 to n_T"""

from typing import Dict, Tuple

import torch
import torch.nn as nn


def ddpm_schedules(beta1: float, beta2: float, T: int) -> Dict[str, torch.Tensor]:
    """
    Returns pre-computed schedules for DDPM sampling, training process.
    """
    assert beta1 < beta2 < 1.0, "beta1 and beta2 must be in (0, 1)"

    beta_t = (beta2 - beta1) * torch.arange(0, T, dtype=torch.float32) / (T - 1) + beta1
    sqrt_beta_t = torch.sqrt(beta_t)
    alpha_t = 1 - beta_t
    log_alpha_t = torch.log(alpha_t)
    alphabar_t = torch.cumsum(log_alpha_t, dim=0).exp()

    sqrtab = torch.sqrt(alphabar_t)
    oneover_sqrta = 1 / torch.sqrt(alpha_t)
    sqrtmab = torch.sqrt(1 - alphabar_t)
    mab_over_sqrtmab_inv = (1 - alpha_t) / sqrtmab

    return {
        "beta_t": beta_t,
        "alpha_t": alpha_t,  # \alpha_t
        "oneover_sqrta": oneover_sqrta,  # 1/\sqrt{\alpha_t}
        "sqrt_beta_t": sqrt_beta_t,  # \sqrt{\beta_t}
        "alphabar_t": alphabar_t,  # \bar{\alpha_t}
        "sqrtab": sqrtab,  # \sqrt{\bar{\alpha_t}}
        "sqrtmab": sqrtmab,  # \sqrt{1-\bar{\alpha_t}}
        "mab_over_sqrtmab": mab_over_sqrtmab_inv,  # (1-\alpha_t)/\sqrt{1-\bar{\alpha_t}}
    }


class DDPM(nn.Module):
    def __init__(self, betas: Tuple[float, float], n_T: int, criterion: nn.Module = nn.MSELoss()) -> None:
        super().__init__()
        # register_buffer allows us to freely access these tensors by name. It helps device placement.
        for k, v in ddpm_schedules(betas[0], betas[1], n_T).items():
            self.register_buffer(k, v)
        self.n_T = n_T
        self.criterion = criterion

    def forward(self, eps_model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """
        Makes forward diffusion x_t, and tries to guess epsilon value from x_t using eps_model.
        """
        _ts = torch.randint(0, self.n_T, (x.shape[0],))
        eps = torch.randn_like(x)  # eps ~ N(0, 1)
        x_t = self.sqrtab[_ts, None, None, None] * x + self.sqrtmab[_ts, None, None, None] * eps
        return self.criterion(eps, eps_model(x_t, _ts))

    def sample(self, eps_model: nn.Module, n_sample: int, size) -> torch.Tensor:
        x_i = torch.randn(n_sample, *size)  # x_T ~ N(0, 1)

        # This samples accordingly to Algorithm 2. It is exactly the same logic.
        for i in range(self.n_T - 1, -1, -1):
            z = torch.randn(n_sample, *size) if i > -1 else 0
            ts = torch.full((n_sample,), i)
            eps = eps_model(x_i, ts)
            x_i = self.oneover_sqrta[i] * (x_i - eps * self.mab_over_sqrtmab[i]) + self.sqrt_beta_t[i] * z

        return x_i


torch.manual_seed(0)
ddpm = DDPM((1e-3, 0.2), n_T=100)

# steps of grey, 7 different patterns
levels = torch.linspace(-1, 1, 8)
patterns = torch.stack([levels[(torch.arange(64) * k % 8)].view(8, 8) for k in range(1, 8)])
data = patterns[torch.randint(0, 7, (700,))].unsqueeze(1)
schedule = ddpm.beta_t
loss = ddpm


@torch.no_grad()
def sampler(model, shape):
    return ddpm.sample(model, shape[0], shape[1:])
