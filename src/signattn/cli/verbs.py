"""Each verb: its arguments, the call, and what is printed."""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signattn.cli.options import add_options, build, new_parser, parse
from signattn.cli.recipe import read_quality, read_recipe
from signattn.cli.show import Bar, print_columns, print_table, warn
from signattn.share import write_metrics

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from signattn.convert import Progress as ConvertProgress
    from signattn.drive import Drive
    from signattn.quality import QualityConfig
    from signattn.study import StudyConfig


def _synth(arguments: list[str]) -> None:
    from signattn.synthetic import SynthConfig, idle, load_camera, synth

    parser = new_parser('synth')
    parser.add_argument('out', type=Path, help='the bag to write')
    parser.add_argument('--camera', help='shipped camera, or a .yaml file; options override it')
    add_options(parser, SynthConfig)
    parsed = parse(parser, arguments)
    if parsed.camera is not None:
        camera = load_camera(parsed.camera)
        parser.set_defaults(camera)
        parsed = parse(parser, arguments)
        # What the file says of an exposure or a bonnet goes with them.
        for name in camera.keys() & idle(vars(parsed)).keys():
            parser.set_defaults({name: SynthConfig.__dataclass_fields__[name].default})
        parsed = parse(parser, arguments)
    config = build(SynthConfig, parsed)
    print(f'wrote {synth(parsed.out, config)}')


