"""Questions that span lessons: what hangs together, and how one finds a fault."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "11.mc_train_again",
        Question(
            "A trained text-to-image model works. You want to change one thing. For which of the four must the "
            "U-Net be trained again?",
            [
                Option(
                    "Another sampler",
                    "It asks the same network at some levels, and only steps otherwise between them.",
                ),
                Option(
                    "A third of the steps",
                    "Other levels of the same path are visited, all of which it was trained at.",
                ),
                Option(
                    "Twice the guidance scale",
                    "It enters when two answers are combined, after the network has spoken.",
                ),
                Option(
                    "Another text encoder",
                    "The U-Net has learnt to read the rows of one encoder. Another's are strange to it.",
                    right=True,
                ),
            ],
        ),
        items=["C288", "C297"],
    ),
    BankQuestion(
        "11.mc_counterpart",
        Question(
            "The bound of a diffusion model is that of a VAE with many latents. What is the counterpart of the "
            "VAE's encoder?",
            [
                Option(
                    "The denoising network, for it finds what is behind the noise",
                    "It leads from latents to data, as the decoder does.",
                ),
                Option(
                    "The forward process, where nothing is trained",
                    "q(x₁, …, x_T | x₀) says which latents belong to an image. It is fixed; the decoder has to adapt.",
                    right=True,
                ),
                Option(
                    "The pure noise x_T, from which drawing starts",
                    "Its distribution is the counterpart of the prior.",
                ),
                Option(
                    "The encoder of the latents, in latent diffusion",
                    "It stands before the chain and makes its data. A pixel model has the same bound without it.",
                ),
            ],
        ),
        items=["C091", "C055"],
    ),
    BankQuestion(
        "11.mc_not_a_mean",
        Question(
            "“Under the squared error the best answer is a mean.” Which of these observations does it NOT explain?",
            [
                Option(
                    "A GAN draws six of eight clouds",
                    "No squared error occurs in its game. A missed cloud costs the generator little, or nothing "
                    "that it can feel.",
                    right=True,
                ),
                Option(
                    "A guess from pure noise is a blur",
                    "It is the mean of all images that may be behind the noise.",
                ),
                Option(
                    "A trained flow has bent ways",
                    "Where lines of pairs cross, the network gives their mean, which changes on the way.",
                ),
                Option("A Gaussian VAE draws soft edges", "Its decoder gives the mean of the images that fit a code."),
            ],
        ),
    ),
    BankQuestion(
        "11.mc_network_or_sampler",
        Question(
            "Your new model's loss is as low as it should be, but what it draws is snow. Which experiment tells "
            "whether network or sampler is at fault?",
            [
                Option(
                    "Draw with ten times as many steps and see whether the snow gets less",
                    "If it does not, either may be wrong. If it does, you have found no fault, only a costly way "
                    "around it.",
                ),
                Option(
                    "Train for ten times as long and draw again from the same noise",
                    "A low loss says that training was not the trouble. And it leaves the sampler as it was.",
                ),
                Option(
                    "Noise a real image to some level, ask the network once, and look at x̂₀",
                    "No sampler takes part. If the guess is good at every level, the walk between the levels is wrong.",
                    right=True,
                ),
                Option(
                    "Draw with several other seeds and count how many of the pictures are snow",
                    "It tells how often it happens, not who does it.",
                ),
            ],
        ),
        items=["C286", "C293"],
    ),
    BankQuestion(
        "11.mc_code",
        Question(
            "For a given image you want a code from which the same image comes back, up to an error that shrinks "
            "with more computation. Which one has this property?",
            [
                Option(
                    "The mean that a VAE's encoder gives",
                    "The decoder loses what the code does not hold, however long you compute.",
                ),
                Option(
                    "The noise x_T at the start of the ODE",
                    "The same equation leads up and down, so only the error of the steps is left.",
                    right=True,
                ),
                Option(
                    "The noise x_T at the start of DDPM's chain",
                    "Fresh noise on the way leads to another image each time.",
                ),
                Option(
                    "The noise z of a GAN that drew something like it",
                    "For an image that the generator cannot draw there is no such z, and no encoder looks for one.",
                ),
            ],
        ),
        items=["C290"],
    ),
]
