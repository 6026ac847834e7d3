"""Every hyperparameter of a run: frozen, typed, validated at construction; a sentence and a unit under each field.

data.py: task, alignment, windows, split, augmentation. model.py: the network. training.py: losses, weighting,
optimiser, loop. custom.py: parts that are not ours. run.py: all of it together. overrides.py: dotted overrides and
errors.
"""

from mmcore.config.custom import Custom, CustomMetric, Reference
from mmcore.config.data import (
    LONGEST_WINDOW,
    USUAL_WINDOW,
    AugmentationConfig,
    Crop,
    DataConfig,
    FeatureDropout,
    Forecast,
    Jitter,
    Label,
    ModalityDropout,
    Noise,
    Reconstruct,
    SplitConfig,
    Task,
    TimeMasking,
)
from mmcore.config.foreign import ForeignConfig
from mmcore.config.model import (
    Add,
    AttentionPooling,
    Bottleneck,
    Concat,
    CrossModal,
    CustomModel,
    Decision,
    Fusion,
    Gated,
    GatedSoftmax,
    Head,
    Hierarchical,
    LinearEmbedding,
    LowRank,
    ModelConfig,
    Order,
    PerTrackHead,
    ResidualHead,
    SharedHead,
    TrackTokensHead,
    TransformerEncoder,
)
from mmcore.config.overrides import Overrides, Plain, build_config, explain, flat, override, valid_keys
from mmcore.config.run import NOT_NUMBERS, EvaluationConfig, RunConfig
from mmcore.config.training import (
    AbsoluteError,
    Adam,
    AdamW,
    ClassLoss,
    Constant,
    ContinuousLoss,
    Cosine,
    CrossEntropy,
    DynamicWeightAverage,
    FixedWeights,
    Focal,
    GradNorm,
    Huber,
    LossConfig,
    Optimiser,
    PCGrad,
    Precision,
    RandomWeights,
    Schedule,
    SquaredError,
    TrainingConfig,
    Uncertainty,
    Weighting,
)
