from dataclasses import replace
from itertools import combinations

import pytest
import torch

from mmcore.config import ModelConfig
from mmcore.errors import ConfigError, ShapeError
from mmcore.model import dropout
from mmcore.model.build import build_model
from mmcore.model.embedding import key_of
from mmcore.model.positions import sinusoids
from mmcore.trace import Trace

SIZES = {"width": 16, "layers": 2, "heads": 4, "feed_forward": 24}
NAMES = ("audio", "wrist.left", "values")
SUBSETS = [names for n in (1, 2, 3) for names in combinations(NAMES, n)]


def build(schema, causal=False, **values):
    return build_model(ModelConfig.model_validate(SIZES | values), schema, causal=causal, repeat=0)


@pytest.mark.parametrize("names", SUBSETS)
@pytest.mark.parametrize("kind", ["gated", "concat", "add"])
def test_any_subset_of_modalities_is_a_model_that_ignores_the_others(schema, make_batch, names, kind) -> None:
    model = build(schema, modalities=names, fusion={"kind": kind})
    batch = make_batch()
    outputs_BTKO = model(batch)
    assert model.modalities == names
    assert outputs_BTKO.shape == (4, 7, 3, 2 + 4 + 1)
    assert torch.isfinite(outputs_BTKO).all()
    reduced = replace(
        batch,
        values={name: batch.values[name] for name in names},
        present_BTM=batch.present_BTM[..., [NAMES.index(name) for name in names]],
    )
    assert torch.equal(model(reduced), outputs_BTKO)


def test_one_modality_has_no_fusion(schema, make_batch) -> None:
    model = build(schema, modalities=["audio"])
    trace = Trace()
    model(make_batch(), trace=trace)
    assert model.fusion is None
    assert not [name for name, _ in model.named_parameters() if "fusion" in name]
    assert set(trace.arrays) == {"present", "attention/0", "attention/1"}


def test_modalities_stand_in_the_order_of_the_corpus(schema) -> None:
    assert build(schema, modalities=["values", "audio"]).modalities == ("audio", "values")
    assert schema.chosen(None) == NAMES
    assert schema.chosen(("values", "audio")) == ("audio", "values")


def test_an_unknown_modality_is_named_with_its_nearest(schema) -> None:
    with pytest.raises(ConfigError, match=r"modality 'audoi' is not in corpus 'small'.*Did you mean 'audio'"):
        build(schema, modalities=["audoi"])


def test_a_batch_without_a_modality_is_refused(schema, make_batch) -> None:
    batch = make_batch()
    lacking = replace(
        batch, values={k: v for k, v in batch.values.items() if k != "values"}, present_BTM=batch.present_BTM[..., :2]
    )
    with pytest.raises(ShapeError, match="lacks modality 'values'"):
        build(schema)(lacking)


def test_a_batch_with_another_number_of_features_is_refused(schema, make_batch) -> None:
    batch = make_batch()
    wrong = replace(batch, values={**batch.values, "audio": torch.zeros(4, 7, 2)})
    with pytest.raises(ShapeError, match=r"values\['audio'\] must be \(B, T, F\) = \(4, 7, 3\); found \(4, 7, 2\)"):
        build(schema)(wrong)


@pytest.mark.parametrize("head", ["shared", "per_track"])
def test_an_item_gets_one_prediction_from_its_valid_steps(make_schema, make_batch, head) -> None:
    model = build(make_schema(scope="item"), head={"kind": head})
    batch = make_batch(B=3)
    outputs_BTKO = model(batch)
    assert outputs_BTKO.shape == (3, 1, 3, 7)
    noisy = replace(
        batch, values={k: torch.where(batch.valid_BT[..., None], v, torch.nan) for k, v in batch.values.items()}
    )
    assert torch.equal(model(noisy), outputs_BTKO)


def test_an_item_window_without_a_valid_step_stays_finite(make_schema, make_batch) -> None:
    model = build(make_schema(scope="item"))
    batch = replace(make_batch(B=2), valid_BT=torch.zeros(2, 7, dtype=torch.bool))
    outputs_BTKO = model(batch)
    outputs_BTKO.sum().backward()
    torch.testing.assert_close(outputs_BTKO[0, 0].flatten(), model.head.output(model.head.hidden.bias))
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_window_longer_than_any_before_is_fine(schema, make_batch) -> None:
    model = build(schema, causal=True)
    short, long = make_batch(T=5, padded=False), make_batch(T=40, padded=False)
    alone = model(short)
    model(long)
    assert torch.equal(model(short), alone)


