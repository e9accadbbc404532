"""Questions on lesson 00b: averages, Gaussians, Bayes, KL, and what the squared error asks for."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "00b.mc_error_bar",
        Question(
            "400 independent draws have the standard deviation 2. What is the standard error of their mean?",
            [
                Option("0.005", "That is 2/400. Which function of the number of draws divides?"),
                Option("0.1", "2/√400 = 2/20.", right=True),
                Option("0.01", "That is the variance of the mean, 4/400. The error is its root."),
                Option("2", "That is how far single draws lie from the mean. An average of 400 is much surer."),
            ],
        ),
    ),
    BankQuestion(
        "00b.mc_same_seed",
        Question(
            "A script calls `torch.manual_seed(0)` before it draws standard normal data x₀, and again before it "
            "draws noise ε of the same shape. Then it computes x = 0.6·x₀ + 0.8·ε. What is the variance of x?",
            [
                Option("1", "0.36 + 0.64 holds for independent numbers. Are these two independent?"),
                Option("1.4", "That is the standard deviation: 0.6 + 0.8."),
                Option("0.04", "That is (0.8 − 0.6)², as if ε were −x₀."),
                Option("1.96", "ε is x₀ itself, so x = 1.4·x₀, and a factor enters squared.", right=True),
            ],
        ),
    ),
    BankQuestion(
        "00b.mc_half_way",
        Question(
            "The prior of x₀ is N(0, 1). You see x = x₀ + ε = 2, with ε from N(0, 1). What is the mean of x₀, given x?",
            [
                Option("2", "That trusts the measurement alone: right where all x₀ were equally likely before."),
                Option("0", "That trusts the prior alone. You did see something."),
                Option(
                    "1",
                    "Prior and measurement are equally sure, so the truth is expected half way between 0 and 2.",
                    right=True,
                ),
                Option("√2", "√2 is the standard deviation of x before it is seen."),
            ],
        ),
    ),
    BankQuestion(
        "00b.mc_twice_as_far",
        Question(
            "KL(N(2, 1) || N(0, 1)) is how many times KL(N(1, 1) || N(0, 1))?",
            [
                Option(
                    "4 times",
                    "With equal widths the divergence is half the squared distance of the means: 2 nats and 0.5.",
                    right=True,
                ),
                Option(
                    "2 times",
                    "That would be so if it grew like the distance. The exponent of a Gaussian is a square.",
                ),
                Option("e times", "The logarithm of the ratio of two Gaussians has no exponential left in it."),
                Option("√2 times", "The root would make far means count less and less; here they count more and more."),
            ],
        ),
        items=["C038"],
    ),
    BankQuestion(
        "00b.mc_best_answer",
        Question(
            "x₀ is 0 with probability 3/4 and 4 with probability 1/4. The noise hides it completely. What does a "
            "perfect denoiser answer, trained by the squared error, and which mean squared error is left?",
            [
                Option(
                    "0, with the error 4",
                    "0 is the likelier value. Being off by 4 in a quarter of all cases costs 16/4.",
                ),
                Option("1, with the error 3", "The mean, and the variance about it: (3·1² + 1·3²)/4 = 3.", right=True),
                Option(
                    "2, with the error 4",
                    "The middle of the two values is always off by 2. It forgets how likely each is.",
                ),
                Option("1, with the error 0", "The mean is right. But neither 0 nor 4 is 1."),
            ],
        ),
        items=["C128"],
    ),
]
