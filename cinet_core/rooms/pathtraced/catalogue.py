"""The models of Sweet Home 3D: what their catalogues say, and what each can be in a room.

The catalogues are Java property files (ISO 8859-1) with lines ``key#number=value``; lengths are centimetres.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinet_core.rooms.pathtraced.plan import UPRIGHT, Triple
from cinet_core.rooms.pathtraced.roles import ROLES

PLUGIN, DEFAULT = "PluginFurnitureCatalog.properties", "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties"
TEXTURES = "com/eteks/sweethome3d/io/DefaultTexturesCatalog.properties"

CREATORS = {
    "eTeks": "eTeks, Emmanuel Puybaret",
    "Scopia": "Scopia Visual Interfaces Systems, s.l.",
    "Kator Legaz": "Andrew Kator & Jennifer Legaz",
}
"""Full names that the catalogues' licences ask to be named by."""


class CatalogueError(Exception):
    """The models are not there or cannot be understood; the message says what to do.

    Attributes:
        fault: what is wrong, without the remedy.
    """

    def __init__(self, root: Path, fault: str) -> None:
        """Of the folder of models ``root``."""
        super().__init__(f"{root} {fault}: delete {root} and run `cinet data render --setup`")
        self.fault = fault


@dataclass(frozen=True)
class Model:
    """A model of a catalogue.

    Attributes:
        key: its id, unique.
        name: in English.
        category: of the catalogue.
        path: its OBJ file.
        size: metres: width, depth, height.
        turn: rows of the (3, 3) matrix to apply to the file's vertices.
        elevation: metres above the floor that it hangs at.
        top: metres above its foot where things can be put on it; None where nothing can.
        creator: who made it.
        licence: as its catalogue says.
    """

    key: str
    name: str
    category: str
    path: Path
    size: Triple
    turn: tuple[Triple, Triple, Triple]
    elevation: float
    top: float | None
    creator: str
    licence: str


class Catalogue:
    """All models below a folder of unpacked catalogues, by what they can be.

    Args:
        root: holds a folder a catalogue.

    Raises:
        CatalogueError: there are none, an entry is damaged, or a role has no model left.
    """

    def __init__(self, root: Path) -> None:
        """Read the catalogues."""
        self.root = root
        self.models: dict[str, Model] = {}
        for folder in sorted(root.iterdir()) if root.is_dir() else []:
            for name in (PLUGIN, DEFAULT):
                if (folder / name).is_file():
                    self.models.update({model.key: model for model in self._read(folder, name)})
        if not self.models:
            raise CatalogueError(root, "holds no models of Sweet Home 3D")
        self._roles = {name: tuple(self._of(name)) for name in ROLES}
        empty = [name for name, models in self._roles.items() if not models]
        if empty:
            raise CatalogueError(root, f"lacks models of: {', '.join(empty)}")

    def role(self, name: str) -> tuple[Model, ...]:
        """Models that can be this, in a fixed order."""
        return self._roles[name]

    @functools.cached_property
    def textures(self) -> dict[str, tuple[Path, float]]:
        """Images of floors and walls by their file's stem, with the metres that one covers."""
        found = {}
        for folder in sorted(self.root.iterdir()):
            if (folder / TEXTURES).is_file():
                for entry in read_properties((folder / TEXTURES).read_text("latin-1")):
                    try:
                        path = folder / entry["image"].lstrip("/")
                        found[path.stem] = (path, float(entry["width"]) / 100)
                    except (KeyError, ValueError) as error:
                        raise CatalogueError(self.root, _fault(folder / TEXTURES, entry, error)) from error
        return found

    def _read(self, folder: Path, name: str) -> list[Model]:
        models = []
        for entry in read_properties((folder / name).read_text("latin-1")):
            try:
                models.append(_model(folder, entry))
            except (KeyError, ValueError) as error:
                raise CatalogueError(self.root, _fault(folder / name, entry, error)) from error
        return [model for model in models if model is not None]

    def _of(self, role: str) -> list[Model]:
        rule = ROLES[role]
        fits = [model for model in self.models.values() if rule.fits(model.category, model.name, model.key, model.size)]
        return sorted(fits, key=lambda model: model.key)


def read_properties(text: str) -> list[dict[str, str]]:
    """The numbered entries of a catalogue, in their order; key "library license" is the file's own."""
    entries: dict[int, dict[str, str]] = defaultdict(dict)
    shared = {}
    for line in text.splitlines():
        if numbered := re.match(r"(\w+)#(\d+)\s*=(.*)", line):
            entries[int(numbered[2])][numbered[1]] = _plain(numbered[3])
        elif plain := re.match(r"(license|id)\s*=(.*)", line):
            shared[f"library {plain[1]}"] = _plain(plain[2])
    return [{**shared, **entries[number]} for number in sorted(entries)]


def _model(folder: Path, entry: dict[str, str]) -> Model | None:
    """The model of an entry; None where its file is not there or no OBJ."""
    path = folder / entry["model"].lstrip("/")
    if path.suffix.lower() != ".obj" or not path.is_file():
        return None
    width, depth, height = (float(entry[key]) / 100 for key in ("width", "depth", "height"))
    top = float(entry.get("dropOnTopElevation", height * 100)) / 100
    return Model(
        key=entry["id"],
        name=entry["name"],
        category=entry["category"],
        path=path,
        size=(width, depth, height),
        turn=_matrix(entry.get("modelRotation")),
        elevation=float(entry.get("elevation", 0)) / 100,
        top=top if top >= 0 else None,
        creator=CREATORS.get(entry["creator"], entry["creator"]),
        licence=entry.get("library license", ""),
    )


def _fault(path: Path, entry: dict[str, str], error: KeyError | ValueError) -> str:
    what = f"no {error}" if isinstance(error, KeyError) else f"a wrong value ({error})"
    known = ", ".join(f"{key}={value}" for key, value in entry.items() if not key.startswith("library"))
    return f"has a damaged {path.parent.name}/{path.name}: an entry ({known[:80]}) has {what}"


def _plain(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text.strip())


def _matrix(text: str | None) -> tuple[Triple, Triple, Triple]:
    if not text:
        return UPRIGHT
    a, b, c = np.array([float(value) for value in text.split()]).reshape(3, 3).tolist()
    return tuple(a), tuple(b), tuple(c)
