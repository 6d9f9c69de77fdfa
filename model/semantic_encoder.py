"""The semantic encoder: a CLIP vision tower whose chosen layers are joined to one token a patch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from morelli.model.artifact_encoder import normalise


class SemanticEncoder(nn.Module):
    """CLIP's tower; what the artifact stem sees can be added to its patch embeddings."""

    def __init__(self, config: CLIPVisionConfig, taps: Sequence[int], stem_width: int) -> None:
        """Build the tower with random weights.

        Args:
            config: of the tower.
            taps: layers whose tokens are joined, as `hidden_states` counts them.
            stem_width: channels of the stem at the tower's grid; 0 where there is no stem.
        """
        super().__init__()
        self.clip = CLIPVisionModel(config)
        layers = config.num_hidden_layers
        self.taps = [tap if tap >= 0 else layers + 1 + tap for tap in taps]
        self.inject = nn.Linear(stem_width, config.hidden_size) if stem_width else None
        self.width = config.hidden_size * len(self.taps)

    def forward(self, colours: Tensor, stem: Tensor | None) -> tuple[Tensor, Tensor]:
        """Encode N views.

        Args:
            colours: (N, 3, S, S) in [0, 1].
            stem: (N, stem width, G, G), or None where there is no stem.

        Returns:
            (N, G * G, width) tokens and the (N, hidden size) state of the class token.
        """
        embeddings = self.clip.embeddings
        patches = embeddings.patch_embedding(normalise(colours)).flatten(2).transpose(1, 2)
        if self.inject is not None and stem is not None:
            patches = patches + self.inject(stem.flatten(2).transpose(1, 2))
        summary = embeddings.class_embedding.expand(len(patches), 1, -1)
        hidden = torch.cat([summary.to(patches.dtype), patches], dim=1)
        hidden = hidden + embeddings.position_embedding(embeddings.position_ids)
        hidden = self.clip.pre_layrnorm(hidden)
        tapped = [hidden] if 0 in self.taps else []
        for number, layer in enumerate(self.clip.encoder.layers[: max(self.taps)], start=1):
            hidden = layer(hidden, None)
            if number in self.taps:
                tapped.append(hidden)
        return torch.cat([tokens[:, 1:] for tokens in tapped], dim=-1), hidden[:, 0]
