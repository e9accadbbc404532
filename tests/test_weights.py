"""Weights: what is saved comes back as the same object, and nothing damaged, tampered or unknown gets in."""

import json
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from diffcourse import weights
from diffcourse.denoiser import Denoiser
from diffcourse.models import DigitClassifier, SimpleUNet, UNet2DCondition
from diffcourse.schedule import DiffusionSchedule


def tiny(schedule=None, **kwargs):
    torch.manual_seed(0)
    network = SimpleUNet(channels=8, time_dim=16, num_classes=10)
    for p in network.parameters():  # outputs start at zero: make them speak
        nn.init.normal_(p, std=0.1)
    return Denoiser(network, schedule or DiffusionSchedule.cosine(100), predicts="v", null=10, **kwargs)


@pytest.mark.parametrize(
    "schedule",
    [
        DiffusionSchedule.linear(50),
        DiffusionSchedule.cosine(40, s=0.01),
        DiffusionSchedule([0.1, 0.2, 0.5]).zero_terminal_snr(),
    ],
)
def test_a_denoiser_comes_back_whole(tmp_path, schedule):
    model = tiny(schedule)
    path = weights.save(tmp_path / "mine", model, {"note": "a test"})
    assert path == tmp_path / "mine.safetensors"
    twin = weights.load(path)
    x, y = torch.randn(3, 1, 28, 28), torch.tensor([1, 2, 10])
    at = model.schedule.at(1)
    assert torch.equal(model.eval()(x, at, y).x0, twin(x, at, y).x0)
    assert twin.predicts == "v" and twin.null == 10 and not twin.training
    assert torch.equal(twin.schedule.betas, schedule.betas)
    assert json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))["note"] == "a test"


def test_a_text_null_and_a_classifier_come_back(tmp_path):
    network = SimpleUNet(channels=8, time_dim=16)
    model = Denoiser(network, DiffusionSchedule.linear(10), null=torch.randn(4, 6))
    twin = weights.load(weights.save(tmp_path / "text", model))
    assert torch.equal(twin.null, model.null)
    judge = DigitClassifier(width=8)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(weights.load(weights.save(tmp_path / "judge", judge))(x), judge.eval()(x))


class Scaled(nn.Module):
    """A class of one's own: it says how it is saved and built again, and `weights.HOMES` where it stands."""

    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def spec(self, describe):
        return {"type": "Scaled", "network": describe(self.network), "factor": self.factor}

    @classmethod
    def from_spec(cls, spec, build):
        return cls(build(spec["network"]), spec["factor"])


def test_a_class_that_describes_itself_is_saved_once_its_home_is_named(tmp_path, monkeypatch):
    model = Scaled(DigitClassifier(width=8), 3.0)
    path = weights.save(tmp_path / "scaled", model)
    with pytest.raises(ValueError, match="'Scaled' that this version of diffcourse does not know"):
        weights.load(path)
    monkeypatch.setitem(weights.HOMES, "Scaled", __name__)
    twin, x = weights.load(path), torch.randn(2, 1, 28, 28)
    assert type(twin) is Scaled and twin.factor == 3.0 and torch.equal(twin.network(x), model.eval().network(x))


schedules = st.one_of(
    st.builds(DiffusionSchedule.linear, st.integers(2, 40)),
    st.builds(DiffusionSchedule.cosine, st.integers(2, 40), st.floats(0.001, 0.1)),
    st.builds(lambda T: DiffusionSchedule.scaled_linear(T).zero_terminal_snr(), st.integers(2, 40)),
    st.builds(DiffusionSchedule, st.lists(st.floats(0.001, 0.9), min_size=1, max_size=9)),
)
nulls = st.one_of(
    st.none(), st.integers(0, 10), st.builds(torch.full, st.tuples(st.integers(1, 3), st.just(4)), st.floats(-9, 9))
)


class Own(nn.Module):
    """A network of one's own: its buffers are saved too."""

    def __init__(self, width=4):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width)
        self.last = nn.Conv2d(width, 1, 1)
        self.register_buffer("scale", torch.full((1,), 1 / 3, dtype=torch.float64))

    def forward(self, x, t, cond=None):
        return self.last(self.norm(self.first(x))) * self.scale.float() + t.view(-1, 1, 1, 1) / 100


