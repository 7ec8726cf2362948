"""Error and areas along an axis, as in the paper's Figs. 7 and 9, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from signattn.drawing import INK, STYLE, png, svg
from signattn.drawing import MARK as CONTROL
from signattn.share import write_whole

AREAS = {
    'auc_deg_percent': 'raw area / (deg·%)',
    'excess_area_deg_percent': 'excess area / (deg·%)',
    'fidelity_area_deg_percent': 'fidelity area / (deg·%)',
}
LABELS = {'bits': 'bits of the amplitude', 'temperature': 'temperature T', 'attention': ''}
REGIMES = {'frame': 'each frame with the state before it', 'stream': 'masked streams'}
ELSEWHERE, RANDOM = 'that from elsewhere', 'random maps'


def error_figure(metrics: Mapping[str, Any]) -> Figure:
    """Mean error along the axis (Figs. 7b and 9b).

    Args:
        metrics: As ``run_sweep`` gives them.

    Returns:
        The figure.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout='constrained')
        axes = figure.add_subplot()
        rows = [{'variant': name, **entry} for name, entry in metrics['variants'].items()]
        _values(axes, metrics, rows, 'mae_deg', None)
        _scale(axes, metrics)
        axes.set_ylabel('mean error / °')
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    return figure


def area_figures(metrics: Mapping[str, Any]) -> dict[str, Figure]:
    """Areas under the curves along the axis (Figs. 7a and 9a).

    Args:
        metrics: As ``run_sweep`` gives them.

    Returns:
        A figure for each regime and mode: a row for each filling, a column for each area.
    """
    ways = dict.fromkeys((line['regime'], line['mode']) for line in metrics['explanations'])
    return {f'{regime}_{mode}': _areas(metrics, regime, mode) for regime, mode in ways}


def _areas(metrics: Mapping[str, Any], regime: str, mode: str) -> Figure:
    lines = [
        line
        for line in metrics['explanations']
        if (line['regime'], line['mode']) == (regime, mode)
    ]
    fillings = [*dict.fromkeys(line['filling'] for line in lines)]
    with mpl.rc_context(STYLE):
        size = (12, 0.9 + 2.5 * len(fillings))
        figure = Figure(figsize=size, layout='constrained')
        figure.suptitle(f'{mode}, {REGIMES[regime]}')
        grid = figure.subplots(len(fillings), len(AREAS), sharex=True, squeeze=False)
        for filling, row in zip(fillings, grid, strict=True):
            chosen = [line for line in lines if line['filling'] == filling]
            for axes, (name, label) in zip(row, AREAS.items(), strict=True):
                _panel(axes, metrics, chosen, name)
                axes.set_ylabel(label)
                axes.set_title(filling, loc='left', fontsize='medium')
        for axes in grid[-1]:
            _scale(axes, metrics)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside lower center', ncols=4, frameon=False)
    return figure


def _panel(
    axes: Axes, metrics: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], name: str
) -> None:
    """One area with one filling: the networks' own maps, and what they must beat."""
    for method, label, colour in (('away', ELSEWHERE, CONTROL), ('random', RANDOM, '#999999')):
        rows = _swept([line for line in lines if line['method'] == method], metrics)
        places = _places(metrics)
        axes.plot(
            [places[row['variant']] for row in rows],
            [row[name] for row in rows],
            color=colour,
            label=label,
            linestyle=':' if _numeric(metrics) else 'none',
            marker='_',
            markersize=9,
        )
    own = [line for line in lines if line['own']]
    methods = ' or '.join(dict.fromkeys(line['method'] for line in own))
    _values(axes, metrics, own, name, f"the network's map: {methods}")


def _values(
    axes: Axes,
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    name: str,
    label: str | None,
) -> None:
    """One quantity over the axis with its intervals; a reference as a level line and a band."""
    places, swept = _places(metrics), _swept(rows, metrics)
    axes.errorbar(
        [places[row['variant']] for row in swept],
        [row[name] for row in swept],
        yerr=[[_reach(row, name, side) for row in swept] for side in ('low', 'high')],
        color=INK,
        label=label,
        linestyle='-' if _numeric(metrics) else 'none',
        marker='o',
        markersize=4,
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
    )
    for row in rows:
        if row['variant'] not in places:
            axes.axhline(row[name], color='#444444', linestyle='--', label=row['variant'])
            low, high = (_reach(row, name, side) for side in ('low', 'high'))
            axes.axhspan(row[name] - low, row[name] + high, color='#444444', alpha=0.1, lw=0)


def _swept(
    rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Those with a place on the axis, in its order."""
    places = _places(metrics)
    chosen = [row for row in rows if row['variant'] in places]
    return sorted(chosen, key=lambda row: places[row['variant']])


def _reach(row: Mapping[str, Any], name: str, side: str) -> float:
    """How far the interval reaches from the mean; 0 if there is none."""
    bound = row[f'{name}_{side}']
    return 0.0 if bound is None else abs(float(bound) - float(row[name]))


def _numeric(metrics: Mapping[str, Any]) -> bool:
    return any(value is not None for value in metrics['values'].values())


def _places(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Where variants stand; without values side by side."""
    if not _numeric(metrics):
        return {name: float(place) for place, name in enumerate(metrics['values'])}
    return {name: float(value) for name, value in metrics['values'].items() if value is not None}


def _scale(axes: Axes, metrics: Mapping[str, Any]) -> None:
    """The axis that is swept."""
    axes.set_xlabel(LABELS[metrics['axis']])
    places = _places(metrics)
    if not _numeric(metrics):
        axes.set_xticks([*places.values()], [*places], rotation=60, ha='right')
        return
    if metrics['axis'] == 'temperature':
        axes.set_xscale('log')
    ticks = sorted({*places.values()})
    axes.set_xticks(ticks, [f'{tick:g}' for tick in ticks])
    axes.minorticks_off()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as png and svg.

    Args:
        figure: The figure.
        path: Where, without an ending; the folders above it are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path.with_name(f'{path.name}.png'), png(figure))
    write_whole(path.with_name(f'{path.name}.svg'), svg(figure))
