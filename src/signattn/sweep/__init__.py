"""One thing varied: trained, scored, its maps measured, drawn as the paper draws it."""

from signattn.sweep.run import AXES, run_sweep

__all__ = ['AXES', 'run_sweep']
