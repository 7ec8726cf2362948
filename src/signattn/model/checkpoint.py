"""A trained network on disk: weights as safetensors, and one YAML that explains them."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

import signattn
from signattn.model.network import Network, NetworkConfig
from signattn.share import from_mapping, read_yaml, write_whole
from signattn.vehicle import Vehicle

DESCRIPTION = 'model.yaml'
_FORMAT = 1
_KEYS = (
    'format',
    'name',
    'version',
    'architecture',
    'preprocessing',
    'vehicle',
    'training',
    'metrics',
    'weights',
)


class CheckpointError(ValueError):
    """A checkpoint that can't be used."""


@dataclass(frozen=True)
class Checkpoint:
    """A network and everything needed to use and to judge it.

    Attributes:
        network: The network, in evaluation mode.
        preprocessing: The contract between pictures and the network's input, as
            ``Preprocessing.to_mapping`` gives it.
        vehicle: Whose steering it was trained on.
        training: Where it comes from: data, recipe, split, seed.
        metrics: How it did, with units in the keys.
        name: Name of the model.
        version: Version of signattn that wrote it.
        checksum: sha256 of the weights' file, in hexadecimal; empty before it was saved.
    """

    network: Network
    preprocessing: Mapping[str, Any]
    vehicle: Vehicle
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    name: str = 'model'
    version: str = signattn.__version__
    checksum: str = ''


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; what breaks off in the middle leaves the old one or the new one, whole.

    The weights' file carries the start of its checksum in its name, so that replacing the
    description is the one step that switches from old to new.

    Args:
        checkpoint: What to write.
        path: Folder; a checkpoint that is there already is replaced, other files stay.

    Raises:
        OSError: If it can't be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in _tensors(checkpoint.network).items()}
    weights = save_tensors(tensors)
    checksum = hashlib.sha256(weights).hexdigest()
    file = f'weights-{checksum[:12]}.safetensors'
    description = {
        'format': _FORMAT,
        'name': checkpoint.name,
        'version': checkpoint.version,
        'architecture': dataclasses.asdict(checkpoint.network.config),
        'preprocessing': dict(checkpoint.preprocessing),
        'vehicle': dataclasses.asdict(checkpoint.vehicle),
        'training': dict(checkpoint.training),
        'metrics': dict(checkpoint.metrics),
        'weights': {'file': file, 'sha256': checksum},
    }
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    write_whole(path / file, weights)
    write_whole(path / DESCRIPTION, text.encode())
    for old in path.glob('weights-*.safetensors'):
        if old.name != file:
            old.unlink()


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, on the CPU.

    Args:
        path: The folder that ``save`` wrote.

    Returns:
        The checkpoint, its network in evaluation mode.

    Raises:
        CheckpointError: If a file, a key or a weight is missing, unknown or altered; the text
            names it.
    """
    path = Path(path)
    if not (path / DESCRIPTION).is_file():
        raise CheckpointError(f'model must be a folder with {DESCRIPTION}, got {path}')
    with _as_checkpoint_error():
        description = read_yaml(path / DESCRIPTION)
    where = str(path / DESCRIPTION)
    _check_keys(description, where)
    with _as_checkpoint_error():
        config = from_mapping(NetworkConfig, description['architecture'], f'{where}: architecture')
        vehicle = from_mapping(Vehicle, description['vehicle'], f'{where}: vehicle')
    weights, checksum = _read_weights(path, description['weights'], where)
    network = Network(config)
    _fill(network, weights, f'{where}: the weights')
    return Checkpoint(
        network.eval(),
        description['preprocessing'],
        vehicle,
        description['training'],
        description['metrics'],
        str(description['name']),
        str(description['version']),
        checksum,
    )


def _read_weights(path: Path, entry: Mapping[str, Any], where: str) -> tuple[bytes, str]:
    file, expected = entry.get('file'), entry.get('sha256')
    if not isinstance(file, str) or Path(file).name != file:
        raise CheckpointError(f'{where}: weights.file must be a file name, got {file!r}')
    if not (path / file).is_file():
        raise CheckpointError(f'{where}: weights must be in {path / file}, found no such file')
    weights = (path / file).read_bytes()
    checksum = hashlib.sha256(weights).hexdigest()
    if checksum != expected:
        raise CheckpointError(f'{path / file} must have sha256 {expected}, got {checksum}')
    return weights, checksum


@contextlib.contextmanager
def _as_checkpoint_error() -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise CheckpointError(str(error)) from error


def _check_keys(description: Mapping[str, Any], where: str) -> None:
    missing = [key for key in _KEYS if key not in description]
    unknown = [key for key in description if key not in _KEYS]
    if missing or unknown:
        raise CheckpointError(
            f'{where} must have the keys {list(_KEYS)}, got missing {missing}, unknown {unknown}'
        )
    if description['format'] != _FORMAT:
        raise CheckpointError(f'{where}: format must be {_FORMAT}, got {description["format"]}')
    for key in ('architecture', 'preprocessing', 'vehicle', 'training', 'metrics', 'weights'):
        if not isinstance(description[key], dict):
            got = type(description[key]).__name__
            raise CheckpointError(f'{where}: {key} must be a mapping, got {got}')


def _tensors(network: Network) -> dict[str, Tensor]:
    # BatchNorm's counter is of no use to anybody and no float.
    state = network.state_dict()
    return {key: value for key, value in state.items() if not key.endswith('num_batches_tracked')}


def _fill(network: Network, weights: bytes, where: str) -> None:
    try:
        found = load_tensors(weights)
    except SafetensorError as error:
        raise CheckpointError(f'{where} must be a safetensors file, got: {error}') from error
    expected = _tensors(network)
    for name, tensor in expected.items():
        if name not in found:
            raise CheckpointError(f'{where} must hold the weight {name}, found none')
        if found[name].shape != tensor.shape:
            shapes = f'{tuple(tensor.shape)}, got {tuple(found[name].shape)}'
            raise CheckpointError(f'{where}: weight {name} must have shape {shapes}')
        if not found[name].isfinite().all():
            raise CheckpointError(f'{where}: weight {name} must be finite, got NaN or infinity')
    surplus = sorted(found.keys() - expected.keys())
    if surplus:
        raise CheckpointError(f'{where} must hold no other weights, got {surplus}')
    network.load_state_dict(found, strict=False)
