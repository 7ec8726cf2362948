"""A recording through the real nodes, each a process of its own, and the score of the answers."""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from signattn.bag import Recording, Selection, open_recording
from signattn.delivery import delivery
from signattn.labels import labels_at
from signattn.latency_figure import latency_figure
from signattn.model import Checkpoint, load
from signattn.nodes import ledger
from signattn.nodes.dds import profile_environment
from signattn.nodes.transport import transport
from signattn.preprocess import MAX_GAP_S, Preprocessing
from signattn.share import share_path, write_whole
from signattn.stream import BackendName, Weights
from signattn.vehicle import Vehicle, load_vehicle, steering_from_curvature

METRICS, NODES, FIGURE = 'metrics.json', 'nodes.yaml', 'latency.png'
STOP_S = 5.0
FOUND_S = 4.0
"""Fast DDS announces a participant every 3 s: one that started beside others is found as late."""
LAST_DOMAIN = 232
FASTEST_HZ = 1000
TAIL_LINES = 12

Mode = Literal['lockstep', 'realtime']


class ReplayError(RuntimeError):
    """Nodes that couldn't be started or didn't do their work."""


@dataclass(frozen=True)
class ReplayConfig(Selection):
    """How a recording is played to the nodes.

    Attributes:
        mode: ``lockstep``: every image is answered before the next goes out, however long that
            takes. ``realtime``: as recorded, and what comes too late is lost.
        rate: Speed of realtime, 2 is twice as fast.
        camera_hz: Hz, in realtime: play what a camera of this rate would have given; 0 for the
            images as they were recorded.
        vehicle: Name or file of the vehicle; the model's own by default.
        assume_speed: m/s, for a recording without speed.
        device: Where the network runs: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        backend: What runs it: ``torch``, ``onnx``, or ``auto`` for what answers soonest, which may
            be another at each run, and with it the last bits.
        weights: ``fp32``, or ``int8`` for those of LSTM and gate.
        timeout_s: s, after which an image without answer is sent again.
        wait_s: s, longest wait for the drive node to be ready.
        domain_id: ROS domain of the nodes, 0 to 232, to watch them from elsewhere on this machine;
            one that nobody here uses by default, whatever ROS_DOMAIN_ID says. In one that is named
            the first image goes out 4 s later, when whoever watches has been found.
    """

    mode: Mode = 'lockstep'
    rate: float = 1.0
    camera_hz: float = 0.0
    vehicle: str | None = None
    assume_speed: float | None = None
    device: str = 'auto'
    backend: BackendName = 'torch'
    weights: Weights = 'fp32'
    timeout_s: float = 2.0
    wait_s: float = 120.0
    domain_id: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be played."""
        if self.mode not in ('lockstep', 'realtime'):
            raise ValueError(f'mode must be lockstep or realtime, got {self.mode!r}')
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f'rate must be above 0, got {self.rate}')
        if not 0 <= self.camera_hz <= FASTEST_HZ:
            raise ValueError(f'camera_hz must be from 0 to {FASTEST_HZ}, got {self.camera_hz}')
        if self.camera_hz and self.mode == 'lockstep':
            raise ValueError(
                f'camera_hz must be 0 in lockstep, got {self.camera_hz}: there every image is '
                'answered, whenever it comes'
            )
        if self.domain_id is not None and not 0 <= self.domain_id <= LAST_DOMAIN:
            raise ValueError(f'domain_id must be from 0 to {LAST_DOMAIN}, got {self.domain_id}')


def replay(
    model: Path, source: Path, out: Path, config: ReplayConfig | None = None
) -> dict[str, Any]:
    """Play a recording to the drive node and score what it answers.

    Args:
        model: A checkpoint's folder.
        source: A bag, or a folder with interpolated.csv.
        out: Folder for metrics.json, latency.png, answers.csv, attention.npy and the logs of the
            nodes.
        config: How.

    Returns:
        What metrics.json holds. Without steering there is no ``mae_…``, and ``note`` says so.

    Raises:
        ValueError: If the model or the recording can't be used.
        ReplayError: If a node fails, the text holds the end of its log; or, with metrics.json
            written, if images are lost in lockstep.
        OSError: If something can't be written.
    """
    config = config or ReplayConfig()
    checkpoint = load(model)
    driven = load_vehicle(config.vehicle) if config.vehicle else checkpoint.vehicle
    mode, assume_speed = config.mode, config.assume_speed
    with open_recording(source, config) as recording:
        # Whatever is wrong with the labels is said now, not after the drive.
        labels_at(recording, np.zeros(0, np.int64), driven, assume_speed)
        _prepare(out)
        rate_hz = Preprocessing.from_mapping(checkpoint.preprocessing).rate_hz
        drive = _for_drive_node(recording, model, config)
        player = _for_replay_node(recording, out, config) | {'rate_hz': float(rate_hz)}
        _run(drive, player, out, config.domain_id)
        entries = ledger.read(out)
        rate = config.rate if mode == 'realtime' else None
        metrics = _about(checkpoint, recording, mode, config.rate)
        metrics |= delivery(entries, rate)
        metrics |= _accuracy(entries, recording, driven, assume_speed)
    title = f'{checkpoint.name} on {recording.path.name}, {mode}'
    write_whole(out / FIGURE, latency_figure(entries, title))
    _write(out / METRICS, json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False))
    if mode == 'lockstep' and metrics['lost']:
        raise ReplayError(
            f'every image must be answered in lockstep, {metrics["lost"]} of {metrics["sent"]} '
            f'were lost; {out / METRICS} and the logs beside it have the rest'
        )
    return metrics


def _prepare(out: Path) -> None:
    """Leave nothing of an earlier replay that could be taken for this one's."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (METRICS, FIGURE, ledger.ANSWERS, ledger.ATTENTION):
        (out / name).unlink(missing_ok=True)


