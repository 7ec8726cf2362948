"""Maps over pictures."""

import numpy as np
import torch

from signattn.model import Checkpoint, Network, NetworkConfig, save
from signattn.preprocess import Preprocessing
from signattn.sweep.maps import map_figure


def test_networks_with_attention_have_a_column(write_drive, tmp_path, vehicle):
    frames = np.zeros((9, 80, 160, 3), np.uint8)
    frames[..., 2] = np.arange(9)[:, None, None] * 20  # grey of that value in RGB
    drive = write_drive(np.zeros(9), frames=frames)
    models = {}
    for name, kind in (('sharp', 'soft32'), ('none', 'none_quant')):
        torch.manual_seed(0)
        network = Network(NetworkConfig(hidden=4, attention=kind)).eval()
        models[name] = tmp_path / name
        save(Checkpoint(network, Preprocessing().to_mapping(), vehicle), models[name])
    figure = map_figure(models, drive, np.array([2, 7]))
    first, sharp, second, _ = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ['', 'sharp', '', '']
    pictures = [axes.images[0].get_array() for axes in (first, second)]
    assert [int(picture.min()) for picture in pictures] == [40, 140]
    assert [int(picture.max()) for picture in pictures] == [40, 140]
    assert len(np.unique(sharp.images[0].get_array())) > 2
