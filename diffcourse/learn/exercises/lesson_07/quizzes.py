"""Quizzes of lesson 07."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "07.end",
        title="At the end of lesson 07",
        questions=[
            Question(
                "A density is known up to its constant, p(x) = f(x)/Z, and Z takes an integral that nobody can do. What of the score?",
                options=[
                    Option(
                        "It is known up to the factor 1/Z, so only its direction can be used",
                        "Take the logarithm first: what becomes of a factor there, and what of that under a gradient?",
                    ),
                    Option("It is known: Z drops out", "log p = log f − log Z, and log Z has no gradient.", right=True),
                    Option(
                        "It has to be learnt together with Z, from the same data",
                        "Z would have to be learnt if p itself were wanted. Does it change an arrow?",
                    ),
                ],
            ),
            Question(
                "Training with σ = 0.02 in two dimensions: the loss starts at 2,600 and stays near 2,500. What does that say?",
                options=[
                    Option(
                        "Nothing is learnt: the step size is too large for such gradients",
                        "The loss cannot fall to 0 here. How large is the target −ε/σ?",
                    ),
                    Option(
                        "Next to nothing: most of the loss is noise that no score can know",
                        "½·D/σ² = 2,500, less ½·E|score|². Only what exceeds the least loss tells.",
                        right=True,
                    ),
                    Option(
                        "The network is too small, for with a larger one it would go to 0",
                        "Even the exact score has a large loss here: it does not know which ε was drawn.",
                    ),
                ],
            ),
            Question(
                "A network is trained by denoising score matching with σ = 0.5 alone, to the end. Langevin dynamics with its score, small "
                "steps: what is drawn?",
                options=[
                    Option(
                        "The data, since the noise is taken off in the mean",
                        "In the mean, yes, by one Tweedie step. But whose score was learnt?",
                    ),
                    Option(
                        "The noised data",
                        "It learnt the score of data plus noise of σ = 0.5, and draws these.",
                        right=True,
                    ),
                    Option(
                        "Pure noise of σ = 0.5 without any of the data in it",
                        "That is the score of q(xₜ | x₀) about one point. The mean over all x₀ was learnt.",
                    ),
                ],
            ),
            Question(
                "Langevin dynamics of N(0, 1) with τ = 0.5 is run for ten times as long. Its variance was too large by a third: "
                "what becomes of it?",
                options=[
                    Option(
                        "It comes nearer to 1, for the chain converges",
                        "It converges, but to what? A step has no smaller τ later on.",
                    ),
                    Option(
                        "It grows on, a little with each step",
                        "That is so from τ = 2 on. Below, the chain has found its end.",
                    ),
                    Option(
                        "It stays",
                        "The chain's own stationary variance is 1/(1 − τ/2): only a smaller τ helps.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "Why do large levels of noise mend the weights of far modes?",
                options=[
                    Option(
                        "Larger steps make the chain jump over the gap between modes",
                        "Large steps alone would leave the density: a step that fits into a narrow mode never crosses.",
                    ),
                    Option(
                        "There the modes have grown together, and points go where the weights are",
                        "At σ larger than the distance one hill is left, and the share of each mode is settled on the way down.",
                        right=True,
                    ),
                    Option(
                        "The network is more exact at large levels than at small ones",
                        "The exact score has the same trouble: with one small level it keeps the weights of the start.",
                    ),
                ],
            ),
        ],
    ),
]
