"""What lesson 00b has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "00b.one_error",
        title="Readers who are off by more than one standard error",
        question="2,000 readers average 1,000 draws each. How many percent of them are off by more than their standard error?",
        unit="%",
        scale="difference",
        close=8,
        why="A standard error is no limit. For a Gaussian error 32 % lie beyond one, 5 % beyond two.",
    ),
    Prediction(
        "00b.difference",
        title="Standard deviation of X − Y",
        question="X has standard deviation 3, Y has 4, and they are independent. What is the standard deviation of X − Y?",
        close=1.05,
    ),
    Prediction(
        "00b.length",
        title="Length of the shortest of 1,000 noise images",
        question="Noise images of 784 pixels are 28 long on average, as vectors. How long is the shortest of 1,000 of them?",
        close=1.1,
    ),
    Prediction(
        "00b.far_left",
        title="Where x = −10 comes from",
        question="The left bump is centred at −1 with std 0.3, the right one at 1.5 with std 0.5. Which did x = −10 come from?",
        kind="choice",
        options=["the left bump: it is nearer", "the right bump: it is wider", "either, about equally likely"],
        why="The tail of a Gaussian is ruled by the distance in its own stds: 23 for the right bump, 30 for the left.",
    ),
    Prediction(
        "00b.two_directions",
        title="Which direction covers both bumps",
        question="One Gaussian q shall imitate the two bumps p. The smallest of which divergence spreads q over both bumps?",
        kind="choice",
        options=["KL(p || q), averaged over the data", "KL(q || p), averaged over what q makes", "both do", "neither"],
    ),
    Prediction(
        "00b.which_gap",
        title="What the gap of the bound equals",
        question="log p(x) minus the bound is the KL divergence of q from …",
        kind="choice",
        options=["the posterior p(k | x)", "the prior p(k)"],
    ),
    Prediction(
        "00b.shapes",
        title="The pair that is an error",
        question="Which of these pairs of shapes can PyTorch not line up?",
        kind="choice",
        options=[
            "(4,) with (4, 1)",
            "(64,) with (64, 1, 28, 28)",
            "(28,) with (28, 1, 28, 28)",
            "(64, 1, 1, 1) with (64, 1, 28, 28)",
        ],
    ),
    Prediction(
        "00b.twice",
        title="The gradient at 1, after the second round",
        question="The derivative of x³ is 3x². The loop does the same thing twice. What does its second line print for x = 1?",
        close=1.01,
    ),
    Prediction(
        "00b.floor",
        title="Loss of a well-trained denoiser",
        question="The data have variance 1.7. To which value does the mean squared error of a good network go in the end?",
    ),
]
