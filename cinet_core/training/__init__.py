"""The staged recipe on PyTorch Lightning: settings, data, module, checkpoints. Nothing outside needs Lightning."""
