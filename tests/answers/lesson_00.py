"""Answers to the exercises of lesson 00."""

import torch
from learn_answers import right, wrong

# -- 00.to_minus_one_one ---------------------------------------------------------------------------------------------


@wrong("00.to_minus_one_one", "from 0 to 2: the -1 is forgotten")
def _(images):
    return images.float() / 127.5


@wrong("00.to_minus_one_one", "128 taken away from bytes, before they are made floats")
def _(images):
    return (images - 128) / 128


@wrong("00.to_minus_one_one", "256 values, so divided by 128")
def _(images):
    return images.float() / 128 - 1


@wrong("00.to_minus_one_one", "standardised: mean 0, spread 1")
def _(images):
    return (images.float() - images.float().mean()) / images.float().std()


@wrong("00.to_minus_one_one", "the negative of the picture")
def _(images):
    return 1 - images.float() / 127.5


@wrong("00.to_minus_one_one", "made black and white")
def _(images):
    return (images / 255).round() * 2 - 1


@wrong("00.to_minus_one_one", "float64, where the stub says float32")
def _(images):
    return images.double() / 127.5 - 1


@wrong("00.to_minus_one_one", "the dimension of the channel is lost")
def _(images):
    return (images.float() / 127.5 - 1).squeeze(1)


@wrong("00.to_minus_one_one", "bytes doubled before they are made floats")
def _(images):
    return images * 2 / 255 - 1


@wrong("00.to_minus_one_one", "divided by the largest value of each image")
def _(images):
    return images.float() / images.float().amax(dim=(1, 2, 3), keepdim=True) * 2 - 1


@right("00.to_minus_one_one", "as torchvision's Normalize(0.5, 0.5)")
def _(images):
    return (images / 255 - 0.5) / 0.5


@right("00.to_minus_one_one", "torch.lerp between the ends")
def _(images):
    return torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), images / 255)


@right("00.to_minus_one_one", "the ends as keyword arguments")
def _(images, lo=-1.0, hi=1.0):
    return lo + (hi - lo) * images.to(torch.float32) / 255


@right("00.to_minus_one_one", "NumPy")
def _(images):
    return torch.from_numpy((images.numpy().astype("float32") - 127.5) / 127.5)
