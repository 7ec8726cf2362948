"""An inspection as a page of pictures: one file that needs no other."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

import signattn
from signattn.inspection.figures import figures, samples
from signattn.inspection.report import Report
from signattn.inspection.terminal import TOPIC_TITLES, cell, folded
from signattn.share import write_whole

TEMPLATE = 'page.html.jinja'


def write_page(path: Path, reports: Sequence[Report]) -> None:
    """Write the page.

    Args:
        path: The file, .html.
        reports: What it shows, one below the other.

    Raises:
        OSError: If it can't be written.
    """
    source = resources.files('signattn.inspection').joinpath(TEMPLATE)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters['cell'] = cell
    page = environment.from_string(source.read_text(encoding='utf-8')).render(
        version=signattn.__version__,
        topic_titles=TOPIC_TITLES,
        reports=[
            {
                'report': report,
                'row': folded(report.row),
                'details': {name: folded(it) for name, it in report.details.items()},
                'samples': samples(report.evidence) if report.evidence else [],
                'figures': list(figures(report.evidence)) if report.evidence else [],
            }
            for report in reports
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page.encode())
