"""The false-negative guard's reasons, on hand-made documents and scores."""

import numpy as np
import pytest

from workbench.false_negatives import (
    Compared,
    Reason,
    Space,
    closeness,
    normal_text,
    reasons,
    resemblance,
    suspicion,
    triples,
)

CAT = Compared("p", "The cat sat on the mat, and then it slept the whole afternoon.", "h1")
OTHER = Compared("q", "Ships cross the sea.", "h2")


def names(found):
    return [reason.name for reason in found]


def alone(negative, positives=(CAT,), **given):
    (found,) = reasons([negative], list(positives), **given)
    return found


def test_suspicion_is_a_noisy_or():
    assert suspicion([]) == 0
    assert suspicion([Reason("a", "", 0.5), Reason("b", "", 0.4)]) == pytest.approx(1 - 0.5 * 0.6)
    assert suspicion([Reason("a", "", 1.0), Reason("b", "", 0.4)]) == 1


@pytest.mark.parametrize(
    "text",
    ["the CAT sat on the mat — and then it slept the whole afternoon", CAT.text.replace(" ", "\n\u2003"),
     "ｔｈｅ cat sat on the mat and then it slept the whole afternoon!"],
)  # fmt: skip
def test_the_same_words_are_a_duplicate_whatever_their_case_spacing_and_form(text):
    (found,) = alone(Compared("n", text, "other"))
    assert (found.name, found.severity, found.positive) == ("duplicate", 1.0, "p")


def test_the_same_hash_is_a_duplicate_and_the_same_caption_of_another_picture_is_none():
    assert names(alone(Compared("n", "", "h1"))) == ["duplicate"]
    one, other = Compared("p", "A red balloon", "h1", "a.webp"), Compared("n", "A red balloon", "h2", "b.webp")
    assert alone(other, [one]) == []
    assert names(alone(Compared("n", "a red balloon", "h2", "a.webp"), [one])) == ["duplicate"]


def test_two_documents_without_text_are_no_duplicates():
    assert alone(Compared("n", "", "", "b.webp"), [Compared("p", "", "", "a.webp")]) == []
    assert alone(Compared("n", ""), [Compared("p", "")]) == []


def test_near_duplicates_by_hand():
    """a b c d e f g h against the same with another end: triples abc … fgh, 5 shared of 7."""
    one, other = triples("a b c d e f g h"), triples("a b c d e f g x")
    assert len(one) == 6 and resemblance(one, other) == pytest.approx(5 / 7)
    (found,) = alone(Compared("n", "A B C D E F G X"), [OTHER, Compared("p2", "a b c d e f g h")])
    assert (found.name, found.positive) == ("near-duplicate", "p2")
    assert found.severity == pytest.approx(0.9 * 5 / 7) and found.told.startswith("shares 71% of its word triples")
    assert alone(Compared("n", "a b c d e x y z"), [Compared("p2", "a b c d e f g h")]) == []
    assert triples("two words") == {"two words"} and triples("!") == frozenset() and normal_text("Ä-b") == "ä b"


def test_similarity_starts_where_random_documents_are():
    """An encoder in which random documents have 0.7 (BGE v1) calls 0.88 far, one with 0.1 calls it near."""
    assert closeness(0.7, 0.7) == 0 and closeness(1.0, 0.7) == pytest.approx(1)
    far = Space("bge", np.array([[0.2, 0.88]]), random=0.7)
    near = Space("minilm", np.array([[0.2, 0.88]]), random=0.1)
    text = Compared("n", "Something else.")
    assert alone(text, [CAT, OTHER], spaces=[far]) == []
    (found,) = alone(text, [CAT, OTHER], spaces=[far, near])
    assert (found.name, found.positive) == ("similar", "q")
    assert found.severity == pytest.approx(0.6 * 0.78 / 0.9)
    assert found.told == "cosine 0.88 to the positive q in minilm (random documents: 0.10)"
    assert alone(text, [CAT, OTHER], spaces=[near], close=0.9) == []


def test_scores_above_a_positive_count_by_their_share_also_below_zero():
    """Above 2 of 3 positives in one encoder, of none in the other: a third of the strongest, 0.4."""
    one = Space("a", scores=np.array([-0.2]), positive_scores=np.array([-0.1, -0.3, -0.5]))
    two = Space("b", scores=np.array([1.0]), positive_scores=np.array([1.0, 2.0, 3.0]))
    (found,) = alone(Compared("n", "x y z"), [CAT, OTHER, CAT], spaces=[one, two])
    assert found.name == "retrieval" and found.severity == pytest.approx(0.4 / 3)
    assert found.told == "scores higher than a positive: a -0.2, above 2 of 3 positives"
    reranked = Space("ce", scores=np.array([4.0]), positive_scores=np.array([1.25]))
    (found,) = alone(Compared("n", "x y z"), reranked=reranked)
    assert (found.name, found.severity) == ("reranker", 0.7)
    assert found.told == "scores higher than a positive: ce 4, above the positive's 1.25"


@pytest.mark.parametrize(
    ("ranks", "severity"), [((3, 0), None), ((3, 1), 0.3), ((3, 0, 7), 0.2), ((3, 0, 0, 9), None), ((3,), None)]
)
def test_more_than_half_of_the_encoders_must_agree(ranks, severity):
    spaces = [Space(f"e{n}", ranks=np.array([rank])) for n, rank in enumerate(ranks)]
    found = alone(Compared("n", "x y z"), [], spaces=[*spaces, Space("not asked")])
    if severity is None:
        assert found == []
    else:
        assert names(found) == ["agreement"] and found[0].severity == pytest.approx(severity)
        assert "e0 3" in found[0].told and "e1 0" not in found[0].told


def test_reasons_stand_in_the_order_of_the_negatives_the_most_severe_first():
    space = Space("e", np.array([[0.9], [0.1]]), 0.0, np.array([2.0, 0.5]), np.array([1.0]), ranks=np.array([1, 0]))
    judged = Compared("n1", "x y z", relevant_to=("Ada in labels (grade 2)",))
    first, second = reasons([judged, Compared("n2", "x y z")], [CAT], [space])
    assert names(first) == ["judged", "similar", "retrieval"] and second == []
    assert first[0].told == "judged relevant by Ada in labels (grade 2)"
    assert reasons([], [CAT], [space]) == []
