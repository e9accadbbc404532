"""Questions on lesson 07: scores by hand, Tweedie's formula, and what Langevin dynamics draws."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "07.mc_spring",
        Question(
            "A Gaussian on a line has the mean 2 and the standard deviation 0.5. What is its score at x = 3?",
            [
                Option("−2", "That divides by the standard deviation. In the exponent stands the variance."),
                Option(
                    "−4",
                    "(2 − 3)/0.25: a spring back to the mean, the stiffer the narrower the Gaussian.",
                    right=True,
                ),
                Option("4", "Uphill is to the left of 3, where the mean is."),
                Option("−0.25", "That multiplies by the variance. A narrow Gaussian pulls more strongly, not less."),
            ],
        ),
        items=["C237"],
    ),
    BankQuestion(
        "07.mc_zero_score",
        Question(
            "At some point the exact score is zero. What does that say about the density there?",
            [
                Option(
                    "It is highest there, so this is a typical point",
                    "So it may be. Between two equal hills the score is zero, too.",
                ),
                Option(
                    "It is zero there: no data come near this point",
                    "The slope of the logarithm is zero, which says nothing of its height.",
                ),
                Option(
                    "Only that it is level: a top, a trough or a saddle",
                    "Only the surroundings tell which of the three.",
                    right=True,
                ),
                Option("It is the same everywhere near this point", "One point where it is level makes no plain."),
            ],
        ),
        items=["C237"],
    ),
    BankQuestion(
        "07.mc_tweedie",
        Question(
            "Noise of standard deviation 0.5 was added to a number, and nothing was shrunk: x = x₀ + 0.5·ε. You "
            "see x = 2, and the score of the noised data there is −2. What is the mean of x₀, given x?",
            [
                Option("0", "That is x + s. How strong was the noise?"),
                Option(
                    "1",
                    "That is x + σ·s. The push is as long as the variance of the noise says, not its standard "
                    "deviation.",
                ),
                Option("2.5", "That walks downhill. The clean numbers are expected where the density grows."),
                Option("1.5", "Tweedie: x + σ²·s = 2 − 0.25·2.", right=True),
            ],
        ),
        items=["C239"],
    ),
    BankQuestion(
        "07.mc_too_much_noise",
        Question(
            "Langevin dynamics of N(0, 1) with very small steps: x + τ·s + c·z. By a slip c is √(4τ) in place of "
            "√(2τ). What is the variance of the cloud in the end?",
            [
                Option("2", "It is right for the score of p^½, which is half as steep: N(0, 2).", right=True),
                Option("1", "Small steps do not help: with each of them the noise is too strong against the pull."),
                Option("4", "Then c would be √(8τ): the variance grows in proportion to c²."),
                Option("It grows without end", "The pull grows with the distance, so a balance exists for every c."),
            ],
        ),
        items=["C241"],
    ),
    BankQuestion(
        "07.mc_levels_too_far",
        Question(
            "Annealed Langevin dynamics runs on two levels only, σ = 10 and σ = 0.1, a few hundred steps each. "
            "The data are points in a plane, in clouds of width 0.05. What goes wrong when σ = 0.1 begins?",
            [
                Option(
                    "The points lie where that score was hardly trained",
                    "They are spread over some 10 units. The network of σ = 0.1 was shown points near the clouds only.",
                    right=True,
                ),
                Option(
                    "The points have met at the mean of all the data",
                    "They are spread like the data with noise of σ = 10. The mean is a guess of the clean data, "
                    "no sample.",
                ),
                Option(
                    "The steps of σ = 0.1 are so large that the chain runs away",
                    "Steps are chosen to fit the level. Here they are tiny against the way that is left.",
                ),
                Option(
                    "Nothing: a few levels do if each takes enough steps",
                    "In principle, for an exact score and endless time. A learnt one is wrong far out, and "
                    "hundreds are few.",
                ),
            ],
        ),
        items=["C241", "C243"],
    ),
]
