"""Every hyperparameter of the network. The defaults are the seed's sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from typing_extensions import TypeAliasType

from mmcore.config.custom import Custom, Reference
from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.limits import Depth, DepthOrNone, FeedForward, Width
from mmcore.names import Name, nfc

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


# Fusion ------------------------------------------------------------------------------------------------------------
class Gated(Frozen):
    """Σ_m σ(W_m e_m + b_m) ⊙ e_m: a gate per feature and modality."""

    kind: Literal["gated"] = "gated"


class GatedSoftmax(Frozen):
    """Σ_m softmax_m(W_m e_m + b_m) ⊙ e_m: per feature, the modalities that are there compete."""

    kind: Literal["gated_softmax"] = "gated_softmax"


class Concat(Frozen):
    """Linear([e_1; …; e_M])."""

    kind: Literal["concat"] = "concat"


class Add(Frozen):
    """Σ_m softmax(w)_m e_m: one learned weight per modality."""

    kind: Literal["add"] = "add"


class AttentionPooling(Frozen):
    """A learned query attends over the modality tokens of a step."""

    kind: Literal["attention"] = "attention"


class CrossModal(Frozen):
    """Each modality attends to each other one over time, in both directions (Tsai et al. 2019)."""

    kind: Literal["cross_modal"] = "cross_modal"
    layers: Depth = 1
    """Cross-attention layers per direction."""


class Bottleneck(Frozen):
    """Modalities exchange information only through a few tokens (Nagrani et al. 2021)."""

    kind: Literal["bottleneck"] = "bottleneck"
    layers: Depth = 2
    """Layers of each modality with the tokens. The first layer only writes into the tokens, so a modality reads from
    another one only from the second layer on; with 1 layer the modalities are only averaged."""
    tokens: Width = 2
    """Bottleneck tokens per step."""


if TYPE_CHECKING:
    Order: TypeAlias = "str | tuple[Order, ...]"
else:
    # As pydantic needs what refers to itself; type checkers know this form only as a statement of Python 3.12.
    Order = TypeAliasType("Order", "str | tuple[Order, ...]")
"""A modality, or a group of orders that are fused from left to right."""


class Hierarchical(Frozen):
    """Fuse two modalities at a time, then the results (gated multimodal units, Arevalo et al. 2017)."""

    kind: Literal["hierarchical"] = "hierarchical"
    order: tuple[Order, ...] | None = None
    """Nested names, e.g. [[audio, visual], track]; None: the first two modalities, then one more at a time."""

    def tree(self, modalities: tuple[str, ...]) -> Order:
        """The order for a model that reads these modalities, as nested pairs.

        Raises:
            ConfigError: a modality is missing from the order or appears in it twice, or the order has a name that the
                model does not read.
        """
        if self.order is None:
            return _fold(modalities)
        found = sorted(map(nfc, _leaves(self.order)))
        if found != sorted(modalities) or _has_empty_group(self.order):
            raise ConfigError(
                "a hierarchical order must name each modality that the model reads once",
                expected=", ".join(sorted(modalities)),
                found=", ".join(found) + (" and an empty group" if _has_empty_group(self.order) else ""),
                next_step="Name those of model.modalities, or leave the order out",
                where="model.fusion.order",
            )
        return _fold(self.order)


def _fold(parts: tuple[Order, ...]) -> Order:
    """Nested pairs, from left to right: (a, b, c) → ((a, b), c)."""
    folded = [nfc(part) if isinstance(part, str) else _fold(part) for part in parts]
    tree = folded[0]
    for part in folded[1:]:
        tree = (tree, part)
    return tree


def _has_empty_group(order: Order) -> bool:
    return not isinstance(order, str) and (not order or any(_has_empty_group(part) for part in order))


def _leaves(order: Order) -> list[str]:
    return [order] if isinstance(order, str) else [name for part in order for name in _leaves(part)]


class LowRank(Frozen):
    """The outer product of all modalities through factors of low rank (Liu et al. 2018)."""

    kind: Literal["low_rank"] = "low_rank"
    rank: Width = 4
    """Rank of the factors."""


class Decision(Frozen):
    """Late fusion: a predictor per modality, and a learned convex combination of their predictions."""

    kind: Literal["decision"] = "decision"


Fusion = Annotated[
    Gated
    | GatedSoftmax
    | Concat
    | Add
    | AttentionPooling
    | CrossModal
    | Bottleneck
    | Hierarchical
    | LowRank
    | Decision
    | Custom,
    Field(discriminator="kind"),
]


# Head --------------------------------------------------------------------------------------------------------------
class SharedHead(Frozen):
    """The seed's head: h_t + E_k → Linear → one Linear per parameter. Affine, so all tracks get the same curve."""

    kind: Literal["shared"] = "shared"


class PerTrackHead(Frozen):
    """h_t → Linear → a separate output Linear for each track."""

    kind: Literal["per_track"] = "per_track"


class ResidualHead(Frozen):
    """Residual blocks h + W₂ GELU(W₁ LN(h)), then a separate output Linear for each track."""

    kind: Literal["residual"] = "residual"
    blocks: Depth = 1
    """Number of residual blocks."""


