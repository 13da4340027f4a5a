"""Learns what the features of a look are worth.

Each length of look has a logistic regression of its own. Which of the looks at a press ought to be
the one that hears it is not known, only that one of them must; and of the looks that lie within the
same 200 ms of speech one is enough for a false digit. So the regression is fitted to the best look
of every press and of every cluster alone, as the weights so far rate them, and that several times
over (multiple-instance learning). The thresholds of all lengths are then chosen together, since a
press that one length hears need not be heard by another.
"""

from dataclasses import dataclass

import numpy as np

from looks import KINDS

BELIEVED = range(1, KINDS)  # kinds that report a key; kind 0 only raises a suspicion
LOOK, RESIDUAL = 11, 3  # features of a look, and of what is left of the sound without the pair
FEATURES = LOOK + RESIDUAL
GROWTH = 9  # this feature, the next one and the residual are not known when a suspicion is raised

ROUNDS = 6
STEPS = 40  # of Newton's method at most
RIDGE = 1e-5
OUTLIERS = 0.0005  # of each feature's values at either end that are held at the bound
LATE = 0.03  # of a missed press: what one is worth that the first length does not report
# By how much the score of each kind that reports has to be better than what was learnt from, since
# other sound is otherwise: most of what is falsely heard is heard in the two shortest.
MARGINS = np.array([0.3, 0.3, 0.0, 0.0, 0.0])
NEVER = -99.0  # the score where a kind has no look
# Ranks, among what a kind takes falsely for a key, of the thresholds that are tried.
RANKS = (0, 1, 2, 4, 7, 10, 15, 22, 32, 45, 70, 100, 150, 220, 300, 500, 800)

SUSPECTED_AGAINST = 3  # weight of a look that must not raise a suspicion
SUSPICIONS = 400_000  # such looks that are enough to learn from
IDLE = 0.0005  # of the hops of speech may be suspected
PRUNED = 0.9  # see `most`


@dataclass
class Model:
    """Weights of the features, then of their squares; above 0 in sum is a key."""

    weights: np.ndarray
    bias: np.ndarray
    ranges: np.ndarray
    most: np.ndarray


def ranges(features):
    """Least and greatest value of each feature, but for outliers."""
    ends = [np.quantile(features, q, axis=0) for q in (OUTLIERS, 1 - OUTLIERS)]
    return np.stack(ends, axis=1)


def terms(features, bounds):
    """The features within their bounds, and their squares."""
    x = np.clip(features, bounds[:, 0], bounds[:, 1])
    return np.hstack([x, x**2])


def logistic(x, y, weight):
    """(weights, bias) of the regression of y on x by Newton's method, with a ridge."""
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    z = np.hstack([(x - mean) / deviation, np.ones((len(x), 1))])
    ridge = RIDGE * weight.sum()
    b = np.zeros(z.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(z @ b, -30, 30)))
        curvature = weight * np.maximum(p * (1 - p), 1e-6)
        hessian = (z * curvature[:, None]).T @ z + ridge * np.eye(len(b))
        step = np.linalg.solve(hessian, z.T @ (weight * (y - p)) - ridge * b)
        b += step
        if np.abs(step).max() < 1e-4:
            break
    weights = b[:-1] / deviation
    return weights, b[-1] - weights @ mean


class Bundles:
    """Looks in bundles of which the best one counts: those at one press, or of one cluster."""

    def __init__(self, index, bundle):
        order = np.argsort(bundle[index], kind="stable")
        self.index = index[order]
        self.ids, self.first, self.size = np.unique(
            bundle[self.index], return_index=True, return_counts=True
        )

    def highest(self, score):
        """The score of the best look of each bundle."""
        return np.maximum.reduceat(score[self.index], self.first)

    def best(self, score):
        """The first look of each bundle that no other one exceeds."""
        tops = score[self.index] == np.repeat(self.highest(score), self.size)
        place = np.where(tops, np.arange(len(tops)), len(tops))
        return self.index[np.minimum.reduceat(place, self.first)]


