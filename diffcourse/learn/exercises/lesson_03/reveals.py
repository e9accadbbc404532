"""Answers that lesson 03 leaves folded."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "03.bug_dim",
        title="The waves that nobody counted",
        text="Half minus one is 0 for d = 2, and the message speaks of a division. For d = 7 half is rounded down, six columns come "
        "out, and the layer behind fails, far from here. A guard costs two lines.",
        code='if dim < 4 or dim % 2:\n    raise ValueError(f"dim must be even and at least 4, got {dim}")',
    ),
    Reveal(
        "03.bug_join",
        title="A skip that skips nothing",
        text="The deepest tensor is joined with itself: it was stored after the stride and went up as well, so half of the channels "
        "are copies. And nothing of full size is carried over: the detail that skips are for is gone. Store before the stride. "
        "Then what comes from below must be enlarged before it is joined, so the blocks on the way up change their order.",
    ),
    Reveal(
        "03.bug_norm",
        title="The silent one",
        text="BatchNorm mixes images of different times. Beside it, the ReLU on the time can only push features up. Your ResBlock "
        "mends both: GroupNorm, and a scale and shift that may have either sign.",
    ),
    Reveal(
        "03.bug_table",
        title="Which numbers are to blame",
        text="The table is float64, and whatever it multiplies becomes float64 too; the network's weights are float32. On a GPU it "
        "gets worse: the table stays behind, and each lookup waits for a transfer. schedule.at looks up once, in float64, and "
        "moves the few numbers found to the images' type and device.",
        code="at = schedule.at(t, like=x0)\nx_t = at.alpha * x0 + at.sigma * noise",
    ),
    Reveal(
        "03.two_errors",
        title="The two errors",
        text="The blur sets in around t = 700. The image's error grows with t, the noise's falls: at high noise nearly all of the "
        "input is the noise.",
    ),
]
