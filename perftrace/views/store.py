"""What the store's commands say, as plain text."""

from datetime import UTC, datetime
from typing import NamedTuple

from perftrace.formats.line import Language, escape
from perftrace.store.compaction import Compacted
from perftrace.store.integrity import FileCheck
from perftrace.store.inventory import Inventory
from perftrace.store.pruning import Pruned


class Words(NamedTuple):
    """The words in one language."""

    files: str
    kind: str
    records: str
    written: str
    other_files: str
    compacted: str
    kept: str
    in_use: str
    pruned: str
    left: str
    over: str
    sound: str
    unsound: str
    torn: str
    damaged: str
    newer: str
    live: str


WORDS: dict[Language, Words] = {
    "zh": Words(
        "文件: {files} 个，其中 {in_use} 个正在写入",
        "{kind}: {files} 个文件，{size}",
        "记录: {records} 条",
        "最后写入: 最早 {oldest}，最晚 {newest}",
        "非本存储的文件: {names}",
        "已压缩 {files} 个文件、{records} 条记录: {before} → {after}",
        "未能识别的 {lines} 行保留在 *.kept.jsonl 中",
        "{files} 个文件正在使用，未作改动",
        "已删除 {files} 个文件，{size}",
        "剩余 {files} 个文件，{size}",
        "剩余文件仍超出上限: 它们正在使用",
        "完好: {files} 个文件，{records} 条记录",
        "有问题: {bad} 个文件（共 {files} 个）；可读记录 {records} 条",
        "最后一行不完整",
        "{count} 行损坏",
        "{count} 行由更新版本的 perftrace 写入",
        "正在写入",
    ),
    "en": Words(
        "Files: {files}, {in_use} of them being written to",
        "{kind}: {files} files, {size}",
        "Records: {records}",
        "Last written to: {oldest} the oldest, {newest} the newest",
        "Not of the store: {names}",
        "Compacted {files} files, {records} records: {before} → {after}",
        "{lines} lines that are no records stay in *.kept.jsonl",
        "{files} files are in use and stay as they are",
        "Removed {files} files, {size}",
        "{files} files are left, {size}",
        "What is left is still too much: it is in use",
        "Sound: {files} files, {records} records",
        "Not sound: {bad} of {files} files; {records} records can be read",
        "the last line is torn",
        "{count} damaged lines",
        "{count} lines of a newer perftrace",
        "being written to",
    ),
}


def stats_text(found: Inventory, language: Language) -> str:
    """Describe what lies in a store."""
    words = WORDS[language]
    lines = [words.files.format(files=found.files, in_use=found.in_use)]
    kinds = (
        ("JSON lines", found.lines_files, found.lines_bytes),
        ("Parquet", found.parquet_files, found.parquet_bytes),
    )
    lines += (words.kind.format(kind=kind, files=files, size=_size(size)) for kind, files, size in kinds if files)
    if found.records is not None:
        lines.append(words.records.format(records=found.records))
    if found.oldest_ns is not None and found.newest_ns is not None:
        lines.append(words.written.format(oldest=_moment(found.oldest_ns), newest=_moment(found.newest_ns)))
    if found.other_files:
        lines.append(words.other_files.format(names=", ".join(map(escape, found.other_files))))
    return "".join(f"{line}\n" for line in lines)


def compact_text(done: Compacted, language: Language) -> str:
    """Describe what a compaction did."""
    words = WORDS[language]
    before, after = _size(done.bytes_before), _size(done.bytes_after)
    text = f"{words.compacted.format(files=done.files, records=done.records, before=before, after=after)}\n"
    if done.kept_lines:
        text += f"{words.kept.format(lines=done.kept_lines)}\n"
    return text + (f"{words.in_use.format(files=done.in_use)}\n" if done.in_use else "")


def prune_text(done: Pruned, language: Language) -> str:
    """Describe what was removed and what is left."""
    words = WORDS[language]
    text = f"{words.pruned.format(files=done.files, size=_size(done.bytes))}\n"
    text += f"{words.left.format(files=done.left_files, size=_size(done.left_bytes))}\n"
    return text + (f"{words.over}\n" if done.is_over else "")


def check_text(files: list[FileCheck], language: Language) -> str:
    """Name each file in which something is not as it should be, and sum up."""
    words = WORDS[language]
    bad = [file for file in files if not file.is_sound]
    counts = {"files": len(files), "bad": len(bad), "records": sum(file.records for file in files)}
    lines = [f"{escape(file.name)}: {', '.join(_findings(file, words))}" for file in bad]
    return "".join(f"{line}\n" for line in [*lines, (words.unsound if bad else words.sound).format(**counts)])


def _findings(file: FileCheck, words: Words) -> list[str]:
    found = [words.damaged.format(count=file.damaged)] if file.damaged else []
    found += [words.torn] if file.is_torn else []
    found += [words.newer.format(count=file.newer)] if file.newer else []
    found += [escape(file.error)] if file.error else []
    return found + ([words.live] if file.in_use else [])


def _size(count: int) -> str:
    """Write bytes with three digits and a decimal unit."""
    value, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
