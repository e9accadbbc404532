"""Answers of lesson 05a that readers look for themselves."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "05a.quality",
        title="The wrong word",
        text="Quality. Whatever the U-Net does passes through the decoder, and what that cannot draw, nobody will see: squeezing by "
        "itself can only lose. But the saved work may be spent on a larger network or a larger picture; that is where the quality "
        "of latent models comes from. How much is lost, part 6 measures.",
    ),
]
