"""The networks: embeddings against a loop, shapes, labels, independence of the batch, rebuilding from the config."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from diffcourse.models import MLP, VAE, DigitClassifier, LeNet, SimpleUNet, SinusoidalPositionEmbeddings, cost
from diffcourse.models.layers import ResBlock, SelfAttention


def awake(network, seed=0):
    """Outputs start at zero: give every parameter a value, so that there is something to see."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(0.1 * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return network.eval()


def images(n, channels=1, size=28, dtype=torch.float32):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(1)).to(dtype)


# -- embeddings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [4, 6, 64])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64])
def test_sinusoidal_embeddings_are_the_formula(dim, dtype):
    times = [0, 1, 17, 500, 999]
    ours = SinusoidalPositionEmbeddings(dim)(torch.tensor(times, dtype=dtype))
    half = dim // 2
    loop = np.zeros((5, dim))
    for i, t in enumerate(times):
        for k in range(half):
            w = 10000 ** (-k / (half - 1))
            loop[i, k], loop[i, half + k] = math.sin(t * w), math.cos(t * w)
    assert ours.shape == (5, dim)
    np.testing.assert_allclose(ours.numpy(), loop, atol=1e-12 if dtype == torch.float64 else 2e-4)


def test_neighbouring_times_have_different_embeddings():
    e = SinusoidalPositionEmbeddings(64)(torch.arange(1000.0))
    distances = torch.cdist(e, e) + 10 * torch.eye(1000)
    assert distances.min() > 0.1


@pytest.mark.parametrize("dim", [2, 0, 3, 7, -4])
def test_embeddings_without_a_frequency_or_with_a_lost_column_are_refused(dim):
    with pytest.raises(ValueError, match=f"dim must be even and at least 4, got {dim}"):
        SinusoidalPositionEmbeddings(dim)


# -- the U-Net ---------------------------------------------------------------------------------------------------------

SMALL = {"channels": 16, "time_dim": 32}


@pytest.mark.parametrize("size", [4, 8, 28, 32])
@pytest.mark.parametrize("in_channels, out_channels", [(1, 1), (3, 6)])
def test_an_image_in_an_image_out(size, in_channels, out_channels):
    network = SimpleUNet(in_channels, out_channels, **SMALL)
    assert network(images(2, in_channels, size), torch.tensor([0.0, 999.0])).shape == (2, out_channels, size, size)


def test_images_need_not_be_square():
    assert SimpleUNet(**SMALL)(torch.zeros(2, 1, 12, 20), torch.zeros(2)).shape == (2, 1, 12, 20)


def test_outputs_start_at_zero_and_gradients_flow_all_the_same():
    network, x, t = SimpleUNet(num_classes=10, **SMALL), images(2), torch.tensor([3.0, 500.0])
    assert not network(x, t, torch.tensor([1, 2])).any()
    awake(network)(x, t, torch.tensor([1, 2])).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_time_label_and_every_pixel_matter():
    network, x, t = awake(SimpleUNet(num_classes=10, **SMALL)), images(1), torch.tensor([500.0])
    out = network(x, t, torch.tensor([3]))
    assert (network(x, t + 1, torch.tensor([3])) - out).abs().max() > 1e-5
    assert (network(x, t, torch.tensor([4])) - out).abs().max() > 1e-5
    x.requires_grad_()
    network(x, t, torch.tensor([3]))[0, 0, 0, 0].backward()
    assert (x.grad[0, 0] != 0).float().mean() > 0.99  # attention lets a corner see the whole image


def test_no_condition_is_the_null_label():
    network, x, t = awake(SimpleUNet(num_classes=10, **SMALL)), images(2), torch.tensor([3.0, 500.0])
    assert torch.equal(network(x, t), network(x, t, torch.tensor([10, 10])))
    assert network.label.num_embeddings == 11


