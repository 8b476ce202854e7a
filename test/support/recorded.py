"""A Rerun recording read back with the library's own reader."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from rerun.chunk import RrdReader


class Recorded:
    """What a file holds, but for the layout.

    Attributes:
        rows: for each entity, such as "/world/map", its rows: component or timeline -> value. A time is a whole number
            (of the frame, or nanoseconds); data that are static have none.
        clocks: Arrow's type of each timeline.
    """

    def __init__(self, path: Path) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.clocks: dict[str, pa.DataType] = {}
        for chunk in RrdReader(path).stream():
            batch = chunk.to_record_batch()
            times = set(chunk.timeline_names)
            self.clocks |= {name: batch.schema.field(name).type for name in times}
            columns = {
                name: batch.column(name).cast(pa.int64()) if name in times else batch.column(name)
                for name in batch.schema.names
            }
            for row in range(batch.num_rows):
                self.rows[str(chunk.entity_path)].append(
                    {name: column[row].as_py() for name, column in columns.items()}
                )

    @property
    def entities(self) -> set[str]:
        """Paths of everything that was recorded."""
        return set(self.rows)

    def values(self, entity: str, component: str) -> list[Any]:
        """A component's values in the order of the frames, those of static data first."""
        rows = sorted(self.rows[entity], key=lambda row: row.get("frame", -1))
        return [row[component] for row in rows if row.get(component) is not None]

    def images(self, entity: str, archetype: str, dtype: str) -> list[np.ndarray]:
        """(H, W) of every one-channel image that is not compressed."""
        buffers, formats = self.values(entity, f"{archetype}:buffer"), self.values(entity, f"{archetype}:format")
        shapes = [(form[0]["height"], form[0]["width"]) for form in formats]
        return [
            np.frombuffer(bytes(buffer[0]), dtype).reshape(shape) for buffer, shape in zip(buffers, shapes, strict=True)
        ]

    def photographs(self, entity: str) -> list[np.ndarray]:
        """(H, W, 3) of every JPEG."""
        blobs = self.values(entity, "EncodedImage:blob")
        return [np.asarray(Image.open(io.BytesIO(bytes(blob[0])))) for blob in blobs]
