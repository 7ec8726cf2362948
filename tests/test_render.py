"""Videos of recordings, read back."""

import re
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from signattn import render as module
from signattn.bag import BagError, BagWriter
from signattn.model import CheckpointError
from signattn.preprocess import NS_PER_S, Preprocessing
from signattn.render import RenderConfig, render

START = 1_479_424_215_880_976_321  # ns
STEP = 50_000_000  # ns, 20 Hz
CONFIG = RenderConfig(device='cpu')


def write_bag(path, count=5, step=STEP, size=(120, 160), *, steering=True, speed=10.0):
    with BagWriter(path, 'mcap') as writer:
        for i in range(count):
            picture = np.full((*size, 3), 40 * (i % 5), np.uint8)
            writer.image(START + i * step, picture)
            if steering:
                writer.steering(START + i * step, 0.5, speed)
    return path


def pictures(path):
    """(N, H, W, 3) uint8, RGB, and the rate of a video."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    return np.stack(frames), rate


def test_a_video_has_a_picture_for_every_image(tmp_path, write_model):
    seen = []
    out = tmp_path / 'new' / 'overlay.mp4'
    count = render(write_model(), write_bag(tmp_path / 'bag'), out, CONFIG, seen.append)
    video, rate = pictures(out)
    assert (count, rate, seen) == (5, 20, [1, 2, 3, 4, 5])
    assert video.shape == (5, 132, 160, 3)  # with the strip for the steering
    assert list(out.parent.iterdir()) == [out]


def test_the_pictures_are_the_cameras_under_heat_and_bars(tmp_path, write_model):
    out = tmp_path / 'overlay.mp4'
    render(write_model(), write_bag(tmp_path / 'bag'), out, replace(CONFIG, strength=0.0, crf=1))
    video, _ = pictures(out)
    top = video[:, :60].astype(int)  # the bars are below
    for i, picture in enumerate(top):
        assert np.abs(picture - 40 * i).max() <= 8
    assert (video[0, 100:] > 100).any()  # the bars on a black picture
    render(write_model(), tmp_path / 'bag', out, replace(CONFIG, strength=1.0, crf=1))
    assert np.abs(pictures(out)[0][:, :60].astype(int) - top).max() > 50


def test_the_driven_angle_is_drawn_where_it_is_known(tmp_path, write_model, monkeypatch):
    drawn = []
    real = module.draw_steering
    monkeypatch.setattr(
        module, 'draw_steering', lambda *given: drawn.append(given[1:]) or real(*given)
    )
    model = write_model()
    render(model, write_bag(tmp_path / 'bag'), tmp_path / 'a.mp4', CONFIG)
    assert [driven for _, driven in drawn] == [0.5] * 5
    drawn.clear()
    render(model, write_bag(tmp_path / 'dumb', steering=False), tmp_path / 'b.mp4', CONFIG)
    assert np.isfinite([predicted for predicted, _ in drawn]).all()
    assert np.isnan([driven for _, driven in drawn]).all()


@pytest.mark.parametrize(
    ('size', 'width', 'expected'),
    [
        ((120, 160), 0, (132, 160)),
        ((120, 160), 80, (66, 80)),
        ((101, 151), 0, (112, 152)),  # H.264 wants both even
    ],
)
def test_the_size_of_the_video(tmp_path, write_model, size, width, expected):
    source = write_bag(tmp_path / 'bag', 2, size=size)
    render(write_model(), source, tmp_path / 'a.mp4', replace(CONFIG, width=width))
    assert pictures(tmp_path / 'a.mp4')[0].shape[1:3] == expected


def test_a_faster_camera_is_thinned_to_the_rate_of_the_model(tmp_path, write_model):
    source = write_bag(tmp_path / 'bag', 12, NS_PER_S // 40)
    assert render(write_model(), source, tmp_path / 'a.mp4', CONFIG) == 6
    slow = write_model(Preprocessing(rate_hz=10.0))
    assert render(slow, source, tmp_path / 'b.mp4', CONFIG) == 3
    video, rate = pictures(tmp_path / 'b.mp4')
    assert (len(video), rate) == (3, 10)


@pytest.fixture
def resets(monkeypatch):
    """How often the network's memory was thrown away."""
    seen, real = [], module.Engine

    def engine(*given):
        made = real(*given)
        made.on_reset = seen.append
        return made

    monkeypatch.setattr(module, 'Engine', engine)
    return seen


def test_the_network_runs_as_it_was_asked_for(tmp_path, write_model, monkeypatch):
    asked, real = [], module.Engine
    monkeypatch.setattr(module, 'Engine', lambda *given: asked.extend(given) or real(given[0]))
    config = replace(CONFIG, backend='onnx', weights='int8')
    render(write_model(), write_bag(tmp_path / 'bag'), tmp_path / 'overlay.mp4', config)
    assert asked == [tmp_path / 'model', 'cpu', 'onnx', 'int8']


