"""Questions on lesson 03: what a loss tells, what is averaged, and where errors grow."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "03.mc_which_answer",
        Question(
            "A network shall predict the noise ε, standard normal. Its mean squared error is 4.0, at every t. "
            "What does it most likely answer?",
            [
                Option("0 everywhere", "That costs the variance of the noise, 1."),
                Option("Fresh noise, which has nothing to do with ε", "That costs two variances, 2."),
                Option(
                    "The noise with its sign turned, −ε",
                    "ε − (−ε) = 2ε, and 2² = 4: look for a sign in the loss.",
                    right=True,
                ),
                Option("Twice the noise, 2·ε", "That is off by ε, and costs 1."),
            ],
        ),
        items=["C128"],
    ),
    BankQuestion(
        "03.mc_one_t",
        Question(
            "By a slip, t is drawn once for the whole batch, not once for each image. What changes?",
            [
                Option(
                    "The gradient stays right on average, and scatters more from step to step",
                    "Every t is still equally likely. But one batch has one level, and levels differ a lot in "
                    "their loss.",
                    right=True,
                ),
                Option(
                    "Nothing: batches are many, and in the end each image has met each t",
                    "On average that is right. How sure is a single step?",
                ),
                Option(
                    "The network learns a single noise level and fails at all the others",
                    "It would if t were drawn once for the whole training. The next batch has another t.",
                ),
                Option(
                    "The noisy levels get more weight than they had",
                    "The draw is as even as before. A weight would have to be written into the loss, or into the draw.",
                ),
            ],
        ),
        items=["C126", "C154"],
    ),
    BankQuestion(
        "03.mc_average_of_weights",
        Question(
            "A weight jumps from 0 to 1 and stays there. Its average, with decay 0.99 a step, started at 0. "
            "Where is it after 100 more steps?",
            [
                Option("At 0.99", "That would take about 460 steps: 0.99⁴⁶⁰ is 0.01."),
                Option("At 0.63", "0.99¹⁰⁰ is about 1/e: a bit more than a third of the way is left.", right=True),
                Option("At 0.01", "So far it gets in the first step."),
                Option("At 1", "It comes as near as you like, and never there."),
            ],
        ),
    ),
    BankQuestion(
        "03.mc_which_line",
        Question(
            "Four lines of a training loop, in their order. The loss stays near 1 from the first step to the "
            "last, whatever the network. Which line is the bug?",
            [
                Option(
                    "`t = torch.randint(0, T, (len(x0),))`",
                    "One t for each image, all of them as likely: as it should be.",
                ),
                Option(
                    "`x_t = schedule.q_sample(x0, t, torch.randn_like(x0))`",
                    "It noises x₀ rightly. But remember which noise went in.",
                ),
                Option(
                    "`loss = (net(x_t, t) - torch.randn_like(x0)).square().mean()`",
                    "It asks for fresh noise, which is not in x_t. The best answer to that is 0, and it costs 1.",
                    right=True,
                ),
                Option(
                    "`optimizer.zero_grad(); loss.backward(); optimizer.step()`",
                    "In this order no gradient is kept from the step before.",
                ),
            ],
        ),
        items=["C126"],
    ),
    BankQuestion(
        "03.mc_error_of_image",
        Question(
            "At a noisy level α = 0.1 and σ is nearly 1. The predicted noise is off by 0.05 in each pixel. How "
            "far off is the clean image that follows from it?",
            [
                Option("By 0.05 as well", "That is so where σ/α = 1."),
                Option("By 0.005", "The error is divided by α on its way to the image, not multiplied."),
                Option("By 0.5", "x̂₀ = (x − σ·ε)/α: the error is multiplied by σ/α, which is 10 here.", right=True),
                Option("By 5", "That divides by α² = ᾱ. The equation has α itself."),
            ],
        ),
        items=["C157"],
    ),
    BankQuestion(
        "03.mc_flat_curve",
        Question(
            "Between two moments of a training the loss goes from 0.130 to 0.099, and the distance of samples "
            "from 6.4 floors to 1.4. How do these two fit together?",
            [
                Option(
                    "Most of the loss is unpredictable noise: a small fall may be a large gain",
                    "What counts is the loss above its floor, and this is not known from the curve.",
                    right=True,
                ),
                Option(
                    "The distance must be wrong, for it cannot fall by more than the loss does",
                    "They count different things. No law ties the one to the other.",
                ),
                Option(
                    "The network has begun to repeat its training images, which costs no loss",
                    "Copies would make the training loss fall below what is possible for new images. Nothing "
                    "here says so.",
                ),
                Option(
                    "The samples were drawn with more steps the second time",
                    "It would explain a gain without any training. But the network has been trained between the two.",
                ),
            ],
        ),
        items=["C146"],
    ),
]
