"""The quiz of lesson 00: how this course answers."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "00.start",
        title="How this course answers",
        questions=[
            Question(
                "You run a cell with `check(…)` before you have written anything. What happens to the cells below?",
                options=[
                    Option(
                        "They stop with an error until the exercise is solved",
                        "No lesson stops at an exercise, solved or not.",
                    ),
                    Option(
                        "They run, with the reference in place of your function",
                        "`check` returns your own function as soon as it is right, and the reference before.",
                        right=True,
                    ),
                    Option(
                        "They run, and the exercise counts as solved from then on",
                        "Only a function of your own counts: `progress()` goes on showing the exercise as open.",
                    ),
                ],
            ),
        ],
    ),
]
