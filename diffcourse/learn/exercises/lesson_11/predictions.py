"""What lesson 11 has its reader predict."""

from diffcourse.learn.exercise import Prediction

PREDICTIONS = [
    Prediction(
        "11.waiting",
        title="Patients by their points",
        question="Six panels, A to F, in an order of your own. Two diffusion models: their factors of image and noise are swapped in the "
        "training; their data are pixels from 0 to 255. Four VAEs: no noise is added to the code; the code is drawn, but no gradient "
        "goes through the draw; the KL counts 30 times; it counts a thousandth. Give the letters in this order.",
        kind="order",
        options=[
            "forward swapped",
            "pixels not normalised",
            "no noise in the code",
            "no gradient",
            "KL ×30",
            "KL ×0.001",
        ],
        mixed=True,
    ),
    Prediction(
        "11.strangers",
        title="Strangers whose training is wrong",
        question="Five trainings, by Ada, Ben, Cleo, Dan and Eve; two of them predict something else than the noise on purpose or by "
        "mistake. How many of the five are wrong?",
        scale="difference",
        close=1,
        digits=1,
    ),
    Prediction(
        "11.early",
        title="Where ten epochs and 140 differ most",
        question="mnist-ddpm-early is mnist-ddpm after 10 of its 140 epochs. At which noise does its error, of the predicted noise, "
        "exceed the other's by the largest factor?",
        kind="choice",
        options=["little noise, t below 50", "in the middle, t from 100 to 500", "much noise, t above 600"],
    ),
    Prediction(
        "11.gus",
        title="Deviation of samples whose noise is added by its variance",
        question="Five samplers get a perfect network, for pixels N(0.3, 0.4²). Gus adds beta times z in each step, where the root of "
        "beta belongs. What standard deviation do his samples have?",
        close=2,
        digits=2,
    ),
    Prediction(
        "11.codes",
        title="Codes that survive a KL weight of 10",
        question="A linear VAE with 64 codes, on digits, whose decoder has a noise of 0.3 for every pixel. With the KL's weight at 1 it "
        "uses all 64. How many does it use at 10?",
        close=2,
        digits=2,
    ),
    Prediction(
        "11.luck",
        title="Examples that an unpaired comparison takes",
        question="Two checkpoints are compared on the same images, levels and noise. How many times as many examples would it take for "
        "the same interval, if each of the two drew its own?",
        close=3,
        digits=2,
    ),
    Prediction(
        "11.feature",
        title="The feature by which drawn shapes are nearer to real ones",
        question="Discs, squares and triangles in four inks, drawn by the network of this part. Two features judge them, each as a "
        "multiple of what real pictures score: the mean colours on a grid of 3 by 3, and the strongest edges. By which do the drawn ones "
        "come nearer to the real ones?",
        kind="choice",
        options=["colours", "edges", "both alike"],
    ),
]
