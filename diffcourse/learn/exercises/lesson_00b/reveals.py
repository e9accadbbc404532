"""Answers of lesson 00b that a reader looks for herself."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "00b.bug_variance",
        title="Why the variance is not kept",
        text="The noise is multiplied by the variance that it should have. A factor enters a variance squared, so the factor is its root. "
        "As it stands the variance is ᾱ + (1 − ᾱ)². Several published texts on diffusion contain this slip.",
        code="noised = alpha_bar**0.5 * unit + (1 - alpha_bar) ** 0.5 * eps",
    ),
    Reveal(
        "00b.bug_squeeze",
        title="Why the loss stops at the variance of the data",
        text="The guess is (256, 1), the squeezed target (256,). By section 6 their difference is (256, 256): every guess against every "
        "target. What serves all targets at once is their mean, and the loss that is left is their variance.",
        code="loss = ((network(noisy) - clean) ** 2).mean()",
    ),
]
