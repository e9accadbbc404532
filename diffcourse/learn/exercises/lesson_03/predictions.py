"""Predictions of lesson 03."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "03.norm",
        title="BatchNorm, weak companions against strong ones",
        question="How many times as large does the image leave BatchNorm beside weak companions as beside strong ones?",
        unit="times",
        digits=2,
        close=1.5,
    ),
    Prediction(
        "03.own",
        title="Digits that the judge recognises, of yours",
        question="Of twenty pictures that your network draws after 2,400 steps, how many does the judge recognise?",
        unit="of 20",
        scale="difference",
        close=3,
        digits=2,
    ),
    Prediction(
        "03.average",
        title="At step 120",
        question="Which has the lower loss at step 120, while all falls fast?",
        kind="choice",
        options=["the weights as they are", "the average"],
        why="The average looks back about 100 steps, to when all was worse. It wins where the rate is high and the loss hardly falls.",
    ),
    Prediction(
        "03.pieces",
        title="What brings your own network most",
        question="Your network predicts v; then it has the shipped models' schedule too; then the average of its weights as well. "
        "Which change makes most digits recognisable?",
        kind="choice",
        options=["v", "schedule", "average"],
    ),
    Prediction(
        "03.signs",
        title="Weights in which two gradients of the shipped network agree",
        question="Shipped network, the same 500 images, new t and noise: in how many percent of the weights do two gradients agree?",
        unit="%",
        scale="difference",
        close=5,
        digits=2,
    ),
    Prediction(
        "03.back",
        title="Nearer to the clean digits",
        question="Which of the three steps comes nearer to the clean digits than where we are?",
        kind="choice",
        options=["your denoise", "noise added, not removed", "a forward step", "all three"],
    ),
    Prediction(
        "03.ink",
        title="Ink of digits drawn from pure noise, a trace left",
        question="In training a trace of the image is left at T, in the noise that drawing starts from there is none. How much ink will "
        "the digits have, against real ones?",
        kind="choice",
        options=["less", "the same, within 3 %", "more"],
        why="Noise is brighter than any digit's end, and the network believes what it sees.",
    ),
]
