"""Figures of an evaluation: each with a caption that says how it was computed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from signattn.drawing import STYLE, data_uri, png, svg
from signattn.evaluate import Scored, errors_deg
from signattn.quality import GREEDY, RANDOM, QualityConfig
from signattn.report.gallery import seconds
from signattn.report.words import REGIMES, is_control, label, setting
from signattn.vehicle import steering_from_curvature

_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7a5c00')
_GREY, _INK, _DRIVEN = '#8a8a8a', '#222222', '#009e73'
KINDS = 'areas', 'errors_*', 'deletion_*', 'insertion_*'
"""Patterns of the figures' names."""
MOST_DRIVES = 12
"""Drives whose errors are drawn; with more a page would be too long."""
_PEAKS = 6
_PEAKS_APART_S = 5.0

Pictures = Mapping[int, np.ndarray[Any, np.dtype[np.uint8]]]


class Drawn(NamedTuple):
    """A figure on the page.

    Attributes:
        name: Of its files.
        title: What it shows.
        caption: How it was computed.
        png: The file.
        svg: The file.
    """

    name: str
    title: str
    caption: str
    png: bytes
    svg: bytes

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return data_uri(self.svg, 'svg+xml')


def curve_figures(curves: pd.DataFrame, config: QualityConfig) -> Iterator[Drawn]:
    """Deletion and insertion curves: a figure for each regime and mode, the controls as a band.

    Args:
        curves: As measured.
        config: What was measured.

    Yields:
        Figures over all measured frames, and over the sample where some explain no more.
    """
    fewer = {*config.costly, *([GREEDY] if config.greedy else [])}
    for (regime, mode, sampled), table in curves.groupby(['regime', 'mode', 'sample'], sort=False):
        if not sampled:
            table = table[~table['method'].isin(fewer)]  # noqa: PLW2901
        elif not fewer & set(table['method']):
            continue
        yield _curves(table, config, str(regime), str(mode), sampled=bool(sampled))


def _curves(
    table: pd.DataFrame, config: QualityConfig, regime: str, mode: str, *, sampled: bool
) -> Drawn:
    of = ', on the sample' if sampled else ''
    moral = (
        'The most salient pixels are masked first: the faster a curve rises, the more the map '
        'knew.'
        if mode == 'deletion'
        else 'The most salient pixels are shown first, the rest is filling: the faster a curve '
        'falls, the more the map knew.'
    )
    caption = (
        f'{moral} Above: mean distance to the answer to the whole picture, below: mean error. '
        'Grey: from the least to the greatest of the controls; dashed: random maps.'
    )
    name = f'{mode}_{regime}{"_sample" if sampled else ""}'
    with mpl.rc_context(STYLE):
        figure = panels(table, config, 'masked' if mode == 'deletion' else 'shown')
        return _drawn(figure, name, setting(regime, mode) + of, caption)


def panels(table: pd.DataFrame, config: QualityConfig, verb: str) -> Figure:
    """Curves of one regime and mode: a column for each filling, above answers, below errors.

    Args:
        table: Of ``Quality.curves``.
        config: What was measured.
        verb: What is done with pixels.

    Returns:
        The figure.
    """
    fillings = list(table['filling'].unique())
    figure = Figure(figsize=(3.2 + 3.1 * len(fillings), 5.2), layout='constrained')
    axes = figure.subplots(2, len(fillings), sharex=True, sharey='row', squeeze=False)
    for column, filling in enumerate(fillings):
        part = table[table['filling'] == filling]
        _lines(axes[0, column], part, 'moved_deg', config)
        _lines(axes[1, column], part, 'mae_deg', config)
        axes[0, column].set_title(f'{filling} filling')
        axes[1, column].set_xlabel(f'pixels {verb} / %')
    for row, text in enumerate(('answer moved by / °', 'mean error / °')):
        axes[row, 0].set_ylabel(text)
        # Once all are drawn: a limit that is set ends the scaling of the whole row.
        axes[row, 0].set_ylim(bottom=0)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc='outside right upper', frameon=False)
    return figure


def _lines(axes: Axes, table: pd.DataFrame, value: str, config: QualityConfig) -> None:
    wide = table.pivot_table(value, 'level_percent', 'method', sort=False)
    controls = wide[[name for name in wide if is_control(str(name))]]
    low, high = controls.min(axis=1), controls.max(axis=1)
    axes.fill_between(wide.index, low, high, color='#dddddd', label='controls')
    axes.plot(wide.index, wide[RANDOM], '--', color=_GREY, label=label(RANDOM, ''))
    for method, colour in _colours(config).items():
        if method in wide:
            name = label(method, config.explainers[0])
            style = ':' if method == GREEDY else '-'
            axes.plot(wide.index, wide[method], style, color=colour, label=name)
    axes.set_xlim(wide.index.min(), wide.index.max())


def _colours(config: QualityConfig) -> dict[str, str]:
    methods = (*config.explainers, *config.costly)
    return dict(zip(methods, _COLOURS, strict=False)) | {GREEDY: _INK}


