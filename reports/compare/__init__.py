"""Two reports side by side: what changed in the settings, and what in the verdicts.

``source`` reads a report from its JSON; ``changes`` compares two of them; ``text`` writes down the result of
it to people and programs.
"""

from reports.compare.changes import Comparison, compare_reports
from reports.compare.source import Report, read_report, report_of

__all__ = ["Comparison", "Report", "compare_reports", "read_report", "report_of"]
