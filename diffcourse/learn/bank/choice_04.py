"""Questions on lesson 04: one step by hand, orders, fresh noise, and what few steps change."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "04.mc_sampling",
        Question(
            "How does a diffusion model draw an image?",
            [
                Option(
                    "In one pass of the network, from noise to image",
                    "That is how a VAE's decoder draws, or a GAN. One pass of a denoiser gives the average of "
                    "all that may be behind the noise. (Models distilled for it come close with one.)",
                ),
                Option(
                    "By denoising again and again, level by level",
                    "T calls in the plain chain, 10 to 50 with a fast solver. Whether noise is drawn on the way "
                    "is up to the sampler.",
                    right=True,
                ),
                Option(
                    "By pure chance: each pixel is drawn from N(0, 1)",
                    "So it begins. A sampler may also draw fresh noise on its way; but what the noise becomes, "
                    "the network says.",
                ),
                Option(
                    "At once: the nearest training image is looked up",
                    "Nothing of the training set is at hand when an image is drawn, only the weights.",
                ),
            ],
        ),
        items=["C280", "C291"],
    ),
    BankQuestion(
        "04.mc_one_step",
        Question(
            "A step of DDIM with η = 0 leads from α = 0.6, σ = 0.8 to α = 0.8, σ = 0.6. A pixel is x = 1.0, and "
            "the network says ε = 0.5. What is the value of the pixel after the step?",
            [
                Option(
                    "0.8",
                    "That is the image part alone, 0.8·x̂₀. It is not yet clean: noise of the new level belongs to it.",
                ),
                Option("0.5", "That is x − ε. The noise in x is 0.8·ε, and the image in it is shrunk."),
                Option(
                    "1.0",
                    "x̂₀ = (1 − 0.4)/0.6 = 1 is the guess of the clean pixel. The step does not go all the way there.",
                ),
                Option("1.1", "x̂₀ = (1 − 0.8·0.5)/0.6 = 1, and then 0.8·1 + 0.6·0.5.", right=True),
            ],
        ),
        items=["C157", "C159"],
    ),
    BankQuestion(
        "04.mc_order",
        Question(
            "On a problem whose solution is known, a solver has the error 0.32 with 20 steps and 0.04 with 40. "
            "Of which order is it?",
            [
                Option("3", "Half the step, an eighth of the error: 2³ = 8.", right=True),
                Option("2", "Then 0.08 would be left."),
                Option("8", "By so much the error falls. The order is the exponent of 2 that gives it."),
                Option("1", "Then 0.16 would be left, as with DDIM."),
            ],
        ),
    ),
    BankQuestion(
        "04.mc_half_eta",
        Question(
            "In some step DDIM with η = 1 adds fresh noise of variance 0.20. How much variance does it add there "
            "with η = 0.5?",
            [
                Option("0.10", "Half of the standard deviation is meant, not of the variance."),
                Option("0.20", "The sum of old and fresh noise stays as it was, but not their shares."),
                Option("0.05", "η multiplies the standard deviation, so the variance gets η² = ¼.", right=True),
                Option("0.14", "That is 0.20 times √½."),
            ],
        ),
        items=["C158"],
    ),
    BankQuestion(
        "04.mc_back_and_forth",
        Question(
            "You walk a digit up to its noise with 10 steps of DDIM, and down again with 10. What comes back is "
            "not quite your digit. Which change brings it nearer?",
            [
                Option("η = 1 on the way down", "Then fresh noise leads away from the code that you have just found."),
                Option(
                    "More steps, up and down",
                    "Both walks follow one curve, the better the smaller the steps.",
                    right=True,
                ),
                Option(
                    "Another seed on the way down",
                    "With η = 0 nothing is drawn, so no seed is used. The start is the noise that you found.",
                ),
                Option(
                    "A higher guidance on the way down",
                    "It would follow another curve than on the way up, and end elsewhere.",
                ),
            ],
        ),
    ),
    BankQuestion(
        "04.mc_skipped_levels",
        Question(
            "A network was trained on a chain of 1000 steps. You draw with 25 steps of DDIM. What is new to the "
            "network in what it sees?",
            [
                Option(
                    "Levels that lie between those of its training",
                    "25 of its thousand levels are visited. None has to be invented.",
                ),
                Option(
                    "Noise that is 40 times as strong in each step",
                    "The levels lie farther apart. At each of them there is as much noise as ever.",
                ),
                Option(
                    "Jumps from one level to the next that it has to make",
                    "The sampler makes the jump. The network sees one level at a time and knows of no other.",
                ),
                Option(
                    "Nothing: it was trained at each of the 25 levels",
                    "Each was reached from x₀ in one jump, so training knows of no steps between levels. Only "
                    "the errors of earlier steps are new.",
                    right=True,
                ),
            ],
        ),
        items=["C156", "C162"],
    ),
]
