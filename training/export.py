"""Turn what was trained into files that stand alone."""

from pathlib import Path

from transformers import AutoModelForCausalLM

from morelli.model.checkpoint import load_checkpoint, write_list

LANGUAGE = "language"
"""Folder of the language part alone, in an export."""


def merge(source: Path | None, out: Path) -> Path:
    """Merge an adapter into its base weights and write a full checkpoint; return its folder.

    The base weights' licences bind the result.

    Args:
        source: a checkpoint or a run; None merges the one that ships.
        out: made if missing; must be empty.

    Raises:
        CheckpointError: the source is missing, damaged, or holds a pickle.
        FileExistsError: there is something in `out`.
        PullError: base weights have not been pulled.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    checkpoint = load_checkpoint(source)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.model.save_pretrained(str(out))
    checkpoint.processor.save_pretrained(out)
    checkpoint.calibrator.save(out)
    write_list(out, checkpoint.name, checkpoint.version, checkpoint.validation)
    return out


def export(source: Path | None, out: Path) -> Path:
    """Merge as `merge` does, and write the language part beside it as a causal language model.

    The part in `out`/language is an ordinary Hugging Face model, which other tools convert and
    serve; it knows the answer grammar and sees nothing.

    Args:
        source: as of `merge`.
        out: as of `merge`.

    Raises:
        OSError: as `merge`, and its other errors.
    """
    merge(source, out)
    checkpoint = load_checkpoint(out)
    model = checkpoint.model
    language = AutoModelForCausalLM.from_config(model.config.text_config)
    language.model.load_state_dict(model.model.language_model.state_dict())
    language.lm_head.load_state_dict(model.lm_head.state_dict())
    language.save_pretrained(str(out / LANGUAGE))
    checkpoint.processor.save_pretrained(out / LANGUAGE)
    return out
