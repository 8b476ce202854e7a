"""A process that does what every user of the network waits for: imports, weights, first prediction.

``python -m scripts.benchmarks.first_output 480 640 cpu auto`` prints the seconds that passed as JSON: `imports`, and
`first_output` from then on; which `backend` it was; and the `resident` memory in MB after it. With ``light`` at the end
PyTorch cannot be imported, as in the light runtime.
"""

import time

_BEGIN = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

LIGHT = "light"
if sys.argv[-1] == LIGHT:
    sys.modules["torch"] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402

from cinet_core.inference.choices import AUTO  # noqa: E402
from cinet_core.inference.networks import named_network  # noqa: E402
from cinet_core.inference.predictor import Predictor  # noqa: E402
from cinet_core.model_metadata import DEFAULT_WEIGHTS  # noqa: E402
from cinet_core.process_memory import resident_memory  # noqa: E402


def main(arguments: list[str]) -> None:
    """Predict an image of this height and width with the weights that ship, on this device and in this precision.

    Args:
        arguments: height, width, device, precision.
    """
    imported = time.perf_counter()
    predictor = Predictor(named_network(DEFAULT_WEIGHTS), arguments[2], backend=AUTO, precision=arguments[3])
    predictor.predict(np.zeros((int(arguments[0]), int(arguments[1]), 3), dtype=np.uint8))
    predicted = time.perf_counter()
    seconds = {"imports": imported - _BEGIN, "first_output": predicted - imported}
    seconds["resident"] = (resident_memory() or 0) / 2**20
    print(json.dumps(seconds | {"backend": predictor.backend_name, "why": predictor.backend_reason}))


if __name__ == "__main__":
    main(sys.argv[1:])
