"""How good a network is on a data set: `cinet_core.evaluate` scores a checkpoint, with `cinet_core.metrics`.

Needs no training library. Names are imported when they are first asked for.
"""

from typing import TYPE_CHECKING

from cinet_core.lazy import lazy_names

if TYPE_CHECKING:
    from cinet_core.evaluation.batch_metrics import BatchMetrics
    from cinet_core.evaluation.evaluation import Evaluation
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "BatchMetrics": "cinet_core.evaluation.batch_metrics",
            "Evaluation": "cinet_core.evaluation.evaluation",
        },
    )

__all__ = ["BatchMetrics", "Evaluation"]