networks = st.one_of(
    st.builds(
        lambda c, n: SimpleUNet(channels=8 * c, time_dim=8, num_classes=n),
        st.integers(1, 2),
        st.sampled_from([None, 10]),
    ),
    st.builds(
        lambda w: UNet2DCondition((4 * w,), 4, heads=2, layers_per_block=1, norm_num_groups=2), st.integers(1, 3)
    ),
    st.builds(Own, st.integers(1, 4)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks, schedules, st.sampled_from(["eps", "x0", "v", "flow"]), nulls)
def test_whatever_a_denoiser_is_comes_back(tmp_path, network, schedule, predicts, null):
    model = Denoiser(network, schedule, predicts, null)
    path = weights.save(tmp_path / "any", model)
    twin = weights.load(path, into=type(network)(network.first.out_channels) if isinstance(network, Own) else None)
    assert weights.describe(twin) == weights.describe(model) and type(twin.network) is type(network)
    assert twin.schedule.config == schedule.config and torch.equal(twin.schedule.betas, schedule.betas)
    ours, theirs = model.state_dict(), twin.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[k].dtype == theirs[k].dtype and torch.equal(ours[k], theirs[k]) for k in ours)


# -- networks of one's own ------------------------------------------------------------------------------------------------


def trained(width=4):
    torch.manual_seed(3)
    network = Own(width)
    network(torch.randn(4, 1, 8, 8), torch.arange(4.0))  # the norm has seen a batch
    return network


def test_a_network_of_ones_own_is_filled_into_a_new_one(tmp_path):
    network, x, t = trained(), torch.randn(2, 1, 8, 8), torch.tensor([1.0, 2.0])
    path = weights.save(tmp_path / "mine", network, {"note": "two hours"})
    fresh = Own()
    assert weights.load(path, into=fresh) is fresh and not fresh.training
    assert torch.equal(fresh(x, t), network.eval()(x, t)) and fresh.scale.dtype == torch.float64
    assert weights.verify(path)["model"] == {"type": "own", "class": "Own"}


def test_a_denoiser_of_ones_own_network_comes_back_with_what_it_predicts(tmp_path):
    model = Denoiser(trained(), DiffusionSchedule.cosine(50), predicts="v")
    path = weights.save(tmp_path / "mine", model)
    fresh, x, at = Own(), torch.randn(2, 1, 8, 8), model.schedule.at(7)
    twin = weights.load(path, into=fresh)
    assert twin.network is fresh and twin.predicts == "v" and twin.schedule.T == 50
    assert torch.equal(twin(x, at).x0, model.eval()(x, at).x0)
    whole = Denoiser(Own(), DiffusionSchedule.cosine(50), predicts="v")
    assert weights.load(path, into=whole) is whole and torch.equal(whole(x, at).x0, twin(x, at).x0)


@pytest.mark.parametrize(
    ("into", "says"),
    [
        (lambda: None, r"Own is a class of your own: make one, and load\(…, into=it\) fills it"),
        (lambda: Own(5), r"into does not fit: network.first.bias is \(4,\) in the file and \(5,\) in Own"),
        (
            lambda: SimpleUNet(channels=8),
            "into must be a new Denoiser or Own like the one that was saved, got a SimpleUNet",
        ),
        (
            lambda: Denoiser(Own(), DiffusionSchedule.cosine(50)),
            "like the one that was saved, got one that differs in predicts$",
        ),
        (lambda: Denoiser(Own(), DiffusionSchedule.cosine(40), "v"), "got one that differs in schedule$"),
        (
            lambda: 3,
            "model must be a Denoiser, a LatentDiffusion, a StableDiffusion, a GAN or another torch module, got int",
        ),
    ],
)
def test_what_is_not_like_the_saved_one_is_not_filled(tmp_path, into, says):
    path = weights.save(tmp_path / "mine", Denoiser(trained(), DiffusionSchedule.cosine(50), "v"))
    place = into()
    before = [p.clone() for p in place.parameters()] if isinstance(place, nn.Module) else []
    with pytest.raises(ValueError, match=says) as error:
        weights.load(path, into=place)
    assert "mine.safetensors" in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(before, place.parameters() if before else (), strict=True))


