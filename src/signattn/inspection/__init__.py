"""What recordings, drives and models hold, and what will go wrong with them.

``inspect`` measures; ``show`` prints; ``page.write_page``, which loads matplotlib, draws.
"""

from signattn.inspection.config import InspectConfig
from signattn.inspection.report import Finding, Report, to_json
from signattn.inspection.terminal import show
from signattn.inspection.verb import inspect

__all__ = ['Finding', 'InspectConfig', 'Report', 'inspect', 'show', 'to_json']
