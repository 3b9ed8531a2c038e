"""Results that never ran, with the settings of a cell: what resuming takes for the cell's own."""

import dataclasses

from safebench.record.result import CertificateRecord
from safebench.runs import suites
from safebench.runs.prepare import evaluation_of
from safebench.sets import certificate as certificates


def with_settings_of(made, prepared):
    """`made`, as if the prepared cell had given it."""
    cell = prepared.cell
    return dataclasses.replace(
        made,
        suite=cell.suite,
        physics=cell.physics,
        budget=cell.interactions,
        settings=suites.settings_of(cell),
        evaluation=evaluation_of(prepared),
        certificate=CertificateRecord(certificates.digest(prepared.task.certificate), True),
        task=prepared.task_record,
        safeguard=prepared.safeguard_record,
        learner=prepared.learner_record,
    )
