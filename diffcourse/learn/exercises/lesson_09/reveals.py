"""What was wrong in the code that lesson 09 shows."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "09.bug_paste",
        title="Why Bob's halves do not fit",
        text="All the way down Bob's network sees nothing of what is kept: it draws a picture of its own, and half of another one is "
        "glued over it. Put back after every step, the known half is in what the network looks at next, and the hole can follow it. By the "
        "training it should look there as it would at that level, noised like the rest: pictures that are clean on one side and noisy on "
        "the other never came up. Whether that matters is another question, which the table answers for this model.",
        code="x = torch.where(mask, x, to.noised(z0, noise))  # after every step",
    ),
    Reveal(
        "09.bug_lora",
        title="Why Ada's LoRA never learns",
        text="The correction is up·down. The gradient of up is made of what down puts out, and that of down passes through up. With both "
        "zero, both gradients are zero, at the first step and at all that follow. One zero is enough to begin as no change, and leaves the "
        "other to learn from.",
        code="nn.init.normal_(self.down, std=1 / rank)  # and up stays zero",
    ),
]
