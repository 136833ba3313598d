"""Write ../prompts.jsonl: held-out questions of every kind that the shipped weights answer rightly.

  python prompts.py [MODEL_DIR]

Each one is asked alone (batch of one, float32, greedy, at most 64 new tokens) and kept only when the answer holds
all its key phrases. So a miss of a converted artifact is drift, not ignorance; it is no measure of what the model knows.
"""
import json, os, sys
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE + "/corpus"); sys.path.insert(0, HERE)
from gen import HELD
from evalhf import answers, score
QUOTA = {"wild": 7, "wild2": 7, "wild3": 4, "frame": 6, "combo": 2, "size": 2, "compare": 2, "howto": 3, "multiturn": 3, "system": 2, "longchat": 1, "offtopic": 1}
SKIP = {"privacy", "offline"}  # a bare yes or no hangs on the wording of the question
def spread(items, n): return [items[i * len(items) // n] for i in range(n)]
def choose():
    seen, chosen = set(), []
    for kind, n in QUOTA.items():
        fresh, facts = [], set()
        for h in HELD:
            short = len(h["messages"]) <= (7 if kind == "longchat" else 4)
            if h["kind"] == kind and short and h["fact"] not in seen | facts | SKIP and len(h.get("any", [1])) == 1 and min(map(len, h["keys"])) > 2:
                fresh.append(h); facts.add(h["fact"])
        taken = spread(fresh, min(len(fresh), 2 * n))
        chosen.append((n, taken)); seen |= {h["fact"] for h in taken}
    return chosen
def main(model):
    lines = []
    for n, taken in choose():
        right = [h for h in taken if score(h, answers(model, [h], bs=1)[0])][:n]
        for h in right:
            ask = {"prompt": h["messages"][0]["content"]} if len(h["messages"]) == 1 else {"messages": h["messages"]}
            lines.append(json.dumps({**ask, "keys": h["keys"]}, ensure_ascii=False))
    with open(HERE + "/../prompts.jsonl", "w", encoding="utf-8") as out: out.write("\n".join(lines) + "\n")
    print(len(lines), "prompts")
if __name__ == "__main__": main(sys.argv[1] if len(sys.argv) > 1 else HERE + "/../model")
