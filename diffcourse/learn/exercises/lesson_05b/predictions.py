"""What lesson 05b lets its readers guess."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "05b.swapped",
        title="Cosine of two sentences with their colours exchanged",
        question="The same words, two of them exchanged: what is the cosine of the two vectors? A list of keywords would have 1, "
        "strangers have about 0.",
        scale="difference",
        close=0.1,
        digits=2,
    ),
    Prediction(
        "05b.red",
        title="Cosine of red and red, after the encoder",
        question="Once red is the ink, once the ground. In the table both have one row, cosine 1. And after the encoder?",
        scale="difference",
        close=0.1,
        digits=2,
    ),
    Prediction(
        "05b.fresh_loss",
        title="Loss of a fresh CLIP with eight pairs",
        question="It knows nothing, and each image has 8 captions to choose from. What is the loss?",
    ),
    Prediction(
        "05b.perfect",
        title="Probability of the right caption at τ = 1",
        question="A perfect model: cosine 1 with the right one of 32 captions, 0 with all others, no temperature. Which probability does "
        "it give to the right one, in percent?",
        unit="%",
        close=1.5,
    ),
    Prediction(
        "05b.zero_shot_share",
        title="Digits that captions alone classify right",
        question="Ten classes, a sentence or sixty for each, no training on digits. What share is right, in percent? Chance is 10.",
        unit="%",
        scale="difference",
        close=5,
    ),
    Prediction(
        "05b.hard_choice",
        title="Largest of 16 weights at d = 1024, without the root",
        question="Queries and keys of independent numbers of variance 1, 1024 of them, a softmax over 16 keys. How large is the largest "
        "weight, on average? Even shares would be 1/16.",
        scale="difference",
        close=0.1,
        digits=2,
    ),
    Prediction(
        "05b.reads_text",
        title="Parameters of Stable Diffusion's U-Net that read the text",
        question="What share of its 860 million is in the cross-attention layers, in percent?",
        unit="%",
        close=1.5,
    ),
]
