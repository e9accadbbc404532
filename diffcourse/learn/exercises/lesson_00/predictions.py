"""What lesson 00 has its reader predict: one question by eye, one in numbers."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "00.one_noise",
        title="Ten digits from one noise",
        question="The same random dots, used ten times, once with each label from 0 to 9: what will the ten digits have in common?",
        kind="choice",
        options=[
            "Nothing: the label decides everything",
            "The hand: how bold the strokes are",
            "The shape: all ten look like one digit",
        ],
        truth="B",
        why="The label says what is drawn, the noise has a say in how.",
    ),
    Prediction(
        "00.one_step",
        title="Distance of digits that were drawn in one step",
        question="Real digits have a distance of about 1 floor. How many floors will digits have that the network guesses in one step?",
        unit="floors",
        close=2,
        digits=2,
    ),
]
