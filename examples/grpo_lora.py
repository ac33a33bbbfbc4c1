"""Align a chat model with GRPO + LoRA and HALReward: what `hal-trl demo` does, in lines to copy.

python examples/grpo_lora.py HuggingFaceTB/SmolLM2-135M-Instruct
"""

import sys

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

from hal_trl import HALReward
from hal_trl.alignment import load_chat_model, load_openers


model, tokenizer = load_chat_model(sys.argv[1] if len(sys.argv) > 1 else None)
instruction = "You are chatting with a friend by text message. Reply in one short sentence."
chats = [
    [{"role": "system", "content": instruction}, {"role": "user", "content": opener}]
    for opener in load_openers("train")  # put your own prompts here
]
trainer = GRPOTrainer(
    model=model,
    processing_class=tokenizer,
    reward_funcs=HALReward(),
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    train_dataset=Dataset.from_dict({"prompt": chats}),
    args=GRPOConfig(
        output_dir="runs/grpo-lora",
        max_steps=int(sys.argv[2]) if len(sys.argv) > 2 else 30,
        learning_rate=5e-4,
        scale_rewards="none",  # by group, TRL's default, what guards take from all replies to a prompt is given back
        beta=0.008,
        per_device_train_batch_size=16,
        num_generations=4,
        max_completion_length=40,
        mask_truncated_completions=True,
        temperature=0.8,
        logging_steps=1,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        report_to="none",
    ),
)
trainer.train()
trainer.save_model("runs/grpo-lora/adapter")
