"""Questions on lesson 08: Brownian motion, balance, one picture on many paths, flows."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "08.mc_brown",
        Question(
            "A Brownian motion has the standard deviation 1 at t = 1. What is it at t = 9?",
            [
                Option("9", "That is the variance, which grows like the time."),
                Option("1", "Only where something pulls back, as on a VP path. Here nothing does."),
                Option("3", "The variance is 9.", right=True),
                Option("√3", "That takes the root twice: the variance is 9, and the standard deviation its root."),
            ],
        ),
        items=["C244"],
    ),
    BankQuestion(
        "08.mc_balance",
        Question(
            "dx = −x dt + 2 dw runs for a long time. What is the variance of x?",
            [
                Option(
                    "2",
                    "The pull takes 2v per unit of time, the shake brings 2² = 4: balance at v = 2.",
                    right=True,
                ),
                Option("4", "So much the shake brings in a unit of time. How much is taken away in it?"),
                Option("1", "That is for dx = −x dt + √2 dw, which lesson 08 simulates."),
                Option("√2", "That is the standard deviation."),
            ],
        ),
        items=["C244", "C245"],
    ),
    BankQuestion(
        "08.mc_same_picture",
        Question(
            "Noise of σ = 0.75 was added to a picture and nothing was shrunk, as on the VE path. At which level "
            "of the VP path is the same noisy picture seen, but for its scale?",
            [
                Option(
                    "α = 0.25, σ = 0.75",
                    "That is a level of the straight path, whose weights add up to 1. Here their squares do.",
                ),
                Option("α = 0.75, σ = 0.66", "That has σ/α = 0.88. And 0.75 was the noise, not the picture."),
                Option("α = 0.66, σ = 0.75", "That has the same noise beside less of the picture: σ/α = 1.13."),
                Option(
                    "α = 0.8, σ = 0.6",
                    "0.6/0.8 = 0.75 and 0.64 + 0.36 = 1. Multiply the picture by 0.8 and it is the same.",
                    right=True,
                ),
            ],
        ),
        items=["C245"],
    ),
    BankQuestion(
        "08.mc_clean_end",
        Question(
            "On the straight path, data at t = 0 and noise at t = 1, a flow network sees x = 1.25 at t = 0.25 "
            "and gives the velocity −3. Which clean value does it believe in?",
            [
                Option("0.5", "That is x + t·v. Which way does time run from data to noise?"),
                Option("2", "Back along the straight line to t = 0: x − t·v = 1.25 + 0.75.", right=True),
                Option("−1", "That is the other end of the line, the noise: x + (1 − t)·v."),
                Option("4.25", "That is x − v: a whole unit of time. Only a quarter has passed."),
            ],
        ),
    ),
    BankQuestion(
        "08.mc_stretched",
        Question(
            "A flow in the plane carries noise to data and doubles all distances on its way. By how much does "
            "log p of a moving point change, in nats?",
            [
                Option(
                    "By −0.69, that is −ln 2",
                    "On a line it would be so. How many times larger does an area become?",
                ),
                Option("By 1.39, that is ln 4", "The same mass on four times the area: does it lie thicker?"),
                Option("By −1.39, that is −ln 4", "Four times the area, so a quarter of the density.", right=True),
                Option(
                    "By nothing: a flow keeps densities",
                    "It carries the mass along. The density changes where the flow stretches.",
                ),
            ],
        ),
    ),
]
