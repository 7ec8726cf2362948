"""Recipes that contradict themselves are refused."""

import math
import re
from pathlib import Path

import pytest

from signattn.drive import Split
from signattn.model import NetworkConfig
from signattn.train import TrainConfig


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'epochs': 0}, 'epochs must be at least 1, got 0'),
        ({'batch': 0}, 'batch must be at least 1, got 0'),
        ({'window': 0}, 'window must be at least 1, got 0'),
        ({'sequence': 0}, 'sequence must be at least 1, got 0'),
        ({'sequence': 30, 'window': 20}, 'sequence must be a multiple of window 20, got 30'),
        ({'learning_rate': 0.0}, 'learning_rate must be above 0, got 0.0'),
        ({'learning_rate': math.nan}, 'learning_rate must be above 0, got nan'),
        ({'wide_factor': 0.0}, 'wide_factor must be above 0, got 0.0'),
        ({'clip_norm': -1.0}, 'clip_norm must be at least 0, got -1.0'),
        ({'balance': 1.1}, 'balance must be in [0, 1], got 1.1'),
        ({'anneal': 0.0}, 'anneal must be in (0, 1], got 0.0'),
        ({'anneal': 1.1}, 'anneal must be in (0, 1], got 1.1'),
        ({'ema': 1.0}, 'ema must be in [0, 1), got 1.0'),
        ({'pictures': -1}, 'pictures must be at least 0, got -1'),
        ({'pictures_batch': 0}, 'pictures_batch must be at least 1, got 0'),
        (
            {'pictures': 1, 'distill': 1.0},
            'pictures must be 0 with distill, which goes on from another network, got 1',
        ),
        (
            {'pictures': 1, 'freeze_encoder': True},
            'pictures must be 0 with freeze_encoder, which goes on from another network, got 1',
        ),
        (
            {'pictures': 1, 'objective': 'faithful', 'start': Path('m')},
            (
                'pictures must be 0 with objective: faithful, which leaves all but the score as '
                'it is, got 1'
            ),
        ),
        ({'keep': 0}, 'keep must be at least 1, got 0'),
        ({'shares': (0.0, 0.0)}, 'shares must be at least 0 and not all 0, got (0.0, 0.0)'),
        (
            {'patience': 2, 'split': Split('blocks')},
            'patience must be 0 where no part validates, got 2: set split.validate',
        ),
        (
            {'patience': 2, 'objective': 'faithful', 'start': Path('m')},
            'patience must be 0 with objective: faithful, whose answers stay the same, got 2',
        ),
        (
            {
                'objective': 'faithful',
                'start': Path('m'),
                'network': NetworkConfig(attention='topk'),
            },
            (
                "network.attention must be 'sign' with objective: faithful, since the score may "
                "change nothing but the map, got 'topk'"
            ),
        ),
    ],
)
def test_recipes_that_are_none(options, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        TrainConfig(**options)
