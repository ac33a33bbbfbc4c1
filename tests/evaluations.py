"""An evaluation with every section that an `evaluation.json` may have, and a weak spot of every kind."""


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": round(value - 0.02, 3), "high": round(value + 0.02, 3)}


def told(pairwise: float, auc: float, n: int) -> dict[str, object]:
    return {"pairwise": figure(pairwise), "auc": figure(auc), "n": n}


def measured() -> dict[str, object]:
    return {
        "protocol": "5-fold by game",
        "seed": 0,
        "n_games": 878,
        "data_sha256": "5ca1ab1e" * 8,
        "agreement": {
            "spearman_hl16q": figure(0.66),
            "spearman_hl32q": figure(0.6),
            "exact": figure(0.52),
            "within_one": figure(0.91),
            "per_trait": {
                "brevity": {"spearman": 0.54, "exact": 0.5, "within_one": 0.9},
                "quick_exit": {"spearman": 0.23, "exact": 0.4, "within_one": 0.8},
                "self_correction": {"spearman": 0.29, "exact": 0.6, "within_one": 0.95},
            },
        },
        "told_apart": {
            "rated games": told(0.97, 0.96, 892),
            "unrated games": told(0.9, 0.93, 865),
            "all games": told(0.94, 0.94, 1757),
            "single replies": told(0.906, 0.904, 6973),
            "contrast replies": told(0.797, 0.787, 960),
        },
        "leave_one_ai_out": {
            "eliza": told(0.99, 0.98, 200),
            "gpt-4o_quinn": told(0.41, 0.45, 180),
            "llama_quinn": told(0.48, 0.5, 160),
        },
        "leave_one_style_out": {"quinn": told(0.44, 0.47, 340), "minimal": told(0.88, 0.86, 300)},
        "calibration": {
            "brier": figure(0.09),
            "log_loss": figure(0.31),
            "reliability": [
                {"predicted": 0.05, "observed": 0.04, "n": 700},
                {"predicted": 0.55, "observed": 0.71, "n": 83},
            ],
        },
        "doctor_dialogues": {"spearman": figure(0.42), "per_trait": {"brevity": 0.7}, "n": 1200},
        "speed": {"ms_per_reply": 0.25, "ms_per_dialogue": 1.1, "threads": 1, "batch_size": 64},
        "size_mb": 4.3,
        "n_parameters": 2_167_680,
        "reference": [
            {"name": "interrogators", "spearman_hl16q": None, "spearman_hl32q": None, "all games": 0.55},
            {
                "name": "n-gram classifier",
                "all games": 0.99,
                "rated games": 0.98,
                "leave_one_ai_out_mean": 0.93,
                "leave_one_style_out": {"quinn": 0.62},
                "single_replies_auc": 0.93,
            },
        ],
    }
