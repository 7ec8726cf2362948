"""Many recordings at once: whoever works, whatever fails, nothing is lost or done twice."""

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from signattn.bag import BagError, BagWriter
from signattn.cli import main
from signattn.convert import WorkConfig, convert, convert_all, pictures
from signattn.convert.crew import crew
from signattn.convert.watch import StoppedError, Watch, images_done
from signattn.drive import Drive, DriveError

ONE = WorkConfig(workers=1)


def statuses(outcomes):
    return {item.out.name: item.made if item.error is None else item.error for item in outcomes}


# The same bytes


def test_any_number_of_workers_gives_the_same_bytes(tmp_path, config, write_folder, content):
    sources = [write_folder(tmp_path / f'in{i}', 12 + i, seed=i) for i in range(3)]
    alone = tmp_path / 'alone'
    for source in sources:
        convert(source, alone / source.name, config)
    for workers in (1, 2, 5):
        out = tmp_path / str(workers)
        outcomes = convert_all(sources, out, config, WorkConfig(workers=workers))
        assert [item.made for item in outcomes] == [True] * 3
        assert [item.source for item in outcomes] == sources
        assert content(out) == content(alone)
        assert sorted(path.name for path in out.iterdir()) == ['in0', 'in1', 'in2']


def test_a_dask_cluster_gives_the_same_bytes(tmp_path, config, write_folder, content, monkeypatch):
    from distributed import LocalCluster

    sources = [write_folder(tmp_path / f'in{i}', 12 + i, seed=i) for i in range(3)]
    convert_all(sources, tmp_path / 'here', config, ONE)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'interpolated.csv').write_text('timestamp,filename\n')
    with LocalCluster(
        n_workers=2,
        processes=True,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(tmp_path / 'dask'),
    ) as cluster:
        work = WorkConfig(dask=cluster.scheduler_address)
        monkeypatch.chdir(tmp_path)  # where the workers don't stand
        names = [*(source.name for source in sources), 'broken']
        outcomes = convert_all(names, Path('there'), config, work)
        again = convert_all(sources, tmp_path / 'there', config, work)
        with crew(work, 1) as (_, threads):
            assert threads == 1  # no more than a worker has
    assert [item.made for item in outcomes] == [True, True, True, False]
    assert isinstance(outcomes[3].error, BagError)
    assert [item.made for item in again] == [False] * 3
    assert content(tmp_path / 'there') == content(tmp_path / 'here')


def test_a_dask_address_where_nobody_is(tmp_path, config, write_folder, monkeypatch):
    import dask

    source = write_folder(tmp_path / 'in')
    with (
        dask.config.set({'distributed.comm.timeouts.connect': '0.2s'}),
        pytest.raises(ValueError, match=r'^--dask must be the address of a Dask scheduler, got '),
    ):
        convert_all([source], tmp_path / 'out', config, WorkConfig(dask='tcp://127.0.0.1:1'))
    monkeypatch.setitem(__import__('sys').modules, 'distributed', None)
    with pytest.raises(ValueError, match=r'^distributed must be installed for --dask: pip inst'):
        convert_all([source], tmp_path / 'out', config, WorkConfig(dask='tcp://127.0.0.1:1'))


def test_what_is_no_dask_address_is_refused_before_a_client_is_made(
    tmp_path, config, write_folder, monkeypatch
):
    import distributed

    monkeypatch.setattr(distributed, 'Client', None)  # it hangs for a minute when it is freed
    source = write_folder(tmp_path / 'in')
    with pytest.raises(ValueError, match=r'^--dask must be the address .*, got foo: missing port'):
        convert_all([source], tmp_path / 'out', config, WorkConfig(dask='foo'))


@pytest.mark.parametrize(
    ('workers', 'jobs', 'threads', 'kind'),
    [
        (1, 1, 1, 'ThreadPoolExecutor'),
        (4, 1, 4, 'ThreadPoolExecutor'),
        (1, 9, 1, 'ThreadPoolExecutor'),
        (4, 2, 2, 'ProcessPoolExecutor'),
        (4, 40, 1, 'ProcessPoolExecutor'),
        (64, 1, 16, 'ThreadPoolExecutor'),
    ],
)
def test_cores_are_dealt_to_drives_first_then_to_frames(workers, jobs, threads, kind):
    with crew(WorkConfig(workers=workers), jobs) as (executor, got):
        assert (got, type(executor).__name__) == (threads, kind)


