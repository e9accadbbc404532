"""What lesson 08 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "08.halved",
        title="Error with four times the steps",
        question="Euler and Maruyama, 20 steps, then 80: by which factor does the error of the variance at the end fall?",
        unit="times",
        close=1.3,
        digits=2,
        why="For means and variances Euler and Maruyama have the order 1, as Euler's method has.",
    ),
    Prediction(
        "08.backwards",
        title="The forward SDE with dt < 0",
        question="We start with pure noise at t = 1 and follow the forward SDE of the VP path, its noise too, with dt < 0. What stands at "
        "t = 0?",
        kind="choice",
        options=[
            "the data",
            "noise that is as wide as at the start",
            "a heap of points at the mean of the data",
            "a cloud a hundred times as wide, or more",
        ],
        why="With dt < 0 the drift no longer shrinks x but blows it up, and every step adds noise as well.",
    ),
    Prediction(
        "08.same",
        title="DDIM's digits and those of Euler on the straight path",
        question="The same network, noise and levels: by how much does the worst pixel differ between DDIM and plain Euler on the "
        "straight path?",
        kind="choice",
        options=[
            "not at all, but for rounding",
            "by a few of 256 greys",
            "so much that some digits are others",
            "so much that no digits are seen: it was never trained for this path",
        ],
        why="DDIM is Euler's method on the ODE of any path: paths with the same levels differ by a scale and a clock.",
    ),
    Prediction(
        "08.noisy",
        title="VP times at which the noise is the stronger part",
        question="On the straight path noise is stronger than signal at half of all times. On the VP path with beta from 0.1 to 20: at "
        "how many percent?",
        unit="%",
        scale="difference",
        close=6,
        digits=2,
    ),
    Prediction(
        "08.straightest",
        title="From the straightest ways to the most bent ones",
        question="How bent are the ways of points through the ODE, in the mean: of the VP path, the straight path, the straight path "
        "after one reflow?",
        kind="order",
        options=["VP path", "straight path", "straight path, reflowed"],
        why="“Straight” are the lines of the pairs. Where they cross, the flow goes between them.",
    ),
    Prediction(
        "08.calls",
        title="Calls of the reverse SDE for those of the ODE",
        question="To come below three floors, in energy distance to the data: how many times as many calls does the reverse SDE need as "
        "the ODE?",
        unit="times",
        close=2,
        digits=2,
    ),
    Prediction(
        "08.floor",
        title="The floor of any model from the first level on",
        question="The first level of `mnist-ddpm` has noise of 3.7 of 256 greys. How many bits a pixel does the best of all models spend "
        "at least?",
        unit="bits",
        scale="difference",
        close=0.4,
        why="No density of noisy data is higher than the noise's own peak.",
    ),
]
