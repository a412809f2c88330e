"""What the store's commands say, as plain text."""

from datetime import UTC, datetime

from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import StoreTexts
from perftrace.store.compaction import Compacted
from perftrace.store.integrity import FileCheck
from perftrace.store.inventory import Inventory
from perftrace.store.pruning import Pruned


def stats_text(found: Inventory, language: Language) -> str:
    """Describe what lies in a store."""
    words = TEXTS[language].store
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
    words = TEXTS[language].store
    before, after = _size(done.bytes_before), _size(done.bytes_after)
    text = f"{words.compacted.format(files=done.files, records=done.records, before=before, after=after)}\n"
    if done.kept_lines:
        text += f"{words.kept.format(lines=done.kept_lines)}\n"
    return text + (f"{words.in_use.format(files=done.in_use)}\n" if done.in_use else "")


def prune_text(done: Pruned, language: Language) -> str:
    """Describe what was removed and what is left."""
    words = TEXTS[language].store
    text = f"{words.pruned.format(files=done.files, size=_size(done.bytes))}\n"
    text += f"{words.left.format(files=done.left_files, size=_size(done.left_bytes))}\n"
    return text + (f"{words.over}\n" if done.is_over else "")


def check_text(files: list[FileCheck], language: Language) -> str:
    """Name each file in which something is not as it should be, and sum up."""
    words = TEXTS[language].store
    bad = [file for file in files if not file.is_sound]
    counts = {"files": len(files), "bad": len(bad), "records": sum(file.records for file in files)}
    lines = [f"{escape(file.name)}: {', '.join(_findings(file, words))}" for file in bad]
    return "".join(f"{line}\n" for line in [*lines, (words.unsound if bad else words.sound).format(**counts)])


def _findings(file: FileCheck, words: StoreTexts) -> list[str]:
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
