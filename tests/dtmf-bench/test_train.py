"""How the weights are learnt: what each look is labelled, what the fit finds, what is written."""

import re
import unittest

import numpy as np

import fit
import train
from looks import CODES, COLUMNS, KINDS, Sound, chosen, label

SPOKEN = Sound("talk.wav", "speech", 60, [])


def event(digit, onset, offset, expect="accept"):
    return dict(digit=digit, onset_ms=onset, offset_ms=offset, expect=expect)


def keyed(*events):
    return Sound("digits.wav", "digits", 60, list(events))


def row(start, end, kind=2, digit="5", file=0):
    return [file, start, end, kind, CODES[digit]] + [0.0] * (COLUMNS - 5)


def labels(files, *rows):
    return list(label(np.array(rows, "<f4"), files)[0])


class Labelling(unittest.TestCase):
    FILES = [keyed(event("5", 1000, 1050), event("6", 1100, 1150, "reject"))]

    def test_a_look_within_a_press_speaks_for_its_key_and_against_others(self):
        rows = row(1000, 1040), row(1000, 1040, digit="6"), row(1000, 1040, kind=5)
        self.assertEqual(labels(self.FILES, *rows), [1, -1, 1])

    def test_a_look_that_reaches_out_of_a_press_says_nothing(self):
        for start, end, meant in (
            (990, 1040, 1),
            (989, 1040, 0),
            (1010, 1055, 1),
            (1010, 1056, 0),
        ):
            self.assertEqual(labels(self.FILES, row(start, end)), [meant], (start, end))

    def test_the_first_look_that_reports_a_key_learns_from_how_it_begins(self):
        for end, meant in ((1034, 1), (1035, 1), (1036, 0), (1050, 0)):
            self.assertEqual(labels(self.FILES, row(1000, end, kind=1)), [meant], end)
        self.assertEqual(labels(self.FILES, row(1000, 1045, kind=1, digit="6")), [-1])

    def test_the_shortest_look_speaks_for_a_key_from_16_ms_of_the_press_on(self):
        for start, end, meant in ((991, 1015, 0), (992, 1016, 1), (1028, 1052, 1), (1029, 1053, 0)):
            self.assertEqual(labels(self.FILES, row(start, end, kind=0)), [meant], (start, end))

    def test_whatever_touches_a_signal_to_reject_speaks_against_a_key(self):
        for start, end, meant in (
            (1060, 1100, 0),
            (1061, 1101, -1),
            (1149, 1200, -1),
            (1150, 1200, 0),
        ):
            self.assertEqual(labels(self.FILES, row(start, end, digit="6")), [meant], (start, end))

    def test_but_a_suspicion_at_its_edge_is_nobody_s_fault(self):
        rows = row(1090, 1114, kind=0), row(1140, 1164, kind=0)
        self.assertEqual(labels(self.FILES, *rows), [0, 0])

    def test_a_press_that_need_not_be_heard_says_nothing_about_any_key(self):
        files = [keyed(event("5", 1000, 1050, "dontcare"))]
        self.assertEqual(labels(files, row(1000, 1040), row(1000, 1040, digit="6")), [0, 0])

    def test_everything_in_a_file_without_labels_speaks_against_a_key(self):
        rows = row(5, 45, file=1), row(1000, 1040, kind=0, file=1), row(500, 540), row(1000, 1040)
        self.assertEqual(labels([*self.FILES, SPOKEN], *rows), [-1, -1, 0, 1])
        self.assertEqual(labels([SPOKEN], row(1000, 1040)), [-1])

    def test_a_press_of_one_file_is_not_looked_for_in_the_next(self):
        files = [keyed(event("5", 50_000, 60_000)), keyed(event("5", 2000, 2050))]
        rows = row(1000, 1040, file=1), row(2005, 2045, file=1), row(55_000, 55_040)
        self.assertEqual(labels(files, *rows), [0, 1, 1])
        self.assertEqual(list(label(np.array(rows, "<f4"), files)[1][1:]), [1, 0])

    def test_false_looks_of_the_same_200_ms_are_one_cluster(self):
        rows = [row(160, 200), row(165, 205), row(355, 400), row(365, 405), row(160, 205, file=1)]
        looks = chosen(np.array(rows, "<f4"), [SPOKEN, SPOKEN])
        first, second, third, fourth, other = looks.cluster
        self.assertEqual((first == second, second == third, third == fourth), (False, True, False))
        self.assertNotEqual(second, other)


