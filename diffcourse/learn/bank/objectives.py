"""The objectives of the course, each with the exercises that show that it is reached."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """One thing to be able to do: the `item` of the curriculum, and the exercises that take it, easy ones first."""

    item: str
    title: str
    text: str
    exercises: Sequence[str]


OBJECTIVES = [
    Objective(
        "C293",
        "Forward and reverse process",
        "Add noise step by step and in one jump, and say what the step back is when the clean image is known, and when it is not.",
        [
            "02.forward_step",
            "02.alpha_bars",
            "02.q_sample",
            "02.snr",
            "02.posterior",
            "02.reverse_mean",
            "08.reverse_step",
        ],
    ),
    Objective(
        "C294",
        "The principles of DDPM",
        "Derive the loss from the bound, say which weights the simple loss leaves out, and take the sampling step.",
        ["02.gaussian_kl", "02.step_kl", "02.noise_weights", "02.simple_loss", "03.denoise", "04.ddim_step"],
    ),
    Objective(
        "C295",
        "Scores",
        "Read a noise prediction as a score, train a score from pairs, and draw with it by Langevin dynamics and by the reverse SDE.",
        ["00b.score", "07.mixture_score", "07.denoising_loss", "07.from_score", "07.langevin_step", "08.velocity"],
    ),
    Objective(
        "C296",
        "The U-Net of a diffusion model",
        "Build it: the time as waves, blocks that know it, sizes and skips, and attention to a text.",
        ["03.time_embedding", "03.ResBlock", "03.sizes", "03.skip_channels", "03.UNet", "05b.CrossAttention"],
    ),
    Objective(
        "C297",
        "The principles of Stable Diffusion",
        "Put autoencoder, U-Net in latents and text encoder together, with the latent scale in the right places.",
        [
            "05a.compression",
            "05a.unit_scale",
            "05a.there_and_back",
            "05b.attention",
            "05b.contrastive_loss",
            "05c.ldm_loss",
            "05c.text_to_image",
            "09.begin",
            "09.inpaint",
        ],
    ),
    Objective(
        "C298",
        "Classifier-free guidance",
        "Train with dropped conditions, combine both predictions in either convention, and say what guidance costs.",
        ["06.guide", "06.conventions", "06.drop_labels", "06.both_branches", "06.guided_sample", "06.read_curve"],
    ),
    Objective(
        "C299",
        "A small DDPM in PyTorch",
        "Write the network's training and sampling yourself, and draw digits with it.",
        ["02.q_sample", "02.simple_loss", "03.UNet", "03.Trainer", "03.denoise", "03.ema_update", "03.to_pixels"],
    ),
]
