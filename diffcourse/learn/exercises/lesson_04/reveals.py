"""Answers of lesson 04 that a reader looks for herself."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "04.bug_end",
        title="Bug 1: it never ends",
        text="`end` is 1.0, a Python number, and `torch.sqrt` takes tensors only. It is looked up in the last step, so all "
        "the calls of the network are made and paid for before it fails: after an hour of sampling, an expensive place."
        " The cheapest test is n = 1, where the last step is also the first.",
        code="bar_s = bars[times[i + 1]] if i + 1 < len(times) else torch.ones_like(bar_t)",
    ),
    Reveal(
        "04.bug_grid",
        title="Bugs 2 and 3: which times, and how many",
        text="The stride `T // n` is rounded down, so 300 steps become 334 and 600 become 1000; above 1000 it is 0. And a "
        "range that begins at 0 need not hold T − 1: with 5 steps the walk starts at t = 800 and hands pure noise to "
        "the network as if it were level 800. Say both ends outright, and let the count follow.",
        code="times = torch.linspace(T - 1, 0, n, dtype=torch.float64).round().long().tolist()",
    ),
    Reveal(
        "04.bug_eta",
        title="Bug 4: the dial beyond its end",
        text="With η = 2 the fresh noise has more variance than level s allows: 1 − ᾱₛ − std² is negative, its root is NaN, "
        "and NaN spreads silently to the end. Refuse it at the door.",
        code='if not 0 <= eta <= 1:\n    raise ValueError(f"eta must lie in [0, 1], got {eta}")',
    ),
    Reveal(
        "04.bug_hasty",
        title="Three bugs in Hasty",
        text="1. It does not converge at all, so it solves another equation: it walks in x, and the slope eps is dy/du with "
        "y = x/α. 2. With that mended it is of first order, no better than Euler: `history = 0` says that it wants to "
        "remember nothing, so `past` is always empty. 3. With history = 1 it is still of first order: the mean of two "
        "slopes belongs half way between them, in the step that is over. The line has to be prolonged into the coming "
        "one. The order tells which kind of bug is left: 0 another equation, 1 nothing remembered or remembered at the "
        "wrong place, 2 none.",
    ),
    Reveal(
        "04.explore",
        title="What the race shows",
        text="1. DPM-Solver++: 0.10, 0.04, 0.02 a pixel from the exact way with 5, 10, 20 steps, where DDIM has 0.13, 0.08, "
        "0.04. 2. Heun with 9 calls is at 0.41: its first step is far too long. 3. No: fresh noise leads to other "
        "digits by design, and the distance is a measure for samplers without noise.",
    ),
    Reveal(
        "04.bug_up",
        title="Where the noise has to come from",
        text="The start. The image was called level 0, and level 0 has a little noise. On the way up that tiny noise is what"
        " grows into the large one; without it, the flat black ground has nothing to grow from.",
        code="x = schedule.at(0).noised(real, torch.randn_like(real))",
    ),
]
