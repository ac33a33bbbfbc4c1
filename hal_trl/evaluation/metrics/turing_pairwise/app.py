from hal_trl import load_metric
from hal_trl.evaluation.metric_app import metric_app


metric_app(load_metric("turing_pairwise")).launch()
