"""Empty states: what the place is for, and the one button that fills it."""

from ui.handlers import escape


def empty(title: str, text: str, link: str = "", button: str = "") -> str:
    """A framed message with at most one button, a link."""
    action = f"<a class='btn primary' href='{escape(link)}'>{escape(button)}</a>" if link else ""
    return f"<div class='empty'><h2>{escape(title)}</h2><p>{escape(text)}</p>{action}</div>"


def no_project() -> str:
    return empty(
        "No project yet",
        "A project is a folder that holds corpora, their embeddings, indices and judgments. Create one to begin.",
        "/",
        "Create a project",
    )


def no_corpus(link: str) -> str:
    return empty(
        "This project has no corpus yet",
        "A corpus is a set of documents from a file: JSONL, CSV, Parquet, a BEIR folder, texts or images. "
        "Encoding, indexing and searching all start from one.",
        link,
        "Load a corpus",
    )
