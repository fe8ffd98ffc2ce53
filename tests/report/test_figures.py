import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from sre import SreError
from sre.metrics.rates import act_dcf, min_dcf
from sre.report.figures.calibration import LOG_ODDS, MAX_PANELS, BayesCurve, bayes_error_curves, calibration_plot
from sre.report.figures.cost import CostPoint, accuracy_cost_front, undominated
from sre.report.figures.histogram import histogram
from sre.report.figures.intervals import MAX_ROWS, IntervalRow, interval_plot
from sre.report.figures.map import embedding_map, principal_plane
from sre.report.figures.style import STYLE, place_labels

ODD_NAME = 'a$x$ <b> & "c" -->'


def some_trials(seed=0, trials=2000):
    """LLR-like scores with many ties."""
    rng = np.random.default_rng(seed)
    target = rng.random(trials) < 0.2
    return (rng.normal(size=trials) * 2 + np.where(target, 3, -3)).round(1), target


def all_figures():
    """Name -> SVG, each as full as it may be."""
    scores, target = some_trials()
    rng = np.random.default_rng(0)
    costs = bayes_error_curves(scores, target, LOG_ODDS)
    curves = [BayesCurve(f"{ODD_NAME} {n}", LOG_ODDS, *costs) for n in range(MAX_PANELS)]
    points = [CostPoint(f"{ODD_NAME} {n}", 2.0**n, 9 - n / 2, 8 - n / 2, 10 - n / 2) for n in range(12)]
    rows = [IntervalRow(f"{ODD_NAME} {n}", 5 + n / 7, 4.5, np.nan, n == 3) for n in range(MAX_ROWS)]
    thresholds = {"EER": 0.1, "minDCF(0.05)": 1.2, ODD_NAME: 2.5, "minDCF(0.001)": np.inf}
    speakers = [f"{n % 60:02}" for n in range(2400)]
    genders = ["fm?"[int(speaker) % 3] for speaker in speakers]
    return {
        "calibration": calibration_plot(curves, "calibration", ODD_NAME),
        "front": accuracy_cost_front(points, "front", ODD_NAME, "cost, s"),
        "intervals": interval_plot(rows, "intervals", ODD_NAME),
        "scores": histogram(scores, target, thresholds, "scores", ODD_NAME),
        "map": embedding_map(rng.normal(size=(2400, 8)), speakers, genders, "map", ODD_NAME)[1],
        "few": embedding_map(rng.normal(size=(40, 8)), speakers[:20] * 2, None, "few", ODD_NAME)[1],
    }


@pytest.fixture(scope="module")
def drawn():
    return all_figures()


@pytest.mark.parametrize("seed", range(5))
def test_bayes_error_curves_are_the_costs_at_each_prior(seed):
    scores, target = some_trials(seed, 60 * 4**seed)
    log_odds = np.append(np.linspace(-8, 4, 47), 0)  # none but 0 at a score
    actual, minimum = bayes_error_curves(scores, target, log_odds)
    for p_target, ours, least in zip(1 / (1 + np.exp(-log_odds)), actual, minimum, strict=True):
        assert ours == pytest.approx(act_dcf(scores, target, p_target), abs=1e-12, rel=1e-12)
        assert least == pytest.approx(min_dcf(scores, target, p_target)[0], abs=1e-12, rel=1e-12)


def test_same_input_same_bytes(drawn):
    assert all_figures() == drawn


def test_ids_are_unique_on_a_page_and_references_stay_in_their_figure(drawn):
    every = "".join(drawn.values())
    ids = re.findall(r' id="([^"]*)"', every)
    assert len(ids) == len(set(ids)) > 0
    for name, text in drawn.items():
        there = set(re.findall(r'id="([^"]*)"', text))
        refs = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text)
        assert refs and all((a or b) in there and (a or b).startswith(f"{name}-") for a, b in refs)


