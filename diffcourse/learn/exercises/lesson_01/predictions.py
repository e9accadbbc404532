"""What lesson 01 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "01.area",
        title="Area under the tutorial's curve",
        question="A density has area 1. Which area has the sum of three Gaussian densities, as the tutorial adds them up?",
        close=1.05,
    ),
    Prediction(
        "01.bounds",
        title="Four q, from the worst bound to the best",
        question="Bumps at −1, 0.5 and 2; we see x = 1.2. From the worst bound to the best, in which order stand these four q?",
        kind="order",
        options=["the prior", "undecided", "nearly sure", "the posterior"],
        why="What counts is the distance from the true posterior. The prior's distance from itself is 0, and its bound is poor.",
    ),
    Prediction(
        "01.prior_draws",
        title="How far the estimate lies below the ELBO",
        question="log p(x) of one digit, estimated from 10,000 draws of the prior. How many nats below the digit's ELBO does it end?",
        unit="nats",
        close=2,
    ),
    Prediction(
        "01.draw_variance",
        title="Variance of this author's draws",
        question="The encoder reports a variance of 0.25. Which variance has `drawn = variance * noise`, with standard noise?",
        close=1.1,
    ),
    Prediction(
        "01.variances",
        title="Variance of the score estimator over the pathwise one",
        question="Both estimate one gradient, for a digit whose log p(x | z) is near −83. By which factor do their variances differ?",
        close=3,
    ),
    Prediction(
        "01.mse",
        title="Variance of a pixel that `mse_loss` stands for",
        question="The mean of squared errors over 784 pixels, plus the KL. Which σ² of a Gaussian pixel does that stand for?",
        close=1.1,
    ),
    Prediction(
        "01.first_steps",
        title="The KL in the first hundred steps",
        question="What does the KL to the prior do, from the first step of training on?",
        kind="choice",
        options=[
            "it starts high and falls to its last value",
            "it starts near 0 and rises to its last value",
            "it starts near 0, shoots past its last value, and comes back",
        ],
    ),
    Prediction(
        "01.weights",
        title="The weights, from the worst ELBO to the best",
        question="The KL weights 0.01, 1 and 20. In which order are the three models, from the worst ELBO to the best?",
        kind="order",
        options=["0.01", "1", "20"],
    ),
    Prediction(
        "01.holes",
        title="Draws of the prior that land in a hole",
        question="How many percent of prior draws land where the codes of 4,000 digits are less than a fifth as dense as the prior?",
        unit="%",
        scale="difference",
        close=5,
    ),
    Prediction(
        "01.dead",
        title="Dead latents among 20",
        question="How many of the 20 latents of `mnist-vae-20` tell nothing about the image?",
        scale="difference",
        close=1,
    ),
    Prediction(
        "01.amortised",
        title="Share of the gap that is the encoder's fault",
        question="How many percent of what 50 draws add to the bound does a search for each image's own q gain?",
        unit="%",
        scale="difference",
        close=15,
    ),
]
