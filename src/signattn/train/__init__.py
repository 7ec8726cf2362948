"""Training on drives, on one device or many."""

from signattn.train.config import TrainConfig
from signattn.train.loop import Progress, train
from signattn.train.loss import masked_loss
from signattn.train.record import describe_run
from signattn.train.sequences import Batch, Sequences

__all__ = [
    'Batch',
    'Progress',
    'Sequences',
    'TrainConfig',
    'describe_run',
    'masked_loss',
    'train',
]
