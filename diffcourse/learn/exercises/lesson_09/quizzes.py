"""The quiz of lesson 09."""

from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [
    Quiz(
        "09.end",
        title="Stable Diffusion in practice",
        questions=[
            Question(
                "A picture takes 40 s at 50 steps and guidance 7.5. About how long does it take with guidance 1 and 25 steps, all else "
                "equal?",
                options=[
                    Option(
                        "20 s", "That is the fewer steps. With guidance 1 each of them also asks for one branch alone."
                    ),
                    Option(
                        "10 s",
                        "Half the steps, and one call in the place of two: the U-Net is nearly all of the work.",
                        right=True,
                    ),
                    Option(
                        "40 s, since the decoder does most", "The decoder runs once, for a few percent of the work."
                    ),
                    Option("5 s", "Two halves make a quarter of the calls, not an eighth."),
                ],
            ),
            Question(
                "Image-to-image with 40 steps and strength 0.25. What happens?",
                options=[
                    Option(
                        "All 40 steps are taken, but each goes only a quarter of its way, from the picture on",
                        "The steps keep their levels; only the noisiest ones are left out.",
                    ),
                    Option(
                        "The first 10 steps of the 40 are taken, from pure noise, and the picture is added at the end",
                        "The picture would not be in it. It enters by being noised to a middle level.",
                    ),
                    Option(
                        "The picture is noised to where the last 10 steps begin, and these are taken",
                        "A quarter of the walk, at its quiet end: only fine things are drawn anew.",
                        right=True,
                    ),
                    Option(
                        "A mean of one quarter new picture and three quarters given one",
                        "Nothing is averaged: strength is a level of noise.",
                    ),
                ],
            ),
            Question(
                "Inpainting, the usual way: why is the known part put back with noise, at every level but the last?",
                options=[
                    Option(
                        "So that the known part changes a little as well, and its edges fit to what is drawn",
                        "It does not change: at the last level it is put back clean.",
                    ),
                    Option(
                        "So that all of x looks to the network like a picture at that level",
                        "It was trained on pictures that are equally noisy everywhere. Whether another paste does better is a "
                        "matter of measuring, as in part 5.",
                        right=True,
                    ),
                    Option(
                        "So that the sampler does not divide by zero where the picture is clean",
                        "No division depends on what is pasted.",
                    ),
                ],
            ),
            Question(
                "A LoRA is scaled to 0 after training, a ControlNet is multiplied by 0, and a new word is not used in the prompt. Which "
                "pictures are those of the model before?",
                options=[
                    Option(
                        "All three, to rounding",
                        "Each is an addition that can be taken away: nothing of the model itself was changed.",
                        right=True,
                    ),
                    Option(
                        "Only the ControlNet's, since its copy was trained apart",
                        "LoRA leaves the frozen weight alone, too, and the new word is one more row of a table.",
                    ),
                    Option(
                        "None: the U-Net was trained in all three",
                        "It was frozen in all three.",
                    ),
                    Option(
                        "Only the word's",
                        "With its scale at 0, W + 0·BA is W.",
                    ),
                ],
            ),
            Question(
                "You exchange PNDM for DPM++ 2M and get other pictures from the same seed. Which sentence is right?",
                options=[
                    Option(
                        "Both follow the same way with other errors; with many steps they come together",
                        "Both are methods for one ODE, which the network and the start determine.",
                        right=True,
                    ),
                    Option(
                        "The seed means another noise to another sampler",
                        "The start is the same; neither of the two draws anything on its way.",
                    ),
                    Option(
                        "Each sampler draws from a distribution of its own",
                        "They solve the same equation, more or less exactly.",
                    ),
                ],
            ),
        ],
    ),
]