def synthetic(rng, weights, bias, n=6000):
    """Looks of every kind, each a press or a cluster of its own, that are right by the odds that
    the weights of the first two features make; the others are noise."""
    features = rng.standard_normal((KINDS * n, fit.FEATURES))
    odds = features[:, :2] @ weights + bias
    right = rng.random(len(odds)) < 1 / (1 + np.exp(-odds))
    kind = np.repeat(np.arange(KINDS), n)
    rows = np.zeros((len(odds), COLUMNS))
    rows[:, 5:] = features
    looks = chosen(rows.astype("<f4"), [SPOKEN])
    looks.kind, looks.right = kind, right
    looks.press = np.cumsum(right) - 1
    looks.cluster = np.arange(len(odds))
    looks.presses = int(right.sum())
    return looks


WORTH = {"speech": 1}
QUIET = dict(say=lambda _: None)


class Fit(unittest.TestCase):
    def test_a_regression_finds_the_weights_that_drew_the_answers(self):
        rng = np.random.default_rng(1)
        x = rng.standard_normal((100_000, 3)) * (1, 5, 0.2) + (0, 10, 3)
        meant, bias = np.array([1.5, -0.4, 4.0]), -8.0
        y = rng.random(len(x)) < 1 / (1 + np.exp(-(x @ meant + bias)))
        weights, found = fit.logistic(x, y.astype(float), np.ones(len(x)))
        np.testing.assert_allclose(weights, meant, rtol=0.05)
        self.assertAlmostEqual(found, bias, delta=0.4)

    def test_weight_is_the_same_as_so_many_copies(self):
        rng = np.random.default_rng(2)
        x = rng.standard_normal((500, 2))
        y = (x[:, 0] + rng.standard_normal(500) > 0).astype(float)
        weight = rng.integers(1, 4, 500)
        weights, bias = fit.logistic(x, y, weight.astype(float))
        copied, same = fit.logistic(
            x.repeat(weight, 0), y.repeat(weight), np.ones(int(weight.sum()))
        )
        # The scale of the ridge alone differs.
        np.testing.assert_allclose(weights, copied, rtol=1e-3)
        self.assertAlmostEqual(bias, same, delta=1e-3)

    def test_the_best_look_of_each_bundle_counts_and_the_first_of_equals(self):
        bundle = np.array([7, 3, 7, 3, 7, 9])
        score = np.array([1.0, 5.0, 2.0, 5.0, 2.0, 9.0])
        bundles = fit.Bundles(np.array([0, 1, 2, 3, 4]), bundle)
        self.assertEqual(list(bundles.ids), [3, 7])
        self.assertEqual(list(bundles.highest(score)), [5, 2])
        self.assertEqual(list(bundles.best(score)), [1, 2])

    def test_what_was_meant_comes_out_of_looks_of_every_length(self):
        looks = synthetic(np.random.default_rng(3), np.array([4.0, -2.0]), 0.0)
        weights, _ = fit.learn(fit.Lessons(looks, WORTH), **QUIET)
        for kind in fit.BELIEVED:
            found = weights[kind]
            np.testing.assert_allclose(found[:2], [4, -2], rtol=0.15)
            self.assertLess(np.abs(found[2:]).max(), 0.3)

    def test_the_best_look_of_a_press_teaches_and_not_the_many_beside_it(self):
        """One look in three shows the press by the first feature. The two others have the second
        one, as one look of every false cluster has: it is common at presses, and good for
        nothing."""
        looks = synthetic(np.random.default_rng(4), np.zeros(2), 0.0)
        n = len(looks.kind)
        looks.right = np.arange(n) // 3 % 2 == 0
        first = np.arange(n) % 3 == 0
        looks.features[:, 0] += np.where(looks.right & first, 3, 0)
        looks.features[:, 1] += np.where(looks.right ^ first, 3, 0)
        looks.press, looks.cluster = np.arange(n) // 6, np.arange(n) // 3
        looks.presses = n // 6
        said = []
        weights, _ = fit.learn(fit.Lessons(looks, WORTH), said.append)
        costs = [float(re.search("cost ([0-9.]+)", line)[1]) for line in said]
        self.assertLess(min(costs), 0.9 * costs[0])
        for kind in fit.BELIEVED:
            self.assertGreater(weights[kind, 0], 3 * abs(weights[kind, 1]))

    def test_a_false_digit_that_is_worth_more_is_taken_less_often(self):
        looks = synthetic(np.random.default_rng(5), np.array([3.0, 0.0]), 0.0)
        taken = []
        for worth in (0.3, 30):
            said = []
            fit.learn(fit.Lessons(looks, {"speech": worth}), said.append)
            taken.append(int(said[-1].rsplit(None, 1)[1]))
        self.assertGreater(taken[0], 5 * (taken[1] + 1))

    def test_the_thresholds_are_in_the_biases(self):
        looks = synthetic(np.random.default_rng(10), np.array([3.0, 0.0]), 0.0)
        lessons, said = fit.Lessons(looks, WORTH), []
        weights, bias = fit.learn(lessons, said.append)
        scores = (lessons.x * weights[looks.kind]).sum(1) + bias[looks.kind]
        cost = lessons.cost(*lessons.highest(scores), -fit.MARGINS)
        least = min(float(re.search("cost ([0-9.]+)", line)[1]) for line in said)
        # A threshold is a score that occurred: rounding may let that one look through.
        self.assertAlmostEqual(cost, least, delta=len(fit.BELIEVED))

    def test_presses_that_no_look_saw_are_missed(self):
        looks = synthetic(np.random.default_rng(6), np.array([3.0, 0.0]), 0.0)
        looks.presses += 70
        lessons = fit.Lessons(looks, WORTH)
        presses, clusters = lessons.highest(np.zeros(len(looks.kind)))
        everything = np.full(len(fit.BELIEVED), -1.0)
        unseen = 70 + int((looks.right & (looks.kind == 0)).sum())
        late = looks.presses - int((looks.right & (looks.kind == 1)).sum())
        self.assertAlmostEqual(
            lessons.cost(presses, clusters, everything),
            unseen + len(lessons.clusters) + fit.LATE * late,
        )


