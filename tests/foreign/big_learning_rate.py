"""Training log of a run with plain SGD, learning rate copied from an image classifier."""

import torch

torch.manual_seed(0)
T = 100
betas = torch.linspace(1e-3, 0.2, T)
ab = torch.cumprod(1 - betas, 0)
points = torch.randn(2000, 16).sign() * 0.9  # binary codes

net = torch.nn.Sequential(
    torch.nn.Linear(17, 128), torch.nn.LeakyReLU(0.2), torch.nn.Linear(128, 128), torch.nn.LeakyReLU(0.2)
)
head = torch.nn.Linear(128, 16)
opt = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.8, momentum=0.9)
train_losses = []
for epoch in range(300):
    x = points[torch.randint(0, len(points), (64,))]
    t = torch.randint(0, T, (64,))
    e = torch.randn_like(x)
    a = ab[t][:, None]
    pred = head(net(torch.cat((a.sqrt() * x + (1 - a).sqrt() * e, t[:, None] / T), 1)))
    mse = ((pred - e) ** 2).sum(1).mean()  # sum over features, mean over the batch
    opt.zero_grad()
    mse.backward()
    opt.step()
    train_losses.append(mse.item() / 16)

curve = train_losses
