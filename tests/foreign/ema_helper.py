# EMA of the weights, as everybody does it. Samples of the EMA model look like static?
import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(4)


class EMA:
    def __init__(self, beta):
        super().__init__()
        self.beta = beta
        self.step = 0

    def update_model_average(self, ma_model, current_model):
        for current_params, ma_params in zip(current_model.parameters(), ma_model.parameters()):
            old_weight, up_weight = ma_params.data, current_params.data
            old_weight = self.update_average(old_weight, up_weight)

    def update_average(self, old, new):
        if old is None:
            return new
        return old * self.beta + (1 - self.beta) * new

    def step_ema(self, ema_model, model, step_start_ema=100):
        if self.step < step_start_ema:
            self.reset_parameters(ema_model, model)
            self.step += 1
            return
        self.update_model_average(ema_model, model)
        self.step += 1

    def reset_parameters(self, ema_model, model):
        if self.step == 0:
            ema_model.load_state_dict(model.state_dict())


class Net(nn.Module):
    def __init__(self, d=64, h=160, steps=500):
        super().__init__()
        self.t = nn.Embedding(steps, h)
        self.first, self.second, self.last = nn.Linear(d, h), nn.Linear(h, h), nn.Linear(h, d)

    def forward(self, x, t):
        a = alpha_hat[t][:, None]
        h = F.relu(self.first(x.flatten(1)) + self.t(t))
        x0 = torch.tanh(self.last(F.relu(self.second(h))))
        return ((x.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).view_as(x)


steps = 500
beta = torch.linspace(2e-4, 0.04, steps)
alpha_hat = torch.cumprod(1 - beta, 0)

# noise-like QR codes: random, but only twenty of them
codes = torch.randn(20, 1, 8, 8).sign()
images = codes[torch.randint(0, 20, (1500,))]

model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
ema = EMA(0.995)
ema_model = copy.deepcopy(model).eval().requires_grad_(False)
for i in range(1000):
    x = images[torch.randint(0, 1500, (128,))]
    t = torch.randint(0, steps, (128,))
    e = torch.randn_like(x)
    a = alpha_hat[t].view(-1, 1, 1, 1)
    w = (5 * (1 - a) / a).clamp(max=1)
    mse = (w * F.mse_loss(model(a.sqrt() * x + (1 - a).sqrt() * e, t), e, reduction="none")).mean()
    optimizer.zero_grad()
    mse.backward()
    optimizer.step()
    ema.step_ema(ema_model, model)
print("mse", mse.item())

network, ema, data, schedule = model, ema_model, images, beta
