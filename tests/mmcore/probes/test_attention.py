"""What is told of attention, against the weights themselves, closed forms, scipy and explicit matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from mmcore.analyses import AttentionAnalysis, applies
from mmcore.answers.attention import AttentionResult
from mmcore.config import ModelConfig, build_config
from mmcore.config.overrides import Plain
from mmcore.data.prepared import Prepared
from mmcore.events import ignore
from mmcore.model.build import build_model
from mmcore.probes.attention.flow import FlowSums, reading
from mmcore.probes.attention.maps import AttentionMap, HeadSums, Seen, attention_maps, divergences
from mmcore.probes.attention.probe import probe_attention, traced
from mmcore.probes.attention.rollout import rollout
from mmcore.trained import Trained

SIZES = {"width": 16, "layers": 2, "heads": 2, "feed_forward": 32, "dropout": 0.1}
KINDS: dict[str, Plain] = {
    "gated": {},
    "mid": {"layers_before": 1, "layers": 1, "norm": "pre"},
    "late": {"layers_before": 2, "layers": 0, "absence": "learned"},
    "pooling": {"fusion": {"kind": "attention"}},
    "cross_modal": {"fusion": {"kind": "cross_modal", "layers": 2}},
    "bottleneck": {"fusion": {"kind": "bottleneck", "layers": 2, "tokens": 2}},
    "hierarchical": {"fusion": {"kind": "hierarchical"}},
    "decision": {"fusion": {"kind": "decision"}},
    "add": {"fusion": {"kind": "add"}},
    "track_tokens": {"head": {"kind": "track_tokens", "layers": 1}},
    "free": {"causal": False},
}


def model_of(schema: Any, model: Plain) -> Any:
    """A model away from its initial zeros and ones."""
    built = build_model(ModelConfig.model_validate({**SIZES, **model}), schema, model.get("causal", True), 0, 20)
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng) * 0.1)
    return built


@pytest.fixture
def trained_of(config: Any, editing_corpus: Any, prepared: Prepared) -> Any:
    def build(**model: Any) -> Trained:
        overrides = {f"model__{name}": value for name, value in {**SIZES, **model}.items()}
        built = model_of(prepared.schema, model)
        return Trained(config(editing_corpus, **overrides), prepared, built, torch.device("cpu"), ignore)

    return build


def holey(trained: Trained) -> Any:
    """Windows with absent modalities at random and a padded end."""
    batch = next(trained.test.batches())
    rng = torch.Generator().manual_seed(0)
    present = batch.present_BTM & (torch.rand(batch.present_BTM.shape, generator=rng) < 0.7)
    valid = batch.valid_BT.clone()
    valid[0, 15:] = False
    return replace(batch, present_BTM=present, valid_BT=valid)


# What is captured --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", list(KINDS))
def test_rows_sum_to_one_and_what_may_not_be_looked_at_gets_nothing(trained_of: Any, kind: str) -> None:
    trained = trained_of(**KINDS[kind])
    arrays, seen, _ = traced(trained, holey(trained))
    places = set()
    for one in attention_maps(arrays, seen):
        places.add(one.place)
        asks_BQ = one.allowed_BQS.any(-1)
        assert asks_BQ.any()
        weights_HnS = np.moveaxis(one.weights_BHQS, 1, 0)[:, asks_BQ]
        assert weights_HnS.sum(-1) == pytest.approx(1.0, abs=1e-5)
        assert not weights_HnS[:, ~one.allowed_BQS[asks_BQ]].any()
    shown = {name.split("/")[0] for name in arrays} & {"attention", "before", "cross_attention", "bottleneck"}
    assert {place.split("/")[0] for place in places} >= {"encoder"} if "attention" in shown else shown


@pytest.mark.parametrize("kind", list(KINDS))
def test_looking_changes_no_prediction(trained_of: Any, kind: str) -> None:
    trained = trained_of(**KINDS[kind])
    batch = holey(trained)
    before = trained.predict(batch)
    torch.manual_seed(0)
    with reading(trained.model), torch.inference_mode():
        watched = trained.model(batch)
    assert torch.equal(watched, before), "watching what is read changes no bit"
    traced(trained, batch)
    assert torch.equal(trained.predict(batch), before), "nothing is left behind"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in trained.model.modules())


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_result_is_small_can_be_kept_and_is_the_same_again(trained_of: Any, kind: str) -> None:
    trained = trained_of(**KINDS[kind])
    found = probe_attention(trained, AttentionAnalysis())
    text = found.model_dump_json()
    assert len(text) < 100_000
    assert AttentionResult.model_validate_json(text, strict=True).model_dump_json() == text
    assert probe_attention(trained, AttentionAnalysis()).model_dump_json() == text
    assert found.layers
    assert len(found.maps) == 2
    assert not np.isnan(found.faithfulness.occlusion)
    for row in found.layers:
        assert all(0 <= value <= 1 for value in row.entropy)
        assert len(row.own) == len(row.apart) == 2


# Closed forms ------------------------------------------------------------------------------------------------------
def uniform(T: int, H: int = 2) -> AttentionMap:
    allowed = np.tril(np.ones((T, T), bool))[None]
    weights = np.repeat((allowed / allowed.sum(-1, keepdims=True))[:, None], H, axis=1)
    steps = np.arange(T)
    return AttentionMap("encoder", 0, weights, allowed, steps, steps, np.zeros(T, bool))


def test_uniform_causal_attention_in_closed_form() -> None:
    T = 12
    events = np.zeros((1, T), bool)
    events[0, ::3] = True
    sums = HeadSums("encoder", 0)
    sums.add(uniform(T), events)
    told = sums.result()
    queries = np.arange(1, T)
    assert told.rows == T - 1, "the first step has no choice"
    assert told.entropy == pytest.approx([1.0, 1.0])
    # Query q looks back 0 … q steps, q/2 on average.
    assert told.distance == pytest.approx([np.mean(queries / 2)] * 2, abs=1e-4)
    assert told.own == pytest.approx([np.mean(1 / (queries + 1))] * 2, abs=1e-4)
    assert told.past == pytest.approx([np.mean(queries / (queries + 1))] * 2, abs=1e-4)
    assert told.events == pytest.approx([np.mean([events[0, : q + 1].mean() for q in queries])] * 2, abs=1e-4)
    for name in ("distance", "own", "past", "events"):
        assert getattr(told.uniform, name) == pytest.approx(getattr(told, name)[0], abs=1e-4)
    assert np.array(told.apart) == pytest.approx(0.0)


def test_looking_at_one_step_has_no_entropy() -> None:
    one = uniform(6)
    weights = np.zeros_like(one.weights_BHQS)
    weights[:, 0, range(6), range(6)] = 1.0
    weights[:, 1, range(1, 6), range(5)] = 1.0
    weights[:, 1, 0, 0] = 1.0
    sums = HeadSums("encoder", 0)
    sums.add(replace(one, weights_BHQS=weights), np.zeros((1, 6), bool))
    told = sums.result()
    assert told.entropy == (0.0, 0.0)
    assert told.distance == (0.0, 1.0)
    assert told.own == (1.0, 0.0)
    assert told.apart == ((0.0, 1.0), (1.0, 0.0)), "heads without a step in common"


def test_distances_between_heads_are_scipys() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), size=(3, 5))
    p[0, 0] = np.eye(7)[2]
    found = divergences(p)
    for i in range(3):
        for j in range(3):
            expected = [jensenshannon(p[i, n], p[j, n], base=2) for n in range(5)]
            assert found[i, j] == pytest.approx(expected, abs=1e-7)


def test_sums_do_not_depend_on_how_windows_come(trained_of: Any) -> None:
    trained = trained_of()
    batch = holey(trained)
    arrays, seen, _ = traced(trained, batch)
    events = np.random.default_rng(0).random(seen.valid_BT.shape) < 0.3
    (one, *_) = attention_maps(arrays, seen)
    whole, parts = HeadSums("encoder", 0), HeadSums("encoder", 0)
    whole.add(one, events)
    for b in range(len(events)):
        part = replace(one, weights_BHQS=one.weights_BHQS[b : b + 1], allowed_BQS=one.allowed_BQS[b : b + 1])
        parts.add(part, events[b : b + 1])
    assert parts.result() == whole.result()
    assert {value.size for value in whole.sums.values()} <= {1, 2, 4}, "no array is as long as the windows"


# Rollout -----------------------------------------------------------------------------------------------------------
def seen_of(T: int, modalities: tuple[str, ...] = ("a",), B: int = 1) -> Seen:
    return Seen(modalities, np.ones((B, T, len(modalities)), bool), np.ones((B, T), bool), True)


def random_attention(rng: np.random.Generator, T: int, H: int = 2, B: int = 1) -> np.ndarray:
    weights = rng.random((B, H, T, T)) * np.tril(np.ones((T, T)))
    return weights / weights.sum(-1, keepdims=True)


def test_rollout_is_the_product_of_half_attention_and_half_identity() -> None:
    rng = np.random.default_rng(1)
    layers = [random_attention(rng, 6) for _ in range(3)]
    found = rollout({f"attention/{i}": w for i, w in enumerate(layers)}, seen_of(6))[0]
    product = np.eye(6)
    for weights in layers:
        product = (0.5 * weights[0].mean(0) + 0.5 * np.eye(6)) @ product
    assert found == pytest.approx(product, abs=1e-6)
    assert found.sum(-1) == pytest.approx(1.0)


def test_rollout_of_two_streams_by_hand() -> None:
    rng = np.random.default_rng(2)
    a, b, last = (random_attention(rng, 5) for _ in range(3))
    eye = np.eye(5)
    half = lambda w: 0.5 * w[0].mean(0) + 0.5 * eye  # noqa: E731
    before = rollout({"before/a/0": a, "before/b/0": b, "attention/0": last}, seen_of(5, ("a", "b")))[0]
    assert before == pytest.approx(half(last) @ (half(a) + half(b)) / 2, abs=1e-6)
    # Crossed: a holds half of itself and half of what it reads of b, which stands for its own steps; and so does b.
    crossed = {"cross_attention/a/b/0": a, "cross_attention/b/a/0": b}
    assert rollout(crossed, seen_of(5, ("a", "b")))[0] == pytest.approx((half(a) + half(b)) / 2, abs=1e-6)
    chosen = {"before/a/0": a, "before/b/0": b, "modality_attention": np.full((1, 5, 2, 2), [0.9, 0.1])}
    assert rollout(chosen, seen_of(5, ("a", "b")))[0] == pytest.approx(0.9 * half(a) + 0.1 * half(b), abs=1e-6)


def test_a_query_that_may_look_at_nothing_keeps_what_it_has() -> None:
    weights = random_attention(np.random.default_rng(3), 4)
    weights[:, :, 0] = np.nan
    found = rollout({"cross_attention/a/b/0": weights, "cross_attention/b/a/0": weights}, seen_of(4, ("a", "b")))[0]
    assert found[0] == pytest.approx([1.0, 0.0, 0.0, 0.0])
    assert found.sum(-1) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_rollout_of_every_model_is_a_share_of_what_may_be_known(trained_of: Any, kind: str) -> None:
    trained = trained_of(**KINDS[kind])
    batch = holey(trained)
    arrays, seen, _ = traced(trained, batch)
    flow_BTT = rollout(arrays, seen)
    assert flow_BTT[seen.valid_BT].sum(-1) == pytest.approx(1.0, abs=1e-5)
    assert (flow_BTT >= 0).all()
    if seen.causal:
        assert not np.triu(flow_BTT, 1).any()
    padded_BT1 = ~seen.valid_BT[:, None, :] & seen.valid_BT[:, :, None]
    assert not flow_BTT[padded_BT1].any()


# Flow --------------------------------------------------------------------------------------------------------------
def test_flow_of_each_fusion(trained_of: Any) -> None:
    def flow(**model: Any) -> dict[tuple[str, str, int], float]:
        found = probe_attention(trained_of(**model), AttentionAnalysis(maps=1)).flow
        return {(row.source, row.target, row.layer): row.share for row in found}

    pooled = flow(fusion={"kind": "attention"})
    assert set(pooled) == {(name, "fused", 0) for name in ("speech", "noise", "track")}
    assert sum(pooled.values()) == pytest.approx(1.0, abs=1e-3)
    assert sum(flow(fusion={"kind": "add"}).values()) == pytest.approx(1.0, abs=1e-3)
    assert sum(flow(fusion={"kind": "decision"}).values()) == pytest.approx(1.0, abs=1e-3)
    crossed = flow(fusion={"kind": "cross_modal", "layers": 2})
    assert len(crossed) == 3 * 2 * 2
    assert all(0 < share < 1 for share in crossed.values())
    tree = flow(fusion={"kind": "hierarchical"})
    assert tree["speech", "speech|noise", 0] + tree["noise", "speech|noise", 0] == pytest.approx(1.0, abs=1e-3)
    assert ("speech|noise", "(speech|noise)|track", 0) in tree
    exchanged = flow(fusion={"kind": "bottleneck"})
    assert len(exchanged) == 3 * 2 * 2
    assert flow() == {}, "gates are another analysis"


def test_what_reads_nothing_has_no_share(trained_of: Any) -> None:
    trained = trained_of(fusion={"kind": "cross_modal"})
    with torch.no_grad():
        for name, parameter in trained.model.fusion.named_parameters():
            if "attention.out" in name and "from_speech.from_noise" in name:
                parameter.zero_()
    found = {(row.source, row.target): row.share for row in probe_attention(trained, AttentionAnalysis()).flow}
    assert found["noise", "speech"] == 0.0
    assert found["speech", "noise"] > 0.0


@pytest.mark.parametrize("kind", ["add", "attention", "decision", "hierarchical", "cross_modal", "bottleneck"])
def test_a_modality_that_is_never_there_passes_nothing_on(trained_of: Any, kind: str) -> None:
    trained = trained_of(fusion={"kind": kind})
    batch = holey(trained)
    present = batch.present_BTM.clone()
    present[..., batch.modalities.index("noise")] = False
    sums = FlowSums()
    sums.add(*traced(trained, replace(batch, present_BTM=present)))
    told = {(row.source, row.target): row.share for row in sums.result()}
    assert told
    assert all(share == 0.0 for (source, target), share in told.items() if "noise" in (source, target)), told
    if kind in ("add", "attention", "decision"):
        assert sum(told.values()) == pytest.approx(1.0, abs=1e-3)
        assert told["speech", "prediction" if kind == "decision" else "fused"] > 0.1


def test_attention_is_asked_of_every_run_that_attends() -> None:
    def asked(modalities: tuple[str, ...] = ("audio", "track"), **model: Any) -> bool:
        return applies(AttentionAnalysis(), build_config({"corpus": "c", "model": model}), modalities)

    assert asked()
    assert asked(layers=0, layers_before=2), "layers of each modality"
    assert asked(layers=0, fusion={"kind": "cross_modal"})
    assert not asked(layers=0)
    assert not asked(("track",), layers=0, fusion={"kind": "cross_modal"}), "one modality has nothing to fuse"
