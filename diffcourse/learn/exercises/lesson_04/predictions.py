"""What lesson 04 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "04.rows",
        title="Calls of the rows",
        question="Which row took 2 calls of the network, which 5, which 10, which 50?",
        kind="order",
        options=["2 calls", "5 calls", "10 calls", "50 calls"],
        mixed=True,
    ),
    Prediction(
        "04.jump_variance",
        title="Fresh noise with η = 1, from t = 780 to 760",
        question="The trained chain adds noise of variance 0.0156 from t = 780 to 779. DDIM with η = 1 and 50 steps goes from 780 "
        "to 760. Which variance does it add there?",
        close=1.5,
    ),
    Prediction(
        "04.width",
        title="Width of the samples after 5 steps",
        question="The two hills have the standard deviation 1.298. The denoiser is exact, η = 0. Which standard deviation have samples "
        "made in 5 steps?",
        scale="difference",
        close=0.1,
    ),
    Prediction(
        "04.bug_when",
        title="When it fails",
        question="50 steps are asked for. Does `sloppy_ddim` fail, and when?",
        kind="choice",
        options=[
            "At the first call of the network",
            "Half way, when x has grown too large",
            "After the last call of the network",
            "Not at all",
        ],
    ),
    Prediction(
        "04.asked_300",
        title="Steps that run where 300 are asked for",
        question="300 steps of 1000 are asked for. How many does `sloppy_ddim` take?",
        close=1.03,
    ),
    Prediction(
        "04.copies",
        title="Zero at η = 0",
        question="Which of the two spreads is 0 at η = 0?",
        kind="choice",
        options=["The repeat spread", "The total spread", "Both", "Neither"],
    ),
    Prediction(
        "04.race",
        title="From the smallest error to the largest, at 10 steps",
        question="Equal steps, an exact denoiser. Put the four into the order of their errors at 10 steps, smallest first.",
        kind="order",
        options=["DDIM", "Heun", "LMS", "DPM-Solver++"],
        why="At 320 steps the order is another one: look at the right end of the lines.",
    ),
    Prediction(
        "04.ancestral",
        title="An old acquaintance",
        question="Euler a is the favourite of the menus. Which sampler of this lesson is it, on the same levels?",
        kind="choice",
        options=["DDIM with η = 0", "DDIM with η = 1", "DPM-Solver++ with fresh noise", "None of them"],
    ),
    Prediction(
        "04.more_calls",
        title="DPM-Solver++ from 10 calls to 50",
        question="By how many floors does the distance to real digits fall? (Give a minus if it grows.)",
        scale="difference",
        close=0.1,
        digits=2,
    ),
    Prediction(
        "04.gap",
        title="The one that minds",
        question="On linspace the step to t = 0 is 3.64 wide in λ, the one before it 0.77. Which sampler's width goes most wrong?",
        kind="choice",
        options=["DDIM", "Heun", "LMS", "DPM-Solver++"],
    ),
    Prediction(
        "04.karras",
        title="DDPM with 20 calls, on levels of ρ = 7 in place of even times",
        question="How do its digits change?",
        kind="choice",
        options=["They come nearer to real ones", "Nothing that ten seeds show", "They go farther away"],
    ),
    Prediction(
        "04.nearer_end",
        title="The end whose spread is nearer to that of the data",
        question="Scaled-linear schedule, 50 steps of DDIM, the exact toy of spread 0.1. Which end gives the spread that is nearer to 0.1?",
        kind="choice",
        options=["Ending at index 0", "Ending at the clean image"],
    ),
    Prediction(
        "04.there_and_back",
        title="Error there and back of the 3, with 50 steps over that with 100",
        question="The steps each way are doubled, from 50 to 100. By what factor does the error there and back of the 3 fall?",
        close=1.25,
    ),
    Prediction(
        "04.half_way",
        title="Length half way on the straight line",
        question="Two independent noises of 784 pixels have a length of about 28. How long is the point half way between them?",
        close=1.1,
    ),
]
