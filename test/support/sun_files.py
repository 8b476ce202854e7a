"""Six frames of SUN RGB-D in exactly the official layout. Needs h5py and scipy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from PIL import Image
from scipy import io as scipy_io

PREFIX = "/n/fs/sun3d/data/"
TOOLBOX_FILES = ["Metadata/SUNRGBDMeta.mat", "traintestSUNRGBD/allsplit.mat", "Metadata/SUNRGBD2Dseg.mat"]
FOLDERS = [
    "SUNRGBD/kv1/NYUdata/NYU0001",
    "SUNRGBD/kv2/kinect2data/000002_2014-05-26_14-23-37_260595134347_rgbf000103-resize",
    "SUNRGBD/xtion/sun3ddata/mit_32_d507/d507_2/0000031",
    "SUNRGBD/xtion/sun3ddata/mit_32_d507/d507_2/0000045",
    "SUNRGBD/realsense/lg/2014_10_24-14_38_21-1311000103",
    "SUNRGBD/kv1/b3dodata/img_0063",
]
TRAIN = [1, 2, 3, 5]  # the others are for testing
WIDTH, HEIGHT = 24, 16


def rotated(millimetres: np.ndarray) -> np.ndarray:
    """As the files hold it: rotated left by three bits."""
    wide = millimetres.astype(np.uint32)
    return ((wide << 3) | (wide >> 13)).astype(np.uint16)


def write_sun(root: Path) -> Path:
    """Six frames in the official layout."""
    labels, records = [], []
    for number, folder in enumerate(FOLDERS):
        for part in ("image", "depth", "depth_bfx"):
            (root / folder / part).mkdir(parents=True)
        image = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
        Image.fromarray(image).save(root / folder / "image" / f"{number}.jpg", quality=100)
        depth = np.full((HEIGHT, WIDTH), 1500 + number, np.uint16)
        depth[0, :4] = (0, 1, 65535, 8191)
        cv2.imwrite(str(root / folder / "depth_bfx" / f"{number}_abs.png"), rotated(depth))
        depth[8:] = 0
        cv2.imwrite(str(root / folder / "depth" / f"{number}_abs.png"), rotated(depth))
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[0, 1:4] = (1, 37, 5)
        label[HEIGHT - 1, 0] = number + 1
        labels.append(label)
        records.append(record_of(number, folder))
    toolbox = root / "SUNRGBDtoolbox"
    write_metadata(toolbox / "Metadata" / "SUNRGBDMeta.mat", records)
    write_split(toolbox / "traintestSUNRGBD" / "allsplit.mat", TRAIN, [n for n in range(6) if n not in TRAIN])
    write_labels(toolbox / "Metadata" / "SUNRGBD2Dseg.mat", labels)
    return root


def record_of(number: int, folder: str) -> dict[str, Any]:
    k = np.array([[500.0 + number, 0, 11.5], [0, 505.0, 7.5], [0, 0, 1]])
    slash = "//" if "b3dodata" in folder else "/"  # some paths of the toolbox have it so
    return {
        "sequenceName": folder,
        "groundtruth3DBB": np.zeros((0, 0)),
        "K": k,
        "depthpath": f"{PREFIX}{folder}/depth_bfx/{number}_abs.png",
        "rgbpath": f"{PREFIX}{folder}{slash}image/{number}.jpg",
        "depthname": f"{number}_abs.png",
        "rgbname": f"{number}.jpg",
        "valid": 1,
    }


def write_metadata(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.empty((1, len(records)), dtype=[(name, object) for name in records[0]])
    for place, record in enumerate(records):
        array[0, place] = tuple(record.values())
    scipy_io.savemat(path, {"SUNRGBDMeta": array})


def write_split(path: Path, train: list[int], test: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = {
        name: np.array([[PREFIX + FOLDERS[n] for n in chosen]], dtype=object)
        for name, chosen in (("alltrain", train), ("alltest", test))
    }
    scipy_io.savemat(path, cells)


def write_labels(path: Path, labels: list[np.ndarray]) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        references = [file.create_dataset(f"#refs#/{n}", data=label.T).ref for n, label in enumerate(labels)]
        file["SUNRGBD2Dseg/seglabel"] = np.array(references, dtype=h5py.ref_dtype)[:, None]
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
