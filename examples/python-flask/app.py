"""A search in a list of words that forgives typing mistakes."""

from pathlib import Path

from flask import Flask, jsonify, render_template, request
from rapidfuzz import fuzz, process

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()

app = Flask(__name__)


def found(query: str) -> list[dict[str, object]]:
    """Return the words that are most like *query*, the best one first."""
    matches = process.extract(query, WORDS, scorer=fuzz.WRatio, limit=5, score_cutoff=60)
    return [{"word": word, "score": round(score)} for word, score, _ in matches]


@app.get("/")
def page():
    query = request.args.get("q", "")
    return render_template("page.html", query=query, found=found(query) if query else [])


@app.get("/search")
def search():
    return jsonify(found(request.args.get("q", "")))


@app.get("/healthz")
def health():
    return "ok\n", 200, {"Content-Type": "text/plain"}


if __name__ == "__main__":
    app.run(port=8000)
