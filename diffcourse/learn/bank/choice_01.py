"""Questions on lesson 01: the loss of a VAE, the draw that has a gradient, and what the KL tells."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "01.mc_loss",
        Question(
            "Which loss does a variational autoencoder minimise, in full?",
            [
                Option(
                    "The loss of a GAN, by a discriminator of real and decoded images",
                    "No second player occurs in it. (Some autoencoders add such a term to make sharper copies.)",
                ),
                Option(
                    "The mean squared error of the copy",
                    "It can be the reconstruction term, for a Gaussian likelihood. Alone it is a plain "
                    "autoencoder's loss: nothing keeps the codes where the prior draws.",
                ),
                Option(
                    "A reconstruction term plus KL(q(z | x) || p(z))",
                    "Together they are the negative ELBO: −E[log p(x | z)] plus the divergence from the prior.",
                    right=True,
                ),
                Option(
                    "The cross-entropy between image and copy, pixel by pixel",
                    "It can be the reconstruction term, for pixels that are 0 or 1. The second term is missing.",
                ),
            ],
        ),
        items=["C276", "C014", "C283"],
    ),
    BankQuestion(
        "01.mc_draw",
        Question(
            "The encoder gives μ and σ. How does training draw z, so that the loss can be differentiated in μ and σ?",
            [
                Option(
                    "z = μ + σ·ε, with ε from N(0, 1)",
                    "The randomness is in ε, which depends on nothing. The derivatives of z are 1 in μ and ε in σ.",
                    right=True,
                ),
                Option(
                    "z = μ·σ",
                    "It has gradients, but nothing is drawn: every call gives the same z, and it means nothing.",
                ),
                Option(
                    "z = a draw from N(μ, σ²) by a generator of random numbers",
                    "The same distribution, so it would do for sampling. But the generator hands back a number "
                    "without a history.",
                ),
                Option("z = μ − σ", "It has gradients, but it is always the same place, one σ below the mean."),
            ],
        ),
        items=["C277", "C017", "C284", "C281"],
    ),
    BankQuestion(
        "01.mc_nats",
        Question(
            "A code has one latent, with μ = 2 and σ = 1. How many nats does its KL to the prior N(0, 1) cost?",
            [
                Option("4", "That is μ². What stands in front of the sum?"),
                Option("1", "That is μ/2. The mean enters squared."),
                Option("0", "The width is the prior's. The place is not."),
                Option("2", "½·(μ² + σ² − 1 − log σ²) = ½·4.", right=True),
            ],
        ),
        items=["C015"],
    ),
    BankQuestion(
        "01.mc_gap",
        Question(
            "For an image log p(x) = −1.83. Some q has the ELBO −2.39, and KL(q || p(z)) = 1.22. How far is this "
            "q from the true posterior, in nats of KL(q || p(z | x))?",
            [
                Option("1.22", "That is its divergence from the prior, the price of the code."),
                Option("0.56", "It is all of the gap, −1.83 + 2.39. The other number is not needed.", right=True),
                Option("0.66", "1.22 less the gap: two numbers that do not belong together are subtracted here."),
                Option("1.78", "The gap plus the price of the code. That price is in the ELBO already."),
            ],
        ),
        items=["C029"],
    ),
    BankQuestion(
        "01.mc_mean_of_pixels",
        Question(
            "In a VAE for digits somebody takes the mean over the 784 pixels in the reconstruction term, in "
            "place of their sum. The KL stays a sum. What becomes of it?",
            [
                Option(
                    "Nothing: Adam does not care about the scale of a loss",
                    "It does not care about a factor of the whole loss. Here the two terms change their proportion.",
                ),
                Option(
                    "Sharp copies and poor draws, as the KL has lost its weight",
                    "That is the other way round. Which of the two terms became smaller?",
                ),
                Option(
                    "The same model, learnt more slowly",
                    "The minimum itself is another one: it trades the two terms at another price.",
                ),
                Option(
                    "Copies that are all alike: the KL weighs 784 times as much",
                    "A nat of reconstruction now counts 1/784 of a nat of KL, so hardly any code pays: the "
                    "posterior collapses.",
                    right=True,
                ),
            ],
        ),
        items=["C282"],
    ),
    BankQuestion(
        "01.mc_dead_latent",
        Question(
            "Latent 7 of a trained VAE has μ = 0 and σ = 1 for every image. You encode a digit, set this latent "
            "to 2 and decode. What do you see?",
            [
                Option(
                    "The same copy as before, or nearly so",
                    "In training this number was pure noise for the decoder, which has learnt to ignore it.",
                    right=True,
                ),
                Option(
                    "A very noisy copy, since a latent of noise was made loud",
                    "2 is nothing unusual for a number from N(0, 1). The decoder met such values all the time.",
                ),
                Option(
                    "Another digit, at the edge of the latent space",
                    "That is what a busy latent may do: one that the encoder uses to tell images apart.",
                ),
                Option(
                    "The average of all digits, because the code tells nothing now",
                    "It would be so if all latents were like this one. The others still carry the image.",
                ),
            ],
        ),
        items=["C039"],
    ),
]
