"""Questions on lesson 05b: CLIP's loss and its temperature, the causal text encoder, attention by hand."""

from diffcourse.learn.bank import BankQuestion
from diffcourse.learn.exercise import Option, Question

QUESTIONS = [
    BankQuestion(
        "05b.mc_hot",
        Question(
            "A trained CLIP is tested on batches of 32 pairs. Somebody sets its temperature τ to a million. What "
            "becomes of its contrastive loss?",
            [
                Option(
                    "It stays: the order of the captions is the same at every τ",
                    "The order stays, and with it the share of right answers. The loss also asks how sure they are.",
                ),
                Option(
                    "It goes to ln 32",
                    "All scores become nearly 0, so all 32 captions seem equally likely.",
                    right=True,
                ),
                Option(
                    "It goes to 0",
                    "That is what a very small τ does, where every right caption has the highest score.",
                ),
                Option(
                    "It grows without end",
                    "It would at a tiny τ, where some caption is wrong and the model is sure of it.",
                ),
            ],
        ),
        items=["C198"],
    ),
    BankQuestion(
        "05b.mc_last_word",
        Question(
            "You exchange the last word of a prompt for another, both of them one token. Which of the 77 rows "
            "change that CLIP's text encoder hands to the U-Net?",
            [
                Option("That word's row alone", "So it is in the table of embeddings, before the encoder."),
                Option("All 77 rows", "In a text encoder that looks both ways, as BERT does. CLIP's looks back only."),
                Option(
                    "That of the end token alone",
                    "It does change, as it reads the whole sentence. But so does the word itself.",
                ),
                Option(
                    "Its own and all behind it",
                    "End token and padding have read it as well; what stands before cannot see it.",
                    right=True,
                ),
            ],
        ),
        items=["C196", "C200"],
    ),
    BankQuestion(
        "05b.mc_by_hand",
        Question(
            "One query meets two keys. After the division by √d its scores are 0 and ln 3; the values are 0 and "
            "8. What does attention give?",
            [
                Option("6", "exp gives 1 and 3, so the weights are ¼ and ¾.", right=True),
                Option("8", "That takes the best key alone, as an ordinary dictionary would."),
                Option("4", "That is the plain mean, as if both scores were equal."),
                Option("24", "The weights are not brought to the sum 1 there: 3·8."),
            ],
        ),
        items=["C204"],
    ),
    BankQuestion(
        "05b.mc_small_cosines",
        Question(
            "A CLIP finds the right caption among 32 in 99 % of all cases. Yet the cosine of an image and its "
            "own caption is about 0.3. Is something wrong?",
            [
                Option(
                    "Yes: a cosine of 0.3 means that it is right three times in ten",
                    "A cosine is no probability. That comes from the softmax over all rivals.",
                ),
                Option(
                    "Yes: after training, pairs should have a cosine of nearly 1",
                    "The loss is small as soon as each pair is ahead of its rivals by many τ.",
                ),
                Option(
                    "No, if the cosines with other captions are lower still",
                    "The quiz is won by the highest score, and a small τ makes a small lead decisive.",
                    right=True,
                ),
                Option(
                    "No: the cosine between image and text has no meaning at all",
                    "It has one: compared with those of other captions it says which fits best.",
                ),
            ],
        ),
        items=["C197"],
    ),
    BankQuestion(
        "05b.mc_one_head",
        Question(
            "A layer of cross-attention with 8 heads of 64 numbers is replaced by one with a single head of 512. "
            "What changes?",
            [
                Option(
                    "There are eight times fewer weights to learn",
                    "Q, K and V are 512 numbers wide in both, so their matrices are equally large.",
                ),
                Option(
                    "Each place looks at the words in one way, where it had eight",
                    "As many parameters, but one softmax: it can no longer look at different words for different "
                    "reasons.",
                    right=True,
                ),
                Option(
                    "The output becomes eight times as narrow",
                    "The heads are joined side by side: 8·64 numbers are 512.",
                ),
                Option(
                    "Nothing: eight heads side by side are the same function as one wide head",
                    "They would be without the softmax. It is taken for each head, of that head's own scores.",
                ),
            ],
        ),
        items=["C205"],
    ),
]
