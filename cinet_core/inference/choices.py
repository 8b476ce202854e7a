"""Names of backends and precisions, for parameters and command lines; what they are is in `selection`."""

__all__ = ["AUTO", "BACKENDS", "COMPILED", "FLOAT32", "HALF", "INT8", "PRECISIONS", "TORCH"]

AUTO = "auto"
TORCH, COMPILED = "torch", "torch_compile"
BACKENDS = (AUTO, TORCH, COMPILED, "openvino", "onnxruntime", "tensorrt")
FLOAT32, HALF, INT8 = "float32", "half", "int8"
PRECISIONS = (AUTO, FLOAT32, HALF, INT8)
