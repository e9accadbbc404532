"""Questions on lesson 00: what a denoiser says, what is drawn, and what a score tells."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "00.mc_first_guess",
        Question(
            "You ask for a 4, three times, from three different noises, without extra guidance. You look at the "
            "model's guess of the clean image at t = 999, where next to nothing but noise is left. What do you "
            "see?",
            [
                Option("Three different sharp 4s", "That is the end of the walk. At its start nothing is decided yet."),
                Option(
                    "Nearly the same blurred 4 each time",
                    "The label is all it can go by, and the guess is the average of all that the noise may have been.",
                    right=True,
                ),
                Option(
                    "Three blurs of three different digits",
                    "The label is heard at every level. So is it when a noise would rather become a 9.",
                ),
                Option(
                    "Even grey: where nothing is seen, nothing can be said",
                    "The average of all fours can be said without seeing anything, and it is no even grey.",
                ),
            ],
        ),
    ),
    BankQuestion(
        "00.mc_one_pixel",
        Question(
            "At some t the signal left is α = 0.6 and the noise level σ = 0.8. A pixel is white, +1, and its "
            "random number is ε = −1. What is the value of the noisy pixel?",
            [
                Option("1.4", "That adds the sizes and loses the sign of ε."),
                Option("−0.28", "That is 0.6² − 0.8². The numbers enter as they are; squares are for variances."),
                Option("0.2", "That is 0.8 − 0.6. Which of the two weights belongs to the image?"),
                Option("−0.2", "0.6·1 + 0.8·(−1): the noisy pixel is darker than middle grey.", right=True),
            ],
        ),
        items=["C066"],
    ),
    BankQuestion(
        "00.mc_below_floor",
        Question(
            "The distance of 1,000 drawn digits to real ones comes out as 0.9 floors. What follows?",
            [
                Option(
                    "These digits are better than real ones",
                    "The floor is what real digits get on average. Single draws of real digits lie below it, too.",
                ),
                Option(
                    "About a tenth of them are copies of real digits",
                    "A distance compares two clouds as a whole. It does not know of single pairs.",
                ),
                Option(
                    "This measure cannot tell them from real ones",
                    "Below 1 the measure has nothing more to say. Another measure still may.",
                    right=True,
                ),
                Option(
                    "Something is broken: nothing can be below the floor",
                    "The floor is an average over draws of real digits, and no lower limit.",
                ),
            ],
        ),
    ),
    BankQuestion(
        "00.mc_blind_judge",
        Question(
            "The judge reads 100 of 100 drawn digits as the digit that was asked for, ten of each kind. Which "
            "fault could still be there?",
            [
                Option(
                    "The ten sevens are one and the same picture",
                    "Each one is read right. Whether they differ is another question, and takes another measure.",
                    right=True,
                ),
                Option(
                    "Twos were drawn where sevens were asked for",
                    "Then the judge would have read twos, and counted them as wrong.",
                ),
                Option(
                    "Half of the pictures are smears that show no digit",
                    "The judge must name a digit for each, and would be right by chance for about one smear in ten.",
                ),
                Option(
                    "The labels got shifted by one on the way to the network",
                    "Then nearly all would be read as the neighbour of the digit that was asked for.",
                ),
            ],
        ),
    ),
]
