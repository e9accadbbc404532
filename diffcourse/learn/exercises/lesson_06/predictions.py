"""Predictions of lesson 06."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "06.rows",
        title="Scales of the rows",
        question="Which row was drawn with w = 0, which with 1, with 3, with 7.5?",
        kind="order",
        options=["w = 0", "w = 1", "w = 3", "w = 7.5"],
        mixed=True,
    ),
    Prediction(
        "06.centre",
        title="Centre of the samples with w = 3",
        question="Class 0 has its centre at 1 on the axis to the right. Where on it lies the centre of what DDIM draws with w = 3?",
        scale="difference",
        close=0.1,
        why="The tempered density has its centre at 1.01.",
    ),
    Prediction(
        "06.gone",
        title="Labels that are gone after 20 epochs",
        question="Each epoch writes “none” over one label in ten, in the data set's memory. How many percent are “none” after 20 epochs?",
        unit="%",
        scale="difference",
        close=5,
        why="Each epoch forgets a tenth of what is left: 1 − 0.9²⁰.",
    ),
    Prediction(
        "06.kept",
        title="Memory of 80 steps against 20",
        question="Without `no_grad`, how many times as much does torch keep after 80 steps as after 20?",
        unit="times",
        digits=2,
        why="Every step stays on the graph of the next one.",
    ),
    Prediction(
        "06.young",
        title="Right digits of your network at w = 1",
        question="A minute of training, 100 digits, no guidance: how many percent does the judge read as asked?",
        unit="%",
        scale="difference",
        close=5,
        digits=2,
    ),
    Prediction(
        "06.nearest",
        title="The scale that is nearest to real digits",
        question="Of w = 0, 0.5, 1, 1.1, 1.2, 1.25, 1.3, 1.5, 1.75, 2, 3, 5 and 7.5: at which is the distance to real digits least?",
        scale="difference",
        close=0.11,
    ),
    Prediction(
        "06.passes",
        title="Passes an image",
        question="20 steps, guided in the 7 of them that lie in the interval: how many times does an image go through the network?",
        unit="passes",
    ),
    Prediction(
        "06.order",
        title="From near to far at w = 3",
        question="All with w = 3: in which order are their digits from nearest to real ones to farthest?",
        kind="order",
        options=["at middle noise", "at all levels", "at low noise", "at high noise"],
    ),
]
