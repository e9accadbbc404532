"""Questions on lesson 06: the formula by hand, what is learnt by dropping labels, and where guidance matters."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "06.mc_formula",
        Question(
            "In one pixel the network predicts the noise 0.2 without a label and 0.5 with it. What is the guided "
            "prediction at w = 3, in the convention where w = 1 is the plain conditional model?",
            [
                Option("1.1", "0.2 + 3·(0.5 − 0.2).", right=True),
                Option(
                    "1.4",
                    "That starts at the conditional one, 0.5 + 3·0.3: the other convention, with 0 for the plain "
                    "model.",
                ),
                Option("1.5", "That is 3·0.5: the unconditional answer has to be left behind, not forgotten."),
                Option("0.9", "That is the walk alone, 3·0.3, without the place where it starts."),
            ],
        ),
        items=["C222"],
    ),
    BankQuestion(
        "06.mc_all_dropped",
        Question(
            "By a slip `drop_prob` was 1.0 in a long training. What do you get from this model?",
            [
                Option(
                    "Good digits as asked at w = 1, but guidance has no effect",
                    "The rows of the labels were never used in training. From where should it know them?",
                ),
                Option(
                    "Nothing but noise, whatever the scale is",
                    "It was trained, and on all images: only never with a label.",
                ),
                Option(
                    "Good digits in no order at w = 0; labels lead nowhere",
                    "It is an unconditional model, with ten rows of random numbers that no training has touched.",
                    right=True,
                ),
                Option(
                    "Good digits as asked only from w = 2 on, where the weak labels are heard",
                    "Guidance makes more of a difference that was learnt. Here none was.",
                ),
            ],
        ),
        items=["C227", "C231"],
    ),
    BankQuestion(
        "06.mc_nothing_to_say",
        Question(
            "Late in sampling, at little noise, x shows a clear 3, and a 3 was asked for. What does guidance "
            "with w = 7.5 change in this step?",
            [
                Option(
                    "As much as in any other step: it always multiplies by 7.5",
                    "It multiplies a difference. How large is that here?",
                ),
                Option(
                    "More than at high noise, since the digit is sharp now",
                    "A sharp digit tells the network what it is, with or without the label.",
                ),
                Option(
                    "Nothing at all: samplers turn it off at little noise",
                    "Some do, to save calls (an interval of noise levels). It is not part of guidance itself.",
                ),
                Option(
                    "Next to nothing, for both predictions agree",
                    "The picture itself tells the label, so ε_c − ε∅ is small, and so is 7.5 times it.",
                    right=True,
                ),
            ],
        ),
        items=["C223"],
    ),
    BankQuestion(
        "06.mc_implicit_classifier",
        Question(
            "A network predicts ε∅ without a label and ε_c with it, at noise level σ. What is (ε∅ − ε_c)/σ?",
            [
                Option(
                    "The gradient of log p(x): where pictures are likely",
                    "That is −ε∅/σ, the score of the unconditional model.",
                ),
                Option(
                    "The gradient of log p(c | x): a classifier's",
                    "Scores are −ε/σ, and log p(x | c) − log p(x) is log p(c | x) but for a constant.",
                    right=True,
                ),
                Option(
                    "The gradient of log p(x | c): pictures of this label",
                    "That is −ε_c/σ. The other prediction is taken away from it here.",
                ),
                Option(
                    "The gradient of log p(c): how frequent the label is",
                    "It does not depend on x, so its gradient is 0.",
                ),
            ],
        ),
        items=["C221"],
    ),
    BankQuestion(
        "06.mc_beyond",
        Question(
            "At some noise level the score on a line is −x without a label, and 1 − x with the label c: two "
            "Gaussians of variance 1, centred at 0 and at 1. Where is the guided score zero, at w = 3?",
            [
                Option(
                    "At 1: where c is, only more narrowly",
                    "Both scores are equally steep, so guidance adds the same push everywhere and makes nothing "
                    "narrower.",
                ),
                Option(
                    "At 0.75: between the two, three to one",
                    "Between them lies what w below 1 gives. This goes beyond.",
                ),
                Option(
                    "At 3: three times as far as c itself",
                    "−x + 3·(1 − x + x) = 3 − x: guidance overshoots.",
                    right=True,
                ),
                Option(
                    "At 4: three steps on from where c is",
                    "That is the other convention, in which 0 is the plain model.",
                ),
            ],
        ),
        items=["C235"],
    ),
]
