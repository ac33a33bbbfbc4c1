"""Attack a reward function before a policy does: `hal-trl audit my.module.reward`."""

from .attacks import ATTACKS, Case, load_cases, static_attacks
from .probes import Probe, load_probes
from .report import AttackResult, AuditReport, audit, import_reward


__all__ = [
    "ATTACKS",
    "AttackResult",
    "AuditReport",
    "Case",
    "Probe",
    "audit",
    "import_reward",
    "load_cases",
    "load_probes",
    "static_attacks",
]
