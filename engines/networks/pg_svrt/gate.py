"""The gated attention of PG-SVRT: a temperature that depends on the data, and a hard gate on the logits.

    S = q kᵀ (+ bias)        L = S · a bᵀ        A = softmax(L) where L > θ, else 0

with a = q·w_q + b_q, b = k·w_k + b_k and one θ per attention map, made by two small perceptrons from S, in plain and
temporal attention without its diagonal. A is not normalised again. Source: pg-svrt.md, section 4.4. The gate passes
no gradient, so that the two perceptrons keep their random initial values in training; they count all the same.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from livecassi.engines.networks.tracing import exporting

HEAD = 30  # width of queries and keys


def is_half(values: Tensor) -> bool:
    """Whether logits must be raised to float32: they are cubic in the activations, and a gate compares them."""
    return values.dtype in (torch.float16, torch.bfloat16)


def in_full_precision(values: Tensor) -> AbstractContextManager[object]:
    """Where `values` are of half precision: products of what was raised to float32 stay there, autocast or not."""
    return torch.autocast(values.device.type, enabled=False) if is_half(values) else nullcontext()


def gated_softmax(logits: Tensor, threshold: Tensor, dim: int = -1) -> Tensor:
    """Softmax of `logits` over `dim`, 0 where a logit does not exceed its `threshold`."""
    return logits.softmax(dim) * (logits > threshold)  # on a CPU a third of the time of torch.where


class Gate(nn.Module):
    """Temperature and threshold of attention maps of `queries` x `keys`; keys of the state dict as the authors'."""

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.bias_pc_proj_q = nn.Parameter(torch.ones(1))
        self.bias_pc_proj_k = nn.Parameter(torch.ones(1))
        self.pc_proj_q = nn.Linear(HEAD, 1, bias=False)
        self.pc_proj_k = nn.Linear(HEAD, 1, bias=False)
        self.mlp1 = nn.Sequential(nn.Linear(keys, 1, bias=False))
        self.mlp2 = nn.Sequential(
            nn.Linear(queries, queries, bias=False), nn.LeakyReLU(0.1), nn.Linear(queries, 1, bias=False)
        )

    def temperatures(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """`a (..., Lq, 1)` and `b (..., Lk, 1)` of queries `(..., Lq, 30)` and keys `(..., Lk, 30)`."""
        a: Tensor = self.pc_proj_q(q) + self.bias_pc_proj_q
        b: Tensor = self.pc_proj_k(k) + self.bias_pc_proj_k
        return a, b  # float32 where q is of half precision: the biases are

    def threshold(self, likeness: Tensor) -> Tensor:
        """θ `(..., 1, 1)` from the weighted likeness r `(..., Lq, 1)` of every query to all keys."""
        theta: Tensor = self.mlp2(likeness.squeeze(-1))
        return theta.unsqueeze(-1)

    def among_themselves(self, q: Tensor, k: Tensor) -> Tensor:
        """A `(N, L, L)` of tokens `(N, L, 30)` that look at each other; S counts for θ without its diagonal."""
        a, b = self.temperatures(q, k)
        weights = self.mlp1.get_parameter("0.weight").mT  # (L, 1)
        if not is_half(q):
            likeness = self._likeness_to_others(q, k, weights)
            return gated_softmax(torch.bmm(q * a, (k * b).mT), self.threshold(likeness))
        similarity = torch.bmm(q, k.mT).float()
        with in_full_precision(q):
            likeness = similarity @ weights - similarity.diagonal(dim1=1, dim2=2).unsqueeze(-1) * weights
            return gated_softmax(similarity * a * b.mT, self.threshold(likeness))

    @staticmethod
    def _likeness_to_others(q: Tensor, k: Tensor, weights: Tensor) -> Tensor:
        """Σ_j w_j q_i·k_j over all j but i, `(N, L, 1)`, for `weights` w `(L, 1)`."""
        everyone = k.mT @ weights
        if exporting():  # OpenVINO (2026.4) gives wrong sums where a product of sums is subtracted
            return (q * (everyone.mT - k * weights)).sum(-1, keepdim=True)
        return torch.bmm(q, everyone) - (q * k).sum(-1, keepdim=True) * weights

    def towards(self, q: Tensor, k: Tensor, bias: Tensor) -> Tensor:
        """A `(N, Lq, Lk)` of queries `(N, Lq, 30)` to keys `(N, Lk, 30)` with a position bias `(Lq, Lk)`."""
        a, b = self.temperatures(q, k)
        similarity = torch.bmm(q, k.mT).float() + bias if is_half(q) else torch.baddbmm(bias, q, k.mT)
        with in_full_precision(q):
            weights = self.mlp1.get_parameter("0.weight").mT
            # In a graph, where similarity is not at hand in pieces, it is not read once more.
            likeness = torch.bmm(q, k.mT @ weights) + bias @ weights if exporting() else similarity @ weights
            return gated_softmax(similarity * a * b.mT, self.threshold(likeness))

    def across_frames(self, q: Tensor, k: Tensor) -> Tensor:
        """A `(B, T, T, ...)` of every pixel's T tokens; q and k `(B, T, ..., 30)`.

        Written as sums over whole frames: one small matrix product per pixel would cost far more.
        """
        a, b = (part.squeeze(-1) for part in self.temperatures(q, k))
        frames = range(q.shape[1])
        similarity = torch.stack([(q[:, t, None] * k).sum(-1, dtype=a.dtype) for t in frames], dim=1)
        others = 1 - torch.eye(q.shape[1], dtype=a.dtype, device=q.device)
        weights = (self.mlp1.get_parameter("0.weight") * others).reshape(*others.shape, *[1] * (similarity.ndim - 3))
        first, second = (self.mlp2.get_parameter(f"{layer}.weight") for layer in (0, 2))
        with in_full_precision(q):
            likeness = (similarity * weights).sum(2).flatten(2)  # (B, T, pixels)
            hidden = self.mlp2[1](torch.matmul(first, likeness))
            theta = torch.matmul(second, hidden).unflatten(2, similarity.shape[3:]).unsqueeze(1)
            return gated_softmax(similarity * a[:, :, None] * b[:, None], theta, dim=2)
