"""An evaluation as a page: one file that needs no other."""

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, StrictUndefined

import signattn
from signattn.evaluate import Scored
from signattn.model import Checkpoint
from signattn.quality import CEILING, FEATURE, GREEDY, GROUP, QualityConfig
from signattn.report.figures import MOST_DRIVES, Drawn
from signattn.report.gallery import Shown, shown_filling
from signattn.report.words import (
    ORDINARY,
    PAPER,
    PAPER_MAE_DEG,
    Paper,
    is_control,
    label,
    setting,
)

TEMPLATE = 'page.html.jinja'
_ACCURACY = {
    'mae_deg': 'this network',
    'mae_deg_zero': 'always straight on',
    'mae_deg_motion': 'one weight on the motion of the picture',
    'mae_deg_previous': 'the label of the frame before, which no network sees',
    'mae_deg_ordered': 'this network, windows of a second in order',
    'mae_deg_frozen': 'the same windows, frozen on their last frame',
    'mae_deg_shuffled': 'the same windows, shuffled before their last frame',
}
_TRUTH = {
    'energy': 'energy on them',
    'pointing': 'pointing game',
    'rank_correlation': 'rank correlation',
}


class Content(NamedTuple):
    """What the page shows.

    Attributes:
        checkpoint: The network.
        metrics: As they are written.
        scored: What was predicted.
        config: What was measured of the explanations.
        curves: As measured; None if nothing was.
        drawn: Figures.
        gallery: Frames to look at.
    """

    checkpoint: Checkpoint
    metrics: Mapping[str, Any]
    scored: list[Scored]
    config: QualityConfig
    curves: pd.DataFrame | None
    drawn: list[Drawn]
    gallery: list[Shown]


class Table(NamedTuple):
    """Measures of all methods in one setting.

    Attributes:
        title: The setting.
        rows: A line for each method.
    """

    title: str
    rows: list[dict[str, Any]]


def page(content: Content) -> str:
    """The page.

    Args:
        content: What it shows.

    Returns:
        HTML.
    """
    source = resources.files('signattn.report').joinpath(TEMPLATE)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {'number': number, 'interval': interval, 'degrees': degrees}
    config, metrics = content.config, content.metrics
    tables = [*_tables(content, 'explanations')]
    return environment.from_string(source.read_text(encoding='utf-8')).render(
        version=signattn.__version__,
        name=content.checkpoint.name,
        checkpoint=content.checkpoint,
        config=config,
        options=dataclasses.asdict(config),
        metrics=metrics,
        most_drives=MOST_DRIVES,
        drives=[(item.drive, int(item.part.sum())) for item in content.scored],
        accuracy={text: key for key, text in _ACCURACY.items() if metrics.get(key) is not None},
        paper_mae=PAPER_MAE_DEG,
        ordinary=ORDINARY,
        headline=tables[:1],
        tables=tables[1:],
        sampled=[*_tables(content, 'explanations_on_sample')],
        verdicts=[*_verdicts(content)],
        truths=_truths(content),
        truth_names=_TRUTH,
        drawn=content.drawn,
        gallery=content.gallery,
        shown_filling=shown_filling(config),
        taught=content.checkpoint.training.get('recipe', {}).get('objective') == 'faithful',
        method=lambda name: label(name, config.explainers[0]),
    )


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count, three decimals at most, or a dash."""
    if value is None:
        return '–'
    text = f'{value:.3f}' if abs(value) < 0.1 else f'{value:.{digits}g}'
    return (f'{value:.0f}' if 'e+' in text else text).replace('-', '−')


def degrees(value: float) -> str:
    """An angle with its sign, left positive."""
    return f'{value:+.1f}°'.replace('-', '−')


def interval(line: Mapping[str, Any], name: str, digits: int = 3) -> str:
    """A mean, and its bounds in brackets."""
    if line.get(name) is None:
        return '–'
    text = number(line[name], digits)
    if line.get(f'{name}_low') is None:
        return text
    return (
        f'{text} [{number(line[f"{name}_low"], digits)}, {number(line[f"{name}_high"], digits)}]'
    )


def _tables(content: Content, key: str) -> Iterator[Table]:
    config, costs = content.config, content.metrics.get('costs', {})
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    sampled = key.endswith('_on_sample')
    last = _last(content.curves, sampled=sampled)
    for line in content.metrics.get(key, []):
        setup = line['regime'], line['mode'], line['filling']
        method = line['method']
        row = {
            **line,
            'label': label(method, config.explainers[0]),
            'control': is_control(method),
            'fewer': not sampled and method in {*config.costly, GREEDY},
            'last_deg': last.get((*setup, method)),
            'cost': costs.get(method),
            'paper': _paper(method, content) if _as_in_paper(line, config) else None,
        }
        found.setdefault(setup, []).append(row)
    for (regime, mode, filling), rows in found.items():
        # What explains the frame first, then what knows nothing of it.
        yield Table(setting(regime, mode, filling), sorted(rows, key=lambda row: row['control']))


def _as_in_paper(line: Mapping[str, Any], config: QualityConfig) -> bool:
    """Whether the paper's numbers mean the same: pixels deleted, from 0 to 25 %."""
    deleted = line['mode'] == 'deletion' and line['filling'] != FEATURE
    return deleted and (config.levels[0], config.levels[-1]) == (0, 25)


def _paper(method: str, content: Content) -> Paper | None:
    if method == 'attention' and content.checkpoint.network.config.attention.startswith('soft'):
        return ORDINARY
    return PAPER.get(method)


def _last(curves: pd.DataFrame | None, *, sampled: bool) -> dict[Any, float]:
    """Error at the last level, degrees, by regime, mode, filling and method."""
    if curves is None:
        return {}
    own = curves[curves['sample'] == sampled].sort_values('level_percent')
    return dict(own.groupby(GROUP)['mae_deg'].last())


def _verdicts(content: Content) -> Iterator[tuple[str, bool]]:
    """Whether each map says more of its frame than a map from elsewhere does, in every setting."""
    name, own = 'fidelity_above_away_deg_percent', content.config.explainers[0]
    found: dict[str, list[Mapping[str, Any]]] = {}
    for line in content.metrics.get('explanations', []):
        if line.get(name) is not None:
            found.setdefault(line['method'], []).append(line)
    for method, lines in found.items():
        won = sum((line[f'{name}_low'] or 0.0) > 0 for line in lines)
        where = setting(*(lines[0][key] for key in GROUP[:3])).lower()
        means = {
            len(lines): 'It knows something of the frame.',
            0: 'Nothing here shows that it explains the frame.',
        }
        said = (
            f'{label(method, own)} beats its own map from 10 s away, the interval above 0, in '
            f'{won} of {len(lines)} settings. In the first one ({where}) F differs by '
            f'{interval(lines[0], name)} ° · %. '
            f'{means.get(won, "A claim must hold in all of them.")}'
        )
        yield said, won == len(lines)


def _truths(content: Content) -> list[dict[str, Any]]:
    own = content.config.explainers[0]
    return [
        {
            **line,
            'control': is_control(line['method']),
            'label': 'the truth itself, in 10×20 cells'
            if line['method'] == CEILING
            else label(line['method'], own),
        }
        for line in content.metrics.get('truth', [])
    ]
