"""Training: one loop over windows, on one device or many, that can be stopped and taken up."""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from signattn.drive import Drive, DriveError, Split
from signattn.evaluate import EvaluateConfig, Scored, predict, score
from signattn.model import Checkpoint, Network, Output, State, load, save
from signattn.model.gating import ACTING, gate_figures
from signattn.preprocess import scale
from signattn.share import write_metrics, write_text
from signattn.train.config import TrainConfig
from signattn.train.devices import (
    Place,
    average_gradients,
    keep_memory,
    share_of_loss,
    taken_place,
)
from signattn.train.faithful import (
    faithful_loss,
    freeze_all_but_score,
    refuse_other_answers,
    silent_twin,
)
from signattn.train.loss import summed_loss
from signattn.train.record import (
    EPOCHS,
    METRICS,
    MODEL,
    PICTURES,
    RUN,
    STATES,
    STEPS,
    Record,
    describe_run,
)
from signattn.train.sequences import Batch, Sequences
from signattn.train.state import Position, gather, newest_state, save_state, scatter


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        pictures: Whether single pictures are trained on.
        epoch: From 1.
        epochs: Epochs of this part.
        step: Optimiser steps of this part so far.
        steps: Optimiser steps of this part in all.
        loss: Mean over the epoch so far, in standard deviations of the curvature.
        frames_per_s: Since the start of the epoch, or since it was taken up.
        mae_deg: Of the part that validates, at the end of an epoch; else None.
    """

    pictures: bool
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    frames_per_s: float
    mae_deg: float | None = None


def train(
    folders: Sequence[Sequence[Drive]],
    out: Path,
    config: TrainConfig,
    report: Callable[[Progress], None] = lambda _: None,
    *,
    resume: bool = False,
) -> dict[str, Any]:
    """Train a network.

    Args:
        folders: The drives of each data folder, with steering, all of one vehicle and one
            preprocessing.
        out: Folder of the run: ``model`` (the checkpoint), ``metrics.json``, ``log.csv``,
            ``steps.csv``, ``run.yaml``, ``tensorboard``, and ``state`` until it is done; under
            ``pictures`` the same of the part on single pictures.
        config: The recipe.
        report: Called after each step.
        resume: Continue the run in ``out`` as if it had never stopped; one that is done stays.

    Returns:
        What metrics.json says; nothing in other processes than the first.

    Raises:
        DriveError: If a drive can't be trained on, or the drives don't go together.
        CheckpointError: If the recipe's ``start`` can't be read.
        ValueError: If the run in ``out`` is another one, or ``start`` is missing where the recipe
            needs it, or another kind of network.
        FloatingPointError: If the loss is no longer a number; ``diverged.json`` names the batch.
    """
    _check_together([drive for folder in folders for drive in folder])
    needs = {
        'distill': config.distill,
        'freeze_encoder': config.freeze_encoder,
        'objective: faithful': config.objective == 'faithful',
    }
    if config.start is None and any(needs.values()):
        what = next(name for name, needed in needs.items() if needed)
        raise ValueError(f'start must name a model with {what}, got none')
    keep_memory()
    with taken_place(config.device) as place:

        def do(part: TrainConfig, asked: TrainConfig, path: Path) -> dict[str, Any]:
            training = _Training(folders, path, part, place, report, asked)
            with contextlib.closing(training.record):
                return training.run(resume=resume)

        if not config.pictures:
            return do(config, config, out)
        if place.first and not resume:
            _forget_older_run(out)
        first = config.first_part()
        do(first, first, out / PICTURES)
        return do(config.second_part(out / PICTURES / MODEL), config, out)


class _Training:
    """One process of a run."""

    def __init__(
        self,
        folders: Sequence[Sequence[Drive]],
        out: Path,
        config: TrainConfig,
        place: Place,
        report: Callable[[Progress], None],
        asked: TrainConfig | None = None,
    ) -> None:
        """Set everything up; ``asked`` is the recipe that the run is known by."""
        if config.batch < place.world:
            raise ValueError(
                f'batch must be at least 1 for each of {place.world} processes, got {config.batch}'
            )
        self.config, self.place, self.out, self.report = config, place, out, report
        self.folders = folders
        self.sequences = Sequences(folders, config)
        torch.manual_seed(config.seed)
        self.network = Network(config.network).to(place.device)
        self.network.curvature_scale.fill_(self.sequences.scale())
        self.teacher = self._start() if config.start else None
        if config.freeze_encoder:
            self.network.encoder.requires_grad_(requires_grad=False)
        self.twin: Network | None = None
        if config.objective == 'faithful':
            freeze_all_but_score(self.network)
            self.twin = silent_twin(self.network)
        self.average = (
            AveragedModel(
                self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True
            )
            if config.ema
            else None
        )
        self.taught: State | None = None
        self.gates: dict[str, float] = {}
        self.optimizer = _optimizer(self.network, config)
        self.called = self._wrapped()
        self.position = Position()
        per_batch = config.sequence // config.window
        self.steps = config.epochs * self.sequences.batches * per_batch
        self.description = describe_run(folders, asked or config)
        self.record = Record(out, self.description)

    def run(self, *, resume: bool) -> dict[str, Any]:
        """Train to the end; see ``train``."""
        if resume:
            self.record.check_same()
            if (self.out / METRICS).is_file():
                metrics: dict[str, Any] = json.loads((self.out / METRICS).read_text())
                if self.place.first:
                    _remove_states(self.out)
                return metrics
            self._take_up()
        if self.place.first:
            if not resume:
                _forget_older_run(self.out)
            self.record.begin(self.position.step)
        self.place.wait()
        while self.position.epoch <= self.config.epochs and not self._tired():
            self._epoch()
        metrics = self._finish() if self.place.first else {}
        self.place.wait()
        return metrics

    def _start(self) -> Network:
        """Take over the weights of another network; it stays as the teacher."""
        checkpoint = load(self.config.start or '')
        teacher = checkpoint.network.to(self.place.device).requires_grad_(requires_grad=False)
        self._refuse_seen(checkpoint)
        if self.config.objective == 'faithful':
            refuse_other_answers(checkpoint, self.config.network)
        ours, theirs = self.network.state_dict(), teacher.state_dict()
        for name, tensor in theirs.items():
            if name in ours and ours[name].shape != tensor.shape:
                raise ValueError(
                    f'start must be a network of the same sizes, got {checkpoint.name} with '
                    f'{name} of {tuple(tensor.shape)} for {tuple(ours[name].shape)}'
                )
        taken = {name: tensor for name, tensor in theirs.items() if name in ours}
        self.network.load_state_dict(taken, strict=False)
        return teacher

    def _refuse_seen(self, checkpoint: Checkpoint) -> None:
        """Refuse a start that was trained on what this run keeps apart."""
        training = checkpoint.training
        split = Split(**training.get('split', {'kind': 'none'}))
        theirs = {
            entry['frames_sha256']: split if entry.get('split', True) else Split('none')
            for entry in training.get('drives', [])
        }
        for drive in self.folders[0]:
            seen = theirs.get(drive.frames_sha256)
            if seen and (seen.parts(drive)[0] & self.config.split.parts(drive)[1]).any():
                raise ValueError(
                    f'start must not be trained on what is kept apart of {drive.path}, got '
                    f'{checkpoint.name} with split {dataclasses.asdict(seen)}: train it with '
                    'the same split'
                )

    def _wrapped(self) -> nn.Module:
        if self.config.compile:
            self.network.encoder.compile(dynamic=False)
        if self.place.world == 1 or self.twin is not None:
            return self.network
        network: nn.Module = self.network
        if self.place.device.type == 'cuda':
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        # The layers of the first state have no part in later windows.
        return DistributedDataParallel(network, find_unused_parameters=True)

    def _take_up(self) -> None:
        found = newest_state(self.out / STATES)
        if found is not None:
            self.position, tensors = found
            scatter(tensors, self.network, self.optimizer, self.average)

    def _tired(self) -> bool:
        return 0 < self.config.patience <= self.position.waited

    def _epoch(self) -> None:
        """What is left of an epoch."""
        position, config = self.position, self.config
        started, done = time.monotonic(), position.losses
        batches = self.sequences.epoch(
            position.epoch, position.batch, self.place.rank, self.place.world
        )
        rate = 0.0
        for batch in batches:
            state: State | None = None
            self.taught = None
            for first in range(0, config.sequence, config.window):
                loss, state = self._step(batch, first, state)
                self._note(loss)
                steps = position.losses - done
                rate = steps * config.batch * config.window / (time.monotonic() - started)
                self.report(self._progress(position.loss_sum / position.losses, rate))
            position.batch += 1
            # Behind the last batch the epoch is closed first, and that is saved.
            last = position.batch == self.sequences.batches
            if config.save_batches and position.batch % config.save_batches == 0 and not last:
                self._save()
        self._close_epoch(rate)

    def _progress(self, loss: float, rate: float, mae_deg: float | None = None) -> Progress:
        position, config = self.position, self.config
        return Progress(
            config.sequence == 1,
            position.epoch,
            config.epochs,
            position.step,
            self.steps,
            loss,
            rate,
            mae_deg,
        )

    def _note(self, loss: float) -> None:
        position = self.position
        position.step += 1
        position.loss_sum += loss
        position.losses += 1
        if self.place.first:
            self.record.step(position.step, position.epoch, loss, self.gates)

    def _step(self, batch: Batch, first: int, state: State | None) -> tuple[float, State]:
        """One window: forward, back, and a step of the optimiser."""
        config, place = self.config, self.place
        self._anneal()
        seed = (config.seed, 1, self.position.step, place.rank)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        frames, target = _to_device(batch, first, config.window, place.device)
        loss, known, state = self._loss(frames, target, state)
        self.optimizer.zero_grad()
        share_of_loss(loss, known, place).backward()
        if self.twin is not None:
            average_gradients(self.network, place)
        largest = config.clip_norm or math.inf  # the norm is wanted in any case
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), largest))
        summed, counted = place.total(loss.item(), float(known))
        mean = summed / max(counted, 1.0)
        if not (math.isfinite(mean) and math.isfinite(norm)):
            self._stop(batch, first, mean, norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return mean, (state[0].detach(), state[1].detach())

    def _loss(
        self, frames: Tensor, target: Tensor, state: State | None
    ) -> tuple[Tensor, Tensor, State]:
        """Sum over this process' labelled frames, how many they are, and the state."""
        config, device = self.config, self.place.device
        if self.twin is not None:
            self.network.eval()  # what is frozen has no statistics to gather
            generator = torch.Generator().manual_seed(torch.initial_seed())
            loss, state = faithful_loss(self.network, self.twin, frames, state, generator)
            count = torch.tensor(target.numel(), device=device)
            return loss * count, count, state
        self.network.train()
        if config.freeze_encoder:
            self.network.encoder.eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == 'bf16'):
            output: Output = self.called(frames, state)
        if config.network.attention in ACTING:
            self.gates = gate_figures(self.network.gating, output.log_attention)
        unit = self.network.curvature_scale
        curvature = output.curvature.float()
        loss, known = summed_loss(curvature, target, unit, config.loss)
        if config.distill:
            taught = torch.where(target.isfinite(), self._teach(frames), target)
            loss = loss + config.distill * summed_loss(curvature, taught, unit, config.loss)[0]
        return loss, known, output.state

    def _teach(self, frames: Tensor) -> Tensor:
        """The teacher's answers, its state carried through the sequence."""
        assert self.teacher is not None  # noqa: S101 (the recipe sees to it)
        with torch.no_grad():
            output: Output = self.teacher(frames, self.taught)
        self.taught = output.state
        return output.curvature

    def _anneal(self) -> None:
        step, config = self.position.step, self.config
        self.network.gating.anneal(step / (config.anneal * self.steps))
        factor = 1.0
        if config.schedule == 'cosine':
            factor = 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))
        for group in self.optimizer.param_groups:
            group['lr'] = group['initial_lr'] * factor

    def _stop(self, batch: Batch, first: int, mean: float, norm: float) -> None:
        """End a training that diverged, and leave behind on what."""
        path = self.out / 'diverged.json'
        if self.place.world > 1:  # any process' rows may be to blame
            batch = self.sequences.batch(self.position.epoch, self.position.batch)
        about = {
            'epoch': self.position.epoch,
            'batch': self.position.batch,
            'step': self.position.step,
            'first_frame_of_window': first,
            'rows': batch.origins,
        }
        if self.place.first:
            write_text(path, json.dumps(about, indent=2) + '\n')
        raise FloatingPointError(
            f'loss and gradient must be finite, got {mean} and a norm of {norm} in step '
            f'{self.position.step}; {path} names the sequences: lower learning_rate, or set '
            'clip_norm'
        )

    def _close_epoch(self, rate: float) -> None:
        position = self.position
        validation = self._validate() if self.place.first else {}
        mae_deg = validation.get('mae_deg')
        loss = position.loss_sum / position.losses
        if self.place.first:
            row = {'epoch': position.epoch, 'loss': loss, 'frames_per_s': rate}
            position.epochs.append(row | {'mae_deg': mae_deg})
            self.record.epoch(position.step, position.epochs)
            self.report(self._progress(loss, rate, mae_deg))
        self._judge(mae_deg)
        if self.place.first and position.waited == 0:
            metrics = {'epoch': position.epoch, 'loss': loss, **validation}
            save(self._checkpoint(metrics), self.out / MODEL)
        position.epoch += 1
        position.batch = position.losses = 0
        position.loss_sum = 0.0
        self._save()

    def _judge(self, mae_deg: float | None) -> None:
        """Note the best validation so far and the epochs since then, alike in every process."""
        position = self.position
        # A network on its way to its budget isn't yet what it is to become.
        on_its_way = self.config.network.attention in ACTING and self.network.gating.progress < 1
        # And where the map alone learns, the answers and their errors stay the same.
        # And a network that has seen single pictures only doesn't know yet what to carry on.
        alone = self.config.sequence == 1
        if mae_deg is None or on_its_way or alone or self.twin is not None:
            position.best, position.waited = None, 0
        elif position.best is None or mae_deg < position.best:
            position.best, position.waited = mae_deg, 0
        else:
            position.waited += 1
        # Only the first process validates.
        (waited,) = self.place.total(position.waited if self.place.first else 0)
        position.waited = round(waited)

    def _save(self) -> None:
        if not self.place.first:
            return
        self.record.flush()
        tensors = gather(self.network, self.optimizer, self.average)
        save_state(self.out / STATES, self.position, tensors, self.config.keep)

    def _answering(self) -> Network:
        """The network that is validated and kept, in evaluation mode and not compiled."""
        if self.average is None and not self.config.compile:
            return self.network.eval()
        source = self.network if self.average is None else self.average.module
        plain = Network(self.config.network).to(self.place.device)
        plain.load_state_dict(source.state_dict())
        plain.gating.anneal(self.network.gating.progress)
        return plain.eval()

    def _validate(self) -> dict[str, Any]:
        """Score of the part that may be looked at."""
        network, lead_s = self._answering(), self.config.target_lead_s
        scored = []
        for drive in self.folders[0]:
            part = self.config.split.validation(drive)
            tested = self.config.split.parts(drive)[1] & ~part
            part = part & np.isfinite(drive.ahead('curvature', lead_s, ~tested))
            if part.any():
                scored.append(Scored(drive, part, predict(network, drive), lead_s))
        return score(scored, EvaluateConfig()) if scored else {}

    def _checkpoint(self, metrics: dict[str, Any]) -> Checkpoint:
        return Checkpoint(
            self._answering(),
            self.folders[0][0].preprocessing.to_mapping(),
            self.folders[0][0].vehicle,
            self.description,
            metrics,
            self.config.name,
        )

    def _finish(self) -> dict[str, Any]:
        """metrics.json, written last, marks a whole run."""
        metrics = dict(load(self.out / MODEL).metrics)
        self.record.flush()
        write_metrics(self.out / METRICS, metrics)
        _remove_states(self.out)
        return metrics


