"""Frames to look at, the worst ones among them, with every method's map."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.deletion import Curves, DeletionConfig, clean_pass, curves, sources_of
from signattn.drawing import picture_uri
from signattn.drive import Drive
from signattn.evaluate import Scored, errors_deg
from signattn.explain import Explained, explain, new_explainer
from signattn.model import Network
from signattn.preprocess import NS_PER_S
from signattn.quality import FEATURE, RANDOM, QualityConfig
from signattn.report.pictures import heated, masked, picture

APART_S = 2.0
"""s between two frames that are shown for the same reason; neighbours look alike."""
_FIDELITY = 'fidelity_area_deg_percent'


class Case(NamedTuple):
    """A frame to look at.

    Attributes:
        drive: Its drive's place among the scored ones.
        frame: Its place in the drive.
        why: Why it was chosen.
    """

    drive: int
    frame: int
    why: str


class View(NamedTuple):
    """What a method makes of a frame.

    Attributes:
        method: Its name.
        heat: The frame with the map over it, a data URI.
        left: The frame without its most salient pixels, a data URI.
        answer_deg: What the network answers to that, degrees.
    """

    method: str
    heat: str
    left: str
    answer_deg: float


class Shown(NamedTuple):
    """A frame on the page.

    Attributes:
        why: Why it was chosen.
        where: Its drive and time.
        picture: A data URI.
        driven_deg: Degrees at the wheel.
        predicted_deg: Likewise.
        views: What each method makes of it.
    """

    why: str
    where: str
    picture: str
    driven_deg: float
    predicted_deg: float
    views: list[View]


def choose(scored: list[Scored], areas: pd.DataFrame, config: QualityConfig) -> list[Case]:
    """Frames that are worth a look, none twice.

    Args:
        scored: What was predicted.
        areas: As measured; where a frame wasn't measured by itself, none is chosen.
        config: What was measured.

    Returns:
        Where the error is largest; where the map that the controls are made of does worst, and
        best, beside random maps; and some spread over time.
    """
    table = _beside_chance(scored, areas, config)
    if table.empty:
        return []
    wanted = (
        ('largest error', table.sort_values('error_deg', ascending=False), 2),
        ('map worst, beside random maps', table.sort_values('gain'), 2),
        ('map best, beside random maps', table.sort_values('gain', ascending=False), 1),
        ('one of three, evenly spread', table.iloc[_spread(len(table), 3)], 3),
    )
    found: list[Case] = []
    for why, rows, count in wanted:
        taken: list[tuple[int, float]] = [(it.drive, _seconds(scored, it)) for it in found]
        chosen = 0
        for drive, frame in zip(rows['place'], rows['frame'], strict=True):
            case = Case(int(drive), int(frame), why)
            here = _seconds(scored, case)
            near = any(other == case.drive and abs(at - here) < APART_S for other, at in taken)
            if not near and chosen < count:
                found.append(case)
                taken.append((case.drive, here))
                chosen += 1
    return found


def show(
    network: Network, scored: list[Scored], cases: list[Case], config: QualityConfig
) -> list[Shown]:
    """Explain and mask the chosen frames.

    Args:
        network: In evaluation mode.
        scored: What was predicted.
        cases: The frames.
        config: What was measured.

    Returns:
        The frames in the order of ``cases``.
    """
    shown: dict[Case, Shown] = {}
    for place in dict.fromkeys(case.drive for case in cases):
        own = sorted((case for case in cases if case.drive == place), key=lambda case: case.frame)
        made = _show_drive(network, scored[place], own, config)
        shown.update(zip(own, made, strict=True))
    return [shown[case] for case in cases]


def shown_filling(config: QualityConfig) -> str:
    """The first one that is put in a picture."""
    return next((filling for filling in config.fillings if filling != FEATURE), 'mean')


def _show_drive(
    network: Network, item: Scored, cases: list[Case], config: QualityConfig
) -> list[Shown]:
    drive, frames = item.drive, np.array([case.frame for case in cases])
    last = config.levels[-1]
    deletion = DeletionConfig(
        levels=(0.0, last),
        filling=shown_filling(config),  # type: ignore[arg-type]  # checked by its own class
        blur_px=config.blur_px,
        seed=config.seed,
    )
    clean = clean_pass(network, drive)
    seen: dict[str, tuple[Explained, Curves]] = {}
    for name in (*config.explainers, *config.costly):
        maps = explain(drive, network, new_explainer(name, config.seed), frames)
        made = curves(
            network,
            drive,
            maps.saliency,
            deletion,
            frames=frames,
            lead_s=item.lead_s,
            clean=clean,
        )
        seen[name] = maps, made
    pictures, shown = drive.frames[frames], []
    sources = sources_of(drive, deletion, frames, pictures)
    for row, case in enumerate(cases):
        frame, source = pictures[row], sources[row]
        views = [
            View(
                name,
                picture_uri(heated(frame, maps.saliency[row], config.blur_px)),
                picture_uri(masked(frame, source, maps.saliency[row], last, deletion, case.frame)),
                float(made.theta_deg[1, row]),
            )
            for name, (maps, made) in seen.items()
        ]
        curve = next(made for _, made in seen.values())
        answers = float(curve.truth_deg[row]), float(curve.clean_deg[row])
        where = f'{drive.name}, {seconds(drive)[case.frame]:.1f} s'
        shown.append(Shown(case.why, where, picture_uri(picture(frame)), *answers, views))
    return shown


def seconds(drive: Drive) -> NDArray[np.float64]:
    """(N,) float64, s since the first frame of a drive."""
    return np.asarray((drive.stamps_ns - drive.stamps_ns[0]) / NS_PER_S)


def _seconds(scored: list[Scored], case: Case) -> float:
    return float(seconds(scored[case.drive].drive)[case.frame])


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Places in the middle of equal parts."""
    return np.asarray((np.arange(wanted) + 0.5) / wanted * count, np.int64)


def _beside_chance(
    scored: list[Scored], areas: pd.DataFrame, config: QualityConfig
) -> pd.DataFrame:
    """A line for each measured frame: its drive's place, its error, and what the map gained."""
    measured = (areas['regime'] == 'frame') & (areas['mode'] == 'deletion')
    measured &= areas['filling'] == config.fillings[0]
    chosen = areas[measured].dropna(subset=[_FIDELITY])
    wide: pd.DataFrame = chosen.pivot_table(_FIDELITY, ['drive', 'frame'], 'method').reset_index()
    if wide.empty:
        return wide
    places = {item.drive.name: place for place, item in enumerate(scored)}
    wide['place'] = wide['drive'].map(places)
    errors = [errors_deg(item) for item in scored]
    wide['error_deg'] = [
        errors[place][frame] for place, frame in zip(wide['place'], wide['frame'], strict=True)
    ]
    wide['gain'] = wide[config.explainers[0]] - wide[RANDOM]
    known: pd.DataFrame = wide.dropna(subset=['error_deg', 'gain'])
    ordered: pd.DataFrame = known.sort_values(['place', 'frame'])
    return ordered
