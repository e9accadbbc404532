"""What lesson 09 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "09.word",
        title="Overlap of ink with the same noise, and blue for red in the prompt",
        question="Sixty digits, drawn with “red” and again with “blue”, from the same noise: which overlap of their strokes do you expect? "
        "1 is the same strokes, 0 no ink in common.",
        scale="difference",
        close=0.1,
        digits=2,
        why="Read it against the line of the other noise: the noise decides a part of the strokes, the prompt the rest.",
    ),
    Prediction(
        "09.decoder",
        title="The decoder's share of the work of a picture of Stable Diffusion 1.5",
        question="512 × 512 pixels, 50 steps with guidance: how many percent of all multiply-adds does the decoder make?",
        unit="%",
        close=2,
        digits=2,
        why="It runs once, and the U-Net a hundred times; but one decoding costs as much as three calls of the U-Net.",
    ),
    Prediction(
        "09.left",
        title="Signal left at the last level of Stable Diffusion's schedule",
        question="At t = 999 a picture is multiplied by alpha before its noise is added. How many percent is alpha?",
        unit="%",
        close=1.5,
        digits=2,
        why="In variance that is half a percent, which is little, but networks do find it.",
    ),
    Prediction(
        "09.hand",
        title="Overlap of ink with the given digit, at strength 0.6, in another ink",
        question="Encoding and decoding alone keep an overlap of 0.83 of the strokes; another hand's drawing of the same digit has 0.33. "
        "Which overlap does image-to-image keep, at strength 0.6 with another ink in the prompt?",
        scale="difference",
        close=0.1,
        digits=2,
        why="A stroke is finer than the noise at that level: it is drawn anew. What stays is what the prompt says as well.",
    ),
    Prediction(
        "09.pixels",
        title="Pixels that encoding and decoding change by at least one of 256 grey levels",
        question="A scene goes through encoder and decoder, with no noise at all. How many percent of its pixels come back changed, in any "
        "channel?",
        unit="%",
        scale="difference",
        close=10,
        digits=2,
    ),
    Prediction(
        "09.bytes",
        title="A LoRA of rank 4, in percent of its U-Net's bytes",
        question="Every attention layer of the small U-Net gets a correction of rank 4. How many percent of the U-Net's bytes has the file "
        "that holds them?",
        unit="%",
        close=1.6,
        digits=2,
    ),
    Prediction(
        "09.style",
        title="What saves more digits from a LoRA's side effects",
        question="At rank 4 a LoRA that slants all strokes costs some 25 of 100 digits. What saves more of them?",
        kind="choice",
        options=["the same slant at rank 1", "rank 4 as before, but for strokes with a broader pen"],
    ),
    Prediction(
        "09.first_step",
        title="What the first step of training a ControlNet moves",
        question="All of a ControlNet may be trained, by gradient descent: its copy of the encoder, the layers that read the outline, the "
        "zero convolutions. Which of them have moved after the first step?",
        kind="choice",
        options=[
            "everything",
            "nothing: all gradients are 0",
            "the zero convolutions alone",
            "everything but the zero convolutions",
        ],
        why="A weight of zero passes no gradient on to what lies behind it, but its own gradient is what comes in times what it is fed.",
    ),
]
