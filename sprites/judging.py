"""Measures on what the judge sees: small functions of unit vectors or probabilities."""

from __future__ import annotations

import torch
from torch import Tensor


def right_of_choices(pictures: Tensor, texts: Tensor, blurred: Tensor, choices: int = 100) -> Tensor:
    """Whether a picture's own caption is the nearest of ``choices`` and of its own text without the object, bool [n].

    Args:
        pictures: unit vectors [n, d].
        texts: unit vectors [n, d] of the captions that they were drawn for; picture k competes with the captions of
            its own hundred. Captions that occur twice count as one.
        blurred: unit vectors [n, d] of the same captions with "a blur" in place of the object.
        choices: how many captions compete.
    """
    right = []
    for p, t, b in zip(pictures.split(choices), texts.split(choices), blurred.split(choices), strict=True):
        own = (p * t).sum(1)
        best = (p @ t.T).max(1).values
        right.append((own >= best - 1e-6) & (own > (p * b).sum(1)))
    return torch.cat(right)


def roc_auc(positive: Tensor, negative: Tensor) -> float:
    """Probability in 0…1 that a positive scores higher than a negative, ties counting half (Mann–Whitney U)."""
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive, side="left").double()
    ties = torch.searchsorted(ordered, positive, side="right").double() - below
    return ((below + ties / 2).mean() / len(negative)).item()


def prototypes(vectors: Tensor) -> Tensor:
    """Unit means [g, d] of several pictures [g, k, d] of each."""
    return torch.nn.functional.normalize(vectors.mean(1), dim=-1)


def identify(queries: Tensor, gallery: Tensor) -> Tensor:
    """Which one of ``gallery`` [g, k, d] (k pictures each) is nearest to each of ``queries`` [q, d], int [q]."""
    return (queries @ prototypes(gallery).T).argmax(1)


def pair_scores(vectors: Tensor, subject: int = 0) -> tuple[Tensor, Tensor]:
    """Cosines of pairs in different contexts: within one member, and between it and the others.

    ``vectors`` [g, c, d] are pictures of g members, each in the same c contexts.
    """
    own = vectors[subject]
    others = torch.cat([vectors[:subject], vectors[subject + 1 :]])
    apart = ~torch.eye(own.shape[0], dtype=torch.bool, device=own.device)
    same = own @ own.T
    between = torch.einsum("cd,ged->gce", own, others)
    return same[apart], between[apart.expand_as(between)]
