"""What can be wrong: the catalogue, as data. Each entry says what the mistake is and what to look at, never the line to type."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """One known mistake: in which part it lies, what it is, what to look at, and the lesson that explains the right way."""

    part: str
    what: str
    look: str
    lesson: str


PARTS = ("forward", "data", "training", "network", "average", "sampler", "guidance", "curve", "VAE")
"""In the order of causes: what is wrong in an earlier part spoils the later ones, so it is named first."""

_FORWARD, _TRAINING, _SAMPLER, _GUIDED, _VAE = (
    "02_ddpm_math",
    "03_training_on_mnist",
    "04_ddim_and_fast_samplers",
    "06_classifier_free_guidance",
    "01_vae_and_elbo",
)


def _part(part: str, lesson: str, **entries: tuple[str, str]) -> dict[str, Mistake]:
    return {name.replace("_", "-"): Mistake(part, *text, lesson) for name, text in entries.items()}


CATALOGUE: dict[str, Mistake] = {
    **_part(
        "forward",
        _FORWARD,
        schedule_reversed=(
            "the schedule runs backwards: t = 0 is the noisiest",
            "in which order the schedule's array is built, and what its first entry is",
        ),
        alpha_for_alpha_bar=(
            "one step's alpha stands where the product of all steps up to t is meant",
            "whether the cumulative product is taken, and which of the two arrays is read at t",
        ),
        missing_root=(
            "alpha_bar, or 1 - alpha_bar, stands in place of its square root",
            "which of the two factors are standard deviations, and which are variances",
        ),
        forward_swapped=(
            "the factors of image and noise are exchanged",
            "which factor should be near 1 at the first step, the image's or the noise's",
        ),
        terminal_signal=(
            "too much of the image is left at the last step: sampling starts from N(0, 1), which training has not seen",
            "what sqrt(alpha_bar) is at the last step, and whether the betas were made for another number of steps",
        ),
    ),
    **_part(
        "data",
        _TRAINING,
        not_normalised=(
            "what is fed to the network has not about zero mean and unit scale",
            "smallest, largest and mean value of a batch, just before noise is added",
        ),
    ),
    **_part(
        "training",
        _TRAINING,
        noise_not_gaussian=(
            "the noise is not N(0, 1), or not drawn anew for each image",
            "which function draws the noise, and with which shape",
        ),
        wrong_target=(
            "the loss compares the output with something else than what the network is said to predict",
            "both arguments of the loss function, and where each was computed",
        ),
        no_gradient=(
            "no gradient reaches the output of the network",
            "detach, no_grad, item and what turns tensors into numbers between the network and the loss",
        ),
        steps_not_covered=(
            "training never draws some of the steps, or always the same",
            "how t is drawn: its bounds, and whether it is drawn anew for each batch",
        ),
        wrong_null=(
            "what stands for no condition is a real class",
            "which index means none, in training and in sampling, and how many rows the embedding has",
        ),
        labels_never_dropped=(
            "training never drops the condition, so guidance has no unconditional prediction to lean on",
            "where in the training step a share of the labels becomes the null label",
        ),
    ),
    **_part(
        "network",
        _TRAINING,
        time_ignored=(
            "what the network is told of t changes nothing, or is not the t of the noise",
            "where the embedding of t enters the layers, and whether what enters varies",
        ),
        labels_ignored=(
            "the network's output does not depend on the condition",
            "where the embedding of the condition enters the layers",
        ),
        sees_the_noise=(
            "the network is better than anyone can be: it is shown what it should predict",
            "everything that is passed to the network, and whether the noise is among it",
        ),
        untrained=(
            "the network is no better than predicting zero",
            "whether the optimiser holds this network's parameters, and steps",
        ),
        undertrained=(
            "the network is worse than the best linear denoiser of the data",
            "how long it was trained, at which rate, and whether its loss still fell",
        ),
        null_untrained=(
            "without condition the network is far worse than with it: the null condition was not trained",
            "how often the condition is dropped in training, and to what",
        ),
    ),
    **_part(
        "average",
        _TRAINING,
        ema_lags=(
            "the averaged copy is far behind the network: it is still mostly its start, or was never updated",
            "the decay against the number of updates, and whether the update is called at each step",
        ),
    ),
    **_part(
        "sampler",
        _SAMPLER,
        wrong_direction=("t rises while sampling", "the order of the loop: it starts at the noisiest step"),
        starts_late=(
            "sampling starts from pure noise at a step where training has seen an image",
            "the first t of the loop, against the number of training steps",
        ),
        variance_for_std=(
            "the added noise is scaled by a variance in place of a standard deviation, or by a root too many",
            "the factor of z in the step, and whether it is sigma or sigma squared",
        ),
        noise_at_last_step=(
            "fresh noise is added in the last step, and stays in the image",
            "the condition under which z is zero, and which t is the last",
        ),
        too_few_steps=(
            "the walk takes so few steps that its own discretisation misses the data",
            "the number of steps, and whether the update formula is made for jumps of this length",
        ),
        misses_the_data=(
            "with a perfect network the sampler does not land on the data",
            "the factors of x and of the predicted noise in the step, against the paper's",
        ),
        keeps_graph=(
            "sampling records gradients: memory grows with each step",
            "under which context the loop runs",
        ),
        mode_left=(
            "after sampling the network is in the other mode, so training goes on without dropout or batch statistics",
            "what the mode was before sampling, and after it",
        ),
    ),
    **_part(
        "guidance",
        _GUIDED,
        guidance_swapped=(
            "conditional and unconditional prediction are exchanged, or a sign is: guidance leads away from the condition",
            "what the formula gives at w = 0 and w = 1, and in which order the two predictions come",
        ),
        guidance_ignored=("the guidance weight changes nothing", "where w enters, and whether both predictions differ"),
        guidance_too_high=(
            "so much guidance saturates the images",
            "the weight against what papers use, and the share of pixels at the ends of the range",
        ),
    ),
    **_part(
        "curve",
        _TRAINING,
        diverged=("the loss explodes, or becomes nan", "the learning rate, gradient norms, and the first bad value"),
        not_learning=(
            "the loss stays where it began",
            "whether gradients reach the parameters, and whether the optimiser holds them",
        ),
        learning_rate_too_high=(
            "the loss jumps again and again instead of settling",
            "the learning rate, clipping of gradients, and the batch size",
        ),
        still_falling=("training was stopped while the loss fell", "the last quarter of the curve"),
    ),
    **_part(
        "VAE",
        _VAE,
        kl_sign=("a term of the KL divergence has the wrong sign", "the KL of N(0, 1) from itself, and of its neighbours"),
        no_reparameterisation=(
            "no gradient reaches mu and log-variance through the sample, or the sample has no noise",
            "how z is drawn, and what cuts the graph there",
        ),
        variance_for_log_variance=(
            "the encoder's log-variance is not turned into a standard deviation as it should",
            "how the factor of the noise follows from the log-variance: what does 0 become?",
        ),
        kl_too_high=(
            "the KL term weighs so much that the latents carry nothing (collapse)",
            "over what each of the two terms is summed or averaged",
        ),
        kl_too_low=(
            "the KL term weighs so little that the latents leave the prior",
            "over what each of the two terms is summed or averaged",
        ),
    ),
}  # fmt: skip
"""Every name that `Findings.named` may hold."""

for _name in ("wrong-null", "labels-never-dropped", "null-untrained", "labels-ignored"):
    CATALOGUE[_name] = CATALOGUE[_name]._replace(lesson=_GUIDED)

ORDER = {name: place for place, name in enumerate(CATALOGUE)}
