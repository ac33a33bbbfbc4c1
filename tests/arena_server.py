"""An arena of two scripted systems as a process of its own: `python -m tests.arena_server VOTES PORT [PROMPT...]`."""

import os
import sys

from hal_trl.evaluation.arena import Arena, System, VoteStore, serve


MARKUP = "<script>document.title = 'taken'</script> <b>bold</b> **md** ${document.title} {{value}}"


def casual(chat: list[dict[str, str]]) -> str:
    return f"lol yeah, number {len(chat)} and im still here"


def stiff(chat: list[dict[str, str]]) -> str:
    return f"As an AI language model, I am delighted to assist you with message {len(chat)}. {MARKUP}"


SYSTEMS = [System("casual", casual), System("stiff", stiff)]


if __name__ == "__main__":
    votes, port, *prompts = sys.argv[1:]
    serve(Arena(SYSTEMS, VoteStore(votes), prompts), port=int(port), password=os.environ.get("ARENA_PASSWORD"))
