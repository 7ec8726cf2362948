"""Several processes answer for one: two of them under gloo, against a single one."""

import json
import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from signattn.model import NetworkConfig
from signattn.train.devices import Place, share_of_loss
from signattn.train.loop import _Training
from signattn.train.record import describe_run

CODE = """
import json, sys, torch
from pathlib import Path
torch.set_num_threads(1)
from signattn.augment import AugmentConfig
from signattn.drive import Drive, Split
from signattn.model import NetworkConfig
from signattn.train import TrainConfig, loop, train
drive, out, recipe = sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
recipe['network'] = NetworkConfig(**recipe['network'])
recipe['augment'] = AugmentConfig(**recipe['augment'])
recipe['split'] = Split('end', fraction=0.25, purge_s=0.0)
recipe['start'] = recipe['start'] and Path(recipe['start'])
gradients, real = [], torch.optim.Adam.step
def step(self, *args):
    grads = [p.grad for group in self.param_groups for p in group['params']]
    gradients.append(torch.cat([g.flatten() for g in grads if g is not None]))
    return real(self, *args)
torch.optim.Adam.step = step
train([[Drive(drive)]], out, TrainConfig(**recipe))
import os
torch.save(gradients[:3], out.with_name(out.name + '-' + os.environ.get('RANK', 'alone')))
"""


@pytest.fixture
def gradients(drive, tiny, tmp_path):
    """Gives a function: the first gradients of a run with so many processes, and its files."""
    # No batch normalisation: on a CPU each process has statistics of its own.
    common = replace(tiny, network=NetworkConfig(hidden=8, dropout=0.0), batch=4)
    (tmp_path / 'code.py').write_text(CODE)

    def run(world, **options):
        recipe = replace(common, **options)
        described = describe_run([[drive]], recipe)['recipe']
        (tmp_path / 'recipe.json').write_text(json.dumps(described))
        out = tmp_path / f'run{world}'
        start = [sys.executable]
        if world > 1:
            start += ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={world}']
        script = [tmp_path / 'code.py', drive.path, out, tmp_path / 'recipe.json']
        subprocess.run([*start, *map(str, script)], check=True, timeout=300)
        names = ['alone'] if world == 1 else [str(rank) for rank in range(world)]
        saved = [tmp_path / f'run{world}-{name}' for name in names]
        return [torch.load(path, weights_only=True) for path in saved], out

    return run


def test_two_processes_have_the_gradient_and_the_metrics_of_one(gradients):
    (alone,), one = gradients(1)
    (first, second), two = gradients(2)
    assert len(alone) == len(first) == 3
    for whole, averaged, other in zip(alone, first, second, strict=True):
        torch.testing.assert_close(averaged, whole, rtol=1e-4, atol=1e-6)
        assert torch.equal(averaged, other)
    losses = [
        [float(line.split(',')[2]) for line in (out / 'steps.csv').read_text().splitlines()[1:]]
        for out in (one, two)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    metrics = [json.loads((out / 'metrics.json').read_text()) for out in (one, two)]
    assert metrics[0]['frames'] == metrics[1]['frames'] == 20
    assert metrics[0]['mae_deg'] == pytest.approx(metrics[1]['mae_deg'], rel=1e-2)


def test_two_processes_learn_one_map(gradients):
    """Its loss isn't one pass through the network, so DistributedDataParallel takes no part."""
    _, alone = gradients(1)
    (first, second), _ = gradients(2, objective='faithful', start=alone / 'model')
    for one, other in zip(first, second, strict=True):
        assert one.abs().max() > 0
        assert torch.equal(one, other)


def test_every_process_needs_a_row(drive, tiny, tmp_path):
    place = Place(torch.device('cpu'), rank=0, world=3)
    text = '^batch must be at least 1 for each of 3 processes, got 2$'
    with pytest.raises(ValueError, match=text):
        _Training([[drive]], tmp_path, tiny, place, print)


def test_one_process_takes_the_mean_itself():
    place = Place(torch.device('cpu'))
    assert place.total(1.5, 2) == [1.5, 2]
    assert share_of_loss(torch.tensor(6.0), torch.tensor(4), place).item() == 1.5
    assert share_of_loss(torch.tensor(0.0), torch.tensor(0), place).item() == 0.0


def test_a_place_knows_whether_it_writes():
    assert Place(torch.device('cpu')).first
    assert not Place(torch.device('cpu'), rank=1, world=2).first


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='mallopt is of glibc')
def test_freed_memory_is_kept():
    code = (
        'import sys\n'
        'from pathlib import Path\n'
        'from signattn.train.devices import keep_memory\n'
        "resident = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        "if sys.argv[1] == 'kept': assert keep_memory()\n"
        'before = resident()\n'
        'piece = bytearray(b"1") * 100_000_000\n'
        'del piece\n'
        'print(resident() - before)\n'
    )
    command = [sys.executable, '-c', code]
    kept, given_back = (
        int(subprocess.run([*command, how], check=True, capture_output=True).stdout)
        for how in ('kept', 'given back')
    )
    assert kept > 90_000_000
    assert given_back < 10_000_000