class Suspicion(unittest.TestCase):
    def test_it_is_raised_in_the_share_of_the_hops_of_speech_that_is_allowed(self):
        looks = synthetic(np.random.default_rng(7), np.array([3.0, 0.0]), 0.0)
        looks.seconds = {"speech": 200 * 0.005 / fit.IDLE}
        lessons = fit.Lessons(looks, WORTH)
        weights, bias = fit.suspicion(lessons, ("speech",), **QUIET)
        raised = lessons.x @ weights + bias > 0
        self.assertEqual((raised & ~looks.right & (looks.kind == 0)).sum(), 200)

    def test_it_goes_by_nothing_that_is_not_measured_yet(self):
        looks = synthetic(np.random.default_rng(8), np.array([1.0, 0.0]), 0.0)
        looks.features[:, fit.GROWTH] = looks.right
        weights, _ = fit.suspicion(fit.Lessons(looks, WORTH), ("speech",), **QUIET)
        unknown = np.r_[fit.GROWTH : fit.FEATURES]
        self.assertFalse(weights[np.r_[unknown, fit.FEATURES + unknown]].any())


class Table(unittest.TestCase):
    def test_every_number_is_where_the_detector_reads_it(self):
        weights = np.arange(KINDS * 2 * fit.FEATURES, dtype=float).reshape(KINDS, -1)
        n = fit.FEATURES
        ranges = np.stack([np.arange(n), np.arange(n) + 0.5], axis=1)
        bias, most = np.arange(KINDS) - 9.0, np.arange(KINDS) * 2.0
        text = train.table(fit.Model(weights, bias, ranges, most))
        numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", text)]
        self.assertEqual(numbers[: 2 * n], list(ranges.ravel()))
        for kind in range(KINDS):
            found = numbers[2 * n + (2 * n + 2) * kind :][: 2 * n + 2]
            pairs = np.stack([weights[kind][:n], weights[kind][n:]], axis=1)
            self.assertEqual(found, [bias[kind], *pairs.ravel(), most[kind] + 0.001])

    def test_what_a_residual_adds_at_most_is_that_of_nine_in_ten(self):
        looks = synthetic(np.random.default_rng(9), np.array([3.0, 0.0]), 0.0)
        lessons = fit.Lessons(looks, WORTH)
        weights, bias = np.zeros((KINDS, 2 * fit.FEATURES)), np.ones(KINDS)
        weights[:, fit.LOOK] = 2
        found = fit.most(lessons, weights, bias)[1]
        believed = (looks.kind == 1) & looks.right & (looks.features[:, fit.LOOK] > -0.5)
        above = 2 * looks.features[believed, fit.LOOK] > found
        self.assertAlmostEqual(above.mean(), 0.1, delta=0.005)


if __name__ == "__main__":
    unittest.main()
