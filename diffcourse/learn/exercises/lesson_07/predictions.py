"""Predictions of lesson 07."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "07.least_loss",
        title="Least denoising loss at σ = 0.1",
        question="A network has learnt the exact score of the noised data, in two dimensions, with noise of σ = 0.1. How large is its "
        "denoising loss, in the mean?",
        close=1.5,
        why="The target −ε/σ is noise of length √2/σ, and the best score can know only a part of it.",
    ),
    Prediction(
        "07.where_wrong",
        title="Where the learnt field is farthest off",
        question="The network was trained with points of the noised mixture. Where is its field farthest from the exact one?",
        kind="choice",
        options=["at the modes", "between the modes", "far out, where no point lies"],
        why="A loss is a mean over the points. Where none lies, nothing is asked.",
    ),
    Prediction(
        "07.bias",
        title="Variance of the chain with steps of size 1",
        question="Langevin dynamics of N(0, 1), whose variance is 1, with steps of size τ = 1. At which variance does the chain end?",
        close=1.1,
        why="With τ = 1 a step forgets where it was: x + τ·(−x) = 0, and only the noise is left, of variance 2τ.",
    ),
    Prediction(
        "07.share_after",
        title="Points in the heavy mode after Langevin dynamics",
        question="The right mode has the weight 0.8. Half of the points begin in each mode. How many percent "
        "end in the right one?",
        unit="%",
        scale="difference",
        close=5,
        why="Inside a mode the score does not know the weights: they drop out of it as Z does.",
    ),
    Prediction(
        "07.farther",
        title="Crossings, far against near",
        question="The modes are moved from four standard deviations apart to six. How many times "
        "as many crossings does the near pair have?",
        unit="times",
        close=2,
        digits=2,
    ),
    Prediction(
        "07.digits",
        title="Digits of annealed Langevin dynamics that the judge reads as asked",
        question="`mnist-ddpm` as a score, Langevin steps on falling levels: how many percent of the digits does the judge read as asked?",
        unit="%",
        scale="difference",
        close=5,
        digits=2,
    ),
]
