"""Projects of vendors' tools: written complete, run where the tool is installed, and dry-run where it is not."""

from rnngen.build.vendor.dry_run import DryRun, dry_run
from rnngen.build.vendor.flows import VENDOR_FLOWS
from rnngen.build.vendor.run import synthesize_with_vendor, write_vendor_project

__all__ = ["VENDOR_FLOWS", "DryRun", "dry_run", "synthesize_with_vendor", "write_vendor_project"]
