"""What int8 weights cost: the error in degrees, and the faithfulness of the maps.

    python benchmarks/int8.py MODEL DRIVE --out RESULTS [--frames 1200] [--measured 200]

The drive goes through the plain network and through the back end with int8 weights, frame by
frame. The areas of the maps are those of the network whose weights are rounded likewise, on
frames spread over the drive, each network with its own maps: fidelity areas of deletion.

Prints both and writes RESULTS/metrics.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from signattn.deletion import DeletionConfig, clean_pass, curves
from signattn.drive import Drive
from signattn.evaluate import lead_of
from signattn.export import ExportConfig, distance
from signattn.model import Checkpoint, Network, load
from signattn.parity import rounded
from signattn.preprocess import scale
from signattn.share import write_metrics


def areas(checkpoint: Checkpoint, network: Network, drive: Drive, count: int) -> dict[str, float]:
    """Mean areas of the network's own maps, on frames spread over the drive."""
    clean = clean_pass(network, drive)
    places = np.unique(np.linspace(0, len(drive) - 1, count).astype(np.int64))
    frames = torch.from_numpy(scale(drive.frames[places]))
    with torch.inference_mode():
        features = network.encoder(frames)
        output = network.answer(features[:, None], clean.state(places))
    maps = output.attention[:, 0].numpy().repeat(8, 1).repeat(8, 2)
    config = DeletionConfig(filling='mean')
    shared = {'frames': places, 'lead_s': lead_of(checkpoint), 'clean': clean}
    return curves(network, drive, maps, config, **shared).metrics()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('model', type=Path)
    parser.add_argument('drive', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--frames', type=int, default=1200, help='compared, from the first on')
    parser.add_argument('--measured', type=int, default=200, help='frames whose maps are measured')
    args = parser.parse_args()
    checkpoint, drive = load(args.model), Drive(args.drive)
    network = checkpoint.network.requires_grad_(requires_grad=False)
    results: dict[str, object] = {
        weights: distance(checkpoint, drive, ExportConfig(weights, args.frames))
        for weights in ('fp32', 'int8')
    }
    if args.measured:
        for name, each in (('plain', network), ('int8', rounded(network))):
            results[f'{name}_areas'] = areas(checkpoint, each, drive, args.measured)
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out / 'metrics.json', results)
    print(json.dumps(results, indent=2))


if __name__ == '__main__':
    main()
