"""Questions on lesson 10: discriminators, fair comparisons, densities, and whether a model looks things up."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "10.mc_looked_up",
        Question(
            "“This model stores its training digits and looks one up.” Which observation speaks against it?",
            [
                Option(
                    "Ten noises give ten sevens, each of another hand",
                    "A random look into the store would give ten different ones, too.",
                ),
                Option("The judge reads 99 % of its digits as they were asked", "Stored digits would be read as well."),
                Option("The same seed gives the same digit again", "So it would if the seed told where to look."),
                Option(
                    "Its digits are as far from training digits as test digits are",
                    "What is looked up lies at the distance 0. (Shifted copies would not: pixels find plain ones "
                    "only.)",
                    right=True,
                ),
            ],
        ),
    ),
    BankQuestion(
        "10.mc_best_discriminator",
        Question(
            "At some point the density of real images is 0.3 and that of a generator's is 0.1. Real and fake are "
            "shown equally often. Which probability of “real” does the best discriminator give there?",
            [
                Option("0.75", "p/(p + q) = 0.3/0.4.", right=True),
                Option("0.3", "That is a density, which may be above 1. A probability compares both."),
                Option("0.67", "That is (p − q)/p. Let both densities be equal: it should be ½."),
                Option("3", "Those are the odds, p/q. The probability is 3/(3 + 1)."),
            ],
        ),
        items=["C264"],
    ),
    BankQuestion(
        "10.mc_density",
        Question(
            "A VAE, a GAN and a diffusion model have been trained. Which of them can tell how likely it was to "
            "draw a given image?",
            [
                Option(
                    "All three, a GAN by its discriminator",
                    "At best that one knows p/q, the ratio to the data's density, and not q.",
                ),
                Option(
                    "None of them: a likelihood is out of reach for any network",
                    "Bounds are in reach. A flow gives even the value, up to the error of its solver.",
                ),
                Option(
                    "VAE and diffusion, by bounds or an ODE, but no GAN",
                    "The ELBO bounds log p for both. The flow of the ODE gives the density of what the ODE draws.",
                    right=True,
                ),
                Option(
                    "The VAE alone, and exactly, as it has an encoder",
                    "The VAE has a bound, whose gap nobody knows exactly. Diffusion has such a bound as well.",
                ),
            ],
        ),
        items=["C273"],
    ),
    BankQuestion(
        "10.mc_same_epochs",
        Question(
            "To be fair, a VAE, a GAN and a diffusion model are trained for equally many epochs. One call of the "
            "denoiser costs fourteen times one of the decoder. What is wrong with the comparison?",
            [
                Option(
                    "Nothing: all have seen the same images equally often",
                    "They have. Is that what one pays with?",
                ),
                Option(
                    "The denoiser is given many times as much arithmetic",
                    "Equal epochs are unequal budgets. Whoever compares by arithmetic gives it fewer steps.",
                    right=True,
                ),
                Option(
                    "Diffusion suffers: in an epoch each image comes at one of T levels only",
                    "That is so in any training of it, long or short, and it is how its loss is estimated.",
                ),
                Option(
                    "The GAN suffers, as its two networks see each image half as often",
                    "Its discriminator sees them all. Its generator sees none, in any training.",
                ),
            ],
        ),
        items=["C259", "C275"],
    ),
    BankQuestion(
        "10.mc_twenty_questions",
        Question(
            "Two equal models are compared by 20 independent measures, each with a 5 % chance of a false "
            "difference. How likely is it that at least one difference is claimed?",
            [
                Option("5 %", "That is for one measure alone."),
                Option("36 %", "That is the chance of none: 0.95²⁰."),
                Option("64 %", "1 − 0.95²⁰.", right=True),
                Option("100 %", "One false claim is expected on average. Sometimes there are two, and often none."),
            ],
        ),
        items=["C275"],
    ),
]
