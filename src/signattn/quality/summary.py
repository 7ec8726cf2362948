"""What was measured of several seeds, as means with intervals."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.intervals import Interval, seed_block_interval, seed_block_ratio
from signattn.quality.measure import AREAS, CEILING, CENTRE, GREEDY, GROUP, RANDOM, TRUTHS, Frames


def summary(seeds: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean areas of every method with intervals.

    Args:
        seeds: ``Quality.areas`` of each seed's network, on the same frames; folds put together.

    Returns:
        A line for each regime, mode, filling and method: ``frames`` (those whose truth is known),
        the areas' means with their bounds; ``fidelity_above_away_deg_percent``, how much further
        the maps move the answer than those of the same method from 10 s away (of an insertion:
        how much nearer they bring it); and ``share``: of the way from the random maps to the
        greedy ones, if these were searched for, on the sample.
    """
    lines, wide = [], _wide(seeds)
    for key, group in wide.items():
        if not len(group.blocks):
            continue
        line: dict[str, Any] = dict(zip(GROUP, key, strict=True)) | {'frames': len(group.blocks)}
        for name, values in group.values.items():
            line |= seed_block_interval(values, group.blocks).named(name)
        lines.append(line)
    shares, leads = _shares(seeds), _leads(wide)
    for line in lines:
        key = tuple(line[name] for name in GROUP)
        for name, found in (('share', shares), ('fidelity_above_away_deg_percent', leads)):
            if key in found:
                line.update(found[key].named(name))
    return lines


def _leads(wide: dict[tuple[str, ...], '_Wide']) -> dict[tuple[str, ...], Interval]:
    """F above that of the same method's maps from elsewhere; of an insertion below it."""
    first = next((key[-1] for key in wide), '')
    leads: dict[tuple[str, ...], Interval] = {}
    for (regime, mode, filling, method), own in wide.items():
        away = 'away' if method == first else f'{method}_away'
        other = wide.get((regime, mode, filling, away))
        if other is None or not len(own.blocks):
            continue
        name, sign = 'fidelity_area_deg_percent', -1 if mode == 'insertion' else 1
        gained = sign * (own.values[name] - other.values[name])
        leads[regime, mode, filling, method] = seed_block_interval(gained, own.blocks)
    return leads


class _Wide(NamedTuple):
    """A method's areas, seeds by frames.

    Attributes:
        values: By area (S, M).
        blocks: (M,) int64.
    """

    values: Mapping[str, NDArray[np.float64]]
    blocks: Frames


def _wide(seeds: list[pd.DataFrame]) -> dict[tuple[str, ...], _Wide]:
    found: dict[tuple[str, ...], _Wide] = {}
    grouped = [seed.groupby(GROUP, sort=False) for seed in seeds]
    for named, _ in grouped[0]:
        key = tuple(map(str, named))
        # Where the truth is unknown there is an answer, but no error.
        known = [group.get_group(key).dropna(subset=[*AREAS]) for group in grouped]
        tables = [table.sort_values(['drive', 'frame']) for table in known]
        stacked = {name: np.stack([table[name] for table in tables]) for name in AREAS}
        found[key] = _Wide(stacked, tables[0]['block'].to_numpy(np.int64))
    return found


def _shares(seeds: list[pd.DataFrame]) -> dict[tuple[str, ...], Interval]:
    """(F − F_random) / (F_greedy − F_random) on the sample."""
    wide = _wide([seed[seed['sample'] & (seed['regime'] == 'frame')] for seed in seeds])
    shares: dict[tuple[str, ...], Interval] = {}
    for (regime, mode, filling, method), own in wide.items():
        ceiling = wide.get((regime, mode, filling, GREEDY))
        if ceiling is None or method in (GREEDY, RANDOM):
            continue
        floor = wide[regime, mode, filling, RANDOM]
        name = 'fidelity_area_deg_percent'
        way = ceiling.values[name] - floor.values[name]
        made = own.values[name] - floor.values[name]
        shares[regime, mode, filling, method] = seed_block_ratio(made, way, own.blocks)
    return shares


def truth_summary(seeds: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """How far the maps of every method lie on the causal pixels, with intervals.

    Args:
        seeds: ``Quality.truth`` of each seed's network, on the same frames.

    Returns:
        A line for each method: ``frames``, the measures' means with their bounds, and each one's
        ``_share``: of the way from the centre to the ceiling.
    """
    grouped = [seed.set_index(['drive', 'frame']).groupby('method') for seed in seeds]
    lines = []
    for method in seeds[0]['method'].unique():
        frames = [group.get_group(method).sort_index().index for group in grouped]
        own, low, high = (
            [group.get_group(it).loc[at] for group, at in zip(grouped, frames, strict=True)]
            for it in (method, CENTRE, CEILING)
        )
        blocks = own[0]['block'].to_numpy(np.int64)
        line: dict[str, Any] = {'method': str(method), 'frames': len(blocks)}
        for name in TRUTHS:
            made, least, most = (
                np.stack([table[name].to_numpy(float) for table in tables])
                for tables in (own, low, high)
            )
            line |= seed_block_interval(made, blocks).named(name)
            line |= seed_block_ratio(made - least, most - least, blocks).named(f'{name}_share')
        lines.append(line)
    return lines
