"""What was wrong in the code that lesson 11 shows."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "11.bug_dan",
        title="What is wrong with Dan's training",
        text="The noise in `x_noisy` and the noise in the loss are two draws. Nothing in `x_t` says anything of the second, so the best "
        "answer is its mean, 0, and the loss stays at 1. It happens when a function that noises is called in one place and the noise is "
        "drawn again in another.",
        code="x_noisy = a_bar.sqrt() * x0 + (1 - a_bar).sqrt() * noise    # one draw, here and in the loss",
    ),
    Reveal(
        "11.bug_samplers",
        title="What the strangers' samplers do",
        text="Gus adds `BETAS[i] * z` where the root of beta belongs, and adds it at the last step, too. Hal takes five steps and begins "
        "at t = 80 of 100, where range(0, T, T // 5) ends. The five steps make the deviation small; the start makes the mean wrong: at "
        "t = 80 a part of the image belongs into x, and his noise holds none. Ida walks from t = 0 upwards. Fay's and Jon's are sound: "
        "DDPM with all steps, and DDIM with 25, which is why Jon misses the deviation by a little.",
        code="x = mean + BETAS[i].sqrt() * (z if i > 0 else 0)",
    ),
]
