"""CLIP's text transformer, at any size: the numbers of tokens in, a vector for each of them out (Radford et al. 2021, section 2.4).

Parameters and settings have the names that they have in transformers' `CLIPTextModel` and its files, so the small text half of the
lessons and the one of Stable Diffusion 1.x, with 123 million parameters, are the same code.
"""

from collections.abc import Iterator
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import number, one_of, told, whole
from diffcourse.models.layers import check_channels

ACTIVATIONS = {
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu": F.gelu,
}  # the first is OpenAI's, Stable Diffusion 1.x's
HIGHEST_IS_THE_END = 2  # an eos_token_id that old files of OpenAI's CLIPs have, whose end token is their largest number


class Attention(nn.Module):
    """softmax(Q Kᵀ/√d) V for each head; causal: position n looks at positions 1 to n alone. h (B, L, D) -> the same shape."""

    def __init__(self, dim: int, heads: int, causal: bool, start: float):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q_proj, self.k_proj, self.v_proj = (drawn(nn.Linear(dim, dim), start) for _ in range(3))
        self.out_proj = drawn(nn.Linear(dim, dim), dim**-0.5)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (self._split(proj(h)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        h = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(h.transpose(1, 2).flatten(2))

    def weights(self, h: Tensor) -> Tensor:
        """softmax(Q Kᵀ/√d), (B, heads, L, L): how much position n looks at position l. Each row sums to 1."""
        q, k = self._split(self.q_proj(h)), self._split(self.k_proj(h))
        scores = q @ k.mT * q.shape[-1] ** -0.5
        ahead = torch.ones_like(scores, dtype=torch.bool).triu(1)
        return (scores.masked_fill(ahead, -torch.inf) if self.causal else scores).softmax(dim=-1)

    def _split(self, h: Tensor) -> Tensor:
        return h.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, L, d)


class MLP(nn.Module):
    """Each position by itself: (…, D) -> wider, an activation, back."""

    def __init__(self, dim: int, inner: int, activation: str, start: float):
        super().__init__()
        self.fc1, self.fc2 = drawn(nn.Linear(dim, inner), (2 * dim) ** -0.5), drawn(nn.Linear(inner, dim), start)
        self.activation = activation

    def forward(self, h: Tensor) -> Tensor:
        return self.fc2(ACTIVATIONS[self.activation](self.fc1(h)))


class Layer(nn.Module):
    """Positions look at each other, then think, each after a layer norm and beside a skip: h (B, L, D) -> the same shape."""

    def __init__(self, dim: int, inner: int, heads: int, activation: str, eps: float, causal: bool, start: float):
        super().__init__()
        self.self_attn, self.mlp = Attention(dim, heads, causal, start), MLP(dim, inner, activation, start)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.self_attn(self.layer_norm1(h))
        return h + self.mlp(self.layer_norm2(h))


class Encoder(nn.Module):
    """A tower of layers. h (B, L, D) -> the same shape."""

    def __init__(self, dim: int, inner: int, layers: int, heads: int, activation: str, eps: float, causal: bool):
        super().__init__()
        check_channels("hidden_size", dim, whole("num_attention_heads", heads, 1))
        sizes = dim, whole("intermediate_size", inner, 1), heads, one_of("hidden_act", activation, ACTIVATIONS)
        start = (2 * dim * whole("num_hidden_layers", layers, 1)) ** -0.5  # a deeper tower starts with quieter layers
        more = number("layer_norm_eps", eps, 0), causal, start
        self.layers = nn.ModuleList([Layer(*sizes, *more) for _ in range(layers)])

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = layer(h)
        return h

    def states(self, h: Tensor) -> Iterator[Tensor]:
        """What goes into each layer, and what comes out of the last."""
        yield h
        for layer in self.layers:
            yield (h := layer(h))

    def attention(self, h: Tensor) -> Tensor:
        """(layers, B, heads, L, L): each layer's `Attention.weights`."""
        pairs: Iterator[tuple[Any, Tensor]] = zip(
            self.layers, self.states(h), strict=False
        )  # the last state goes into none
        return torch.stack([layer.self_attn.weights(layer.layer_norm1(state)) for layer, state in pairs])


class TextEmbeddings(nn.Module):
    """A vector for each token and one for its place, added: ids (B, L) -> (B, L, D)."""

    def __init__(self, tokens: int, places: int, dim: int):
        super().__init__()
        self.token_embedding, self.position_embedding = (drawn(nn.Embedding(n, dim), 0.02) for n in (tokens, places))

    def forward(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class TextTransformer(nn.Module):
    """ids (B, L), token numbers of at most `max_position_embeddings` -> (B, L, D), a vector a token after the final layer norm.

        h = E[id] + P[place];  for each layer: h = h + Attention(norm(h)), h = h + MLP(norm(h));  states = norm(h)

    Attention is causal: the vector of a token knows what stands before it. Radford et al. 2021, section 2.4, after Radford et al. 2019.
    The arguments are called as in transformers' config.json; without any it is the text half of OpenAI's ViT-L/14, which Stable
    Diffusion 1.x reads. hidden_act: "quick_gelu" or "gelu". Start values are those of CLIP. `load_state_dict` takes the names of files
    too, in which text_model. stands before each. `config` are the arguments. ValueError or TypeError names one that cannot be.
    """

    def __init__(
        self,
        vocab_size: int = 49408,
        hidden_size: int = 768,
        intermediate_size: int = 3072,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        max_position_embeddings: int = 77,
        hidden_act: str = "quick_gelu",
        layer_norm_eps: float = 1e-5,
        bos_token_id: int | None = 49406,
        eos_token_id: int = 49407,
        pad_token_id: int | None = 49407,
    ):
        super().__init__()
        tower = hidden_size, intermediate_size, num_hidden_layers, num_attention_heads
        places, shape = whole("max_position_embeddings", max_position_embeddings, 1), (hidden_act, layer_norm_eps)
        self.embeddings = TextEmbeddings(
            whole("vocab_size", vocab_size, 1), places, whole("hidden_size", hidden_size, 1)
        )
        self.encoder = Encoder(*tower, *shape, causal=True)
        self.final_layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        ends = bos_token_id, whole("eos_token_id", eos_token_id), pad_token_id
        self.config: dict[str, Any] = dict(zip(SETTINGS, (vocab_size, *tower, places, *shape, *ends), strict=True))

    def forward(self, ids: Tensor) -> Tensor:
        return self.final_layer_norm(self.encoder(self._embedded(ids)))

    def hidden_states(self, ids: Tensor) -> list[Tensor]:
        """layers + 1 tensors (B, L, D): what goes into the first layer, and what comes out of each; none has seen the final norm.

        Programs with a "clip skip" of 2 read `final_layer_norm(hidden_states(ids)[-2])`.
        """
        return list(self.encoder.states(self._embedded(ids)))

    def attention(self, ids: Tensor) -> Tensor:
        """(layers, B, heads, L, L): how much each token looked at each, softmax(Q Kᵀ/√d); none looks ahead."""
        return self.encoder.attention(self._embedded(ids))

    def pooled(self, ids: Tensor) -> Tensor:
        """(B, D), the vector of the end token, which has read all of its text: the first `eos_token_id` of each row.

        Where that is 2, as in old files of OpenAI's CLIPs, it is the largest number of the row, as transformers has it.
        """
        states, end = self(ids), self.config["eos_token_id"]
        found = ids == (ids.amax(dim=1, keepdim=True) if end == HIGHEST_IS_THE_END else end)
        if not ids.is_meta and not (has := found.any(dim=1)).all():
            raise ValueError(f"ids must hold the end token {end} in every row; row {has.int().argmin()} has none")
        return states[torch.arange(len(ids), device=ids.device), found.int().argmax(dim=1)]

    @torch.no_grad()
    def resize_token_embeddings(self, n: int) -> None:
        """Places for n tokens: embeddings of new ones start at the mean of those that there are, and what is beyond n is lost."""
        old = self.embeddings.token_embedding
        new = nn.Embedding(whole("n", n, 1), old.embedding_dim, device=old.weight.device, dtype=old.weight.dtype)
        kept = min(n, len(old.weight))
        new.weight[:kept], new.weight[kept:] = old.weight[:kept], old.weight.mean(dim=0)
        self.embeddings.token_embedding = new.requires_grad_(old.weight.requires_grad)
        self.config["vocab_size"] = n

    def _embedded(self, ids: Tensor) -> Tensor:
        if not isinstance(ids, Tensor) or ids.ndim != 2 or ids.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"ids must be whole numbers (B, L), got {told(ids)}")
        most, places = (self.config[name] for name in ("vocab_size", "max_position_embeddings"))
        if ids.shape[1] > places:
            raise ValueError(f"ids must be (B, L) with L at most {places}, got {tuple(ids.shape)}")
        if not ids.is_meta and ids.numel() and not 0 <= ids.min() <= ids.max() < most:
            raise ValueError(f"ids must lie in [0, {most - 1}], got {ids.min()} to {ids.max()}")
        return self.embeddings(ids)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        for name in [name for name in state_dict if name.startswith(f"{prefix}text_model.")]:
            state_dict[prefix + name.removeprefix(f"{prefix}text_model.")] = state_dict.pop(name)
        state_dict.pop(f"{prefix}embeddings.position_ids", None)  # 0, 1, 2, …, which old files hold
        super()._load_from_state_dict(state_dict, prefix, *more)


SETTINGS = tuple(signature(TextTransformer).parameters)


def drawn(layer: Any, std: float) -> Any:
    """The layer with weights drawn anew, with this standard deviation, and a bias of zero if it has one."""
    nn.init.normal_(layer.weight, std=std)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
    return layer
