"""The command line: ``signattn VERB``. A verb's module is imported when that verb runs."""

import dataclasses
import difflib
import itertools
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import signattn

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from signattn.convert import Progress as ConvertProgress
    from signattn.train import TrainConfig

VERBS = {
    'synth': 'render a drive along a known road and write it as a bag',
    'convert': 'turn bags and image folders into drives to train and score on',
    'inspect': 'tell what a recording, drive or model holds, and what is wrong with it',
    'train': 'train a network on drives',
    'study': 'train and compare variants over folds and seeds',
    'evaluate': 'score a network on drives, beside predictors that need none',
    'leak': 'test whether the attended cells carry the answer',
    'render': 'make a video of a recording with heatmap and steering',
    'replay': 'play a recording through the ROS 2 nodes and score the answers',
}

_WITHOUT_UNIT = {
    '--rate-hz': '--rate',
    '--max-gap-s': '--max-gap',
    '--side-cameras-deg': '--side-cameras',
}

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
        return f"{error.name} must be installed: pip install -e '.[tools]' in signattn's folder"
    return str(error) or type(error).__name__


def _run(verb: str, arguments: list[str]) -> None:
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise ValueError(f'verb must be one of {list(VERBS)}, got {verb!r}{hint}')
    runs: Mapping[str, Callable[[list[str]], None]] = {
        'synth': _synth,
        'convert': _convert,
        'inspect': _inspect,
        'train': _train,
        'study': _study,
        'evaluate': _evaluate,
        'leak': _leak,
        'render': _render,
        'replay': _replay,
    }
    runs[verb](arguments)


def _parser(verb: str) -> 'ArgumentParser':
    from jsonargparse import ArgumentParser

    text = VERBS[verb]
    return ArgumentParser(
        prog=f'signattn {verb}',
        description=f'{text[0].upper()}{text[1:]}.',
        exit_on_error=False,
        allow_abbrev=False,
    )


def _parse(parser: 'ArgumentParser', arguments: list[str]) -> 'Namespace':
    from jsonargparse import ArgumentError

    _hyphenate(parser)
    try:
        return parser.parse_args(_with_values(parser, arguments))
    except ArgumentError as error:
        raise ValueError(f'{error}{_nearest(str(error), parser)}') from error


def _hyphenate(parser: 'ArgumentParser') -> None:
    """Spell options with hyphens, and the most used ones without their unit.

    Underscores and units, as in the recipes, are understood too.
    """
    for action in parser._actions:  # noqa: SLF001
        spelt = [option.replace('_', '-') for option in action.option_strings]
        action.option_strings = [_WITHOUT_UNIT.get(option, option) for option in spelt]
        for option in (*spelt, *action.option_strings):
            parser._option_string_actions[option] = action  # noqa: SLF001


def _with_values(parser: 'ArgumentParser', arguments: list[str]) -> list[str]:
    """Let a bare ``--strict`` mean ``--strict true``."""
    switches = {
        option
        for option, action in parser._option_string_actions.items()  # noqa: SLF001
        if getattr(action, '_typehint', None) is bool
    }
    whole = []
    for argument, behind in itertools.zip_longest(arguments, arguments[1:], fillvalue=''):
        whole.append(argument)
        if argument in switches and behind.lower() not in ('true', 'false'):
            whole.append('true')
    return whole


def _nearest(text: str, parser: 'ArgumentParser') -> str:
    """Hint at the option, or the recipe's key, that was probably meant."""
    actions = parser._actions  # noqa: SLF001
    if option := re.search(r'unrecognized arguments: (--[\w.-]+)', text):
        meant, known = option[1], [name for action in actions for name in action.option_strings]
    elif key := re.search(r"(?:Group '([\w.]+)' does not accept o|O)ption '([\w.]+)'", text):
        meant = '.'.join(part for part in key.groups() if part)
        known = [str(action.dest) for action in actions]
    else:
        return ''
    near = difflib.get_close_matches(meant, known, n=1, cutoff=0.5)
    return f'; did you mean {near[0]!r}?' if near else ''


def _options(parser: 'ArgumentParser', options: type) -> None:
    parser.add_class_arguments(options, nested_key=None, as_group=False)


def _build(options: type, parsed: 'Namespace') -> Any:
    """The dataclass of options from what was parsed."""
    names = {field.name for field in dataclasses.fields(options)}
    return options(**{key: value for key, value in vars(parsed).items() if key in names})


def _synth(arguments: list[str]) -> None:
    from signattn.synthetic import SynthConfig, idle, load_camera, synth

    parser = _parser('synth')
    parser.add_argument('out', type=Path, help='the bag to write')
    parser.add_argument('--camera', help='shipped camera, or a .yaml file; options override it')
    _options(parser, SynthConfig)
    parsed = _parse(parser, arguments)
    if parsed.camera is not None:
        camera = load_camera(parsed.camera)
        parser.set_defaults(camera)
        parsed = _parse(parser, arguments)
        # What the file says of an exposure or a bonnet goes with them.
        for name in camera.keys() & idle(vars(parsed)).keys():
            parser.set_defaults({name: SynthConfig.__dataclass_fields__[name].default})
        parsed = _parse(parser, arguments)
    config = _build(SynthConfig, parsed)
    print(f'wrote {synth(parsed.out, config)}')


