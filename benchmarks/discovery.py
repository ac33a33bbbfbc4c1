"""Discovery on the released games: which of the 32 traits its clusters find again, and how well those tell people.

The statements are those of the paper's finder, and GPT-5's ratings stand in for a judge's: a cluster is rated as the
trait of HL32Q that its most central statement is nearest to.

python -m benchmarks.discovery --data ../shared/data --encoder FOLDER
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from hal_trl import HL32Q
from hal_trl.discovery import cluster_statements
from hal_trl.discovery.clusters import ENCODER, embed_sentences
from hal_trl.discovery.selection import (
    fit_all,
    fit_selected,
    held_out_log_odds,
    rated_pairs,
    told_apart,
)
from hal_trl.hub.figures import written
from hal_trl.scorers.games import load_games


def nearest_traits(clusters: pd.DataFrame, encoder: str) -> pd.DataFrame:
    """Per cluster its representative, the nearest trait, their cosine similarity, and how many statements it has."""
    found = clusters[clusters["rank"] == 0].sort_values("cluster").reset_index(drop=True)
    statements = [trait.statement for trait in HL32Q]
    similarity = embed_sentences(found["statement"].tolist(), encoder) @ embed_sentences(statements, encoder).T
    return pd.DataFrame(
        {
            "trait": [HL32Q.ids[i] for i in similarity.argmax(axis=1)],
            "similarity": similarity.max(axis=1),
            "size": clusters["cluster"].value_counts().sort_index().drop(-1, errors="ignore").to_numpy(),
            "representative": found["statement"],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the released data")
    parser.add_argument("--encoder", default=ENCODER, help="Hub id or folder of a sentence-transformers model")
    parser.add_argument("--seeds", type=int, default=3, help="how many times to cluster")
    options = parser.parse_args()

    statements = pd.read_parquet(options.data / "finder_statements.parquet")["statement"].tolist()
    games = load_games(options.data / "turing_games.parquet")
    rated = rated_pairs(games.ratings[games.teacher], games.game_id)
    ratings, is_human, game_id = games.ratings[games.teacher][rated], games.is_human[rated], games.game_id[rated]

    def show(name: str, ids: list[str]) -> None:
        for fit, what in ((fit_all, "all"), (fit_selected, "selected in the folds")):
            log_odds = held_out_log_odds(fit, ratings.for_traits(HL32Q.select(ids)), is_human, game_id)
            figures = told_apart(log_odds, is_human, game_id)
            shown = ", ".join(f"{key} {written(figure)}" for key, figure in figures.items())
            print(f"{name} ({len(ids)}), {what}: {shown}")

    print(f"{len(game_id) // 2} games rated by GPT-5, five folds by game, 95 % intervals over games")
    show("HL32Q", list(HL32Q.ids))
    counts = []
    for seed in range(options.seeds):
        clusters = cluster_statements(statements, options.encoder, seed)
        nearest = nearest_traits(clusters, options.encoder)
        recovered = [i for i in HL32Q.ids if i in set(nearest["trait"])]
        counts.append(len(recovered))
        noise = float(np.mean(clusters["cluster"] < 0))
        print(f"\nSeed {seed}: {len(statements)} statements, {len(nearest)} clusters, {noise:.0%} in none")
        if seed == 0:
            best = nearest.sort_values("similarity").drop_duplicates("trait", keep="last").set_index("trait")
            for trait in recovered:
                row = best.loc[trait]
                n = int((nearest["trait"] == trait).sum())
                print(f"  {trait:<20} {row['similarity']:.2f}  clusters {n:>2}  {row['representative']}")
            print(f"  no cluster is nearest to: {', '.join(i for i in HL32Q.ids if i not in recovered)}")
        show("recovered", recovered)
    print(f"\nTraits recovered, by seed: {counts}")


if __name__ == "__main__":
    main()
