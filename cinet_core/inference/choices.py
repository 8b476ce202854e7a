"""Names of backends and precisions, for parameters and command lines; what they are is in `selection`."""

AUTO = "auto"
BACKENDS = (AUTO, "torch", "torch_compile", "openvino", "onnxruntime", "tensorrt")
FLOAT32, HALF = "float32", "half"
PRECISIONS = (AUTO, FLOAT32, HALF)
