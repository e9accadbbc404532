"""The quiz of lesson 00: how this course answers."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "00.start",
        title="How this course answers",
        questions=[
            Question(
                "You run a cell with check(…) before you have written anything. What happens to the cells below?",
                options=[
                    Option(
                        "They fail until the exercise is solved",
                        "No lesson stops at an exercise: check hands out the reference, and says so.",
                    ),
                    Option(
                        "They run, with the reference in place of your function",
                        "check returns your own function as soon as it is right, and the reference before.",
                        right=True,
                    ),
                    Option(
                        "They run, and the exercise counts as solved",
                        "The reference is marked: it never counts as yours. progress() shows the exercise as open.",
                    ),
                ],
            ),
        ],
    ),
]
