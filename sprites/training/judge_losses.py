"""What the judge is asked while it learns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def choice_loss(pictures: Tensor, texts: Tensor, right: Tensor, sharpness: Tensor) -> Tensor:
    """Cross-entropy of naming text ``right`` [b] of ``texts`` [n, d] for unit vectors ``pictures`` [b, d]."""
    return F.cross_entropy(pictures @ texts.T * sharpness, right)


def instance_loss(vectors: Tensor, instances: Tensor, sharpness: Tensor) -> Tensor:
    """Finds the other view of the same instance among all other pictures (NT-Xent, Chen et al. 2020).

    ``vectors`` [2n, d] are unit vectors in which the two views of an instance share a number in ``instances`` [2n].
    """
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T * sharpness).masked_fill(own, float("-inf"))
    other = (instances[:, None] == instances[None]) & ~own
    return F.cross_entropy(logits, other.long().argmax(1))


@torch.no_grad()
def accuracy(pictures: Tensor, texts: Tensor, right: Tensor) -> float:
    """Share of pictures whose nearest text is the right one."""
    return ((pictures @ texts.T).argmax(1) == right).float().mean().item()