def _for_drive_node(recording: Recording, model: Path, config: ReplayConfig) -> dict[str, Any]:
    sent = transport(recording)
    parameters = {
        'model': str(model.resolve()),
        'device': config.device,
        'backend': config.backend,
        'weights': config.weights,
        'image_transport': sent,
        'max_age': 0.0,  # a recording is as old as it is
        'max_gap': MAX_GAP_S,
    }
    if config.mode == 'lockstep':
        topic = '/image' if sent == 'raw' else '/image/compressed'
        parameters[f'qos_overrides.{topic}.subscription.reliability'] = 'reliable'
    return parameters


def _for_replay_node(recording: Recording, out: Path, config: ReplayConfig) -> dict[str, Any]:
    parameters = {
        'source': str(recording.path.resolve()),
        'image_topic': recording.image_topic,
        'out': str(out.resolve()),
        'mode': config.mode,
        'max_gap': MAX_GAP_S,
        'rate': float(config.rate),
        'camera_hz': float(config.camera_hz),
        'timeout': float(config.timeout_s),
        'wait': float(config.wait_s),
        'assume_speed': float(config.assume_speed or 0),
    }
    if config.domain_id is not None:
        parameters['settle'] = FOUND_S  # whoever watches sees the first images too
    named = ('steering', 'unit', 'speed', 'speed_unit', 'msg_path', 'vehicle')
    given = {name: getattr(config, name) for name in named}
    return parameters | {name: str(value) for name, value in given.items() if value is not None}


def _run(
    drive_node: Mapping[str, Any],
    replay_node: Mapping[str, Any],
    out: Path,
    domain_id: int | None,
) -> None:
    """Run both nodes until the recording is over.

    Args:
        drive_node: Its parameters.
        replay_node: Its parameters.
        out: Folder for parameters and logs.
        domain_id: Their ROS domain; None for a free one.

    Raises:
        ReplayError: If one of them fails.
    """
    nodes = {'/signattn': drive_node, '/replay': replay_node}
    files = {name: {'ros__parameters': dict(values)} for name, values in nodes.items()}
    _write(out / NODES, yaml.safe_dump(files, sort_keys=False, allow_unicode=True))
    environment = _environment(os.environ, domain_id)
    with contextlib.ExitStack() as stack:
        ended = stack.enter_context(_sigterm())
        drive = stack.enter_context(_node('drive_node', out, environment))
        player = stack.enter_context(_node('replay_node', out, environment))
        while player.poll() is None:
            if ended.is_set():
                sys.exit(128 + signal.SIGTERM)
            if drive.poll() is not None:
                raise _failure('drive_node', drive.returncode, out)
            time.sleep(0.02)
        if player.returncode:
            raise _failure('replay_node', player.returncode, out)


