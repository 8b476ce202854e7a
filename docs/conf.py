"""The documentation site: `make docs-site` builds it, with every warning as an error.

Sphinx reads the whole checkout, so that the links between README.md, CONTRIBUTING.md and docs/*.md are the same on the
site as on GitHub. The reference is made from the docstrings of whatever the packages hold.
"""

import ast
import inspect
import logging
import os
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sphinx.addnodes import pending_xref  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.transforms.post_transforms import SphinxPostTransform  # noqa: E402

import cinet_core  # noqa: E402

project = "CI-Net"
author = "the authors of CI-Net for ROS 2"
project_copyright = "the authors; licence: Apache-2.0"
version = release = cinet_core.__version__
language = "en"

root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/security/README.md", "docs/**"]
# Folders are named whole, so that Sphinx does not walk through environments and builds.
exclude_patterns = [
    *(".*", "build", "install", "log", "runs", "demo_output", "test", "**/__pycache__"),
    *("cinet_core", "cinet_ros", "launch", "msg", "scripts", "docker"),
    *("docs/_build", "docs/_static"),
]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]

# Markdown. Anchors of headings are those of GitHub.
myst_heading_anchors = 4

# The tutorial runs from top to bottom at every build; its outputs are on the site and not in the repository.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # of a cell: a machine may be busy
nb_execution_show_tb = True
nb_merge_streams = True
# Not in the home folder.
os.environ["JUPYTER_RUNTIME_DIR"] = str(ROOT / "docs" / "_build" / "jupyter")
os.environ["IPYTHONDIR"] = str(ROOT / "docs" / "_build" / "ipython")
logging.getLogger("traitlets").setLevel(logging.ERROR)  # comm targets of widgets that no cell shows

# The reference: what a module names in __all__, or else whatever it defines without an underscore.
autosummary_generate = False
autosummary_ignore_module_all = False
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
# Objects are in the index and the search, not in the navigation of every page: that took longer than all the rest.
toc_object_entries = False
# Names in single backticks are links where there is such a name, and code elsewhere.
default_role = "py:obj"

# A name that has two homes, such as `cinet_core.Prediction`, is no mistake; links between pages that break still are.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "CI-Net for ROS 2"
html_static_path = ["_static"]
html_extra_path = ["_extra"]  # index.html of the site, which leads to that of docs/
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"


PAGES = Path(__file__).with_name("reference") / "generated"


# Commands and nodes are described by what they take and give, and this generator runs in Blender's own Python.
LEFT_OUT = ("cinet_core.cli", "cinet_core.rooms.pathtraced")


def packages() -> list[str]:
    """`cinet_core` and the packages below it, by name."""
    below = pkgutil.walk_packages(cinet_core.__path__, "cinet_core.")
    return ["cinet_core", *(one.name for one in below if one.ispkg and not one.name.startswith(LEFT_OUT))]


def elsewhere(module: ModuleType) -> str:
    """Names that a module passes on from another one, which describes them."""
    homes = {name: getattr(getattr(module, name), "__module__", None) for name in getattr(module, "__all__", ())}
    return ", ".join(name for name, home in homes.items() if home not in (None, module.__name__))


def front_door() -> str:
    """The page of what `import cinet_core` offers: a table of classes and functions, the constants, each in full."""
    public = [name for name in cinet_core.__all__ if not name.startswith("_")]
    described = [name for name in public if getattr(getattr(cinet_core, name), "__module__", None)]
    described.sort(key=lambda name: ("function", "class", "exception").index(kind(name)))
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(cinet_core))) if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    constants = [f"`~{homes[name]}.{name}`" for name in public if name not in described]
    sections = "\n".join(f".. auto{kind(name)}:: {name}" for name in described)
    table = "\n".join(f"   {name}" for name in described)
    return f"""\
cinet_core: the public interface
================================

.. automodule:: cinet_core
   :no-members:

.. currentmodule:: cinet_core

.. autosummary::
   :nosignatures:

{table}

Constants: {", ".join(constants)}.

{sections}"""


def kind(name: str) -> str:
    """Of a public name, as autodoc has it."""
    public = getattr(cinet_core, name)
    if not inspect.isclass(public):
        return "function"
    return "exception" if issubclass(public, Exception) else "class"


def room(package: str) -> str:
    """The page of a package: what it says of itself, and its modules in full."""
    found = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    modules = [module.name for module in found if not module.ispkg and not module.name.endswith("__main__")]
    own = f".. automodule:: {package}\n   :no-members:\n   :no-index:\n"
    sections = [
        f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}\n   :exclude-members: {elsewhere(import_module(name))}\n"
        for name in modules
    ]
    title = "cinet_core: the ground floor" if package == "cinet_core" else package
    return "\n".join([title, "=" * len(title), "", own, *sections])


def write_reference(_: Sphinx) -> None:
    """Write the pages of the reference, and remove those of packages that are no more."""
    pages = {"front_door.rst": front_door(), **{f"{name}.rst": room(name) for name in packages()}}
    PAGES.mkdir(exist_ok=True)
    for old in PAGES.glob("*.rst"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = PAGES / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


class ForeignNames(SphinxPostTransform):
    """Takes names of other libraries, such as `int`, out of what is searched for: each search is over all objects."""

    default_priority = 5  # before references are resolved

    def run(self, **_: object) -> None:
        """Sphinx calls this for each page."""
        own = {name.rpartition(".")[2] for name in self.env.domains.python_domain.objects}
        for node in list(self.document.findall(pending_xref)):
            if node["refdomain"] == "py" and node["reftarget"].rpartition(".")[2] not in own:
                node.replace_self(node.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("builder-inited", write_reference)
    app.add_post_transform(ForeignNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
