"""How much of each input step would arrive at each output step if only attention and residual sums moved information.

B batch, T steps, M modalities, H heads, K tracks, N bottleneck tokens of a step, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mmcore.probes.attention.maps import Seen

RESIDUAL = 0.5
"""Share that a residual sum lets pass beside attention: half, as the paper has it."""


def rollout(arrays: dict[str, np.ndarray], seen: Seen) -> np.ndarray:
    """Attention rollout with residual through the whole model: what a step's output holds of each input step.

    Shape: flow_BTT, outputs before inputs; the rows of valid steps sum to 1. Modalities of a step are taken together.

    Each layer makes ½ A R + ½ R of what came in, A being its mean over heads. Modalities are mixed with the weights
    that the trace shows, else in equal parts, of those usable at the step; heads that attend over time are one more
    layer. A query that may look at nothing keeps what it has.

    Args:
        arrays: of a :class:`mmcore.trace.Trace`. seen: for the same batch.

    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", §3. NOTE[DIFF] They have one stream of
    tokens. Between streams the same rule is applied to the steps that a stream stands for, and bottleneck tokens
    hold nothing to begin with.
    """
    B, T = seen.valid_BT.shape
    start_BTT = np.broadcast_to(np.eye(T, dtype=np.float32), (B, T, T))
    streams = [_through(start_BTT, _layers(arrays, f"before/{name}/")) for name in seen.modalities]
    if any(name.startswith("cross_attention/") for name in arrays):
        streams, usable_BTM = _crossed(arrays, seen, streams), seen.usable_BTM
    elif any(name.startswith("bottleneck/") for name in arrays):
        streams, usable_BTM = _bottlenecked(arrays, seen, streams), seen.usable_BTM
    else:
        usable_BTM = seen.usable_BTM
    # Late fusion of predictions: an encoder and a head for each modality.
    streams = [
        _through(_through(flow, _layers(arrays, f"attention/{name}/")), _head(arrays, f"head/{name}/", T))
        for name, flow in zip(seen.modalities, streams, strict=True)
    ]
    flow_BTT = _mixed(streams, _weights(arrays, usable_BTM), start_BTT)
    flow_BTT = _through(flow_BTT, _layers(arrays, "attention/"))
    return _through(flow_BTT, _head(arrays, "head/", T))


def _layers(arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    """A stack's weights (B, H, T, T) in order: those named ``PREFIX0``, ``PREFIX1``, …"""
    found = {int(name[len(prefix) :]): w for name, w in arrays.items() if _is_layer(name, prefix)}
    return [found[i] for i in sorted(found)]


def _is_layer(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdigit()


def _head(arrays: dict[str, np.ndarray], prefix: str, T: int) -> list[np.ndarray]:
    """A head's attention over time, (B, H, T·K, T) by layer, as the mean over tracks."""
    layers: list[np.ndarray] = []
    while f"{prefix}{len(layers)}/over_time" in arrays:
        weights = arrays[f"{prefix}{len(layers)}/over_time"]
        B, H, Q, _ = weights.shape
        layers.append(weights.reshape(B, H, T, Q // T, T).mean(3))
    return layers


def _through(flow: np.ndarray, layers: Iterable[np.ndarray]) -> np.ndarray:
    for weights in layers:
        flow = _read(flow, weights, flow)
    return flow


def _read(flow: np.ndarray, weights: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Half of what was there and half of what is read from a source; all of what was there if nothing can be read."""
    mean = weights.mean(1)
    blind = np.isnan(mean).any(-1, keepdims=True)
    read = np.where(blind, 0.0, mean) @ source
    return np.where(blind, flow, RESIDUAL * flow + (1 - RESIDUAL) * read)


def _weights(arrays: dict[str, np.ndarray], usable_BTM: np.ndarray) -> np.ndarray:
    """The share of each modality in what is fused, (B, T, M); zeros where nothing is usable."""
    if "modality_attention" in arrays:
        weights_BTM = np.nan_to_num(arrays["modality_attention"].mean(2))
    elif "modality_weights" in arrays:
        # One prediction per item has weights of T = 1.
        weights_BTM = np.broadcast_to(arrays["modality_weights"].mean(-1), usable_BTM.shape)
    else:
        weights_BTM = usable_BTM.astype(np.float32)
    weights_BTM = weights_BTM * usable_BTM
    total_BT1 = weights_BTM.sum(-1, keepdims=True)
    return np.divide(weights_BTM, total_BT1, out=np.zeros(usable_BTM.shape), where=total_BT1 > 0)


def _mixed(streams: list[np.ndarray], weights_BTM: np.ndarray, start_BTT: np.ndarray) -> np.ndarray:
    """A step without anything to read stands for itself."""
    flow_BTT = np.einsum("btm,mbts->bts", weights_BTM, np.stack(streams))
    return np.where(np.any(weights_BTM > 0, axis=-1, keepdims=True), flow_BTT, start_BTT)


def _crossed(arrays: dict[str, np.ndarray], seen: Seen, streams: list[np.ndarray]) -> list[np.ndarray]:
    """For each modality what it holds after reading the others, equal parts of each pair."""
    results: list[np.ndarray] = []
    for a, target in enumerate(seen.modalities):
        pairs = []
        for b, source in enumerate(seen.modalities):
            flow = streams[a]
            for weights in _layers(arrays, f"cross_attention/{target}/{source}/"):
                flow = _read(flow, weights, streams[b])
            if a != b:
                pairs.append(flow)
        results.append(np.mean(pairs, axis=0))
    return results


def _bottlenecked(arrays: dict[str, np.ndarray], seen: Seen, streams: list[np.ndarray]) -> list[np.ndarray]:
    """States and tokens of each modality through its layers; tokens are the mean of what usable modalities propose."""
    stacks = [_layers(arrays, f"bottleneck/{name}/") for name in seen.modalities]
    B, T = seen.valid_BT.shape
    tokens = np.zeros((B, stacks[0][0].shape[-1] - T, T), np.float32)
    N = tokens.shape[1] // T
    usable = np.moveaxis(seen.usable_BTM, -1, 0)
    usable_by = np.sum(seen.usable_BTM, axis=-1).repeat(N, axis=1)[..., None]
    shares = [u.repeat(N, axis=1)[..., None] / np.maximum(usable_by, 1) for u in usable]
    for layer in range(len(stacks[0])):
        both = [np.concatenate((flow, tokens), axis=1) for flow in streams]
        both = [_read(x, stack[layer], x) for x, stack in zip(both, stacks, strict=True)]
        streams = [np.where(u[..., None], x[:, :T], 0.0) for u, x in zip(usable, both, strict=True)]
        proposed = sum(share * x[:, T:] for share, x in zip(shares, both, strict=True))
        tokens = np.where(usable_by > 0, proposed, tokens)
    # What learned tokens bring in is of no step: the rest is scaled to 1.
    return [_scaled(flow) for flow in streams]


def _scaled(flow: np.ndarray) -> np.ndarray:
    total = flow.sum(-1, keepdims=True)
    return np.divide(flow, total, out=np.zeros_like(flow), where=total > 0)