@contextlib.contextmanager
def _sigterm() -> Iterator[threading.Event]:
    """Whether SIGTERM has come: by default it would leave the nodes behind, running.

    The handler only takes note: raising in it could strike while a node is being started, before
    anybody is responsible for ending it.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _node(
    name: str, out: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A node's process, ended on leaving."""
    command = [sys.executable, '-m', 'signattn.nodes', name, '--ros-args']
    command += ['--params-file', str(out / NODES), '--disable-external-lib-logs']
    with (out / f'{name}.log').open('wb') as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for request in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(request)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)


def _failure(name: str, status: int, out: Path) -> ReplayError:
    log = out / f'{name}.log'
    lines = log.read_text(encoding='utf-8', errors='replace').splitlines()[-TAIL_LINES:]
    said = '\n  '.join(lines) or 'nothing'
    return ReplayError(
        f'{name} must run to the end, ended with status {status}; it said ({log}):\n  {said}'
    )


def _environment(ours: Mapping[str, str], domain_id: int | None) -> dict[str, str]:
    """Environment of the nodes: recorded images must not reach a robot that listens."""
    environment = dict(ours)
    for name in ('ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER'):
        environment.pop(name, None)
    if domain_id is None:
        domain_id = free_domain_id(besides=environment.get('ROS_DOMAIN_ID', ''))
    environment['ROS_DOMAIN_ID'] = str(domain_id)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    profile = share_path('config/fastdds.xml')
    return environment | profile_environment(profile, environment)


def free_domain_id(besides: str = '') -> int:
    """A ROS domain that nobody on this machine uses.

    Args:
        besides: A domain not to take, as ROS_DOMAIN_ID has it.

    Returns:
        A domain from 1 to 100, such that the port of its first participant is free.

    Raises:
        ReplayError: If there is none.
    """
    first = os.getpid() % 100
    for domain in ((first + step) % 100 + 1 for step in range(100)):
        if str(domain) == besides.strip():
            continue
        # Ports of DDS: 7400 + 250 · domain, and + 10 for the first participant.
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe, contextlib.suppress(OSError):
            probe.bind(('', 7400 + 250 * domain + 10))
            return domain
    raise ReplayError(
        'a ROS domain from 1 to 100 must be free, all are taken: name one with --domain-id'
    )


def _about(
    checkpoint: Checkpoint, recording: Recording, mode: Mode, rate: float
) -> dict[str, Any]:
    about: dict[str, Any] = {
        'model': checkpoint.name,
        'model_checksum': checkpoint.checksum,
        'source': recording.path.name,
        'image_topic': recording.image_topic,
        'mode': mode,
    }
    return about if mode == 'lockstep' else about | {'rate': rate}


def _accuracy(
    entries: list[ledger.Entry],
    recording: Recording,
    vehicle: Vehicle,
    assume_speed: float | None,
) -> dict[str, Any]:
    """How far the answers are from what was driven, against raw labels."""
    answered = [entry for entry in entries if entry.curvature is not None]
    stamps = np.array([entry.stamp_ns for entry in answered], np.int64)
    curvature = np.array([entry.curvature for entry in answered], np.float64)
    labels = labels_at(recording, stamps, vehicle, assume_speed)
    scored = np.isfinite(labels.curvature)
    if not scored.any():
        what = 'steering near an answered image' if recording.steering_topic else 'steering'
        return {'scored': 0, 'note': f'not scored: the recording has no {what}'}
    driven = labels.steering_angle[scored]
    answer = steering_from_curvature(curvature[scored], labels.speed[scored], vehicle)
    return {
        'scored': int(scored.sum()),
        'mae_deg': _mean_abs(np.degrees(answer - driven)),
        'mae_per_m': _mean_abs(curvature[scored] - labels.curvature[scored]),
        'mae_deg_zero': _mean_abs(np.degrees(driven)),
    }


def _mean_abs(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).mean())


def _write(path: Path, text: str) -> None:
    write_whole(path, f'{text}\n'.encode())
