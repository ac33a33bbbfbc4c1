"""Attack a reward function before a policy does: `hal-trl audit my.module.reward`."""

from .attacks import ATTACKS, Case, load_cases, static_attacks
from .probes import Probe, load_probes
from .report import AttackResult, AuditReport, audit
from .reward_function import RewardFunction, import_reward, name_of, rewards_of
from .search import SearchResult, search_attack


__all__ = [
    "ATTACKS",
    "AttackResult",
    "AuditReport",
    "Case",
    "Probe",
    "RewardFunction",
    "SearchResult",
    "audit",
    "import_reward",
    "load_cases",
    "load_probes",
    "name_of",
    "rewards_of",
    "search_attack",
    "static_attacks",
]
