"""Every benchmark by its name: what it holds, how it is laid out, what its figures mean."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from morelli.eval.benchmarks import forensics_bench, loki
from morelli.eval.benchmarks.item import Item
from morelli.eval.benchmarks.manifests import read_manifest
from morelli.eval.benchmarks.published import layout_of, reader_of


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One line of `BENCHMARKS`.

    Attributes:
        title: what it is.
        layout: the files that its folder must hold.
        protocol: what is counted as what; printed beside the figures.
        where: where a user gets it.
        read: yields its items from its folder.
    """

    title: str
    layout: str
    protocol: str
    where: str
    read: Callable[[Path], Iterator[Item]]


_LOCAL = "authentic against tampered"

BENCHMARKS: dict[str, Benchmark] = {
    "manifest": Benchmark(
        "a folder of your own with a manifest",
        "manifest.csv (path, label, mask_path, source, manipulation), or\n"
        "manifest.jsonl as `morelli data synth` writes it",
        "labels as given; each source of a manifest.csv is a set of its own",
        "your own pictures",
        read_manifest,
    ),
    "misd": Benchmark(
        "Multiple Image Splicing Dataset",
        layout_of("misd"),
        _LOCAL,
        "Kadam et al., Data 2021; Mendeley Data",
        reader_of("misd"),
    ),
    "casia1": Benchmark(
        "CASIA 1.0 with masks",
        layout_of("casia1"),
        _LOCAL + "; all of Au and Tp (the plus version leaves out some of Au)",
        "Dong et al., ChinaSIP 2013; masks: github.com/namtpham/casia1groundtruth",
        reader_of("casia1"),
    ),
    "columbia": Benchmark(
        "Columbia uncompressed image splicing",
        layout_of("columbia"),
        "authentic against tampered; the green part of an edge mask counts as altered",
        "Hsu and Chang, ICME 2006; Columbia DVMM",
        reader_of("columbia"),
    ),
    "coverage": Benchmark(
        "COVERAGE, copy-move with similar genuine objects",
        layout_of("coverage"),
        "authentic against tampered; the pasted region alone counts as altered",
        "Wen et al., ICIP 2016; github.com/wenbihan/coverage",
        reader_of("coverage"),
    ),
    "imd2020": Benchmark(
        "IMD2020, real-life manipulations",
        layout_of("imd2020"),
        _LOCAL,
        "Novozamsky et al., WACVW 2020",
        reader_of("imd2020"),
    ),
    "nist16": Benchmark(
        "NIST Nimble 2016 (NC2016_Test0613)",
        layout_of("nist16"),
        "IsTarget Y is tampered; near-duplicates are kept",
        "NIST, on request",
        reader_of("nist16"),
    ),
    "autosplice": Benchmark(
        "AutoSplice, DALL-E 2 inpainting",
        layout_of("autosplice"),
        _LOCAL + "; each JPEG quality is a source",
        "Jia et al., CVPRW 2023; on request",
        reader_of("autosplice", part="jpeg_quality"),
    ),
    "sidset": Benchmark(
        "SID-Set, three classes",
        layout_of("sidset"),
        "the validation part; three classes; masks of the tampered ones",
        "Huang et al. (SIDA), CVPR 2025",
        reader_of("sidset", split="validation"),
    ),
    "sofake": Benchmark(
        "So-Fake-OOD, social media and commercial generators, three classes",
        layout_of("sofake"),
        "the test part, read inside its parquet files; three classes; masks of the tampered ones;\n"
        "each generator is a kind (2.0; 1.0 does not name them: say which was scored)",
        "Huang et al. (So-Fake-R1), 2025; huggingface.co/datasets/saberzl/So-Fake-OOD",
        reader_of("sofake", split="test"),
    ),
    "fakeclue": Benchmark(
        "FakeClue, generated or not, with reasons",
        layout_of("fakeclue"),
        "the test part; published as real against fake: compare binary_accuracy; fakes of the\n"
        "category deepfake are labelled tampered, others synthetic; words against its own",
        "Wen et al. (FakeVLM), NeurIPS 2025",
        reader_of("fakeclue", part="category", split="test"),
    ),
    "synthscars": Benchmark(
        "SynthScars, artefacts of generated pictures",
        layout_of("synthscars"),
        "the test part; every picture is generated, so there is no AUC; the outlines of visible\n"
        "artefacts are the true mask; F1 of altered pixels alone (its paper's mIoU averages the\n"
        "background in)",
        "Kang et al. (LEGION), ICCV 2025",
        reader_of("synthscars", split="test"),
    ),
    "genimage": Benchmark(
        "GenImage, eight generators",
        layout_of("genimage"),
        "the val part; nature is authentic, ai synthetic; each generator is a source. Its PNGs\n"
        "and JPEGs differ by class: score with --transform jpeg:90, too",
        "Zhu et al., NeurIPS 2023; github.com/GenImage-Dataset/GenImage",
        reader_of("genimage", part="generator", split="val"),
    ),
    "mmtd": Benchmark(
        "MMTD-Set, altered pictures of seven collections, with descriptions",
        layout_of("mmtd"),
        _LOCAL + "; each collection is a source; words against its descriptions, whose first\n"
        "sentences say whether a picture was altered",
        "Xu et al. (FakeShield), ICLR 2025; github.com/zhipeixu/FakeShield",
        reader_of("mmtd", part="collection"),
    ),
    "forgerynet": Benchmark(
        "ForgeryNet, its image part",
        layout_of("forgerynet"),
        "the validation part, as perturbed by its authors; every forged face is tampered; each of\n"
        "the sixteen labels is a source; located where spatial_localize is there",
        "He et al., CVPR 2021; yinanhe.github.io/projects/forgerynet.html",
        reader_of("forgerynet", part="method", split="validation"),
    ),
    "loki": Benchmark(
        "LOKI, true or false, multiple choice and explanation",
        loki.LAYOUT,
        loki.PROTOCOL,
        "Ye et al., ICLR 2025; questions: github.com/opendatalab/LOKI (branch dev), pictures:\n"
        "huggingface.co/datasets/bczhou/LOKI",
        loki.read_loki,
    ),
    "forensicsbench": Benchmark(
        "Forensics-Bench, multiple choice",
        forensics_bench.LAYOUT,
        forensics_bench.PROTOCOL,
        "Wang et al., CVPR 2025; huggingface.co/datasets/Forensics-bench/Forensics-bench",
        forensics_bench.read_forensics_bench,
    ),
}
"""A new benchmark is a line here and a reader that yields items."""


def folder_of(name: str, data: Path, alone: bool) -> Path:
    """Return the folder of a benchmark: data/NAME, or data itself if it is the only one asked for.

    Raises:
        ValueError: there is none.
    """
    own = data / name
    if own.is_dir():
        return own
    if alone and data.is_dir():
        return data
    raise ValueError(f"{own} does not exist; put {name} there, or name it alone with --data")
