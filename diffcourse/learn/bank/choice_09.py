"""Questions on lesson 09: small parts beside a frozen model, the end of the schedule, sizes."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "09.mc_rank",
        Question(
            "A linear layer has 512×512 weights. A LoRA of rank 4 is put beside it. How many numbers are trained?",
            [
                Option("2,048", "That is one of the two factors."),
                Option("4,096", "4·512 in each of two factors: a sixty-fourth of the layer.", right=True),
                Option(
                    "16",
                    "A 4×4 core would be so small. It is reached through the two factors, and they are what is "
                    "trained.",
                ),
                Option("65,536", "That is a quarter of the weights. The rank is no divisor."),
            ],
        ),
    ),
    BankQuestion(
        "09.mc_all_noise",
        Question(
            "A schedule is mended so that no signal is left at its last level, α = 0. Why may a network that "
            "starts there not predict ε?",
            [
                Option(
                    "Its loss would be infinite there",
                    "It would be 0: the input is the noise, so copying it answers perfectly.",
                ),
                Option("ε is no longer standard normal there", "It is as ever. It is x that has become pure noise."),
                Option(
                    "A sampler may not start from pure noise",
                    "It always does. What is asked here is what the first answer says of the picture.",
                ),
                Option(
                    "Its answer tells nothing of the picture",
                    "x̂₀ = (x − σ·ε)/α is 0/0 there. Predicting v or x₀ asks for the picture itself.",
                    right=True,
                ),
            ],
        ),
    ),
    BankQuestion(
        "09.mc_zero_convolution",
        Question(
            "A ControlNet is joined to the U-Net by convolutions whose weights are all zero. Can they ever learn "
            "anything?",
            [
                Option(
                    "Yes: their gradient is input times what comes back, and neither is zero",
                    "Zero weights block the gradient to what lies before them, for one step. Their own is there "
                    "at once.",
                    right=True,
                ),
                Option(
                    "No: what puts out zero gets a gradient of zero",
                    "So it is where two factors are both zero, as in a LoRA begun with up = down = 0.",
                ),
                Option(
                    "Yes, but only once the U-Net around them has been trained as well",
                    "The U-Net stays frozen, and the gradient comes through it all the same.",
                ),
                Option(
                    "No, and they need not: the copy of the encoder learns in their place",
                    "The copy is heard through them only. Were they to stay zero, nothing of it would arrive.",
                ),
            ],
        ),
    ),
    BankQuestion(
        "09.mc_new_word",
        Question(
            "A new word was learnt by textual inversion: one row for the table of a text encoder. You carry the "
            "row to a model with another text encoder of the same width. What happens?",
            [
                Option(
                    "The word works there, too: a row of the table is the style itself",
                    "It is a place among the words of one encoder. How is that place read by another?",
                ),
                Option(
                    "It is refused: a row fits into one table only",
                    "The width is the same, so it fits. Nobody complains, which makes it the more annoying.",
                ),
                Option(
                    "It means something else there, or nothing",
                    "The two encoders were trained apart, so the same numbers stand for different things.",
                    right=True,
                ),
                Option(
                    "It works as soon as its scale has been adapted",
                    "Two trainings differ by more than a scale: each has directions of its own.",
                ),
            ],
        ),
    ),
    BankQuestion(
        "09.mc_too_wide",
        Question(
            "A model that was trained on square pictures of 512 pixels is asked for one of 1024×512. No layer "
            "objects. Which fault is typical?",
            [
                Option(
                    "The picture is stretched to twice its width",
                    "Nothing is stretched: the network draws on a larger grid, at the scale that it knows.",
                ),
                Option(
                    "The subject appears twice, side by side",
                    "Layout was learnt at one size. Each half is filled as if it were a picture of its own.",
                    right=True,
                ),
                Option("The right half stays noise", "Convolutions work at every place alike, and so do the samplers."),
                Option(
                    "The colours fade to a middle grey",
                    "Colour is local and hardly depends on the size of the picture.",
                ),
            ],
        ),
        items=["C255"],
    ),
]
