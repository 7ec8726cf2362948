"""What an evaluation leaves: tables, figures, and a page that a browser shows without trouble."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from signattn.masks import LINES, write_masks
from signattn.report import write

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
PROBE = """<script>addEventListener('load', () => {
  const images = [...document.images];
  const broken = images.filter((image) => !image.complete || !image.naturalWidth).length;
  document.title = `${images.length} pictures, ${broken} broken`;
});</script>"""


@pytest.fixture
def read(read_page):
    return lambda out: read_page(out / 'report.html')


def opened(page, tmp_path):
    """What a browser makes of a page: its pictures, and what its console says."""
    probe = tmp_path / 'probe.html'
    probe.write_text(page.replace('</body>', f'{PROBE}</body>'), encoding='utf-8')
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom']
    options += ['--enable-logging=stderr', '--log-level=0', '--virtual-time-budget=10000']
    command = [BROWSER, *options, f'--user-data-dir={tmp_path / "profile"}', probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search('<title>(.*?)</title>', done.stdout)[1]
    return title, [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


def test_everything_is_left(report):
    out, metrics = report()
    assert sorted(file.name for file in out.iterdir()) == [
        'areas.parquet',
        'curves.csv',
        'figures',
        'metrics.json',
        'predictions.csv',
        'report.html',
    ]
    names = ['areas', 'deletion_frame', 'errors_winding', 'insertion_frame']
    expected = sorted(f'{name}.{kind}' for name in names for kind in ('png', 'svg'))
    assert sorted(file.name for file in (out / 'figures').iterdir()) == expected
    for name in names:
        assert cv2.imread(str(out / 'figures' / f'{name}.png')).size
    assert json.loads((out / 'metrics.json').read_text()) == metrics
    assert {'mae_deg', 'model_checksum', 'explanations', 'costs'} <= metrics.keys()
    assert metrics['costs']['attention']['forwards'] == 1
    areas = pd.read_parquet(out / 'areas.parquet')
    own = areas[(areas['method'] == 'attention') & (areas['mode'] == 'deletion')]
    assert own['frame'].tolist() == list(range(4, 80, 10))
    line = metrics['explanations'][0]
    assert (line['method'], line['mode']) == ('attention', 'deletion')
    assert line['auc_deg_percent'] == pytest.approx(own['auc_deg_percent'].mean())
    table = pd.read_csv(out / 'curves.csv')
    assert set(table['level_percent']) == {0, 10, 20, 100}


def test_the_page_holds_what_it_must(report, read):
    out, metrics = report()
    page = read(out)
    assert page.titles == [
        'tiny <1>',
        'How well it steers',
        'How far its explanations can be trusted',
        'Fidelity areas',
        'Deletion, each frame by itself',
        'Insertion, each frame by itself',
        'Frames to look at',
        'Error over winding',
        'All measures',
        'How everything was computed',
        'What the numbers do not say',
    ]
    text = ' '.join(page.said)
    mean = re.escape(f'{metrics["mae_deg"]:.3g} [')
    assert re.search(f'this network {mean}', text)
    assert 'paper, on its own data: sign-only attention 4.67' in text
    assert 'The attention of this network does not act' in text
    assert 'every 10th was masked' in text
    assert 'largest error' in text
    assert 'share of the way' not in text  # greedy wasn't asked for
    # 8 frames at most, each with two maps and what they leave; and the figures.
    kinds = [image.partition(';')[0] for image in page.images]
    assert kinds.count('data:image/svg+xml') == 4
    assert kinds.count('data:image/jpeg') % 5 == 0
    assert 10 <= kinds.count('data:image/jpeg') <= 40
    for image in page.images:
        assert base64.b64decode(image.partition(',')[2], validate=True)


def test_the_page_says_what_was_taught_and_what_was_masked(report, read, quick):
    config = replace(quick, fillings=('feature', 'donor'), modes=('deletion',), step=40)
    out, _ = report(config, training={'recipe': {'objective': 'faithful'}})
    text = ' '.join(read(out).said)
    assert 'Its map was taught to mark what moves the answer' in text
    assert 'not what the answer rests on' not in text
    assert 'most salient pixels (donor filling)' in text  # a picture has no features
    assert 'cells of the encoder are replaced instead of pixels' in text
    assert 'the same pixels of the picture 10 s before' in text


def test_without_explanations(report, read):
    out, metrics = report(explained=False)
    page = read(out)
    assert page.titles[1:3] == ['How well it steers', 'Error over winding']
    assert 'Explanations were not measured' in ' '.join(page.said)
    assert 'explanations' not in metrics
    assert not (out / 'curves.csv').exists()


def test_nothing_of_an_earlier_report_stays(report, quick):
    out, _ = report(replace(quick, modes=('deletion',), step=40))
    (out / 'truth.parquet').write_bytes(b'of yesterday')
    (out / 'figures' / 'mine.png').write_bytes(b'not of a report')
    report(explained=False)
    left = sorted(file.name for file in out.iterdir())
    assert left == ['figures', 'metrics.json', 'predictions.csv', 'report.html']
    figures = sorted(file.name for file in (out / 'figures').iterdir())
    assert figures == ['errors_winding.png', 'errors_winding.svg', 'mine.png']


def test_what_was_measured_is_kept_when_nothing_can_be_drawn(report, quick, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError('no font')

    monkeypatch.setattr(write, 'area_figure', broken)
    with pytest.raises(OSError, match='no font'):
        report(replace(quick, modes=('deletion',), step=40))
    kept = pd.read_parquet(tmp_path / 'report' / 'areas.parquet')
    assert set(kept['frame']) == {19, 59}


@pytest.mark.parametrize(('last', 'beside'), [(25, True), (20, False)])
def test_the_papers_numbers_stand_beside_their_like(report, quick, last, beside):
    config = replace(quick, levels=(0, 10, last), fillings=('black', 'feature'), step=40)
    out, _ = report(config)
    page = (out / 'report.html').read_text(encoding='utf-8')
    deletion, *others = page.split('</table>', 2)[1:]  # behind that of the error
    assert bool(re.search(r'<td class="paper">\d', deletion)) == beside
    assert not re.search(r'<td class="paper">\d', ''.join(others))
    assert ''.join(others).count('<td class="paper">') > 10


def test_what_explains_a_sample_is_set_beside_the_rest(report, quick, read):
    costly = ('integrated_gradients',)
    config = replace(
        quick, modes=('deletion',), costly=costly, greedy=True, levels=(0, 1), sample=2
    )
    out, metrics = report(config)
    page = read(out)
    assert 'Deletion, each frame by itself, on the sample' in page.titles
    assert (out / 'figures' / 'deletion_frame_sample.svg').is_file()
    text = ' '.join(page.said)
    assert 'integrated gradients *' in text
    assert 'On the sample: Deletion, each frame by itself, black filling' in text
    assert 'share of the way from random to greedy' in text
    own = [it for it in metrics['explanations_on_sample'] if it['method'] == 'attention']
    assert [it['frames'] for it in own] == [2]


def test_where_the_truth_is_known(report, quick, read, drive, tmp_path):
    drive.description['source'] = {'name': 'out.bag'}
    mask = np.zeros((80, 160), np.uint8)
    mask[40:] = LINES
    with write_masks(tmp_path / 'out.masks.zip') as masks:
        for stamp in drive.stamps_ns.tolist():
            masks.add(stamp, mask)
    out, metrics = report(replace(quick, modes=('deletion',), step=40, masks=tmp_path))
    lines = {line['method']: line for line in metrics['truth']}
    # The ceiling is blurred as all maps are.
    assert lines['ceiling']['energy'] == pytest.approx(0.95, abs=0.02)
    assert lines['centre']['energy'] == pytest.approx(0.5)
    assert 'Whether the maps lie on what is causal' in read(out).titles
    assert len(pd.read_parquet(out / 'truth.parquet')) == 2 * len(lines)


@pytest.mark.skipif(BROWSER is None, reason='no chromium and no chrome')
def test_a_browser_shows_the_page(report, quick, read, tmp_path):
    out, _ = report(replace(quick, modes=('deletion',), step=40))
    text = (out / 'report.html').read_text(encoding='utf-8')
    count = len(read(out).images)
    assert opened(text, tmp_path) == (f'{count} pictures, 0 broken', [])
    # Would it notice?
    spoilt = text.replace('data:image/jpeg;base64,', 'data:image/jpeg;base64,!', 1)
    spoilt = spoilt.replace('</body>', '<script>nothing()</script></body>')
    title, said = opened(spoilt, tmp_path)
    assert title == f'{count} pictures, 1 broken'
    assert any('nothing is not defined' in line for line in said)
