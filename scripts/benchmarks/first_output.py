"""A process that does what every user of the network waits for: imports, weights, first prediction.

``python -m scripts.benchmarks.first_output 480 640 cpu auto`` prints the seconds that passed as JSON: `imports`, and
`first_output` from then on; and which `backend` it was.
"""

import time

_BEGIN = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

from cinet_core.checkpoint import DEFAULT_WEIGHTS, load_checkpoint  # noqa: E402
from cinet_core.inference.choices import AUTO  # noqa: E402
from cinet_core.inference.predictor import Predictor  # noqa: E402


def main(arguments: list[str]) -> None:
    """Predict an image of this height and width with the weights that ship, on this device and in this precision.

    Args:
        arguments: height, width, device, precision.
    """
    imported = time.perf_counter()
    predictor = Predictor(load_checkpoint(DEFAULT_WEIGHTS), arguments[2], backend=AUTO, precision=arguments[3])
    predictor.predict(np.zeros((int(arguments[0]), int(arguments[1]), 3), dtype=np.uint8))
    predicted = time.perf_counter()
    seconds = {"imports": imported - _BEGIN, "first_output": predicted - imported}
    print(json.dumps(seconds | {"backend": predictor.backend_name, "why": predictor.backend_reason}))


if __name__ == "__main__":
    main(sys.argv[1:])