def area_figure(lines: list[dict[str, Any]], config: QualityConfig) -> Drawn:
    """Fidelity areas of all methods with their intervals.

    Args:
        lines: Of ``summary``.
        config: What was measured.

    Returns:
        The figure.
    """
    table = pd.DataFrame([line for line in lines if line['mode'] == config.modes[0]])
    name = 'fidelity_area_deg_percent'
    regimes, fillings = list(table['regime'].unique()), list(table['filling'].unique())
    # Where only a sample was explained other frames stand behind a number: told apart by a ring.
    fewer = {*config.costly, GREEDY}
    methods = sorted(table['method'].unique(), key=is_control, reverse=True)
    colours = _colours(config)
    with mpl.rc_context(STYLE):
        size = (2.6 + 2.8 * len(fillings), 0.7 + (0.4 + 0.22 * len(methods)) * len(regimes))
        figure = Figure(figsize=size, layout='constrained')
        axes = figure.subplots(len(regimes), len(fillings), squeeze=False, sharey=True)
        for (row, regime), (column, filling) in _product(regimes, fillings):
            part = table[(table['regime'] == regime) & (table['filling'] == filling)]
            here = axes[row, column]
            for line in part.to_dict('records'):
                y, at = methods.index(line['method']), line[name]
                colour = _GREY if is_control(line['method']) else colours[line['method']]
                low, high = line[f'{name}_low'], line[f'{name}_high']
                if low is not None and np.isfinite(low):
                    here.plot([low, high], [y, y], color=colour, linewidth=1.5)
                filled = 'white' if line['method'] in fewer else colour
                here.plot([at], [y], 'o', color=colour, markersize=5, markerfacecolor=filled)
            here.set_yticks(
                range(len(methods)), [label(it, config.explainers[0]) for it in methods]
            )
            here.set_title(f'{REGIMES[regime]},\n{filling} filling')
            here.set_xlim(left=min(0, here.get_xlim()[0]))
        for here in axes[-1]:
            here.set_xlabel('fidelity area F / (° · %)')
        caption = (
            f'{config.modes[0].capitalize()}. The area under the distance to the answer to the '
            'whole picture, with 95 % intervals (bootstrap over blocks of time). Grey: controls, '
            'which know nothing of the frame. Rings: on the sample only.'
        )
        return _drawn(figure, 'areas', 'Fidelity areas', caption)


def _product(
    rows: Iterable[str], columns: Iterable[str]
) -> Iterator[tuple[tuple[int, str], tuple[int, str]]]:
    for row in enumerate(rows):
        for column in enumerate(columns):
            yield row, column


def peaks(item: Scored) -> list[int]:
    """Frames where the error of a drive peaks.

    Args:
        item: What was predicted for a drive.

    Returns:
        At most six places in the drive, rising, at least 5 s apart.
    """
    errors = np.where(item.part, errors_deg(item), np.nan)
    left, at, found = errors.copy(), seconds(item.drive), list[int]()
    while len(found) < _PEAKS and np.isfinite(left).any():
        peak = int(np.nanargmax(left))
        found.append(peak)
        left[np.abs(at - at[peak]) < _PEAKS_APART_S] = np.nan
    return sorted(found)


def error_figure(item: Scored, heats: Pictures) -> Drawn:
    """What was driven and predicted over a drive, the error, and heatmaps where it peaks.

    Args:
        item: What was predicted for a drive.
        heats: Pictures (H, W, 3) uint8, RGB, by frame.

    Returns:
        The figure.
    """
    drive, at = item.drive, seconds(item.drive)
    speed = drive.ahead('speed', item.lead_s)
    predicted = np.degrees(steering_from_curvature(item.curvature, speed, drive.vehicle))
    driven = np.degrees(drive.ahead('steering_angle', item.lead_s))
    errors = errors_deg(item)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 4.9), layout='constrained')
        grid = figure.add_gridspec(3, _PEAKS, height_ratios=[1.25, 1.0, 0.85])
        above = figure.add_subplot(grid[0, :])
        below = figure.add_subplot(grid[1, :], sharex=above)
        for values, colour, name in (
            (driven, _DRIVEN, 'driven'),
            (predicted, _COLOURS[0], 'predicted'),
        ):
            above.plot(at, _broken(item, values), color=colour, linewidth=0.9, label=name)
        above.set_ylabel('steering / °')
        above.legend(loc='lower right', bbox_to_anchor=(1, 0.98), frameon=False, ncols=2)
        below.plot(at, _broken(item, errors), color=_INK, linewidth=0.8)
        below.set_ylabel('error / °')
        below.set_xlabel('time / s')
        below.set_ylim(0, 1.2 * max(0.1, *errors[[*heats]]))
        for number, (frame, heat) in enumerate(heats.items(), 1):
            _number(below, number, at[frame], errors[frame])
            thumbnail = figure.add_subplot(grid[2, number - 1])
            thumbnail.imshow(heat)
            thumbnail.set_axis_off()
            answers = f'{predicted[frame]:+.0f}° for {driven[frame]:+.0f}°'
            thumbnail.set_title(f'{number}: {at[frame]:.1f} s\n{answers}', fontsize=8)
        caption = (
            'At the wheel, left positive; where a line is broken, frames are missing or not '
            f'tested. The numbered pictures show the map where the error peaks, {_PEAKS} times at '
            f'most and at least {_PEAKS_APART_S:g} s apart: predicted for driven.'
        )
        return _drawn(figure, f'errors_{drive.name}', f'Error over {drive.name}', caption)


def _number(axes: Axes, number: int, x: float, y: float) -> None:
    style: Any = {'textcoords': 'offset points', 'ha': 'center', 'weight': 'bold'}
    axes.annotate(str(number), (x, y), (0, 3), color=_COLOURS[1], **style)


def _broken(item: Scored, values: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Values of what counts, with a break behind each gap."""
    shown = np.where(item.part, values, np.nan)
    for stretch in item.drive.stretches()[1:]:
        shown[stretch.start] = np.nan
    return shown


def _drawn(figure: Figure, name: str, title: str, caption: str) -> Drawn:
    return Drawn(name, title, caption, png(figure), svg(figure))