@pytest.mark.parametrize("train", [True, False])
def test_an_image_does_not_depend_on_its_batch(train):
    network, x = awake(SimpleUNet(num_classes=10, **SMALL)).train(train), images(5)
    t, cond = torch.tensor([0.0, 1, 400, 998, 999]), torch.tensor([0, 9, 10, 3, 3])
    together = network(x, t, cond)
    for i in range(5):
        torch.testing.assert_close(
            network(x[i : i + 1], t[i : i + 1], cond[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=1e-4
        )
    assert not any("running" in name for name in network.state_dict())


def test_double_works_and_says_the_same():
    network, x, t = awake(SimpleUNet(num_classes=10, **SMALL)), images(2), torch.tensor([3.0, 999.0])
    out = network(x, t, torch.tensor([1, 10]))
    double = network.double()(x.double(), t.double(), torch.tensor([1, 10]))
    assert double.dtype == torch.float64 and out.dtype == torch.float32
    torch.testing.assert_close(out.double(), double, atol=1e-3 * double.abs().max().item(), rtol=0)
    assert torch.equal(
        network(x.double(), torch.tensor([3, 999])), network(x.double(), t.double())
    )  # whole numbers do too


def test_half_precision_still_tells_late_times_apart():
    network, x = awake(SimpleUNet(**SMALL)).bfloat16(), images(1).bfloat16()
    embeddings = []
    network.time[1].register_forward_pre_hook(lambda layer, args: embeddings.append(args[0]))
    for t in (998.0, 999.0):
        assert network(x, torch.tensor([t])).dtype == torch.bfloat16
    truth = SinusoidalPositionEmbeddings(16)(torch.tensor([998.0, 999.0]))
    torch.testing.assert_close(torch.cat(embeddings).float(), truth, atol=0.01, rtol=0)


def test_inputs_stay_and_any_memory_layout_will_do():
    network, x, t, cond = (
        awake(SimpleUNet(num_classes=10, **SMALL)),
        images(2),
        torch.tensor([3.0, 9.0]),
        torch.tensor([1, 2]),
    )
    held = x.clone(), t.clone(), cond.clone()
    out = network(x, t, cond)
    assert all(torch.equal(a, b) for a, b in zip(held, (x, t, cond), strict=True))
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last), t, cond), out, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network(x.expand(2, 1, 28, 28).transpose(2, 3), t, cond).shape, out.shape)


@pytest.mark.parametrize(
    "network",
    [SimpleUNet(**SMALL), SimpleUNet(3, 6, channels=8, time_dim=16, num_classes=4), DigitClassifier(8, 4), LeNet(4, 4)],
    ids=["plain", "labels", "classifier", "lenet"],
)
def test_the_config_rebuilds_a_network(network):
    again = type(network)(**network.config)
    again.load_state_dict(awake(network).state_dict())  # strict: the same names and shapes
    again.eval()
    x = images(2, getattr(network, "in_channels", 1))
    args = (x,) if isinstance(network, DigitClassifier | LeNet) else (x, torch.tensor([3.0, 500.0]))
    assert torch.equal(again(*args), network(*args)) and again.config == network.config


def test_the_unet_is_made_for_a_laptop():
    network = SimpleUNet(num_classes=10)
    assert sum(p.numel() for p in network.parameters()) < 1_500_000


X, T = torch.zeros(2, 1, 28, 28), torch.zeros(2)
PLAIN, LABELS = SimpleUNet(**SMALL), SimpleUNet(num_classes=10, **SMALL)