def _convert(arguments: list[str]) -> None:
    from signattn.convert import ConvertConfig, WorkConfig, convert_all, row, short_row

    parser = _parser('convert')
    parser.add_argument(
        'source', nargs='+', help='bags, image folders, folders that hold such, quoted patterns'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the drives')
    parser.add_argument('--json', action='store_true', help='print the table as JSON')
    _options(parser, ConvertConfig)
    _options(parser, WorkConfig)
    parsed = _parse(parser, arguments)
    config, work = _build(ConvertConfig, parsed), _build(WorkConfig, parsed)
    with _Bar('converting', None) as advance:
        show = _show_converting(advance)
        outcomes = convert_all(parsed.source, parsed.out, config, work, show)
    rows = [row(outcome) for outcome in outcomes]
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if len(rows) > 1 or not failed or parsed.json:
        _write_metrics(parsed.out / 'metrics.json', rows)
        _table(rows if parsed.json else [*map(short_row, rows)], as_json=parsed.json)
    unlabelled = [row['drive'] for row in rows if row.get('labelled') == 0]
    if unlabelled:
        _warn(
            f'no steering in {", ".join(unlabelled)}: to replay and render, not to train or score'
        )
    if len(failed) == len(rows) == 1:
        raise failed[0]
    if failed:
        said = '\n'.join(f'  {error}' for error in failed)
        raise ValueError(
            f'{len(rows)} drives must be made, got {len(failed)} that failed:\n{said}'
        )


def _show_converting(advance: Callable[..., None]) -> 'Callable[[ConvertProgress], None]':
    """Shows how far all drives together are: done by size, with the rate of images."""
    started_s = time.monotonic()

    def show(progress: 'ConvertProgress') -> None:
        rate = progress.images / (time.monotonic() - started_s)
        text = f'{progress.drives} drives done, {progress.images} images, {rate:.0f}/s, MB'
        advance(progress.done_bytes >> 20, progress.total_bytes >> 20, text)

    return show


def _inspect(arguments: list[str]) -> None:
    from rich.console import Console

    from signattn.inspection import InspectConfig, inspect, show, to_json
    from signattn.share import write_whole

    parser = _parser('inspect')
    parser.add_argument(
        'path', nargs='+', type=Path, help='recordings, drives, models, or folders of such'
    )
    parser.add_argument('--plot', type=Path, help='page of pictures to write, .html')
    parser.add_argument('--out', type=Path, help='folder for inspection.json')
    parser.add_argument('--json', action='store_true', help='print the reports as JSON')
    _options(parser, InspectConfig)
    parsed = _parse(parser, arguments)
    config = _build(InspectConfig, parsed)
    console = Console(width=None if sys.stdout.isatty() else 120)
    reports = []
    with _Bar('reading', None) as advance:
        for report in inspect(parsed.path, config, advance):
            if not parsed.json:
                show(report, console)
            reports.append(report if parsed.plot else dataclasses.replace(report, evidence=None))
    if parsed.json:
        print(to_json(reports))
    if parsed.out:
        parsed.out.mkdir(parents=True, exist_ok=True)
        write_whole(parsed.out / 'inspection.json', f'{to_json(reports)}\n'.encode())
    if parsed.plot:
        from signattn.inspection.page import write_page

        write_page(parsed.plot, reports)
    wrong = [str(report.path) for report in reports if not report.sound]
    if config.strict and wrong:
        raise ValueError(
            f'there must be no warning and no damage with --strict, got some in {", ".join(wrong)}'
        )


def _train(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.train import Progress, TrainConfig, train

    parser = _parser('train')
    parser.add_argument('--config', action='config', help='recipe; options override it')
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='drives, or folders of drives'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument(
        '--resume', action='store_true', help='continue the run in --out as if it never stopped'
    )
    _options(parser, TrainConfig)
    parsed = parser.instantiate(_parse(parser, arguments))
    config = _build(TrainConfig, parsed)
    folders = [open_drives(data) for data in parsed.data]

    with _Bar('training', 1) as advance:

        def report(progress: Progress) -> None:
            held_out = '' if progress.mae_deg is None else f'  {progress.mae_deg:.2f}° held out'
            text = (
                f'epoch {progress.epoch}/{config.epochs}  loss {progress.loss:.3f}  '
                f'{progress.frames_per_s:.0f} frames/s{held_out}'
            )
            advance(progress.step, progress.steps, text)

        metrics = train(folders, parsed.out, config, report, resume=parsed.resume)
    _table([metrics], as_json=False)
    print(f'model in {parsed.out / "model"}')


def read_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> 'TrainConfig':
    """A recipe as ``signattn train --config`` reads it.

    Args:
        path: The YAML file.
        changes: Values that override the file's, named as on the command line, without --.

    Returns:
        The recipe.

    Raises:
        ValueError: If it has an unknown key or a wrong value.
    """
    from signattn.train import TrainConfig

    parser = _parser('train')
    parser.add_argument('--config', action='config')
    _options(parser, TrainConfig)
    options = [f'--{name}={_spelt(value)}' for name, value in (changes or {}).items()]
    parsed = parser.instantiate(_parse(parser, ['--config', str(path), *options]))
    recipe: TrainConfig = _build(TrainConfig, parsed)
    return recipe


def _study(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.share import read_yaml
    from signattn.study import read_study, run_study

    parser = _parser('study')
    parser.add_argument('study', type=Path, help='the study, a YAML file')
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='drives, or folders of drives'
    )
    parser.add_argument('--test', type=Path, help='drives to test on, where there are no folds')
    parser.add_argument('--out', type=Path, required=True, help='folder of the study')
    parser.add_argument('--workers', type=int, default=0, help='runs side by side; 0: one a core')
    parsed = _parse(parser, arguments)
    config = read_study(parsed.study, read_yaml(parsed.study))
    folders = [open_drives(data) for data in parsed.data]
    test = open_drives(parsed.test) if parsed.test else []
    with _Bar('studying', 1) as advance:
        run_study(
            config,
            lambda changes: read_recipe(config.recipe, changes),
            folders,
            test,
            parsed.out,
            workers=parsed.workers,
            report=advance,
        )
    print((parsed.out / 'table.md').read_text(encoding='utf-8'), end='')


def _evaluate(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.evaluate import EvaluateConfig, evaluate, write_metrics, write_predictions
    from signattn.model import load

    parser = _parser('evaluate')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('--data', type=Path, required=True, help='a drive or a folder of drives')
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    _options(parser, EvaluateConfig)
    parsed = _parse(parser, arguments)
    config = _build(EvaluateConfig, parsed)
    metrics, scored = evaluate(load(parsed.model), open_drives(parsed.data), config)
    write_predictions(parsed.out / 'predictions.csv', scored)
    write_metrics(parsed.out / 'metrics.json', metrics)
    _columns(metrics, as_json=parsed.json)
    if metrics['seen_in_training']:
        _warn(
            'the model was trained on a drive that it is scored on: --part apart leaves that out'
        )


def _leak(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.evaluate import write_metrics
    from signattn.leak import LeakConfig, leak_test
    from signattn.model import load

    parser = _parser('leak')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('--data', type=Path, required=True, help='a drive or a folder of drives')
    parser.add_argument('--out', type=Path, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    _options(parser, LeakConfig)
    parsed = _parse(parser, arguments)
    metrics = leak_test(load(parsed.model), open_drives(parsed.data), _build(LeakConfig, parsed))
    if parsed.out:
        write_metrics(parsed.out / 'metrics.json', metrics)
    _columns(metrics, as_json=parsed.json)


def _render(arguments: list[str]) -> None:
    from signattn.render import RenderConfig, render

    parser = _parser('render')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('source', type=Path, help='a bag or an image folder')
    parser.add_argument('--out', type=Path, required=True, help='the video, .mp4')
    _options(parser, RenderConfig)
    parsed = _parse(parser, arguments)
    config = _build(RenderConfig, parsed)
    with _Bar('rendering', None) as advance:
        frames = render(parsed.model, parsed.source, parsed.out, config, progress=advance)
    print(f'wrote {parsed.out}: {frames} frames')


def _replay(arguments: list[str]) -> None:
    from signattn.replay import ReplayConfig, replay

    parser = _parser('replay')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('source', type=Path, help='a bag or an image folder')
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    _options(parser, ReplayConfig)
    parsed = _parse(parser, arguments)
    metrics = replay(parsed.model, parsed.source, parsed.out, _build(ReplayConfig, parsed))
    _columns(metrics, as_json=parsed.json)


def _spelt(value: object) -> str:
    """A value of a YAML file as it stands on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


class _Bar:
    """A progress bar on stderr; silent where that is no terminal."""

    def __init__(self, text: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(text, total=total)
        self._text = text

    def __enter__(self) -> Callable[..., None]:
        self._progress.start()
        return self.update

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int | None = None, text: str | None = None) -> None:
        """Show how far it is."""
        self._progress.update(
            self._task, completed=done, total=total, description=text or self._text
        )


def _write_metrics(path: Path, metrics: Any) -> None:
    from signattn.share import write_whole

    write_whole(path, (json.dumps(metrics, indent=2) + '\n').encode())


def _warn(text: str) -> None:
    print(f'warning: {text}', file=sys.stderr)


def _table(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows; a key that a row lacks stays empty."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    keys = dict.fromkeys(key for row in rows for key in row)
    table = Table(*keys, box=None)
    for row in rows:
        table.add_row(*(_cell(row.get(key, '')) for key in keys))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _columns(metrics: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one metric a line."""
    if as_json:
        print(json.dumps(metrics, indent=2))
        return
    width = max(len(key) for key in metrics)
    for key, value in metrics.items():
        print(f'  {key:{width}}  {_cell(value)}')


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.5g}'
    return os.fspath(value) if isinstance(value, Path) else str(value)
