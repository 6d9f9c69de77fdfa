"""One pass over a picture's prompt and all the answers that were sampled for it.

The prompt is most of the tokens, and a pass for each answer would read it as often as there are
answers. Here every answer sees the prompt and itself but no other answer, and its positions count
on from the prompt: states and gradients are those of passes of their own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.vision import ViewFeatures, select_tiles
from morelli.training.cases import Case
from morelli.training.conversations import UNKNOWN, altered_shares
from morelli.training.losses import mask_loss, overlap_loss
from morelli.training.rollouts import RolloutReader
from morelli.training.sampling_weights import token_weight

_ROWS = 256
"""Tokens whose logits are held at a time; those of all answers would fill memory."""

_CROSS_ENTROPY = 0.25
"""Weight beside the overlap: keeps the map sensible where the overlap has no gradient."""


@dataclass(frozen=True)
class Sampled:
    """A picture and the answers that were sampled for it.

    Attributes:
        case: the picture.
        answers: token ids behind the verdict stem.
    """

    case: Case
    answers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Terms:
    """What a pass over a picture's answers gives.

    Attributes:
        log_probabilities: (n,) of the tokens of each answer.
        entropies: (n,) where each token was drawn, without gradient.
        mask: loss of the answers' masks, a scalar.
    """

    log_probabilities: list[Tensor]
    entropies: list[Tensor]
    mask: Tensor


def terms_of(reader: RolloutReader, sampled: Sampled, temperature: float) -> Terms:
    """Score a picture's answers by the model as it is now.

    Args:
        reader: of the model.
        sampled: the answers.
        temperature: at which they were drawn.
    """
    features = reader.features(sampled.case)
    prompt = reader.prompt(sampled.case)
    states = answer_states(reader.model, features, prompt, sampled.answers)
    before = torch.cat([state[:-1] for state in states])
    tokens = torch.tensor([t for one in sampled.answers for t in one], device=before.device)
    scores = token_scores(token_weight(reader.model.lm_head), before, tokens, temperature)
    lengths = [len(one) for one in sampled.answers]
    found, entropies = (list(torch.split(score, lengths)) for score in scores)
    return Terms(found, entropies, _mask_term(reader, features, sampled, states))


def _mask_term(
    reader: RolloutReader, features: ViewFeatures, sampled: Sampled, states: Sequence[Tensor]
) -> Tensor:
    """Return the mask loss, the mean of the answers that say `<seg>`; 0 if no mask is known.

    Answers that open alike have one mask. The gradient of its overlap with the truth is the part
    of the reward's gradient that goes through the mask and not through the choice of words.
    """
    seg = reader.model.config.seg_token_id
    openings = Counter(tuple(reader.opening(one)) for one in sampled.answers if seg in one)
    shares = torch.from_numpy(altered_shares(sampled.case, reader.processor))
    target = shares.to(features.fused.device)[select_tiles(features).view - 1]
    known = target != UNKNOWN
    if not openings:
        # Every process must pass through the decoder, whatever its answers say.
        return reader.model.decode_masks(features, states[0][:1]).sum() * 0.0
    total = states[0].sum() * 0.0
    for opening, count in openings.items():
        row = next(n for n, one in enumerate(sampled.answers) if one[: len(opening)] == opening)
        logits = reader.model.decode_masks(features, states[row][len(opening)][None])
        truth = target.clamp(min=0)
        loss = _CROSS_ENTROPY * mask_loss(logits, truth, known).cross_entropy + overlap_loss(
            logits + reader.calibrator.mask_offset, truth, known
        )
        total = total + loss * count / openings.total()
    return total


def answer_states(
    model: ForgeryVLM,
    features: ViewFeatures,
    prompt: Sequence[int],
    answers: Sequence[Sequence[int]],
) -> list[Tensor]:
    """Return the states of each answer, (1 + its tokens, W): at the prompt's end, then its own.

    State i is what token i of the answer is predicted from, and state i + 1 the one at it.

    Args:
        model: that reads.
        features: of the one picture.
        prompt: tokens that stand before every answer.
        answers: tokens of each; lengths may differ.
    """
    device = model.lm_head.weight.device
    start, lengths = len(prompt), [len(answer) for answer in answers]
    ids = [*prompt, *(token for answer in answers for token in answer)]
    owner = torch.tensor([-1] * start + [n for n, m in enumerate(lengths) for _ in range(m)])
    positions = [*range(start), *(start + i for length in lengths for i in range(length))]
    seen = ((owner[:, None] == owner) | (owner == -1)).tril()
    hidden = model.model(
        input_ids=torch.tensor([ids], device=device), features=features, use_cache=False,
        attention_mask=seen[None, None].to(device),
        position_ids=torch.tensor([positions], device=device),
    ).last_hidden_state[0]  # fmt: skip
    parts = torch.split(hidden[start:], lengths)
    return [torch.cat([hidden[start - 1 : start], part]) for part in parts]


def token_scores(
    weight: Tensor, states: Tensor, tokens: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token and the entropy where it was drawn, both (n,).

    Args:
        weight: (vocabulary, W) of the language head.
        states: (n, W) that the tokens are predicted from.
        tokens: (n,).
        temperature: at which they were drawn.
    """
    parts = zip(torch.split(states, _ROWS), torch.split(tokens, _ROWS), strict=True)
    scored = [
        checkpoint(_scores, weight, some, drawn, temperature, use_reentrant=False)
        for some, drawn in parts
    ]
    found, entropies = zip(*scored, strict=True)
    return torch.cat(found), torch.cat(entropies)


def _scores(
    weight: Tensor, states: Tensor, tokens: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    logits = functional.linear(states, weight).float() / temperature
    chances = logits.log_softmax(-1)
    entropy = -(chances.detach().exp() * chances.detach()).sum(-1)
    return chances.gather(-1, tokens[:, None])[:, 0], entropy
