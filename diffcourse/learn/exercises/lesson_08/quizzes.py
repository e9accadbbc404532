"""The quiz of lesson 08."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "08.end",
        title="Processes and flows",
        questions=[
            Question(
                "You walk an SDE with four times as many steps, each a quarter as long. What happens to the noise of one step?",
                options=[
                    Option(
                        "It is multiplied by ¼, as the drift is",
                        "Then the variance of the whole walk would be a quarter of what it was.",
                    ),
                    Option(
                        "It is multiplied by ½",
                        "Variances add up, and each of the four must hold a quarter: so the spread is halved.",
                        right=True,
                    ),
                    Option(
                        "It stays as large as it was, since dw does not shrink",
                        "Then the variance of the whole walk would be four times what it was.",
                    ),
                ],
            ),
            Question(
                "Reverse SDE and probability-flow ODE start from the same noise, with an exact score and tiny steps. What do they share?",
                options=[
                    Option(
                        "The picture that each noise becomes",
                        "The SDE draws on its way, so one start leads to many ends.",
                    ),
                    Option(
                        "The way of each point, up to some jitter",
                        "A point of the SDE may end in another mode than the one to which the ODE would carry it.",
                    ),
                    Option(
                        "The distribution at every time",
                        "That is how both are made: the same marginals, by different motions.",
                        right=True,
                    ),
                    Option(
                        "The number of steps for a given error",
                        "Smooth ways allow long steps and methods of higher order; noise does not.",
                    ),
                ],
            ),
            Question(
                "A network predicts eps, trained on a VP path. What does it take to draw with it along the straight path?",
                options=[
                    Option(
                        "Some epochs of training on the straight path's own targets",
                        "What it knows, the mean of the noise given x, determines that of any linear path.",
                    ),
                    Option(
                        "A new network, since a velocity is no noise",
                        "The velocity is a mix of x and eps with known weights.",
                    ),
                    Option(
                        "Asking it at the level with the same σ/α, with x brought to that level's scale",
                        "Then it sees just what it was trained on, and eps gives the velocity.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "In flow matching each pair moves along a straight line. Why do the points of the trained flow not?",
                options=[
                    Option(
                        "Euler's method bends them, and smaller steps would not",
                        "Smaller steps show the flow's own ways the better, and these are bent.",
                    ),
                    Option(
                        "Lines of different pairs cross, and there the network knows only their mean",
                        "The mean changes along the way, as the data that are still possible become fewer.",
                        right=True,
                    ),
                    Option(
                        "The network is too small: a perfect one would give straight ways",
                        "The exact mean velocity of the mixture, without any network, gives bent ways too.",
                    ),
                    Option(
                        "The times are drawn evenly, so that the ends are learnt badly",
                        "How often a time is trained does not change what a perfect fit would say there.",
                    ),
                ],
            ),
            Question(
                "By the ODE from `at(0)`, where the noise is 3.7 greys, `mnist-ddpm` has 3.7 bits a pixel; its bound says 2.1. What "
                "follows?",
                options=[
                    Option(
                        "The bound is broken: no bound may lie below the true likelihood",
                        "They are about different things: one of noisy numbers, one of greys.",
                    ),
                    Option(
                        "The ODE needs more steps, which would bring it below 2.1",
                        "From that level no model gets below 3.22; more steps raise the number here.",
                    ),
                    Option(
                        "Little: from that level on the floor is 3.22, for every model",
                        "A density of numbers with that noise cannot be high anywhere.",
                        right=True,
                    ),
                ],
            ),
        ],
    ),
]
