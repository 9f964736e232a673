"""How an older virt-launcher words a failure. Pure."""

from dataclasses import replace

from virtsim.versions import Feature, Version
from virtsim.virt_handler.transfer.job import Terms

LIBVIRTS = "virError("
BEFORE = "Live migration failed error encountered during MigrateToURI3 libvirt api call: "


def terms_as_of(version: Version, terms: Terms) -> Terms:
    """The terms with libvirt's own text behind virt-launcher's words; any other text is taken as it is."""
    fault = terms.fault
    if fault is None or version.has(Feature.BARE_LIBVIRT_ERRORS) or not fault.reason.startswith(LIBVIRTS):
        return terms
    return replace(terms, fault=replace(fault, reason=f"{BEFORE}{fault.reason}"))
