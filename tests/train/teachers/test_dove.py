"""DOVE through diffusers, on tiny random networks of the same classes, and the command that has it answer a pool."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.requirements import requires
from tests.train.tiny import fill_pool
from vsadcvsr.errors import BackendError, UsageError, WeightsError
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.shards import Pixels
from vsadcvsr.train.teachers import label
from vsadcvsr.train.teachers.base import TeacherInput, checked_target
from vsadcvsr.train.teachers.dove import TIME_STEP, DoveModel, DoveTeacher, enlarge
from vsadcvsr.train.teachers.dove_files import EMPTY, KEY, find_prompt
from vsadcvsr.train.teachers.dove_tiles import DoveTiling

requires("diffusers")
diffusers: Any = importlib.import_module("diffusers")

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("weights") / "DOVE"
    diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, time_embed_dim=8, text_embed_dim=8,
        num_layers=1, sample_width=8, sample_height=8, sample_frames=9, patch_size=2, patch_size_t=2,
        max_text_seq_length=6, use_rotary_positional_embeddings=True,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(4, 4, 4, 4), latent_channels=4, layers_per_block=1, norm_num_groups=2, sample_height=256,
        sample_width=256, scaling_factor=0.7,
    ).save_pretrained(folder / "vae")  # fmt: skip
    diffusers.CogVideoXDPMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, snr_shift_scale=1.0, timestep_spacing="trailing"
    ).save_pretrained(folder / "scheduler")
    prompts = folder.parent / "prompt_embeddings"
    prompts.mkdir()
    save_file({KEY: torch.randn(6, 8).to(torch.bfloat16)}, prompts / f"{EMPTY}.safetensors")
    save_file({KEY: torch.zeros(6, 8)}, prompts / "another.safetensors")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> DoveModel:
    return DoveModel.load(folder, device="cpu")


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    shutil.copytree(folder.parent, tmp_path / "copy")
    return tmp_path / "copy" / "DOVE"


def clip(frames: int, height: int, width: int) -> Pixels:
    return np.random.default_rng(frames).integers(0, 255, (frames, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 16, 16), (5, 10, 20), (9, 3, 5), (25, 8, 16)])
def test_answers_are_four_times_as_large(model: DoveModel, size: tuple[int, int, int]) -> None:
    frames, height, width = size
    target = checked_target(DoveTeacher(model), TeacherInput(clip(*size)))
    assert target.shape == (frames, 4 * height, 4 * width, 3)
    assert target.std() > 0


def test_an_answer_hangs_on_the_clip_and_the_seed_alone(model: DoveModel) -> None:
    first, second = TeacherInput(clip(2, 8, 8)), TeacherInput(clip(3, 8, 8))
    teacher, reseeded = DoveTeacher(model, seed=1), DoveTeacher(model, seed=2)
    target = teacher.target(first)
    teacher.target(second)
    assert np.array_equal(target, teacher.target(first))
    assert not np.array_equal(target, reseeded.target(first))


def test_a_clip_is_padded_with_its_last_frame_and_with_black() -> None:
    low = clip(3, 10, 18)
    result = enlarge(low)
    assert result.shape == (3, 9, 64, 128)
    assert torch.equal(result[:, 2:], result[:, 2:3].expand(-1, 7, -1, -1))
    assert bool((result[:, :, 42:] == -1).all())
    assert bool((result[:, :, :, 74:] == -1).all())
    full = enlarge(np.full((1, 16, 16, 3), 255, np.uint8))
    assert bool((full == 1).all())
    wanted = torch.nn.functional.interpolate(torch.tensor([[[0.0, 255.0]]]), scale_factor=4.0, mode="linear")
    ramp = enlarge(np.repeat(np.array([0, 255] * 8, np.uint8)[None, None, :, None], 3, 3).repeat(16, 1))
    assert torch.allclose(ramp[0, 0, 0, :6], wanted[0, 0, :6] / 127.5 - 1, atol=1e-6)


def test_a_short_clip_is_answered_as_one_whose_last_frame_stands_still(model: DoveModel) -> None:
    low = clip(3, 16, 16)
    padded = np.concatenate([low, np.repeat(low[-1:], 6, 0)])
    short, full = (DoveTeacher(model).target(TeacherInput(frames)) for frames in (low, padded))
    assert np.array_equal(short, full[:3])


class Watched:
    """A network that notes what it was asked, and answers as `model` does."""

    def __init__(self, model: Any) -> None:
        self.model, self.config, self.asked = model, model.config, dict[str, Any]()

    def __call__(self, **given: Any) -> tuple[torch.Tensor]:
        self.asked = given
        self.answer: torch.Tensor = self.model(**given)[0]
        return (self.answer,)


def test_one_step_is_the_papers_formula(model: DoveModel) -> None:
    watched = Watched(model.transformer)
    latent = torch.randn(1, 3, 4, 8, 4, generator=torch.Generator().manual_seed(0))
    result = DoveModel(watched, model.vae, model.scheduler, model.prompt)._step(latent)
    latents = watched.asked["hidden_states"]
    assert torch.equal(latents, torch.cat([latent[:, :1], latent], 1))  # 3 latent frames become 4 for patches of 2
    assert watched.asked["timestep"].tolist() == [TIME_STEP] == [399]
    assert torch.equal(watched.asked["encoder_hidden_states"], model.prompt)
    share = model.scheduler.alphas_cumprod[TIME_STEP].float()
    wanted = share.sqrt() * latents - (1 - share).sqrt() * watched.answer
    assert torch.allclose(result, wanted[:, 1:], atol=1e-6)


def test_at_full_size_it_is_the_model_of_the_dove_paper() -> None:
    prompt = torch.empty(1, 226, 4096, device="meta")
    with torch.device("meta"):
        transformer = diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=48, in_channels=16, out_channels=16, num_layers=42, patch_size_t=2, sample_width=170,
            sample_height=96, sample_frames=81, use_rotary_positional_embeddings=True,
        )  # fmt: skip
        vae = diffusers.AutoencoderKLCogVideoX()
    networks = sum(value.numel() for part in (transformer, vae) for value in part.parameters())
    assert round((networks + prompt.numel()) / 1e6, 2) == 5787.19  # its table of sizes counts the prompt as well
    scheduler = diffusers.CogVideoXDPMScheduler()
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.to("meta")
    with torch.inference_mode():
        result = DoveModel(transformer, vae, scheduler, prompt)._step(torch.empty(1, 7, 16, 64, 64, device="meta"))
    assert result.shape == (1, 7, 16, 64, 64)  # the latent of 25 frames of 512x512


def test_rotary_embeddings_are_those_of_the_larger_grid(model: DoveModel) -> None:
    from diffusers.models.embeddings import get_3d_rotary_pos_embed

    watched = Watched(model.transformer)
    DoveModel(watched, model.vae, model.scheduler, model.prompt)._step(torch.zeros(1, 4, 4, 6, 4))
    wanted = get_3d_rotary_pos_embed(16, None, (3, 2), 2, grid_type="slice", max_size=(4, 4))
    for embedding, other in zip(watched.asked["image_rotary_emb"], wanted, strict=True):
        assert embedding.shape == (12, 16)
        assert torch.equal(embedding, other)


def test_the_latent_is_a_draw_from_the_encoder_at_its_scale(model: DoveModel) -> None:
    watched = Watched(model.transformer)
    picture = enlarge(clip(9, 16, 16))
    watcher = DoveModel(watched, model.vae, model.scheduler, model.prompt)
    watcher.restore(picture, torch.Generator().manual_seed(5))
    with torch.no_grad():
        posterior = model.vae.encode(picture[None]).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(5))
    wanted = (posterior.mean + posterior.std * noise) * 0.7  # (1, C, t, h, w)
    assert torch.allclose(watched.asked["hidden_states"][:, 1:], wanted.permute(0, 2, 1, 3, 4), atol=1e-5)


def test_pieces_are_answered_one_by_one(model: DoveModel) -> None:
    low = clip(12, 16, 32)
    pieces = DoveTiling(chunk=9, chunk_overlap=2, tile=(64, 80), tile_overlap=(16, 32))
    target = DoveTeacher(model, pieces).target(TeacherInput(low))
    assert target.shape == (12, 64, 128, 3)
    generator = torch.Generator().manual_seed(42)
    first = model.restore(enlarge(low[:9])[..., :80], generator)
    expected = first[:, :6, :, :64].mul(255).round().to(torch.uint8).permute(1, 2, 3, 0).numpy()
    assert np.array_equal(target[:6, :, :64], expected)  # up to the middle of what the pieces share


def test_too_little_memory_is_reported_in_one_line(model: DoveModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.vae, "encode", full)
    with pytest.raises(BackendError, match=r"2 frames of 64x32; give a smaller --tile or --chunk"):
        DoveTeacher(model).target(TeacherInput(clip(2, 8, 16)))


def test_networks_are_loaded_for_use_on_a_cpu(model: DoveModel) -> None:
    assert model.transformer.dtype == model.vae.dtype == model.prompt.dtype == torch.float32
    assert model.vae.use_slicing
    assert model.vae.use_tiling
    assert not any(value.requires_grad for value in model.transformer.parameters())


def test_bf16_is_close_to_fp32(folder: Path, model: DoveModel) -> None:
    half = DoveModel.load(folder, device="cpu", precision="bf16", whole_vae=True)
    assert half.transformer.dtype == half.vae.dtype == half.prompt.dtype == torch.bfloat16
    assert not half.vae.use_tiling
    sample = TeacherInput(clip(9, 8, 8))
    far = np.abs(DoveTeacher(half).target(sample).astype(int) - DoveTeacher(model).target(sample))
    assert 0 < far.mean() < 12  # the noise of the latent is drawn in bf16, which is another draw


@pytest.mark.parametrize("part", ["transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json"])
def test_a_missing_part_is_named(broken: Path, part: str) -> None:
    (broken / part).unlink()
    with pytest.raises(WeightsError, match=rf"{part} is missing; give DOVE's folder"):
        DoveModel.load(broken)


def test_missing_weights_are_reported_in_one_line(broken: Path) -> None:
    next((broken / "vae").glob("*.safetensors")).unlink()
    with pytest.raises(WeightsError, match=r"vae cannot be loaded: [^\n]+$"):
        DoveModel.load(broken, device="cpu")


def test_missing_tensors_are_never_left_at_random(broken: Path) -> None:
    file = next((broken / "transformer").glob("*.safetensors"))
    tensors = load_file(file)
    del tensors["proj_out.weight"]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 tensors, proj_out\.weight first"):
        DoveModel.load(broken, device="cpu")


def test_another_network_is_refused(broken: Path) -> None:
    file = broken / "vae" / "config.json"
    file.write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    with pytest.raises(WeightsError, match="is of the class AutoencoderKL, not AutoencoderKLCogVideoX"):
        DoveModel.load(broken)


def test_the_empty_prompt_is_found_next_to_or_in_the_folder(broken: Path) -> None:
    beside = broken.parent / "prompt_embeddings"
    assert find_prompt(broken, None) == beside / f"{EMPTY}.safetensors"
    (beside / "another.safetensors").rename(broken / "alone.safetensors")
    (beside / f"{EMPTY}.safetensors").unlink()
    assert find_prompt(broken, None) == broken / "alone.safetensors"


def test_a_missing_prompt_is_reported_in_one_line(broken: Path) -> None:
    shutil.rmtree(broken.parent / "prompt_embeddings")
    with pytest.raises(WeightsError, match="holds a prompt_embedding; name it with --prompt"):
        DoveModel.load(broken)


def test_two_prompts_without_names_are_not_guessed_between(broken: Path) -> None:
    beside = broken.parent / "prompt_embeddings"
    (beside / f"{EMPTY}.safetensors").rename(beside / "one.safetensors")
    with pytest.raises(WeightsError, match=r"another\.safetensors and .*one\.safetensors both hold"):
        find_prompt(broken, None)


def test_a_prompt_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    save_file({KEY: torch.zeros(77, 8)}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=r"of shape \(77, 8\), but the transformer takes \(6, 8\)"):
        DoveModel.load(folder, prompt=tmp_path / "odd.safetensors", device="cpu")


def test_the_command_answers_a_pool_once(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pool = fill_pool(tmp_path / "pool", clips=2, frames=2, side=8)
    arguments = [str(pool), "--teacher", "dove", "--weights", str(folder), "--device", "cpu"]
    with pytest.raises(UsageError, match="teacher 'dove'"):
        Dataset(pool, teacher="dove")
    assert label.main(arguments) == 0
    first = (pool / "0000.dove.npy").read_bytes()
    batch = Dataset(pool, teacher="dove").batch(np.random.default_rng(0), 1, frames=2, lr_size=8)
    assert batch.target.shape == batch.truth.shape
    assert np.load(pool / "0000.dove.npy").shape == np.load(pool / "0000.hr.npy").shape
    with caplog.at_level("INFO"):
        assert label.main([str(pool), "--weights", str(tmp_path / "gone")]) == 0
    assert "dove has answered everything" in caplog.text
    assert (pool / "0000.dove.npy").read_bytes() == first


def test_the_command_asks_for_the_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name their folder with --weights"):
        label.main([str(fill_pool(tmp_path / "pool"))])
