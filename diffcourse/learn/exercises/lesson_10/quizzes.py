"""The quiz of lesson 10."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "10.end",
        title="Three families, measured",
        questions=[
            Question(
                "A chain of 1000 steps: how many of its steps does one training step of a diffusion model compute, for one image?",
                options=[
                    Option(
                        "All 1000, one after the other, since each needs the one before it",
                        "The closed form xₜ = αₜx₀ + σₜε leads to any t at once.",
                    ),
                    Option("One, at a t drawn at random", "Only sampling goes through the chain.", right=True),
                    Option(
                        "About 20, those that a fast sampler visits",
                        "A sampler chooses its levels after training. The loss draws its own.",
                    ),
                    Option(
                        "1000 in the first epoch, and fewer later as the network improves",
                        "The loss is the same from the first step to the last.",
                    ),
                ],
            ),
            Question(
                "One Gaussian is fitted to two narrow bumps far apart, by maximising the likelihood of data. Where does it lie?",
                options=[
                    Option(
                        "On one of the bumps, as narrow as it is",
                        "Then the data of the other bump would have next to no likelihood, and its logarithm would be very negative.",
                    ),
                    Option(
                        "Over both, wide, with much of it where no data are",
                        "Likelihood punishes what is missed.",
                        right=True,
                    ),
                    Option(
                        "On the higher bump, with the width of both",
                        "Its place and width follow from the moments of all data.",
                    ),
                    Option(
                        "Nowhere: there is no maximum for data with two bumps",
                        "Mean and variance of the data give the maximum in closed form.",
                    ),
                ],
            ),
            Question(
                "The best possible discriminator says 0.5 for every image. What follows?",
                options=[
                    Option(
                        "It has not been trained for long enough",
                        "The best possible one has, by assumption.",
                    ),
                    Option(
                        "The generator makes one perfect image",
                        "Then the discriminator could tell: real images vary, the fakes would not.",
                    ),
                    Option(
                        "The generator's density is that of the data",
                        "D = p/(p + q) is one half only where p = q.",
                        right=True,
                    ),
                    Option(
                        "The generator draws half of the modes",
                        "On the modes that it misses the discriminator would say 1.",
                    ),
                ],
            ),
            Question(
                "A model draws one tenth of the digits perfectly and the other nine tenths never. Which number shows it?",
                options=[
                    Option("Precision", "Each drawn digit lies among real ones: precision is high."),
                    Option("The share that a judge recognises", "Every one of its digits is recognised."),
                    Option("Coverage", "Most real digits have no drawn one near them.", right=True),
                    Option("The sharpness of the strokes", "They are as sharp as real ones."),
                ],
            ),
            Question(
                "GAN A scores 2.1, 2.4 and 3.9 over three trainings, B 2.9, 3.0 and 3.1 (smaller is better). What can be said?",
                options=[
                    Option(
                        "A is better: its mean and its best training are lower",
                        "The means are 2.8 and 3.0; A alone scatters by four times that. And a best of three proves nothing.",
                    ),
                    Option(
                        "B is better, since it is more stable",
                        "It scatters less, which is a result of its own. Its mean is not better.",
                    ),
                    Option(
                        "Nothing about their means: three trainings are too few for a difference that small",
                        "The 95 % interval of the difference contains 0 by far.",
                        right=True,
                    ),
                    Option(
                        "They are equal: the means differ by less than 10 %",
                        "That no difference was seen is not that there is none: the interval is wide.",
                    ),
                ],
            ),
            Question(
                "What would a diffusion model draw whose loss on its training digits is as small as a loss can be?",
                options=[
                    Option("Better digits than any trained so far", "It would draw no digit that is new."),
                    Option(
                        "Its training digits",
                        "The minimiser for finitely many images leads every noise back to one of them.",
                        right=True,
                    ),
                    Option("The mean of its training digits", "That is its guess at the noisiest level only."),
                    Option(
                        "Pure noise, as it is overfitted",
                        "It fits its noise levels all perfectly; the walk ends at clean images.",
                    ),
                ],
            ),
        ],
    ),
]