def test_figures_are_small_and_are_well_formed_with_any_label(drawn):
    sizes = {name: len(text) for name, text in drawn.items()}
    assert max(sizes.values()) < 120_000, sizes
    for text in drawn.values():
        root = ElementTree.fromstring(text)
        assert root.get("aria-label") == ODD_NAME
        assert not re.search(r'[ "]-?\d+\.\d{3,}', "".join(re.findall(r' d="[^"]*"', text)))


def test_a_dollar_sign_is_a_dollar_sign():
    """Not the start of TeX: each character is a glyph."""
    glyphs = [interval_plot([IntervalRow(t, 1, 1, 1, False)], "n", "l").count("<use") for t in ("abc", "$b$", "a")]
    assert glyphs[0] == glyphs[1] == glyphs[2] + 2


def test_marks_keep_their_look():
    """The look is said once for all marks of a speaker: as many marks as points, and two looks."""
    rng = np.random.default_rng(1)
    text = embedding_map(rng.normal(size=(50, 4)), ["a"] * 20 + ["b"] * 30, ["f"] * 20 + ["m"] * 30, "n", "l")[1]
    groups = [g for g in re.findall(r'<g style="([^"]*)">\n((?:<use[^>]*/>\n)+)</g>', text) if g[1].count("<use") > 1]
    assert [(look.count("#0072b2"), marks.count("<use")) for look, marks in groups] == [(2, 20), (0, 30)]
    assert "fill: none" in groups[1][0] or "fill-opacity: 0" in groups[1][0]


def test_front_has_those_that_none_beats_in_both():
    rng = np.random.default_rng(2)
    for _ in range(200):
        pairs = sorted({(int(a), int(b)) for a, b in rng.integers(1, 9, (10, 2))})
        points = [CostPoint("x", cost, eer, eer - 1, eer + 1) for cost, eer in rng.permutation(pairs).tolist()]
        best = [(c, e) for c, e in pairs if not any((a, b) != (c, e) and a <= c and b <= e for a, b in pairs)]
        assert [(point.cost, point.eer) for point in undominated(points)] == best


def test_labels_of_crowded_points_do_not_overlap():
    rng = np.random.default_rng(3)
    places = rng.normal(0.5, 0.04, (8, 2))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.5))
        axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 1))
        place_labels(figure, axes, [(f"system_{n} plda", x, y) for n, (x, y) in enumerate(places)], places)
        figure.draw_without_rendering()
        frame = axes.get_window_extent()
        boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == 8
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 < frame.y1 for box in boxes)
    assert not any(a.padded(-1).overlaps(b.padded(-1)) for a, b in combinations(boxes, 2))


def test_map_of_a_case_done_by_hand():
    """Rows along three axes, 3 : 2 : 1 of the variance, lengths that must not matter, mean 0 once they are 1."""
    axes = np.repeat(np.eye(3), (3, 2, 1), axis=0)
    rows = np.concatenate([axes, -axes])
    plane, share = principal_plane(rows)
    assert share == pytest.approx([6 / 12, 4 / 12])
    assert plane == pytest.approx(rows[:, :2])  # the largest loadings are positive
    caption, _ = embedding_map(rows * np.arange(1, 13)[:, None], ["a", "b"] * 6, None, "n", "l")
    assert "Embeddings of all 12 utterances of all 2 speakers" in caption and "holds 83.3 % of" in caption


def test_map_counts_what_it_shows():
    speakers = [f"{n % 60:02}" for n in range(2400)]
    caption, _ = embedding_map(np.random.default_rng(0).normal(size=(2400, 3)), speakers, None, "n", "l")
    assert "1000 of 2400 utterances of 40 of 60 speakers" in caption


def test_map_of_a_collapsed_model_is_refused():
    with pytest.raises(SreError, match="the model has collapsed"):
        embedding_map(np.full((6, 4), 0.3), list("aabbcc"), None, "n", "l")
