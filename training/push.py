"""Send a checkpoint to a model hub; nothing is sent unless somebody asks for it by name."""

from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from morelli.model.checkpoint import LIST, checkpoint_in, read_list


class PushError(RuntimeError):
    """A checkpoint that could not be sent; the message says why and what to do."""


@dataclass(frozen=True)
class Parcel:
    """What is to be sent.

    Attributes:
        folder: the checkpoint.
        repository: "owner/name" on the hub.
        files: names in the folder, in order.
        size: of all of them, in bytes.
    """

    folder: Path
    repository: str
    files: tuple[str, ...]
    size: int

    def __str__(self) -> str:
        lines = [f"{self.folder} -> {self.repository}, {self.size / 1e6:.1f} MB:"]
        return "\n".join([*lines, *(f"  {name}" for name in self.files)])


def parcel_of(source: Path, repository: str) -> Parcel:
    """Check a checkpoint, and list the files of it that would be sent; no network is needed.

    Only what the checkpoint's own list names goes along, with the list and the card: no optimiser,
    no log and no picture of the run around it.

    Args:
        source: a checkpoint or a run.
        repository: "owner/name" on the hub.

    Raises:
        CheckpointError: it is missing, damaged, or holds a pickle.
    """
    folder = checkpoint_in(source)
    listed = [*read_list(folder)["files"], LIST, "README.md"]
    files = tuple(sorted(name for name in listed if (folder / name).is_file()))
    return Parcel(folder, repository, files, sum((folder / f).stat().st_size for f in files))


def push(parcel: Parcel, public: bool = False) -> str:
    """Send a parcel in one commit, and return the address of the repository.

    The account is the one of `hf auth login` or of the variable HF_TOKEN; the variable HF_ENDPOINT
    names another hub than huggingface.co.

    Args:
        parcel: what to send.
        public: let everybody see a repository that is made for it; else only the account.

    Raises:
        PushError: the hub cannot be reached, or refuses.
    """
    hub = HfApi()
    try:
        address = hub.create_repo(
            parcel.repository, private=not public, exist_ok=True, repo_type="model"
        )
        hub.upload_folder(
            repo_id=parcel.repository,
            folder_path=parcel.folder,
            allow_patterns=list(parcel.files),
            commit_message=f"Morelli checkpoint {parcel.folder.resolve().parent.name}",
        )
    except HFValidationError as error:
        raise PushError(f"{parcel.repository!r} is no name of a repository: {error}") from error
    except OfflineModeIsEnabled as error:
        raise PushError("the variable HF_HUB_OFFLINE is set; unset it to push") from error
    except HfHubHTTPError as error:
        first = str(error).splitlines()[0]
        raise PushError(f"the hub refused: {first} Log in with `hf auth login`.") from error
    except (HTTPError, OSError) as error:
        raise PushError(f"the hub cannot be reached: {error}; nothing was published") from error
    return str(address)
