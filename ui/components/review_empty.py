"""What the parts of the Review page say where there is nothing to review, and how to fill them."""

from ui.components.empty import empty
from ui.components.figures import several

START = "<button class='btn primary' data-do='search'>Search for false negatives</button>"


def no_search() -> str:
    return (
        "<div class='empty'><h2>Which negatives are really relevant?</h2><p>Every negative (judged, mined or imported) "
        "is compared with the positives of its query: the same or nearly the same text, closeness in each encoder’s "
        "space, a score above a positive’s, agreement of the encoders. The likeliest false negatives are then shown "
        f"here, the most suspicious first, each with its reasons.</p>{START}</div>"
    )


def no_proposals() -> str:
    return empty(
        "No proposed negatives",
        "Mining proposes hard negatives as a label set of its own; here a person accepts, rejects or relabels each. "
        "Nothing mined is exported before it was reviewed unless asked for.",
    )


def no_disagreements() -> str:
    return empty(
        "No disagreements",
        "Where two annotators judged the same document differently, it is listed here, and one key decides it for "
        "good. Annotators choose their names on the Label page.",
    )


def all_decided(total: int) -> str:
    return (
        f"<div class='empty'><h2>All {several(total, 'case')} decided</h2><p>Nothing is left to review here.</p></div>"
        if total
        else "<div class='empty'><h2>Nothing to review</h2><p>No negative has a reason to be doubted.</p></div>"
    )


def no_queries(link: str) -> str:
    return empty(
        "This corpus has no query set yet",
        "A review is about the judgments of queries. Load queries, with qrels if there are some, on the Corpus page.",
        link,
        "Load queries",
    )
