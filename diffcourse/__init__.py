"""diffcourse: diffusion models, small enough to read, tested enough to reuse.

`import diffcourse` costs little more than `import torch`: every name below is imported from its module on first use.
"""

import importlib

from diffcourse import shipped

__version__ = "0.1.0"

_HOME = {
    "schedule": ["CLEAN", "DiffusionSchedule", "Level", "cosine_beta_schedule", "linear_beta_schedule", "scaled_linear_beta_schedule"],
    "denoiser": ["Denoiser", "Estimate"],
    "guidance": ["autoguided", "clipped", "guided"],
    "samplers": [
        "DDIM", "DDPM", "DPMSolverPP", "Euler", "EulerAncestral", "Heun", "LMS", "PNDM",
        "classifier_free_guidance_sample", "sample", "sample_ddim", "sample_ddpm", "trajectory",
    ],
    "mixture": ["GaussianMixture"],
    "models": [
        "AutoencoderKL", "CLIP", "CrossAttention", "DigitClassifier", "LeNet", "MLP", "SimpleUNet", "SinusoidalPositionEmbeddings",
        "TextEncoder", "TextTransformer", "UNet2DCondition", "VAE", "attention_maps", "contrastive_loss",
    ],
    "score": ["AnnealedLangevin", "langevin"],
    "sde": ["VE", "VP", "PredictorCorrector", "ReverseSDE", "Straight"],
    "editing": ["edited", "noise_walk", "prompt_walk"],
    "latent": ["LatentDiffusion"],
    "adapters": ["ControlNet", "LoRA", "add_lora", "add_word", "controlled", "merge_lora"],
    "stable_diffusion": ["StableDiffusion", "from_diffusers", "to_diffusers"],
    "train": ["fit"],
}  # fmt: skip
_MODULES = [
    "adapters", "batches", "cheatsheet", "checkpoints", "checks", "cli", "console", "data", "denoiser", "doctor", "download", "editing",
    "elbo", "evaluate", "exams", "files", "folders", "gaussian", "guidance", "images", "ink", "lab", "latent", "learn", "metrics",
    "mixture", "models", "paper", "pictures", "plot", "profile", "recipes", "rng", "samplers", "scenes", "schedule", "score", "scoring",
    "sde", "shipped", "stable_diffusion", "stills", "stored", "train", "weights", "widgets",
]  # fmt: skip
_NAMES = {name: module for module, names in _HOME.items() for name in names}

__all__ = list(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        return getattr(importlib.import_module(f"diffcourse.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"diffcourse.{name}")
    raise AttributeError(f"module 'diffcourse' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__, *_MODULES])


shipped.find = lambda name: importlib.import_module("diffcourse.weights").load(name)
shipped.names = lambda: importlib.import_module("diffcourse.weights").names()
