import torch
from torch import nn

# config
config = dict(lr=0.03, betas=(0.9, 0.9), batch=128, steps=700, T=400)
torch.manual_seed(14)


class Residual(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(w, w), nn.GELU(), nn.Linear(w, w))

    def forward(self, x):
        return x + self.net(x)


class Model(nn.Module):
    def __init__(self, d=64, w=96):
        super().__init__()
        self.time = nn.Linear(2, w)
        self.inp = nn.Linear(d, w)
        self.res = Residual(w)
        self.out = nn.Linear(w, d)

    def forward(self, x, t):
        t = t[:, None] / config["T"]
        return self.out(self.res(self.inp(x) + self.time(torch.cat((t, t * t), 1))))


def main():
    alphas_cumprod = torch.cumprod(1 - torch.linspace(2.5e-4, 0.05, config["T"]), 0)
    column = torch.randint(0, 8, (2000,))
    x = torch.where(torch.arange(8)[None] <= column[:, None], 1.0, -1.0).repeat_interleave(8, 1)
    model = Model()
    opt = torch.optim.Adam(model.parameters(), lr=config["lr"], betas=config["betas"])
    history = {"step": [], "loss": []}
    for step in range(config["steps"]):
        x0 = x[torch.randint(0, len(x), (config["batch"],))]
        t = torch.randint(0, config["T"], (len(x0),))
        noise = torch.randn_like(x0)
        a = alphas_cumprod[t, None]
        loss_t = nn.functional.mse_loss(model(a.sqrt() * x0 + (1 - a).sqrt() * noise, t), noise)
        opt.zero_grad()
        loss_t.backward()
        opt.step()
        history["step"].append(step)
        history["loss"].append(loss_t.item())
    return history


history = main()
curve = list(zip(history["step"], history["loss"]))