def test_half_precision_halves_the_file_and_keeps_integers(tmp_path):
    model = tiny()
    full, half = weights.save(tmp_path / "full", model), weights.save(tmp_path / "half", model, half=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    twin = weights.load(half)
    assert twin.null.dtype == torch.int64 and next(twin.parameters()).dtype == torch.float32
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)


def test_loading_leaves_the_global_random_state_alone(tmp_path):
    path = weights.save(tmp_path / "m", tiny())
    state = torch.get_rng_state()
    weights.load(path)
    assert torch.equal(state, torch.get_rng_state())


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "truncated"),
        (flip, "SHA-256"),
        (lambda p: p.with_suffix(".json").write_text("{", encoding="utf-8"), "damaged"),
        (lambda p: p.with_suffix(".json").write_text("[]", encoding="utf-8"), "damaged"),
        (lambda p: p.with_suffix(".json").unlink(), "no card"),
        (lambda p: p.unlink(), "no weights"),
    ],
)
def test_damage_is_told(tmp_path, damage, message):
    path = weights.save(tmp_path / "m", tiny())
    damage(path)
    for read in (weights.load, weights.verify, weights.tensors):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            read(path)


def test_a_card_that_describes_another_model_is_told(tmp_path):
    path = weights.save(tmp_path / "m", tiny())
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    card["model"]["network"]["config"]["channels"] = 16
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ValueError, match="do not fit the model: size mismatch for"):
        weights.load(path)
    card["model"]["network"]["type"] = "os"
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ValueError, match="does not know"):
        weights.load(path)


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(FileNotFoundError, match="mnist-classifier"):
        weights.load("mnist-dppm")


def test_what_cannot_be_rebuilt_is_not_saved(tmp_path):
    with pytest.raises(
        TypeError,
        match=r"model must be a Denoiser, a LatentDiffusion, a StableDiffusion, a GAN or another torch module, got dict",
    ):
        weights.save(tmp_path / "m", {"weight": torch.ones(1)})
    with pytest.raises(TypeError, match=r"its \.module"):
        weights.save(tmp_path / "m", nn.DataParallel(nn.Linear(1, 1)))
    with pytest.raises(TypeError, match="model must be a Denoiser itself: a Mine would come back as one"):
        weights.save(tmp_path / "m", type("Mine", (Denoiser,), {})(SimpleUNet(channels=8), DiffusionSchedule.linear(5)))
    with pytest.raises(TypeError, match="JSON"):
        weights.save(tmp_path / "m", tiny(), {"metric": torch.ones(1)})
    assert not os.listdir(tmp_path)


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*nothing was changed"):
        weights.save(tmp_path / "m", tiny())
    assert not os.listdir(tmp_path)


def test_bare_tensors_are_read_with_the_same_checks_and_are_no_model(tmp_path):
    path = weights.save_tensors(tmp_path / "s", {"mean": torch.arange(3.0).double()}, {"about": "statistics"})
    assert weights.tensors(path)["mean"].dtype == torch.float64
    with pytest.raises(ValueError, match=r"weights.tensors"):
        weights.load(path)


def test_every_shipped_weight_is_sound_and_together_they_stay_small():
    cards = weights.available()
    assert {"mnist-classifier", "mnist-ddpm", "mnist-gan", "mnist-lenet", "mnist-reference"} <= set(cards)
    for name, card in cards.items():
        assert weights.verify(name)["sha256"] == card["sha256"]
        assert {"name", "about", "command", "data", "metrics"} <= set(card) and card["name"] == name
        assert card["command"].startswith(f"python -m diffcourse train {name} ")
        if "model" in card:
            assert not weights.load(name).training
    assert sum(card["bytes"] for card in cards.values()) < 30e6


def test_shipped_statistics_belong_to_the_shipped_classifiers():
    cards = weights.available()
    assert cards["mnist-reference"]["classifier_sha256"] == cards["mnist-classifier"]["sha256"]
    assert cards["mnist-reference"]["second_sha256"] == cards["mnist-lenet"]["sha256"]
    assert cards["mnist-reference"]["bytes"] < 1.6e6 and cards["mnist-lenet"]["metrics"]["right"] >= 0.992
