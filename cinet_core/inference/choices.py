"""Names of backends and precisions, for parameters and command lines; what they are is in `selection`."""

__all__ = ["AUTO", "BACKENDS", "FLOAT32", "HALF", "INT8", "PRECISIONS"]

AUTO = "auto"
BACKENDS = (AUTO, "torch", "torch_compile", "openvino", "onnxruntime", "tensorrt")
FLOAT32, HALF, INT8 = "float32", "half", "int8"
PRECISIONS = (AUTO, FLOAT32, HALF, INT8)
