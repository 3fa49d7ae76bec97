"""Passage tokens averaged inside of a decoder, between its layers: fewer of them for the layers that follow.

After FlagEmbedding's lightweight reranker (`token_compress`) and the Matryoshka re-ranker; for any decoder of
transformers 5 that has embed_tokens, rotary_emb, layers and norm (Llama, Gemma 2, Qwen, Granite).
"""

from collections.abc import Sequence
from typing import Any

import torch

from workbench.errors import BadInput


def merged(
    hidden: torch.Tensor, lengths: torch.Tensor, spans: torch.Tensor, ratio: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Passage tokens averaged in consecutive groups of `ratio`, everything else kept.

    `hidden` (b, s, h), padded on the right; `lengths` (b,) its real tokens; `spans` (b, 2) first and one past the last
    passage token. Returns the new three. The last group averages only the tokens that it has.
    """
    rows, new_spans = [], spans.clone()
    for row in range(hidden.shape[0]):
        start, stop, length = int(spans[row, 0]), int(spans[row, 1]), int(lengths[row])
        groups = [group.mean(0, keepdim=True) for group in hidden[row, start:stop].split(ratio)] if stop > start else []
        new_spans[row, 1] = start + len(groups)
        rows.append(torch.cat([hidden[row, :start], *groups, hidden[row, stop:length]]))
    new_lengths = torch.tensor([len(row) for row in rows], device=lengths.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), new_lengths, new_spans


def run_layers(
    trunk: Any, tokens: torch.Tensor, lengths: torch.Tensor, spans: torch.Tensor, merges: Sequence[int], ratio: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """((b, s', h) normed output of the last layer, (b,) real tokens), merging before each layer of `merges`.

    Without merges it is what `trunk` itself computes: `check_runs` makes sure of it for each architecture.
    """
    hidden = trunk.embed_tokens(tokens) * getattr(trunk, "embedding_multiplier", 1.0)
    around = surroundings(trunk, hidden, lengths)
    for number, layer in enumerate(trunk.layers):
        if number in merges and ratio > 1:
            hidden, lengths, spans = merged(hidden, lengths, spans, ratio)
            around = surroundings(trunk, hidden, lengths)
        masks, positions, rotation = around
        kinds = getattr(trunk.config, "layer_types", None)
        mask = masks[kinds[number] if kinds else "full_attention"]
        output = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotation)
        hidden = output[0] if isinstance(output, tuple) else output
    return trunk.norm(hidden), lengths


def surroundings(trunk: Any, hidden: torch.Tensor, lengths: torch.Tensor) -> tuple[dict[str, Any], torch.Tensor, Any]:
    """(attention masks by kind of layer, position ids, rotations) for states of this shape."""
    from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask

    positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
    given = {
        "config": trunk.config,
        "inputs_embeds": hidden,
        "attention_mask": (positions < lengths[:, None]).long(),
        "past_key_values": None,
        "position_ids": positions,
    }
    masks = {"full_attention": create_causal_mask(**given)}
    if "sliding_attention" in (getattr(trunk.config, "layer_types", None) or ()):
        masks["sliding_attention"] = create_sliding_window_causal_mask(**given)
    return masks, positions, trunk.rotary_emb(hidden, position_ids=positions)


def check_runs(trunk: Any, name: str) -> None:
    """Raise `BadInput` where our way through the layers does not give what the model's own gives."""
    device = next(trunk.parameters()).device
    tokens = torch.arange(5, 17, device=device).unsqueeze(0)
    lengths, spans = torch.tensor([12], device=device), torch.tensor([[2, 9]], device=device)
    try:
        with torch.inference_mode():
            ours, _ = run_layers(trunk, tokens, lengths, spans, (), 1)
            own = trunk(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).last_hidden_state
        close = bool(torch.allclose(ours.float(), own.float(), rtol=0.02, atol=0.02 * float(own.float().abs().max())))
    except (AttributeError, TypeError, KeyError, ValueError, RuntimeError):
        close = False
    if not close:
        raise BadInput(
            f"Tokens cannot be merged inside of “{name}”: the layers of {type(trunk).__name__} are not run one by one "
            "as those of Llama, Gemma 2, Qwen or Granite.",
            "Leave compress_layers empty, or set compress_ratio to 1.",
        )
