"""Long work in parts that anybody may do, and that are done once: by processes, an array of SLURM's, or Dask.

A part is a ``cinet`` command on one recording, or on a range of rooms. Its output has a temporary name until it is
whole; what is there is not done again, and what a killed worker leaves is gone on with.
"""

from cinet_core.jobs.identity import InputIdentity, identity_of
from cinet_core.jobs.job import Job, JobError, Part, parts_of_inputs, parts_of_rooms
from cinet_core.jobs.local import JobResult, run_local
from cinet_core.jobs.manifest import read_manifest
from cinet_core.jobs.run_part import PartRecord, run_part

__all__ = [
    "InputIdentity",
    "Job",
    "JobError",
    "JobResult",
    "Part",
    "PartRecord",
    "identity_of",
    "parts_of_inputs",
    "parts_of_rooms",
    "read_manifest",
    "run_local",
    "run_part",
]
