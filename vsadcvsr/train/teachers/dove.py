"""DOVE, the paper's teacher: CogVideoX 1.5 fine-tuned to restore a video in one step, through diffusers.

A clip is upsampled bilinearly, encoded, taken as the noisy latent of one time step, denoised by the transformer with
the empty prompt, and decoded. Nothing is downloaded: the weights are in a local folder.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsadcvsr.environment import NO_TELEMETRY, variables
from vsadcvsr.errors import BackendError, UsageError, WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.train.data.shards import Pixels
from vsadcvsr.train.teachers import dove_tiles
from vsadcvsr.train.teachers.base import TeacherInput
from vsadcvsr.train.teachers.dove_files import check_folder, find_prompt, read_prompt
from vsadcvsr.train.teachers.dove_tiles import DoveTiling, padded_frames, padded_side

type Foreign = Any
"""An object of diffusers, whose types mypy is not shown: they take it minutes."""

TIME_STEP = 399
"""Time step of the latent of the upsampled clip."""

SEED = 42
_SCALE = 4


@dataclass(frozen=True, eq=False)
class DoveModel:
    """The networks on one device, and the embedding of the empty prompt (1, tokens, width)."""

    transformer: Foreign
    vae: Foreign
    scheduler: Foreign
    prompt: Tensor

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        prompt: Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        whole_vae: bool = False,
    ) -> Self:
        """From a folder in the layout of diffusers; `precision` is bf16, fp32 or auto, which is bf16 on CUDA only.

        The VAE works in slices and tiles of its own unless `whole_vae` is set. Raises WeightsError for files
        that are missing or foreign, BackendError without diffusers or the device.
        """
        check_folder(folder)
        embedding = find_prompt(folder, prompt)
        torch_device = _device(device)
        dtype = _dtype(precision, torch_device)
        with needs("train", "DOVE"), variables(NO_TELEMETRY):
            from diffusers import AutoencoderKLCogVideoX, CogVideoXDPMScheduler, CogVideoXTransformer3DModel
        transformer = _load_part(CogVideoXTransformer3DModel, folder, "transformer", dtype)
        vae = _load_part(AutoencoderKLCogVideoX, folder, "vae", dtype)
        if transformer.config.patch_size_t is None:
            raise WeightsError(f"{folder} has a CogVideoX 1.0 transformer; DOVE is a CogVideoX 1.5, with patch_size_t")
        if not whole_vae:
            vae.enable_slicing()
            vae.enable_tiling()
        scheduler = CogVideoXDPMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
        shape = (transformer.config.max_text_seq_length, transformer.config.text_embed_dim)
        prompt_embedding = read_prompt(embedding, shape).to(torch_device, dtype)
        return cls(transformer.to(torch_device), vae.to(torch_device), scheduler, prompt_embedding)

    @torch.inference_mode()
    def restore(self, clip: Tensor, generator: torch.Generator) -> Tensor:
        """(3, T, H, W) in -1..1 to the same in 0..1; T is 8n + 1, H and W are multiples of 16."""
        posterior = self.vae.encode(clip[None].to(self.vae.device, self.vae.dtype)).latent_dist
        latent = posterior.sample(generator) * self.vae.config.scaling_factor  # (1, C, t, h, w)
        clean = self._step(latent.transpose(1, 2)).transpose(1, 2)
        return self.vae.decode(clean / self.vae.config.scaling_factor).sample[0].mul(0.5).add(0.5).clamp(0, 1)  # type: ignore[no-any-return]

    def _step(self, latent: Tensor) -> Tensor:
        """The clean latent that the transformer sees in one (1, t, C, h, w)."""
        extra = -latent.shape[1] % self.transformer.config.patch_size_t
        latent = torch.cat([latent[:, :1].repeat(1, extra, 1, 1, 1), latent], 1)
        timestep = torch.full((1,), TIME_STEP, dtype=torch.long, device=latent.device)
        prediction = self.transformer(
            hidden_states=latent,
            encoder_hidden_states=self.prompt,
            timestep=timestep,
            image_rotary_emb=self._rotary(latent),
            return_dict=False,
        )[0]
        return self.scheduler.get_velocity(prediction, latent, timestep)[:, extra:]  # type: ignore[no-any-return]

    def _rotary(self, latent: Tensor) -> tuple[Tensor, Tensor] | None:
        """As CogVideoX 1.5 has them; the grid may be larger than the one it was trained with."""
        from diffusers.models.embeddings import get_3d_rotary_pos_embed

        config = self.transformer.config
        if not config.use_rotary_positional_embeddings:
            return None
        grid = latent.shape[3] // config.patch_size, latent.shape[4] // config.patch_size
        cosines, sines = get_3d_rotary_pos_embed(
            embed_dim=config.attention_head_dim,
            crops_coords=None,
            grid_size=grid,
            temporal_size=latent.shape[1] // config.patch_size_t,
            grid_type="slice",
            max_size=grid,
        )
        return cosines.to(latent.device), sines.to(latent.device)


@dataclass(frozen=True, eq=False)
class DoveTeacher:
    """DOVE as a teacher; the noise of each input comes from the seed, so the order of inputs does not matter."""

    model: DoveModel
    tiling: DoveTiling = field(default_factory=DoveTiling)
    seed: int = SEED
    name: str = "dove"

    def target(self, sample: TeacherInput) -> Pixels:
        """The clip restored by DOVE; BackendError if memory is short."""
        if sample.scale != _SCALE:
            raise UsageError.of("the clip's scale", sample.scale, str(_SCALE), "DOVE enlarges by no other")
        target = np.empty(sample.target_shape, np.uint8)
        generator = torch.Generator().manual_seed(self.seed)
        try:
            for chunk in dove_tiles.chunks(len(sample.low), self.tiling):
                restored = self._chunk(sample.low[chunk.input_slice], generator)
                target[chunk.output_slice] = restored[chunk.kept_slice, : target.shape[1], : target.shape[2]]
        except torch.OutOfMemoryError as error:
            frames, height, width, _ = target.shape
            clip = f"{frames} frames of {width}x{height}"
            raise BackendError(f"memory does not suffice for {clip}; give a smaller --tile or --chunk") from error
        return target

    def _chunk(self, low: Pixels, generator: torch.Generator) -> Pixels:
        """(t, h, w, 3) to (t, H, W, 3), padding included in H and W."""
        enlarged = enlarge(low)
        height, width = enlarged.shape[2:]
        output = np.empty((len(low), height, width, 3), np.uint8)
        for rows, columns in dove_tiles.tiles(height, width, self.tiling):
            restored = self.model.restore(enlarged[:, :, rows.input_slice, columns.input_slice], generator)
            kept_part = (
                restored[:, : len(low), rows.kept_slice, columns.kept_slice].float().mul(255).round().to(torch.uint8)
            )
            output[:, rows.output_slice, columns.output_slice] = kept_part.permute(1, 2, 3, 0).cpu().numpy()
        return output


def enlarge(low: Pixels) -> Tensor:
    """(t, h, w, 3) to (3, T, H, W) in -1..1: padded with its last frame, and with black at the right and below."""
    frames, height, width, _ = low.shape
    values = torch.from_numpy(np.ascontiguousarray(np.moveaxis(low, -1, 1))).float()  # (t, 3, h, w)
    values = torch.cat([values, values[-1:].repeat(padded_frames(frames) - frames, 1, 1, 1)])
    values = F.pad(values, (0, padded_side(width) - width, 0, padded_side(height) - height))
    values = F.interpolate(values, scale_factor=float(_SCALE), mode="bilinear", align_corners=False)
    return values.div(127.5).sub(1).transpose(0, 1)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise BackendError("device is 'cuda', but torch finds no CUDA device; give --device auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision not in {"auto", "bf16", "fp32"}:
        raise UsageError.of("precision", precision, "auto, bf16, fp32")
    half = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.bfloat16 if half else torch.float32


def _load_part(model_class: Foreign, folder: Path, name: str, dtype: torch.dtype) -> Foreign:
    """One of the networks; diffusers would leave tensors that a file lacks at random values, so none may lack."""
    try:
        model, loading_info = model_class.from_pretrained(
            folder,
            subfolder=name,
            torch_dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=importlib.util.find_spec("accelerate") is not None,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{folder / name} cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    if missing := sorted(loading_info["missing_keys"]):
        raise WeightsError(f"{folder / name} lacks {len(missing)} tensors, {missing[0]} first; download it again")
    return model.eval().requires_grad_(False)
