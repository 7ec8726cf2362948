"""The picture is one, whatever became of the images."""

import cv2
import numpy as np
import pytest

from signattn.latency_figure import LOSS, latency_figure
from signattn.nodes.ledger import Entry

MS = 1_000_000
ANSWERED = [Entry(i, 'answered', i * 50 * MS, (i * 50 + 8 + i % 3) * MS, 0.0) for i in range(40)]
LOST = [Entry(50, 'lost', 3000 * MS)]


def pixels(entries):
    coded = np.frombuffer(latency_figure(entries, 'demo on a drive'), np.uint8)
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]


def count(picture, colour):
    return int((picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(2).sum())


@pytest.mark.parametrize(
    ('entries', 'lost'),
    [(ANSWERED, False), (ANSWERED + LOST, True), (LOST, True), ([], False)],
)
def test_lost_images_are_seen(entries, lost):
    picture = pixels(entries)
    assert picture.shape == (540, 1350, 3)
    assert bool(count(picture, LOSS)) == lost


def test_the_same_replay_gives_the_same_bytes():
    assert latency_figure(ANSWERED, 'demo') == latency_figure(ANSWERED, 'demo')