class TrackTokensHead(Frozen):
    """A small Transformer decoder whose queries are the tracks."""

    kind: Literal["track_tokens"] = "track_tokens"
    layers: Depth = 1
    """Decoder layers."""


Head = Annotated[SharedHead | PerTrackHead | ResidualHead | TrackTokensHead | Custom, Field(discriminator="kind")]


# Embedding and encoder ---------------------------------------------------------------------------------------------
class LinearEmbedding(Frozen):
    """One Linear from a modality's features to the width."""

    kind: Literal["linear"] = "linear"


ModalityEmbedding = Annotated[LinearEmbedding | Custom, Field(discriminator="kind")]


class TransformerEncoder(Frozen):
    """Transformer layers; ``layers``, ``heads``, ``feed_forward`` and ``norm`` of the model say how many and how."""

    kind: Literal["transformer"] = "transformer"


Encoder = Annotated[TransformerEncoder | Custom, Field(discriminator="kind")]


# The network -------------------------------------------------------------------------------------------------------
class ModelConfig(Frozen):
    """Embedding per modality → layers per modality → fusion → Transformer encoder → head."""

    usual_kind: ClassVar = "multimodal"

    kind: Literal["multimodal", "custom"] = "multimodal"
    """multimodal: the model that the settings below describe. custom: a class of your own in its place."""
    modalities: tuple[Name, ...] | None = None
    """The modalities that the model reads; None: all of the corpus. With a single modality there is no fusion."""
    embedding: dict[Name, ModalityEmbedding] = {}
    """How features become one vector per step, by modality; a modality that is not listed has a Linear."""
    fusion: Fusion = Gated()
    """How the modalities are combined."""
    encoder: Encoder = TransformerEncoder()
    """What follows the fusion: Transformer layers, or a module of your own."""
    layers_before: DepthOrNone = 0
    """Separate encoder layers of each modality, before fusion; with layers: 0 fusion is late."""
    absence: Literal["zero", "learned"] = "zero"
    """What replaces an absent modality: zero (zeros, which attention leaves out), or a learned embedding of its
    absence, which is fused like any other embedding."""
    width: Width = 256
    """Model width D."""
    layers: DepthOrNone = 6
    """Encoder layers after fusion; with decision fusion, layers of each predictor."""
    heads: Width = 8
    """Attention heads H; must divide the width."""
    feed_forward: FeedForward = 1024
    """Width of the feed-forward block."""
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """How a step's position in the window is encoded: added sinusoids (Vaswani 2017), added learned vectors, or rotated
    queries and keys (Su 2021)."""
    time_features: bool = False
    """Whether a step's position in the item is encoded too: steps since the item began, on several scales."""
    dropout: Fraction = 0.1
    """Dropout after positions, and on each residual branch and feed-forward activation."""
    attention_dropout: Fraction = 0.0
    """Dropout on attention weights; values above 0 need the slower attention with explicit weights."""
    norm: Literal["post", "pre"] = "post"
    """Layer norm after each residual sum (Vaswani 2017), or before each block with a final one (Xiong 2020)."""
    causal: bool | None = None
    """Whether a step attends only to itself and earlier steps; None: yes for forecast, no otherwise."""
    head: Head = PerTrackHead()
    """How encoder states become predictions."""

    @field_validator("embedding")
    @classmethod
    def _one_spelling(cls, value: dict[str, ModalityEmbedding]) -> dict[str, ModalityEmbedding]:
        return {name: kind for name, kind in value.items() if not isinstance(kind, LinearEmbedding)}

    @model_validator(mode="after")
    def _shape(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"model.heads ({self.heads}) must divide model.width ({self.width})")
        if self.positions == "sinusoidal" and self.width % 2:
            raise ValueError(f"model.width ({self.width}) must be even for sinusoidal positions")
        if isinstance(self.fusion, Bottleneck) and self.width % 2:
            raise ValueError(f"model.width ({self.width}) must be even for the positions of bottleneck tokens")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(
                f"model.width / model.heads ({self.width} / {self.heads}) must be even for rotary positions"
            )
        if self.modalities is not None and (not self.modalities or len(set(self.modalities)) != len(self.modalities)):
            raise ValueError("model.modalities must name at least one modality, and none twice")
        return self

    def __hash__(self) -> int:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return hash((type(self), *(tuple(sorted(v.items())) if isinstance(v, dict) else v for v in values.values())))


class CustomModel(Reference, ModelConfig):
    """A whole model of your own, from a batch to outputs. Of the settings of our model only two are left."""

    own: ClassVar = ("kind", "modalities", "causal", *Reference.model_fields)

    kind: Literal["multimodal", "custom"] = "custom"

    @model_validator(mode="after")
    def _has_no_parts(self) -> CustomModel:
        for name, field in ModelConfig.model_fields.items():
            if name not in self.own and getattr(self, name) != field.default:
                raise ValueError(f"a model of kind custom has no {name}; set it in model.args if your class takes it")
        return self


def _kind_of(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "multimodal" if kind is None else str(kind)


Model = Annotated[
    Annotated[ModelConfig, Tag("multimodal")] | Annotated[CustomModel, Tag("custom")], Discriminator(_kind_of)
]
