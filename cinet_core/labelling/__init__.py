"""Pseudo-labels for recordings, by teachers, anchors and the agreement of several views: ``cinet data label``."""

from __future__ import annotations

from cinet_core.labelling.description import SHIPPED, TeacherDescription, TeacherError, read_description
from cinet_core.labelling.export_teacher import export_teacher
from cinet_core.labelling.report import LabelReport, read_report
from cinet_core.labelling.run import label_dataset
from cinet_core.labelling.settings import AgreementSettings, LabelSettings

__all__ = [
    "SHIPPED",
    "AgreementSettings",
    "LabelReport",
    "LabelSettings",
    "TeacherDescription",
    "TeacherError",
    "export_teacher",
    "label_dataset",
    "read_description",
    "read_report",
]
