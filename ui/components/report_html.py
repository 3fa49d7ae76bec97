"""The report of an evaluation as one HTML file: it opens offline, runs nothing, and prints; all text is escaped."""

import json
import time
from collections.abc import Mapping

from ui.components.assets import FOLDER
from ui.components.evaluate_charts import difference_bars, milliseconds
from ui.components.evaluate_compare import bare_p, compare_table, sentence, signed, word
from ui.components.evaluate_parts import between, costs_html, settled, share
from ui.components.evaluate_table import NEAR, percent
from ui.components.figures import several
from ui.components.report_words import measure_words, pipeline_words
from ui.components.text import clip, escape
from workbench.workflows.evaluate import Comparison, RunFigures
from workbench.workflows.evaluated import pipeline_of
from workbench.workflows.report import Report, Sample

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
DOCUMENT = 360
"""Characters of a document that a sample shows."""


def report_html(report: Report) -> str:
    """The whole document."""
    evaluation = report.evaluation
    title = report.asked.title.strip() or f"Evaluation of search on {report.corpus['name']}"
    style = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "evaluate_charts.css"))
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.made_at))
    question = report.asked.question.strip()
    asked = f'<p class="question" dir="auto">{escape(question)}</p>' if question else ""
    facts = (
        f"{several(len(evaluation.runs), 'system')} · "
        f"{several(evaluation.counts.judged_queries, 'judged query/judged queries')}"
        f" of “{evaluation.query_set}” · corpus {report.corpus['name']}, version {report.corpus['version']} · {made}"
    )
    parts = [
        section("In short", short(report)),
        section("What was compared", compared(report)),
        section("How it was measured", measured(report)),
        section("Results", results(report)),
        section("Differences from the baseline", differences(report)),
        section("Query by query", by_query(report)),
        section("Queries that fail", samples(report)),
        section(
            "Quality against time and memory", costs_html(report.points, report.asked.measure) if report.points else ""
        ),
        section("What more judging could change", judging(report)),
        section("Exact settings", settings(report)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        'content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f'<header><h1 dir="auto">{escape(title)}</h1><p class="dim">{escape(facts)}</p>{asked}</header>'
        f'{"".join(parts)}<footer class="dim">Made with the Retrieval Workbench '
        f"{escape(report.versions['retrieval-workbench'])}"
        f" from the project “{escape(report.project)}”, {made}.</footer></main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def short(report: Report) -> str:
    """The finding of the comparison that was asked for, then who is the best and the fastest."""
    evaluation, measure = report.evaluation, report.asked.measure
    if not evaluation.query_ids:
        return "<p>No query has a judgment yet, so nothing could be measured.</p>"
    lines = [
        sentence(each, len(report.comparisons))
        for each in report.comparisons
        if each.measure == measure and each.run == report.asked.other
    ]
    ranked = sorted(evaluation.runs, key=lambda each: -(each.means[measure] or 0.0))
    best = ranked[0]
    low, high = report.intervals[best.run.name][measure]
    lines.append(
        f"The highest {measure} is that of “{best.run.name}”: {best.means[measure]:.4f} (95% interval {low:.4f} to "
        f"{high:.4f} over the queries)."
    )
    lines += [quickest(report)] if len(report.points) > 1 else []
    shares = [judged for each in evaluation.runs if (judged := each.judged[measure]) is not None]
    if shares and min(shares) < 0.9:
        lines.append(
            f"Up to {100 - 100 * min(shares):.0f}% of the documents that count were never judged; they are taken as "
            "not relevant."
        )
    return "".join(f'<p class="lead">{escape(line)}</p>' for line in lines if line)


def quickest(report: Report) -> str:
    """The run with the least time a query, as a sentence; "" where no time is known. Not escaped."""
    known = [(each.milliseconds, each) for each in report.points if each.milliseconds is not None]
    if not known:
        return ""
    spent, point = min(known, key=lambda each: each[0])
    return (
        f"The quickest is “{point.name}”: {milliseconds(spent)} a query where many are asked at once, with "
        f"{report.asked.measure} {point.quality:.4f}."
    )


def compared(report: Report) -> str:
    rows = []
    for each in report.evaluation.runs:
        pipeline = pipeline_of(each.run)
        said = (
            pipeline_words(pipeline)
            if pipeline
            else f"rankings read from the file “{each.run.manifest.get('source', '')}”"
        )
        base = " (the baseline)" if each.run.name == report.asked.baseline else ""
        depth = each.run.manifest.get("k")
        kept = f"; {depth:,} documents a query" if isinstance(depth, int) else ""
        rows.append(f"<li><b>{escape(each.run.name)}</b>{base}: {escape(said)}{kept}.</li>")
    return f"<ul>{''.join(rows)}</ul>"


def measured(report: Report) -> str:
    evaluation, counts = report.evaluation, report.evaluation.counts
    words = "".join(f"<li><b>{escape(name)}</b>: {escape(measure_words(name))}</li>" for name in evaluation.measures)
    labels = ", ".join(evaluation.label_sets) or "none"
    notes = "".join(f"<li>{escape(each)}</li>" for each in evaluation.warnings)
    return (
        f"<p>Every system answered the same queries; {counts.judged_queries:,} of {counts.queries:,} queries have "
        "judgments "
        f"({counts.judgments:,} in all; label sets: {escape(labels)}). A query for which nothing relevant was found "
        "counts 0. "
        "Higher is better.</p>"
        f"<ul>{words}</ul>{f'<h3>Please note</h3><ul>{notes}</ul>' if notes else ''}"
    )


def results(report: Report) -> str:
    """Means with their intervals, the best of each column bold."""
    evaluation = report.evaluation
    if not evaluation.query_ids:
        return ""
    best = {name: max(each.means[name] or 0.0 for each in evaluation.runs) for name in evaluation.measures}
    rows = "".join(
        f'<tr><th scope="row">{escape(each.run.name)}</th>'
        + "".join(mean_cell(each, name, best[name], report.intervals[each.run.name][name]) for name in best)
        + "</tr>"
        for each in evaluation.runs
    )
    heads = "".join(f'<th class="num">{escape(name)}</th>' for name in evaluation.measures)
    return (
        f'<div class="scroll"><table><thead><tr><th>system</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="dim">Mean over the judged queries; below it the 95% bootstrap interval and the share of the '
        "documents "
        "that count which was judged. The best of each column is bold.</p>"
    )


def mean_cell(figures: RunFigures, measure: str, best: float, interval: tuple[float, float]) -> str:
    mean, judged = figures.means[measure] or 0.0, figures.judged[measure]
    value = f"<b>{mean:.4f}</b>" if mean >= best - NEAR else f"{mean:.4f}"
    told = "" if judged is None else f"<small>{percent(judged)} judged</small>"
    return f'<td class="num">{value}<small>{interval[0]:.4f} to {interval[1]:.4f}</small>{told}</td>'


def differences(report: Report) -> str:
    """The asked measure drawn, then all comparisons as numbers."""
    if not report.comparisons:
        return ""
    own = [each for each in report.comparisons if each.measure == report.asked.measure]
    rest = [each for each in report.comparisons if each.measure != report.asked.measure]
    others = ""
    if rest:
        rows = "".join(comparison_row(each) for each in rest)
        others = (
            '<h3>The other measures</h3><div class="scroll"><table><thead><tr><th>system</th><th>measure</th><th '
            'class="num">'
            'difference</th><th class="num">95% interval</th><th class="num">p, corrected</th><th>outcome</th></tr>'
            "</thead>"
            f"<tbody>{rows}</tbody></table></div>"
        )
    return (
        f"<p>Each system less “{escape(report.asked.baseline)}” in {escape(report.asked.measure)}, query by query. "
        "The line is "
        "the 95% interval; where it crosses zero (dashed), chance may explain the difference.</p>"
        f"{compare_table(own)}{others}"
    )


def comparison_row(each: Comparison) -> str:
    return (
        f'<tr><th scope="row">{escape(each.run)}</th><td>{escape(each.measure)}</td><td class="num">'
        f"{signed(each.mean)}</td>"
        f'<td class="num">{signed(each.low)} … {signed(each.high)}</td><td class="num">{bare_p(each.p_holm)}</td>'
        f"<td>{word(each)}</td></tr>"
    )


def by_query(report: Report) -> str:
    if report.paired is None:
        return ""
    return (
        f"<p>“{escape(report.asked.other)}” less “{escape(report.asked.baseline)}” in "
        f"{escape(report.asked.measure)} for each "
        f"query, the worst at the left.</p>{difference_bars(report.paired.difference)}"
    )


def samples(report: Report) -> str:
    """Queries with the ranks of their judged documents, and the documents' beginnings."""
    if not report.samples:
        return ""
    base, other, name = report.asked.baseline, report.asked.other, escape(report.asked.measure)
    order = (
        f"What “{escape(other)}” loses to “{escape(base)}” in {name}, the most first, then where it is below its "
        "own mean."
        if other != base
        else f"Where “{escape(other)}” is below its mean in {name}, the lowest first."
    )
    return f"<p>{order}</p>" + "".join(sample(report, each) for each in report.samples)


def sample(report: Report, each: Sample) -> str:
    pair = list(dict.fromkeys([report.asked.baseline, report.asked.other]))
    rows = "".join(
        f'<tr><td class="num">{gold.relevance}</td>'
        + "".join(f'<td class="num">{rank(gold.ranks.get(name))}</td>' for name in pair)
        + f'<td dir="auto"><b>{escape(clip(gold.doc_id, 60))}</b> '
        f"{escape(clip(each.texts.get(gold.doc_id, 'not in the corpus'), DOCUMENT))}</td></tr>"
        for gold in each.gold
    )
    values = " → ".join(
        f"{value:.4f} ({escape(clip(name, 60))})"
        for name, value in zip(pair, (each.baseline, each.other), strict=False)
    )
    heads = "".join(f'<th class="num">rank, {escape(clip(name, 24))}</th>' for name in pair)
    return (
        f'<article><h3 dir="auto">{escape(clip(each.text, 600) or each.query_id)}</h3><p class="dim">query '
        f"{escape(clip(each.query_id, 80))} · {escape(report.asked.measure)} {values}</p><table><thead><tr>"
        f'<th class="num">relevance</th>{heads}<th>judged document</th></tr></thead><tbody>{rows}</tbody></table>'
        "</article>"
    )


def rank(place: int | None) -> str:
    return f"{place:,}" if place else "not found"


def judging(report: Report) -> str:
    """What the unjudged documents could make of the means."""
    measure = report.asked.measure
    known = [(each, limits) for each in report.evaluation.runs if (limits := each.bounds[measure]) is not None]
    if not known:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(each.run.name)}</th><td class="ec-cell">'
        f"{between(limits, each.means[measure] or 0.0)}</td>"
        f'<td class="num">{limits[0]:.4f} … {limits[1]:.4f}</td><td class="num">{share(each.judged[measure])}</td></tr>'
        for each, limits in known
    )
    return (
        f"<p>{settled({each.run.name: limits for each, limits in known}, measure)}</p>"
        '<div class="scroll"><table><thead><tr><th>system</th><th>from 0 to 1</th>'
        f'<th class="num">{escape(measure)} could become</th><th class="num">unjudged</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def settings(report: Report) -> str:
    """Everything that is needed to repeat it."""
    evaluation = report.evaluation
    runs = "".join(
        f"<h3>{escape(each.run.name)}</h3><p class='dim'>run {each.run.id}, artifact <code>"
        f"{escape(each.run.artifact.id)}</code>"
        f", made {time.strftime('%Y-%m-%d %H:%M', time.localtime(each.run.artifact.created_at))}</p>"
        f"<pre>{escape(pretty({'spec': dict(each.run.artifact.spec), 'lineage': each.run.manifest.get('lineage')}))}"
        "</pre>"
        for each in evaluation.runs
    )
    own = {
        "query_set": evaluation.query_set,
        "corpus": report.corpus,
        "label_sets": evaluation.label_sets,
        "measures": evaluation.measures,
        "options": evaluation.options.to_dict(),
        "intervals": "percentile bootstrap, 10,000 resamples, 95%, seed 0; differences are paired by query",
        "tests": "Fisher's randomisation test, two-sided, 10,000 resamples, seed 0 (exact where few queries "
        "differ); Holm's "
        f"correction over {len(report.comparisons)} comparisons; significant: corrected p below 0.05",
    }
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in report.versions.items()
    )
    return f"<pre>{escape(pretty(own))}</pre>{runs}<h3>Versions</h3><table class='narrow'>{rows}</table>"


def pretty(values: Mapping[str, object], prefix: str = "") -> str:
    """Settings as lines “name: value”, what lies inside others with dots."""
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines.append(pretty(value, f"{prefix}{name}."))
        elif isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
            lines += [pretty(each, f"{prefix}{name}[{n}].") for n, each in enumerate(value, 1)]
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            lines.append(f"{prefix}{name}: {text}")
    return "\n".join(lines)
