"""How Sphinx makes the documentation site from the Markdown here and the docstrings of the package.

``tox -e docs`` builds it into ``build/site``. The pages also read well in the repository: only links that leave this
folder differ, see ``links_of_the_site``.
"""

from __future__ import annotations

import configparser
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Protocol

import attrs
import django
import django.conf
from docutils.nodes import Element, paragraph, section
from sphinx.addnodes import index, pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform

import decart

DOCS = Path(__file__).parent
ROOT = DOCS.parent

about = configparser.ConfigParser()
about.read(ROOT / "setup.cfg", "utf-8")
repository = about["metadata"]["url"]

project = "decart"
author = about["metadata"]["author"]
version = release = decart.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
]

myst_heading_anchors = 4  # what the repository's site gives headings, and links use
default_role = "code"  # single backticks in docstrings

html_theme = "furo"
html_title = "decart"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_copyright = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_type_aliases = {"FileInput": "decart.FileInput"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_use_ivar = True  # "Attributes:" is a list, not an entry for each
napoleon_use_rtype = False
for field in PyObject.doc_field_types:
    if field.name == "variable":
        field.label = "Attributes"  # as in the docstrings; otherwise "Variables"

nitpicky = True  # what an annotation or a docstring names has an entry, except for what is listed here
nitpick_ignore_regex = [
    ("py:.*", r"(?!decart\.).*\..*"),  # of other packages; the build needs no network, and so knows no other site
]
nitpick_ignore = [
    ("py:class", name)
    for name in (
        # aliases: signatures show in full what they stand for, where they can
        *("AnyTimeout", "AnyTransport", "OnStatusChange", "Prices", "Resolution", "ShowPoolProgress", "ShowProgress"),
        *("TrajectoryPoint", "Ttl", "decart.config.Unchanged", "decart.errors.Facts", "decart.transports.timing.Event"),
        # protocols and bases: what has them is documented
        *("decart.uploads.HasRead", "decart.uploads.PILImage", "decart.results.FileResult", "decart.models.TaskT"),
        *("decart.transports.base.Headers", "decart.journal.reports.Records"),
        # what only the emulator's own modules use
        *("decart.emulator.faults.table.Kind", "decart.emulator.render.job.RenderJob"),
        *("decart.config.Secret", "floating point number"),  # the latter is Python's own docstring, of time.time
    )
]

# ---------------------------------------------------------------- docstrings and signatures

django.conf.settings.configure(INSTALLED_APPS=["decart.integrations.django"])  # its journal is a model
django.setup()

OVERLOADED = ("client", "lookups", "pool", "queue")
MADE_BY_THE_CLIENT = re.compile(r"(Async)?(Files|Jobs|Models|Queue|Tokens)Client|(Async)?(JobPool|VideoStream)")
UNREADABLE = re.compile(r"<(function|class) [^>]+>|<[\w.]+ object[^>]*>|\bNOTHING\b|\bUnchanged\.UNCHANGED\b")


def show_all_arguments(app: Sphinx) -> None:
    """Show the signature of a function itself, and not its overloads, which type checkers need.

    An overload says ``**wait: Unpack[WaitOptions]`` where the function lists the arguments.
    """
    sides = [f"decart.{side}.{module}" for side in ("_async", "_sync") for module in OVERLOADED]
    for module in ("decart.models", *sides):
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()


def change_signature(
    app: Sphinx, what: str, name: str, value: object, options: object, arguments: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Leave out how a class is made that only the client makes, or nobody, and defaults that have no readable form.

    One such default would also make Sphinx show the signature as it is, with the full names of modules.
    """
    if what == "class" and (is_protocol(value) or MADE_BY_THE_CLIENT.fullmatch(name.rpartition(".")[2])):
        return "", None
    for field in attrs.fields(value) if arguments and inspect.isclass(value) and attrs.has(value) else ():
        # a converter takes anything, to say what is wrong with it; shown is what the field is declared to be
        shown = rf"\b{field.alias}: ~?(typing\.)?Any( \| None)?\b"
        arguments = re.sub(shown, f"{field.alias}: {field.type}", arguments)
    return arguments and (UNREADABLE.sub("...", arguments), returned)


def is_protocol(value: object) -> bool:
    """Say whether a class is a protocol, which users implement and nobody makes."""
    return Protocol in getattr(value, "__bases__", ())


def change_docstring(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from taking the first words of an attribute's docstring, up to a colon, for its type."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # an empty comment


def find_public_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> Element | None:
    """Find the entry ``decart.X`` of an alias, such as ``FileInput``, that an annotation names by its module."""
    if node["refdomain"] != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"decart.{name}", node, content
    )


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return where the source of a class, function or method is in the repository; nothing has that for a value."""
    value = import_module(info["module"])
    try:
        for name in info["fullname"].split("."):
            value = getattr(value, name)
        value = inspect.unwrap(getattr(value, "fget", value))  # of a property
        lines, first = inspect.getsourcelines(value)
        path = Path(inspect.getsourcefile(value) or "").relative_to(Path(decart.__file__).parent.parent)
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return f"{repository}/blob/main/{path.as_posix()}#L{first}-L{first + len(lines) - 1}"


# ---------------------------------------------------------------- search


class IndexStatuses(SphinxTransform):
    """Let the search find a status such as 429 in Troubleshooting: it ignores numbers, except in the index."""

    default_priority = 800  # before the index is collected

    def apply(self, **kwargs: object) -> None:
        if self.env.docname != "troubleshooting":
            return
        for text in list(self.document.findall(paragraph)):
            found = re.match(r"\d{3}((, | or )\d{3})*\b", text.astext())
            if found and isinstance(text.parent, section):
                anchor = text.parent["ids"][0]
                entries = [("single", status, anchor, "", None) for status in re.findall(r"\d+", found[0])]
                text.parent.insert(text.parent.index(text), index(entries=entries))


# ---------------------------------------------------------------- links

INCLUDED = {f"{name.upper()}.md": f"{name}.md" for name in ("changelog", "contributing", "releasing", "security")}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)#\s]+")


def links_of_the_site(text: str, page: Path) -> str:
    """Return the text of a page with its links changed where the site differs from the repository.

    A file outside of this folder is linked in the repository, unless a page of the site includes it. What does not
    exist stays as it is, for Sphinx to report.
    """

    def changed(found: re.Match[str]) -> str:
        target = (page.parent / found[0]).resolve()
        if not target.exists() or (target.is_relative_to(DOCS) and page.is_relative_to(DOCS)):
            return found[0]
        if target.is_relative_to(DOCS):
            return f"/{target.relative_to(DOCS).as_posix()}"
        path = target.relative_to(ROOT).as_posix()
        if path in INCLUDED:
            return f"/{INCLUDED[path]}"
        return f"{repository}/{'tree' if target.is_dir() else 'blob'}/main/{path}"

    return LINK.sub(changed, text)


def change_page(app: Sphinx, name: str, content: list[str]) -> None:
    content[0] = links_of_the_site(content[0], Path(app.env.doc2path(name)))


def change_included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    content[0] = links_of_the_site(content[0], (DOCS / path).resolve())


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", show_all_arguments)
    app.connect("autodoc-process-signature", change_signature)
    app.connect("autodoc-process-docstring", change_docstring, priority=400)  # before napoleon's
    app.connect("missing-reference", find_public_name)
    app.add_transform(IndexStatuses)
    app.connect("source-read", change_page)
    app.connect("include-read", change_included)