def test_less_than_no_worker():
    with pytest.raises(ValueError, match=r'^workers must be at least 0, got -1$'):
        WorkConfig(workers=-1)


def test_the_progress_ends_with_everything_done(tmp_path, config, write_folder):
    sources = [write_folder(tmp_path / name, 8) for name in 'ab']
    seen = []
    convert_all(sources, tmp_path / 'out', config, ONE, seen.append)
    total = sum(file.stat().st_size for source in sources for file in source.iterdir())
    assert seen[-1].drives == 2
    assert seen[-1].done_bytes == seen[-1].total_bytes == total
    assert [it.done_bytes for it in seen] == sorted(it.done_bytes for it in seen)
    assert all(0 <= it.images <= 16 for it in seen)


def test_the_progress_of_a_drive_is_seen_from_outside(tmp_path, monkeypatch):
    assert images_done(tmp_path) is None
    watch = Watch(tmp_path, 100, tmp_path / 'stop')
    assert images_done(tmp_path) is None
    watch.done(1)
    watch.done(2)  # too soon to be told
    assert images_done(tmp_path) == (1, 100)
    monkeypatch.setattr(watch, '_next_s', 0.0)
    (tmp_path / 'stop').touch()
    with pytest.raises(StoppedError, match=r'^the run was asked to end$'):
        watch.done(3)
    assert images_done(tmp_path) == (3, 100)
    watch.close()
    assert [path.name for path in tmp_path.iterdir()] == ['stop']


# What is there already


def test_a_finished_drive_is_not_made_again(tmp_path, config, write_folder):
    source = write_folder(tmp_path / 'in')
    out = tmp_path / 'out'
    assert statuses(convert_all([source], out, config, ONE)) == {'in': True}
    before = (out / 'in' / 'frames.npy').stat()
    assert statuses(convert_all([source], out, config, ONE)) == {'in': False}
    assert (out / 'in' / 'frames.npy').stat() == before
    # A copy elsewhere is the same recording.
    moved = source.rename(tmp_path / 'elsewhere')
    assert convert(moved, out / 'in', config).name == 'in'


def test_a_drive_made_otherwise_is_refused(tmp_path, config, write_folder):
    source = write_folder(tmp_path / 'in')
    out = tmp_path / 'out'
    convert_all([source], out, config, ONE)
    other = replace(config, rate_hz=10.0, smoothing=1.0)
    (outcome,) = convert_all([source], out, other, ONE)
    assert isinstance(outcome.error, DriveError)
    assert str(outcome.error) == (
        f'{out / "in"} must be the drive that these options make of {source}, got '
        'rate_hz 20.0 instead of 10.0, smoothing 0.5 instead of 1.0: '
        'remove it, or name another --out'
    )
    another = write_folder(tmp_path / 'more' / 'in', seed=1)
    (outcome,) = convert_all([another], out, config, ONE)
    assert 'got one of another recording: remove it, or name another --out' in str(outcome.error)
    (outcome,) = convert_all([source], out, replace(config, vehicle='lincoln_mkz'), ONE)
    assert 'wheelbase 2.0 instead of 2.8498' in str(outcome.error)


def test_a_drive_of_an_older_version_is_refused(tmp_path, config, write_folder, write_drive):
    source = write_folder(tmp_path / 'drive')
    old = write_drive([0.0])
    (outcome,) = convert_all([source], old.path.parent, config, ONE)
    assert 'got one that an older version made: remove it' in str(outcome.error)


def test_a_drive_with_damage_is_no_strict_one(tmp_path, config, write_folder):
    source = write_folder(tmp_path / 'in')
    (source / '1.jpg').write_bytes(b'\xff\xd8 no picture')
    out = tmp_path / 'out'
    convert(source, out / 'in', config)
    (outcome,) = convert_all([source], out, replace(config, strict=True), ONE)
    assert str(outcome.error) == (
        f'{out / "in"} must be without damage with --strict, got 1 unreadable images '
        'and 0 damaged places'
    )


# What goes wrong


def test_sources_of_one_name_are_refused_before_anything_is_done(tmp_path, config, write_folder):
    first, second = (write_folder(tmp_path / place / 'in') for place in 'ab')
    text = (
        f'sources must have different names, got {first} and {second}, which would both become '
        f'{tmp_path}/out/in: rename one, or convert them into different folders'
    )
    with pytest.raises(DriveError, match=f'^{re.escape(text)}$'):
        convert_all([first, second], tmp_path / 'out', config, ONE)
    assert not (tmp_path / 'out').exists()
    # Cameras at the side have names too.
    left = write_folder(tmp_path / 'in-left')
    with pytest.raises(DriveError, match=r'which would both become .*/in-left: '):
        convert_all([first, left], tmp_path / 'out', replace(config, side_cameras_deg=1.0), ONE)


