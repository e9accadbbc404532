"""Answers of lesson 01 that a reader looks for herself."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "01.bug_mixture",
        title="Why the area is not 1",
        text="The weights are missing: the sum over z is of p(z)·p(x | z), and p(z = k) = πₖ. Each bump has area 1, so without weights "
        "all of them together have as many as there are bumps. The weights are the prior, and cannot be left out.",
        code="p = (mix.weights[:, None] * bumps).sum(dim=0)",
    ),
    Reveal(
        "01.bug_kl",
        title="What is wrong with the tutorial's bound",
        text="Two things. The first term is not log p(x), but the mean of log p(x | z) over draws of q: how well codes of q explain x. And "
        "a small KL to the prior is no merit: with q = prior it is 0, and q says nothing about x. What is missing to log p(x) is the KL "
        "to the true posterior.",
        code="bound = reconstruction - to_prior  # reconstruction: the mean of log p(x | z) over draws z of q",
    ),
    Reveal(
        "01.kl_derived",
        title="The KL, line by line",
        text="One coordinate: log q − log p = −½ log σ² − (z − μ)²/(2σ²) + z²/2. Average over q: the second term gives −½, the third "
        "(μ² + σ²)/2. Together ½(μ² + σ² − 1 − log σ²). Coordinates are independent, so log q and log p are sums over them, and the "
        "KLs add.",
    ),
    Reveal(
        "01.bug_sigma",
        title="Which factor the noise needs",
        text="A factor enters a variance squared. He multiplies by the variance 0.25, and gets 0.0625. σ is the standard deviation, and σ² "
        "the variance: the factor is the root. From the log-variance it is the exponential of its half.",
        code="drawn = variance.sqrt() * noise  # the same as torch.exp(0.5 * variance.log()) * noise",
    ),
    Reveal(
        "01.bug_sample",
        title="Where the gradient is lost",
        text="`sample` hands out a number without a history: the loss no longer knows that it came from the encoder. `rsample` writes the "
        "very same draw as mean + std·noise, and keeps the history. So does your reparameterize.",
        code="z = torch.distributions.Normal(mean, 0.5).rsample()",
    ),
    Reveal(
        "01.bug_bce",
        title="Why this loss has no floor",
        text="Cross-entropy wants targets from 0 to 1, and black is −1 here. For such a target it goes on falling as the logit does: paint "
        "all black, ever blacker. Without logits PyTorch would have refused target and output alike. Bring the pixels to 0 or 1 first.",
        code="pixels = data.binarise(grey, rng)  # then the cross-entropy",
    ),
    Reveal(
        "01.bug_init",
        title="Why there are no parameters",
        text="There is no `__init__`: nobody has made the layers that `encode` calls. Python notices when `encode` runs, an optimiser at "
        "once: it gets an empty list of parameters.",
    ),
    Reveal(
        "01.bug_slice",
        title="Which digits these are",
        text="This file is sorted by label: its first 200 digits are 100 zeros and 100 ones, and ones are cheap. MNIST's own files are not "
        "sorted, and no random order either: its first 1,000 test digits have less ink (0.122) than all 10,000 (0.1325), and the shipped "
        "card was once 1.4 nats too good for that reason. Draw at random, and say with which seed.",
        code="some = data.binarise(digits.take(200, seed=0).images, rng)",
    ),
]
