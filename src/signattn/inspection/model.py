"""What is in a trained model."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import signattn
from signattn.inspection.report import Finding, Report
from signattn.model import Checkpoint, load
from signattn.preprocess import Preprocessing


def inspect_model(path: Path) -> Report:
    """Inspect a model, and compare its weights with their checksum.

    Args:
        path: A model's folder.

    Returns:
        What is in it.

    Raises:
        CheckpointError: If it can't be used, altered weights included.
    """
    checkpoint = load(path)
    parameters = sum(it.numel() for it in checkpoint.network.parameters())
    drives = _drives(checkpoint)
    return Report(
        path,
        'model',
        {
            'name': checkpoint.name,
            'version': checkpoint.version,
            'parameters': parameters,
            'drives': len(drives),
            'frames': sum(int(it.get('frames', 0)) for it in drives),
        },
        {
            'network': asdict(checkpoint.network.config),
            'preprocessing': dict(checkpoint.preprocessing),
            'vehicle': asdict(checkpoint.vehicle),
            'training': {
                **_plain(checkpoint.training, 'recipe'),
                **_plain(checkpoint.training, 'split'),
                'drives': ', '.join(str(it.get('name')) for it in drives),
                **_plain(checkpoint.training, 'versions'),
            },
            'metrics': dict(checkpoint.metrics),
            'weights': {'sha256': checkpoint.checksum, 'checksum_verified': True},
        },
        warnings=list(_findings(checkpoint)),
    )


def _drives(checkpoint: Checkpoint) -> list[Mapping[str, Any]]:
    drives = checkpoint.training.get('drives')
    return [it for it in drives if isinstance(it, dict)] if isinstance(drives, list) else []


def _plain(training: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Plain values of a section, with its name in front."""
    values = training.get(section)
    if not isinstance(values, dict):
        return {}
    return {
        f'{section}.{key}': value for key, value in values.items() if not isinstance(value, dict)
    }


def _findings(checkpoint: Checkpoint) -> Iterator[Finding]:
    try:
        Preprocessing.from_mapping(checkpoint.preprocessing)
    except ValueError as error:
        yield Finding('preprocessing', str(error), 'use the version that trained it')
    if not checkpoint.training:
        yield Finding(
            'untrained',
            'the model does not say what it was trained on',
            'do not drive with it; train one with signattn train',
        )
    elif not any(key.startswith('mae') for key in checkpoint.metrics):
        yield Finding(
            'unscored',
            'the model carries no score on frames that were kept apart from training',
            'score it on other drives: signattn evaluate MODEL --data DRIVES --out REPORT',
        )
    if checkpoint.version != signattn.__version__:
        yield Finding(
            'other_version',
            f'the model was written by version {checkpoint.version}, this is '
            f'{signattn.__version__}',
            'score it again before you rely on it',
        )