@pytest.mark.parametrize('workers', [1, 2])
def test_a_source_that_fails_does_not_stop_the_others(tmp_path, config, write_folder, workers):
    good = [write_folder(tmp_path / name) for name in ('a', 'c')]
    bad = write_folder(tmp_path / 'b')
    (bad / 'interpolated.csv').write_text('timestamp,filename\nnow,0.jpg\n')
    outcomes = convert_all(
        [good[0], bad, good[1]], tmp_path / 'out', config, WorkConfig(workers=workers)
    )
    assert [item.out.name for item in outcomes] == ['a', 'b', 'c']
    assert [item.made for item in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, BagError)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a', 'c']


def test_a_worker_that_dies_is_an_error_and_finished_drives_stay(tmp_path, config, write_folder):
    sources = [write_folder(tmp_path / 'a')]
    sources += [write_folder(tmp_path / name, 4000, size=(960, 1280)) for name in 'bc']
    out = tmp_path / 'out'
    convert(sources[0], out / 'a', config)

    def kill(_):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    outcomes = convert_all(sources, out, config, WorkConfig(workers=2), kill)
    assert [item.made for item in outcomes] == [False] * 3
    assert outcomes[0].error is None
    for source, item in zip(sources[1:], outcomes[1:], strict=True):
        assert str(item.error) == (
            f'{source}: the worker must live until the drive is done, got one that died (killed, '
            'or out of memory): start again with fewer --workers; finished drives stay'
        )
    assert [path.name for path in out.iterdir()] == ['a']


def test_an_interruption_ends_the_work_and_leaves_nothing(
    tmp_path, config, write_folder, monkeypatch
):
    real, begun = pictures.network_input, threading.Event()

    def slow(*arguments):
        begun.set()
        time.sleep(0.005)
        return real(*arguments)

    def interrupt(_):
        begun.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, 'network_input', slow)
    sources = [write_folder(tmp_path / name, 5000) for name in 'ab']
    with pytest.raises(KeyboardInterrupt):
        convert_all(sources, tmp_path / 'out', config, ONE, interrupt)
    assert list((tmp_path / 'out').iterdir()) == []


def test_ctrl_c_ends_all_processes_and_leaves_nothing(tmp_path, write_folder, start):
    sources = [write_folder(tmp_path / name, 4000, size=(960, 1280)) for name in 'ab']
    out = tmp_path / 'out'
    process = start('convert', *sources, '--out', out, '--workers', 2)
    while not [*out.glob('.*.partial')]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    shown, said = process.communicate()
    assert (process.returncode, shown, said) == (1, '', 'error: interrupted\n')
    assert list(out.iterdir()) == []


# Cameras at the side


def test_side_cameras_become_drives_of_their_own(tmp_path, config):
    stamps = [1_000_000_000 + i * 50_000_000 for i in range(4)]
    black = np.zeros((80, 160, 3), np.uint8)
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        for stamp in stamps:
            for level, name in enumerate(('left', 'center', 'right')):
                topic = f'/{name}_camera/image_color/compressed'
                writer.image(stamp, black + 60 * level, topic=topic)
            writer.steering(stamp, 0.1, 10.0)
    wide = replace(config, side_cameras_deg=6.0)
    outcomes = convert_all([tmp_path / 'bag'], tmp_path / 'out', wide, ONE)
    assert [item.out.name for item in outcomes] == ['bag', 'bag-left', 'bag-right']
    drives = [Drive(item.out) for item in outcomes]
    correction = np.radians(6.0)
    for drive, angle, level, side in zip(
        drives,
        (0.1, 0.1 - correction, 0.1 + correction),
        (60, 0, 120),
        (
            None,
            {'camera': 'left', 'correction_deg': -6.0},
            {'camera': 'right', 'correction_deg': 6.0},
        ),
        strict=True,
    ):
        np.testing.assert_allclose(drive.column('steering_angle'), angle, rtol=1e-6)
        # 40 rad·m at 10 m/s.
        np.testing.assert_allclose(drive.column('curvature'), angle / 40, rtol=1e-6)
        np.testing.assert_allclose(drive.column('curvature_smooth'), angle / 40, rtol=1e-6)
        assert drive.frames[0, 40, 80, 2] == level
        assert drive.description['side_camera'] == side
        assert drive.name == drive.path.name
    # The centre's drive is the same with and without them; the side's belong to a correction.
    again = convert_all([tmp_path / 'bag'], tmp_path / 'out', config, ONE)
    assert statuses(again) == {'bag': False}
    other = convert_all(
        [tmp_path / 'bag'], tmp_path / 'out', replace(config, side_cameras_deg=5.0), ONE
    )
    assert 'correction_deg -6.0 instead of -5.0' in str(other[1].error)


