"""Error and areas along an axis, as in the paper's Figs. 7 and 9, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = '#1f4e79'
COLOURS = {'blurred': '#1f4e79', 'mean': '#d9822b', 'black': '#333333'}
STYLE: Any = {
    'font.size': 9.0,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': '#e5e5e5',
    'axes.edgecolor': '#888888',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'svg.hashsalt': 'signattn',
}
AREAS = {
    'auc_deg_percent': 'raw area / (deg·%)',
    'excess_area_deg_percent': 'excess area / (deg·%)',
    'fidelity_area_deg_percent': 'fidelity area / (deg·%)',
}
LABELS = {'bits': 'bits of the amplitude', 'temperature': 'temperature T', 'attention': ''}


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
        _along(axes, metrics, rows, 'mae_deg', 'error', INK)
        _finish(axes, metrics, 'mean error / °')
    return figure


def area_figures(metrics: Mapping[str, Any]) -> dict[str, Figure]:
    """Areas under the curves along the axis (Figs. 7a and 9a).

    Args:
        metrics: As ``run_sweep`` gives them.

    Returns:
        A figure for each regime and mode, a panel for each area, a colour for each filling.
        Dotted: the same network's map from elsewhere.
    """
    lines = metrics['explanations']
    ways = dict.fromkeys((line['regime'], line['mode']) for line in lines)
    return {f'{regime}_{mode}': _areas(metrics, regime, mode) for regime, mode in ways}


def _areas(metrics: Mapping[str, Any], regime: str, mode: str) -> Figure:
    chosen = [
        line
        for line in metrics['explanations']
        if (line['regime'], line['mode']) == (regime, mode)
    ]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 3.8), layout='constrained')
        figure.suptitle(f'{mode}, {regime}; dotted: the map from elsewhere')
        for axes, (name, label) in zip(figure.subplots(1, 3), AREAS.items(), strict=True):
            for filling, own, away in _by_filling(chosen):
                colour = COLOURS[filling]
                _along(axes, metrics, own, name, filling, colour)
                _along(axes, metrics, away, name, None, colour, linestyle=':')
            _finish(axes, metrics, label)
    return figure


def _by_filling(
    lines: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, list[Mapping[str, Any]], list[Mapping[str, Any]]]]:
    """Lines of own maps, and of those from elsewhere, for each filling."""
    for filling in dict.fromkeys(line['filling'] for line in lines):
        chosen = [line for line in lines if line['filling'] == filling]
        own = [line for line in chosen if line['own']]
        yield filling, own, [line for line in chosen if line['method'] == 'away']


def _along(
    axes: Axes,
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    name: str,
    label: str | None,
    colour: str,
    linestyle: str = '-',
) -> None:
    """One quantity over the axis with its intervals; a reference as a level line and a band."""
    places = _places(metrics)
    swept = sorted(
        (row for row in rows if row['variant'] in places), key=lambda row: places[row['variant']]
    )
    numeric = _numeric(metrics)
    axes.errorbar(
        [places[row['variant']] for row in swept],
        [row[name] for row in swept],
        yerr=[
            [_reach(row, name, 'low') for row in swept],
            [_reach(row, name, 'high') for row in swept],
        ],
        color=colour,
        label=label,
        linestyle=linestyle if numeric else 'none',
        marker='o' if linestyle == '-' else '_',
        markersize=4 if linestyle == '-' else 9,
        linewidth=1.2,
        elinewidth=0.8 if linestyle == '-' else 0,
        capsize=2,
    )
    for row in rows:
        if row['variant'] not in places and linestyle == '-':
            about = row['variant'] if label is None else f'{row["variant"]}, {label}'
            axes.axhline(row[name], color=colour, linestyle='--', linewidth=1, label=about)
            low, high = _reach(row, name, 'low'), _reach(row, name, 'high')
            axes.axhspan(row[name] - low, row[name] + high, color=colour, alpha=0.1, linewidth=0)


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


def _finish(axes: Axes, metrics: Mapping[str, Any], label: str) -> None:
    axes.set_ylabel(label)
    axes.set_xlabel(LABELS[metrics['axis']])
    places = _places(metrics)
    if not _numeric(metrics):
        axes.set_xticks([*places.values()], [*places], rotation=60, ha='right')
    else:
        if metrics['axis'] == 'temperature':
            axes.set_xscale('log')
        ticks = sorted({*places.values()})
        axes.set_xticks(ticks, [f'{tick:g}' for tick in ticks])
        axes.minorticks_off()
    axes.legend(fontsize='small', frameon=False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as png and svg.

    Args:
        figure: The figure.
        path: Where, without an ending; the folders above it are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(f'{path}.png', dpi=150)
        figure.savefig(f'{path}.svg', metadata={'Date': None})
