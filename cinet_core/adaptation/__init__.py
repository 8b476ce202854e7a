"""From a fleet's recordings to a network of its own: ``cinet adapt``."""

from cinet_core.adaptation.adapt import adapt
from cinet_core.adaptation.report import AdaptationReport
from cinet_core.adaptation.settings import AdaptationSettings
from cinet_core.adaptation.steps import AdaptationError

__all__ = ["AdaptationError", "AdaptationReport", "AdaptationSettings", "adapt"]