def test_cameras_at_the_side_that_are_not_there(tmp_path, config, write_folder):
    source = write_folder(tmp_path / 'in')
    wide = replace(config, side_cameras_deg=6.0)
    centre, left, right = convert_all([source], tmp_path / 'out', wide, ONE)
    assert centre.made
    text = f'{source} must have a camera on the left for --side-cameras, got camera'
    assert str(left.error) == text
    assert str(right.error) == text.replace('left', 'right')


@pytest.mark.parametrize('degrees', [-1.0, float('nan'), float('inf')])
def test_a_correction_that_is_none(config, degrees):
    with pytest.raises(ValueError, match=rf'^side_cameras_deg must be at least 0, got {degrees}$'):
        replace(config, side_cameras_deg=degrees)


# The command line


def test_the_table_names_what_failed_and_the_status_is_1(
    tmp_path, capsys, write_folder, vehicle_file
):
    write_folder(tmp_path / 'in' / 'a', 12)
    bad = write_folder(tmp_path / 'in' / 'b')
    (bad / 'interpolated.csv').write_text('timestamp,filename\nnow,0.jpg\n')
    options = ['--out', str(tmp_path / 'out'), '--vehicle', vehicle_file, '--workers', '1']
    assert main(['convert', str(tmp_path / 'in'), *options]) == 1
    out, err = capsys.readouterr()
    assert re.search(r'^ *a +converted +12 ', out, re.MULTILINE)
    assert re.search(r'^ *b +failed', out, re.MULTILINE)
    assert err.startswith('error: 2 drives must be made, got 1 that failed:\n  ')
    assert str(bad) in err
    assert main(['convert', f'{tmp_path}/in/*', *options, '--json']) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows == json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert [row['status'] for row in rows] == ['there already', 'failed']
    assert rows[1].keys() == {'drive', 'source', 'status', 'error'}
    assert main(['convert', str(bad), *options]) == 1
    out, err = capsys.readouterr()
    assert (out, err.startswith(f'error: {bad}')) == ('', True)


def test_the_row_for_machines(tmp_path, capsys, write_folder, vehicle_file):
    source = write_folder(tmp_path / 'in', 3)
    (source / '1.jpg').write_bytes(b'\xff\xd8 no picture')
    out = tmp_path / 'out'
    arguments = ['convert', str(source), '--out', str(out), '--vehicle', vehicle_file, '--json']
    assert main(arguments) == 0
    (row,) = json.loads(capsys.readouterr().out)
    expected = {
        'drive': str(out / 'in'),
        'source': str(source),
        'status': 'converted',
        'images': 3,
        'frames': 2,
        'skipped': 0,
        'out_of_order': 0,
        'unreadable': 1,
        'damaged': 0,
        'labelled': 2,
        'duration_s': 0.1,
        'rate_hz': 10.0,
        'gaps': 0,
        'speed_m_per_s_mean': 10.0,
        'steering_deg_max': 16.157,  # sin(2 / 7) is 0.282 rad
        'height_px': 60,
        'width_px': 90,
        'notes': [],
    }
    assert expected.items() <= row.items()
    assert [text.partition(':')[0] for text in row['reports']] == ['in/1.jpg']


@pytest.mark.parametrize('spelt', [('--rate', '--max-gap'), ('--rate-hz', '--max-gap-s')])
def test_options_are_understood_with_and_without_their_unit(
    tmp_path, monkeypatch, write_folder, spelt
):
    seen = []
    monkeypatch.setattr('signattn.convert.convert_all', lambda *given: seen.append(given) or [])
    source = write_folder(tmp_path / 'in')
    rate, gap = spelt
    main(['convert', str(source), '--out', str(tmp_path), rate, '10', gap, '1', '--strict'])
    ((sources, out, config, work, _),) = seen
    assert (sources, out) == ([str(source)], tmp_path)
    assert (config.rate_hz, config.max_gap_s, config.strict) == (10.0, 1.0, True)
    assert work == WorkConfig()
