"""The predictor, which every command and node uses to predict for images of any size and camera."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics, fit_network_size, network_focal
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.core_backend import GraphSizes
from cinet_core.inference.core_graph import CoreGraph
from cinet_core.inference.engine import Network, make_engine
from cinet_core.inference.image_batch import check_batch, stacked
from cinet_core.inference.prediction import Prediction
from cinet_core.label_sets import LabelSet
from cinet_core.model_metadata import ModelMetadata

if TYPE_CHECKING:
    from cinet_core.data.image_files import OrientedImage
    from cinet_core.inference.image_input import CameraLike, ImageLike

__all__ = ["MAX_CACHED_SIZES", "Prediction", "Predictor"]

# Several cameras of different sizes may share one predictor; a stream of random sizes must not fill the memory.
MAX_CACHED_SIZES = 4


class Predictor:
    """Runs a checkpoint, or a core graph (`cinet export --any-size`) without PyTorch, on a device.

    Call the predictor with one image or with a batch. As a context manager it frees the device at the end.

    >>> import cinet_core
    >>> with cinet_core.load("random", device="cpu", network_size=(48, 64)) as predictor:
    ...     prediction = predictor("docs/example_room.jpg", fov=57)
    >>> prediction.depth.shape == prediction.labels.shape
    True

    Args:
        checkpoint: the checkpoint to run, or a core graph.
        device: "auto", "cpu", "cuda" or "cuda:N".
        network_size: (height, width) that the network runs at; None = about as many pixels as in training, with the
            image's aspect.
        output_size: (height, width) of predictions; None = the image's.
        depth_range: (nearest, farthest) valid depth in metres; None = the checkpoint's.
        backend: one of `choices.BACKENDS`. Anything but "torch" is built, or read from the cache, when the first
            image of a size comes.
        precision: one of `choices.PRECISIONS`; "auto" is half on a GPU and float32 on a CPU, "int8" is for a CPU.
        background: predict with PyTorch until the backend is ready; of a core graph, with the first runtime until all
            are measured.

    Raises:
        ValueError: the device, backend or precision does not exist or is not installed, a size is below 16, or a range
            does not rise.
        OutOfDeviceMemoryError, DeviceLostError: the weights cannot be moved to the device.
    """

    def __init__(
        self,
        checkpoint: Network,
        device: str = "auto",
        network_size: tuple[int, int] | None = None,
        output_size: tuple[int, int] | None = None,
        depth_range: tuple[float, float] | None = None,
        backend: str = TORCH,
        precision: str = AUTO,
        background: bool = False,
    ) -> None:
        if network_size is not None and min(network_size) < MIN_NETWORK_SIDE:
            raise ValueError(f"network_size is {network_size}: both sides must be at least {MIN_NETWORK_SIDE}")
        if output_size is not None and min(output_size) < 1:
            raise ValueError(f"output_size is {output_size}: both sides must be at least 1")
        if depth_range is not None and not 0 < depth_range[0] < depth_range[1] < math.inf:
            raise ValueError(f"depth_range is {depth_range}: it must be two finite, rising depths above 0 metres")
        self.metadata: ModelMetadata = checkpoint.metadata
        self.model_hash: str = checkpoint.sha256
        self._network_size = network_size
        self._output_size = output_size
        self._depth_range = depth_range or checkpoint.metadata.depth_range
        self._engine = make_engine(checkpoint, device, backend, precision, background)
        self.device: str = self._engine.device
        # Of a checkpoint PyTorch predicts until another one is ready.
        self._first_name = self._engine.choice if isinstance(checkpoint, CoreGraph) else TORCH
        self._backends: OrderedDict[tuple[int, int], Backend] = OrderedDict()
        self._closed = False

    @property
    def backend_name(self) -> str:
        """Name of the backend that ran the last prediction, or that will run the first one."""
        latest = next(reversed(self._backends.values()), None)
        return self._first_name if latest is None else latest.name

    @property
    def backend_reason(self) -> str:
        """Why this backend was chosen, as a sentence for people."""
        latest = next(reversed(self._backends.values()), None)
        return "no image yet" if latest is None else latest.reason

    @property
    def label_set(self) -> LabelSet:
        """The label set that the class ids refer to."""
        return self.metadata.label_set

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...],
        camera: CameraLike | Sequence[CameraLike | None] | None = None,
        *,
        fov: float | None = None,
        batch: int = 4,
    ) -> list[Prediction]: ...

    @overload
    def __call__(
        self,
        image: ImageLike,
        camera: CameraLike | Sequence[CameraLike | None] | None = None,
        *,
        fov: float | None = None,
        batch: int = 4,
    ) -> Prediction: ...

    def __call__(
        self,
        image: ImageLike | list[Any] | tuple[Any, ...],
        camera: CameraLike | Sequence[CameraLike | None] | None = None,
        *,
        fov: float | None = None,
        batch: int = 4,
    ) -> Prediction | list[Prediction]:
        """Predict for what people call an image, or for several.

        Without a camera, f_net is taken to be f_c: depth may be off by a constant factor, and there are no points.

        Args:
            image: a path, a PIL image, a NumPy array or a torch tensor, see `image_input.rgb_image`; or a list or
                tuple of them, or an array or tensor (B, H, W, C) or (B, C, H, W). Sizes may differ.
            camera: `Intrinsics`, a 3x3 matrix K, four numbers fx fy cx cy, or the path of a camera_info.yaml, by which
                a distorted image is rectified first; of the upright image. For several images: one for all of them,
                or a sequence of one each.
            fov: horizontal field of view in degrees, where that is all that is known of the camera.
            batch: images of one call of the network, as far as consecutive ones have the same size.

        Returns:
            A prediction, or a list of them in the order of the images. Where rectification left an image without a
            source, depth is NaN, labels are 255 and confidence is 0.

        Raises:
            SourceError: a file that cannot be read, or a calibration that does not fit the image.
            TypeError, ValueError: what is no image, no camera, or ambiguous; it says what to give.
            RuntimeError: the predictor was closed.
        """
        # Here, since a node predicts on arrays alone and starts without it.
        from cinet_core.inference.image_input import all_located, is_batch, located, rgb_image

        if not is_batch(image):
            return self._predicted([located(rgb_image(image), camera, fov)])[0]  # type: ignore[arg-type]
        if batch < 1:
            raise ValueError(f"batch is {batch}: it must be at least 1")
        predictions: list[Prediction] = []
        waiting: list[tuple[OrientedImage, Intrinsics | None]] = []
        for following in all_located(image, camera, fov):
            if waiting and (len(waiting) == batch or waiting[0][0].size != following[0].size):
                predictions += self._predicted(waiting)
                waiting = []
            waiting.append(following)
        return predictions + (self._predicted(waiting) if waiting else [])

    def _predicted(self, batch: Sequence[tuple[OrientedImage, Intrinsics | None]]) -> list[Prediction]:
        """Predict for images of one size; what rectification left without a source is not valid."""
        predictions = self.predict_batch([image.rgb for image, _ in batch], [camera for _, camera in batch])
        return [
            prediction.within(_at_size(image.valid, prediction.depth.shape))
            for prediction, (image, _) in zip(predictions, batch, strict=True)
        ]

    def predict(self, image: npt.NDArray[np.uint8], intrinsics: Intrinsics | None = None) -> Prediction:
        """Predict for one (H, W, 3) uint8 RGB image. See `predict_batch` for arguments and errors."""
        return self.predict_batch([image], [intrinsics])[0]

    def predict_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], intrinsics: Sequence[Intrinsics | None]
    ) -> list[Prediction]:
        """Predict for a batch of images of equal size, each with the intrinsics of its own camera.

        Args:
            images: (H, W, 3) uint8 RGB each, at least 16 x 16 pixels.
            intrinsics: camera at the size of the image; None assumes f_net = f_c, so that the scale of depth is a
                guess.

        Raises:
            TypeError: an image is not a uint8 array.
            ValueError: an image has a wrong shape or size, images differ in size, or intrinsics do not match in size or
                number.
            RuntimeError: the predictor was closed.
            OutOfDeviceMemoryError, DeviceLostError: as `Backend.run`.
        """
        if self._closed:
            raise RuntimeError("the predictor is closed: make a new one")
        height, width = check_batch(images, intrinsics)
        backend = self._backend(height, width)
        cameras = [camera or self._canonical_camera(height, width) for camera in intrinsics]
        values = np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras], dtype=np.float32)
        output = backend.run(stacked(images), values)
        out_height, out_width = output["depth"].shape[1:]
        return [
            Prediction(
                outputs={name: values[index] for name, values in output.outputs.items()},
                intrinsics=None if camera is None else camera.resized(out_width, out_height),
                seconds=output.seconds,
                image=images[index],
                metadata=self.metadata,
            )
            for index, camera in enumerate(intrinsics)
        ]

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) that the network runs at for images of the given size."""
        if self._network_size is not None:
            return self._network_size
        camera = self.metadata.camera
        return fit_network_size(width, height, camera.width, camera.height)

    def focal_warning(self, intrinsics: Intrinsics) -> str | None:
        """Return a warning if the network was not trained for the focal length of this camera, else None."""
        net_height, net_width = self.network_size(intrinsics.height, intrinsics.width)
        focal = network_focal(intrinsics, net_width, net_height)
        low, high = self.metadata.camera.focal_range
        if low <= focal <= high:
            return None
        return (
            f"focal length at the network's input ({net_width}x{net_height}) is {focal:.0f} px, outside the trained "
            f"range {low:.0f} to {high:.0f} px: depth is scaled for it, but expect larger errors; a network size "
            f"times {self.metadata.camera.canonical_focal / focal:.2f} would match the training"
        )

    def device_memory(self) -> dict[str, int]:
        """Bytes of device memory that PyTorch has allocated to tensors and reserved in total. Empty on the CPU."""
        return {} if self._closed else self._engine.device_memory()

    def fall_back_to_cpu(self) -> None:
        """Move to the CPU and free the memory of the device. Does nothing if the predictor is on the CPU already.

        The weights move in place: of a predictor made by `renewed`, the original cannot go on.
        """
        if self.device == "cpu":
            return
        self._close_backends()
        self._engine.fall_back_to_cpu()
        self.device = self._engine.device

    def renewed(self) -> Predictor:
        """Return a predictor that shares the weights but has backends of its own.

        It replaces this one while a call of this one hangs.

        Raises:
            RuntimeError: the predictor was closed.
        """
        if self._closed:
            raise RuntimeError("the predictor is closed: make a new one")
        other = copy.copy(self)
        other._backends = OrderedDict()
        return other

    def __enter__(self) -> Predictor:
        """The predictor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """The network, where it runs and what runs it, in one line."""
        weights = "RANDOM WEIGHTS" if self.metadata.random_weights else self.model_hash[:12]
        state = "closed" if self._closed else f"{self.device}, {self._engine.choice}"
        return f"<Predictor {self.metadata.config.name} ({weights}), {self.label_set.name}, {state}>"

    def close(self) -> None:
        """Free the device memory. It may be called repeatedly; predicting afterwards raises RuntimeError."""
        self._closed = True
        # First, so that the weights are gone when the last backend empties torch's cache.
        self.__dict__.pop("_engine", None)
        self._close_backends()

    def _close_backends(self) -> None:
        while self._backends:
            self._backends.popitem()[1].close()

    def _backend(self, height: int, width: int) -> Backend:
        """The backend for this image size; the least recently used one is closed when there are too many."""
        size = (height, width)
        if size in self._backends:
            self._backends.move_to_end(size)
            return self._backends[size]
        sizes = GraphSizes(size, self.network_size(height, width), self._output_size or size, self._depth_range)
        self._backends[size] = self._engine.backend(sizes)
        if len(self._backends) > MAX_CACHED_SIZES:
            self._backends.popitem(last=False)[1].close()
        return self._backends[size]

    def _canonical_camera(self, height: int, width: int) -> Intrinsics:
        """The camera that has f_net = f_c at this image size: its predictions are the network's own."""
        net_height, net_width = self.network_size(height, width)
        focal = self.metadata.camera.canonical_focal
        return Intrinsics(focal, focal, (net_width - 1) / 2, (net_height - 1) / 2, net_width, net_height).resized(
            width, height
        )


def _at_size(valid: npt.NDArray[np.bool_] | None, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    """Valid pixels of the image at the size of its prediction."""
    if valid is None or valid.shape == shape:
        return valid
    return cv2.resize(valid.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
