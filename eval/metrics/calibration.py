"""Whether a probe's confidence can be believed: expected calibration error, and temperature scaling."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.metrics.judgement import Judgement, Metric

BINS = 15
LOG_TEMPERATURE = math.log(20.0)
"""Temperatures are between 1/20 and 20."""
# Half of the 95 % quantile of chi squared with one degree of freedom.
EVIDENCE = 1.92


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = BINS) -> float:
    """Mean over samples of |accuracy - confidence| of the sample's bin, in [0, 1].

    Bins have equal width, (0, 1/bins], (1/bins, 2/bins], …; a confidence of exactly 0 is in the first.

    Args:
        confidence: probability of the predicted class, (n,) float in [0, 1].
        right: whether the prediction was, (n,) bool.
        bins: number of bins.

    Raises:
        InputError: without samples, with different lengths, or a confidence outside [0, 1].

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, eq. 3.
    """
    if confidence.dim() != 1 or confidence.shape != right.shape or len(confidence) == 0:
        raise InputError(
            f"confidence {tuple(confidence.shape)} and right {tuple(right.shape)} must be two lists of one length."
        )
    if bins < 1:
        raise InputError(f"bins is {bins}: give 1 or more.")
    confidence = confidence.double()
    # Rounding may lift a probability just above 1.
    if not bool(((confidence >= 0) & (confidence <= 1 + 1e-6)).all()):
        raise InputError("a confidence is not within 0 and 1: give probabilities, not logits.")
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=confidence.device)
    place = torch.bucketize(confidence, edges[1:-1])
    # Sums over a bin: count * |accuracy - confidence| = |sum(right) - sum(confidence)|.
    difference = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    difference.scatter_add_(0, place, right.double() - confidence)
    return float(difference.abs().sum() / len(confidence))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T nearest 1 that the samples do not speak against.

    The likelihood of ``labels`` under softmax(logits / T) is greatest at some T; the temperatures whose logarithmic
    likelihood lies within ``EVIDENCE`` of that are its 95 % interval. T is the end of it that is nearest 1, or 1 within
    it: a handful of samples does not change what the classifier says, and many leave T where it is greatest. Where the
    logits are too sure, T > 1, the samples other than the most surprising one have to say so, too.

    Args:
        logits: (n, K), of samples that the classifier was not fitted on.
        labels: columns of the true classes, (n,) int64.

    Raises:
        InputError: without samples, or if the two do not fit together.

    Source: Guo et al., ICML 2017, section 4.2, for temperature scaling; the interval is that of profile likelihood.
    """
    if logits.dim() != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise InputError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: give (n, K) and (n,).")
    logits = logits.double()
    temperature = _cautious(logits, labels)
    if temperature > 1 and len(labels) > 1:
        surprise = F.cross_entropy(logits, labels, reduction="none")
        others = torch.arange(len(labels), device=labels.device) != surprise.argmax()
        temperature = max(1.0, min(temperature, _cautious(logits[others], labels[others])))
    return temperature


def _cautious(logits: Tensor, labels: Tensor) -> float:
    """The temperature nearest 1 in the 95 % interval of the likelihood."""

    def loss(log_temperature: float) -> float:
        # Convex in 1 / T, so it has one minimum in log T as well.
        return float(F.cross_entropy(logits * math.exp(-log_temperature), labels, reduction="sum"))

    best = float(minimize_scalar(loss, bounds=(-LOG_TEMPERATURE, LOG_TEMPERATURE), method="bounded").x)
    most = loss(best) + EVIDENCE
    if loss(0.0) <= most:
        return 1.0
    return math.exp(brentq(lambda log_temperature: loss(log_temperature) - most, *sorted((best, 0.0))))


def ece(judged: Judgement) -> float:
    """Expected calibration error of softmax(logits)."""
    assert judged.logits is not None  # ECE says that it needs them
    return expected_calibration_error(judged.logits.double().softmax(1).amax(1), judged.correct)


def ece_scaled(judged: Judgement) -> float:
    """Expected calibration error of softmax(logits / temperature)."""
    assert judged.logits is not None  # ECE_SCALED says that it needs both
    assert judged.temperature is not None
    return expected_calibration_error((judged.logits.double() / judged.temperature).softmax(1).amax(1), judged.correct)


ECE = Metric(ece, "ECE", needs="logits", family="calibration")
ECE_SCALED = Metric(ece_scaled, "ECE scaled", needs="temperature", family="calibration")
