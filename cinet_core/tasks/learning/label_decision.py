"""From class logits to a label and its probability, in operations that every runtime computes alike."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["decide", "decide_in_one_pass", "first_largest"]

# 255 exponentials of it still sum up in float32.
MAX_LOGIT = 80.0
FLOAT32_BITS = 24
# Logits below it are told apart about equally well, larger ones less.
KNEE = 4.0


def decide(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) -> class ids and round(255 * their softmax probability), both (B, H, W) uint8."""
    logits = logits.float()
    # Runtimes of ONNX files take several times longer for argmax over channels than for the same by element; PyTorch
    # takes longer for the latter.
    best, labels = first_largest(logits) if torch.compiler.is_compiling() else logits.max(dim=1)
    probability = (logits - best[:, None]).exp().sum(dim=1).reciprocal()
    return _as_bytes(labels, probability)


def _as_bytes(labels: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    return labels.to(torch.uint8), (probability * 255).round().to(torch.uint8)


def decide_in_one_pass(logits: Tensor) -> tuple[Tensor, Tensor]:
    """`decide` with logits rounded, near 0 to a 65,000th for 33 to 64 classes, coarser the larger they are.

    A logit and its class are one number, the class below its last binary digit, so that one maximum finds both. With a
    second maximum over channels, of those that equal the first, OpenVINO in bfloat16 takes three times as long for all
    of this, because it changes the layout of the logits. The number takes all 24 bits of a float32: this is not for
    runtimes that may compute it in half precision, such as TensorRT.
    """
    logits = logits.float()
    last = int(logits.shape[1]) - 1
    classes = 2 ** max(last.bit_length(), 1)
    steps = 2**FLOAT32_BITS // classes - 1
    from_last = torch.arange(last, -1, -1, device=logits.device, dtype=logits.dtype).reshape(1, -1, 1, 1)
    squashed = logits / (logits.abs() + KNEE)  # into -1 .. 1, whatever their range is
    largest = ((squashed * steps).round() + from_last / classes).amax(dim=1)
    whole = largest.floor()
    labels = last - (largest - whole) * classes
    best = KNEE * whole / (steps - whole.abs())
    shares = [value.clamp(-MAX_LOGIT, MAX_LOGIT).exp() for value in (best, logits)]
    return _as_bytes(labels, shares[0] / shares[1].sum(dim=1))


def first_largest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """As `logits.max(dim=1)`: of equal ones the first."""
    last = int(logits.shape[1]) - 1
    best = logits.amax(dim=1, keepdim=True)
    from_last = torch.arange(last, -1, -1, device=logits.device, dtype=logits.dtype).reshape(1, -1, 1, 1)
    labels = last - torch.where(logits == best, from_last, torch.zeros_like(from_last)).amax(dim=1)
    return best.squeeze(1), labels
