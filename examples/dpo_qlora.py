"""DPO with QLoRA on preference pairs (hal-trl pairs); the reference is the model with its adapter off.

python examples/dpo_qlora.py runs/pairs HuggingFaceTB/SmolLM2-135M-Instruct
"""

import sys

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import DPOConfig, DPOTrainer

from hal_trl.alignment import HumanLikenessCallback


pairs, name = sys.argv[1], sys.argv[2]
gpu = torch.cuda.is_available()
dtype = torch.bfloat16 if gpu else torch.float32
nf4 = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
)
trainer = DPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(name, quantization_config=nf4, dtype=dtype),
    processing_class=AutoTokenizer.from_pretrained(name),
    peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM"),
    train_dataset=load_dataset(pairs, split="train"),
    args=DPOConfig(
        output_dir="runs/dpo-qlora",
        max_steps=int(sys.argv[3]) if len(sys.argv) > 3 else -1,
        learning_rate=5e-5,
        beta=0.1,
        per_device_train_batch_size=4,
        optim="adamw_8bit" if gpu else "adamw_torch",
        logging_steps=1,
        use_cpu=not gpu,
        bf16=gpu,
        report_to="none",
    ),
)
trainer.add_callback(HumanLikenessCallback(trainer, every=50))
trainer.train()
trainer.save_model("runs/dpo-qlora/adapter")
