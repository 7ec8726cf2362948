"""An evaluation as files: metrics, tables, figures, and a page to look at."""

from signattn.report.write import write_report

__all__ = ['write_report']
