"""Tiny random image models made from configs, and pictures drawn on the spot: nothing is downloaded."""

from pathlib import Path
from typing import Any

import numpy as np
from model_fixtures import WORDS
from PIL import Image

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.4,
}
VISION = {**SIZES, "image_size": 32, "patch_size": 8}
PIXELS = {
    "size": {"height": 32, "width": 32},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.25],
    "do_center_crop": False,
}


def draw(folder: Path, count: int = 6) -> list[Path]:
    """Noise of a colour and a shape of its own each; PNG files of different sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n in range(count):
        noise = np.random.default_rng(n).integers(0, 90, (20 + n % 7, 48 - n % 5, 3), dtype=np.uint8)
        noise[:, :, n % 3] += np.uint8(20 * (n % 8))
        paths.append(folder / f"{n}.png")
        Image.fromarray(noise).save(paths[-1])
    return paths


def word_tokenizer(length: int, **options: Any) -> Any:
    """Whole words, each text ended by </s>."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<unk>", "<s>", "</s>", *dict.fromkeys(WORDS)]
    backend = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=length,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        **options,
    )


def make_tiny_clip(folder: Path) -> Path:
    """A CLIPModel folder: 24 dimensions, texts of 16 tokens, images of 32 pixels; weights from seed 0."""
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    text = {**SIZES, "vocab_size": 120, "max_position_embeddings": 16, "eos_token_id": 3, "bos_token_id": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = CLIPConfig(text_config={**text, "pad_token_id": 0}, vision_config=VISION, projection_dim=24)
        CLIPModel(config).save_pretrained(folder)
    word_tokenizer(16).save_pretrained(folder)
    CLIPImageProcessorPil(**PIXELS).save_pretrained(folder)
    return folder


def make_tiny_siglip(folder: Path) -> Path:
    """A SiglipModel folder: 32 dimensions, texts always padded to 12 tokens."""
    import torch
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    text = {**SIZES, "vocab_size": 120, "max_position_embeddings": 12, "pad_token_id": 0, "eos_token_id": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=VISION))
        spread(model)
        model.save_pretrained(folder)
    word_tokenizer(12).save_pretrained(folder)
    SiglipImageProcessorPil(**{k: v for k, v in PIXELS.items() if k != "do_center_crop"}).save_pretrained(folder)
    return folder


def make_tiny_dual(folder: Path) -> Path:
    """A VisionTextDualEncoderModel folder: BERT for texts, a ViT for images, 20 dimensions."""
    import torch
    from transformers import BertConfig, VisionTextDualEncoderConfig, VisionTextDualEncoderModel, ViTConfig
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    text = BertConfig(**SIZES, vocab_size=120, max_position_embeddings=24, pad_token_id=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = VisionTextDualEncoderConfig.from_vision_text_configs(ViTConfig(**VISION), text, projection_dim=20)
        VisionTextDualEncoderModel(config).save_pretrained(folder)
    word_tokenizer(24).save_pretrained(folder)
    ViTImageProcessorPil(**{k: v for k, v in PIXELS.items() if k != "do_center_crop"}).save_pretrained(folder)
    return folder


def make_tiny_vit(folder: Path) -> Path:
    """A ViTModel folder without a text side: 32 dimensions."""
    import torch
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    with torch.random.fork_rng():
        torch.manual_seed(0)
        ViTModel(ViTConfig(**VISION)).save_pretrained(folder)
    ViTImageProcessorPil(**{k: v for k, v in PIXELS.items() if k != "do_center_crop"}).save_pretrained(folder)
    return folder


def spread(model: Any) -> None:
    """Weights large enough that different inputs differ: some models begin almost constant."""
    import torch

    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)


def make_tiny_bridge(folder: Path, image: Path, text: Path) -> Path:
    """A bridge between the tiny ViT and the tiny BERT, fitted on random vectors."""
    from workbench.encoders import bridging
    from workbench.encoders.dense import DenseEncoder
    from workbench.encoders.image import ImageEncoder
    from workbench.specs import DenseSpec, EncodeSpec, ImageSpec

    run = EncodeSpec(device="cpu", dtype="float32")
    specs = {"image": ImageSpec(name="vit", model=str(image)), "text": DenseSpec(name="tiny", model=str(text))}
    opened = {"image": ImageEncoder.open(specs["image"], run), "text": DenseEncoder.open(specs["text"], run)}
    random = np.random.default_rng(0)
    features, texts = (bridging.normalize_rows(random.normal(size=(60, 32))) for _ in range(2))
    notes = {f"{side}_encoder": spec.to_dict() for side, spec in specs.items()}
    notes |= {f"{side}_revision": each.describe()["revision"] for side, each in opened.items()}
    notes |= {f"{side}_bytes": each.size_bytes for side, each in opened.items()}
    given = bridging.Captioned([str(n) for n in range(60)], features, texts, texts)
    bridging.save_bridge(folder, bridging.fit(given), notes)
    return folder
