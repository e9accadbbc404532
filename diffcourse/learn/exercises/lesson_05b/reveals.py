"""Answers of lesson 05b that readers look for themselves."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "05b.bug_heads",
        title="The line that is missing",
        text="The import: `rearrange` belongs to einops. Python defines the function without complaint, and it fails at its "
        "first call: a test that calls each function once would have found it.",
    ),
    Reveal(
        "05b.bug_formula",
        title="What is missing in the loss",
        text="The target. As copied, it is smallest for a network that always answers 0. With its symbols back it is the "
        "mean of ‖ε − `eps_theta(x_t, t)`‖²: the network predicts the noise.",
    ),
]
