"""What was wrong in the code that lesson 08 shows."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "08.bug_reverse",
        title="Why Ada's points are too far out",
        text="Half of g² times the score is the drift of the ODE, which adds no noise. Ada adds noise of variance g²·|dt| in every step, "
        "and nothing holds it: each level is left wider than it should be, and the next one starts from there. With noise of full strength "
        "the score has full strength too.",
        code="x = x + (f * x - g**2 * score) * dt + g * (-dt) ** 0.5 * z",
    ),
    Reveal(
        "08.bug_reflow",
        title="Why Bob's reflow straightens nothing",
        text="Bob draws points with his first model, and then pairs each with fresh noise. Those are independent pairs again, whose lines "
        "cross as before: he trains his first model once more, on its own samples. Reflow wants the noise that the ODE carried to just "
        "this point. The ways of an ODE do not cross, so the lines of its ends hardly do.",
        code="noise = torch.randn(4096, 2)\nx0 = flow(noise)  # of this very noise\nlearn(x0, noise)",
    ),
    Reveal(
        "08.bug_probe",
        title="Why Ada's densities are too high",
        text="One probe gives log p plus an error whose mean is 0. Ada takes e to the power of each and then the mean: errors upwards "
        "become large factors, errors downwards small ones, and the mean of the factors lies above 1. What is right in the mean for log p "
        "is not for p. Average the logarithms first: of the excess about a 30th is left. In two dimensions take the exact trace, and "
        "none is.",
        code="p = log_p.mean(dim=0).exp()  # (probes, points) -> (points,)",
    ),
]
