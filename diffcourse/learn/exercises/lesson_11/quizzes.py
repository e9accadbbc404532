"""The quiz of lesson 11: the five questions with which such a course usually ends, of the bank."""

from diffcourse.learn.bank import questions
from diffcourse.learn.exercise import Quiz

FIVE = ("C276", "C277", "C278", "C279", "C280")

QUIZZES = [
    Quiz(
        "11.five",
        [next(q.question for q in questions().values() if item in q.items) for item in FIVE],
        title="Five questions, put so that they have one answer",
    ),
]