@pytest.mark.parametrize(
    ('times', 'shown', 'breaks'),
    [
        ((0, 50, 50, 100), 3, 0),  # an image sent twice is shown once
        ((0, 50, 550, 600), 4, 0),
        ((0, 50, 551, 600), 4, 1),
        ((0, 50, 20, 70), 4, 1),
    ],
)
def test_a_gap_or_a_step_back_starts_afresh(tmp_path, write_model, resets, times, shown, breaks):
    folder = tmp_path / 'folder'
    folder.mkdir()
    rows = [f'{START + ms * 1_000_000},0.png' for ms in times]
    (folder / 'interpolated.csv').write_text('\n'.join(['timestamp,filename', *rows]))
    cv2.imwrite(str(folder / '0.png'), np.zeros((80, 160, 3), np.uint8))
    assert render(write_model(), folder, tmp_path / 'a.mp4', CONFIG) == shown
    assert len(resets) == breaks


def test_unreadable_pictures_make_a_gap_as_in_a_drive(tmp_path, write_model, resets):
    folder = tmp_path / 'folder'
    folder.mkdir()
    names = [f'{"01"[0 < i < 12]}.png' for i in range(14)]  # 1.png isn't there for 0.6 s
    rows = [f'{START + i * STEP},{name}' for i, name in enumerate(names)]
    (folder / 'interpolated.csv').write_text('\n'.join(['timestamp,filename', *rows]))
    cv2.imwrite(str(folder / '0.png'), np.zeros((80, 160, 3), np.uint8))
    assert render(write_model(), folder, tmp_path / 'a.mp4', CONFIG) == 3
    assert len(resets) == 1


def test_an_older_video_is_replaced(tmp_path, write_model):
    out = tmp_path / 'a.mp4'
    out.write_bytes(b'old')
    render(write_model(), write_bag(tmp_path / 'bag'), out, CONFIG)
    assert len(pictures(out)[0]) == 5


def test_an_image_folder_with_an_unreadable_picture(tmp_path, write_model):
    folder = tmp_path / 'folder'
    folder.mkdir()
    rows = [f'{START + i * STEP},{i}.png' for i in range(4)]
    (folder / 'interpolated.csv').write_text('\n'.join(['timestamp,filename', *rows]))
    for i in (0, 1, 3):
        cv2.imwrite(str(folder / f'{i}.png'), np.zeros((80, 160, 3), np.uint8))
    assert render(write_model(), folder, tmp_path / 'a.mp4', CONFIG) == 3


# Refusals


def refuses(model, source, out, text, error=BagError, config=CONFIG):
    out.parent.mkdir()
    with pytest.raises(error, match=f'^{re.escape(text)}'):
        render(model, source, out, config)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize('name', ['overlay.avi', 'overlay'])
def test_a_video_is_an_mp4(tmp_path, name):
    out = tmp_path / 'out' / name
    refuses('model', tmp_path, out, f'out must end in .mp4, got {out}', ValueError)


def test_what_is_no_model(tmp_path):
    out = tmp_path / 'out' / 'a.mp4'
    text = f'model must be a folder with model.yaml, got {tmp_path}'
    refuses(tmp_path, tmp_path, out, text, CheckpointError)


def test_what_is_no_recording(tmp_path, write_model):
    source, out = tmp_path / 'gone', tmp_path / 'out' / 'a.mp4'
    refuses(write_model(), source, out, f'{source} must be a bag or an image folder, got nothing')


def test_without_a_speed_the_truth_is_left_out_and_the_option_named(tmp_path, write_model, caplog):
    source = write_bag(tmp_path / 'bag', speed=float('nan'))
    out = tmp_path / 'out' / 'a.mp4'
    assert render(write_model(), source, out, CONFIG) == 5
    assert 'no driven steering' in caplog.text
    assert '--assume-speed' in caplog.text
    caplog.clear()
    assert render(write_model(), source, out, replace(CONFIG, assume_speed=10.0)) == 5
    assert not caplog.text


def test_no_readable_picture_says_why(tmp_path, write_model):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'interpolated.csv').write_text(f'timestamp,filename\n{START},0.jpg\n')
    (folder / '0.jpg').write_bytes(b'no picture')
    text = (
        f'{folder}: camera must hold a readable image, got 1 unreadable of 1, '
        f'the first: {folder}/0.jpg: data must be a JPEG or PNG picture'
    )
    refuses(write_model(), folder, tmp_path / 'out' / 'a.mp4', text)


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_an_interruption_leaves_nothing(tmp_path, write_model, monkeypatch, error):
    calls, real = [], module.overlay

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 3:
            raise error('mine')
        return real(*given)

    monkeypatch.setattr(module, 'overlay', interrupted)
    source = write_bag(tmp_path / 'bag')
    refuses(write_model(), source, tmp_path / 'out' / 'a.mp4', 'mine', error)
