import pytest
import torch

from mmcore.model.embedding import Embedding, key_of

VALID = torch.ones(2, 6, dtype=torch.bool)


def embedding() -> Embedding:
    return Embedding({"audio": 3, "wrist.left": 5}, width=4)


def test_each_modality_has_its_own_linear() -> None:
    model = embedding()
    audio, wrist = torch.randn(2, 6, 3), torch.randn(2, 6, 5)
    (e_audio, e_wrist), _ = model([audio, wrist], torch.ones(2, 6, 2, dtype=torch.bool), VALID)
    torch.testing.assert_close(e_audio, model.linears["from_audio"](audio))
    torch.testing.assert_close(e_wrist, model.linears["from_wrist:left"](wrist))


@pytest.mark.parametrize("garbage", [0.0, 1e30, torch.inf, -torch.inf, torch.nan])
def test_what_is_not_usable_embeds_to_exact_zero_and_reaches_no_gradient(garbage: float) -> None:
    model = embedding()
    usable_BTM = torch.rand(2, 6, 2) < 0.5
    values = [torch.randn(2, 6, F).masked_fill(~usable_BTM[..., m, None], garbage) for m, F in enumerate((3, 5))]
    embedded, told_BTM = model(values, usable_BTM, VALID)
    assert torch.equal(told_BTM, usable_BTM)
    for m, e_BTD in enumerate(embedded):
        assert (e_BTD[~usable_BTM[..., m]] == 0).all()
        assert (e_BTD[usable_BTM[..., m]] != 0).any()
    sum(e.square().sum() for e in embedded).backward()
    clean = embedding()
    clean.load_state_dict(model.state_dict())
    zeroed = [v.masked_fill(~usable_BTM[..., m, None], 0.0) for m, v in enumerate(values)]
    sum(e.square().sum() for e in clean(zeroed, usable_BTM, VALID)[0]).backward()
    for ours, theirs in zip(model.parameters(), clean.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.isfinite(ours.grad).all()
        assert torch.equal(ours.grad, theirs.grad)


def test_names_that_torch_keeps_for_itself_or_forbids_are_fine() -> None:
    names = ["values", "type", "pop", "a.b", "a-b", "a_b", "forward", "from_audio", "7"]
    model = Embedding(dict.fromkeys(names, 2), width=4)
    assert len(model.linears) == len(names)
    assert len({key_of(name) for name in names}) == len(names)


def test_a_learned_state_stands_where_a_modality_is_absent_and_nowhere_else() -> None:
    torch.manual_seed(0)
    model = Embedding({"audio": 3, "wrist.left": 5}, width=4, learned_absence=True)
    for m, absent in enumerate(model.absent.values()):
        torch.nn.init.constant_(absent.state_D, 5.0 + m)
    valid_BT = torch.arange(6) < torch.tensor([6, 4])[:, None]
    present_BTM = torch.rand(2, 6, 2) < 0.5
    values = [torch.randn(2, 6, F).masked_fill(~present_BTM[..., m, None], torch.nan) for m, F in enumerate((3, 5))]
    embedded, usable_BTM = model(values, present_BTM, valid_BT)
    assert torch.equal(usable_BTM, valid_BT[..., None].expand(2, 6, 2))
    plain = Embedding({"audio": 3, "wrist.left": 5}, width=4)
    plain.load_state_dict(model.state_dict(), strict=False)
    for m, (e_BTD, p_BTD) in enumerate(zip(embedded, plain(values, present_BTM, valid_BT)[0], strict=True)):
        missing_BT = valid_BT & ~present_BTM[..., m]
        assert missing_BT.any()
        assert (e_BTD[missing_BT] == 5.0 + m).all()
        assert torch.equal(e_BTD[~missing_BT], p_BTD[~missing_BT])
        assert (e_BTD[~valid_BT] == 0).all()


@pytest.mark.parametrize("absent_steps", [0, 2])
def test_a_learned_state_gets_gradient_only_where_its_modality_is_absent(absent_steps: int) -> None:
    model = Embedding({"audio": 3, "wrist.left": 5}, width=4, learned_absence=True)
    for absent in model.absent.values():
        torch.nn.init.zeros_(absent.state_D)
    present_BTM = torch.ones(2, 6, 2, dtype=torch.bool)
    present_BTM[:, :absent_steps, 0] = False
    embedded, _ = model([torch.randn(2, 6, 3), torch.randn(2, 6, 5)], present_BTM, VALID)
    sum(e.sum() for e in embedded).backward()
    audio, wrist = (absent.state_D.grad for absent in model.absent.values())
    assert torch.equal(audio, torch.full((4,), 2.0 * absent_steps))
    assert torch.equal(wrist, torch.zeros(4))
