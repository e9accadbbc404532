"""Questions on lesson 02: the forward chain, its variances, the posterior, and the bound."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "02.mc_forward",
        Question(
            "What does the forward process of a diffusion model do?",
            [
                Option(
                    "It removes noise from an image, a little at each step",
                    "That is the reverse process, and the one that is learnt.",
                ),
                Option(
                    "It turns pure noise into a new image, step by step",
                    "That is sampling: the reverse process, started from noise.",
                ),
                Option(
                    "It trains a classifier that tells the noise levels apart",
                    "Nothing is trained in it, and nobody has to guess the level: t is told.",
                ),
                Option(
                    "It adds Gaussian noise to an image, step by step",
                    "It is fixed by the betas. All steps up to t can be taken in one jump.",
                    right=True,
                ),
            ],
        ),
        items=["C278", "C056", "C285"],
    ),
    BankQuestion(
        "02.mc_two_steps",
        Question(
            "A chain has two steps, with β₁ = 0.36 and β₂ = 0.75. By which number is x₀ multiplied in x₂?",
            [
                Option("0.4", "ᾱ₂ = 0.64·0.25 = 0.16, and x₀ is multiplied by its root.", right=True),
                Option("0.16", "That is ᾱ₂, the share of the variance. The factor is its root."),
                Option("0.27", "That is β₁·β₂. What is left after each step is 1 − β."),
                Option("0.92", "That is √(1 − ᾱ₂), the factor of the noise."),
            ],
        ),
        items=["C062", "C066"],
    ),
    BankQuestion(
        "02.mc_share_of_noise",
        Question(
            "At some step the signal-to-noise ratio ᾱ/(1 − ᾱ) is 4. Which share of the variance is noise, for "
            "data of variance 1?",
            [
                Option("0.25", "One part noise for four parts signal: out of how many parts?"),
                Option("0.2", "One part of five: ᾱ = 0.8, and 0.8/0.2 = 4.", right=True),
                Option("0.8", "That is the share of the signal."),
                Option("0.06", "That is 1/17, as if 4 were a ratio of amplitudes. The SNR is one of variances."),
            ],
        ),
        items=["C103"],
    ),
    BankQuestion(
        "02.mc_not_unit",
        Question(
            "A path is called “variance preserving”. The data have the variance 0.25. What is the variance of xₜ "
            "where ᾱ = 0.8?",
            [
                Option("1", "That is for data of variance 1, which the name takes for granted."),
                Option("0.25", "The chain does not keep any variance. It pulls every variance towards 1."),
                Option("0.4", "0.8·0.25 + 0.2: already on its way to 1.", right=True),
                Option("0.36", "That multiplies the data by 0.8. They are multiplied by its root."),
            ],
        ),
        items=["C068"],
    ),
    BankQuestion(
        "02.mc_which_gaussian",
        Question(
            "The data have two bumps. Which of the two steps back is exactly Gaussian: q(xₜ₋₁ | xₜ, x₀), or "
            "q(xₜ₋₁ | xₜ)?",
            [
                Option(
                    "Both, since all the noise of the chain is Gaussian",
                    "The noise is. But xₜ alone leaves open from which bump it came, and q(xₜ₋₁ | xₜ) mixes both.",
                ),
                Option(
                    "The first; the second only nearly, for small β",
                    "With x₀ known it is a product of Gaussians. Without it, small steps are needed.",
                    right=True,
                ),
                Option(
                    "The second; the first only nearly, for small β",
                    "The conditions are exchanged: knowing x₀ makes things simpler.",
                ),
                Option(
                    "Neither, unless the data are Gaussian as well",
                    "Given x₀ it is of no matter how the data are spread: only one of them is looked at.",
                ),
            ],
        ),
        items=["C070", "C077"],
    ),
    BankQuestion(
        "02.mc_prior_term",
        Question(
            "For some model the term L_T of the bound is 5 nats an image, far too much. What makes it smaller?",
            [
                Option(
                    "A larger network, or a longer training",
                    "L_T holds no network: it compares the end of the fixed chain with N(0, I).",
                ),
                Option(
                    "A larger variance σₜ² of the reverse steps",
                    "That changes the terms Lₜ₋₁. The noisy end is not drawn by the reverse steps: it is where "
                    "they start.",
                ),
                Option(
                    "More steps of the sampler",
                    "The bound is about the chain as it was trained, whoever samples it afterwards.",
                ),
                Option(
                    "Betas that add up to more",
                    "Then ᾱ_T is nearer to 0, and q(x_T | x₀) nearer to N(0, I).",
                    right=True,
                ),
            ],
        ),
        items=["C085", "C064"],
    ),
]
