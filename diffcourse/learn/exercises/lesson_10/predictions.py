"""What lesson 10 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "10.wrong",
        title="The claim that is false before anything is measured",
        question="Four sentences from introductions. One of them can be refuted by reading a training loop. Which?",
        kind="choice",
        options=[
            "A VAE is trained in a single pass, a diffusion model iteratively",
            "A GAN draws an image in one call of a network, a diffusion model in many",
            "A diffusion model in pixel space has no compact latent space",
            "A GAN gives no likelihood",
        ],
        why="One random t, one pass, one step of the optimiser: a VAE's loop. Only drawing goes step by step.",
    ),
    Prediction(
        "10.ring",
        title="Modes of a ring of eight that the GAN reaches",
        question="Eight small clouds of points on a ring, and a GAN with the non-saturating loss, as most are. Five trainings: how many "
        "of the eight clouds does its generator reach, in the mean?",
        scale="difference",
        close=1,
        digits=2,
    ),
    Prediction(
        "10.ahead",
        title="The family that is ahead at an equal budget",
        question="The same data without labels, twelve million million multiply-adds each, three seeds a family. Whose digits have the "
        "smallest Fréchet distance, in the mean?",
        kind="choice",
        options=["VAE", "GAN", "diffusion"],
    ),
    Prediction(
        "10.blur",
        title="Distance of blurred real digits by the second judge, in floors",
        question="Real digits, blurred by a Gaussian of 0.7 pixels. By the features of the first judge, a small network of "
        "strided convolutions, their Fréchet distance is two to three floors. How many floors is it by a second judge, a LeNet, which "
        "reads digits nearly as well?",
        close=2,
        digits=2,
        why="Both learnt to read, and neither to look. What features keep beyond the label, the labels do not decide.",
    ),
    Prediction(
        "10.unknown",
        title="Error of the perfect denoiser on an unknown digit",
        question="The exact minimiser for all 60,000 training digits is shown a test digit under little noise, σ/α = 0.1, and so is "
        "mnist-ddpm. How many times the squared error of mnist-ddpm does the exact minimiser have?",
        close=2,
        digits=2,
        why="It returns the wrong training digit, whole.",
    ),
]