def _convert(arguments: list[str]) -> None:
    from signattn.convert import ConvertConfig, WorkConfig, convert_all, row, short_row

    parser = new_parser('convert')
    parser.add_argument(
        'source', nargs='+', help='bags, image folders, folders that hold such, quoted patterns'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the drives')
    parser.add_argument('--json', action='store_true', help='print the table as JSON')
    add_options(parser, ConvertConfig)
    add_options(parser, WorkConfig)
    parsed = parse(parser, arguments)
    config, work = build(ConvertConfig, parsed), build(WorkConfig, parsed)
    if parsed.out.is_file():
        raise ValueError(f'--out must be a folder, got a file, {parsed.out}')
    with Bar('converting', None) as advance:
        show = _show_converting(advance)
        outcomes = convert_all(parsed.source, parsed.out, config, work, show)
    rows = [row(outcome) for outcome in outcomes]
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if len(rows) > 1 or not failed or parsed.json:
        write_metrics(parsed.out / 'metrics.json', rows)
        print_table(rows if parsed.json else [*map(short_row, rows)], as_json=parsed.json)
    for made in rows:
        for line in _remarks(made):
            print(line, file=sys.stderr)
    unlabelled = [row['drive'] for row in rows if row.get('labelled') == 0]
    if unlabelled:
        warn(
            f'no steering in {", ".join(unlabelled)}: to replay and render, not to train or score'
        )
    if len(failed) == len(rows) == 1:
        raise failed[0]
    if failed:
        said = '\n'.join(f'  {error}' for error in failed)
        raise ValueError(
            f'{len(rows)} drives must be made, got {len(failed)} that failed:\n{said}'
        )


def _remarks(row: Mapping[str, Any]) -> list[str]:
    """What a person should know of a drive: its notes, and how much was lost, with the first."""
    name = Path(row['drive']).name
    lines = [f'note: {name}: {note}' for note in row.get('notes', [])]
    if reports := row.get('reports'):
        lost = row['unreadable'] + row['damaged']
        lines.append(f'warning: {name}: {lost} lost, the first: {reports[0]}')
    return lines


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

    parser = new_parser('inspect')
    parser.add_argument(
        'path', nargs='+', type=Path, help='recordings, drives, models, or folders of such'
    )
    parser.add_argument('--plot', type=Path, help='page of pictures to write, .html')
    parser.add_argument('--out', type=Path, help='folder for inspection.json')
    parser.add_argument('--json', action='store_true', help='print the reports as JSON')
    add_options(parser, InspectConfig)
    parsed = parse(parser, arguments)
    config = build(InspectConfig, parsed)
    if parsed.plot and parsed.plot.suffix != '.html':
        raise ValueError(f'--plot must end in .html, got {parsed.plot}')
    console = Console(width=None if sys.stdout.isatty() else 120)
    reports = []
    with Bar('reading', None) as advance:
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

    parser = new_parser('train')
    parser.add_argument('--config', action='config', help='recipe; options override it')
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='drives, or folders of drives'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument(
        '--resume', action='store_true', help='continue the run in --out as if it never stopped'
    )
    add_options(parser, TrainConfig)
    parsed = parser.instantiate(parse(parser, arguments))
    config = build(TrainConfig, parsed)
    folders = [open_drives(data) for data in parsed.data]

    with Bar('training', 1) as advance:

        def report(progress: Progress) -> None:
            held_out = '' if progress.mae_deg is None else f'  {progress.mae_deg:.2f}° held out'
            what = 'pictures, epoch' if progress.pictures else 'epoch'
            text = (
                f'{what} {progress.epoch}/{progress.epochs}  loss {progress.loss:.3f}  '
                f'{progress.frames_per_s:.0f} frames/s{held_out}'
            )
            advance(progress.step, progress.steps, text)

        metrics = train(folders, parsed.out, config, report, resume=parsed.resume)
    if not metrics:  # another process of torchrun's tells it
        return
    print_table([metrics], as_json=False)
    print(f'model in {parsed.out / "model"}')


def _study(arguments: list[str]) -> None:
    from signattn.study import run_study

    parser = new_parser('study')
    parser.add_argument('study', type=Path, help='the study, a YAML file')
    _add_study_options(parser)
    parser.add_argument(
        '--explain', help='also measure the maps: a shipped measurement, or a .yaml file'
    )
    parser.add_argument(
        '--masks', type=Path, help='folder of the masks of rendered drives, for --explain'
    )
    parsed = parse(parser, arguments)
    if parsed.masks is not None and not parsed.explain:
        raise ValueError(f'--masks must come with --explain, got --masks {parsed.masks} alone')
    quality = read_quality(parsed.explain) if parsed.explain else None
    if quality is not None and parsed.masks is not None:
        quality = dataclasses.replace(quality, masks=parsed.masks)
    config, folders, test = _open_study(parsed.study, parsed, quality)
    with Bar('studying', 1) as advance:
        run_study(
            config,
            lambda changes: read_recipe(config.recipe, changes),
            folders,
            test,
            parsed.out,
            before=parsed.before,
            workers=parsed.workers,
            report=advance,
        )
    print((parsed.out / 'table.md').read_text(encoding='utf-8'), end='')
    if quality is None:
        return
    from signattn.study_quality import measure_study

    name = Path(parsed.explain).stem
    with Bar('measuring maps', 1) as advance:
        measure_study(
            config,
            quality,
            test or folders[0],
            parsed.out,
            name=name,
            workers=parsed.workers,
            report=advance,
        )
    print(f'\n{(parsed.out / "quality" / f"{name}.md").read_text(encoding="utf-8")}', end='')


def _sweep(arguments: list[str]) -> None:
    from signattn.share import shipped_or_own
    from signattn.sweep import AXES, run_sweep

    parser = new_parser('sweep')
    parser.add_argument('axis', choices=(*AXES,), help='what is varied')
    parser.add_argument('--study', help='the variants, a .yaml file; the shipped one by default')
    _add_study_options(parser)
    parser.add_argument(
        '--explain', default='sweep', help='a shipped measurement of maps, or a .yaml file'
    )
    parsed = parse(parser, arguments)
    path = shipped_or_own('study', parsed.study or parsed.axis)
    quality = read_quality(parsed.explain)
    config, folders, test = _open_study(path, parsed, quality)
    with Bar('training', 1) as advance:
        run_sweep(
            parsed.axis,
            config,
            quality,
            lambda changes: read_recipe(config.recipe, changes),
            folders,
            test,
            parsed.out,
            before=parsed.before,
            workers=parsed.workers,
            report=lambda what, done, total: advance(done, total, what),
        )
    print((parsed.out / 'table.md').read_text(encoding='utf-8'), end='')


def _add_study_options(parser: 'ArgumentParser') -> None:
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='drives, or folders of drives'
    )
    parser.add_argument('--test', type=Path, help='drives to test on, where there are no folds')
    parser.add_argument('--before', type=Path, help='earlier study, for start: before/VARIANT')
    parser.add_argument('--out', type=Path, required=True, help='folder of the study')
    parser.add_argument('--workers', type=int, default=0, help='runs side by side; 0: one a core')
    parser.add_argument('--seeds', type=int, help="how many, instead of the study's")