class Lessons:
    """The looks as the fit needs them; `worth` says how many missed presses a false digit of each
    group is as bad as."""

    def __init__(self, looks, worth):
        self.looks = looks
        self.ranges = ranges(looks.features)
        self.x = terms(looks.features, self.ranges)
        self.of_kind = [looks.kind == kind for kind in range(KINDS)]
        self.worth = np.array([worth[group] for group in looks.groups], float)
        self.right = [self.bundles(looks.right & of, looks.press) for of in self.of_kind]
        self.wrong = [self.bundles(~looks.right & of, looks.cluster) for of in self.of_kind]
        heard = np.concatenate([self.right[kind].ids for kind in BELIEVED])
        self.pressed = np.unique(heard)  # the presses that any kind could report
        false = ~looks.right & ~self.of_kind[0]
        self.clusters, first = np.unique(looks.cluster[false], return_index=True)
        self.cluster_group = looks.group[false][first]
        self.cluster_worth = self.worth[self.cluster_group]

    @staticmethod
    def bundles(mask, bundle):
        if not mask.any():
            raise SystemExit("a length of look has nothing for a key, or nothing against one")
        return Bundles(np.flatnonzero(mask), bundle)

    def fit(self, kind, scores):
        """The regression on the best looks by `scores`, or on all where there are none yet."""
        right, wrong = self.right[kind], self.wrong[kind]
        p = right.index if scores is None else right.best(scores)
        n = wrong.index if scores is None else wrong.best(scores)
        y = np.repeat([1.0, 0.0], [len(p), len(n)])
        weight = np.r_[np.ones(len(p)), self.worth[self.looks.group[n]]]
        return logistic(self.x[np.r_[p, n]], y, weight)

    def highest(self, scores):
        """(best score of each kind at each press, best score in each cluster)"""
        presses = np.full((len(BELIEVED), self.looks.presses), NEVER)
        clusters = np.full((len(BELIEVED), len(self.clusters)), NEVER)
        for row, kind in enumerate(BELIEVED):
            right, wrong = self.right[kind], self.wrong[kind]
            # Which press is which does not matter; the places at the end have no look at all.
            presses[row, np.searchsorted(self.pressed, right.ids)] = right.highest(scores)
            clusters[row, np.searchsorted(self.clusters, wrong.ids)] = wrong.highest(scores)
        return presses, clusters

    def cost(self, presses, clusters, thresholds):
        """Missed presses, and false digits by their worth."""
        missed = ~(presses > thresholds[:, None]).any(0)
        false = (clusters > thresholds[:, None]).any(0)
        late = presses[0] <= thresholds[0]
        return missed.sum() + LATE * late.sum() + self.cluster_worth[false].sum()

    def thresholds(self, presses, clusters):
        """Those of least cost: one kind's is moved at a time."""
        ordered = np.sort(clusters, axis=1)[:, ::-1]
        best = ordered[:, min(20, ordered.shape[1] - 1)].copy()
        least = self.cost(presses, clusters, best)
        for _ in range(ROUNDS):
            for row in range(len(BELIEVED)):
                for rank in (rank for rank in RANKS if rank < ordered.shape[1]):
                    tried = best.copy()
                    tried[row] = ordered[row, rank]
                    cost = self.cost(presses, clusters, tried)
                    if cost < least:
                        least, best = cost, tried
        return best

    def account(self, presses, clusters, thresholds):
        """A line that says what these thresholds miss and take falsely."""
        missed = ~(presses > thresholds[:, None]).any(0)
        false = (clusters > thresholds[:, None]).any(0)
        counts = np.bincount(self.cluster_group[false], minlength=len(self.looks.groups))
        return "cost %g, missed %d of %d; false: %s" % (
            self.cost(presses, clusters, thresholds),
            missed.sum(),
            len(missed),
            ", ".join("%s %d" % pair for pair in zip(self.looks.groups, counts)),
        )


def learn(lessons, say=print):
    """(weights, bias) of the kinds that report a key; rows of kind 0 are left at 0."""
    kept, least, scores = None, np.inf, None
    for number in range(ROUNDS):
        weights, bias = np.zeros((KINDS, 2 * FEATURES)), np.zeros(KINDS)
        found = np.full(len(lessons.x), NEVER)
        for kind in BELIEVED:
            weights[kind], bias[kind] = lessons.fit(kind, scores)
            of = lessons.of_kind[kind]
            found[of] = lessons.x[of] @ weights[kind] + bias[kind]
        scores = found
        presses, clusters = lessons.highest(scores)
        chosen = lessons.thresholds(presses, clusters)
        say("round %d: %s" % (number, lessons.account(presses, clusters, chosen)))
        cost = lessons.cost(presses, clusters, chosen)
        if cost < least:
            bias[BELIEVED.start :] -= chosen + MARGINS
            kept, least = (weights, bias), cost
    return kept


def suspicion(lessons, talk, say=print):
    """(weights, bias) of kind 0: the share IDLE of the hops of the groups `talk` is suspected."""
    looks = lessons.looks
    p, against = lessons.right[0].index, np.sort(lessons.wrong[0].index)
    n = np.random.default_rng(1).permutation(against)[:SUSPICIONS]
    unknown = np.r_[GROWTH:FEATURES]
    x = lessons.x.copy()
    x[:, np.r_[unknown, FEATURES + unknown]] = 0
    weight = np.repeat([1.0, SUSPECTED_AGAINST], [len(p), len(n)])
    weights, bias = logistic(x[np.r_[p, n]], np.repeat([1.0, 0.0], [len(p), len(n)]), weight)
    groups = [i for i, group in enumerate(looks.groups) if group in talk]
    spoken = against[np.isin(looks.group[against], groups)]
    hops = sum(looks.seconds[looks.groups[i]] for i in groups) / 0.005
    if not len(spoken):
        raise SystemExit("no speech to learn from what must not be suspected")
    ordered = np.sort(x[spoken] @ weights + bias)[::-1]
    threshold = ordered[min(int(IDLE * hops), len(ordered) - 1)]
    heard = (x[p] @ weights + bias > threshold).mean()
    say("suspicion: %.2f %% of the looks within a press raise one" % (100 * heard))
    return weights, bias - threshold


def most(lessons, weights, bias):
    """For each kind, what the residual is taken to add at most: above it is one in ten of the right
    looks. A look that could not become a key with it is not worth measuring the residual for."""
    residual = np.r_[LOOK:FEATURES, FEATURES + LOOK : 2 * FEATURES]
    out = np.zeros(KINDS)
    for kind in range(KINDS):
        x = lessons.x[lessons.right[kind].index]
        believed = x @ weights[kind] + bias[kind] > 0
        if believed.any():
            out[kind] = np.quantile(x[believed][:, residual] @ weights[kind, residual], PRUNED)
    return out


def model(looks, worth, talk, say=print):
    """The whole of what is learnt."""
    lessons = Lessons(looks, worth)
    weights, bias = learn(lessons, say)
    weights[0], bias[0] = suspicion(lessons, talk, say)
    return Model(weights, bias, lessons.ranges, most(lessons, weights, bias))
