"""A drive appears only when whole, and nobody else's work is touched."""

import re
import subprocess
import threading
from pathlib import Path

import pytest

from signattn.convert import convert, place
from signattn.convert.place import Place, full_disk, partial, sweep
from signattn.drive import DriveError


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'drives' / 'drive'


def test_a_drive_appears_when_it_is_finished(out):
    with Place(out) as growing:
        growing.frames.write(b'frames')
        growing.write('drive.yaml', b'text')
        assert not out.exists()
        assert growing.folder == out.parent / '.drive.partial'
        growing.finish()
        assert (out / 'frames.npy').read_bytes() == b'frames'
        assert (out / 'drive.yaml').read_bytes() == b'text'
    assert sorted(path.name for path in out.iterdir()) == ['drive.yaml', 'frames.npy']
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(out, error):
    def fail():
        with Place(out) as growing:
            growing.write('samples.parquet', b'half')
            raise error

    with pytest.raises(error):
        fail()
    assert list(out.parent.iterdir()) == []


def test_what_a_killed_run_left_is_taken_over_empty(out):
    left = partial(out)
    (left / 'folder').mkdir(parents=True)
    (left / 'frames.npy').write_bytes(b'much more than before')
    (left / 'folder' / 'progress').write_bytes(b'half')
    with Place(out) as growing:
        assert [path.name for path in left.iterdir()] == ['frames.npy']
        growing.frames.write(b'new')
        growing.finish()
    assert (out / 'frames.npy').read_bytes() == b'new'


def test_a_place_that_is_in_use_is_refused(out, monkeypatch):
    monkeypatch.setattr(place, 'PATIENCE_S', 0.0)
    text = (
        f'{partial(out)} must not be in use, got another run that is writing there: '
        'let it end, or name another --out'
    )
    with Place(out) as growing:
        growing.frames.write(b'mine')
        with pytest.raises(DriveError, match=f'^{re.escape(text)}$'), Place(out):
            pass
        growing.finish()
    assert (out / 'frames.npy').read_bytes() == b'mine'


@pytest.mark.parametrize('ends_well', [True, False])
def test_a_place_is_had_when_the_other_run_ends(out, ends_well):
    """Also where the file that was waited for is no longer the one in the place."""
    taken = threading.Event()

    def wait():
        with Place(out) as second:
            taken.set()
            second.frames.write(b'second')

    with Place(out) as first:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not taken.wait(0.2)
        if ends_well:
            first.frames.write(b'first')
            first.finish()
    waiting.join()
    assert taken.is_set()
    assert out.exists() == ends_well
    assert not ends_well or (out / 'frames.npy').read_bytes() == b'first'


def test_leftovers_are_swept_and_living_work_is_not(tmp_path):
    dead, half, empty = (tmp_path / f'.{name}.partial' for name in ('dead', 'half', 'empty'))
    for left in (dead, half, empty):
        left.mkdir()
    (dead / 'frames.npy').write_bytes(b'dead')
    (half / 'drive.yaml').write_bytes(b'killed while it was removed')
    (tmp_path / 'drive').mkdir()
    foreign = tmp_path / '.download.partial'
    foreign.mkdir()
    (foreign / 'film.mkv').touch()
    (tmp_path / '.metrics.json.partial').touch()
    others = {'.download.partial', '.metrics.json.partial', 'drive'}
    with Place(tmp_path / 'alive') as growing:
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == others | {'.alive.partial'}
        growing.finish()
    assert {path.name for path in tmp_path.iterdir()} == others | {'alive'}
    assert [path.name for path in foreign.iterdir()] == ['film.mkv']


# Full disks


def test_another_error_is_no_full_disk(tmp_path):
    assert full_disk(OSError(5, 'Input/output error'), tmp_path) is None


@pytest.mark.parametrize('size', [200_000, 0])
def test_a_place_without_room_is_named_and_no_drive_appears(
    tmp_path, out, write_folder, start, size
):
    """No file may grow beyond this many bytes."""
    source = write_folder(tmp_path / 'in', 20)
    limit = (
        'import resource; sys.dont_write_bytecode = True; '
        f'resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))'
    )
    process = start('convert', source, '--out', out, before=limit)
    shown, said = process.communicate()
    assert said == (
        f'error: {out} must have room for the drive in, got: File too large; '
        'make room there, or name another --out, and start again: finished drives stay\n'
    )
    assert (process.returncode, shown) == (1, '')
    assert list(out.iterdir()) == []


def mount_small(folder):
    """A file system of 256 KiB there; None where that takes rights that we don't have."""
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def test_a_full_disk_is_named_and_no_drive_appears(tmp_path, config, write_folder):
    disk = tmp_path / 'disk'
    if not mount_small(disk):
        pytest.skip('mounting a small file system takes root')
    try:
        source = write_folder(tmp_path / 'in', 20)
        text = (
            f'{disk} must have room for the drive in, got: No space left on device; '
            'make room there, or name another --out, and start again: finished drives stay'
        )
        with pytest.raises(DriveError, match=f'^{re.escape(text)}$'):
            convert(source, disk / 'in', config)
        assert list(disk.iterdir()) == []
        small = write_folder(tmp_path / 'small', 3)
        convert(small, disk / 'small', config).verify()
    finally:
        subprocess.run(['umount', str(disk)], check=True)


def test_a_folder_that_may_not_be_written(tmp_path, config, write_folder):
    (tmp_path / 'file').write_text('no folder')
    source = write_folder(tmp_path / 'in')
    with pytest.raises(OSError, match=r"Not a directory: '.*file/"):
        convert(source, Path(tmp_path / 'file' / 'in'), config)
