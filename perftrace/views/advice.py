"""Advice as plain text: one concrete next step for each finding."""

from typing import NamedTuple

from perftrace.analysis.advice import Advice, Finding
from perftrace.analysis.trace_rules import Rule
from perftrace.formats.line import Language
from perftrace.views.table import duration, shorten

MAX_FINDINGS = 10
"""How many are listed; the rest is a number."""


class Words(NamedTuple):
    """The words in one language."""

    first: str
    nothing: str
    gain: str
    evidence: str
    more: str
    texts: dict[Rule, str]


WORDS: dict[Language, Words] = {
    "zh": Words(
        "共看了 {count} 条轨迹，{findings} 条建议，按可省的总时间排列:",
        "共看了 {count} 条轨迹，没有可建议的。",
        "可省 {total}（p50 {p50}，p95 {p95}）；{count} 条轨迹；把握 {confidence:.0%}",
        "例如 {ids}",
        "……另有 {count} 条建议",
        {
            "repeated_lookup": "{operation} 在一次处理里用同一个键多次调用 {segment}: 查一次，把结果往下传或放进缓存。",
            "state_check": "{operation} 每次都要等 {segment}: 把状态放在内存缓存里，改变时再更新。",
            "n_plus_one": "{operation} 逐个调用 {segment}（N+1）: 用一次批量查询代替。",
            "sequential_awaits": "{operation} 依次等待 {segment}: 如果互不依赖，用 asyncio.gather 同时进行。",
            "slow_external": "{operation} 花很多时间等外部服务 {segment}: 设超时，能先回复用户的就先回复，之后再调用。",
            "retried_external": "{operation} 调用 {segment} 失败后重试: 缩短超时，重试时退避，或先回复用户再重试。",
            "large_download": "{operation} 在 {segment} 传输大量数据: 先压缩或缩小，只取需要的尺寸，或边下载边处理。",
            "slow_database": "{operation} 花很多时间在数据库 {segment}: 看执行计划，加索引，少取列和行。",
            "blocking_step": "{operation} 的 {segment} 长时间占住事件循环，别人都得等: 用 asyncio.to_thread 或进程。",
            "cold_start": "{operation} 的 {segment} 在每个进程里第一次特别慢: 启动时预热（连接、模型、缓存）。",
            "rare_stall": "{operation} 的 {segment} 偶尔停顿很久: 看当时撞上了什么（锁、连接池、垃圾回收），并设超时。",
        },
    ),
    "en": Words(
        "{count} traces looked at, {findings} findings, by the time that they would save in all:",
        "{count} traces looked at; nothing to advise.",
        "saves {total} (p50 {p50}, p95 {p95}); {count} traces; confidence {confidence:.0%}",
        "such as {ids}",
        "... and {count} findings more",
        {
            "repeated_lookup": "{operation} calls {segment} more than once with the same key in one trace: ask once "
            "and hand the answer on, or cache it.",
            "state_check": "{operation} waits for {segment} each time: keep the state in a memory cache and update it "
            "where it changes.",
            "n_plus_one": "{operation} calls {segment} one by one (N+1): ask for all at once.",
            "sequential_awaits": "{operation} awaits {segment} one after another: if they are independent, run them "
            "together with asyncio.gather or a TaskGroup.",
            "slow_external": "{operation} spends much time waiting for {segment}, another service: set a timeout, and "
            "move the call behind the reply if the reply does not need it.",
            "retried_external": "{operation} calls {segment} again after failures: shorten the timeout, back off, or "
            "reply first and try again afterwards.",
            "large_download": "{operation} moves many bytes in {segment}: compress or shrink first, ask for the size "
            "that is needed, or process while it arrives.",
            "slow_database": "{operation} spends much time in the database, in {segment}: look at the query plan, add "
            "an index, fetch fewer columns and rows.",
            "blocking_step": "{segment} of {operation} holds the event loop, and everybody else waits: move it to "
            "asyncio.to_thread or a process pool.",
            "cold_start": "{segment} of {operation} is much slower the first time in a process: warm up at the start "
            "(connections, models, caches).",
            "rare_stall": "{segment} of {operation} stalls now and then: see what those runs met (a lock, a full pool, "
            "a collection), and set a timeout.",
        },
    ),
}


def finding_text(finding: Finding, language: Language) -> str:
    """Return what to do next, in a sentence."""
    text = WORDS[language].texts[finding.rule]
    return text.format(operation=shorten(finding.operation), segment=shorten(finding.segment))


def advice_text(found: Advice, language: Language) -> str:
    """Write the findings, each with its gain and where to look."""
    words = WORDS[language]
    if not found.findings:
        return words.nothing.format(count=found.count) + "\n"
    lines = [words.first.format(count=found.count, findings=len(found.findings))]
    shown = found.findings[:MAX_FINDINGS]
    for number, finding in enumerate(shown, 1):
        gain = finding.gain
        lines += ["", f"{number}. {finding_text(finding, language)}"]
        lines.append(
            "   "
            + words.gain.format(
                total=_saved(gain.total),
                p50=_saved(gain.p50),
                p95=_saved(gain.p95),
                count=finding.count,
                confidence=finding.confidence,
            )
        )
        lines.append("   " + words.evidence.format(ids=", ".join(map(shorten, finding.evidence[:3]))))
    if len(found.findings) > len(shown):
        lines += ["", words.more.format(count=len(found.findings) - len(shown))]
    return "\n".join(lines) + "\n"


def _saved(seconds: float) -> str:
    return duration(max(0.0, seconds))
