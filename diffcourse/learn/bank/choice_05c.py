"""Questions on lesson 05c: negative prompts, what may be trained together, the range of latents, and what costs how much."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "05c.mc_negative_at_one",
        Question(
            "You write a negative prompt and set the guidance scale to 1. What does the negative prompt do?",
            [
                Option("It is avoided, a little", "The step leads away from it only with a scale above 1."),
                Option(
                    "It is followed, since the sign turns",
                    "That is so below 1, where its weight 1 − w is positive.",
                ),
                Option(
                    "Nothing: its answer has the weight 0",
                    "ε∅ + 1·(ε_c − ε∅) = ε_c. The branch need not even be asked.",
                    right=True,
                ),
                Option(
                    "It takes the place of the prompt",
                    "So it does at w = 0. It takes the place of the empty prompt.",
                ),
            ],
        ),
        items=["C222"],
    ),
    BankQuestion(
        "05c.mc_joint_training",
        Question(
            "Somebody trains encoder and U-Net together, by the loss of the noise in latents alone, with no part "
            "frozen. The loss falls to almost 0. What has happened?",
            [
                Option(
                    "The latents have become almost constant",
                    "If z is known, the noise is (z_t − αz)/σ, without error. Nothing in this loss asks for "
                    "pictures to be kept.",
                    right=True,
                ),
                Option(
                    "The encoder has found better latents than before",
                    "Better for whom? The loss never looks at a decoded picture.",
                ),
                Option(
                    "The U-Net has learnt the training pictures by heart",
                    "With frozen latents it would have to. Here is a much cheaper way to a small loss.",
                ),
                Option(
                    "Nothing unusual: the frozen setting ends there too, only later",
                    "With informative latents a part of the noise cannot be told from the picture, so some loss stays.",
                ),
            ],
        ),
        items=["C207"],
    ),
    BankQuestion(
        "05c.mc_clipped_latents",
        Question(
            "A pipeline for pixels wraps its denoiser in `clipped(...)`, which keeps x̂₀ within −1 and 1. "
            "Somebody takes it over for latents of standard deviation 1. What becomes of the pictures?",
            [
                Option(
                    "Nothing: latents lie within −1 and 1 as well",
                    "Pixels do. Of numbers from a Gaussian of width 1, a third lies beyond.",
                ),
                Option(
                    "They get cleaner, as runaway values are cut off",
                    "In pixels it cuts what cannot be. Which values of a latent cannot be?",
                ),
                Option(
                    "They turn black: the decoder never saw such numbers",
                    "Numbers between −1 and 1 are common in latents. What is missing are the others.",
                ),
                Option(
                    "Some colours come out false, above all in strokes",
                    "A third of a standard Gaussian lies beyond ±1. Of 64 scenes drawn so by `captioned-ldm` all "
                    "kept their ground, and 78 % the ink that was asked for: without the cut it was all of them.",
                    right=True,
                ),
            ],
        ),
    ),
    BankQuestion(
        "05c.mc_decoder_share",
        Question(
            "A call of the U-Net costs 400 units, the decoder 1,250. You draw with 10 steps, guided. About which "
            "share of the work goes to the decoder?",
            [
                Option("3 %", "That is its share at 50 steps."),
                Option("14 %", "20 calls cost 8,000, and 1,250 of 9,250 are 13.5 %.", right=True),
                Option("24 %", "That is its share with 10 calls: without guidance."),
                Option("76 %", "That would be its share with a single call."),
            ],
        ),
        items=["C211", "C248"],
    ),
    BankQuestion(
        "05c.mc_which_line",
        Question(
            "Four lines of a pipeline, in their order. Its pictures show scenes that have nothing to do with the "
            "prompts. Which line is the bug?",
            [
                Option("`c = text(prompts)`", "The prompts are read, once, one for each picture of the batch."),
                Option(
                    "`led = guided(denoiser, c, guidance=5.0)`",
                    "It leads towards the prompts and away from the empty one. Is it used, too?",
                ),
                Option(
                    "`z = sample(denoiser, schedule, shape, sampler)`",
                    "It asks `denoiser`, which knows of no prompt. The one that is led by the prompts is `led`.",
                    right=True,
                ),
                Option("`pictures = decode(z) / 2 + 0.5`", "It only makes of −1 to 1 what one shows, 0 to 1."),
            ],
        ),
        items=["C248"],
    ),
]
