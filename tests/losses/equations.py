"""The equations as naive float64 loops."""

import numpy as np


def cos(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax_loss(e, w, b, y):
    """Eq. 1."""
    total = 0.0
    for i in range(len(e)):
        logits = np.array([w[:, j] @ e[i] + b[j] for j in range(w.shape[1])])
        total -= logits[y[i]] - np.log(np.exp(logits).sum())
    return total


def center_loss(e, centers, y, weight):
    """Eq. 2."""
    return weight / 2 * sum(((e[i] - centers[y[i]]) ** 2).sum() for i in range(len(e)))


def updated_centers(e, centers, y, alpha):
    """Eq. 3."""
    new = centers.astype("float64").copy()
    for k in range(len(centers)):
        own = [e[i] for i in range(len(e)) if y[i] == k]
        delta = sum((centers[k] - x for x in own), np.zeros(e.shape[1])) / (1 + len(own))
        new[k] = centers[k] - alpha * delta
    return new


def additive_margin_softmax(e, w, y, scale, margin):
    """Eq. 4 and 5."""
    total = 0.0
    for i in range(len(e)):
        target = np.exp(scale * (cos(w[:, y[i]], e[i]) - margin))
        others = [j for j in range(w.shape[1]) if j != y[i]]
        r = sum(np.exp(scale * cos(w[:, j], e[i])) for j in others)
        total -= np.log(target / (target + r))
    return total


def ge2e(e, y, weight, bias, include_self=True):
    """Eq. 6 to 8."""
    total = 0.0
    speakers = sorted(set(y.tolist()))
    for i in range(len(e)):
        impostors = [0.0]
        for k in speakers:
            own = [e[n] for n in range(len(e)) if y[n] == k]
            if k != y[i]:
                score = weight * cos(e[i], np.mean(own, axis=0)) + bias
                impostors.append(sigmoid(score))
        others = [e[n] for n in range(len(e)) if y[n] == y[i] and (include_self or n != i)]
        centroid = np.mean(others or [e[i]], axis=0)
        total += 1 - sigmoid(weight * cos(e[i], centroid) + bias) + max(impostors)
    return total


def contrastive(e, y, margin):
    """Hadsell et al. 2006, Eq. 4, rows 2k and 2k + 1 a pair."""
    total = 0.0
    for k in range(0, len(e), 2):
        distance = np.sqrt(((e[k] - e[k + 1]) ** 2).sum())
        total += (distance if y[k] == y[k + 1] else max(0.0, margin - distance)) ** 2 / 2
    return total


def between_speaker_variation(w):
    """Eq. 9."""
    pairs = [(i, j) for i in range(w.shape[1]) for j in range(w.shape[1]) if i != j]
    return sum(cos(w[:, i], w[:, j]) for i, j in pairs)


def hard_negative_mining(e, w, y, num_negatives, scale=1.0):
    """Eq. 10."""
    total = 0.0
    for i in range(len(e)):
        cosines = [cos(w[:, j], e[i]) for j in range(w.shape[1])]
        others = sorted((c for j, c in enumerate(cosines) if j != y[i]), reverse=True)
        for c in others[:num_negatives]:
            total += np.log(1 + np.exp(scale * (c - cosines[y[i]])))
    return total


def joint_hard_negative_mining(e, w, y, num_negatives, scale):
    """L_H of the first author's later code, summed over the batch."""
    total = 0.0
    for i in range(len(e)):
        cosines = [cos(w[:, j], e[i]) for j in range(w.shape[1])]
        others = sorted((c for j, c in enumerate(cosines) if j != y[i]), reverse=True)
        terms = [np.exp(max(scale * c, 0) - scale * cosines[y[i]]) for c in others[:num_negatives]]
        total += np.log(1 + sum(terms))
    return total


def log_mean_exp_of_squares(w, scale):
    """L_BC of the first author's later code."""
    size = w.shape[1]
    total = 0.0
    for i in range(size):
        for j in range(size):
            total += np.exp((scale * cos(w[:, i], w[:, j])) ** 2) if i != j else 1.0
    return np.log(total / size**2)
