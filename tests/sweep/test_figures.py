"""What is drawn, where."""

from signattn.sweep.figures import area_figures, error_figure, save

AREAS = ('auc_deg_percent', 'excess_area_deg_percent', 'fidelity_area_deg_percent')


def metrics(axis, values):
    """The variant at place i has an error of i ± 1, areas of 10 i; from elsewhere, half of it."""

    def with_bounds(names, mean):
        known = dict.fromkeys(names, mean)
        known |= {f'{name}_low': mean - 1 for name in names}
        return known | {f'{name}_high': mean + 1 for name in names}

    lines = [
        {
            'variant': variant,
            'regime': 'frame',
            'mode': 'deletion',
            'filling': filling,
            'method': method,
            'own': method == 'attention',
            **with_bounds(AREAS, 10 * place / (1 + (method == 'away'))),
        }
        for place, variant in enumerate(values)
        for filling in ('blurred', 'black')
        for method in ('attention', 'away', 'random')
    ]
    variants = {name: with_bounds(['mae_deg'], place) for place, name in enumerate(values)}
    return {'axis': axis, 'values': values, 'variants': variants, 'explanations': lines}


def test_errors_stand_over_their_values_and_references_level():
    figure = error_figure(metrics('temperature', {'sign': None, 'hot': 5.0, 'cold': 0.1}))
    (axes,) = figure.axes
    (bars,) = axes.containers
    points, caps, _ = bars
    assert points.get_xydata().tolist() == [[0.1, 2.0], [5.0, 1.0]]
    assert [cap.get_ydata().tolist() for cap in caps] == [[1.0, 0.0], [3.0, 2.0]]
    assert axes.get_xscale() == 'log'
    level = next(line for line in axes.lines if line.get_label() == 'sign')
    assert set(level.get_ydata()) == {0.0}
    assert [text.get_text() for text in axes.get_xticklabels()] == ['0.1', '5']


def test_variants_without_values_stand_side_by_side():
    figure = error_figure(metrics('attention', {'sign': None, 'topk': None}))
    (axes,) = figure.axes
    assert axes.containers[0][0].get_xydata().tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ['sign', 'topk']


def test_a_row_for_each_filling_and_a_panel_for_each_area():
    found = area_figures(metrics('bits', {'none': None, 'b': 4, 'a': 2}))
    assert list(found) == ['frame_deletion']
    figure = found['frame_deletion']
    titles = [axes.get_title('left') for axes in figure.axes]
    assert titles == ['blurred'] * 3 + ['black'] * 3
    for axes in figure.axes:
        (own,) = (bars[0].get_xydata().tolist() for bars in axes.containers)
        assert own == [[2.0, 20.0], [4.0, 10.0]]
        drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert [*drawn['that from elsewhere']] == [10.0, 5.0]
        assert {*drawn['none']} == {0.0}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        'that from elsewhere',
        'random maps',
        'none',
        "the network's map: attention",
    ]


def test_one_block_has_no_interval():
    drawn = metrics('bits', {'a': 2, 'b': 4})
    for entry in drawn['variants'].values():
        entry['mae_deg_low'] = entry['mae_deg_high'] = None
    (axes,) = error_figure(drawn).axes
    _, caps, _ = axes.containers[0]
    assert [cap.get_ydata().tolist() for cap in caps] == [[0.0, 1.0]] * 2


def test_figures_are_the_same_again(tmp_path):
    for name in ('one', 'two'):
        save(error_figure(metrics('bits', {'a': 2, 'b': 4})), tmp_path / 'figures' / name)
    one, two = (tmp_path / 'figures' / f'{name}.svg' for name in ('one', 'two'))
    assert one.read_bytes() == two.read_bytes()
    assert (tmp_path / 'figures' / 'one.png').stat().st_size > 0
