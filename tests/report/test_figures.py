"""Figures show all that they are given."""

import pandas as pd

from signattn.report.figures import area_figure, panels


def curves(filling, height):
    """A map that moves the answer that far, and a control that moves it half as far."""
    group = {'regime': 'frame', 'mode': 'deletion', 'filling': filling, 'sample': False}
    rows = [
        {**group, 'method': method, 'level_percent': level, 'moved_deg': high, 'mae_deg': high}
        for method, share in (('attention', 1.0), ('random', 0.5))
        for level, high in ((0, 0.0), (25, share * height))
    ]
    return pd.DataFrame(rows)


def test_no_panel_is_cut_by_its_neighbours(quick):
    table = pd.concat([curves('blurred', 1.0), curves('black', 30.0)])
    figure = panels(table, quick, 'masked')
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low == 0
        assert high >= 30
        assert axes.get_xlim() == (0, 25)
    _, names = figure.axes[0].get_legend_handles_labels()
    assert names == ['controls', 'random maps', 'own attention']


def test_an_area_without_interval_is_drawn(quick):
    name = 'fidelity_area_deg_percent'
    group = {'regime': 'frame', 'mode': 'deletion', 'filling': 'black', 'method': 'attention'}
    line = {**group, name: 3.0, f'{name}_low': None, f'{name}_high': None}
    assert area_figure([line], quick).png.startswith(b'\x89PNG')