def test_more_padding_at_the_end_changes_nothing(schema, make_batch) -> None:
    model = build(schema)
    batch = make_batch(T=9, padded=False)
    longer = {k: torch.cat((v, torch.randn(4, 6, v.shape[-1])), 1) for k, v in batch.values.items()}
    padded = replace(
        batch,
        values=longer,
        present_BTM=torch.cat((batch.present_BTM, torch.ones(4, 6, 3, dtype=torch.bool)), 1),
        valid_BT=torch.cat((batch.valid_BT, torch.zeros(4, 6, dtype=torch.bool)), 1),
    )
    torch.testing.assert_close(model(padded)[:, :9], model(batch), atol=1e-5, rtol=1e-5)


def test_order_of_steps_matters(schema, make_batch) -> None:
    model = build(schema)
    batch = make_batch(padded=False)
    flipped = replace(
        batch, values={k: v.flip(1) for k, v in batch.values.items()}, present_BTM=batch.present_BTM.flip(1)
    )
    assert not torch.allclose(model(flipped).flip(1), model(batch), atol=1e-3)


def test_state_survives_a_round_trip(schema, make_batch, tmp_path) -> None:
    model, other = build(schema), build_model(ModelConfig.model_validate(SIZES), schema, causal=False, repeat=1)
    batch = make_batch()
    wanted = model(batch)
    assert not torch.equal(other(batch), wanted)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(other(batch), wanted)


def test_it_learns_a_rule_that_needs_two_modalities(schema, make_batch) -> None:
    # Known truth: x = speech × motion at each step; neither modality alone says anything about it.
    rng = torch.Generator().manual_seed(0)
    batch = make_batch(B=64, T=4, padded=False)
    batch = replace(batch, present_BTM=torch.ones_like(batch.present_BTM))
    signs = {name: torch.randint(0, 2, (64, 4), generator=rng) * 2.0 - 1 for name in ("audio", "wrist.left")}
    for name, sign_BT in signs.items():
        batch.values[name][..., 0] = sign_BT
    truth_BTK = (signs["audio"] * signs["wrist.left"]).unsqueeze(-1).expand(-1, -1, 3)

    def final_loss(names: tuple[str, ...]) -> float:
        model = build(schema, modalities=names, causal=True, dropout=0.0, width=32)
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        # The other columns are noise that a small batch could be memorised from.
        clean = replace(
            batch, values={k: v.clone() if k != "values" else torch.zeros_like(v) for k, v in batch.values.items()}
        )
        for name in ("audio", "wrist.left"):
            clean.values[name][..., 1:] = 0
        for _ in range(120):
            loss = (model(clean)[..., -1] - truth_BTK).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return loss.item()

    assert final_loss(("audio", "wrist.left")) < 0.1
    assert final_loss(("audio", "values")) > 0.5


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("attention_dropout", [0.0, 0.1])
def test_dropout_falls_where_it_is_declared(schema, make_batch, monkeypatch, norm, attention_dropout) -> None:
    dropped = []
    keep_mask = dropout.keep_mask

    def spy(like, rate, rng):
        dropped.append((tuple(like.shape), rate))
        return keep_mask(like, rate, rng)

    monkeypatch.setattr(dropout, "keep_mask", spy)
    model = build(schema, norm=norm, dropout=0.2, attention_dropout=attention_dropout)
    model(make_batch(B=4, T=7))
    assert dropped == []
    model(make_batch(B=4, T=7), torch.Generator().manual_seed(0))
    weights = [((4, 4, 7, 7), 0.1)] if attention_dropout else []
    layer = [*weights, ((4, 7, 16), 0.2), ((4, 7, 24), 0.2), ((4, 7, 16), 0.2)]
    assert dropped == [((4, 7, 16), 0.2), *layer, *layer]


def fused_input(model, batch):
    """What the fusion reads, by modality, and the batch's values as sources of gradients."""
    read = []
    hook = model.fusion.register_forward_hook(lambda module, arguments, result: read.extend(arguments[0].embedded))
    for x_BTF in batch.values.values():
        x_BTF.requires_grad_()
    model(batch)
    hook.remove()
    return dict(zip(model.modalities, read, strict=True))