def _open_study(
    path: Path, parsed: 'Namespace', quality: 'QualityConfig | None'
) -> tuple['StudyConfig', list[list['Drive']], list['Drive']]:
    """A study and its drives; what they lack is found before anything is trained."""
    from signattn.drive import open_drives
    from signattn.share import read_yaml
    from signattn.study import read_study
    from signattn.truth import require_masks

    config = read_study(path, read_yaml(path))
    if parsed.seeds is not None:
        config = dataclasses.replace(config, seeds=parsed.seeds)
    folders = [open_drives(data) for data in parsed.data]
    test = open_drives(parsed.test) if parsed.test else []
    if quality is not None and quality.masks is not None:
        require_masks(test or folders[0], quality.masks)
    return config, folders, test


def _evaluate(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.evaluate import EvaluateConfig, evaluate
    from signattn.model import load
    from signattn.quality import QualityConfig, measure_quality, unmeasured
    from signattn.report import write_report
    from signattn.study_quality import fitting
    from signattn.truth import require_masks
    from signattn.workers import crew

    parser = new_parser('evaluate')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('--data', type=Path, required=True, help='a drive or a folder of drives')
    parser.add_argument('--out', type=Path, required=True, help='folder of the report')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    parser.add_argument('--workers', type=int, default=0, help='threads; 0: one a core')
    parser.add_argument(
        '--explain',
        default='quick',
        help='a shipped measurement of maps, a .yaml file, or none; options override it',
    )
    scoring = [field.name for field in dataclasses.fields(EvaluateConfig)]
    measuring = [field.name for field in dataclasses.fields(QualityConfig)]
    shared = {*scoring} & {*measuring}
    add_options(parser, EvaluateConfig)
    add_options(parser, QualityConfig, shared)
    usual = read_quality(parser.get_default('explain'))
    parser.set_defaults({name: getattr(usual, name) for name in measuring})  # what --help shows
    parsed = parse(parser, arguments)
    checkpoint, drives = load(parsed.model), open_drives(parsed.data)
    usual = read_quality('quick' if parsed.explain == 'none' else parsed.explain)
    parser.set_defaults({name: getattr(usual, name) for name in measuring})
    parsed = parse(parser, arguments)
    asked: QualityConfig = build(QualityConfig, parsed)
    config = fitting(asked, checkpoint)
    if parsed.explain != 'none':
        for name in sorted(
            {*asked.explainers, *asked.costly} - {*config.explainers, *config.costly}
        ):
            warn(f'the network has no attention: {name} is left out')
        if asked.masks is not None:
            require_masks(drives, asked.masks)
    parsed.out.mkdir(parents=True, exist_ok=True)  # not found out after hours
    metrics, scored = evaluate(checkpoint, drives, build(EvaluateConfig, parsed))
    quality = None
    if parsed.explain != 'none':
        with crew(parsed.workers) as executor, Bar('explaining', None) as advance:
            quality = measure_quality(
                checkpoint,
                drives,
                config,
                executor=executor,
                report=lambda text: advance(0, None, text),
            )
        for text in unmeasured(quality.areas, drives, config):
            warn(text)
    metrics = write_report(parsed.out, checkpoint, metrics, scored, quality, config)
    if parsed.json:
        print_columns(metrics, as_json=True)
    else:
        print_columns(
            {k: v for k, v in metrics.items() if not isinstance(v, list | dict)}, as_json=False
        )
        print(f'report in {parsed.out / "report.html"}')
    if metrics['seen_in_training']:
        warn('the model was trained on a drive that it is scored on: --part apart leaves that out')


def _leak(arguments: list[str]) -> None:
    from signattn.drive import open_drives
    from signattn.leak import LeakConfig, leak_test
    from signattn.model import load

    parser = new_parser('leak')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('--data', type=Path, required=True, help='a drive or a folder of drives')
    parser.add_argument('--out', type=Path, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    add_options(parser, LeakConfig)
    parsed = parse(parser, arguments)
    metrics = leak_test(load(parsed.model), open_drives(parsed.data), build(LeakConfig, parsed))
    if parsed.out:
        write_metrics(parsed.out / 'metrics.json', metrics)
    print_columns(metrics, as_json=parsed.json)


def _render(arguments: list[str]) -> None:
    from signattn.render import RenderConfig, render

    parser = new_parser('render')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('source', type=Path, help='a bag or an image folder')
    parser.add_argument('--out', type=Path, required=True, help='the video, .mp4')
    add_options(parser, RenderConfig)
    parsed = parse(parser, arguments)
    config = build(RenderConfig, parsed)
    with Bar('rendering', None) as advance:
        frames = render(parsed.model, parsed.source, parsed.out, config, progress=advance)
    print(f'wrote {parsed.out}: {frames} frames')


def _replay(arguments: list[str]) -> None:
    from signattn.replay import ReplayConfig, replay

    parser = new_parser('replay')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('source', type=Path, help='a bag or an image folder')
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    add_options(parser, ReplayConfig)
    parsed = parse(parser, arguments)
    metrics = replay(parsed.model, parsed.source, parsed.out, build(ReplayConfig, parsed))
    print_columns(metrics, as_json=parsed.json)


def _export(arguments: list[str]) -> None:
    from signattn.drive import Drive
    from signattn.export import ExportConfig, export

    parser = new_parser('export')
    parser.add_argument('model', type=Path, help="a model's folder")
    parser.add_argument('--out', type=Path, required=True, help='folder for the models')
    parser.add_argument('--data', type=Path, help='a drive to compare on; noise if not given')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    add_options(parser, ExportConfig)
    parsed = parse(parser, arguments)
    drive = Drive(parsed.data) if parsed.data else None
    metrics = export(parsed.model, parsed.out, drive, build(ExportConfig, parsed))
    print_columns(metrics, as_json=parsed.json)


def _bench(arguments: list[str]) -> None:
    from signattn.bench import BenchConfig, bench

    parser = new_parser('bench')
    parser.add_argument('--model', type=Path, help="a model's folder; the paper's size without")
    parser.add_argument('--out', type=Path, help='folder for metrics.json')
    parser.add_argument('--json', action='store_true', help='print the metrics as JSON')
    add_options(parser, BenchConfig)
    parsed = parse(parser, arguments)
    machine, rows = bench(parsed.model, build(BenchConfig, parsed))
    if parsed.out:
        write_metrics(parsed.out / 'metrics.json', machine | {'backends': rows})
    if parsed.json:
        print_columns(machine | {'backends': rows}, as_json=True)
        return
    print_columns(machine, as_json=False)
    print_table(rows, as_json=False)


RUNS: Mapping[str, Callable[[list[str]], None]] = {
    'synth': _synth,
    'convert': _convert,
    'inspect': _inspect,
    'train': _train,
    'study': _study,
    'sweep': _sweep,
    'evaluate': _evaluate,
    'leak': _leak,
    'render': _render,
    'replay': _replay,
    'export': _export,
    'bench': _bench,
}
"""What each verb does with its arguments."""
