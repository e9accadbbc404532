"""Questions on lesson 05a: where Stable Diffusion diffuses, what it saves, and what is lost."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "05a.mc_space",
        Question(
            "In which space does the diffusion of Stable Diffusion run?",
            [
                Option(
                    "In that of the pixels",
                    "So does the DDPM of lesson 03. At 512×512 every call would cost several hundred times as much.",
                ),
                Option(
                    "In that of an autoencoder's latents",
                    "64×64 places with four numbers each, decoded to pixels at the end.",
                    right=True,
                ),
                Option(
                    "In that of spatial frequencies",
                    "Such models have been tried. JPEG compresses there; Stable Diffusion has a learnt encoder.",
                ),
                Option("In that of the text embeddings", "They tell the U-Net what is wanted. They are not noised."),
            ],
        ),
        items=["C279", "C175"],
    ),
    BankQuestion(
        "05a.mc_twice_the_side",
        Question(
            "Latents become 128×128 in place of 64×64. By which factors does the work grow: of a convolution, "
            "and of comparing all places with all in self-attention?",
            [
                Option("2 and 4", "Those are the side and its square. How many places are there?"),
                Option("4 and 4", "A convolution looks at each place once. In attention each place looks at all."),
                Option("4 and 16", "Four times the places, and their square.", right=True),
                Option("16 and 16", "A convolution compares a place with its neighbours only, and these stay as many."),
            ],
        ),
        items=["C177", "C219"],
    ),
    BankQuestion(
        "05a.mc_milder",
        Question(
            "An autoencoder halves the sides twice and gives 3 channels: 256×256×3 becomes 64×64×3. How many "
            "times fewer numbers is that?",
            [
                Option("16 times", "4·4 times fewer places, and as many numbers in each.", right=True),
                Option("4 times", "That is the factor of one side."),
                Option("48 times", "That is Stable Diffusion's: three halvings, and 4 channels for 3 colours."),
                Option("64 times", "So many times fewer places three halvings give. Here are two."),
            ],
        ),
        items=["C180"],
    ),
    BankQuestion(
        "05a.mc_bits",
        Question(
            "Latents of standard deviation 1 are stored as float32, but the encoder itself adds Gaussian noise "
            "of standard deviation 1/16 to them. About how many bits can such a number tell of the picture?",
            [
                Option("32", "So many are stored. Most of them hold the noise."),
                Option(
                    "8",
                    "That is log₂ of the ratio of the variances, 256. The ratio of the widths is what can be "
                    "told apart.",
                ),
                Option(
                    "16",
                    "So many steps of the size of the noise fit into a standard deviation. How many bits number "
                    "16 steps?",
                ),
                Option(
                    "4",
                    "½·log₂(1 + 16²) is 4.0: about log₂ 16, for sixteen places that the noise leaves distinct.",
                    right=True,
                ),
            ],
        ),
    ),
    BankQuestion(
        "05a.mc_above_the_ceiling",
        Question(
            "Of 10,000 real scenes, encoded and decoded, a judge reads 98.6 % right. Of 10,000 pictures that a "
            "latent model drew on demand it reads 99.2 %. Is that a contradiction?",
            [
                Option(
                    "Yes: nothing that goes through the decoder can be read better than real scenes are",
                    "It limits how well a given picture is kept. The model is free to draw other pictures.",
                ),
                Option(
                    "Yes, unless the model copies pictures of its training",
                    "Copies would go through the same decoder. And training pictures are as hard to read as others.",
                ),
                Option(
                    "No: it may draw digits that are easier to read than people's",
                    "The 98.6 % tell how hand-written digits survive. A model, guided above all, prefers typical ones.",
                    right=True,
                ),
                Option(
                    "No: with so few pictures such a difference is chance",
                    "The standard error of each share is about 0.1 %; the difference is six times that.",
                ),
            ],
        ),
        items=["C179"],
    ),
]
