"""How good are generated digits? Every number comes with the floor or ceiling that makes it readable.

Judge and eye are the shipped `mnist-classifier`. Right: the judge reads the digit that was asked for. Recognisable: it is more than
90 % sure. Distance: the Fréchet distance to the 10,000 test digits on the classifier's features, next to its floor, the same distance for
as many real training digits. Distances on these features compare with each other only, not with the FID of papers. Precision and recall:
how much of what is drawn looks real, and how much of what is real can be drawn; the ceiling is what real digits score. Density and
coverage ask the same, and one odd image does not fool them. A second judge, `mnist-lenet`, shows what hangs on the taste of the first.
A judge may read through blur: `look` counts ink and grey pixels; `nearest` finds copies, `label_balance` digits that are drawn too often.
Prompt accuracy: of captioned scenes, how many show the digit, ink, size, background and position that their caption names. Retrieval and
zero-shot reading tell how well a CLIP knows which caption belongs to which scene. For data of your own, points or images of any size,
`compare` gives distance, floor, precision, recall, density and coverage in one call.

Images are tensors (N, C, H, W) of finite floating-point numbers in [-1, 1], points and features tensors (N, D) of finite numbers: anything
else is refused in a sentence, ValueError or TypeError, and never scored.
"""

from diffcourse.metrics.clip import Retrieval, retrieval, zero_shot
from diffcourse.metrics.digits import (
    MNIST_SHARES,
    REFERENCE,
    Accuracy,
    Balance,
    density_coverage,
    distance,
    features,
    floor,
    judge,
    label_accuracy,
    label_balance,
    precision_recall,
    probabilities,
    second_judge,
)
from diffcourse.metrics.pixels import Look, look, nearest
from diffcourse.metrics.points import (
    Alike,
    Comparison,
    DensityCoverage,
    Distance,
    PrecisionRecall,
    alike,
    compare,
    covered,
    expected_coverage,
    frechet_distance,
    populated,
    statistics,
)
from diffcourse.metrics.scenes import PromptAccuracy, prompt_accuracy, read_scene

__all__ = [
    "MNIST_SHARES",
    "REFERENCE",
    "Accuracy",
    "Alike",
    "Balance",
    "Comparison",
    "DensityCoverage",
    "Distance",
    "Look",
    "PrecisionRecall",
    "PromptAccuracy",
    "Retrieval",
    "alike",
    "compare",
    "covered",
    "density_coverage",
    "distance",
    "expected_coverage",
    "features",
    "floor",
    "frechet_distance",
    "judge",
    "label_accuracy",
    "label_balance",
    "look",
    "nearest",
    "populated",
    "precision_recall",
    "probabilities",
    "prompt_accuracy",
    "read_scene",
    "retrieval",
    "second_judge",
    "statistics",
    "zero_shot",
]