def _remove_states(out: Path) -> None:
    for state in (out / STATES).glob('*'):
        state.unlink()
    if (out / STATES).is_dir():
        (out / STATES).rmdir()


def _forget_older_run(out: Path) -> None:
    """Remove what would pass for this run's; what says which run it was goes last."""
    (out / METRICS).unlink(missing_ok=True)
    _remove_states(out)
    for file in (EPOCHS, STEPS, f'{MODEL}/model.yaml', 'diverged.json', RUN):
        (out / file).unlink(missing_ok=True)


def _check_together(drives: Sequence[Drive]) -> None:
    first = drives[0]
    for drive in drives:
        drive.require_labels()
        for name in ('vehicle', 'preprocessing'):
            ours, theirs = (
                dataclasses.asdict(getattr(one, name)) | {'aspect_ratio': None}
                for one in (first, drive)
            )
            for key, value in ours.items():
                if theirs[key] != value:
                    raise DriveError(
                        f'{drive.path}: {key} of the {name} must be {value!r} as in {first.path}, '
                        f'got {theirs[key]!r}'
                    )


def _optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    wide = [network.lstm.weight_ih, network.output.weight]
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        [item for item in learning if all(item is not other for other in wide)],
        [item for item in wide if item.requires_grad],
    ]
    rates = (config.learning_rate, config.learning_rate * config.wide_factor)
    return torch.optim.Adam(
        [
            {'params': group, 'lr': rate, 'initial_lr': rate}
            for group, rate in zip(groups, rates, strict=True)
            if group
        ],
        fused=True,
    )


def _to_device(
    batch: Batch, start: int, window: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    part = slice(start, start + window)
    frames = torch.from_numpy(scale(batch.frames[:, part])).to(device)
    return frames, torch.from_numpy(batch.curvature[:, part]).to(device)
