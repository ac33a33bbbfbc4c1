"""RLOO with LoRA: as grpo_lora.py, with TRL's RLOOTrainer.

python examples/rloo_lora.py HuggingFaceTB/SmolLM2-135M-Instruct
"""

import sys

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import RLOOConfig, RLOOTrainer

from hal_trl import HALReward
from hal_trl.alignment import load_chat_model, load_openers


model, tokenizer = load_chat_model(sys.argv[1] if len(sys.argv) > 1 else None)
chats = [[{"role": "user", "content": opener}] for opener in load_openers("train")]  # put your own prompts here
trainer = RLOOTrainer(
    model=model,
    processing_class=tokenizer,
    reward_funcs=HALReward(),
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    train_dataset=Dataset.from_dict({"prompt": chats}),
    args=RLOOConfig(
        output_dir="runs/rloo-lora",
        max_steps=int(sys.argv[2]) if len(sys.argv) > 2 else 30,
        learning_rate=5e-4,
        beta=0.04,
        per_device_train_batch_size=16,
        num_generations=4,
        max_completion_length=40,
        temperature=0.8,
        logging_steps=1,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        report_to="none",
    ),
)
trainer.train()
trainer.save_model("runs/rloo-lora/adapter")
