'''Exercises, quizzes, predictions and reveals are data: a folder a lesson, found by its name, with one file an exercise.

How to write one
================

`lesson_07/` holds what lesson 07 asks; all names start with `07.`. Each exercise is a file that defines one `EXERCISE`; `quizzes.py` holds
the list `QUIZZES`, `predictions.py` the list `PREDICTIONS`, `reveals.py` the list `REVEALS`. The files are read in the order of their
names, so exercises begin with a number, in the order of the lesson: `e01_noised.py`, `e02_…`. A name that starts with _ is a file of
helpers, `_cases.py` for what several exercises are checked with. `__init__.py` holds a docstring; in older lessons it holds the exercises
too, as a list `EXERCISES`, and the list `QUIZZES`.

A complete file, `lesson_07/e01_noised.py`::

    """Noise in one step."""

    import torch
    from torch import Tensor

    from diffcourse import Level
    from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
    from diffcourse.learn.exercises._cases import normal


    def noised(x0: Tensor, alpha_bar: float, eps: Tensor) -> Tensor:
        """Noise clean data in one step.

        x0 (B, …) clean data, alpha_bar a number in (0, 1), eps standard Gaussian noise of x0's shape. Returns x_t, of x0's shape.
        Differentiable in x0 and eps.
        """
        return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps


    def noised_in_a_loop(x0, alpha_bar, eps):
        return torch.stack([alpha_bar**0.5 * x + (1 - alpha_bar) ** 0.5 * e for x, e in zip(x0, eps, strict=True)])


    def draw(alpha_bar, *shape):
        """A case is built from a seeded generator, afresh for every run."""
        return lambda g: (normal(g, *shape), alpha_bar, normal(g, *shape))


    EXERCISE = Exercise(
        name="07.noised",
        title="Noise in one step",
        minutes=5,
        level=1,
        reference=noised,
        alternatives=[noised_in_a_loop],
        cases=[draw(0.9, 2, 3), draw(0.3, 4, 2), (torch.ones(1, 2), 0.5, torch.tensor([[0.5, -1.0]]))],
        invariants=[
            Invariant(
                "clean end",
                lambda f: close(f(torch.ones(2), 1.0, torch.ones(2)), torch.ones(2)),
                "With alpha_bar = 1 no noise has been added yet, so x_t must be x0 itself. Yours is not.",
            ),
        ],
        mistakes=[
            Mistake(
                "variance for standard deviation",
                lambda x0, alpha_bar, eps: alpha_bar**0.5 * x0 + (1 - alpha_bar) * eps,
                "Your noise is multiplied by its variance. Multiplying by c multiplies the variance by c²: which c is needed?",
            ),
            # ... at least four
        ],
        gradients=["x0", "eps"],
        package=InPackage(
            "at.noised(x0, eps)",
            lambda x0, alpha_bar, eps: Level(0, alpha_bar**0.5, (1 - alpha_bar) ** 0.5).noised(x0, eps),
        ),
        hints=["First what to look at.", "Then the idea.", "Then the plan, still not the line to type."],
        insight="Shown with the word right: what to take along.",
    )

Another one, `lesson_07/quizzes.py`::

    """Quizzes of lesson 07."""

    from diffcourse.learn.exercise import Option, Question, Quiz

    QUIZZES = [
        Quiz(
            "07.end",
            questions=[
                Question(
                    "What is left of x₀ where ᾱ = 0.25?",
                    options=[
                        Option("A quarter of its amplitude", "ᾱ belongs to the variance; the amplitude is its root, one half."),
                        Option("Half of its amplitude", "√0.25 = 0.5.", right=True),
                    ],
                ),
            ],
        ),
    ]

Each reader sees the options in another order, so no text may lean on it ("both of these"). A wrong option is what learners do believe, as
concrete and as long as the right one; its explanation is read alone, before the next try, so it must not tell the right one. Mathematics
is written in Unicode (x₀, √0.64, σ²), code in backticks. The audit finds what is raw, a bracket
that stays open, and a quiz in which length tells.

What is to be guessed before the outcome is shown, `lesson_07/predictions.py`::

    """What lesson 07 has its reader predict."""

    from diffcourse.learn.exercise import Prediction

    PREDICTIONS = [
        Prediction("07.left", title="Variance left", question="What is the variance after 1000 steps?"),
        Prediction(
            "07.wasted",
            title="Steps with less than 1 % of the signal",
            question="What share of the 1000 steps is that, in percent?",
            unit="%",
            scale="difference",  # a share is judged by its distance; what is always positive by its ratio, the default
            close=5,
        ),
        Prediction("07.who", title="Whose step is right", question="Whose?", kind="choice", options=["Ada's", "Bob's"]),
        Prediction("07.fast", title="From fast to slow", question="In which order?", kind="order", options=["DDIM", "Heun"]),
        Prediction(
            "07.rows",
            title="Steps of the rows",
            question="Which row took 2 steps, which 10, which 50?",
            kind="order",
            options=["2 steps", "10 steps", "50 steps"],
            mixed=True,
        ),
    ]

In the lesson, `predict("07.left", ...)` is a cell of its own above the cell that shows the answer, and `outcome("07.left", value)` stands
in the cell that computes it: the truth is never stored, except for a choice or an order that nothing computes (`truth=`). A page on which
nobody has guessed reads "Variance left: 0.5.", so a title is a noun. An order is told by its letters, or by a dict {letter or option:
number}, from the smallest number up. `rows = mixed("07.rows", [2, 10, 50])` gives the things under letters in an order of this reader's
own, which no cell may show; then `outcome("07.rows")` needs nothing more. The docstring of `Prediction` says what each part means.

The answer to a "find the bug", `lesson_07/reveals.py`::

    """Answers of lesson 07 that a reader looks for herself."""

    from diffcourse.learn.exercise import Reveal

    REVEALS = [
        Reveal(
            "07.bug_step",
            title="What is wrong with Ada's step",
            text="Noise times `beta` has the variance β². It should be β.",
            code="x = (1 - beta) ** 0.5 * x + beta**0.5 * z",
        ),
    ]

`reveal("07.bug_step")` is a cell of its own, and unfolds there; what it says must stand nowhere else in the lesson. Predictions and reveals
are used in one lesson, once.

The docstring of `diffcourse.learn.exercise.Exercise` says what each part of an exercise means.

Put the stub into a code cell tagged `exercise:07.noised`; `python -m diffcourse.learn stub 07.noised` prints it. The next code cell is
`noised = check("07.noised", noised)`, with `# hint("07.noised")` and `# solution("07.noised")` below it as comments.
Then let the audit judge: `python -m diffcourse.learn audit 07`.

Exercises of your own, which are no part of the course, are written the same way, in a folder anywhere; their lesson is any word, such as
`week3.noised`. `diffcourse.learn.register` takes the folder, and `python -m diffcourse.learn audit --from FOLDER` judges it.
'''
