"""Smaller trees read off a full one: every depth, and every pruning, from a single fit.

A greedy tree grows from the top, so the tree of depth d is the full tree cut at depth d, with each cut node
answering by its majority; minimal cost-complexity pruning likewise only removes branches. Both are walks down
arrays that scikit-learn keeps in `tree_`. One caveat: where two splits are equally good scikit-learn draws one
at random, and a separate fit of a smaller tree draws differently. The cut tree is what *this* draw gives.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from helpers.evaluation.predictor import NO_LABEL


@dataclass(frozen=True, eq=False)
class Tree:
    """A fitted tree as plain arrays, one entry a node, the root first; the names are scikit-learn's.

    left, right: children, int64, -1 for a leaf. feature: int64, negative for a leaf. threshold: float64; at most that
    goes left. impurity, weight: float64, and the weighted number of training rows. value: float64 (n_nodes, n_outputs,
    n_classes), shares of the classes. classes: int64 (n_classes,), the same for each output. importances: float64, of
    the features.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    impurity: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    classes: np.ndarray
    importances: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of what it takes to answer."""
        return sum(part.nbytes for part in (self.left, self.right, self.feature, self.threshold, self.value))


def plain(model: DecisionTreeClassifier) -> Tree:
    """Return a fitted scikit-learn tree as arrays. Raises ValueError for outputs that are not all of one kind.

    An output that lacks the last classes (a one-hot column of a digit that never occurs) has a share of 0 for them.
    """
    found = model.tree_
    every = [model.classes_] if model.n_outputs_ == 1 else model.classes_
    whole = max(every, key=len)
    if not all(np.array_equal(classes, whole[: len(classes)]) for classes in every):
        raise ValueError("model: fitted to columns whose classes differ; the same ones in each are needed")
    return Tree(
        left=found.children_left.copy(),
        right=found.children_right.copy(),
        feature=found.feature.copy(),
        threshold=found.threshold.copy(),
        impurity=found.impurity.copy(),
        weight=found.weighted_n_node_samples.copy(),
        value=found.value.copy(),
        classes=np.asarray(whole).astype(np.int64),
        importances=model.feature_importances_,
    )


@dataclass(frozen=True, eq=False)
class Pruning:
    """The nested trees of minimal cost-complexity pruning.

    alphas: float64 (m,), ascending from 0, impurity per leaf saved; n_leaves: int64 (m,), the leaves left when
    everything up to alphas[i] is pruned; collapse: float64 (n_nodes,), the alpha at which a node becomes a
    leaf (0 for the full tree's own leaves, infinity for a node that vanishes with a branch above it).
    """

    alphas: np.ndarray
    n_leaves: np.ndarray
    collapse: np.ndarray


def node_paths(tree: Tree, x: np.ndarray) -> np.ndarray:
    """Return the node of every row at every level: int (depth + 1, n); a row that met its leaf stays there.

    x: float32 (n, n_features), as scikit-learn compares it with the thresholds.
    """
    row, at = np.arange(len(x)), np.zeros(len(x), np.intp)
    levels = [at]
    for _ in range(_depth(tree)):
        feature = tree.feature[at]
        left = x[row, np.maximum(feature, 0)] <= tree.threshold[at]
        at = np.where(feature < 0, at, np.where(left, tree.left[at], tree.right[at]))
        levels.append(at)
    return np.stack(levels)


def _depth(tree: Tree) -> int:
    """Return the number of questions on the longest way down."""
    depth, level = 0, np.zeros(1, np.intp)
    while len(level := np.concatenate([side[level[tree.left[level] >= 0]] for side in (tree.left, tree.right)])):
        depth += 1
    return depth


def node_labels(tree: Tree) -> np.ndarray:
    """Return what each node would answer as a leaf: int64 (n_nodes,).

    The lowest of the most frequent classes, as scikit-learn. Of a tree fitted to one-hot labels, the class of
    the only column that says 'yes' (half the votes is a 'no'), else NO_LABEL.
    """
    if tree.value.shape[1] == 1:
        return tree.classes[tree.value[:, 0, :].argmax(axis=1)]
    if not np.array_equal(tree.classes, [0, 1]):
        raise ValueError("tree: fitted to columns that are not all both 0 and 1; one-hot labels are needed")
    return one_hot_answer(tree.value[:, :, 1] > tree.value[:, :, 0])


def one_hot_answer(yes: np.ndarray) -> np.ndarray:
    """Return the label of each row of yes/no answers, or NO_LABEL where not exactly one of them is yes."""
    return np.where(yes.sum(axis=1) == 1, yes.argmax(axis=1), NO_LABEL)


def predict_at_depths(tree: Tree, x, *, depths) -> np.ndarray:
    """Return what the tree cut at each depth predicts: int64 (len(depths), n). The root has depth 0."""
    paths, labels = node_paths(tree, x), node_labels(tree)
    return np.stack([labels[paths[min(depth, len(paths) - 1)]] for depth in depths])


def prune(tree: Tree) -> Pruning:
    """Find at which alpha each node collapses: the weakest branch first, the whole path from one fit.

    A branch's strength is (impurity as a leaf - impurity of its leaves) / (leaves - 1), impurities weighted by
    the share of samples. The same rule, hence the same trees, as scikit-learn's `ccp_alpha`.
    Source: Breiman, Friedman, Olshen, Stone (1984), chapter 3.
    """
    left, right, n = tree.left, tree.right, len(tree.left)
    parent = np.full(n, -1)
    inner = np.flatnonzero(left >= 0)
    parent[left[inner]] = parent[right[inner]] = inner
    as_leaf = tree.impurity * tree.weight / tree.weight[0]
    below, leaves = as_leaf.copy(), np.ones(n, np.int64)
    for node in inner[::-1]:  # children are numbered after their parent
        below[node] = below[left[node]] + below[right[node]]
        leaves[node] = leaves[left[node]] + leaves[right[node]]

    def strength(node: int) -> float:
        return (as_leaf[node] - below[node]) / (leaves[node] - 1)

    collapse = np.where(left >= 0, np.inf, 0.0)
    # A heap entry is valid while it holds the node's current strength; a node that vanished has none.
    current = {int(node): strength(node) for node in inner}
    heap = [(value, node) for node, value in current.items()]
    heapq.heapify(heap)
    alphas, n_leaves = [0.0], [int(leaves[0])]
    while heap:
        value, node = heapq.heappop(heap)
        if current.get(node) != value:
            continue
        alpha = max(alphas[-1], value)
        collapse[node] = alpha
        vanishing = [node]
        while vanishing:
            at = vanishing.pop()
            if current.pop(at, None) is not None:
                vanishing += [int(left[at]), int(right[at])]
        fewer, more = leaves[node] - 1, as_leaf[node] - below[node]
        up = int(parent[node])
        while up >= 0:
            leaves[up] -= fewer
            below[up] += more
            current[up] = strength(up)
            heapq.heappush(heap, (current[up], up))
            up = int(parent[up])
        leaves[node] = 1
        if alpha > alphas[-1]:
            alphas.append(alpha)
            n_leaves.append(int(leaves[0]))
        n_leaves[-1] = int(leaves[0])
    return Pruning(alphas=np.array(alphas), n_leaves=np.array(n_leaves), collapse=collapse)


def predict_at_alphas(tree: Tree, x, *, alphas, pruning: Pruning) -> np.ndarray:
    """Return what the tree pruned at each alpha predicts: int64 (len(alphas), n)."""
    paths, labels = node_paths(tree, x), node_labels(tree)
    answers = []
    for alpha in alphas:
        level = (pruning.collapse[paths] <= alpha).argmax(axis=0)  # the first collapsed node from the root
        answers.append(labels[paths[level, np.arange(paths.shape[1])]])
    return np.stack(answers)


def some_steps(pruning: Pruning, n: int) -> np.ndarray:
    """Return up to n positions on the path, from the root alone to the full tree, evenly by the logarithm of leaves."""
    wanted = np.geomspace(1, pruning.n_leaves[0], n)
    ascending = pruning.n_leaves[::-1]
    return len(ascending) - 1 - np.unique(np.searchsorted(ascending, wanted).clip(max=len(ascending) - 1))
