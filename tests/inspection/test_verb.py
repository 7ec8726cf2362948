"""The verb, as it is typed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from signattn import cli
from signattn.bag import BagError
from signattn.inspection import Finding, Report, inspect, show

KEYS = {'path', 'kind', 'row', 'details', 'topics', 'warnings', 'notes', 'damage'}


@pytest.fixture
def run(capsys):
    """Gives a function that runs the verb: status, what it printed, and its errors."""

    def run(*arguments):
        status = cli.main(['inspect', *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def drive(write_drive):
    frames = np.full((60, 80, 160, 3), 120, np.uint8)
    frames[:, 0, 0, 0] = np.arange(60)
    return write_drive(0.01 * np.sin(np.arange(60) / 10), frames=frames)


def test_one_of_each_kind(run, write_bag, write_model, drive):
    bag, model = write_bag(count=40), write_model()
    status, out, error = run(bag, drive.path, model)
    assert (status, error) == (0, '')
    heads = [f'{bag} (recording)', f'{drive.path} (drive)', f'{model} (model)']
    flat = out.replace('\n', '')
    assert [flat.index(head) for head in heads] == sorted(flat.index(head) for head in heads)
    assert 'read as steering, speed' in out
    assert 'checksums_verified  yes' in out
    assert '→ do not drive with it' in out


def test_json_has_units_in_its_keys_and_nothing_that_json_lacks(run, write_bag):
    def refuse(constant):
        raise AssertionError(constant)

    status, out, _ = run(write_bag(count=40, steering=False), '--json')
    (report,) = json.loads(out, parse_constant=refuse)
    assert status == 0
    assert report.keys() == KEYS
    assert report['row']['duration_s'] == 1.95
    assert report['row']['steering_deg_mean'] is None
    assert report['warnings'][0].keys() == {'kind', 'text', 'remedy'}
    sections = (report['row'], *report['details'].values())
    numbers = {k for it in sections for k, v in it.items() if isinstance(v, float)}
    units = ('_s', '_ms', '_hz', '_ratio', '_mean', '_std', '_min', '_max')
    assert {key for key in numbers if not key.endswith(units)} == set()


@pytest.mark.parametrize(('steering', 'status'), [(True, 0), (False, 1)])
def test_strict_ends_with_1_where_there_is_a_warning(run, write_bag, steering, status):
    bag = write_bag(count=40, steering=steering)
    assert run(bag)[0] == 0
    found, out, error = run(bag, '--strict', '--json')
    assert found == status
    assert json.loads(out)
    assert ('there must be no warning and no damage' in error) == bool(status)


def test_files_are_written_where_they_are_asked_for(run, tmp_path, drive):
    status, out, _ = run(
        drive.path, '--out', tmp_path / 'o', '--plot', tmp_path / 'p' / 'x.html', '--json'
    )
    assert status == 0
    assert json.loads((tmp_path / 'o' / 'inspection.json').read_text()) == json.loads(out)
    assert '<h1>drive</h1>' in (tmp_path / 'p' / 'x.html').read_text()


def test_a_folder_of_drives(write_drive):
    for name in ('b', 'a'):
        write_drive(np.zeros(4), name=name)
    folder = write_drive(np.zeros(4), name='c').path.parent
    assert [report.row['name'] for report in inspect([folder])] == ['a', 'b', 'c']


def test_a_folder_of_recordings_with_a_broken_one(tmp_path, write_bag):
    (tmp_path / 'many').mkdir()
    write_bag('many/a', count=4)
    (tmp_path / 'many' / 'b.bag').write_bytes(b'nothing')
    write_bag('many/c', 'ros1', count=4)
    first, second, third = inspect([tmp_path / 'many'])
    assert (first.row['format'], third.row['format']) == ('mcap', 'ros1')
    assert second.damage
    assert not second.sound


@pytest.mark.parametrize('name', ['nothing', 'empty', 'text.txt'])
def test_what_is_nothing_of_the_kind_is_an_error_that_says_what_is(run, tmp_path, name):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.txt').write_text('hello')
    status, out, error = run(tmp_path / name)
    assert (status, out) == (1, '')
    assert error.startswith('error: ')
    assert name in error


def test_a_path_with_nothing_in_it_names_what_is_taken(tmp_path):
    with pytest.raises(BagError, match=r'inspect takes bags \(\.bag, .* drives \(drive\.yaml\)'):
        next(inspect([tmp_path]))


def test_a_misspelt_option_is_refused(run, tmp_path):
    status, _, error = run(tmp_path, '--picture', '3')
    assert status == 1
    assert "did you mean '--pictures'?" in error


@pytest.mark.parametrize('width', [80, 160])
def test_text_fits_the_terminal(tmp_path, capsys, width):
    report = Report(
        tmp_path,
        'recording',
        {'name': 'x', 'steering_deg_mean': None, 'a' * 20: 1.0, 'long': 'word ' * 60},
        {'camera': {'topic': '/center_camera/image_color/compressed', 'sound': True}},
        [
            {
                'topic': '/center_camera/image_color/compressed',
                'type': 'sensor_msgs/msg/CompressedImage',
                'count': 4,
                'rate_hz': 20.0,
                'offset_ms': None,
                'offset_spread_ms': None,
                'offset_drift_ms': None,
                'zero_stamps': None,
                'read_as': 'camera',
            }
        ],
        [Finding('lag', 'the clocks look apart ' * 8, 'shift [them]')],
    )
    show(report, Console(width=width))
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    text = '\n'.join(lines)
    assert '→ shift [them]' in text
    assert 'clock ms' not in text
    assert 'steering_deg' in text


def test_a_distribution_takes_one_line(capsys, tmp_path):
    row = {'x_deg_mean': 1.0, 'x_deg_std': 2.0, 'x_deg_min': -3.0, 'x_deg_max': 4.0}
    show(Report(tmp_path, 'drive', row), Console(width=80))
    assert 'x_deg  1 ± 2 (-3 to 4)' in capsys.readouterr().out


def test_a_model_is_known_by_its_description():
    from signattn.inspection.verb import MODEL
    from signattn.model.checkpoint import DESCRIPTION

    assert MODEL == DESCRIPTION


def test_a_recording_is_inspected_without_torch_and_matplotlib(write_bag):
    code = (
        'import sys; from pathlib import Path; from signattn.inspection import inspect; '
        f'list(inspect([Path({str(write_bag(count=4))!r})])); '
        'sys.exit(sorted({"torch", "matplotlib", "jinja2"} & sys.modules.keys()) or None)'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, '')