@pytest.mark.parametrize("layers_before", [0, 1])
@pytest.mark.parametrize("causal", [False, True])
def test_layers_before_fusion_see_their_own_modality_over_time(schema, make_batch, layers_before, causal) -> None:
    model = build(schema, causal, layers_before=layers_before)
    batch = replace(make_batch(padded=False), present_BTM=torch.ones(4, 7, 3, dtype=torch.bool))
    direction = torch.randn(SIZES["width"], generator=torch.Generator().manual_seed(0))
    for name, e_BTD in fused_input(model, batch).items():
        sources = list(batch.values.values())
        gradients = torch.autograd.grad((e_BTD[:, 3] * direction).sum(), sources, allow_unused=True)
        for other, gradient in zip(batch.values, gradients, strict=True):
            if other != name:
                assert gradient is None or (gradient == 0).all()
                continue
            assert gradient is not None
            read_T = (gradient != 0).any(-1).any(0)
            earlier, later = layers_before > 0, layers_before > 0 and not causal
            assert read_T.tolist() == [earlier] * 3 + [True] + [later] * 3


def test_layers_before_fusion_do_not_read_steps_at_which_their_modality_is_absent(schema, make_batch) -> None:
    model = build(schema, layers_before=1)
    batch = make_batch()
    assert model.before is not None
    for name, e_BTD in fused_input(model, batch).items():
        usable_BT = batch.present_BTM[..., NAMES.index(name)] & batch.valid_BT
        assert (e_BTD[~usable_BT] == 0).all()
        assert (e_BTD[usable_BT] != 0).any(-1).all()
        # The encoder alone, over nothing but the usable steps of a row, at their places.
        (linear,) = (model.embedding.linears[key] for key in model.embedding.linears if key == key_of(name))
        for row in range(4):
            steps = usable_BT[row].nonzero().flatten()
            if len(steps):
                x_SD = linear(batch.values[name][row, steps]) + sinusoids(7, 16)[steps]
                alone = model.before.each[key_of(name)](x_SD[None], torch.ones(1, len(steps), dtype=torch.bool))[0]
                torch.testing.assert_close(e_BTD[row, steps], alone, atol=1e-5, rtol=1e-5)


def test_with_all_layers_before_fusion_is_late(schema, make_batch) -> None:
    model = build(schema, layers_before=2, layers=0, fusion={"kind": "concat"})
    trace = Trace()
    model(make_batch(), trace=trace)
    assert set(trace.arrays) == {"present"} | {f"before/{name}/{i}" for name in NAMES for i in range(2)}


def test_positions_come_once_and_before_steps_look_at_one_another(schema, make_batch) -> None:
    placed = []
    over_time = [
        {"layers_before": 1},
        {"fusion": {"kind": "cross_modal"}},
        {"fusion": {"kind": "bottleneck"}},
        {"fusion": {"kind": "decision"}},
    ]
    for values, times in [({}, 1), *((v, 3) for v in over_time)]:
        model = build(schema, **values)
        model.positions.register_forward_hook(lambda *_: placed.append(1))
        placed.clear()
        model(make_batch())
        assert len(placed) == times


def test_heads_of_late_fusion_show_themselves_by_modality(schema, make_batch) -> None:
    model = build(schema, fusion={"kind": "decision"}, head={"kind": "track_tokens"})
    trace = Trace()
    model(make_batch(), trace=trace)
    shown = {name for name in trace.arrays if name.startswith("head/")}
    assert shown == {f"head/{name}/0/{what}" for name in NAMES for what in ("between_tracks", "over_time")}


def test_the_start_of_a_window_counts_with_time_features_alone(schema, make_batch) -> None:
    batch = make_batch()
    later = replace(batch, start_B=batch.start_B + 25)
    plain, timed = build(schema), build(schema, time_features=True)
    assert torch.equal(plain(later), plain(batch))
    assert not torch.allclose(timed(later), timed(batch), atol=1e-3)


def test_learned_positions_cover_the_window_that_they_were_made_for(schema, make_batch) -> None:
    config = ModelConfig.model_validate(SIZES | {"positions": "learned"})
    model = build_model(config, schema, causal=False, repeat=0, window=7)
    model(make_batch(T=7))
    with pytest.raises(ShapeError, match="learned positions must cover the window"):
        model(make_batch(T=8))


def test_an_odd_width_has_no_places_for_bottleneck_tokens() -> None:
    with pytest.raises(ValueError, match="must be even for the positions of bottleneck tokens"):
        ModelConfig.model_validate({"width": 15, "heads": 3, "positions": "learned", "fusion": {"kind": "bottleneck"}})
