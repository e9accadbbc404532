"""The explorer of lesson 05b: a caption as CLIP reads it."""

import warnings
from functools import partial
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.checks import whole
from diffcourse.images import check_images
from diffcourse.models import CLIP
from diffcourse.widgets.explorer import INSIDE, Explorer, check_kind, examples, patient, slider


class CaptionExplorer(Explorer):
    """Type a caption: its tokens, how much the end token looks at each, how much each word counts, and the scenes that fit best.

    clip: a `CLIP`; images (N, C, H, W) to be searched. Word count: how much the cosine with the best scene falls if this word is left out.
    Words that the tokenizer does not hold whole are named below the picture; an empty caption is one, too.
    """

    EXAMPLES = (
        "a small red seven on a white background, top left",
        "a large white seven on a red background, bottom right",
        "a huge blue 3 on orange",
        "yellow",
        "",
    )

    def __init__(self, clip: CLIP, images: Tensor, caption: str = EXAMPLES[0], *, most: int = 4):
        if not isinstance(clip, CLIP):
            raise TypeError(f"clip must be a CLIP, got {type(clip).__name__}")
        check_kind("caption", caption, str)
        check_images(images), whole("most", most, 1)
        self._clip, self._images, self._most = clip, images, most
        with torch.no_grad():
            self._vectors = torch.cat([clip.encode_images(part) for part in patient(images.split(100), "images")])
        box = ipywidgets.Text(
            value=caption,
            description="caption",
            placeholder="type, then press Enter",
            continuous_update=False,
            layout=ipywidgets.Layout(width="40em", max_width=INSIDE),
        )
        layers = len(clip.text.text_model.encoder.layers)
        self.examples = examples(
            self.EXAMPLES, partial(setattr, box, "value"), ipywidgets.Layout(width="40em", max_width=INSIDE)
        )
        super().__init__(
            {"caption": box, "layer": slider("encoder layer", range(1, layers + 1), layers)},
            self.compute,
            self.draw,
            columns=1,
        )
        self.children = [self.examples, *self.children]

    @torch.no_grad()
    def compute(self, caption: str, layer: int) -> dict[str, Any]:
        """Tokens, `looks` (n,): the end token's attention in a layer, mean over heads; `counts` (n,); best scenes and cosines."""
        text = self._clip.text
        tokens = text.tokens(caption)
        without = [caption[:a] + caption[b:] if b > a else caption for a, b in text.spans(caption)]
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            looks = text.attention(caption)[layer - 1].mean(dim=0)[-1]
            told = [str(w.message) for w in told]  # of the caption alone
            vectors = self._clip.encode_texts([caption, *without])
        cosine = self._vectors @ vectors.T  # (N, 1 + n)
        left_out = torch.tensor([text != caption for text in without])
        best = cosine[:, 0].topk(min(self._most, len(cosine)))
        return {
            "caption": caption,
            "tokens": tokens,
            "looks": looks,
            "counts": torch.where(left_out, cosine[best.indices[0], 0] - cosine[best.indices[0], 1:], 0),
            "best": best.indices,
            "cosines": best.values,
            "told": list(dict.fromkeys(told)),
        }

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Bars for the tokens beside the scenes, and the same in words."""
        words = [plot.word(token.text) for token in a["tokens"]]
        cosines = [f"{v:.2f}" for v in a["cosines"].tolist()]
        bars = {"the end token looks here": a["looks"].tolist(), "left out, cosine falls by": a["counts"].tolist()}
        listed = ", ".join(f"{word} {token.id}" for word, token in zip(words, a["tokens"], strict=True))
        inner = list(zip(words, a["counts"].tolist(), strict=True))[1:-1]
        most = max(inner, key=lambda pair: pair[1])[0] if inner else "none"
        alt = f"{len(words)} tokens: {listed}. Best cosines {', '.join(cosines)}; the word that counts most: {most}. {' '.join(a['told'])}"
        return plot.found(words, bars, self._images[a["best"]], [f"cosine {c}" for c in cosines], alt=alt.strip())
