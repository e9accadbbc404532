"""How good are generated digits? Every number comes with the floor or ceiling that makes it readable.

Judge and eye are the shipped `mnist-classifier`. Right: the judge reads the digit that was asked for. Recognisable: it is more than
90 % sure. Distance: the Fréchet distance to the 10,000 test digits on the classifier's features, next to its floor, the same distance for
as many real training digits. Distances on these features compare with each other only, not with the FID of papers. Precision and recall:
how much of what is drawn looks real, and how much of what is real can be drawn; the ceiling is what real digits score. Prompt accuracy: of
captioned scenes, how many show the digit, ink, size, background and position that their caption names. Retrieval and zero-shot reading
tell how well a CLIP knows which caption belongs to which scene. For data of your own, points or images of any size, `compare` gives
distance, floor, precision and recall in one call.

Images are tensors (N, C, H, W) of finite floating-point numbers in [-1, 1], points and features tensors (N, D) of finite numbers: anything
else is refused in a sentence, ValueError or TypeError, and never scored.
"""

from diffcourse.metrics.clip import Retrieval, retrieval, zero_shot
from diffcourse.metrics.digits import (
    REFERENCE,
    Accuracy,
    distance,
    features,
    floor,
    judge,
    label_accuracy,
    precision_recall,
    probabilities,
)
from diffcourse.metrics.points import (
    Alike,
    Comparison,
    Distance,
    PrecisionRecall,
    alike,
    compare,
    covered,
    frechet_distance,
    statistics,
)
from diffcourse.metrics.scenes import PromptAccuracy, prompt_accuracy, read_scene

__all__ = [
    "REFERENCE",
    "Accuracy",
    "Alike",
    "Comparison",
    "Distance",
    "PrecisionRecall",
    "PromptAccuracy",
    "Retrieval",
    "alike",
    "compare",
    "covered",
    "distance",
    "features",
    "floor",
    "frechet_distance",
    "judge",
    "label_accuracy",
    "precision_recall",
    "probabilities",
    "prompt_accuracy",
    "read_scene",
    "retrieval",
    "statistics",
    "zero_shot",
]
