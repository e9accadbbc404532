"""What lesson 02 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "02.right_step",
        title="The author whose variance ends near 1",
        question="Whose step is right: after 1000 steps the variance is near 1, and neither fades nor explodes?",
        kind="choice",
        options=["author A", "author B", "author C"],
    ),
    Prediction(
        "02.explodes",
        title="Variance of author B after 1000 steps",
        question="B's pixels start with a variance of 0.387. β grows evenly from 0.0001 to 0.02. Where does the variance end?",
        close=1.5,
    ),
    Prediction(
        "02.left",
        title="Share of the variance left after 100,000 steps of β = 1/(t + 1)²",
        question="How much of the variance of the data is left at the end of this chain?",
        unit="%",
        scale="difference",
        close=10,
    ),
    Prediction(
        "02.bayes",
        title="Digits that Bayes' rule reads where the SNR passes 1",
        question="Of 300 noisy test digits, how many per cent does Bayes' rule read correctly there? Guessing gives 10.",
        unit="%",
        scale="difference",
        close=10,
    ),
    Prediction(
        "02.classifier",
        title="Digits that the classifier reads there",
        question="And how many per cent does the classifier read that was trained on clean digits?",
        unit="%",
        scale="difference",
        close=10,
    ),
    Prediction(
        "02.snow",
        title="Steps of the linear schedule with less than 1 % signal",
        question="At how many per cent of its 1000 steps is less than 1 % of the variance signal?",
        unit="%",
        scale="difference",
        close=7,
    ),
    Prediction(
        "02.clip",
        title="An error of 0.01 in the predicted noise, after the first step with the second clip",
        question="The pixels run from −1 to 1. How large does the error become in them?",
        close=1.5,
    ),
    Prediction(
        "02.only_T",
        title="Mean of the samples of the chain with T = 200 and the same betas",
        question="The data have mean −0.7 and variance 1, the denoiser is exact, every step is taken. What mean do the samples have?",
        scale="difference",
        close=0.03,
        why="Sampling starts from pure noise, of mean 0; the end of this chain still holds 13 % of the variance of the data.",
    ),
    Prediction(
        "02.variance_ratio",
        title="Posterior's variance over β at code index 1",
        question="One step above the lowest one, how many times β is the variance of the posterior?",
        scale="difference",
        close=0.1,
    ),
    Prediction(
        "02.pays",
        title="The chain that pays the most",
        question="For which chain is the KL at its noisy end the largest?",
        kind="choice",
        options=["linear, T = 1000", "cosine, T = 1000", "linear, T = 200"],
        why="It ends while a third of the amplitude of the image is still there.",
    ),
    Prediction(
        "02.noise_weights_vary",
        title="Largest over smallest weight of the noise's error",
        question="By what factor do the weights of the squared error of the noise vary along the chain?",
        close=3,
    ),
    Prediction(
        "02.image_weights_vary",
        title="Largest over smallest weight of the image's error",
        question="And by what factor do the weights ½(SNR(t−1) − SNR(t)) of the squared error of the image vary?",
        close=100,
    ),
]