@pytest.mark.parametrize(
    "call, says",
    [
        (
            lambda: LABELS(X, T, torch.tensor([0, 11])),
            r"cond: labels must lie in 0\.\.10 \(10 means no label\), got 0 to 11",
        ),
        (lambda: LABELS(X, T, torch.tensor([-1, 3])), "cond: labels must lie in"),
        (lambda: LABELS(X, T, torch.tensor([1.0, 3.0])), "cond must be int64 labels"),
        (lambda: LABELS(X, T, torch.tensor([1, 2, 3])), r"cond must be int64 labels of shape \(2,\), got .*\(3,\)"),
        (lambda: PLAIN(X, T, torch.tensor([1, 2])), "cond: this network has no labels"),
        (lambda: PLAIN(torch.zeros(2, 1, 30, 30), T), r"x must be .* multiples of 4, got \(2, 1, 30, 30\)"),
        (lambda: PLAIN(torch.zeros(2, 1, 28, 26), T), "x must be .* multiples of 4"),
        (lambda: PLAIN(torch.zeros(2, 3, 28, 28), T), r"x must be \(B, 1, H, W\)"),
        (lambda: PLAIN(torch.zeros(1, 28, 28), T), r"x must be \(B, 1, H, W\)"),
        (lambda: PLAIN(X, torch.zeros(3)), r"t must be one time an image, shape \(2,\), got \(3,\)"),
        (lambda: PLAIN(X, torch.tensor(5.0)), "t must be one time an image"),
        (lambda: PLAIN(X, torch.zeros(2, 1)), "t must be one time an image"),
        (lambda: DigitClassifier(8)(torch.zeros(2, 784)), r"x must be \(B, 1, 28, 28\)"),
        (lambda: DigitClassifier(8)(torch.zeros(2, 1, 32, 32)), r"x must be \(B, 1, 28, 28\)"),
        (lambda: LeNet(8)(torch.zeros(2, 1, 32, 32)), r"x must be \(B, 1, 28, 28\)"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# -- the blocks and the classifier -------------------------------------------------------------------------------------


def test_new_blocks_are_their_skips():
    x, emb = torch.randn(2, 16, 6, 6), torch.randn(2, 8)
    assert torch.equal(ResBlock(16, 16, 8)(x, emb), x) and torch.equal(SelfAttention(16)(x), x)
    wider = ResBlock(16, 32, 8)
    torch.testing.assert_close(wider(x, emb), wider.skip(x))


def test_attention_is_softmax_of_scaled_products():
    layer = awake(SelfAttention(16, heads=2)).double()
    x = torch.randn(2, 16, 3, 3, dtype=torch.float64)
    qkv = layer.qkv(layer.norm(x)).flatten(2).numpy(force=True)
    out = np.zeros((2, 16, 9))
    for b in range(2):
        for h in range(2):
            q, k, v = (qkv[b, 16 * i + 8 * h : 16 * i + 8 * h + 8] for i in range(3))
            scores = np.exp(q.T @ k / 8**0.5)
            out[b, 8 * h : 8 * h + 8] = v @ (scores / scores.sum(1, keepdims=True)).T
    expected = x + layer.out(torch.from_numpy(out).view(2, 16, 3, 3))
    torch.testing.assert_close(layer(x), expected)


def test_the_classifier_gives_scores_and_features():
    network, x = awake(DigitClassifier(8)), images(3)
    features = network.features(x)
    assert features.shape == (3, 32) and network(x).shape == (3, 10)
    torch.testing.assert_close(network.head(features), network(x))
    torch.testing.assert_close(network(x[1:2]), network(x)[1:2], atol=1e-5, rtol=1e-4)


# -- points ------------------------------------------------------------------------------------------------------------


def test_a_perceptron_sees_points_one_by_one_and_times_in_between():
    net, x = MLP(dims=3, width=16, depth=2, time_dim=8), images(4)[:, 0, 0, :3]
    t = torch.tensor([0.0, 0.1, 0.11, 1.0])
    out = net(x, t)
    assert out.shape == (4, 3) and not torch.allclose(net(x, t.flip(0)), out)
    torch.testing.assert_close(net(x[2:3], t[2:3]), out[2:3])
    torch.testing.assert_close(net(x), net(x, torch.zeros(4)))
    assert sum(p.numel() for p in net.parameters()) == (11 * 16 + 16) + (16 * 16 + 16) + (16 * 3 + 3)
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        MLP(depth=0)


def test_the_lenet_has_the_layers_of_the_paper_with_more_channels():
    """LeCun et al. 1998, figure 2: two 5x5 convolutions, each halved, then 120, 84 and 10 units; with 6 and 16 channels there."""
    network, x = LeNet(), images(3)
    kinds = [type(layer).__name__ for layer in network.body]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d"] * 2 + ["Flatten", "Linear", "ReLU", "Linear", "ReLU"]
    assert network.features(x).shape == (3, 84) and bool((network.features(x) >= 0).all())
    torch.testing.assert_close(network(x), network.head(network.features(x)))
    assert sum(p.numel() for p in network.parameters()) == 26 * 32 + 801 * 64 + 1601 * 120 + 121 * 84 + 85 * 10
    assert LeNet(**network.config).config == {"width": 32, "num_classes": 10}


# -- what a step of training costs --------------------------------------------------------------------------------------


def test_the_operations_of_a_step_are_those_of_both_passes_as_torchs_own_counter_finds_them():
    vae, x = VAE(4, "conv", "gaussian", 16, 8), torch.rand(3, 1, 28, 28) * 2 - 1

    def loss():
        recon, mu, log_var = vae(x, torch.Generator().manual_seed(0))
        return vae.loss_function(recon, x, mu, log_var)

    with FlopCounterMode(display=False) as counter:
        loss().backward()
    assert cost.training_operations(loss) == counter.get_total_flops() // 2


def test_the_operations_of_a_gradient_inside_a_loss_are_counted_too():
    """There torch's counter stops with an error. A product of (5, 7) and (7, 1), its gradient, and the gradient of that: 35 each."""
    line, x = nn.Linear(7, 1, bias=False), torch.rand(5, 7, requires_grad=True)

    def penalty():
        (slope,) = torch.autograd.grad(line(x).sum(), x, create_graph=True)
        return slope.square().sum()

    assert cost.training_operations(penalty) == 3 * 35
    with pytest.raises(TypeError, match="loss must be a function without arguments"):
        cost.training_operations(1.0)
