"""DDPM from the two boxes of the paper: Algorithm 1 (training) and Algorithm 2 (sampling)."""

import torch

T = 1000
beta = torch.linspace(1e-4, 0.02, T)
alpha = 1 - beta
alpha_bar = torch.cumprod(alpha, dim=0)
sigma = torch.sqrt(beta)  # "both had similar results"


def algorithm_1(eps_theta, x_0):
    # 1: repeat
    # 2:   x_0 ~ q(x_0)
    # 3:   t ~ Uniform({1, ..., T})
    t = torch.randint(0, T, (len(x_0),))
    # 4:   eps ~ N(0, I)
    eps = torch.randn_like(x_0)
    # 5:   take gradient descent step on || eps - eps_theta(...) ||^2
    ab = alpha_bar[t].reshape(-1, *([1] * (x_0.ndim - 1)))
    return (eps - eps_theta(ab.sqrt() * x_0 + (1 - ab).sqrt() * eps, t)).pow(2).mean()


@torch.no_grad()
def algorithm_2(eps_theta, shape):
    # 1: x_T ~ N(0, I)
    x = torch.randn(shape)
    # 2: for t = T, ..., 1 do
    for t in range(T - 1, -1, -1):
        # 3: z ~ N(0, I) if t > 1, else z = 0
        z = torch.randn(shape) if t > 0 else torch.zeros(shape)
        # 4: x_{t-1} = posterior mean (eq. 7) at the predicted x_0, plus sigma_t z
        eps = eps_theta(x, torch.tensor([t] * shape[0]))
        x_0 = (x - torch.sqrt(1 - alpha_bar[t]) * eps) / torch.sqrt(alpha_bar[t])
        prev = alpha_bar[t - 1] if t > 0 else torch.tensor(1.0)
        coef_x0 = torch.sqrt(alpha[t]) * (1 - prev) / (1 - alpha_bar[t])
        coef_xt = torch.sqrt(prev) * beta[t] / (1 - alpha_bar[t])
        x = coef_x0 * x_0 + coef_xt * x + sigma[t] * z
    # 5: end for, 6: return x_0
    return x


torch.manual_seed(0)
# small "faces": two eyes and a mouth
n = 600
faces = torch.full((n, 1, 12, 12), -0.6)
for i in range(n):
    a, b, m = torch.randint(2, 5, (3,)).tolist()
    faces[i, 0, a, 2 + b - 2] = faces[i, 0, a, 11 - b] = 1.0
    faces[i, 0, 6 + m - 2, 3:9] = 0.8

data = faces
schedule = alpha_bar
loss = algorithm_1
sampler = algorithm_2
