"""What was wrong in the code that lesson 10 shows."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "10.bug_first",
        title="Why Ada's digits seem to spend too much ink",
        text="The first digits of MNIST's test set are no fair sample of it. They were written by other people than the last ones, with "
        "less ink: 0.122 in the first thousand, 0.143 in the last five thousand, 0.1325 in all. A thousand drawn with a seed have no "
        "such bias. The same trap waits in every file that somebody once sorted.",
        code="real = mnist_test.take(1000, seed=0).images",
    ),
    Reveal(
        "10.bug_seed",
        title="What is wrong with Bob's comparison",
        text="He trained the GAN five times and kept the training with the smallest distance; the other model had one try. The smallest "
        "of five draws is small, whatever it is drawn from: even a family that is no better wins this way in five of six comparisons. And "
        "the scatter between trainings, which is the answer to the question whether GANs are stable, went into the bin. Report "
        "all seeds, or choose by a rule that does not look at the test.",
        code="others = [distance_of(train_other(seed)) for seed in range(5)]    # five tries for each, and then the interval",
    ),
]
