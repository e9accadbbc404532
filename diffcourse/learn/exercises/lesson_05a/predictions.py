"""What lesson 05a lets its readers guess."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "05a.pixels",
        title="Work in pixels, for one unit of work in latents",
        question="Stable Diffusion's U-Net on 512 × 512 pixels, in place of 64 × 64 latents: how many times more multiply-adds does a "
        "call take?",
        close=2,
        why="64 times as many places would make it 64 times. Self-attention, which compares all places with all, does the rest.",
    ),
    Prediction(
        "05a.odd_size",
        title="What comes back of 68 × 68 pixels",
        question="Encoder and decoder are given 68 × 68 pixels, and nobody checks. What comes back?",
        kind="choice",
        options=["64×64", "68×68", "72×72"],
        why="A halving drops a last row without partner, a doubling never makes one.",
    ),
    Prediction(
        "05a.negatives",
        title="Grounds whose code, sign turned, is that of their negative",
        question="Of the eight ground colours: for how many?",
        scale="difference",
        close=1,
    ),
    Prediction(
        "05a.weighted_sum",
        title="What a weighted sum cannot tell",
        question="A patch has a mean red, green and blue, and a share of ink. Which of the four is least of all a weighted sum of its "
        "four numbers?",
        kind="choice",
        options=["red", "green", "blue", "ink"],
    ),
    Prediction(
        "05a.slips",
        title="Which row has which bug",
        question="Which row is right, in which was the factor forgotten, in which divided out twice, in which after decoding?",
        kind="order",
        options=["right", "forgotten", "twice", "after decoding"],
        mixed=True,
    ),
    Prediction(
        "05a.choices",
        title="The choice that the digits need most",
        question="Trained without one of the three: without which are the fewest digits read right?",
        kind="choice",
        options=["the weight of the ink", "the narrow start", "2 groups"],
    ),
    Prediction(
        "05a.minus_noise",
        title="How far from the clean latent “latent minus noise” ends",
        question="In the sigma form x = x₀ + 0.571·ε, the noise ε has the root mean square 1. What is that of x − ε − x₀?",
    ),
    Prediction(
        "05a.own_patch",
        title="Of the change, within the 8 × 8 pixels of the changed place",
        question="What share of the squared change of all pixels lies there, in percent?",
        unit="%",
        scale="difference",
        close=10,
        why="Convolutions look at neighbours, layer upon layer: the strokes of a digit run through several patches.",
    ),
]
