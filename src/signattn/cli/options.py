"""From arguments to dataclasses of options, by jsonargparse."""

import dataclasses
import difflib
import itertools
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

VERBS = {
    'synth': 'render a drive along a known road and write it as a bag',
    'convert': 'turn bags and image folders into drives to train and score on',
    'inspect': 'tell what a recording, drive or model holds, and what is wrong with it',
    'train': 'train a network on drives',
    'study': 'train and compare variants over folds and seeds',
    'sweep': 'vary bits, temperature or attention, and draw error and trust in the maps',
    'evaluate': 'score a network and its explanations on drives, and write a report',
    'leak': 'test whether the attended cells carry the answer',
    'render': 'make a video of a recording with heatmap and steering',
    'replay': 'play a recording through the ROS 2 nodes and score the answers',
    'export': 'write a network as ONNX step models, with their distance from it',
    'bench': 'measure the speed of this machine: every back end, against the limit',
}

_WITHOUT_UNIT = {
    '--rate-hz': '--rate',
    '--max-gap-s': '--max-gap',
    '--side-cameras-deg': '--side-cameras',
}

_NONE = "<class 'NoneType'>"
_KINDS = {
    "<class 'float'>": 'a finite number',
    "<class 'int'>": 'a whole number',
    "<class 'bool'>": 'true or false',
    "<class 'tuple'>": "a list such as '[1, 2]'",
}


def new_parser(verb: str) -> 'ArgumentParser':
    """A parser that knows nothing yet.

    Args:
        verb: Whose.

    Returns:
        The parser.
    """
    from jsonargparse import ArgumentParser

    text = VERBS[verb]
    return ArgumentParser(
        prog=f'signattn {verb}',
        description=f'{text[0].upper()}{text[1:]}.',
        exit_on_error=False,
        allow_abbrev=False,
    )


def parse(parser: 'ArgumentParser', arguments: list[str]) -> 'Namespace':
    """Read a verb's arguments.

    Args:
        parser: Knows its options.
        arguments: Behind the verb.

    Returns:
        The values.

    Raises:
        ValueError: If an option is unknown or a value wrong; the nearest known one is named.
    """
    from jsonargparse import ArgumentError

    _hyphenate(parser)
    try:
        return parser.parse_args(_with_values(parser, arguments))
    except ArgumentError as error:
        text = str(error)
        raise ValueError(
            _wrong_value(text, parser) or f'{text}{_nearest(text, parser)}'
        ) from error


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


def _wrong_value(text: str, parser: 'ArgumentParser') -> str:
    """Say in a line what a value must be; nothing where it isn't a plain type that is wrong."""
    key = re.match(r'Parser key "([\w.]+)":', text)
    given = re.search(r'(?:Got|Given) value: (.*)\Z', text, re.DOTALL)
    expected = [
        kind for kind in re.findall(r'Expected a (.*?)(?:\. |\n|$)', text) if kind != _NONE
    ]
    if not key or not given or len(expected) != 1 or expected[0] not in _KINDS:
        return ''
    options = [it.option_strings for it in parser._actions if it.dest == key[1]]  # noqa: SLF001
    name = options[0][0] if options and options[0] else key[1]
    return f'{name} must be {_KINDS[expected[0]]}, got {given[1]}'


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


def add_options(parser: 'ArgumentParser', options: type, known: Collection[str] = ()) -> None:
    """Make the fields of a dataclass options.

    Args:
        parser: Learns them.
        options: The dataclass.
        known: Fields that the parser knows already.
    """
    parser.add_class_arguments(options, nested_key=None, as_group=False, skip={*known})


def build(options: type, parsed: 'Namespace') -> Any:
    """The dataclass of options from what was parsed."""
    names = {field.name for field in dataclasses.fields(options)}
    return options(**{key: value for key, value in vars(parsed).items() if key in names})
