"""Answers of lesson 02 that its reader looks for first."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "02.bug_step",
        title="Which step is right, and what the other two forget",
        text="C is right. A fades to grey: noise times `beta` has the variance β², not β, and that is far too little. "
        "B explodes: it adds β in every step and shrinks nothing, so the variance ends at 0.387 plus the sum of all β.",
    ),
    Reveal(
        "02.bug_ruler",
        title="Why the lower row is greyer",
        text="Noise reaches beyond ±1, so each picture below is stretched by a ruler of its own: its darkest pixel becomes black and its "
        "brightest white, whatever they are. Give every picture the same range, and clamp what lies outside.",
        code="pictures = row.clamp(-1, 1)  # then draw all of them from -1 to 1",
    ),
    Reveal(
        "02.bug_T",
        title="What was changed besides T",
        text="Two things were changed at once: the number of steps, and how much noise all of them add together. With the same betas, "
        "a fifth of the steps adds a fifth of the noise, and the chain ends where ᾱ is still 13 %. For data of variance 1 exactly "
        "this share of the mean is lost. With betas five times as large, 200 steps are fine. Narrow data would hide the slip: there "
        "the denoiser finds the way back from any start.",
        code="shorter = DiffusionSchedule.linear(200, 5e-4, 0.1)  # T/5 steps, betas times 5",
    ),
    Reveal(
        "02.explore",
        title="Where the SNR is 1, and which signal stays",
        text="The SNR falls below 1 at code index 259 (linear), 354 (scaled-linear) and 496 (cosine). Scaled-linear never gets rid of its "
        "signal: at its end the image is still multiplied by 0.068, about 7 % of the amplitude.",
    ),
    Reveal(
        "02.bug_last",
        title="What happens at t = 0",
        text="At t = 0 the index t − 1 is −1, and Python takes the last entry of the table: the noisiest level in the place of the clean "
        "image. There is no error, only a ruined last step. Clamped to ±1 for drawing it even looks like a crisp digit: look at the "
        "numbers. The papers' ᾱ₀ = 1 is in no table, so it must be put in.",
        code="before = bars[t - 1] if t > 0 else torch.ones_like(bars[0])",
    ),
    Reveal(
        "02.bug_batches",
        title="Which mean is wrong, and what became of `batch_size`",
        text="The mean of the batch means is wrong: the last batch holds 6 digits and counts as much as the first one with 64. Weigh each "
        "by its count. And the loop has overwritten a setting: give the size of one batch a name of its own.",
        code="total = sum(batch.sum() for batch in values.split(64)) / len(values)",
    ),
]
