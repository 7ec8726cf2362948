"""The command line: ``signattn VERB``. A verb's module is imported when that verb runs."""

import difflib
import logging
import sys

import signattn
from signattn.cli.options import VERBS
from signattn.cli.recipe import read_recipe
from signattn.cli.verbs import RUNS

__all__ = ['VERBS', 'main', 'read_recipe']

_USAGE = f"""usage: signattn VERB [options]

Steering curvature, and the attention behind it, from camera images.

verbs:
{chr(10).join(f'  {verb:10} {text}' for verb, text in VERBS.items())}

options:
  --help     this text, or a verb's: signattn VERB --help
  --version  version
  --debug    show the traceback of an error
"""


def main(argv: list[str] | None = None) -> int:
    """Run a verb.

    Args:
        argv: Arguments behind the program's name; the process' own if not given.

    Returns:
        Exit status: 0, or 1 behind an error, which stands on stderr.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = '--debug' in arguments
    arguments = [argument for argument in arguments if argument != '--debug']
    if not arguments or arguments[0] in ('-h', '--help'):
        print(_USAGE, end='')
        return 0
    if arguments[0] == '--version':
        print(f'signattn {signattn.__version__}')
        return 0
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    try:
        _run(arguments[0], arguments[1:])
    except Exception as error:
        if debug:
            raise
        print(f'error: {_sentence(error)}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('error: interrupted', file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, ImportError) and error.name:
        extra = 'onnx' if error.name.startswith('onnx') else 'tools'
        return f"{error.name} must be installed: pip install -e '.[{extra}]' in signattn's folder"
    return str(error) or type(error).__name__


def _run(verb: str, arguments: list[str]) -> None:
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise ValueError(f'verb must be one of {list(VERBS)}, got {verb!r}{hint}')
    RUNS[verb](arguments)
