"""The network and the chain of Conditional_Diffusion_MNIST, which benchmarks/peers.py trains beside ours.

From https://github.com/TeaPearce/Conditional_Diffusion_MNIST (script.py, commit 657b498), itself modified from
https://github.com/cloneofsimo/minDiffusion. The same layers in the same order, loss and sampling loop. Left out are plots and files,
branches that the script does not take, and, in sampling, the half of the batch without labels: guidance 0 gives it no weight. `ddim` is
not theirs: the script has no sampler of few steps. Its licence:

MIT License

Copyright (c) 2022 Tim Pearce

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

from itertools import pairwise

import torch
from torch import nn


class ResidualConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, is_res=False):
        super().__init__()
        self.same_channels, self.is_res = in_channels == out_channels, is_res
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, 1, 1), nn.BatchNorm2d(out_channels), nn.GELU()
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, 1, 1), nn.BatchNorm2d(out_channels), nn.GELU()
        )

    def forward(self, x):
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        return ((x if self.same_channels else x1) + x2) / 1.414 if self.is_res else x2


class UnetDown(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.model = nn.Sequential(ResidualConvBlock(in_channels, out_channels), nn.MaxPool2d(2))

    def forward(self, x):
        return self.model(x)


class UnetUp(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.model = nn.Sequential(
            nn.ConvTranspose2d(in_channels, out_channels, 2, 2),
            ResidualConvBlock(out_channels, out_channels),
            ResidualConvBlock(out_channels, out_channels),
        )

    def forward(self, x, skip):
        return self.model(torch.cat((x, skip), 1))


class EmbedFC(nn.Module):
    def __init__(self, input_dim, emb_dim):
        super().__init__()
        self.input_dim = input_dim
        self.model = nn.Sequential(nn.Linear(input_dim, emb_dim), nn.GELU(), nn.Linear(emb_dim, emb_dim))

    def forward(self, x):
        return self.model(x.view(-1, self.input_dim))


class ContextUnet(nn.Module):
    def __init__(self, in_channels, n_feat=256, n_classes=10):
        super().__init__()
        self.in_channels, self.n_feat, self.n_classes = in_channels, n_feat, n_classes
        self.init_conv = ResidualConvBlock(in_channels, n_feat, is_res=True)
        self.down1, self.down2 = UnetDown(n_feat, n_feat), UnetDown(n_feat, 2 * n_feat)
        self.to_vec = nn.Sequential(nn.AvgPool2d(7), nn.GELU())
        self.timeembed1, self.timeembed2 = EmbedFC(1, 2 * n_feat), EmbedFC(1, n_feat)
        self.contextembed1, self.contextembed2 = EmbedFC(n_classes, 2 * n_feat), EmbedFC(n_classes, n_feat)
        self.up0 = nn.Sequential(
            nn.ConvTranspose2d(2 * n_feat, 2 * n_feat, 7, 7), nn.GroupNorm(8, 2 * n_feat), nn.ReLU()
        )
        self.up1, self.up2 = UnetUp(4 * n_feat, n_feat), UnetUp(2 * n_feat, n_feat)
        self.out = nn.Sequential(
            nn.Conv2d(2 * n_feat, n_feat, 3, 1, 1),
            nn.GroupNorm(8, n_feat),
            nn.ReLU(),
            nn.Conv2d(n_feat, in_channels, 3, 1, 1),
        )

    def forward(self, x, c, t, context_mask):
        """x: noisy images (B, 1, 28, 28), c: labels (B,), t: times (B,) in (0, 1], context_mask (B,): 1 where the label is hidden."""
        x = self.init_conv(x)
        down1 = self.down1(x)
        down2 = self.down2(down1)
        hidden = self.to_vec(down2)
        c = nn.functional.one_hot(c, num_classes=self.n_classes).type(torch.float)
        c = c * -(1 - context_mask[:, None])
        cemb1, temb1 = (e.view(-1, 2 * self.n_feat, 1, 1) for e in (self.contextembed1(c), self.timeembed1(t)))
        cemb2, temb2 = (e.view(-1, self.n_feat, 1, 1) for e in (self.contextembed2(c), self.timeembed2(t)))
        up1 = self.up0(hidden)
        up2 = self.up1(cemb1 * up1 + temb1, down2)
        up3 = self.up2(cemb2 * up2 + temb2, down1)
        return self.out(torch.cat((up3, x), 1))


def ddpm_schedules(beta1, beta2, T):
    beta_t = (beta2 - beta1) * torch.arange(0, T + 1, dtype=torch.float32) / T + beta1
    alpha_t = 1 - beta_t
    alphabar_t = torch.cumsum(torch.log(alpha_t), dim=0).exp()
    return {
        "oneover_sqrta": 1 / torch.sqrt(alpha_t),
        "sqrt_beta_t": torch.sqrt(beta_t),
        "sqrtab": torch.sqrt(alphabar_t),
        "sqrtmab": torch.sqrt(1 - alphabar_t),
        "mab_over_sqrtmab": (1 - alpha_t) / torch.sqrt(1 - alphabar_t),
    }


class DDPM(nn.Module):
    def __init__(self, nn_model, betas=(1e-4, 0.02), n_T=400, drop_prob=0.1):
        super().__init__()
        self.nn_model, self.n_T, self.drop_prob = nn_model, n_T, drop_prob
        for name, values in ddpm_schedules(*betas, n_T).items():
            self.register_buffer(name, values)

    def forward(self, x, c):
        """The loss of images x (B, 1, 28, 28) in [0, 1] with labels c (B,)."""
        ts = torch.randint(1, self.n_T + 1, (len(x),), device=x.device)
        noise = torch.randn_like(x)
        x_t = self.sqrtab[ts, None, None, None] * x + self.sqrtmab[ts, None, None, None] * noise
        context_mask = torch.bernoulli(torch.zeros_like(c) + self.drop_prob)
        return nn.functional.mse_loss(self.nn_model(x_t, c, ts / self.n_T, context_mask), noise)

    def eps(self, x, c, i):
        return self.nn_model(x, c, torch.full((len(x),), i / self.n_T, device=x.device), torch.zeros_like(c))

    @torch.no_grad()
    def sample(self, x, c):
        """Images with labels c from noise x: every step of the chain, guidance 0. In [0, 1], more or less."""
        for i in range(self.n_T, 0, -1):
            z = torch.randn_like(x) if i > 1 else 0
            x = self.oneover_sqrta[i] * (x - self.eps(x, c, i) * self.mab_over_sqrtmab[i]) + self.sqrt_beta_t[i] * z
        return x

    @torch.no_grad()
    def ddim(self, x, c, steps):
        """The same with DDIM, eta = 0: `steps` evenly spaced steps of the chain (Song et al. 2021, equation 12)."""
        times = [round(self.n_T * (1 - j / steps)) for j in range(steps + 1)]
        for i, to in pairwise(times):
            eps = self.eps(x, c, i)
            x0 = (x - self.sqrtmab[i] * eps) / self.sqrtab[i]
            x = self.sqrtab[to] * x0 + self.sqrtmab[to] * eps if to else x0
        return x
