"""What lesson 05c lets its readers guess."""

from diffcourse.learn.exercise import Prediction
from diffcourse.scenes import ATTRIBUTES

PREDICTIONS = [
    Prediction(
        "05c.fresh_loss",
        title="Loss of a network that knows nothing",
        question="What is the mean square of the error of the noise, if the network's answer is next to nothing?",
        digits=2,
    ),
    Prediction(
        "05c.worth",
        title="Where a prompt is worth most",
        question="The error with the scene's own prompt, and with none: at which noise levels do they differ most?",
        kind="choice",
        options=["at little noise", "in the middle", "at the noisy end"],
    ),
    Prediction(
        "05c.channels",
        title="Channels that enter the inpainting model",
        question="The noisy latent, the latent of the picture with the hole, and the mask, at the latent's size: how many channels?",
        scale="difference",
        close=0.5,
    ),
    Prediction(
        "05c.few_steps",
        title="Pictures with all five right, drawn in 3 steps",
        question="Guidance 5, three steps of the second-order solver in place of fifty: how many do as they are told, in percent?",
        unit="%",
        scale="difference",
        close=15,
    ),
    Prediction(
        "05c.not",
        title="Red grounds of “a large seven, not on a red background”",
        question="For “a large seven” alone about half of the grounds are red. With the “not”, in percent?",
        unit="%",
        scale="difference",
        close=10,
        why="No caption of the training held a “not”. What is named is drawn.",
    ),
    Prediction(
        "05c.last",
        title="What can be changed longest",
        question="Of 20 steps, the first k have the first prompt, the rest the second. Which attribute follows the second prompt for the "
        "largest k?",
        kind="choice",
        options=list(ATTRIBUTES),
    ),
    Prediction(
        "05c.short",
        title="Pictures for “a black 6” that show a black six",
        question="The prompt names the digit and its ink, nothing else. How many of 100 such prompts are followed, in percent?",
        unit="%",
        scale="difference",
        close=10,
    ),
    Prediction(
        "05c.pixels",
        title="Work of a picture by pixels, for one by latents",
        question="The same U-Net on 64 × 64 pixels and on 8 × 8 latents, 20 steps, with guidance, decoding included: how many times more?",
        close=1.5,
    ),
    Prediction(
        "05c.bugs",
        title="Which row has which bug",
        question="Which row is right, which has zeros for the empty prompt, which the branches swapped, which the factor forgotten?",
        kind="order",
        options=["right", "zeros", "branches", "factor"],
        mixed=True,
    ),
]
