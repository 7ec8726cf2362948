"""The files of an evaluation."""

import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from signattn.evaluate import Scored, write_predictions
from signattn.explain import explain, new_explainer
from signattn.model import Checkpoint, Network
from signattn.quality import Quality, QualityConfig, summary, truth_summary
from signattn.report.figures import (
    KINDS,
    MOST_DRIVES,
    Drawn,
    area_figure,
    curve_figures,
    error_figure,
    peaks,
)
from signattn.report.gallery import choose, show
from signattn.report.page import Content, page
from signattn.report.pictures import heated
from signattn.share import write_metrics, write_text, write_whole
from signattn.stream import find_device

_CURVES, _AREAS, _TRUTH = 'curves.csv', 'areas.parquet', 'truth.parquet'


def write_report(
    out: Path,
    checkpoint: Checkpoint,
    metrics: dict[str, Any],
    scored: list[Scored],
    quality: Quality | None,
    config: QualityConfig,
) -> dict[str, Any]:
    """Write everything that an evaluation leaves.

    Args:
        out: The folder.
        checkpoint: The network.
        metrics: Of ``evaluate``.
        scored: Of ``evaluate``.
        quality: What was measured of the explanations; None if nothing was.
        config: How; without ``quality`` only the explainer counts whose maps are shown.

    Returns:
        The metrics as they are written: with a line for each method and way to measure it under
        ``explanations``, and, where masks are, for each method under ``truth``.

    Raises:
        OSError: If a file can't be written.
    """
    network = checkpoint.network.to(find_device(config.device)).eval()
    metrics = {**metrics, 'model_checksum': checkpoint.checksum}
    # First what took longest, before anything that is drawn may fail.
    write_predictions(out / 'predictions.csv', scored)
    _write_tables(out, quality)
    drawn, gallery = list(_error_figures(network, scored, config)), []
    if quality is not None:
        lines = summary([quality.areas])
        metrics |= {'explanations': lines, 'costs': quality.costs}
        if config.costly or config.greedy:
            sample = quality.areas[quality.areas['sample'] & (quality.areas['regime'] == 'frame')]
            metrics['explanations_on_sample'] = summary([sample])
        if len(quality.truth):
            metrics['truth'] = truth_summary([quality.truth])
        drawn = [area_figure(lines, config), *curve_figures(quality.curves, config), *drawn]
        gallery = show(network, scored, choose(scored, quality.areas, config), config)
    _write_figures(out / 'figures', drawn)
    curves = None if quality is None else quality.curves
    content = Content(checkpoint, metrics, scored, config, curves, drawn, gallery)
    write_text(out / 'report.html', page(content))
    write_metrics(out / 'metrics.json', metrics)
    return metrics


def _write_tables(out: Path, quality: Quality | None) -> None:
    """What was measured; where nothing was, nothing of an earlier evaluation stays."""
    made: dict[str, bytes] = {}
    if quality is not None:
        made[_CURVES] = quality.curves.to_csv(index=False).encode()
        for name, table in ((_AREAS, quality.areas), (_TRUTH, quality.truth)):
            if len(table):
                file = io.BytesIO()
                table.to_parquet(file, index=False)
                made[name] = file.getvalue()
    _replace(out, made, (_CURVES, _AREAS, _TRUTH))


def _write_figures(folder: Path, drawn: list[Drawn]) -> None:
    """All figures, in the place of those of an earlier evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f'{each.name}.png': each.png for each in drawn}
    made |= {f'{each.name}.svg': each.svg for each in drawn}
    _replace(folder, made, [f'{kind}.{ending}' for kind in KINDS for ending in ('png', 'svg')])


def _replace(folder: Path, made: dict[str, bytes], patterns: Iterable[str]) -> None:
    """Write files, and remove those that an earlier evaluation left under such names."""
    for name, data in made.items():
        write_whole(folder / name, data)
    for file in itertools.chain.from_iterable(map(folder.glob, patterns)):
        if file.name not in made:
            file.unlink()


def _error_figures(network: Network, scored: list[Scored], config: QualityConfig) -> list[Drawn]:
    explainer = new_explainer(config.explainers[0], config.seed)
    drawn = []
    for item in scored[:MOST_DRIVES]:
        found = peaks(item)
        if not found:
            continue
        maps = explain(item.drive, network, explainer, np.array(found)).saliency
        heats = {
            frame: heated(item.drive.frames[frame], one, config.blur_px)
            for frame, one in zip(found, maps, strict=True)
        }
        drawn.append(error_figure(item, heats))
    return drawn
